//! The live sessions: who looks in from above sees them here, and gives orders.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::clock::BootTime;
use crate::gate::EndReason;
use crate::notice::WARN_BEFORE;
use crate::tape::Reel;

/// A handle on all live sessions; clones are the same handle.
#[derive(Debug, Clone, Default)]
pub struct Sessions {
    entered: Arc<Mutex<BTreeMap<String, Entry>>>,
}

/// How far a session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionStage {
    /// Engine is being asked, or the target logged in to; nothing passes yet. Orders and the end are obeyed already.
    Opening,
    Open,
}

/// One session, as it was when asked for.
#[derive(Debug, Clone)]
pub struct SessionView {
    pub session: String,
    pub target_label: String,
    pub target_user: String,
    pub source: IpAddr,
    pub stage: SessionStage,
    /// When it was entered here.
    pub opened: BootTime,
    /// `None` until engine has said it.
    pub ends_at: Option<BootTime>,
    pub frozen: bool,
    pub channels: usize,
    /// Bytes from client to target, and from target to client.
    pub bytes_in: u64,
    pub bytes_out: u64,
}

/// What of a session is known before engine has answered.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) session: String,
    /// As typed in the login name.
    pub(crate) target: String,
    pub(crate) account: String,
    pub(crate) source: IpAddr,
}

#[derive(Debug)]
struct Entry {
    asked: Asked,
    since: BootTime,
    reins: Arc<Reins>,
    /// Once engine has let it pass.
    live: Option<Arc<Live>>,
    stage: SessionStage,
}

/// There is no live session of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("session `{0}` is not live")]
pub struct NotLive(pub String);

impl Sessions {
    /// Those being opened, too: engine may know of them already.
    pub fn list(&self) -> Vec<SessionView> {
        self.all().values().map(Entry::view).collect()
    }

    /// Stops all forwarding in both directions; the target's processes go on, keepalives are answered, and the end still comes.
    pub fn freeze(&self, session: &str) -> Result<(), NotLive> {
        self.order(session, |reins| reins.hold(Hold::Ordered))
    }

    /// Takes an ordered freeze back; what is frozen for another reason stays so.
    pub fn thaw(&self, session: &str) -> Result<(), NotLive> {
        self.order(session, Reins::thaw)
    }

    /// Ends a session now; on return nothing more is taken to be forwarded. `reason` is shown to the person, where there is one.
    pub fn kill(&self, session: &str, reason: &str) -> Result<(), NotLive> {
        self.order(session, |reins| reins.kill(reason))
    }

    /// Moves a session's end to `ends_in` from now.
    pub fn revise_end(&self, session: &str, ends_in: Duration) -> Result<(), NotLive> {
        self.order(session, |reins| reins.set_end(BootTime::now().plus(ends_in)))
    }

    /// Session, chunks made durable and the hash of their chain, for each recording that has any.
    pub fn anchors(&self) -> Vec<(String, u64, [u8; 32])> {
        let all = self.all();
        let live = all.iter().filter_map(|(id, entry)| Some((id, entry.live.as_ref()?)));
        live.filter_map(|(id, live)| live.reel.anchor().map(|a| (id.clone(), a.chunks, a.hash))).collect()
    }

    /// Enters a session before engine is asked for it, so that no order can come too early.
    pub(crate) fn enter(&self, asked: Asked) -> Place {
        let (session, reins) = (asked.session.clone(), Arc::new(Reins::default()));
        let entry =
            Entry { asked, since: BootTime::now(), reins: reins.clone(), live: None, stage: SessionStage::Opening };
        self.all().insert(session.clone(), entry);
        Place { sessions: self.clone(), session, reins }
    }

    fn change(&self, session: &str, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.all().get_mut(session) {
            change(entry);
        }
    }

    fn order(&self, session: &str, order: impl FnOnce(&Reins)) -> Result<(), NotLive> {
        let reins = self.all().get(session).map(|entry| entry.reins.clone());
        order(&*reins.ok_or_else(|| NotLive(session.to_owned()))?);
        Ok(())
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.entered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn view(&self) -> SessionView {
        let live = self.live.as_deref();
        let count = |of: fn(&Live) -> &AtomicU64| live.map_or(0, |live| of(live).load(Ordering::Acquire));
        SessionView {
            session: self.asked.session.clone(),
            target_label: live.map_or(&self.asked.target, |live| &live.target_label).clone(),
            target_user: live.map_or(&self.asked.account, |live| &live.target_user).clone(),
            source: self.asked.source,
            stage: self.stage,
            opened: self.since,
            ends_at: self.reins.ends_at(),
            frozen: self.reins.motion() == Motion::Frozen,
            channels: live.map_or(0, |live| live.channels.load(Ordering::Acquire)),
            bytes_in: count(|live| &live.bytes_in),
            bytes_out: count(|live| &live.bytes_out),
        }
    }
}

/// A session's entry among the others; dropped, it is no longer there.
#[derive(Debug)]
pub(crate) struct Place {
    sessions: Sessions,
    session: String,
    pub(crate) reins: Arc<Reins>,
}

impl Place {
    /// Engine has let it pass.
    pub(crate) fn attach(&self, live: Arc<Live>) {
        self.sessions.change(&self.session, |entry| entry.live = Some(live));
    }

    pub(crate) fn is_open(&self) {
        self.sessions.change(&self.session, |entry| entry.stage = SessionStage::Open);
    }

    /// To be called once its end has been told.
    pub(crate) fn leave(&self) {
        self.sessions.all().remove(&self.session);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

/// May bytes pass?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Motion {
    Flowing,
    Frozen,
    Ended,
}

/// Why nothing passes for now. One reason taken back leaves the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Hold {
    Ordered,
    /// The recording has failed.
    Unrecorded,
    /// From the order to the end.
    Killed,
}

/// What a session obeys, from before engine is asked for it until its end.
#[derive(Debug)]
pub(crate) struct Reins {
    motion: watch::Sender<Motion>,
    orders: Mutex<Orders>,
    /// Rung at every order.
    bell: Notify,
}

#[derive(Debug, Default)]
struct Orders {
    lifetime: Option<Lifetime>,
    kill: Option<String>,
    holds: BTreeSet<Hold>,
}

impl Default for Reins {
    fn default() -> Self {
        Self { motion: watch::Sender::new(Motion::Flowing), orders: Mutex::default(), bell: Notify::new() }
    }
}

impl Reins {
    pub(crate) fn hold(&self, hold: Hold) {
        self.change(|orders| {
            orders.holds.insert(hold);
        });
    }

    fn thaw(&self) {
        self.change(|orders| {
            orders.holds.remove(&Hold::Ordered);
        });
    }

    fn kill(&self, reason: &str) {
        self.change(|orders| {
            orders.kill.get_or_insert_with(|| reason.to_owned());
            orders.holds.insert(Hold::Killed);
        });
    }

    pub(crate) fn set_end(&self, ends_at: BootTime) {
        self.change(|orders| match &mut orders.lifetime {
            Some(lifetime) => lifetime.revise(BootTime::now(), ends_at),
            None => orders.lifetime = Some(Lifetime::new(BootTime::now(), ends_at)),
        });
    }

    fn change(&self, change: impl FnOnce(&mut Orders)) {
        let mut orders = self.orders();
        change(&mut orders);
        let now = if orders.holds.is_empty() { Motion::Flowing } else { Motion::Frozen };
        self.motion.send_if_modified(|motion| {
            let moves = *motion != Motion::Ended && *motion != now;
            if moves {
                *motion = now;
            }
            moves
        });
        drop(orders);
        self.bell.notify_one();
    }

    /// Returns at the next order, or at once where one came since the last call.
    pub(crate) async fn order(&self) {
        self.bell.notified().await;
    }

    pub(crate) fn killed(&self) -> Option<String> {
        self.orders().kill.clone()
    }

    pub(crate) fn due(&self, now: BootTime) -> Due {
        self.orders().lifetime.as_mut().map_or(Due::Nothing, |lifetime| lifetime.due(now))
    }

    /// Why there must be no session any more, looked at before one becomes open. Uses up no warning.
    pub(crate) fn called_off(&self, now: BootTime) -> Option<EndReason> {
        let orders = self.orders();
        let is_over = orders.lifetime.as_ref().is_some_and(|lifetime| now >= lifetime.ends_at);
        orders.kill.clone().map(EndReason::Killed).or(is_over.then_some(EndReason::GrantEnded))
    }

    fn ends_at(&self) -> Option<BootTime> {
        self.orders().lifetime.as_ref().map(|lifetime| lifetime.ends_at)
    }

    pub(crate) fn motion(&self) -> Motion {
        *self.motion.borrow()
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The shared state of a session that engine has let pass.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) session: String,
    pub(crate) target_label: String,
    pub(crate) target_user: String,
    pub(crate) opened: BootTime,
    pub(crate) reel: Reel,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    pub(crate) channels: AtomicUsize,
    pub(crate) reins: Arc<Reins>,
}

/// Counts a channel as open for as long as it lives.
pub(crate) struct ChannelCount(Arc<Live>);

impl ChannelCount {
    pub(crate) fn of(live: Arc<Live>) -> Self {
        live.channels.fetch_add(1, Ordering::AcqRel);
        Self(live)
    }
}

impl Drop for ChannelCount {
    fn drop(&mut self) {
        self.0.channels.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The session has ended; nothing passes any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Over;

impl Live {
    pub(crate) fn new(
        (session, target_label, target_user): (String, String, String),
        reins: Arc<Reins>,
        reel: Reel,
    ) -> Self {
        Self {
            session,
            target_label,
            target_user,
            opened: BootTime::now(),
            reel,
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            channels: AtomicUsize::new(0),
            reins,
        }
    }

    /// Returns once bytes may pass.
    pub(crate) async fn may_flow(&self) -> Result<(), Over> {
        if self.reins.motion() == Motion::Flowing {
            return Ok(());
        }
        let mut motion = self.reins.motion.subscribe();
        match motion.wait_for(|motion| *motion != Motion::Frozen).await.map(|motion| *motion) {
            Ok(Motion::Flowing) => Ok(()),
            _ => Err(Over),
        }
    }

    /// Returns once the session has ended.
    pub(crate) async fn over(&self) {
        let mut motion = self.reins.motion.subscribe();
        // The sender lives as long as `self`, so an error cannot come first.
        let _ended = motion.wait_for(|motion| *motion == Motion::Ended).await.map(|motion| *motion);
    }

    /// From here on nothing passes, whatever is ordered.
    pub(crate) fn end(&self) {
        self.reins.motion.send_replace(Motion::Ended);
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

    fn opening(sessions: &Sessions, name: &str) -> Place {
        let source = IpAddr::from([127, 0, 0, 1]);
        sessions.enter(Asked { session: name.to_owned(), target: "db1".into(), account: "root".into(), source })
    }

    fn live(place: &Place) -> Arc<Live> {
        let reel = Deck::start(1).unwrap().load(MemoryTapes::default().draft(&place.session).unwrap());
        let who = (place.session.clone(), "db1".to_owned(), "root".to_owned());
        place.reins.set_end(BootTime::now().plus(Duration::from_secs(60)));
        let live = Arc::new(Live::new(who, place.reins.clone(), reel));
        place.attach(live.clone());
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
        let place = opening(&sessions, "ses_1");
        let live = live(&place);
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
        let place = opening(&sessions, "ses_1");
        let live = live(&place);
        live.end();
        sessions.freeze("ses_1").unwrap();
        sessions.thaw("ses_1").unwrap();
        assert_eq!(live.may_flow().await, Err(Over));
        live.over().await;
    }

    #[tokio::test]
    async fn a_freeze_of_our_own_is_not_taken_back_by_an_order_to_flow() {
        let sessions = Sessions::default();
        let place = opening(&sessions, "ses_1");
        let live = live(&place);
        sessions.freeze("ses_1").unwrap();
        live.reins.hold(Hold::Unrecorded);
        sessions.thaw("ses_1").unwrap();
        assert_eq!(live.reins.motion(), Motion::Frozen);
    }

    #[test]
    fn a_session_being_opened_is_listed_and_obeys() {
        let sessions = Sessions::default();
        let place = opening(&sessions, "ses_1");
        let view = &sessions.list()[0];
        assert_eq!((view.stage, view.ends_at), (SessionStage::Opening, None));
        assert_eq!(place.reins.called_off(BootTime::now()), None);
        sessions.kill("ses_1", "").unwrap();
        assert_eq!(place.reins.called_off(BootTime::now()), Some(EndReason::Killed(String::new())));
        drop(place);
        assert!(sessions.list().is_empty());
    }

    #[tokio::test]
    async fn nothing_passes_from_the_order_to_kill_on_even_if_thawed() {
        let sessions = Sessions::default();
        let place = opening(&sessions, "ses_1");
        let live = live(&place);
        sessions.kill("ses_1", "").unwrap();
        sessions.thaw("ses_1").unwrap();
        assert_eq!(live.reins.motion(), Motion::Frozen);
        live.end();
        assert_eq!(live.may_flow().await, Err(Over));
    }

    #[test]
    fn an_end_that_has_come_calls_an_opening_off() {
        let sessions = Sessions::default();
        let place = opening(&sessions, "ses_1");
        sessions.revise_end("ses_1", Duration::ZERO).unwrap();
        assert_eq!(place.reins.called_off(BootTime::now()), Some(EndReason::GrantEnded));
    }

    #[test]
    fn an_order_to_nobody_says_so() {
        assert_eq!(Sessions::default().freeze("ses_9"), Err(NotLive("ses_9".into())));
    }
}
