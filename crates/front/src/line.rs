//! Front's end of the line to engine: questions with answers, orders with obedience, and knowing when engine is away.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use channel::front::{ErrandTerms, FromFront, FrontAnswer, FrontAsk, Setup, ToFront};
use channel::{ChannelError, Greeting, Role, frame};
use domain::SessionId;
use domain::event::SessionEnding;
use domain::state::Order;
use gateway_ssh::clock::BootTime;
use gateway_ssh::sessions::{NotLive, Sessions};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot, watch};

use crate::ends::{Ends, end_of_nothing};

/// A view older than this opens nothing.
pub(crate) const STALE: Duration = Duration::from_secs(4);
/// Engine answers an opening within this, or it is refused.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Between attempts to reach engine.
const AGAIN: Duration = Duration::from_millis(250);
/// Questions that wait to be sent.
const LONGEST_QUEUE: usize = 4_096;

/// A handle on the line, cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    sessions: Sessions,
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<FrontAnswer>>>,
    queue: Mutex<Option<mpsc::Sender<FromFront>>>,
    heard: Mutex<Option<BootTime>>,
    setup: RwLock<Option<Arc<Setup>>>,
    ends: Ends,
    stage: watch::Sender<Stage>,
    errands: mpsc::Sender<ErrandTerms>,
    /// The recordings of errands under way.
    recording: Mutex<BTreeSet<SessionId>>,
}

/// How far the line has come since engine was last reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Down,
    AwaitingSetup,
    /// Engine is to be told which sessions live here. The number tells one line from the next.
    AwaitingAnnouncement(u64),
    /// Both sides know of the same sessions.
    Settled,
}

/// Engine is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Away {
    #[error("engine is away and was not asked")]
    NotAsked,
    #[error("engine was asked and did not answer in time")]
    NotAnswered,
}

impl Line {
    pub(crate) fn new(path: PathBuf, sessions: Sessions, ends: Ends, errands: mpsc::Sender<ErrandTerms>) -> Self {
        let shared = Shared {
            path,
            sessions,
            next: AtomicU64::new(1),
            waiting: Mutex::default(),
            queue: Mutex::default(),
            heard: Mutex::default(),
            setup: RwLock::default(),
            ends,
            stage: watch::Sender::new(Stage::Down),
            errands,
            recording: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The newest setup; `None` until engine is founded and was reached.
    pub(crate) fn setup(&self) -> Option<Arc<Setup>> {
        self.shared.setup.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether engine was heard of in the last seconds.
    pub(crate) fn is_fresh(&self) -> bool {
        hold(&self.shared.heard).is_some_and(|heard| BootTime::now().since(heard) < STALE)
    }

    /// Returns once nothing is left to be told before a session may be opened.
    pub(crate) async fn settled(&self) -> Result<(), Away> {
        let mut stage = self.shared.stage.subscribe();
        let settled = tokio::time::timeout(STALE, stage.wait_for(|stage| *stage == Stage::Settled)).await;
        settled.map_err(|_| Away::NotAsked)?.map(|_| ()).map_err(|_| Away::NotAsked)
    }

    /// Tells engine, at each new line, which sessions live here: for ever.
    pub(crate) async fn announce(self) {
        let mut stage = self.shared.stage.subscribe();
        loop {
            let due = stage.wait_for(|stage| matches!(stage, Stage::AwaitingAnnouncement(_))).await.map(|stage| *stage);
            let Ok(due) = due else { return };
            match self.ask(FrontAsk::Live { sessions: self.live() }).await {
                Ok(FrontAnswer::Noted) => self.pass(due, Stage::Settled),
                _ => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    /// Also those being opened, and those whose end engine is still to hear. A session that ends meanwhile is in one of both: its end is told
    /// before it leaves the sessions, and these are read first.
    fn live(&self) -> std::collections::BTreeSet<SessionId> {
        let here: Vec<SessionId> =
            self.shared.sessions.list().iter().filter_map(|view| view.session.parse().ok()).collect();
        let errands = hold(&self.shared.recording).clone();
        here.into_iter().chain(self.shared.ends.sessions()).chain(errands).collect()
    }

    pub(crate) fn begin_errand(&self, recording: SessionId) {
        hold(&self.shared.recording).insert(recording);
    }

    pub(crate) fn end_errand(&self, recording: &SessionId) {
        hold(&self.shared.recording).remove(recording);
    }

    fn pass(&self, from: Stage, to: Stage) {
        self.shared.stage.send_if_modified(|stage| {
            let passes = *stage == from;
            if passes {
                *stage = to;
            }
            passes
        });
    }

    pub(crate) async fn ask(&self, body: FrontAsk) -> Result<FrontAnswer, Away> {
        let id = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let queue = hold(&self.shared.queue).clone().ok_or(Away::NotAsked)?;
        let (answer, answered) = oneshot::channel();
        hold(&self.shared.waiting).insert(id, answer);
        let outcome = match queue.try_send(FromFront { id, body }) {
            Ok(()) => {
                tokio::time::timeout(LONGEST_WAIT, answered).await.ok().and_then(Result::ok).ok_or(Away::NotAnswered)
            }
            Err(_) => Err(Away::NotAsked),
        };
        hold(&self.shared.waiting).remove(&id);
        outcome
    }

    /// Keeps the line up for ever.
    pub(crate) async fn keep(self) {
        loop {
            if let Err(error) = self.talk().await {
                tracing::debug!(%error, "line to engine");
            }
            self.shared.stage.send_replace(Stage::Down);
            *hold(&self.shared.queue) = None;
            hold(&self.shared.waiting).clear();
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn talk(&self) -> Result<(), ChannelError> {
        let stream = UnixStream::connect(&self.shared.path).await?;
        let (mut from, mut to) = stream.into_split();
        frame::send(&mut to, &Greeting::of(Role::Front)).await?;
        let greeting: Greeting = tokio::time::timeout(STALE, frame::receive(&mut from))
            .await
            .map_err(|_| ChannelError::TimedOut { seconds: STALE.as_secs() })??;
        greeting.expect(Role::Engine)?;
        let (queue, mut queued) = mpsc::channel::<FromFront>(LONGEST_QUEUE);
        *hold(&self.shared.queue) = Some(queue);
        self.shared.stage.send_replace(Stage::AwaitingSetup);
        let writing = async move {
            while let Some(message) = queued.recv().await {
                frame::send(&mut to, &message).await?;
            }
            Ok(())
        };
        let reading = async {
            loop {
                // An engine that is stopped sends nothing; the line is made anew when it goes on.
                let message: ToFront = frame::receive(&mut from).await?;
                self.hear(message);
            }
        };
        tokio::select! { ended = writing => ended, ended = reading => ended }
    }

    fn hear(&self, message: ToFront) {
        *hold(&self.shared.heard) = Some(BootTime::now());
        match message {
            ToFront::Answer { id, body } => self.answer(id, body),
            ToFront::Setup(setup) => self.set_up(setup),
            ToFront::Beat { .. } => {}
            ToFront::Order { session, order } => self.order(&session, order),
            ToFront::Errand(terms) => {
                if self.shared.errands.try_send(*terms).is_err() {
                    tracing::warn!("too many errands at once; one is left for later");
                }
            }
        }
    }

    fn answer(&self, id: u64, body: FrontAnswer) {
        let waiting = hold(&self.shared.waiting).remove(&id);
        let unwanted = match waiting {
            Some(waiting) => waiting.send(body).err(),
            None => Some(body),
        };
        // Nobody waits any more; engine has opened it, and must hear that nothing came of it.
        if let Some(FrontAnswer::Opened(Ok(terms))) = unwanted {
            self.shared.ends.tell(end_of_nothing(terms.session, SessionEnding::GatewayLost));
        }
    }

    fn set_up(&self, setup: Setup) {
        let is_first = *self.shared.stage.borrow() == Stage::AwaitingSetup;
        if is_first {
            self.kill_unknown(&setup.orders);
        }
        for (session, order) in &setup.orders {
            // A session that is not here any more is found by engine in what is announced.
            let _announced = obey(&self.shared.sessions, session, *order);
        }
        *self.shared.setup.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(setup));
        let line = self.shared.next.fetch_add(1, Ordering::Relaxed);
        self.pass(Stage::AwaitingSetup, Stage::AwaitingAnnouncement(line));
    }

    /// Nobody could order anything of a session that engine does not know. Only at a line's first setup: engine then knows every session that
    /// it has ever let pass and has not ended, and none has been asked for on this line.
    fn kill_unknown(&self, known: &BTreeMap<SessionId, Order>) {
        let passed = self.shared.sessions.list().into_iter().filter(|view| view.ends_at.is_some());
        for view in passed.filter(|view| !view.session.parse().is_ok_and(|id: SessionId| known.contains_key(&id))) {
            tracing::warn!(session = view.session, "engine does not know this session; it is ended");
            let _left = self.shared.sessions.kill(&view.session, "");
        }
    }

    /// An order for a session that is not here shows that engine believes it lives.
    fn order(&self, session: &SessionId, order: Order) {
        if obey(&self.shared.sessions, session, order).is_err() && !self.shared.ends.has(session) {
            self.shared.ends.tell(end_of_nothing(*session, SessionEnding::GatewayLost));
        }
    }
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sessions are entered before engine is asked for them, so no order comes too early.
fn obey(sessions: &Sessions, session: &SessionId, order: Order) -> Result<(), NotLive> {
    let id = session.to_string();
    match order {
        Order::Flow => sessions.thaw(&id),
        Order::Freeze => sessions.freeze(&id),
        Order::Kill => sessions.kill(&id, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::Spool;
    use channel::front::SessionTerms;
    use domain::motion::Principal;
    use domain::rule::RecordInput;
    use domain::{GrantId, PersonId, TargetId};
    use recorder::Reserve;

    fn line(dir: &std::path::Path) -> (Line, Ends) {
        let reserve = Arc::new(Reserve::ensure(dir, 1 << 12).unwrap());
        let ends = Ends::open(Spool::open(&dir.join("spool")).unwrap(), reserve).unwrap();
        let (errands, _) = mpsc::channel(1);
        (Line::new(dir.join("nobody"), Sessions::default(), ends.clone(), errands), ends)
    }

    fn opened(session: SessionId) -> FrontAnswer {
        FrontAnswer::Opened(Ok(Box::new(SessionTerms {
            session,
            grant: GrantId::from_random([1; 16]),
            person: PersonId::from_random([2; 16]),
            target_label: "db1".into(),
            address: "127.0.0.1:22".into(),
            host_keys: Default::default(),
            login: "root".into(),
            principal: Principal::of_errands(&TargetId::from_random([3; 16])),
            certificate: String::new(),
            channels: Default::default(),
            record_input: RecordInput::Never,
            ends_in_ms: 1000,
            until: "2026-11-23T10:00:00Z".parse().unwrap(),
            purpose: "rotate WAL archive, CHG-142".into(),
        })))
    }

    #[test]
    fn a_session_opened_for_nobody_is_told_as_ended() {
        let dir = tempfile::tempdir().unwrap();
        let (line, ends) = line(dir.path());
        let (late, given_up, wanted) =
            (SessionId::from_random([4; 16]), SessionId::from_random([5; 16]), SessionId::from_random([6; 16]));
        line.answer(77, opened(late));
        let (waiting, answered) = oneshot::channel();
        drop(answered);
        hold(&line.shared.waiting).insert(78, waiting);
        line.answer(78, opened(given_up));
        let (waiting, _answered) = oneshot::channel();
        hold(&line.shared.waiting).insert(79, waiting);
        line.answer(79, opened(wanted));
        assert_eq!(ends.sessions(), [late, given_up].into());
    }

    #[test]
    fn an_order_for_a_session_that_is_not_here_is_answered_with_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let (line, ends) = line(dir.path());
        let ghost = SessionId::from_random([7; 16]);
        line.order(&ghost, Order::Flow);
        assert_eq!(ends.sessions(), [ghost].into());
        assert_eq!(line.live(), [ghost].into(), "until engine has its end, it is not announced as lost");
    }

    #[tokio::test]
    async fn who_cannot_be_reached_was_not_asked() {
        let dir = tempfile::tempdir().unwrap();
        let (line, _ends) = line(dir.path());
        let asked = line.ask(FrontAsk::Live { sessions: line.live() }).await;
        assert_eq!(asked.unwrap_err(), Away::NotAsked);
    }
}
