//! What the gateway asks, put to engine over the line; what it answers, in the gateway's words.

use std::collections::BTreeSet;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use channel::front::{Anchor, ApproachAsk, EndFact, FrontAnswer, FrontAsk, OpenAsk, SessionTerms};
use domain::event::SessionEnding;
use domain::rule::{Channel, RecordInput};
use domain::{GrantId, Refusal, SessionId};
use gateway_ssh::authorise::{ChannelKind, Reach, Terms};
use gateway_ssh::clock::BootTime;
use gateway_ssh::gate::{
    Approach, ControlAsk, ControlStream, EndReason, Gate, Language, Passage, PassageAsk, SessionEnd,
};
use gateway_ssh::login::Login;
use ledger::Hash;
use sshwire::PublicKey;
use tokio::io::copy_bidirectional;
use tokio::net::UnixStream;
use tokio::runtime::Handle;

use crate::clock::wall_at;
use crate::ends::{Ends, end_of_nothing, no_anchor};
use crate::line::{Away, Line};

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
/// A target's name is found within this, or the target counts as out of reach.
const RESOLVED_WITHIN: Duration = Duration::from_secs(3);

pub(crate) struct EngineGate {
    pub(crate) line: Line,
    pub(crate) ends: Ends,
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
        self.line.settled().await.map_err(|_| Refusal::Unavailable)?;
        // Engine counts from when it hears the question, which is after this.
        let asked = BootTime::now();
        let terms = match self.line.ask(FrontAsk::Open(Box::new(ask))).await {
            Ok(FrontAnswer::Opened(outcome)) => outcome?,
            Err(Away::NotAsked) => return Err(Refusal::Unavailable),
            // It may have been opened all the same.
            Ok(_) | Err(Away::NotAnswered) => {
                self.ends.tell(end_of_nothing(session, SessionEnding::GatewayLost));
                return Err(Refusal::Unavailable);
            }
        };
        // Written down as opened: where nothing comes of it, its end is told, too.
        let passage = self.passage(&terms, asked).await;
        passage.inspect_err(|_| self.ends.tell(end_of_nothing(session, SessionEnding::TargetUnreachable)))
    }

    async fn passage(&self, terms: &SessionTerms, asked: BootTime) -> Result<Passage, Refusal> {
        let certificate =
            sshwire::Certificate::from_openssh(&terms.certificate).map_err(|_| Refusal::SessionMalformed)?;
        let target_addr = self.resolve(&terms.address).await?;
        Ok(Passage {
            target_label: terms.target_label.clone(),
            target_addr,
            target_host_keys: terms.host_keys.iter().cloned().collect(),
            target_user: terms.login.clone(),
            certificate: certificate.wire().to_vec(),
            ends_in: left(terms.ends_in_ms, BootTime::now().since(asked)),
            terms: terms_of(&terms.channels),
            notice: self.phrases.notice(terms, self.language),
            record_input: match terms.record_input {
                RecordInput::Never => gateway_ssh::gate::RecordInput::No,
                RecordInput::Masked => gateway_ssh::gate::RecordInput::Masked,
            },
            language: self.language,
        })
    }
}

impl EngineGate {
    /// On front's own runtime: the gateway's threads must not be held up by a name server.
    async fn resolve(&self, address: &str) -> Result<SocketAddr, Refusal> {
        if let Ok(plain) = address.parse() {
            return Ok(plain);
        }
        let address = address.to_owned();
        self.runtime.spawn(async move { resolve(&address).await }).await.map_err(|_| Refusal::Unavailable)?
    }
}

/// What is left of a time that was told a while ago.
fn left(ends_in_ms: u64, ago: Duration) -> Duration {
    Duration::from_millis(ends_in_ms).saturating_sub(ago)
}

impl Gate for EngineGate {
    async fn knows(&self, key: &PublicKey) -> bool {
        matches!(self.line.ask(FrontAsk::Knows { key: key.clone() }).await, Ok(FrontAnswer::Known(true)))
    }

    async fn approach(&self, login: &Login, key: &PublicKey) -> Option<Approach> {
        let ask = ApproachAsk {
            account: login.account().to_owned(),
            target: login.target().to_owned(),
            key: key.clone(),
            grant: grant_named(login).ok()?,
        };
        let answer = self.line.ask(FrontAsk::Approach(Box::new(ask))).await;
        let Ok(FrontAnswer::Approach(Some(terms))) = answer else { return None };
        let addr = self.resolve(&terms.address).await.ok()?;
        Some(Approach { addr, host_keys: terms.host_keys.into_iter().collect() })
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
        let anchor =
            end.anchor.map_or_else(no_anchor, |a| Anchor { chunks: a.chunks, chain: Hash::from_bytes(a.hash) });
        let bytes = end.bytes_in.saturating_add(end.bytes_out);
        let (ended, complete) = (wall_at(end.ended), end.complete);
        self.ends.tell(EndFact { session, ending: ending(&end.reason), ended, anchor, complete, bytes });
    }
}

fn open_ask(ask: &PassageAsk) -> Result<OpenAsk, Refusal> {
    let grant = grant_named(&ask.login)?;
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

fn grant_named(login: &Login) -> Result<Option<GrantId>, Refusal> {
    login.grant().map(str::parse).transpose().map_err(|_| Refusal::LoginUnknown)
}

/// A shell comes with its terminal; a command may have one where a shell may. What this gateway cannot carry yet is left out, and so refused.
fn terms_of(channels: &BTreeSet<Channel>) -> Terms {
    let env_allow = ENVIRONMENT.iter().map(|s| (*s).to_owned()).collect();
    let mut terms = Terms { env_allow, ..Terms::default() };
    for channel in channels {
        match channel {
            Channel::Shell => terms.channels.extend([ChannelKind::Shell, ChannelKind::Terminal]),
            Channel::Exec => terms.channels.extend([ChannelKind::Exec]),
            Channel::Download => terms.channels.extend([ChannelKind::Download]),
            Channel::Upload => terms.channels.extend([ChannelKind::Upload]),
            Channel::Forward(to) => {
                terms.forwards.push(Reach { host: to.host().map(str::to_owned), port: to.port() });
            }
            Channel::Socket(path) => terms.sockets.push(path.to_string()),
            Channel::Listen(_) | Channel::ListenSocket(_) | Channel::Agent | Channel::X11 => {}
        }
    }
    terms
}

pub(crate) async fn resolve(address: &str) -> Result<SocketAddr, Refusal> {
    let address = address.to_owned();
    let resolving = tokio::task::spawn_blocking(move || address.to_socket_addrs().ok().and_then(|mut all| all.next()));
    let resolved = tokio::time::timeout(RESOLVED_WITHIN, resolving).await;
    resolved.ok().and_then(Result::ok).flatten().ok_or(Refusal::Unavailable)
}

fn ending(reason: &EndReason) -> SessionEnding {
    match reason {
        EndReason::ClientLeft => SessionEnding::ClientLeft,
        EndReason::ClientSilent | EndReason::LimitBroken => SessionEnding::ClientLost,
        EndReason::TargetLeft => SessionEnding::TargetLeft,
        EndReason::TargetSilent => SessionEnding::TargetLost,
        EndReason::TargetRefused(_) => SessionEnding::TargetRefused,
        EndReason::GrantEnded => SessionEnding::GrantOver,
        // Engine knows whether somebody ordered it or the grant no longer stood.
        EndReason::Killed(_) => SessionEnding::Revoked,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_an_answer_took_is_not_added_to_the_grant() {
        assert_eq!(left(10_000, Duration::from_secs(4)), Duration::from_secs(6));
        assert_eq!(left(10_000, Duration::from_secs(40)), Duration::ZERO);
    }
}
