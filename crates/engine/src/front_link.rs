//! Engine's end of the line to front: answers what it asks, tells it what each session must do, ends what it lost.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use channel::front::{EndFact, ErrandTerms, FromFront, FrontAnswer, FrontAsk, Setup, ToFront};
use channel::{ChannelError, Greeting, Role, frame};
use domain::decide::still_stands;
use domain::event::{Attempt, Event, SessionEnded, SessionEnding};
use domain::state::Order;
use domain::{Actor, ErrandId, Refusal, SessionId, State, TargetId, Timestamp};
use ledger::Hash;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use crate::api::{ACCEPT_PAUSE, LONGEST_GREETING_BYTES};
use crate::engine::Engine;
use crate::writer::Draft;

/// What waits to be sent to front; beyond it a message is dropped; an order is tried again at the next look.
const LONGEST_QUEUE: usize = 4_096;
/// Questions of front worked on at the same time.
const MOST_QUESTIONS: usize = 256;
/// Front opens nothing when the last beat is older than a few of these.
const BEAT: Duration = Duration::from_secs(1);
/// An announcement of live sessions is answered within this, whatever is still to be ended; front waits longer.
const ENDED_WITHIN: Duration = Duration::from_secs(5);
/// Connections that have not said who they are, and for how long.
const MOST_GREETING: usize = 16;
const GREETED_WITHIN: Duration = Duration::from_secs(5);

/// Who is on the line now, and what was told.
#[derive(Debug, Default)]
pub(crate) struct FrontDesk {
    line: Mutex<Option<mpsc::Sender<ToFront>>>,
    told: Mutex<BTreeMap<SessionId, Order>>,
    /// Errands under way: where to, and the names of their recordings.
    errands: Mutex<HashMap<ErrandId, (TargetId, SessionId)>>,
    probed: Mutex<HashMap<TargetId, Duration>>,
    /// Sessions that are being ended for a front that lost them.
    lost: Mutex<BTreeSet<SessionId>>,
    /// Told when another front takes the line.
    changed: watch::Sender<()>,
}

impl FrontDesk {
    pub(crate) fn is_connected(&self) -> bool {
        hold(&self.line).is_some()
    }

    /// Those that nobody is ending already: a front may announce itself again meanwhile.
    fn claim_lost(&self, lost: impl Iterator<Item = SessionId>) -> Vec<SessionId> {
        let mut ending = hold(&self.lost);
        lost.filter(|session| ending.insert(*session)).collect()
    }

    fn lost_is_ended(&self, session: &SessionId) {
        hold(&self.lost).remove(session);
    }

    fn send(&self, message: ToFront) -> bool {
        hold(&self.line).as_ref().is_some_and(|line| line.try_send(message).is_ok())
    }

    /// Returns once the line is another's.
    async fn taken_over(&self, queue: &mpsc::Sender<ToFront>) {
        let mut changes = self.changed.subscribe();
        loop {
            if !hold(&self.line).as_ref().is_some_and(|current| current.same_channel(queue)) {
                return;
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Whether it is time to look at the target's clock; notes that it was done.
    pub(crate) fn claim_probe(&self, target: TargetId, boot: Duration, wait: Duration) -> bool {
        let mut probed = hold(&self.probed);
        let due = probed.get(&target).is_none_or(|last| boot.saturating_sub(*last) >= wait);
        if due {
            probed.insert(target, boot);
        }
        due
    }

    pub(crate) fn send_errand(&self, target: TargetId, terms: ErrandTerms) {
        let errand = terms.errand;
        hold(&self.errands).insert(errand, (target, terms.session));
        if !self.send(ToFront::Errand(Box::new(terms))) {
            self.errand_over(&errand);
        }
    }

    pub(crate) fn sent(&self, errand: &ErrandId) -> Option<(TargetId, SessionId)> {
        hold(&self.errands).get(errand).copied()
    }

    /// Whether no errand to the target is under way.
    pub(crate) fn is_idle(&self, target: &TargetId) -> bool {
        !hold(&self.errands).values().any(|(t, _)| t == target)
    }

    pub(crate) fn errand_over(&self, errand: &ErrandId) {
        hold(&self.errands).remove(errand);
    }
}

fn hold<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One front at a time; a new one takes the line over. For ever, as the command socket is served.
pub async fn serve(engine: Arc<Engine>, listener: UnixListener) {
    let places = Arc::new(Semaphore::new(MOST_GREETING));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "no connection can be taken on front's socket");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if !stream.peer_cred().is_ok_and(|peer| peer.uid() == engine.config.local.front) {
            tracing::warn!("somebody who is not front is not spoken to");
            continue;
        }
        // Front comes again where it finds no place.
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        let engine = engine.clone();
        tokio::spawn(async move {
            if let Err(error) = talk(&engine, stream, place).await {
                tracing::warn!(%error, "front's line ended");
            }
        });
    }
}

async fn talk(engine: &Arc<Engine>, stream: UnixStream, place: OwnedSemaphorePermit) -> Result<(), ChannelError> {
    let (mut from, mut to) = stream.into_split();
    frame::send(&mut to, &Greeting::of(Role::Engine)).await?;
    let greeting = frame::receive_short::<Greeting>(&mut from, LONGEST_GREETING_BYTES);
    let greeting = tokio::time::timeout(GREETED_WITHIN, greeting)
        .await
        .map_err(|_| ChannelError::TimedOut { seconds: GREETED_WITHIN.as_secs() })??;
    greeting.expect(Role::Front)?;
    drop(place);
    let (queue, mut queued) = mpsc::channel(LONGEST_QUEUE);
    hold(&engine.front.told).clear();
    *hold(&engine.front.line) = Some(queue.clone());
    engine.front.changed.send_replace(());
    send_setup(engine, &queue);
    let writing = tokio::spawn(async move {
        while let Some(message) = queued.recv().await {
            frame::send(&mut to, &message).await?;
        }
        Ok::<(), ChannelError>(())
    });
    // A front that was pushed aside comes again: were its line left standing, nobody would speak on it any more.
    let outcome = tokio::select! {
        outcome = answer_all(engine, &mut from, &queue) => outcome,
        () = engine.front.taken_over(&queue) => Err(ChannelError::Closed),
    };
    let mut line = hold(&engine.front.line);
    if line.as_ref().is_some_and(|current| current.same_channel(&queue)) {
        *line = None;
    }
    writing.abort();
    outcome
}

fn send_setup(engine: &Engine, queue: &mpsc::Sender<ToFront>) {
    let state = engine.state();
    let Some(founding) = &state.founding else { return };
    let orders = wanted(&state, engine.clock.wall());
    hold(&engine.front.told).clone_from(&orders);
    let setup = Setup {
        origin: founding.origin.to_string(),
        reading_key: founding.reading_key.clone(),
        age_recipients: engine.config.age_recipients.clone(),
        orders,
    };
    let _full = queue.try_send(ToFront::Setup(setup));
}

async fn answer_all(
    engine: &Arc<Engine>,
    from: &mut (impl tokio::io::AsyncRead + Unpin),
    queue: &mpsc::Sender<ToFront>,
) -> Result<(), ChannelError> {
    let places = Arc::new(Semaphore::new(MOST_QUESTIONS));
    loop {
        let FromFront { id, body } = frame::receive(from).await?;
        let place = places.clone().acquire_owned().await.map_err(|_| ChannelError::Closed)?;
        let (engine, queue) = (engine.clone(), queue.clone());
        tokio::spawn(async move {
            if let Some(body) = answer(&engine, body).await {
                let _gone = queue.send(ToFront::Answer { id, body }).await;
            }
            drop(place);
        });
    }
}

/// `None`: not durable; front keeps the fact and says it again.
async fn answer(engine: &Arc<Engine>, ask: FrontAsk) -> Option<FrontAnswer> {
    match ask {
        FrontAsk::Knows { key } => Some(FrontAnswer::Known(engine.state().people.active(&key.fingerprint()).is_some())),
        FrontAsk::Approach(ask) => Some(FrontAnswer::Approach(engine.approach(*ask).await.map(Box::new))),
        FrontAsk::Open(ask) => Some(FrontAnswer::Opened(engine.open(*ask).await.map(Box::new))),
        FrontAsk::Ended(fact) => engine.session_ended(fact).await.ok().map(|()| FrontAnswer::Noted),
        FrontAsk::Anchors { recordings } => engine.anchor(recordings).await.ok().map(|()| FrontAnswer::Noted),
        FrontAsk::ErrandReady { errand, subject, recording } => {
            Some(FrontAnswer::ErrandCertified(engine.errand_ready(errand, subject, recording).await))
        }
        FrontAsk::ErrandEnded { errand, outcome, recorded } => {
            let _late = engine.errand_ended(errand, outcome, recorded).await;
            Some(FrontAnswer::Noted)
        }
        FrontAsk::Live { sessions } => {
            engine.end_lost(&sessions).await;
            // What takes longer goes on; front is not kept from opening by it.
            Some(FrontAnswer::Noted)
        }
    }
}

impl Engine {
    /// A session is over. Known twice is known; one that cannot be written is said again by front.
    async fn session_ended(self: &Arc<Self>, fact: EndFact) -> Result<(), Refusal> {
        let session = fact.session;
        let killed = self.state().passage.sessions.get(&session).is_some_and(|s| s.order == Order::Kill);
        // Front obeys one order for both; the state knows whether somebody ordered it or the grant no longer stood.
        let ending = if fact.ending == SessionEnding::Revoked && killed { SessionEnding::Killed } else { fact.ending };
        let event = Event::SessionEnded(SessionEnded {
            session,
            ending,
            ended: fact.ended,
            chunks: fact.anchor.chunks,
            chain: fact.anchor.chain,
            complete: fact.complete,
            bytes: fact.bytes,
        });
        match self.write_own(event).await {
            Ok(()) => {
                self.recordings.take(&session);
                Ok(())
            }
            Err(Refusal::SessionUnknown { .. }) => {
                self.recordings.take(&session);
                Ok(())
            }
            Err(refusal) => Err(refusal),
        }
    }

    async fn write_own(self: &Arc<Self>, event: Event) -> Result<(), Refusal> {
        let make = Box::new(move |_: &State, _: Timestamp| {
            Ok(Draft { event, actor: Actor::Engine, cause: None, beside: vec![] })
        });
        self.writer.propose(Attempt::Passage, Actor::Engine, make).await.map(|_| ())
    }

    /// Sessions that front no longer knows, and of whose end it told nothing. Returns when they are ended, or after [`ENDED_WITHIN`]: reading how
    /// far their recordings have come takes as long as they are large.
    async fn end_lost(self: &Arc<Self>, live: &BTreeSet<SessionId>) {
        let state = self.state();
        let lost = state.passage.sessions.keys().filter(|id| !live.contains(id)).copied();
        let lost: Vec<SessionId> = self.front.claim_lost(lost);
        let engine = self.clone();
        let ending = tokio::spawn(async move {
            for session in lost {
                engine.end_lost_one(session).await;
                engine.front.lost_is_ended(&session);
            }
        });
        let _it_goes_on = tokio::time::timeout(ENDED_WITHIN, ending).await;
    }

    async fn end_lost_one(self: &Arc<Self>, session: SessionId) {
        let recorded = self.aside(move |engine| Ok(engine.what_is_recorded(&session))).await;
        let (chunks, chain) = recorded.unwrap_or((0, Hash::of(b"")));
        let ended = SessionEnded {
            session,
            ending: SessionEnding::GatewayLost,
            ended: self.clock.wall(),
            chunks,
            chain,
            complete: false,
            bytes: 0,
        };
        if self.write_own(Event::SessionEnded(ended)).await.is_ok() {
            self.recordings.take(&session);
        }
    }

    /// How far a recording has come that nobody will end any more.
    fn what_is_recorded(&self, session: &SessionId) -> (u64, Hash) {
        let file = self.recordings.open_live(session).ok();
        let structure = file.and_then(|file| recorder::structure(std::io::BufReader::new(file), &[]).ok());
        structure.map_or((0, Hash::of(b"")), |s| (s.chunks, s.chain))
    }

    /// Compares what the state wants of each session with what front was told, and tells the difference.
    pub(crate) fn tell_orders(&self) {
        if !self.front.is_connected() {
            return;
        }
        let state = self.state();
        let wanted = wanted(&state, self.clock.wall());
        let mut told = hold(&self.front.told);
        for (session, order) in &wanted {
            if told.get(session) != Some(order) && self.front.send(ToFront::Order { session: *session, order: *order })
            {
                told.insert(*session, *order);
            }
        }
        told.retain(|session, _| wanted.contains_key(session));
    }

    pub(crate) fn beat(&self) {
        let size = self.state().journal.size;
        self.front.send(ToFront::Beat { size });
    }
}

/// A session flows while its order says so and its grant stands; whatever else, it is killed.
fn wanted(state: &State, wall: Timestamp) -> BTreeMap<SessionId, Order> {
    let now = state.judged_at(wall);
    let order = |session: &domain::state::Session| match still_stands(state, &session.grant, now) {
        // A key that was retired opens nothing, and what it opened is closed.
        _ if state.people.active(&session.key).is_none() => Order::Kill,
        Ok(_) => session.order,
        // The clock says nothing against a session that was rightly opened: front keeps its end by boot time.
        Err(Refusal::ClockDoubted | Refusal::GrantOver { .. } | Refusal::GrantNotYet { .. }) => session.order,
        Err(_) => Order::Kill,
    };
    state.passage.sessions.iter().map(|(id, session)| (*id, order(session))).collect()
}

/// Looks at what has changed, at every new entry and at least each second.
pub async fn react(engine: Arc<Engine>) {
    let mut sizes = engine.writer.sizes();
    let mut founded = engine.state().founding.is_some();
    loop {
        let _timed_out = tokio::time::timeout(BEAT, sizes.changed()).await;
        if !founded && engine.state().founding.is_some() {
            founded = true;
            if let Some(line) = hold(&engine.front.line).clone() {
                send_setup(&engine, &line);
            }
        }
        engine.tell_orders();
    }
}

/// Beats and errands, by the clock.
pub async fn beat(engine: Arc<Engine>) {
    let mut tick = tokio::time::interval(BEAT);
    let mut probing = tokio::task::spawn_blocking(|| ());
    loop {
        tick.tick().await;
        engine.beat();
        engine.texts.forget_old_keys();
        // Never waited for: a keeper that is away must not stop the beat.
        if probing.is_finished() {
            let engine = engine.clone();
            probing = tokio::task::spawn_blocking(move || engine.probe_when_due());
        }
    }
}
