//! Ends of sessions: told to engine until it has them, and meanwhile kept on disk by a thread of its own. An end that the disk does not take is
//! told all the same; only a front that is killed before either has it loses it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use channel::front::{Anchor, EndFact, FrontAnswer, FrontAsk};
use domain::SessionId;
use domain::event::SessionEnding;
use gateway_ssh::clock::BootTime;
use ledger::Hash;
use recorder::Reserve;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

use crate::clock::wall;
use crate::line::Line;
use crate::spool::Spool;

/// An end that engine does not have yet is told again after this.
const TELL_AGAIN: Duration = Duration::from_millis(500);
/// Ends told at the same time; one that engine cannot write holds up none of the others.
const TOLD_AT_ONCE: usize = 64;
/// Ends in memory; more wait on disk for the next start. Without engine nothing opens, so there are hardly more than sessions.
const MOST_UNTOLD: usize = 100_000;
/// What the disk did not take is tried again after this.
const KEEP_AGAIN: Duration = Duration::from_secs(1);

/// A handle on all ends that engine does not have yet; clones are the same handle.
#[derive(Debug, Clone)]
pub(crate) struct Ends {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    untold: Mutex<BTreeMap<SessionId, EndFact>>,
    wake: Notify,
    disk: Sender<Task>,
}

/// Work for the thread that waits for the disk.
enum Task {
    Keep(EndFact),
    Forget(SessionId),
    /// Answered once everything is kept.
    SayWhenKept(oneshot::Sender<()>),
}

/// The end of a session of which nothing lives here.
pub(crate) fn end_of_nothing(session: SessionId, ending: SessionEnding) -> EndFact {
    EndFact { session, ending, ended: wall(), anchor: no_anchor(), complete: false, bytes: 0 }
}

pub(crate) fn no_anchor() -> Anchor {
    Anchor { chunks: 0, chain: Hash::of(b"") }
}

impl Ends {
    /// With what an earlier front kept.
    pub(crate) fn open(spool: Spool, reserve: Arc<Reserve>) -> std::io::Result<Self> {
        let untold = spool.all().into_iter().map(|fact| (fact.session, fact)).collect();
        let (disk, tasks) = channel();
        std::thread::Builder::new().name("spool".into()).spawn(move || work_on_disk(&spool, &reserve, &tasks))?;
        Ok(Self { shared: Arc::new(Shared { untold: Mutex::new(untold), wake: Notify::new(), disk }) })
    }

    /// Returns at once; the first end of a session stands.
    pub(crate) fn tell(&self, fact: EndFact) {
        // Before it can be told, so that forgetting comes after keeping.
        self.to_disk(Task::Keep(fact.clone()));
        let mut untold = self.untold();
        if untold.len() < MOST_UNTOLD {
            untold.entry(fact.session).or_insert(fact);
        }
        drop(untold);
        self.shared.wake.notify_one();
    }

    pub(crate) fn sessions(&self) -> BTreeSet<SessionId> {
        self.untold().keys().copied().collect()
    }

    pub(crate) fn has(&self, session: &SessionId) -> bool {
        self.untold().contains_key(session)
    }

    /// Tells for ever, each end until engine has it and one at a time.
    pub(crate) async fn tell_all(self, line: Line) {
        let mut telling = JoinSet::new();
        let mut under_way = BTreeSet::new();
        loop {
            for fact in self.next(&under_way) {
                under_way.insert(fact.session);
                telling.spawn(tell(line.clone(), fact));
            }
            tokio::select! {
                Some(Ok((session, told))) = telling.join_next() => {
                    under_way.remove(&session);
                    if told == Told::Noted {
                        self.forget(&session);
                    }
                }
                () = self.shared.wake.notified() => {}
            }
        }
    }

    fn next(&self, under_way: &BTreeSet<SessionId>) -> Vec<EndFact> {
        let room = TOLD_AT_ONCE.saturating_sub(under_way.len());
        self.untold().values().filter(|fact| !under_way.contains(&fact.session)).take(room).cloned().collect()
    }

    fn forget(&self, session: &SessionId) {
        self.untold().remove(session);
        self.to_disk(Task::Forget(*session));
    }

    /// Returns once all ends so far are on disk, or engine has them.
    pub(crate) async fn kept(&self) {
        let (done, kept) = oneshot::channel();
        self.to_disk(Task::SayWhenKept(done));
        // An error: the thread is gone, and nothing can be waited for.
        let _kept = kept.await;
    }

    /// Returns once engine has all ends.
    pub(crate) async fn told(&self) {
        while !self.untold().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn to_disk(&self, task: Task) {
        if self.shared.disk.send(task).is_err() {
            tracing::error!("ends of sessions are not kept on disk any more");
        }
    }

    fn untold(&self) -> MutexGuard<'_, BTreeMap<SessionId, EndFact>> {
        self.shared.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Noted,
    Again,
}

async fn tell(line: Line, fact: EndFact) -> (SessionId, Told) {
    let session = fact.session;
    match line.ask(FrontAsk::Ended(fact)).await {
        Ok(FrontAnswer::Noted) => (session, Told::Noted),
        _ => {
            tokio::time::sleep(TELL_AGAIN).await;
            (session, Told::Again)
        }
    }
}

/// Until the last handle is dropped.
fn work_on_disk(spool: &Spool, reserve: &Reserve, tasks: &Receiver<Task>) {
    let mut unkept: BTreeMap<SessionId, EndFact> = BTreeMap::new();
    let mut waiting: Vec<oneshot::Sender<()>> = Vec::new();
    let mut tried = BootTime::now();
    loop {
        match tasks.recv_timeout(KEEP_AGAIN) {
            Ok(Task::Keep(fact)) => {
                if let Err(error) = keep(spool, reserve, &fact) {
                    tracing::error!(session = %fact.session, %error, "the end of a session could not be kept on disk yet");
                    unkept.insert(fact.session, fact);
                }
            }
            Ok(Task::Forget(session)) => {
                unkept.remove(&session);
                spool.drop_one(&session);
            }
            Ok(Task::SayWhenKept(done)) => waiting.push(done),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if BootTime::now().since(tried) >= KEEP_AGAIN {
            unkept.retain(|_, fact| keep(spool, reserve, fact).is_err());
            tried = BootTime::now();
        }
        if unkept.is_empty() {
            waiting.drain(..).for_each(|done| {
                let _nobody_waits = done.send(());
            });
        }
    }
}

/// A full disk must not lose an end: that is what the reserve is for, too.
fn keep(spool: &Spool, reserve: &Reserve, fact: &EndFact) -> std::io::Result<()> {
    match spool.keep(fact) {
        Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
            reserve.release().map_err(std::io::Error::other)?;
            spool.keep(fact)
        }
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn fact(n: u8) -> EndFact {
        end_of_nothing(SessionId::from_random([n; 16]), SessionEnding::ClientLeft)
    }

    fn ends(dir: &Path) -> Ends {
        let reserve = Arc::new(Reserve::ensure(dir, 1 << 16).unwrap());
        Ends::open(Spool::open(&dir.join("spool")).unwrap(), reserve).unwrap()
    }

    async fn are_kept(ends: &Ends, within: Duration) -> bool {
        tokio::time::timeout(within, ends.kept()).await.is_ok()
    }

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn an_end_outlives_the_front_that_kept_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = ends(dir.path());
        first.tell(fact(1));
        assert!(are_kept(&first, PATIENCE).await);
        drop(first);
        assert_eq!(ends(dir.path()).sessions(), [fact(1).session].into());
    }

    #[tokio::test]
    async fn an_end_that_the_disk_does_not_take_is_held_and_kept_as_soon_as_it_does() {
        let dir = tempfile::tempdir().unwrap();
        let ends = ends(dir.path());
        let spool = dir.path().join("spool");
        std::fs::remove_dir(&spool).unwrap();
        ends.tell(fact(1));
        assert!(!are_kept(&ends, Duration::from_millis(300)).await);
        assert!(ends.has(&fact(1).session), "it is to be told");
        std::fs::create_dir(&spool).unwrap();
        assert!(are_kept(&ends, PATIENCE).await);
        assert_eq!(Spool::open(&spool).unwrap().all().len(), 1);
    }

    #[tokio::test]
    async fn what_engine_has_is_forgotten_on_disk_too_and_the_first_end_stands() {
        let dir = tempfile::tempdir().unwrap();
        let ends = ends(dir.path());
        ends.tell(fact(1));
        ends.tell(EndFact { ending: SessionEnding::GatewayLost, ..fact(1) });
        ends.tell(fact(2));
        assert_eq!(
            ends.next(&BTreeSet::new()).iter().map(|f| f.ending).collect::<Vec<_>>(),
            [SessionEnding::ClientLeft; 2]
        );
        assert_eq!(ends.next(&[fact(1).session].into()).len(), 1, "what is being told is not told twice");
        ends.forget(&fact(1).session);
        assert!(are_kept(&ends, PATIENCE).await);
        let left: Vec<SessionId> =
            Spool::open(&dir.path().join("spool")).unwrap().all().iter().map(|f| f.session).collect();
        assert_eq!(left, [fact(2).session]);
    }
}
