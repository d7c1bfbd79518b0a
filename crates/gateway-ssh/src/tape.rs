//! Recording: frames go through a bounded queue to a thread that writes them, and the session hears when they are no longer durable.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::clock::BootTime;

/// How often a tape that has something new is made durable.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// A frame that is not durable after this ends its session.
pub const MAX_BEHIND: Duration = Duration::from_secs(5);
/// Bytes of one session that may wait for its writer.
const ROOM: u32 = 1 << 20;
/// Counted for each frame besides its bytes.
const FRAME_COST: u32 = 64;
/// Writers look for work this often; only a queue above [`WAKE_ABOVE`] wakes one earlier, so that a keystroke costs no context switch. What is
/// sealed once a second loses nothing by waiting for less.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const WAKE_ABOVE: usize = 128 << 10;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Output,
    ErrorOutput,
    Input,
    /// Columns and rows, big-endian u32 each.
    Resize,
    /// Terminal name; its size follows as [`Kind::Resize`].
    Terminal,
    Shell,
    /// The command line.
    Exec,
    /// `NAME=value`.
    Env,
    /// Signal name.
    Signal,
    /// Big-endian u32.
    ExitStatus,
    /// Signal name, without `SIG`.
    ExitSignal,
    Eof,
    Opened,
    Closed,
    /// Bytes the gateway itself wrote to the client.
    Notice,
    Frozen,
    Thawed,
    /// The name.
    Subsystem,
    /// What was done with files, as JSON.
    File,
    /// A forwarded connection has ended: the channel's type, where to, bytes to the target and from it, with spaces between.
    Forwarded,
    /// The code of what was refused.
    Refused,
    /// The code of why the session ended.
    End,
}

/// Who caused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    FromClient,
    FromTarget,
    Gateway,
}

/// One event of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub kind: Kind,
    /// The gateway's number for the channel, from 1; 0 for the session itself.
    pub channel: u32,
    pub direction: Direction,
    /// Since the session's start, by boot time.
    pub at: Duration,
    pub bytes: Bytes,
}

/// What is durable of a recording: chunks sealed so far, and the hash of their chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    pub chunks: u64,
    pub hash: [u8; 32],
}

/// A recording cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("recording cannot be kept: {0}")]
pub struct TapeError(pub String);

/// Where recordings are made.
pub trait Tapes: Send + Sync + 'static {
    /// Prepares a recording, so that its header's hash is known before the passage is asked for.
    fn draft(&self, session: &str) -> Result<Box<dyn Draft>, TapeError>;
}

/// A recording that has not begun; dropped without a trace where the passage is refused.
pub trait Draft: Send {
    fn header_hash(&self) -> [u8; 32];

    /// May touch the disk.
    fn begin(self: Box<Self>) -> Result<Box<dyn Tape>, TapeError>;
}

/// A recording being written; called from one thread, which it may block. After an error it may still be given frames, and is closed.
pub trait Tape: Send {
    fn frame(&mut self, frame: &Frame) -> Result<(), TapeError>;

    /// Seals and writes what came since the last call; what is returned waits, on another thread, until it is durable, while frames go on
    /// being taken here.
    fn sync(&mut self) -> Result<Syncing, TapeError>;

    /// Seals the rest as the last chunk, durable on return; nothing is written after it. Called after errors, too, so that a recording that
    /// could not be written for a while still gets its end.
    fn close(&mut self) -> Result<Anchor, TapeError>;
}

/// Waits until what was written is durable, and tells how far that is.
pub type Syncing = Box<dyn FnOnce() -> Result<Anchor, TapeError> + Send>;

/// The writer threads. Dropping the last handle lets them finish what they hold.
#[derive(Clone)]
pub struct Deck {
    writers: Arc<Vec<Arc<Writer>>>,
    next: Arc<AtomicUsize>,
}

impl fmt::Debug for Deck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Deck({} writers)", self.writers.len())
    }
}

/// A writer and, beside it, the thread that waits for the disk: frames are taken while an earlier second becomes durable.
struct Writer {
    syncs: mpsc::Sender<(Syncing, Arc<Health>, u64)>,
    jobs: Mutex<VecDeque<(u64, Job)>>,
    waiting_bytes: AtomicUsize,
    work: Condvar,
}

enum Job {
    Begin(Box<dyn Draft>, Arc<Health>),
    Frame(Frame),
    /// A frame that took no room.
    Unpaid(Frame),
    Close,
    Stop,
}

impl Deck {
    /// Starts the writer threads.
    pub fn start(writers: usize) -> std::io::Result<Self> {
        let writers = (0..writers.max(1)).map(Writer::spawn).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { writers: Arc::new(writers), next: Arc::default() })
    }

    /// Begins a recording; the returned reel is healthy until the writer says otherwise.
    pub(crate) fn load(&self, draft: Box<dyn Draft>) -> Reel {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let writer = self.writers.get(number % self.writers.len()).expect("there is at least one writer").clone();
        let health = Arc::new(Health { room: Semaphore::new(ROOM as usize), ..Health::default() });
        let id = number as u64;
        writer.push(id, Job::Begin(draft, health.clone()), 0);
        Reel { id, writer, health, started: BootTime::now(), sent: AtomicU64::new(0), behind: Mutex::new(None) }
    }
}

impl Drop for Deck {
    fn drop(&mut self) {
        if Arc::strong_count(&self.writers) == 1 {
            for writer in self.writers.iter() {
                writer.push(0, Job::Stop, WAKE_ABOVE);
            }
        }
    }
}

/// One session's way to its writer.
pub(crate) struct Reel {
    id: u64,
    writer: Arc<Writer>,
    health: Arc<Health>,
    started: BootTime,
    sent: AtomicU64,
    behind: Mutex<Option<(BootTime, u64)>>,
}

impl fmt::Debug for Reel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reel").field(&self.id).finish()
    }
}

struct Health {
    room: Semaphore,
    durable: AtomicU64,
    syncing: AtomicBool,
    failed: AtomicBool,
    closed: AtomicBool,
    /// What the close gave, where it succeeded.
    last: Mutex<Option<Anchor>>,
    anchor: Mutex<Option<Anchor>>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            room: Semaphore::new(0),
            durable: AtomicU64::new(0),
            syncing: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            last: Mutex::new(None),
            anchor: Mutex::new(None),
        }
    }
}

/// The recording has failed; nothing more may be forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unrecorded;

impl Reel {
    /// Returns once the frame is in the bounded queue; waits while that is full.
    pub(crate) async fn record(
        &self,
        kind: Kind,
        channel: u32,
        direction: Direction,
        bytes: Bytes,
    ) -> Result<(), Unrecorded> {
        let cost = u32::try_from(bytes.len()).unwrap_or(ROOM).saturating_add(FRAME_COST).min(ROOM);
        match self.health.room.acquire_many(cost).await {
            Ok(permit) if !self.health.failed.load(Ordering::Acquire) => permit.forget(),
            _ => return Err(Unrecorded),
        }
        let frame = Frame { kind, channel, direction, at: BootTime::now().since(self.started), bytes };
        self.sent.fetch_add(1, Ordering::AcqRel);
        self.writer.push(self.id, Job::Frame(frame), cost as usize);
        Ok(())
    }

    /// For the gateway's own small frames, which come one by one: does not wait for room.
    pub(crate) fn record_soon(&self, kind: Kind) {
        self.record_soon_with(kind, "");
    }

    pub(crate) fn record_soon_with(&self, kind: Kind, text: &'static str) {
        let at = BootTime::now().since(self.started);
        let frame =
            Frame { kind, channel: 0, direction: Direction::Gateway, at, bytes: Bytes::from_static(text.as_bytes()) };
        self.sent.fetch_add(1, Ordering::AcqRel);
        self.writer.push(self.id, Job::Unpaid(frame), 0);
    }

    /// Asks for the last chunk; [`Reel::is_closed`] tells when that was done or has failed.
    pub(crate) fn close(&self) {
        self.writer.push(self.id, Job::Close, WAKE_ABOVE);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.health.closed.load(Ordering::Acquire)
    }

    /// The anchor of the last chunk, made durable; `None` while it is not closed, and where the close failed.
    pub(crate) fn last_anchor(&self) -> Option<Anchor> {
        *self.health.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Could every frame be written?
    pub(crate) fn is_whole(&self) -> bool {
        !self.health.failed.load(Ordering::Acquire)
    }

    pub(crate) fn anchor(&self) -> Option<Anchor> {
        *self.health.anchor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the recording failed, or fallen too far behind? To be asked regularly.
    pub(crate) fn is_lost(&self, now: BootTime) -> bool {
        if self.health.failed.load(Ordering::Acquire) {
            return true;
        }
        let (sent, durable) = (self.sent.load(Ordering::Acquire), self.health.durable.load(Ordering::Acquire));
        let mut behind = self.behind.lock().unwrap_or_else(PoisonError::into_inner);
        match *behind {
            Some((since, mark)) if durable < mark => now.since(since) > MAX_BEHIND,
            _ => {
                *behind = (durable < sent).then_some((now, sent));
                false
            }
        }
    }
}

impl Drop for Reel {
    fn drop(&mut self) {
        if !self.is_closed() {
            self.close();
        }
    }
}

impl Writer {
    fn spawn(number: usize) -> std::io::Result<Arc<Self>> {
        let (syncs, to_sync) = mpsc::channel();
        thread::Builder::new().name(format!("sync-{number}")).spawn(move || wait_for_disk(&to_sync))?;
        let writer =
            Arc::new(Self { syncs, jobs: Mutex::default(), waiting_bytes: AtomicUsize::new(0), work: Condvar::new() });
        let own = writer.clone();
        thread::Builder::new().name(format!("tape-{number}")).spawn(move || own.run())?;
        Ok(writer)
    }

    fn push(&self, id: u64, job: Job, bytes: usize) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).push_back((id, job));
        let before = self.waiting_bytes.fetch_add(bytes, Ordering::AcqRel);
        if before < WAKE_ABOVE && before + bytes >= WAKE_ABOVE {
            self.work.notify_one();
        }
    }

    fn run(&self) {
        let mut tapes: HashMap<u64, Loaded> = HashMap::new();
        let mut last_sync = BootTime::now();
        loop {
            for (id, job) in self.next_jobs() {
                match job {
                    Job::Stop => return,
                    Job::Begin(draft, health) => {
                        tapes.insert(id, Loaded::begin(draft, health));
                    }
                    Job::Frame(frame) => {
                        if let Some(tape) = tapes.get_mut(&id) {
                            tape.frame(&frame);
                            tape.give_room(&frame);
                        }
                    }
                    Job::Unpaid(frame) => {
                        if let Some(tape) = tapes.get_mut(&id) {
                            tape.frame(&frame);
                        }
                    }
                    Job::Close => {
                        if let Some(tape) = tapes.remove(&id) {
                            tape.close();
                        }
                    }
                }
            }
            if BootTime::now().since(last_sync) >= SYNC_EVERY {
                tapes.values_mut().for_each(|tape| tape.sync(&self.syncs));
                last_sync = BootTime::now();
            }
        }
    }

    fn next_jobs(&self) -> VecDeque<(u64, Job)> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if self.waiting_bytes.load(Ordering::Acquire) < WAKE_ABOVE {
            jobs = self.work.wait_timeout(jobs, LOOK_EVERY).unwrap_or_else(PoisonError::into_inner).0;
        }
        self.waiting_bytes.store(0, Ordering::Release);
        std::mem::take(&mut *jobs)
    }
}

/// A tape in its writer thread.
struct Loaded {
    tape: Option<Box<dyn Tape>>,
    health: Arc<Health>,
    written: u64,
    synced: u64,
}

impl Loaded {
    fn begin(draft: Box<dyn Draft>, health: Arc<Health>) -> Self {
        let mut loaded = Self { tape: None, health, written: 0, synced: 0 };
        match contained(|| draft.begin()) {
            Ok(tape) => loaded.tape = Some(tape),
            Err(error) => loaded.fail(&error),
        }
        loaded
    }

    fn frame(&mut self, frame: &Frame) {
        let outcome = self.on_tape(|tape| tape.frame(frame));
        self.written += 1;
        if let Some(Err(error)) = outcome {
            self.fail(&error);
        }
    }

    fn give_room(&self, frame: &Frame) {
        let cost = frame.bytes.len().saturating_add(FRAME_COST as usize).min(ROOM as usize);
        self.health.room.add_permits(cost);
    }

    fn sync(&mut self, syncs: &mpsc::Sender<(Syncing, Arc<Health>, u64)>) {
        if self.synced == self.written || self.health.syncing.load(Ordering::Acquire) {
            return;
        }
        match self.on_tape(|tape| tape.sync()) {
            Some(Ok(syncing)) => {
                self.synced = self.written;
                self.health.syncing.store(true, Ordering::Release);
                // The syncing thread lives as long as this one.
                let _sent = syncs.send((syncing, self.health.clone(), self.written));
            }
            Some(Err(error)) => self.fail(&error),
            None => {}
        }
    }

    fn close(mut self) {
        if let Some(closed) = self.on_tape(|tape| tape.close()) {
            *self.health.last.lock().unwrap_or_else(PoisonError::into_inner) = closed.as_ref().ok().copied();
            self.health.settle(closed, self.written);
        }
        self.health.closed.store(true, Ordering::Release);
    }

    /// One that panicked may be half done, and is not touched again.
    fn on_tape<T>(&mut self, work: impl FnOnce(&mut dyn Tape) -> Result<T, TapeError>) -> Option<Result<T, TapeError>> {
        let mut tape = self.tape.take()?;
        let kept = &mut self.tape;
        Some(contained(move || {
            let outcome = work(tape.as_mut());
            *kept = Some(tape);
            outcome
        }))
    }

    /// The tape is kept: what was queued before is offered to it still, and its close may find room where a frame did not.
    fn fail(&self, error: &TapeError) {
        self.health.fail(error);
    }
}

/// A fault in one recording is that recording's: the thread writes others as well.
fn contained<T>(work: impl FnOnce() -> Result<T, TapeError>) -> Result<T, TapeError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(TapeError("the recorder panicked".into())))
}

fn wait_for_disk(to_sync: &mpsc::Receiver<(Syncing, Arc<Health>, u64)>) {
    for (syncing, health, written) in to_sync {
        health.settle(contained(syncing), written);
        health.syncing.store(false, Ordering::Release);
    }
}

impl Health {
    fn settle(&self, outcome: Result<Anchor, TapeError>, written: u64) {
        match outcome {
            Ok(anchor) => {
                let mut known = self.anchor.lock().unwrap_or_else(PoisonError::into_inner);
                // The close may overtake a sync that began before it.
                if known.is_none_or(|known| known.chunks <= anchor.chunks) {
                    *known = Some(anchor);
                }
                drop(known);
                self.durable.fetch_max(written, Ordering::AcqRel);
            }
            Err(error) => self.fail(&error),
        }
    }

    fn fail(&self, error: &TapeError) {
        if !self.failed.swap(true, Ordering::AcqRel) {
            tracing::error!(%error, "recording failed");
        }
        self.room.close();
    }
}

/// Recordings kept in memory: for tests, and for measuring the gateway without a disk.
#[derive(Debug, Clone, Default)]
pub struct MemoryTapes {
    kept: Arc<Mutex<HashMap<String, Vec<Frame>>>>,
    closed: Arc<Mutex<Vec<String>>>,
}

impl MemoryTapes {
    /// The frames of a session so far.
    pub fn frames(&self, session: &str) -> Vec<Frame> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(session).cloned().unwrap_or_default()
    }

    pub fn sessions(&self) -> Vec<String> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// Sessions whose last chunk was written.
    pub fn closed(&self) -> Vec<String> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Tapes for MemoryTapes {
    fn draft(&self, session: &str) -> Result<Box<dyn Draft>, TapeError> {
        Ok(Box::new(MemoryTape { session: session.to_owned(), tapes: self.clone(), chunks: 0 }))
    }
}

#[derive(Debug)]
struct MemoryTape {
    session: String,
    tapes: MemoryTapes,
    chunks: u64,
}

impl Draft for MemoryTape {
    fn header_hash(&self) -> [u8; 32] {
        [7; 32]
    }

    fn begin(self: Box<Self>) -> Result<Box<dyn Tape>, TapeError> {
        let mut kept = self.tapes.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(self.session.clone(), Vec::new());
        drop(kept);
        Ok(self)
    }
}

impl Tape for MemoryTape {
    fn frame(&mut self, frame: &Frame) -> Result<(), TapeError> {
        let mut kept = self.tapes.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.entry(self.session.clone()).or_default().push(frame.clone());
        Ok(())
    }

    fn sync(&mut self) -> Result<Syncing, TapeError> {
        self.chunks += 1;
        let anchor = Anchor { chunks: self.chunks, hash: [7; 32] };
        Ok(Box::new(move || Ok(anchor)))
    }

    fn close(&mut self) -> Result<Anchor, TapeError> {
        self.tapes.closed.lock().unwrap_or_else(PoisonError::into_inner).push(self.session.clone());
        self.sync()?()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> BootTime {
        BootTime::now().plus(Duration::from_secs(secs))
    }

    async fn until(what: impl Fn() -> bool) {
        for _ in 0..500 {
            if what() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("did not come true within five seconds");
    }

    /// A tape that fails or hangs on demand.
    #[derive(Clone, Default)]
    struct Faulty {
        fails: Arc<AtomicBool>,
        hangs: Arc<AtomicBool>,
        closes: Arc<AtomicUsize>,
    }

    impl Draft for Faulty {
        fn header_hash(&self) -> [u8; 32] {
            [0; 32]
        }

        fn begin(self: Box<Self>) -> Result<Box<dyn Tape>, TapeError> {
            Ok(self)
        }
    }

    impl Tape for Faulty {
        fn frame(&mut self, _frame: &Frame) -> Result<(), TapeError> {
            while self.hangs.load(Ordering::Acquire) {
                thread::yield_now();
            }
            if self.fails.load(Ordering::Acquire) { Err(TapeError("no space".into())) } else { Ok(()) }
        }

        fn sync(&mut self) -> Result<Syncing, TapeError> {
            Ok(Box::new(|| Ok(Anchor { chunks: 1, hash: [1; 32] })))
        }

        fn close(&mut self) -> Result<Anchor, TapeError> {
            self.closes.fetch_add(1, Ordering::AcqRel);
            Ok(Anchor { chunks: 9, hash: [9; 32] })
        }
    }

    #[tokio::test]
    async fn frames_arrive_in_order_and_the_close_is_the_last() {
        let tapes = MemoryTapes::default();
        let deck = Deck::start(2).unwrap();
        let reel = deck.load(tapes.draft("ses_1").unwrap());
        for n in 0..100u32 {
            let bytes = Bytes::copy_from_slice(&n.to_be_bytes());
            reel.record(Kind::Output, n, Direction::FromTarget, bytes).await.unwrap();
        }
        reel.close();
        until(|| reel.is_closed()).await;
        let channels: Vec<u32> = tapes.frames("ses_1").iter().map(|frame| frame.channel).collect();
        assert_eq!(channels, (0..100).collect::<Vec<_>>());
        assert_eq!(tapes.closed(), ["ses_1"]);
        assert!(reel.anchor().is_some() && !reel.is_lost(at(60)));
    }

    #[tokio::test]
    async fn a_write_error_is_heard_and_nothing_more_is_taken() {
        let faulty = Faulty::default();
        let deck = Deck::start(1).unwrap();
        let reel = deck.load(Box::new(faulty.clone()));
        faulty.fails.store(true, Ordering::Release);
        reel.record(Kind::Output, 1, Direction::FromTarget, Bytes::new()).await.unwrap();
        until(|| reel.is_lost(BootTime::now())).await;
        assert_eq!(reel.record(Kind::Output, 1, Direction::FromTarget, Bytes::new()).await, Err(Unrecorded));
    }

    #[tokio::test]
    async fn a_tape_that_failed_is_closed_all_the_same_and_is_not_whole() {
        let faulty = Faulty::default();
        let deck = Deck::start(1).unwrap();
        let reel = deck.load(Box::new(faulty.clone()));
        faulty.fails.store(true, Ordering::Release);
        reel.record(Kind::Output, 1, Direction::FromTarget, Bytes::new()).await.unwrap();
        until(|| reel.is_lost(BootTime::now())).await;
        assert_eq!(reel.last_anchor(), None);
        reel.close();
        until(|| reel.is_closed()).await;
        assert_eq!(faulty.closes.load(Ordering::Acquire), 1);
        assert_eq!(reel.last_anchor(), Some(Anchor { chunks: 9, hash: [9; 32] }));
        assert!(!reel.is_whole());
    }

    #[tokio::test]
    async fn a_writer_that_hangs_is_lost_after_five_seconds_and_holds_bounded_bytes() {
        let faulty = Faulty::default();
        let deck = Deck::start(1).unwrap();
        let reel = Arc::new(deck.load(Box::new(faulty.clone())));
        faulty.hangs.store(true, Ordering::Release);
        let taken = Arc::new(AtomicUsize::new(0));
        let (feeder, count) = (reel.clone(), taken.clone());
        let feeding = tokio::spawn(async move {
            while feeder.record(Kind::Output, 1, Direction::FromTarget, Bytes::from(vec![0; 4096])).await.is_ok() {
                count.fetch_add(4096, Ordering::AcqRel);
            }
        });
        tokio::time::sleep(Duration::from_millis(200)).await;
        let held = taken.load(Ordering::Acquire);
        assert!(held > 0 && held <= ROOM as usize, "{held}");
        assert!(!reel.is_lost(at(0)) && !reel.is_lost(at(4)));
        assert!(reel.is_lost(at(6)));
        faulty.hangs.store(false, Ordering::Release);
        feeding.abort();
    }

    #[tokio::test]
    async fn a_tape_that_panics_is_lost_and_does_not_stop_its_neighbours() {
        for moment in ["begin", "frame", "sync", "wait", "close"] {
            let tapes = MemoryTapes::default();
            let deck = Deck::start(1).unwrap();
            let (bad, good) = (deck.load(Box::new(Fragile(moment))), deck.load(tapes.draft("ses_2").unwrap()));
            let _refused_at_once = bad.record(Kind::Output, 1, Direction::FromTarget, Bytes::new()).await;
            if moment == "close" {
                bad.close();
                until(|| bad.is_closed()).await;
                assert_eq!(bad.last_anchor(), None);
            }
            until(|| bad.is_lost(BootTime::now())).await;
            good.record(Kind::Output, 1, Direction::FromTarget, Bytes::from_static(b"x")).await.unwrap();
            good.close();
            until(|| good.is_closed()).await;
            assert!(good.last_anchor().is_some() && good.is_whole(), "{moment}");
            bad.close();
            until(|| bad.is_closed()).await;
        }
    }

    /// Panics at one moment of its life.
    struct Fragile(&'static str);

    impl Fragile {
        fn pass(&self, moment: &str) {
            assert!(self.0 != moment, "a test asked for it");
        }
    }

    impl Draft for Fragile {
        fn header_hash(&self) -> [u8; 32] {
            [0; 32]
        }

        fn begin(self: Box<Self>) -> Result<Box<dyn Tape>, TapeError> {
            self.pass("begin");
            Ok(self)
        }
    }

    impl Tape for Fragile {
        fn frame(&mut self, _frame: &Frame) -> Result<(), TapeError> {
            self.pass("frame");
            Ok(())
        }

        fn sync(&mut self) -> Result<Syncing, TapeError> {
            self.pass("sync");
            let moment = self.0;
            Ok(Box::new(move || {
                Fragile(moment).pass("wait");
                Ok(Anchor { chunks: 1, hash: [1; 32] })
            }))
        }

        fn close(&mut self) -> Result<Anchor, TapeError> {
            self.pass("close");
            Ok(Anchor { chunks: 1, hash: [1; 32] })
        }
    }

    #[tokio::test]
    async fn one_lost_tape_does_not_stop_its_neighbours() {
        let (tapes, faulty) = (MemoryTapes::default(), Faulty::default());
        let deck = Deck::start(1).unwrap();
        let (bad, good) = (deck.load(Box::new(faulty.clone())), deck.load(tapes.draft("ses_2").unwrap()));
        faulty.fails.store(true, Ordering::Release);
        bad.record(Kind::Output, 1, Direction::FromTarget, Bytes::new()).await.unwrap();
        until(|| bad.is_lost(BootTime::now())).await;
        good.record(Kind::Output, 1, Direction::FromTarget, Bytes::from_static(b"x")).await.unwrap();
        until(|| tapes.frames("ses_2").len() == 1).await;
        assert!(!good.is_lost(BootTime::now()));
    }
}
