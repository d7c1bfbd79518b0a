//! One client connection from its first byte to its last: who it is, what opens for it, what ends it.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use russh::keys::PrivateKey;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::{Disconnect, server};
use sshwire::PublicKey;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::authorise::{Terms, Why};
use crate::client::Client;
use crate::clock::BootTime;
use crate::gate::{Approach, EndReason, Gate, Language, Passage, PassageAsk, RecordInput, Refusal, SessionEnd};
use crate::greeting::greet;
use crate::key;
use crate::login::{Login, Way};
use crate::notice;
use crate::server::{DoorPass, Shared, socket_options};
use crate::sessions::{Asked, Due, Hold, Live, Liveness, Motion, Place, Sign};
use crate::tape::{Direction, Kind, Reel};
use crate::target::{Dialled, Target, TargetError};
use crate::valve::{Paced, Valve, WhenFull};

/// How often time, orders and signs of life are looked at.
const TICK: Duration = Duration::from_millis(200);
/// At an end: for the last words on each channel, for the goodbye, for the target's goodbye.
const LAST_WORDS: Duration = Duration::from_millis(300);
const GOODBYE: Duration = Duration::from_millis(150);
/// For the last chunk of the recording to become durable before the end is reported without it.
const LAST_CHUNK: Duration = Duration::from_secs(5);
/// A refused client that shows no channel to show the refusal on is sent away after this.
const REFUSED_LINGER: Duration = Duration::from_secs(10);

/// How far a connection has come.
#[derive(Clone)]
pub(crate) enum Stage {
    AwaitingPassage,
    Refused(Arc<Refusal>),
    Control { key: PublicKey, source: IpAddr },
    Open(Arc<Session>),
}

/// An open passage.
pub(crate) struct Session {
    place: Place,
    pub(crate) live: Arc<Live>,
    pub(crate) target: Target,
    pub(crate) terms: Terms,
    pub(crate) notice: Vec<String>,
    pub(crate) record_input: RecordInput,
    pub(crate) language: Language,
    /// Why it ended, once it did.
    pub(crate) ending: OnceLock<EndReason>,
    /// How much is left, each time terminals are to be warned.
    pub(crate) warnings: watch::Sender<Option<Duration>>,
    pub(crate) sibling_patience: Duration,
}

impl Session {
    /// Notes what was refused, in the recording and in the log.
    pub(crate) async fn note_refusal(&self, channel: u32, why: Why) {
        tracing::info!(session = %self.live.session, code = why.code(), "refused");
        // A lost recording ends the session by itself.
        let _lost = self.live.reel.record(Kind::Refused, channel, Direction::Gateway, why.code().into()).await;
    }
}

/// Serves one connection until it is over; nothing of it is left when this returns.
pub(crate) async fn serve<G: Gate>(socket: TcpStream, peer: SocketAddr, shared: Arc<Shared<G>>, pass: DoorPass) {
    socket_options(&socket, &shared.settings);
    let valve = Valve::new(WhenFull::Trickle);
    let _cut = CutOnDrop(valve.clone());
    let stage = watch::Sender::new(Stage::AwaitingPassage);
    let (verified, mut who) = mpsc::channel(1);
    let client = Client::new(&shared, peer.ip(), &valve, stage.subscribe(), verified);
    let admitted = async {
        let mut stream = Paced::new(socket, valve.clone());
        let config = shared.config_for(greet(&mut stream).await.ok()?);
        let running = server::run_stream(config, stream, client).await.ok()?;
        Some((who.recv().await?, running))
    };
    let mut stopping = shared.stopping.subscribe();
    let admitted = tokio::select! {
        admitted = timeout(shared.settings.login_grace, admitted) => admitted.ok().flatten(),
        () = pass.shown_out() => None,
        _ = stopping.wait_for(|stop| *stop) => None,
    };
    let Some((who, running)) = admitted else {
        return;
    };
    drop(pass);
    Attended { shared, valve, stage, who, peer }.attend(running).await;
}

/// Whatever happens to the task that serves it, the socket does not outlive it.
struct CutOnDrop(Arc<Valve>);

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        self.0.cut();
    }
}

/// Somebody whose signature was verified, and what the login name asks for.
pub(crate) struct Verified {
    pub(crate) key: PublicKey,
    pub(crate) login: String,
}

/// A connection whose person is known.
struct Attended<G> {
    shared: Arc<Shared<G>>,
    valve: Arc<Valve>,
    stage: watch::Sender<Stage>,
    who: Verified,
    peer: SocketAddr,
}

impl<G: Gate> Attended<G> {
    async fn attend(self, mut running: server::RunningSession<Client<G>>) {
        let way = Way::parse(&self.who.login);
        let mut opening = match way {
            Ok(Way::Control) => {
                let source = self.peer.ip();
                self.stage.send_replace(Stage::Control { key: self.who.key.clone(), source });
                None
            }
            Ok(Way::Passage(login)) => {
                let opener =
                    Opener { shared: self.shared.clone(), key: self.who.key.clone(), source: self.peer.ip(), login };
                let guard = self.shared.tasks.enter();
                Some(tokio::spawn(async move {
                    let _guard = guard;
                    opener.open().await
                }))
            }
            Err(error) => {
                self.stage.send_replace(Stage::Refused(Arc::new(malformed(&error))));
                None
            }
        };
        let mut watcher = Watcher::new(&self);
        let mut stopping = self.shared.stopping.subscribe();
        let mut connected = true;
        let reason = loop {
            tokio::select! {
                left = &mut running => {
                    connected = false;
                    break self.how_it_left(&left);
                }
                opened = async { opening.as_mut().expect("polled only while opening").await }, if opening.is_some() => {
                    opening = None;
                    if let Some(reason) = self.admit(opened.unwrap_or_else(|_| Err(internal()))) {
                        break reason;
                    }
                }
                () = watcher.look() => {
                    if let Some(reason) = watcher.verdict(&self) {
                        break reason;
                    }
                }
                _ = stopping.wait_for(|stop| *stop) => break EndReason::GatewayStopped,
            }
        };
        // An opening that is under way is not dropped: engine may have entered the session already, and must hear of its end.
        if let Some(opening) = opening.take() {
            self.valve.cut();
            let _over_anyway = self.admit(opening.await.unwrap_or_else(|_| Err(internal())));
        }
        self.finish(connected.then_some(running), reason).await;
    }

    /// Lets the channels that wait go on. A session that was killed or is over by now is ended before any of them sees it: nothing that waits
    /// reaches the target.
    fn admit(&self, opened: Result<Session, Refusal>) -> Option<EndReason> {
        let (stage, called_off) = match opened {
            Ok(session) => {
                let called_off = session.live.reins.called_off(BootTime::now());
                match &called_off {
                    Some(reason) => {
                        let _first = session.ending.set(reason.clone());
                        session.live.end();
                    }
                    None => session.place.is_open(),
                }
                (Stage::Open(Arc::new(session)), called_off)
            }
            Err(refusal) => (Stage::Refused(Arc::new(refusal)), None),
        };
        self.stage.send_replace(stage);
        called_off
    }

    fn session(&self) -> Option<Arc<Session>> {
        match &*self.stage.borrow() {
            Stage::Open(session) => Some(session.clone()),
            Stage::AwaitingPassage | Stage::Refused(_) | Stage::Control { .. } => None,
        }
    }

    /// A client that hangs up is no fault, and one whose target is gone has no choice; a task that panicked is a fault.
    fn how_it_left(&self, left: &Result<(), russh::Error>) -> EndReason {
        tracing::debug!(?left, "client left");
        match left {
            Err(russh::Error::Join(_)) => EndReason::GatewayFault,
            _ if self.valve.limit_was_broken() => EndReason::LimitBroken,
            _ if self.session().is_some_and(|session| session.target.is_departed()) => EndReason::TargetLeft,
            _ => EndReason::ClientLeft,
        }
    }

    /// Ends everything within a second, whoever is stalled; then settles the recording and reports.
    async fn finish(self, running: Option<server::RunningSession<Client<G>>>, reason: EndReason) {
        let session = self.session();
        if let Some(session) = &session {
            // The first reason stands; a session ends once.
            let _first = session.ending.set(reason.clone());
            session.live.end();
            if running.is_some() {
                let silent = async {
                    while session.live.channels.load(Ordering::Acquire) > 0 {
                        sleep(Duration::from_millis(5)).await;
                    }
                };
                let _in_time = timeout(LAST_WORDS, silent).await;
            }
        }
        if let Some(running) = running {
            self.say_goodbye(&running, &reason, session.as_deref()).await;
            let _in_time = timeout(GOODBYE, running).await;
        }
        self.valve.cut();
        let Some(session) = session else {
            return;
        };
        session.target.leave(GOODBYE).await;
        self.settle(&session, reason).await;
    }

    async fn say_goodbye(
        &self,
        running: &server::RunningSession<Client<G>>,
        reason: &EndReason,
        session: Option<&Session>,
    ) {
        let language = session.map_or(Language::English, |session| session.language);
        let text = notice::end(reason, language).unwrap_or_default();
        let bye = running.handle();
        let bye = bye.disconnect(Disconnect::ByApplication, text, String::new());
        let _in_time = timeout(GOODBYE, bye).await;
    }

    async fn settle(&self, session: &Session, reason: EndReason) {
        self.shared.gate.ended(conclude(&session.live, reason).await);
        session.place.leave();
    }
}

/// Closes the recording, waits for that with a limit, and says how the session ended.
async fn conclude(live: &Live, reason: EndReason) -> SessionEnd {
    let ended = BootTime::now();
    live.reel.record_soon_with(Kind::End, reason.code());
    live.reel.close();
    let _in_time = timeout(LAST_CHUNK, closed(&live.reel)).await;
    let last = live.reel.last_anchor();
    SessionEnd {
        session: live.session.clone(),
        reason,
        opened: live.opened,
        ended,
        anchor: last.or_else(|| live.reel.anchor()),
        complete: last.is_some() && live.reel.is_whole(),
        bytes_in: live.bytes_in.load(Ordering::Acquire),
        bytes_out: live.bytes_out.load(Ordering::Acquire),
    }
}

async fn closed(reel: &Reel) {
    while !reel.is_closed() {
        sleep(Duration::from_millis(10)).await;
    }
}

/// Looks at what may end a session, at every tick and every order.
struct Watcher {
    tick: tokio::time::Interval,
    client: Liveness,
    target: Liveness,
    frozen: bool,
    lost_at: Option<BootTime>,
    refused_at: Option<BootTime>,
    session: Option<Arc<Session>>,
}

/// From freezing because the recording failed to ending because of it.
const FROZEN_BEFORE_LOSS: Duration = Duration::from_millis(500);

impl Watcher {
    fn new<G>(attended: &Attended<G>) -> Self {
        let (patience, now) = (attended.shared.settings.silence_allowed(), BootTime::now());
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        Self {
            tick,
            client: Liveness::new(patience, now),
            target: Liveness::new(patience, now),
            frozen: false,
            lost_at: None,
            refused_at: None,
            session: None,
        }
    }

    async fn look(&mut self) {
        match &self.session {
            Some(session) => tokio::select! {
                _ = self.tick.tick() => {}
                () = session.live.reins.order() => {}
            },
            None => {
                self.tick.tick().await;
            }
        }
    }

    fn verdict<G: Gate>(&mut self, attended: &Attended<G>) -> Option<EndReason> {
        let now = BootTime::now();
        if self.session.is_none() {
            self.session = attended.session();
        }
        if let Some(session) = self.session.clone() {
            let ended = self.judge(&session, now);
            if ended.is_some() {
                return ended;
            }
        }
        if matches!(&*attended.stage.borrow(), Stage::Refused(_)) {
            let since = *self.refused_at.get_or_insert(now);
            if now.since(since) > REFUSED_LINGER {
                return Some(EndReason::LimitBroken);
            }
        }
        self.client.is_gone(sign(&attended.valve), now).then_some(EndReason::ClientSilent)
    }

    fn judge(&mut self, session: &Session, now: BootTime) -> Option<EndReason> {
        let live = &session.live;
        if let Some(reason) = live.reins.killed() {
            return Some(EndReason::Killed(reason));
        }
        match live.reins.due(now) {
            Due::End => return Some(EndReason::GrantEnded),
            Due::Warning(left) => drop(session.warnings.send_replace(Some(left))),
            Due::Nothing => {}
        }
        self.note_motion(session);
        if live.reel.is_lost(now) {
            live.reins.hold(Hold::Unrecorded);
            let since = *self.lost_at.get_or_insert(now);
            return (now.since(since) >= FROZEN_BEFORE_LOSS).then_some(EndReason::RecordingFailed);
        }
        let abandoned = session.target.is_departed() && live.channels.load(Ordering::Acquire) == 0;
        if abandoned {
            return Some(EndReason::TargetLeft);
        }
        let silent = self.target.is_gone(sign(&session.target.valve), now) && !session.target.is_departed();
        silent.then_some(EndReason::TargetSilent)
    }

    /// Freezing and thawing stand in the recording.
    fn note_motion(&mut self, session: &Session) {
        let frozen = session.live.reins.motion() == Motion::Frozen;
        if frozen != self.frozen {
            self.frozen = frozen;
            session.live.reel.record_soon(if frozen { Kind::Frozen } else { Kind::Thawed });
        }
    }
}

fn sign(valve: &Valve) -> Sign {
    match (valve.heard(), valve.is_held()) {
        (true, _) => Sign::Heard,
        (false, true) => Sign::NotListening,
        (false, false) => Sign::Silence,
    }
}

/// Turns a login into an open session, or a refusal.
struct Opener<G> {
    shared: Arc<Shared<G>>,
    key: PublicKey,
    source: IpAddr,
    login: Login,
}

impl<G: Gate> Opener<G> {
    async fn open(self) -> Result<Session, Refusal> {
        let session = session_id().map_err(|_| internal())?;
        let ephemeral = Arc::new(ephemeral_key().map_err(|_| internal())?);
        let draft = self.shared.tapes.draft(&session).map_err(|error| no_recording(&error))?;
        let ask = PassageAsk {
            login: self.login.clone(),
            key: self.key.clone(),
            source: self.source,
            ephemeral: key::ours(ephemeral.public_key()).ok_or_else(internal)?,
            recording_header: draft.header_hash(),
            session: session.clone(),
        };
        // Entered before engine is asked: it may order something for the session before its answer has come here.
        let place = self.shared.sessions.enter(Asked {
            session: session.clone(),
            target: self.login.target().to_owned(),
            account: self.login.account().to_owned(),
            source: self.source,
        });
        let ahead = self.dial_ahead();
        let passage = self.shared.gate.open(ask).await?;
        // From here on engine has a session open: its end must be reported whatever happens.
        place.reins.set_end(BootTime::now().plus(passage.ends_in));
        let reel = self.shared.deck.load(draft);
        let who = (session, passage.target_label.clone(), passage.target_user.clone());
        let live = Arc::new(Live::new(who, place.reins.clone(), reel));
        place.attach(live.clone());
        let reached = tokio::select! {
            biased;
            reason = self.called_off(&live) => Err((reason, None)),
            reached = self.reach(ahead, &passage, ephemeral) => {
                reached.map_err(|error| (EndReason::TargetRefused(error.to_string()), Some(error)))
            }
        };
        match reached {
            Ok(target) => Ok(self.opened(place, live, target, passage)),
            Err((reason, error)) => Err(self.failed(&place, &live, reason, error.as_ref(), passage.language).await),
        }
    }

    /// Returns once the session must not be opened any more.
    async fn called_off(&self, live: &Live) -> EndReason {
        let mut stopping = self.shared.stopping.subscribe();
        loop {
            if let Some(reason) = live.reins.called_off(BootTime::now()) {
                return reason;
            }
            tokio::select! {
                _ = stopping.wait_for(|stop| *stop) => return EndReason::GatewayStopped,
                () = live.reins.order() => {}
                () = sleep(TICK) => {}
            }
        }
    }

    /// Dials while engine decides, writes and has signed; only where the gate says that it may.
    fn dial_ahead(&self) -> DialledAhead {
        let (shared, login, key) = (self.shared.clone(), self.login.clone(), self.key.clone());
        let guard = self.shared.tasks.enter();
        DialledAhead(tokio::spawn(async move {
            let approach = shared.gate.approach(&login, &key).await?;
            let dialled = Dialled::dial(&approach, &shared.settings, guard).await;
            Some((approach, dialled))
        }))
    }

    async fn reach(&self, ahead: DialledAhead, passage: &Passage, key: Arc<PrivateKey>) -> Result<Target, TargetError> {
        let named = Approach { addr: passage.target_addr, host_keys: passage.target_host_keys.clone() };
        let dialled = match ahead.dialled().await {
            Some((approach, dialled)) if approach == named => dialled?,
            Some(_) | None => Dialled::dial(&named, &self.shared.settings, self.shared.tasks.enter()).await?,
        };
        dialled.check_host_key(&passage.target_host_keys)?;
        dialled.log_in(&passage.target_user, key, &passage.certificate).await
    }

    fn opened(&self, place: Place, live: Arc<Live>, target: Target, passage: Passage) -> Session {
        Session {
            place,
            live,
            target,
            terms: passage.terms,
            notice: passage.notice,
            record_input: passage.record_input,
            language: passage.language,
            ending: OnceLock::new(),
            warnings: watch::Sender::new(None),
            sibling_patience: self.shared.settings.sibling_patience,
        }
    }

    async fn failed(
        &self,
        place: &Place,
        live: &Live,
        reason: EndReason,
        error: Option<&TargetError>,
        language: Language,
    ) -> Refusal {
        let refusal = match error {
            Some(error) => target_refusal(error, &reason, language),
            None => called_off_refusal(&reason, language),
        };
        tracing::warn!(session = %live.session, %reason, code = refusal.code, "not opened");
        self.shared.gate.ended(conclude(live, reason).await);
        place.leave();
        refusal
    }
}

/// A dialling under way; given up when dropped.
struct DialledAhead(tokio::task::JoinHandle<Option<(Approach, Result<Dialled, TargetError>)>>);

impl DialledAhead {
    /// How it went, and where to. `None`: nothing was to be dialled ahead.
    async fn dialled(mut self) -> Option<(Approach, Result<Dialled, TargetError>)> {
        (&mut self.0).await.ok().flatten()
    }
}

impl Drop for DialledAhead {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn called_off_refusal(reason: &EndReason, language: Language) -> Refusal {
    let sentence = notice::end(reason, language).unwrap_or_default();
    Refusal { code: reason.code().into(), sentence, hint: None, exit: 1 }
}

fn target_refusal(error: &TargetError, reason: &EndReason, language: Language) -> Refusal {
    let (code, hint) = match error {
        TargetError::Unreachable(_) | TargetError::NoChannel(_) => ("target-unreachable", None),
        TargetError::HostKeyChanged { .. } => {
            ("target-host-key-changed", Some("if the change is known and right, enrol the target again"))
        }
        TargetError::CertificateRefused => (
            "target-refused-certificate",
            Some("look at the target's own log, its TrustedUserCAKeys and its principals"),
        ),
        TargetError::CertificateUnreadable => ("certificate-unreadable", None),
    };
    Refusal {
        code: code.into(),
        sentence: notice::end(reason, language).unwrap_or_default(),
        hint: hint.map(str::to_owned),
        exit: 5,
    }
}

fn malformed(error: &crate::login::LoginError) -> Refusal {
    Refusal {
        code: "login-name-malformed".into(),
        sentence: error.to_string(),
        hint: Some("write ACCOUNT@TARGET or ACCOUNT+TARGET; other characters than a-z 0-9 . _ - as =XX".into()),
        exit: 2,
    }
}

fn internal() -> Refusal {
    Refusal { code: "gate-fault".into(), sentence: "the gate could not open the passage".into(), hint: None, exit: 3 }
}

fn no_recording(error: &crate::tape::TapeError) -> Refusal {
    tracing::error!(%error, "no recording can be begun");
    Refusal {
        code: "recording-unavailable".into(),
        sentence: "no recording can be made, and nothing passes unrecorded".into(),
        hint: None,
        exit: 3,
    }
}

/// 128 random bits as `ses_` and 26 lower-case Crockford characters.
fn session_id() -> Result<String, aws_lc_rs::error::Unspecified> {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes)?;
    let value = u128::from_be_bytes(bytes);
    let digits = (0..26).rev().map(|position| {
        let digit = usize::try_from((value >> (position * 5)) & 31).expect("five bits fit");
        char::from(*ALPHABET.get(digit).expect("the alphabet has 32 letters"))
    });
    Ok("ses_".chars().chain(digits).collect())
}

fn ephemeral_key() -> Result<PrivateKey, aws_lc_rs::error::Unspecified> {
    let mut seed = [0; 32];
    aws_lc_rs::rand::fill(&mut seed)?;
    Ok(PrivateKey::from(Ed25519Keypair::from_seed(&seed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_ids_are_of_the_agreed_form_and_differ() {
        let (one, two) = (session_id().unwrap(), session_id().unwrap());
        assert!(one.starts_with("ses_") && one.len() == 30 && one != two, "{one} {two}");
        assert!(one.bytes().skip(4).all(|b| b.is_ascii_digit() || (b.is_ascii_lowercase() && !b"ilou".contains(&b))));
    }
}
