//! Sekimori's own errands on a target: one login with a certificate, one command, a short answer. Nobody's session; nothing is forwarded.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{self, AuthResult};
use russh::keys::{Certificate, PrivateKey, PublicKeyOrCertificate};
use russh::{ChannelMsg, Disconnect};
use sshwire::PublicKey;

use crate::clock::BootTime;
use crate::key::{algorithm, ours};
use crate::server::{Ciphers, preferred};
use crate::tape::{Direction, Frame, Kind, Tape, TapeError};

/// What a target may say beside its answer; beyond it the errand is over, so that nobody fills the disk with it.
const LONGEST_UNUSED: usize = 64 << 10;
/// An answer longer than this is not one.
const LONGEST_ANSWER: usize = 256;
/// Each step towards the target may take this long.
const STEP: Duration = Duration::from_secs(10);

/// Where to log in, as whom, with what.
pub struct Login {
    pub addr: SocketAddr,
    pub host_keys: Vec<PublicKey>,
    pub user: String,
    /// Of the Ed25519 key made for this errand.
    pub seed: [u8; 32],
    /// In wire form.
    pub certificate: Vec<u8>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("addr", &self.addr).field("user", &self.user).finish_non_exhaustive()
    }
}

/// Why an errand came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ErrandError {
    #[error("target is not reached: {0}")]
    Unreachable(String),
    #[error("the target's host key is {presented}, which is not pinned")]
    HostKeyChanged { presented: String },
    #[error("the target did not take the certificate")]
    Refused,
    #[error("the target gave no short answer")]
    NoAnswer,
    #[error(transparent)]
    NotRecorded(#[from] TapeError),
}

/// An errand's tape: everything is on it before it is used. The disk is waited for here, for an errand is short and nobody types.
pub struct Log {
    tape: Box<dyn Tape>,
    began: BootTime,
    bytes: u64,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Log {
    pub fn new(tape: Box<dyn Tape>) -> Self {
        Self { tape, began: BootTime::now(), bytes: 0 }
    }

    /// What flowed in both directions.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Ends the tape; durable on return.
    ///
    /// # Errors
    /// When the disk did not take it.
    pub fn close(mut self) -> Result<crate::tape::Anchor, TapeError> {
        self.tape.close()
    }

    fn note(&mut self, kind: Kind, direction: Direction, bytes: &[u8]) -> Result<(), TapeError> {
        self.bytes += bytes.len() as u64;
        let at = BootTime::now().since(self.began);
        let bytes = bytes::Bytes::copy_from_slice(bytes);
        self.tape.frame(&Frame { kind, channel: CHANNEL, direction, at, bytes })
    }
}

/// An errand has one channel.
const CHANNEL: u32 = 1;

/// A target that let the errand in.
pub struct LoggedIn {
    handle: client::Handle<Pins>,
}

impl std::fmt::Debug for LoggedIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LoggedIn")
    }
}

struct Pins {
    pinned: Vec<PublicKey>,
    presented: Arc<std::sync::Mutex<Option<String>>>,
}

impl client::Handler for Pins {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = key else { return Ok(false) };
        let Some(key) = ours(key) else { return Ok(false) };
        let is_pinned = self.pinned.contains(&key);
        if !is_pinned {
            *self.presented.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
                Some(key.fingerprint().to_string());
        }
        Ok(is_pinned)
    }
}

/// Reaches the target, proves its host key, logs in.
pub async fn connect(login: Login) -> Result<LoggedIn, ErrandError> {
    let unreachable = |why: &dyn std::fmt::Display| ErrandError::Unreachable(why.to_string());
    let presented = Arc::new(std::sync::Mutex::new(None));
    let pins = Pins { pinned: login.host_keys.clone(), presented: presented.clone() };
    let config =
        Arc::new(client::Config { preferred: preferred_by_pins(&login.host_keys), ..client::Config::default() });
    let connecting = tokio::time::timeout(STEP, client::connect(config, login.addr, pins));
    let connected = connecting.await.map_err(|_| unreachable(&"no answer in time"))?;
    let changed = presented.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    let mut handle = match (connected, changed) {
        (Ok(handle), _) => handle,
        (Err(_), Some(presented)) => return Err(ErrandError::HostKeyChanged { presented }),
        (Err(error), None) => return Err(unreachable(&error)),
    };
    let key = PrivateKey::from(russh::keys::ssh_key::private::Ed25519Keypair::from_seed(&login.seed));
    let certificate = Certificate::from_bytes(&login.certificate).map_err(|_| ErrandError::Refused)?;
    let logging_in =
        tokio::time::timeout(STEP, handle.authenticate_openssh_cert(login.user, Arc::new(key), certificate));
    match logging_in.await {
        Ok(Ok(AuthResult::Success)) => Ok(LoggedIn { handle }),
        Ok(_) => Err(ErrandError::Refused),
        Err(_) => Err(unreachable(&"no answer in time")),
    }
}

/// Ask for the kinds of key that are pinned, so that a target with several shows one we can check.
fn preferred_by_pins(pins: &[PublicKey]) -> russh::Preferred {
    let mut preferred = preferred(Ciphers::Fast.for_targets());
    let mut kinds: Vec<_> = pins.iter().filter_map(algorithm).collect();
    kinds.dedup();
    if !kinds.is_empty() {
        preferred.key = std::borrow::Cow::Owned(kinds);
    }
    preferred
}

impl LoggedIn {
    /// Runs `command` and gives what it printed, at most 256 bytes; all of it is in `log` before. The certificate forces the command anyway.
    pub async fn run(self, command: &str, log: &mut Log) -> Result<Vec<u8>, ErrandError> {
        let answer = tokio::time::timeout(STEP, self.converse(command, log)).await;
        let answer = answer.map_err(|_| ErrandError::NoAnswer)?;
        let _gone = self.handle.disconnect(Disconnect::ByApplication, "done", "en").await;
        answer
    }

    async fn converse(&self, command: &str, log: &mut Log) -> Result<Vec<u8>, ErrandError> {
        let no_answer = |_: russh::Error| ErrandError::NoAnswer;
        let mut channel = self.handle.channel_open_session().await.map_err(no_answer)?;
        log.note(Kind::Opened, Direction::Gateway, b"session")?;
        log.note(Kind::Exec, Direction::FromClient, command.as_bytes())?;
        channel.exec(true, command).await.map_err(no_answer)?;
        let (mut answer, mut unused) = (Vec::new(), 0);
        while let Some(message) = channel.wait().await {
            match message {
                ChannelMsg::Data { data } => {
                    log.note(Kind::Output, Direction::FromTarget, &data)?;
                    answer.extend_from_slice(&data);
                }
                ChannelMsg::ExtendedData { data, .. } => {
                    log.note(Kind::ErrorOutput, Direction::FromTarget, &data)?;
                    unused += data.len();
                }
                ChannelMsg::ExitStatus { exit_status } => {
                    log.note(Kind::ExitStatus, Direction::FromTarget, &exit_status.to_be_bytes())?;
                }
                ChannelMsg::ExitSignal { signal_name, .. } => {
                    log.note(Kind::ExitSignal, Direction::FromTarget, signal_of(&signal_name).as_bytes())?;
                }
                ChannelMsg::Eof => log.note(Kind::Eof, Direction::FromTarget, b"")?,
                ChannelMsg::Close => {
                    log.note(Kind::Closed, Direction::FromTarget, b"")?;
                    break;
                }
                _ => {}
            }
            if answer.len() > LONGEST_ANSWER || unused > LONGEST_UNUSED {
                return Err(ErrandError::NoAnswer);
            }
        }
        Ok(answer)
    }
}

fn signal_of(signal: &russh::Sig) -> String {
    let name = format!("{signal:?}");
    name.chars().filter(char::is_ascii_alphanumeric).take(16).collect()
}
