//! The live sessions: who looks in from above sees them here, and gives orders.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::clock::BootTime;
use crate::notice::WARN_BEFORE;
use crate::tape::Reel;

/// A handle on all live sessions; clones are the same handle.
#[derive(Debug, Clone, Default)]
pub struct Sessions {
    live: Arc<Mutex<BTreeMap<String, Arc<Live>>>>,
}

/// One live session, as it was when asked for.
#[derive(Debug, Clone)]
pub struct SessionView {
    pub session: String,
    pub target_label: String,
    pub target_user: String,
    pub source: IpAddr,
    pub opened: BootTime,
    pub ends_at: BootTime,
    pub frozen: bool,
    pub channels: usize,
    /// Bytes from client to target, and from target to client.
    pub bytes_in: u64,
    pub bytes_out: u64,
}

/// There is no live session of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("session `{0}` is not live")]
pub struct NotLive(pub String);

impl Sessions {
    pub fn list(&self) -> Vec<SessionView> {
        self.all().values().map(|live| live.view()).collect()
    }

    /// Stops all forwarding in both directions; the target's processes go on, keepalives are answered, and the end still comes.
    pub fn freeze(&self, session: &str) -> Result<(), NotLive> {
        self.order(session, |live| live.freeze())
    }

    pub fn thaw(&self, session: &str) -> Result<(), NotLive> {
        self.order(session, |live| live.thaw())
    }

    /// Ends a session now; `reason` is shown to the person and recorded.
    pub fn kill(&self, session: &str, reason: &str) -> Result<(), NotLive> {
        self.order(session, |live| live.kill(reason))
    }

    /// Moves a session's end to `ends_in` from now.
    pub fn revise_end(&self, session: &str, ends_in: Duration) -> Result<(), NotLive> {
        self.order(session, |live| live.revise_end(BootTime::now().plus(ends_in)))
    }

    /// Session, chunks made durable and the hash of their chain, for each recording that has any.
    pub fn anchors(&self) -> Vec<(String, u64, [u8; 32])> {
        let all = self.all();
        all.iter().filter_map(|(id, live)| live.reel.anchor().map(|a| (id.clone(), a.chunks, a.hash))).collect()
    }

    pub(crate) fn enter(&self, live: Arc<Live>) {
        self.all().insert(live.session.clone(), live);
    }

    pub(crate) fn leave(&self, session: &str) {
        self.all().remove(session);
    }

    fn order(&self, session: &str, order: impl FnOnce(&Live)) -> Result<(), NotLive> {
        let live = self.all().get(session).cloned().ok_or_else(|| NotLive(session.to_owned()))?;
        order(&live);
        Ok(())
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Live>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// May bytes pass?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Motion {
    Flowing,
    Frozen,
    Ended,
}

/// One session's shared state.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) session: String,
    pub(crate) target_label: String,
    pub(crate) target_user: String,
    pub(crate) source: IpAddr,
    pub(crate) opened: BootTime,
    pub(crate) reel: Reel,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    pub(crate) channels: AtomicUsize,
    motion: watch::Sender<Motion>,
    orders: Mutex<Orders>,
    /// Rung at every order.
    pub(crate) bell: Notify,
}

#[derive(Debug)]
struct Orders {
    lifetime: Lifetime,
    kill: Option<String>,
}

/// The session has ended; nothing passes any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Over;

impl Live {
    pub(crate) fn new(
        (session, target_label, target_user): (String, String, String),
        source: IpAddr,
        ends_at: BootTime,
        reel: Reel,
    ) -> Self {
        let opened = BootTime::now();
        Self {
            session,
            target_label,
            target_user,
            source,
            opened,
            reel,
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            channels: AtomicUsize::new(0),
            motion: watch::Sender::new(Motion::Flowing),
            orders: Mutex::new(Orders { lifetime: Lifetime::new(opened, ends_at), kill: None }),
            bell: Notify::new(),
        }
    }

    /// Returns once bytes may pass.
    pub(crate) async fn may_flow(&self) -> Result<(), Over> {
        if *self.motion.borrow() == Motion::Flowing {
            return Ok(());
        }
        let mut motion = self.motion.subscribe();
        match motion.wait_for(|motion| *motion != Motion::Frozen).await.map(|motion| *motion) {
            Ok(Motion::Flowing) => Ok(()),
            _ => Err(Over),
        }
    }

    /// Returns once the session has ended.
    pub(crate) async fn over(&self) {
        let mut motion = self.motion.subscribe();
        // The sender lives as long as `self`, so an error cannot come first.
        let _ended = motion.wait_for(|motion| *motion == Motion::Ended).await.map(|motion| *motion);
    }

    pub(crate) fn motion(&self) -> Motion {
        *self.motion.borrow()
    }

    pub(crate) fn freeze(&self) {
        self.shift(Motion::Flowing, Motion::Frozen);
    }

    fn thaw(&self) {
        self.shift(Motion::Frozen, Motion::Flowing);
    }

    fn shift(&self, from: Motion, to: Motion) {
        self.motion.send_if_modified(|motion| {
            let moves = *motion == from;
            if moves {
                *motion = to;
            }
            moves
        });
        self.bell.notify_one();
    }

    /// From here on nothing passes, whatever is ordered.
    pub(crate) fn end(&self) {
        self.motion.send_replace(Motion::Ended);
    }

    fn kill(&self, reason: &str) {
        self.orders().kill.get_or_insert_with(|| reason.to_owned());
        self.bell.notify_one();
    }

    fn revise_end(&self, ends_at: BootTime) {
        self.orders().lifetime.revise(BootTime::now(), ends_at);
        self.bell.notify_one();
    }

    pub(crate) fn killed(&self) -> Option<String> {
        self.orders().kill.clone()
    }

    pub(crate) fn due(&self, now: BootTime) -> Due {
        self.orders().lifetime.due(now)
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn view(&self) -> SessionView {
        SessionView {
            session: self.session.clone(),
            target_label: self.target_label.clone(),
            target_user: self.target_user.clone(),
            source: self.source,
            opened: self.opened,
            ends_at: self.orders().lifetime.ends_at,
            frozen: self.motion() == Motion::Frozen,
            channels: self.channels.load(Ordering::Acquire),
            bytes_in: self.bytes_in.load(Ordering::Acquire),
            bytes_out: self.bytes_out.load(Ordering::Acquire),
        }
    }
}

/// What the time demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    /// Warn that this much is left.
    Warning(Duration),
    End,
}

/// When a session ends, and which warnings are still to come.
#[derive(Debug)]
pub(crate) struct Lifetime {
    ends_at: BootTime,
    to_warn: Vec<Duration>,
}

impl Lifetime {
    fn new(now: BootTime, ends_at: BootTime) -> Self {
        let mut lifetime = Self { ends_at, to_warn: Vec::new() };
        lifetime.revise(now, ends_at);
        lifetime
    }

    fn revise(&mut self, now: BootTime, ends_at: BootTime) {
        self.ends_at = ends_at;
        self.to_warn = WARN_BEFORE.into_iter().filter(|&before| ends_at.since(now) > before).collect();
    }

    fn due(&mut self, now: BootTime) -> Due {
        if now >= self.ends_at {
            return Due::End;
        }
        let left = self.ends_at.since(now);
        let passed = self.to_warn.iter().filter(|&&before| left <= before).count();
        self.to_warn.drain(..passed);
        if passed > 0 { Due::Warning(left) } else { Due::Nothing }
    }
}

/// Tells a silent peer from one that cannot be heard.
#[derive(Debug)]
pub(crate) struct Liveness {
    patience: Duration,
    last_sign: BootTime,
}

/// Did the last look find a sign of life?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    Heard,
    /// We are not listening, so silence says nothing.
    NotListening,
    Silence,
}

impl Liveness {
    pub(crate) fn new(patience: Duration, now: BootTime) -> Self {
        Self { patience, last_sign: now }
    }

    /// Is the peer to be given up?
    pub(crate) fn is_gone(&mut self, sign: Sign, now: BootTime) -> bool {
        if sign != Sign::Silence {
            self.last_sign = now;
        }
        now.since(self.last_sign) > self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::{Deck, MemoryTapes, Tapes};

    fn at(secs: u64) -> BootTime {
        BootTime::from_boot(Duration::from_secs(secs))
    }

    fn live(sessions: &Sessions, name: &str) -> Arc<Live> {
        let reel = Deck::start(1).unwrap().load(MemoryTapes::default().draft(name).unwrap());
        let who = (name.to_owned(), "db1".to_owned(), "root".to_owned());
        let ends_at = BootTime::now().plus(Duration::from_secs(60));
        let live = Arc::new(Live::new(who, IpAddr::from([127, 0, 0, 1]), ends_at, reel));
        sessions.enter(live.clone());
        live
    }

    #[test]
    fn warnings_come_once_each_and_then_the_end() {
        let mut lifetime = Lifetime::new(at(0), at(1000));
        let due: Vec<Due> = [0, 699, 700, 701, 940, 941, 999, 1000, 2000].map(|now| lifetime.due(at(now))).into();
        let warning = |secs| Due::Warning(Duration::from_secs(secs));
        let expected = [
            Due::Nothing,
            Due::Nothing,
            warning(300),
            Due::Nothing,
            warning(60),
            Due::Nothing,
            Due::Nothing,
            Due::End,
            Due::End,
        ];
        assert_eq!(due, expected);
    }

    #[test]
    fn a_short_session_is_not_warned_of_what_has_passed() {
        let mut lifetime = Lifetime::new(at(0), at(90));
        assert_eq!(lifetime.due(at(10)), Due::Nothing);
        assert_eq!(lifetime.due(at(30)), Due::Warning(Duration::from_secs(60)));
    }

    #[test]
    fn a_machine_that_slept_through_a_warning_says_it_once_and_through_the_end_ends() {
        let mut lifetime = Lifetime::new(at(0), at(1000));
        assert_eq!(lifetime.due(at(970)), Due::Warning(Duration::from_secs(30)));
        assert_eq!(lifetime.due(at(971)), Due::Nothing);
        assert_eq!(lifetime.due(at(100_000)), Due::End);
    }

    #[test]
    fn a_later_end_warns_again_and_an_earlier_one_ends_at_once() {
        let mut lifetime = Lifetime::new(at(0), at(1000));
        assert_eq!(lifetime.due(at(950)), Due::Warning(Duration::from_secs(50)));
        lifetime.revise(at(950), at(2000));
        assert_eq!(lifetime.due(at(1800)), Due::Warning(Duration::from_secs(200)));
        lifetime.revise(at(1800), at(1700));
        assert_eq!(lifetime.due(at(1800)), Due::End);
    }

    #[test]
    fn only_silence_while_listening_makes_a_peer_gone() {
        let mut liveness = Liveness::new(Duration::from_secs(45), at(0));
        assert!(!liveness.is_gone(Sign::Silence, at(45)));
        assert!(!liveness.is_gone(Sign::NotListening, at(100)));
        assert!(!liveness.is_gone(Sign::Silence, at(145)));
        assert!(liveness.is_gone(Sign::Silence, at(146)));
    }

    #[tokio::test]
    async fn freeze_stops_the_flow_and_thaw_lets_it_go_on() {
        let sessions = Sessions::default();
        let live = live(&sessions, "ses_1");
        sessions.freeze("ses_1").unwrap();
        assert!(sessions.list()[0].frozen);
        let waiting = tokio::spawn({
            let live = live.clone();
            async move { live.may_flow().await }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!waiting.is_finished());
        sessions.thaw("ses_1").unwrap();
        assert_eq!(waiting.await.unwrap(), Ok(()));
    }

    #[tokio::test]
    async fn an_ended_session_stays_ended() {
        let sessions = Sessions::default();
        let live = live(&sessions, "ses_1");
        live.end();
        sessions.freeze("ses_1").unwrap();
        sessions.thaw("ses_1").unwrap();
        assert_eq!(live.may_flow().await, Err(Over));
        live.over().await;
    }

    #[test]
    fn an_order_to_nobody_says_so() {
        assert_eq!(Sessions::default().freeze("ses_9"), Err(NotLive("ses_9".into())));
    }
}
