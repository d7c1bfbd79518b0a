//! Front's end of the line to engine: questions with answers, orders with obedience, and knowing when engine is away.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use channel::front::{ErrandTerms, FromFront, FrontAnswer, FrontAsk, Setup, ToFront};
use channel::{ChannelError, Greeting, Role, frame};
use domain::SessionId;
use domain::state::Order;
use gateway_ssh::clock::BootTime;
use gateway_ssh::sessions::Sessions;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};

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
    /// Orders for sessions that were not live yet when they came.
    orders: Mutex<BTreeMap<SessionId, Order>>,
    errands: mpsc::Sender<ErrandTerms>,
    connected: tokio::sync::Notify,
}

/// Engine is away, or did not answer in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("engine is away")]
pub(crate) struct Away;

impl Line {
    pub(crate) fn new(path: PathBuf, sessions: Sessions, errands: mpsc::Sender<ErrandTerms>) -> Self {
        let shared = Shared {
            path,
            sessions,
            next: AtomicU64::new(1),
            waiting: Mutex::default(),
            queue: Mutex::default(),
            heard: Mutex::default(),
            setup: RwLock::default(),
            orders: Mutex::default(),
            errands,
            connected: tokio::sync::Notify::new(),
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

    /// Woken at each new connection to engine.
    pub(crate) async fn connected(&self) {
        self.shared.connected.notified().await;
    }

    pub(crate) async fn ask(&self, body: FrontAsk) -> Result<FrontAnswer, Away> {
        let id = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        hold(&self.shared.waiting).insert(id, answer);
        let queue = hold(&self.shared.queue).clone().ok_or(Away);
        let sent = queue.and_then(|queue| queue.try_send(FromFront { id, body }).map_err(|_| Away));
        let outcome = match sent {
            Ok(()) => tokio::time::timeout(LONGEST_WAIT, answered).await.map_err(|_| Away).and_then(|a| a.map_err(|_| Away)),
            Err(away) => Err(away),
        };
        hold(&self.shared.waiting).remove(&id);
        outcome
    }

    /// What engine last ordered for a session that has just become live here.
    pub(crate) fn obey_earlier_order(&self, session: &SessionId) {
        let order = hold(&self.shared.orders).get(session).copied();
        if let Some(order) = order {
            obey(&self.shared.sessions, session, order);
        }
    }

    /// Keeps the line up for ever.
    pub(crate) async fn keep(self) {
        loop {
            if let Err(error) = self.talk().await {
                tracing::debug!(%error, "line to engine");
            }
            *hold(&self.shared.queue) = None;
            hold(&self.shared.waiting).clear();
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn talk(&self) -> Result<(), ChannelError> {
        let stream = UnixStream::connect(&self.shared.path).await?;
        let (mut from, mut to) = stream.into_split();
        frame::send(&mut to, &Greeting::of(Role::Front)).await?;
        let greeting: Greeting = tokio::time::timeout(STALE, frame::receive(&mut from)).await.map_err(|_| ChannelError::TimedOut { seconds: STALE.as_secs() })??;
        greeting.expect(Role::Engine)?;
        let (queue, mut queued) = mpsc::channel::<FromFront>(LONGEST_QUEUE);
        *hold(&self.shared.queue) = Some(queue);
        self.shared.connected.notify_waiters();
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
            ToFront::Answer { id, body } => {
                if let Some(answer) = hold(&self.shared.waiting).remove(&id) {
                    let _gone = answer.send(body);
                }
            }
            ToFront::Setup(setup) => {
                for (session, order) in &setup.orders {
                    self.order(session, *order);
                }
                *self.shared.setup.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(setup));
            }
            ToFront::Beat { .. } => self.forget_old_orders(),
            ToFront::Order { session, order } => self.order(&session, order),
            ToFront::Errand(terms) => {
                if self.shared.errands.try_send(*terms).is_err() {
                    tracing::warn!("too many errands at once; one is left for later");
                }
            }
        }
    }

    fn order(&self, session: &SessionId, order: Order) {
        hold(&self.shared.orders).insert(*session, order);
        obey(&self.shared.sessions, session, order);
    }

    /// Orders are kept for sessions being opened; those of long ended ones are not.
    fn forget_old_orders(&self) {
        let mut orders = hold(&self.shared.orders);
        if orders.len() > MOST_ORDERS {
            orders.clear();
        }
    }
}

const MOST_ORDERS: usize = 10_000;

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A session that is not live here has nothing to obey.
fn obey(sessions: &Sessions, session: &SessionId, order: Order) {
    let id = session.to_string();
    let _not_live = match order {
        Order::Flow => sessions.thaw(&id),
        Order::Freeze => sessions.freeze(&id),
        Order::Kill => sessions.kill(&id, "revoked"),
    };
}
