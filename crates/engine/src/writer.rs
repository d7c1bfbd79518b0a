//! The single writer: takes what is queued, judges each against the evolving state, appends once, answers all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use domain::decide::{Proposal, decide};
use domain::event::{Attempt, ClockDoubted, Event, RefusalRecorded, RefusalsOverflowed, SnapshotTaken};
use domain::state::FOLD_VERSION;
use domain::{Actor, Entry, GrantId, PersonId, Refusal, State, Timestamp};
use ledger::{Hash, SignedCheckpoint};
use store::{Beside, BlobKey, NewEntry, Reader, Store, StoreError, SubjectKey};
use tokio::sync::{oneshot, watch};

use crate::clock::{Clock, ClockWatch, Reading};
use crate::{random, subjects};

/// Commands taken into one batch.
const LARGEST_BATCH: usize = 1_000;
/// Commands that wait; beyond it callers are told to come again.
const LONGEST_QUEUE: usize = 4_096;
/// With nothing to do the writer still looks at the clock this often.
const TICK: Duration = Duration::from_millis(500);
/// Refusals of one person that are written one by one in a minute.
const REFUSALS_A_PERSON: u32 = 20;
/// Entries between snapshots.
const SNAPSHOT_EVERY: u64 = 20_000;

/// A handle for proposing, cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    queue: SyncSender<Job>,
    published: Arc<Published>,
}

/// The state at the head. Readers hold it as long as they like.
#[derive(Debug)]
struct Published {
    state: RwLock<Arc<State>>,
    size: watch::Sender<u64>,
}

/// Makes what is proposed, at the moment and state at which it will be judged.
pub(crate) type Make = Box<dyn FnOnce(&State, Timestamp) -> Result<Draft, Refusal> + Send>;

/// What is proposed, and what is to be kept beside it.
#[derive(Debug)]
pub(crate) struct Draft {
    pub event: Event,
    pub actor: Actor,
    pub cause: Option<u64>,
    pub beside: Vec<Sealed>,
}

/// Sealed bytes kept beside the ledger in the same transaction.
#[derive(Debug, Clone)]
pub(crate) struct Sealed {
    pub key: BlobKey,
    pub owner: String,
    pub purpose: &'static str,
    pub bytes: Arc<Vec<u8>>,
    /// A data key may come with several drafts; a text comes once.
    pub repeat: Repeat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    KeptOnce,
    Refused,
}

/// Durable: these entries stand in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    pub seq: u64,
    pub leaf: Hash,
    pub time: Timestamp,
    pub grant: Option<GrantId>,
}

enum Job {
    Propose {
        make: Make,
        attempt: Attempt,
        who: Actor,
        reply: oneshot::Sender<Result<Written, Refusal>>,
    },
    /// A refusal that was found before it came here.
    Refused {
        refusal: Refusal,
        attempt: Attempt,
        who: Actor,
    },
    Checkpoint(SignedCheckpoint),
    SnapshotPut {
        size: u64,
        hash: Hash,
    },
    Stop(oneshot::Sender<()>),
}

impl Writer {
    /// Starts the writer's thread on `store`, whose fold is `state`.
    /// `reader`: the writer's own, so that other readers never hold it up.
    pub(crate) fn start(store: Store, reader: Reader, state: State, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel(LONGEST_QUEUE);
        let published = Arc::new(Published {
            size: watch::Sender::new(state.journal.size),
            state: RwLock::new(Arc::new(state.clone())),
        });
        let writer = Self { queue, published: published.clone() };
        let desk = Desk::new(store, reader, state, clock, published, writer.queue.clone());
        std::thread::Builder::new().name("writer".into()).spawn(move || desk.run(&jobs))?;
        Ok(writer)
    }

    pub(crate) fn state(&self) -> Arc<State> {
        self.published.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Told of every new size of the ledger.
    pub(crate) fn sizes(&self) -> watch::Receiver<u64> {
        self.published.size.subscribe()
    }

    /// Proposes; the answer comes when it is durable or refused. `who` is named in a refusal's entry.
    pub(crate) async fn propose(&self, attempt: Attempt, who: Actor, make: Make) -> Result<Written, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Propose { make, attempt, who, reply })?;
        answer.await.unwrap_or(Err(Refusal::Unavailable))
    }

    /// Writes down that something was refused elsewhere.
    pub(crate) fn refused(&self, attempt: Attempt, who: Actor, refusal: &Refusal) {
        // A full queue loses the note, not the refusal itself.
        let _full = self.send(Job::Refused { refusal: refusal.clone(), attempt, who });
    }

    pub(crate) fn checkpoint(&self, note: SignedCheckpoint) {
        let _full = self.send(Job::Checkpoint(note));
    }

    /// Lets the writer finish what is queued.
    pub(crate) async fn stop(&self) {
        let (done, finished) = oneshot::channel();
        if self.send(Job::Stop(done)).is_ok() {
            let _stopped = finished.await;
        }
    }

    fn send(&self, job: Job) -> Result<(), Refusal> {
        self.queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Refusal::TooFast { wait_s: 1 },
            TrySendError::Disconnected(_) => Refusal::Unavailable,
        })
    }
}

/// What only the writer's thread touches.
struct Desk {
    store: Store,
    reader: Reader,
    state: State,
    clock: Arc<dyn Clock>,
    watch: ClockWatch,
    published: Arc<Published>,
    overflow: BTreeMap<Attempt, u64>,
    /// The minute of the last count: one a minute.
    overflow_told: Option<i64>,
    /// Refusals of each person in the current minute.
    shares: (i64, BTreeMap<PersonId, u32>),
    last_snapshot: u64,
    queue: SyncSender<Job>,
}

/// A batch being put together.
struct Batch {
    state: State,
    entries: Vec<(Entry, Vec<u8>, Vec<SubjectKey>)>,
    beside: Vec<Sealed>,
    keys: BTreeSet<Vec<u8>>,
    replies: Vec<(oneshot::Sender<Result<Written, Refusal>>, Place)>,
    /// The counts of refusals not written one by one are in it.
    counts_overflow: bool,
}

/// Where in the batch a proposal's own entry stands.
struct Place {
    first: usize,
    grant: Option<GrantId>,
}

impl Desk {
    fn new(
        store: Store,
        reader: Reader,
        state: State,
        clock: Arc<dyn Clock>,
        published: Arc<Published>,
        queue: SyncSender<Job>,
    ) -> Self {
        let watch = ClockWatch::new(clock.wall(), clock.boot());
        let last_snapshot = state.journal.size;
        Self {
            store,
            reader,
            state,
            clock,
            watch,
            published,
            overflow: BTreeMap::new(),
            overflow_told: None,
            shares: (0, BTreeMap::new()),
            last_snapshot,
            queue,
        }
    }

    fn run(mut self, jobs: &Receiver<Job>) {
        self.doubt_at_start();
        loop {
            let first = match jobs.recv_timeout(TICK) {
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let rest = jobs.try_iter().take(LARGEST_BATCH - 1);
            let queued: Vec<Job> = first.into_iter().chain(rest).collect();
            if self.turn(queued) == Turn::Last {
                return;
            }
        }
    }

    fn doubt_at_start(&mut self) {
        let reading = ClockWatch::at_start(self.state.journal.time, self.clock.wall());
        if let (Reading::Doubted { expected, found }, None) = (reading, self.state.journal.clock_doubt) {
            self.write_doubt(expected, found);
        }
    }

    fn turn(&mut self, queued: Vec<Job>) -> Turn {
        let at = self.now();
        let mut batch = Batch::over(&self.state);
        let mut done = None;
        for job in queued {
            match job {
                Job::Propose { make, attempt, who, reply } => self.take(&mut batch, at, make, attempt, who, reply),
                Job::Refused { refusal, attempt, who } => self.note_refusal(&mut batch, at, &refusal, attempt, who),
                Job::Checkpoint(note) => self.keep_checkpoint(&note),
                Job::SnapshotPut { size, hash } => {
                    let taken = Event::SnapshotTaken(SnapshotTaken { fold: FOLD_VERSION, size, hash });
                    let _refused = batch.add(Proposal { event: taken, actor: Actor::Engine, at, cause: None });
                }
                Job::Stop(finished) => done = Some(finished),
            }
        }
        self.flush_overflow(&mut batch, at);
        self.commit(batch);
        self.snapshot_when_due();
        match done {
            Some(finished) => {
                let _gone = finished.send(());
                Turn::Last
            }
            None => Turn::More,
        }
    }

    /// `max(last entry, now)`; a clock that jumped is doubted and time goes on by boot time.
    fn now(&mut self) -> Timestamp {
        let (wall, boot) = (self.clock.wall(), self.clock.boot());
        let at = if self.state.journal.clock_doubt.is_some() {
            // Two persons are to say what time it is: judged by the wall clock that they look at.
            self.watch.trust(wall, boot);
            wall
        } else {
            match self.watch.read(wall, boot) {
                Reading::Trusted(now) => now,
                Reading::Doubted { expected, found } => {
                    self.write_doubt(expected, found);
                    expected
                }
            }
        };
        self.state.journal.time.map_or(at, |last| last.max(at))
    }

    fn write_doubt(&mut self, expected: Timestamp, found: Timestamp) {
        tracing::warn!(%expected, %found, "the clock is in doubt; nothing is written until two persons confirm the time");
        let at = self.state.journal.time.map_or(expected, |last| last.max(expected));
        let mut batch = Batch::over(&self.state);
        let doubt = Event::ClockDoubted(ClockDoubted { expected, found });
        if batch.add(Proposal { event: doubt, actor: Actor::Engine, at, cause: None }).is_ok() {
            self.commit(batch);
        }
    }

    fn take(
        &mut self,
        batch: &mut Batch,
        at: Timestamp,
        make: Make,
        attempt: Attempt,
        who: Actor,
        reply: oneshot::Sender<Result<Written, Refusal>>,
    ) {
        let outcome = make(&batch.state, at).and_then(|draft| {
            self.keys_are_new(batch, &draft.beside)?;
            // While the clock is in doubt the ledger's time stands still; only the word of two persons together moves it.
            let held = batch.state.journal.clock_doubt.is_some() && !matches!(draft.event, Event::MotionCarried(_));
            let at = if held { batch.state.journal.time.unwrap_or(at) } else { at };
            let proposal = Proposal { event: draft.event, actor: draft.actor, at, cause: draft.cause };
            let place = batch.add(proposal)?;
            batch.keep(draft.beside);
            Ok(place)
        });
        match outcome {
            Ok(place) => batch.replies.push((reply, place)),
            Err(refusal) => {
                self.note_refusal(batch, at, &refusal, attempt, who);
                let _gone = reply.send(Err(refusal));
            }
        }
    }

    /// A text whose commitment is already there would undo the whole batch: refused before.
    fn keys_are_new(&self, batch: &Batch, beside: &[Sealed]) -> Result<(), Refusal> {
        let taken = |key: &BlobKey| batch.keys.contains(key.as_bytes()) || !matches!(self.reader.blob(key), Ok(None));
        if beside.iter().any(|b| b.repeat == Repeat::Refused && taken(&b.key)) {
            Err(Refusal::NonceUsed)
        } else {
            Ok(())
        }
    }

    /// One by one while there is room in the minute, then counted. While the clock is in doubt only counted.
    fn note_refusal(&mut self, batch: &mut Batch, at: Timestamp, refusal: &Refusal, attempt: Attempt, who: Actor) {
        if !self.may_be_written(who, refusal, at) {
            *self.overflow.entry(attempt).or_default() += 1;
            return;
        }
        let event = Event::RefusalRecorded(RefusalRecorded { code: refusal.code(), attempt, about: refusal.about() });
        if batch.add(Proposal { event, actor: who, at, cause: None }).is_err() {
            *self.overflow.entry(attempt).or_default() += 1;
        }
    }

    /// Nobody uses up the minute's refusals for the others: who proved nothing, or comes too fast, is counted; a person has a share.
    fn may_be_written(&mut self, who: Actor, refusal: &Refusal, at: Timestamp) -> bool {
        let Actor::Person { person, .. } = who else { return false };
        let minute = at.seconds().div_euclid(60);
        if self.shares.0 != minute {
            self.shares = (minute, BTreeMap::new());
        }
        let share = self.shares.1.entry(person).or_default();
        *share += 1;
        *share <= REFUSALS_A_PERSON && !matches!(refusal, Refusal::TooFast { .. })
    }

    /// The count of a minute is written when the next one has room again.
    fn flush_overflow(&mut self, batch: &mut Batch, at: Timestamp) {
        let minute = at.seconds().div_euclid(60);
        if self.overflow.is_empty() || self.overflow_told == Some(minute) || !batch.state.journal.refusals.has_room(at)
        {
            return;
        }
        let counts = self.overflow.clone();
        let event = Event::RefusalsOverflowed(RefusalsOverflowed { counts });
        if batch.add(Proposal { event, actor: Actor::Engine, at, cause: None }).is_ok() {
            batch.counts_overflow = true;
        }
    }

    fn commit(&mut self, batch: Batch) {
        if batch.entries.is_empty() {
            return;
        }
        let beside = match self.not_there_yet(&batch.beside) {
            Ok(beside) => beside,
            Err(error) => return self.fail(&error, batch),
        };
        let entries: Vec<NewEntry<'_>> = batch
            .entries
            .iter()
            .map(|(entry, bytes, subjects)| NewEntry {
                bytes,
                time_us: entry.time.micros(),
                kind: entry.event.kind(),
                subjects,
            })
            .collect();
        let kept: Vec<Beside<'_>> = beside
            .iter()
            .map(|b| Beside { key: b.key, owner: &b.owner, purpose: b.purpose, bytes: &b.bytes })
            .collect();
        match self.store.append(self.state.journal.size, &entries, &kept) {
            Ok(appended) => {
                self.state = batch.state;
                if batch.counts_overflow {
                    self.overflow.clear();
                    self.overflow_told = self.state.journal.time.map(|time| time.seconds().div_euclid(60));
                }
                self.publish();
                for (reply, place) in batch.replies {
                    let (Some((entry, ..)), Some(leaf)) =
                        (batch.entries.get(place.first), appended.leaves.get(place.first))
                    else {
                        continue;
                    };
                    let _gone =
                        reply.send(Ok(Written { seq: entry.seq, leaf: *leaf, time: entry.time, grant: place.grant }));
                }
            }
            Err(error) => self.fail(&error, batch),
        }
    }

    /// An error is no absence: an entry whose text could not be kept would lose it silently.
    fn not_there_yet(&self, beside: &[Sealed]) -> Result<Vec<Sealed>, StoreError> {
        let mut new = Vec::with_capacity(beside.len());
        for sealed in beside {
            if self.reader.blob(&sealed.key)?.is_none() {
                new.push(sealed.clone());
            }
        }
        Ok(new)
    }

    /// Nothing of the batch is there; whoever asked is told so, and the state stays as it was.
    fn fail(&self, error: &StoreError, batch: Batch) {
        tracing::error!(%error, "the ledger could not be written");
        for (reply, _) in batch.replies {
            let _gone = reply.send(Err(Refusal::Unavailable));
        }
        if matches!(error, StoreError::Unsure(_) | StoreError::Poisoned) {
            crate::start::stop_the_process("it is not sure what the ledger holds; a fresh start finds out");
        }
    }

    fn publish(&self) {
        *self.published.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(self.state.clone());
        self.published.size.send_replace(self.state.journal.size);
    }

    fn keep_checkpoint(&mut self, note: &SignedCheckpoint) {
        match self.store.put_checkpoint(note) {
            // Two heads were signed close together and came in the other order.
            Ok(()) | Err(StoreError::CheckpointBehind { .. }) => {}
            Err(error) => tracing::error!(%error, "a signed checkpoint could not be kept"),
        }
    }

    /// The state is cheap to clone; writing it out is done aside, and an entry confirms it afterwards.
    fn snapshot_when_due(&mut self) {
        if self.state.journal.size < self.last_snapshot + SNAPSHOT_EVERY {
            return;
        }
        self.last_snapshot = self.state.journal.size;
        let (state, snapshots, queue) = (self.state.clone(), self.store.snapshots(), self.queue.clone());
        let aside = std::thread::Builder::new().name("snapshot".into()).spawn(move || {
            let size = state.journal.size;
            let put = serde_json::to_vec(&state)
                .map_err(|e| e.to_string())
                .and_then(|bytes| snapshots.put(FOLD_VERSION, size, &bytes).map_err(|e| e.to_string()));
            match put {
                Ok(hash) => {
                    let _full = queue.try_send(Job::SnapshotPut { size, hash });
                }
                Err(error) => tracing::warn!(error, "a snapshot could not be written"),
            }
        });
        if let Err(error) = aside {
            tracing::warn!(%error, "no thread for a snapshot");
        }
    }
}

#[derive(PartialEq, Eq)]
enum Turn {
    More,
    Last,
}

impl Batch {
    fn over(state: &State) -> Self {
        Self {
            state: state.clone(),
            entries: vec![],
            beside: vec![],
            keys: BTreeSet::new(),
            replies: vec![],
            counts_overflow: false,
        }
    }

    /// Judges and folds in; nothing of a refused proposal stays.
    fn add(&mut self, proposal: Proposal) -> Result<Place, Refusal> {
        let fresh = GrantId::from_random(random::bytes());
        let entries = decide(&self.state, proposal, fresh)?;
        let place = Place { first: self.entries.len(), grant: (entries.len() > 1).then_some(fresh) };
        let encoded = entries.into_iter().map(|entry| entry.encode().map(|bytes| (entry, bytes)));
        let encoded: Vec<(Entry, Vec<u8>)> = encoded.collect::<Result<_, _>>().map_err(|_| Refusal::TooLarge)?;
        for (entry, bytes) in encoded {
            self.state.apply(&entry);
            self.note_closure(&entry);
            let subjects = subjects::of(&entry, &bytes);
            self.entries.push((entry, bytes, subjects));
        }
        Ok(place)
    }

    /// What a grant's proof needs is fixed when it is made: later the state may have forgotten some of it.
    fn note_closure(&mut self, entry: &Entry) {
        let Event::GrantMade(made) = &entry.event else { return };
        let Some(grant) = self.state.passage.grants.get(&made.grant) else { return };
        let seqs = tegata::closure::of_grant(&self.state, grant);
        let bytes = serde_json::to_vec(&seqs).expect("numbers are JSON");
        let key = closure_key(&made.grant);
        self.beside.push(Sealed {
            key,
            owner: "installation".into(),
            purpose: "closure",
            bytes: Arc::new(bytes),
            repeat: Repeat::KeptOnce,
        });
    }

    fn keep(&mut self, beside: Vec<Sealed>) {
        for sealed in beside {
            if self.keys.insert(sealed.key.as_bytes().to_vec()) {
                self.beside.push(sealed);
            }
        }
    }
}

/// Where the list of entries that prove `grant` is kept.
pub(crate) fn closure_key(grant: &GrantId) -> BlobKey {
    BlobKey::new(format!("closure/{grant}")).expect("shorter than a key may be")
}
