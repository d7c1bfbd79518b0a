//! The CLI's socket: a challenge, a signed hello, then questions and submissions. Whoever asks is their key.

use std::sync::Arc;
use std::time::Duration;

use channel::api::{ApiAnswer, ApiAsk, Challenge, Query, RecoveryView};
use channel::{ChannelError, Greeting, Role, frame};
use domain::event::Attempt;
use domain::statement::{HelloFields, LONGEST_STATEMENT_LIFE, Statement};
use domain::{Actor, Nonce, Refusal, Timestamp};
use sshwire::{Fingerprint, PublicKey, Signature};
use tokio::net::{UnixListener, UnixStream};

use crate::engine::Engine;
use crate::lobby::{Lobby, Visit};
use crate::random;

/// A connection on which nothing is asked is closed.
const LONGEST_SILENCE: Duration = Duration::from_secs(300);
/// A frame of somebody who has proved no key: a hello, a founding, a recovery.
const LONGEST_UNPROVED: usize = 128 << 10;
/// An answer that is not read in this time ends the connection.
const LONGEST_SENDING: Duration = Duration::from_secs(30);
/// Whoever connects says who they are within this.
const LONGEST_GREETING: Duration = Duration::from_secs(120);

/// A greeting is a few words; nobody who sends one has proved anything.
pub(crate) const LONGEST_GREETING_BYTES: usize = 1 << 10;
/// After the system had no descriptor or memory for a connection.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// For ever: what one connection does, or that none can be taken for a moment, ends no other.
pub async fn serve(engine: Arc<Engine>, listener: UnixListener) {
    let lobby = Lobby::of(engine.config.local.front);
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "no connection can be taken on the command socket");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(peer) = stream.peer_cred() else { continue };
        let Some(visit) = lobby.enter(peer.uid()) else {
            tracing::warn!(uid = peer.uid(), "too many connections on the command socket");
            continue;
        };
        let engine = engine.clone();
        tokio::spawn(async move {
            let talked = tokio::select! {
                talked = talk(&engine, stream, &visit) => talked,
                () = visit.shown_out() => Err(ChannelError::Closed),
            };
            match talked {
                Ok(()) | Err(ChannelError::Closed) => {}
                Err(error) => tracing::debug!(%error, "a command connection ended"),
            }
        });
    }
}

async fn talk(engine: &Arc<Engine>, mut stream: UnixStream, visit: &Visit) -> Result<(), ChannelError> {
    let own = rustix::process::getuid().as_raw();
    let is_owner = stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0);
    frame::send(&mut stream, &Greeting::of(Role::Engine)).await?;
    let greeting: Greeting =
        limited(LONGEST_GREETING, frame::receive_short(&mut stream, LONGEST_GREETING_BYTES)).await?;
    greeting.expect(Role::Cli)?;
    let nonce = Nonce::from_random(random::bytes());
    limited(LONGEST_SENDING, frame::send(&mut stream, &challenge(engine, nonce))).await?;
    let mut caller = Caller { nonce, key: None, is_owner };
    loop {
        let wait = if caller.key.is_some() { LONGEST_SILENCE } else { LONGEST_GREETING };
        let longest = if caller.key.is_some() { frame::LONGEST_FRAME } else { LONGEST_UNPROVED };
        let ask: ApiAsk = match limited(wait, frame::receive_short(&mut stream, longest)).await {
            Err(error @ (ChannelError::Unreadable(_) | ChannelError::TooLong { .. })) => {
                tracing::debug!(%error, "unreadable question");
                return limited(LONGEST_SENDING, frame::send(&mut stream, &ApiAnswer::Refused(Refusal::Unreadable)))
                    .await;
            }
            other => other?,
        };
        let answer = answer(engine, &mut caller, visit, ask).await;
        limited(LONGEST_SENDING, frame::send(&mut stream, &answer)).await?;
    }
}

async fn limited<T>(limit: Duration, work: impl Future<Output = Result<T, ChannelError>>) -> Result<T, ChannelError> {
    tokio::time::timeout(limit, work).await.map_err(|_| ChannelError::TimedOut { seconds: limit.as_secs() })?
}

/// Who is on this connection.
struct Caller {
    nonce: Nonce,
    key: Option<Fingerprint>,
    /// The service's own user or root is at the other end; only they found an installation.
    is_owner: bool,
}

fn challenge(engine: &Engine, nonce: Nonce) -> Challenge {
    let state = engine.state();
    let recoveries = state.recoveries.iter().map(|(id, r)| RecoveryView {
        recovery: *id,
        persona: r.started.fields.persona,
        key: r.started.fields.key.fingerprint(),
        after: r.after,
    });
    Challenge {
        origin: state.founding.as_ref().map(|f| f.origin.to_string()),
        nonce,
        now: engine.clock.wall(),
        policy: state.policy.as_ref().map_or(0, |p| p.policy.version),
        recoveries: recoveries.collect(),
    }
}

async fn answer(engine: &Arc<Engine>, caller: &mut Caller, visit: &Visit, ask: ApiAsk) -> ApiAnswer {
    match try_answer(engine, caller, visit, ask).await {
        Ok(answer) => answer,
        Err(refusal) => ApiAnswer::Refused(refusal),
    }
}

async fn try_answer(
    engine: &Arc<Engine>,
    caller: &mut Caller,
    visit: &Visit,
    ask: ApiAsk,
) -> Result<ApiAnswer, Refusal> {
    match ask {
        ApiAsk::Hello { key, expires, signature } => {
            // Nothing was proved of whoever failed to greet, whatever key they named.
            greet(engine, caller, &key, expires, &signature)
                .inspect_err(|refusal| engine.writer.refused(Attempt::Read, Actor::Unproved, refusal))?;
            visit.proved(key.fingerprint())?;
            caller.key = Some(key.fingerprint());
            engine.who_view(&key.fingerprint()).map(ApiAnswer::Welcome)
        }
        ApiAsk::Read(Query::Doctor) => engine.read(None, Query::Doctor).await.map(ApiAnswer::View),
        ApiAsk::InitSeal { .. } if !caller.is_owner => Err(Refusal::NotAllowed),
        ApiAsk::InitSeal { founded, openings } => engine.init_seal(founded, openings).await.map(ApiAnswer::Receipt),
        ApiAsk::Recover { started } => engine.recover(started).await.map(ApiAnswer::Receipt),
        ApiAsk::RecoverFinish { recovery } => engine.finish_recovery(recovery).await.map(ApiAnswer::Receipt),
        ApiAsk::Submit { what, openings } => {
            engine.submit(known(caller)?, what, openings).await.map(ApiAnswer::Receipt)
        }
        ApiAsk::Read(query) => engine.read(Some(known(caller)?), query).await.map(ApiAnswer::View),
        ApiAsk::Probe { target } => {
            engine.may_administer(&known(caller)?)?;
            engine.probe_and_wait(target).await.map(ApiAnswer::View)
        }
    }
}

/// Everything but founding, recovery and `doctor` is for known keys only.
fn known(caller: &Caller) -> Result<Fingerprint, Refusal> {
    caller.key.ok_or(Refusal::NotAllowed)
}

fn greet(
    engine: &Engine,
    caller: &Caller,
    key: &PublicKey,
    expires: Timestamp,
    signature: &Signature,
) -> Result<(), Refusal> {
    let state = engine.state();
    let founding = state.founding.as_ref().ok_or(Refusal::NotFounded)?;
    let now = engine.clock.wall();
    if expires <= now {
        return Err(Refusal::StatementExpired { expires });
    }
    if expires > now.plus(LONGEST_STATEMENT_LIFE) {
        return Err(Refusal::StatementLivesTooLong { expires });
    }
    if state.people.active(&key.fingerprint()).is_none() {
        return Err(Refusal::KeyUnknown { key: key.fingerprint() });
    }
    let fields = HelloFields { challenge: caller.nonce, key: key.clone() };
    let bytes = tegata::statement::bytes(&founding.origin, &fields, caller.nonce, expires);
    tegata::signatures::check_by(key, HelloFields::NAME, &bytes, signature)
        .map(|_| ())
        .map_err(|_| Refusal::BadSignature)
}
