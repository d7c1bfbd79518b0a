//! Measures the engine for `cargo xtask bench engine`: signed cycles over its socket, and its start from a long ledger.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program for measuring: it prints figures, and stops where something fails"
)]

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use channel::api::Submission;
use domain::committed::Purpose;
use domain::event::{Decided, Event, Filing, GrantMade, RequestFiled, SnapshotTaken};
use domain::people::PersonaKind;
use domain::rule::Channel;
use domain::state::FOLD_VERSION;
use domain::statement::{Decision, DecisionFields, RequestFields, Signed};
use domain::{AccountId, Actor, Entry, GrantId, RequestId, State, Timestamp, Window};
use engine::random;
use store::{NewEntry, Store, SubjectKey};
use testkit::process::now;
use worlds::{Client, Db1, Someone, World, opening};

/// Persons who ask, each for themselves, and approve for another.
const PERSONS: usize = 64;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["cycles", clients, seconds] => cycles(clients.parse().unwrap(), Duration::from_secs(seconds.parse().unwrap())),
        ["fsyncs", seconds] => fsyncs(Duration::from_secs(seconds.parse().unwrap())),
        ["grow", ledger, entries] => grow(Path::new(ledger), entries.parse().unwrap()),
        ["start", ledger] => start(Path::new(ledger)),
        _ => panic!("cycles CLIENTS SECONDS | fsyncs SECONDS | grow LEDGER ENTRIES | start LEDGER"),
    }
}

/// One line, a name and a number, which xtask reads.
fn say(name: &str, value: f64) {
    println!("{name} {value}");
}

/// Appends of 4 KiB with fdatasync, one after the other: what the disk gives.
fn fsyncs(time: Duration) {
    let dir = testkit::Scratch::new("fsyncs").unwrap();
    let mut file = File::create(dir.join("file")).unwrap();
    let (begun, mut count) = (now(), 0_u32);
    while begun.elapsed() < time {
        file.write_all(&[7; 4096]).unwrap();
        file.sync_data().unwrap();
        count += 1;
    }
    say("fsyncs_a_second", f64::from(count) / begun.elapsed().as_secs_f64());
}

/// Requests, approvals and grants, signed by `clients` persons at once, each waiting for its own answers.
fn cycles(clients: usize, time: Duration) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (world, account, people) = populated().await;
        let world = Arc::new(world);
        // Warm: data keys are made and unwrapped on first use.
        drive(&world, account, &people, clients, Duration::from_secs(1)).await;
        let before = *world.engine_sizes().borrow();
        let begun = now();
        let done = drive(&world, account, &people, clients, time).await;
        let seconds = begun.elapsed().as_secs_f64();
        let entries = *world.engine_sizes().borrow() - before;
        assert!(entries >= 3 * done, "{done} cycles left only {entries} entries");
        say("cycles_a_second", count(done) / seconds);
        say("appends_a_second", count(entries) / seconds);
    });
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn count(number: u64) -> f64 {
    number as f64
}

async fn populated() -> (World, AccountId, Arc<Vec<Someone>>) {
    let (world, one, two) = World::founded().await;
    let mut people = Vec::new();
    for _ in 0..PERSONS {
        people.push(world.add_person(&one, &two, PersonaKind::Admin, &["operators", "owners"]).await);
    }
    let db1 = Db1 { host_key: Someone::new().key(), address: "127.0.0.1:22", login: "root" };
    let (_, account) = world.add_db1(&one, &two, db1).await;
    (world, account, Arc::new(people))
}

/// How many cycles were granted within `time`.
async fn drive(
    world: &Arc<World>,
    account: AccountId,
    people: &Arc<Vec<Someone>>,
    clients: usize,
    time: Duration,
) -> u64 {
    let begun = now();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..clients {
        let (world, people) = (world.clone(), people.clone());
        tasks.spawn(async move {
            let (requester, approver) = (&people[number % PERSONS], &people[(number + PERSONS / 2) % PERSONS]);
            let (mut asking, mut approving) = (world.client(requester).await, world.client(approver).await);
            let mut done = 0_u64;
            while begun.elapsed() < time {
                cycle(&world, account, (requester, &mut asking), (approver, &mut approving)).await;
                done += 1;
            }
            done
        });
    }
    tasks.join_all().await.iter().sum()
}

async fn cycle(
    world: &World,
    account: AccountId,
    (requester, asking): (&Someone, &mut Client),
    (approver, approving): (&Someone, &mut Client),
) {
    let (purpose, text) = opening::<Purpose>("rotate the WAL archive, CHG-142");
    let from = Timestamp::from_micros(asking_time(world)).unwrap();
    let fields = request_fields(requester, account, purpose, from);
    let signed = world.sign(requester, &fields);
    let statement = tegata::statement::hash(&tegata::statement::signed_bytes(&world.origin, &fields, &signed));
    let request = fields.request;
    asking.submit(Submission::Request { fields, signed }, vec![text]).await.unwrap();
    let fields = DecisionFields {
        request,
        statement,
        approver: approver.persona,
        decision: Decision::Approve,
        reason: None,
        policy: 1,
    };
    let signed = world.sign(approver, &fields);
    let receipt = approving.submit(Submission::Decision { fields, signed }, vec![]).await.unwrap();
    assert!(receipt.grant.is_some(), "an approval that completes a request gives a grant");
}

fn asking_time(world: &World) -> i64 {
    engine::clock::Clock::wall(&world.clock).micros()
}

/// A short window, so that what is granted leaves the state again.
fn request_fields(
    requester: &Someone,
    account: AccountId,
    purpose: domain::Committed<Purpose>,
    from: Timestamp,
) -> RequestFields {
    RequestFields {
        request: RequestId::from_random(random::bytes()),
        requester: requester.persona,
        beneficiary: requester.persona,
        account,
        window: Window::new(from, from.plus(Duration::from_secs(60))).unwrap(),
        channels: BTreeSet::from([Channel::Shell]),
        purpose,
        policy: 1,
    }
}

/// A ledger of a given length, its snapshot, and the entry that confirms it. Signatures are copies: the fold does not read them.
fn grow(ledger: &Path, entries: u64) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (world, account, people) = runtime.block_on(populated());
    let signed = world
        .sign(&people[0], &request_fields(&people[0], account, opening::<Purpose>("long ago").0, Timestamp::EARLIEST));
    runtime.block_on(world.engine.stop());
    copy_folder(&world.dir.path().join("ledger"), ledger);
    let (mut store, reader) = Store::open(ledger).unwrap();
    let mut state = engine::fold::full(&reader, u64::MAX).unwrap();
    let mut time = state.journal.time.unwrap();
    let mut batch = Batch::default();
    while state.journal.size < entries {
        // One cycle every ten seconds: about half a year for a million entries.
        time = time.plus(Duration::from_secs(10));
        history(&mut state, &mut batch, account, &people, time, &signed);
        if batch.0.len() >= store::MAX_BATCH - 3 {
            batch.write(&mut store);
        }
    }
    batch.write(&mut store);
    let bytes = serde_json::to_vec(&state).unwrap();
    let hash = store.snapshots().put(FOLD_VERSION, state.journal.size, &bytes).unwrap();
    let taken = Event::SnapshotTaken(SnapshotTaken { fold: FOLD_VERSION, size: state.journal.size, hash });
    batch.push(&mut state, time, Actor::Engine, taken);
    batch.write(&mut store);
    say("entries", count(state.journal.size));
}

/// What one asked, another approved, and what came of it.
fn history(
    state: &mut State,
    batch: &mut Batch,
    account: AccountId,
    people: &[Someone],
    time: Timestamp,
    signed: &Signed,
) {
    let at = usize::try_from(state.journal.size).unwrap() % PERSONS;
    let (requester, approver) = (&people[at], &people[(at + 1) % PERSONS]);
    let actor = |who: &Someone| Actor::Person { person: who.person, persona: who.persona };
    let fields = request_fields(requester, account, opening::<Purpose>("long ago").0, time);
    let request = fields.request;
    let statement = ledger_hash(&fields);
    let again = || Signed {
        nonce: domain::Nonce::from_random(random::bytes()),
        expires: time.plus(Duration::from_secs(60)),
        ..signed.clone()
    };
    batch.push(
        state,
        time,
        actor(requester),
        Event::RequestFiled(RequestFiled { fields, filing: Filing::Signed(again()), statement }),
    );
    let fields = DecisionFields {
        request,
        statement,
        approver: approver.persona,
        decision: Decision::Approve,
        reason: None,
        policy: 1,
    };
    batch.push(state, time, actor(approver), Event::ApprovalGiven(Decided { fields, signed: again() }));
    let grant = GrantId::from_random(random::bytes());
    batch.push(state, time, Actor::Engine, Event::GrantMade(GrantMade { grant, request }));
}

fn ledger_hash(fields: &RequestFields) -> ledger::Hash {
    tegata::statement::hash(fields.request.to_string().as_bytes())
}

/// Entries that wait to be written: bytes, time, kind, subjects.
#[derive(Default)]
struct Batch(Vec<(Vec<u8>, i64, &'static str, Vec<SubjectKey>)>);

impl Batch {
    fn push(&mut self, state: &mut State, time: Timestamp, actor: Actor, event: Event) {
        let entry = Entry { seq: state.journal.size, time, actor, cause: None, event };
        state.apply(&entry);
        let bytes = entry.encode().unwrap();
        let subjects = ids(&bytes);
        self.0.push((bytes, time.micros(), entry.event.kind(), subjects));
    }

    fn write(&mut self, store: &mut Store) {
        let entries: Vec<_> = self
            .0
            .iter()
            .map(|(bytes, time_us, kind, subjects)| NewEntry { bytes, time_us: *time_us, kind, subjects })
            .collect();
        if !entries.is_empty() {
            let head = store.head().size();
            store.append(head, &entries, &[]).unwrap();
        }
        self.0.clear();
    }
}

/// As engine files them: every id in the entry.
fn ids(bytes: &[u8]) -> Vec<SubjectKey> {
    let text = std::str::from_utf8(bytes).unwrap();
    let found: BTreeSet<&str> = text.split('"').filter(|word| word.len() == 30 && word.as_bytes()[3] == b'_').collect();
    found.into_iter().map(|id| SubjectKey::new(id).unwrap()).collect()
}

/// Made for its owner alone, as the store wants it.
fn copy_folder(from: &Path, to: &Path) {
    std::fs::DirBuilder::new().mode(0o700).create(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &to.join(entry.file_name()));
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// As engine does when it starts: open, find the confirmed snapshot, fold what came after it.
fn start(ledger: &Path) {
    let begun = now();
    let (store, reader) = Store::open(ledger).unwrap();
    let state = engine::fold::start(&reader, &store.snapshots()).unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    say("start_seconds", seconds);
    say("entries", count(state.journal.size));
    say("memory_mib", memory_kib() / 1024.0);
    let begun = now();
    let full = engine::fold::full(&reader, u64::MAX).unwrap();
    assert_eq!(full, state, "the snapshot is not the fold");
    say("full_fold_seconds", begun.elapsed().as_secs_f64());
}

/// Proportional set size of this process.
fn memory_kib() -> f64 {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
