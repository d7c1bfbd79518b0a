//! What the gateway asks, put to engine over the line; what it answers, in the gateway's words.

use std::collections::BTreeSet;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use channel::front::{Anchor, EndFact, FrontAnswer, FrontAsk, OpenAsk, SessionTerms};
use domain::event::SessionEnding;
use domain::rule::{Channel, RecordInput};
use domain::{GrantId, Refusal, SessionId};
use gateway_ssh::authorise::{ChannelKind, Terms};
use gateway_ssh::gate::{ControlAsk, ControlStream, EndReason, Gate, Language, Passage, PassageAsk, SessionEnd};
use ledger::Hash;
use sshwire::PublicKey;
use tokio::io::copy_bidirectional;
use tokio::net::UnixStream;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::clock::wall_at;
use crate::line::Line;
use crate::spool::Spool;

/// What the gateway says to people, by message key; made by whoever holds the catalogue.
pub trait Phrases: Send + Sync + 'static {
    /// Sentence and hint of a refusal.
    fn refusal(&self, refusal: &Refusal, language: Language) -> (String, Option<String>);
    /// Lines shown before the first byte: that the session is recorded, until when, what for.
    fn notice(&self, terms: &SessionTerms, language: Language) -> Vec<String>;
}

/// Environment names passed on.
const ENVIRONMENT: &[&str] = &["LANG", "LC_*", "TERM", "COLORTERM", "TZ"];
/// Bytes that wait in each direction of a control channel.
const CONTROL_BUFFER: usize = 256 << 10;

pub(crate) struct EngineGate {
    pub(crate) line: Line,
    pub(crate) spool: Spool,
    pub(crate) ends: mpsc::UnboundedSender<EndFact>,
    pub(crate) phrases: Arc<dyn Phrases>,
    pub(crate) language: Language,
    pub(crate) api_socket: PathBuf,
    /// Sockets to engine live on front's own runtime.
    pub(crate) runtime: Handle,
}

impl EngineGate {
    fn refuse(&self, refusal: &Refusal) -> gateway_ssh::gate::Refusal {
        let (sentence, hint) = self.phrases.refusal(refusal, self.language);
        gateway_ssh::gate::Refusal { code: refusal.code().to_string(), sentence, hint, exit: exit_of(refusal) }
    }

    async fn try_open(&self, ask: PassageAsk) -> Result<Passage, Refusal> {
        if !self.line.is_fresh() {
            return Err(Refusal::Unavailable);
        }
        let ask = open_ask(&ask)?;
        let session = ask.session;
        let answer = self.line.ask(FrontAsk::Open(Box::new(ask))).await.map_err(|_| Refusal::Unavailable)?;
        let FrontAnswer::Opened(outcome) = answer else { return Err(Refusal::Unavailable) };
        let terms = outcome?;
        match self.passage(&terms).await {
            Ok(passage) => Ok(passage),
            Err(refusal) => {
                // Written down as opened: its end is told, too.
                self.tell(EndFact { session, ending: SessionEnding::TargetUnreachable, ended: crate::clock::wall(), anchor: nothing(), complete: false, bytes: 0 });
                Err(refusal)
            }
        }
    }

    async fn passage(&self, terms: &SessionTerms) -> Result<Passage, Refusal> {
        let certificate = sshwire::Certificate::from_openssh(&terms.certificate).map_err(|_| Refusal::SessionMalformed)?;
        Ok(Passage {
            target_label: terms.target_label.clone(),
            target_addr: resolve(&terms.address).await?,
            target_host_keys: terms.host_keys.iter().cloned().collect(),
            target_user: terms.login.clone(),
            certificate: certificate.wire().to_vec(),
            ends_in: Duration::from_millis(terms.ends_in_ms),
            terms: Terms { channels: kinds(&terms.channels), env_allow: ENVIRONMENT.iter().map(|s| (*s).to_owned()).collect() },
            notice: self.phrases.notice(terms, self.language),
            record_input: match terms.record_input {
                RecordInput::Never => gateway_ssh::gate::RecordInput::No,
                RecordInput::Masked => gateway_ssh::gate::RecordInput::Masked,
            },
            language: self.language,
        })
    }

    /// First to disk, then to engine; the spool is told again until engine has it.
    fn tell(&self, fact: EndFact) {
        if let Err(error) = self.spool.keep(&fact) {
            tracing::error!(session = %fact.session, %error, "the end of a session could not be kept on disk");
        }
        let _closing = self.ends.send(fact);
    }
}

impl Gate for EngineGate {
    async fn knows(&self, key: &PublicKey) -> bool {
        matches!(self.line.ask(FrontAsk::Knows { key: key.clone() }).await, Ok(FrontAnswer::Known(true)))
    }

    async fn open(&self, ask: PassageAsk) -> Result<Passage, gateway_ssh::gate::Refusal> {
        self.try_open(ask).await.map_err(|refusal| self.refuse(&refusal))
    }

    async fn control(&self, _ask: ControlAsk) -> Result<Box<dyn ControlStream>, gateway_ssh::gate::Refusal> {
        let (ours, theirs) = tokio::io::duplex(CONTROL_BUFFER);
        let path = self.api_socket.clone();
        self.runtime.spawn(async move {
            let mut ours = ours;
            if let Ok(mut engine) = UnixStream::connect(&path).await {
                let _ended = copy_bidirectional(&mut ours, &mut engine).await;
            }
        });
        Ok(Box::new(theirs))
    }

    fn ended(&self, end: SessionEnd) {
        let Ok(session) = end.session.parse::<SessionId>() else { return };
        let anchor = end.anchor.map_or_else(nothing, |a| Anchor { chunks: a.chunks, chain: Hash::from_bytes(a.hash) });
        let complete = end.anchor.is_some() && end.reason != EndReason::RecordingFailed;
        let bytes = end.bytes_in.saturating_add(end.bytes_out);
        self.tell(EndFact { session, ending: ending(&end.reason), ended: wall_at(end.ended), anchor, complete, bytes });
    }
}

fn nothing() -> Anchor {
    Anchor { chunks: 0, chain: Hash::of(b"") }
}

fn open_ask(ask: &PassageAsk) -> Result<OpenAsk, Refusal> {
    let grant = ask.login.grant().map(str::parse::<GrantId>).transpose().map_err(|_| Refusal::LoginUnknown)?;
    Ok(OpenAsk {
        session: ask.session.parse().map_err(|_| Refusal::SessionMalformed)?,
        account: ask.login.account().to_owned(),
        target: ask.login.target().to_owned(),
        key: ask.key.clone(),
        source: ask.source,
        subject: ask.ephemeral.clone(),
        recording: Hash::from_bytes(ask.recording_header),
        grant,
    })
}

/// A shell comes with its terminal; a command may have one where a shell may.
fn kinds(channels: &BTreeSet<Channel>) -> BTreeSet<ChannelKind> {
    let of = |channel: &Channel| match channel {
        Channel::Shell => vec![ChannelKind::Shell, ChannelKind::Terminal],
        Channel::Exec => vec![ChannelKind::Exec],
    };
    channels.iter().flat_map(of).collect()
}

pub(crate) async fn resolve(address: &str) -> Result<SocketAddr, Refusal> {
    let address = address.to_owned();
    let resolving = tokio::task::spawn_blocking(move || address.to_socket_addrs().ok().and_then(|mut all| all.next()));
    resolving.await.ok().flatten().ok_or(Refusal::Unavailable)
}

fn ending(reason: &EndReason) -> SessionEnding {
    match reason {
        EndReason::ClientLeft => SessionEnding::ClientLeft,
        EndReason::ClientSilent | EndReason::LimitBroken => SessionEnding::ClientLost,
        EndReason::TargetLeft => SessionEnding::TargetLeft,
        EndReason::TargetSilent => SessionEnding::TargetLost,
        EndReason::TargetRefused(_) => SessionEnding::TargetRefused,
        EndReason::GrantEnded => SessionEnding::GrantOver,
        EndReason::Killed(why) if why == "revoked" => SessionEnding::Revoked,
        EndReason::Killed(_) => SessionEnding::Killed,
        EndReason::RecordingFailed => SessionEnding::RecordingFailed,
        EndReason::GatewayFault => SessionEnding::GatewayLost,
        EndReason::GatewayStopped => SessionEnding::GatewayStopped,
    }
}

/// 3: cannot decide now. 1: refused.
fn exit_of(refusal: &Refusal) -> u32 {
    match refusal {
        Refusal::Unavailable | Refusal::ClockDoubted | Refusal::NotReady | Refusal::NotFounded => 3,
        _ => 1,
    }
}
