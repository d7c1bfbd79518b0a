//! What the gateway asks of the rest of the product, and what it is told. It decides nothing itself.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sshwire::PublicKey;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::authorise::Terms;
use crate::clock::BootTime;
use crate::login::Login;
use crate::tape::Anchor;

/// Implemented over the channel to engine, and by a fake in tests. The futures are polled on the gateway's own threads: an implementation
/// must not rely on the runtime it was made in (message channels are fine, sockets of another runtime are not).
pub trait Gate: Send + Sync + 'static {
    /// Is this public key enrolled at all? Read only; called before the signature is checked.
    fn knows(&self, key: &PublicKey) -> impl Future<Output = bool> + Send;

    /// Where the target may be dialled ahead of the answer to [`Gate::open`], to save its time; called after the person's signature has
    /// been verified. What is dialled is only used where the passage names the same address and the same host keys.
    fn approach(&self, login: &Login, key: &PublicKey) -> impl Future<Output = Option<Approach>> + Send {
        let _unused = (login, key);
        std::future::ready(None)
    }

    /// Asks for a passage, after the person's signature has been verified. An error when engine is away, too.
    fn open(&self, ask: PassageAsk) -> impl Future<Output = Result<Passage, Refusal>> + Send;

    /// A stream to engine's API for an authenticated key.
    fn control(&self, ask: ControlAsk) -> impl Future<Output = Result<Box<dyn ControlStream>, Refusal>> + Send;

    /// A session that had been opened is over; fire and forget. Called from tasks that carry other sessions, so it must not block.
    fn ended(&self, end: SessionEnd);
}

/// A bidirectional byte stream to engine's API.
pub trait ControlStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ControlStream for T {}

/// Where a target is, and the host keys pinned for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approach {
    pub addr: SocketAddr,
    pub host_keys: Vec<PublicKey>,
}

/// Who asks for what.
#[derive(Debug, Clone)]
pub struct PassageAsk {
    pub login: Login,
    pub key: PublicKey,
    pub source: IpAddr,
    /// The Ed25519 key made in memory for this connection; the certificate is to be for it.
    pub ephemeral: PublicKey,
    /// Hash of the recording's header.
    pub recording_header: [u8; 32],
    /// Random id chosen by the gateway.
    pub session: String,
}

/// Who asks for the control channel, with the command line as given.
#[derive(Debug, Clone)]
pub struct ControlAsk {
    pub key: PublicKey,
    pub source: IpAddr,
    pub command: String,
}

/// The terms of one session.
#[derive(Debug, Clone)]
pub struct Passage {
    pub target_label: String,
    pub target_addr: SocketAddr,
    /// Pinned host keys; any one of them will do.
    pub target_host_keys: Vec<PublicKey>,
    pub target_user: String,
    /// OpenSSH certificate for the ephemeral key, in wire form.
    pub certificate: Vec<u8>,
    /// From now, by the boot-time clock.
    pub ends_in: Duration,
    pub terms: Terms,
    /// Shown before the first byte; lines without line ends.
    pub notice: Vec<String>,
    pub record_input: RecordInput,
    pub language: Language,
}

/// Is what the person types recorded?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordInput {
    No,
    /// Yes; keystrokes that the target does not echo soon after are masked, by a heuristic.
    Masked,
}

/// The language of what the gateway itself says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    English,
    Japanese,
}

/// A refusal, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct Refusal {
    /// Stable code.
    pub code: String,
    /// One sentence in the person's language.
    pub sentence: String,
    pub hint: Option<String>,
    /// What the client's `ssh` exits with.
    pub exit: u32,
}

/// How a session ended.
#[derive(Debug, Clone)]
pub struct SessionEnd {
    pub session: String,
    pub reason: EndReason,
    pub opened: BootTime,
    pub ended: BootTime,
    /// The recording's last anchor; `None` where nothing could be made durable.
    pub anchor: Option<Anchor>,
    /// Whether nothing of the recording failed and `anchor` is that of its last chunk, made durable.
    pub complete: bool,
    /// Bytes from client to target, and from target to client.
    pub bytes_in: u64,
    pub bytes_out: u64,
}

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndReason {
    ClientLeft,
    /// No sign of life from the client.
    ClientSilent,
    TargetLeft,
    TargetSilent,
    /// The target could not be reached, did not prove its host key or did not take the certificate.
    TargetRefused(String),
    GrantEnded,
    /// By order; the reason given for it, or nothing.
    Killed(String),
    RecordingFailed,
    /// The connection broke a limit of the gateway.
    LimitBroken,
    /// The task serving the connection died.
    GatewayFault,
    GatewayStopped,
}

impl EndReason {
    /// The stable code; also the message's key.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ClientLeft => "client-left",
            Self::ClientSilent => "client-silent",
            Self::TargetLeft => "target-left",
            Self::TargetSilent => "target-silent",
            Self::TargetRefused(_) => "target-refused",
            Self::GrantEnded => "grant-ended",
            Self::Killed(_) => "session-killed",
            Self::RecordingFailed => "recording-failed",
            Self::LimitBroken => "limit-broken",
            Self::GatewayFault => "gateway-fault",
            Self::GatewayStopped => "gateway-stopped",
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
