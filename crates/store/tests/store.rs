//! What a store promises, one sentence at a time.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails, and says what it did")]

mod plan;
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use ledger::{EMPTY_ROOT, SignedCheckpoint, TreeHead, leaf_hash};
use rusqlite::Connection;
use store::{
    Appended, Beside, Blob, BlobKey, Entry, Fault, KEEP_NEWEST, MAX_BATCH, MAX_BLOB, MAX_ENTRY, MAX_PAGE, NewEntry,
    Order, Reader, Result, Store, StoreError, SubjectKey, Verdict,
};
use support::{Acks, append, check_erased_bytes, fast_dir, small};
use tempfile::TempDir;

struct World {
    place: TempDir,
    store: Store,
    reader: Reader,
}

impl World {
    fn new() -> World {
        let place = fast_dir();
        let (store, reader) = Store::open_with(place.path().join("ledger"), &small()).unwrap();
        World { place, store, reader }
    }

    fn dir(&self) -> std::path::PathBuf {
        self.place.path().join("ledger")
    }

    fn with_batches(count: usize) -> World {
        let mut world = World::new();
        plan::batches().take(count).for_each(|batch| append(&mut world.store, &batch));
        world
    }

    fn append(&mut self, entries: &[NewEntry<'_>]) -> Result<Appended> {
        self.store.append(self.store.head().size(), entries, &[])
    }

    fn reopen(self) -> World {
        let World { place, store, reader } = self;
        drop((store, reader));
        let (store, reader) = Store::open_with(place.path().join("ledger"), &small()).unwrap();
        World { place, store, reader }
    }
}

fn entry(bytes: &[u8]) -> NewEntry<'_> {
    NewEntry { bytes, time_us: 0, kind: "test.entry", subjects: &[] }
}

fn blob<'a>(key: &str, bytes: &'a [u8]) -> Beside<'a> {
    Beside { key: BlobKey::new(key).unwrap(), owner: "per_1", purpose: "opening", bytes }
}

fn seqs(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.seq).collect()
}

#[test]
fn an_empty_ledger_has_the_empty_root_and_nothing_in_it() {
    let World { store, reader, place: _place } = World::new();
    assert_eq!((store.head().size(), store.head().root(), store.head().last_time_us), (0, EMPTY_ROOT, None));
    assert_eq!(reader.entry(0).unwrap(), None);
    assert_eq!(reader.read(0..u64::MAX).count(), 0);
    assert_eq!(reader.by_time(i64::MIN..i64::MAX).unwrap(), 0..0);
    assert_eq!(reader.latest_checkpoint().unwrap(), None);
    assert_eq!(store.snapshots().newest(1).unwrap(), store::SnapshotSearch::default());
    let empty = TreeHead { size: 0, root: EMPTY_ROOT };
    assert_eq!(reader.verify_all(&mut |_, _| ()).unwrap(), Verdict::Sound(empty));
}

#[test]
fn an_append_returns_each_leaf_and_the_head_that_the_entries_hash_to() {
    let mut world = World::new();
    world.append(&[entry(b"one")]).unwrap();
    let appended = world.append(&[entry(b"two"), entry(b"three")]).unwrap();
    assert_eq!((appended.first, appended.head.size()), (1, 3));
    assert_eq!(appended.leaves, [leaf_hash(b"two"), leaf_hash(b"three")]);
    let tree: ledger::MemoryTree = [&b"one"[..], b"two", b"three"].into_iter().map(leaf_hash).collect();
    assert_eq!(appended.head.root(), tree.root());
    assert_eq!(*world.store.head(), appended.head);
    assert_eq!(world.reader.head().unwrap(), appended.head);
}

#[test]
fn a_restart_finds_the_head_it_left_and_goes_on_from_it() {
    let world = World::with_batches(30);
    let head = world.store.head().clone();
    let mut world = world.reopen();
    assert_eq!(*world.store.head(), head);
    append(&mut world.store, &plan::batches().nth(30).unwrap());
    assert!(matches!(world.reader.verify_all(&mut |_, _| ()).unwrap(), Verdict::Sound(_)));
}

#[test]
fn a_second_writer_is_refused_until_the_first_is_gone() {
    let mut world = World::with_batches(3);
    assert!(matches!(Store::open(world.dir()), Err(StoreError::InUse { .. })));
    let other_process =
        Command::new(env!("CARGO_BIN_EXE_store-appender")).arg(world.dir()).args(["1", "40", "30", "close"]).output();
    let said = String::from_utf8(other_process.unwrap().stdout).unwrap();
    assert!(said.starts_with("failed ledger in ") && said.ends_with(" is in use by another writer\n"), "{said}");
    append(&mut world.store, &plan::batches().nth(3).unwrap());

    let World { place, store, reader } = world;
    drop(store);
    let (store, _) = Store::open(place.path().join("ledger")).unwrap();
    assert_eq!(reader.head().unwrap(), *store.head(), "a reader outlives its writer");
}

#[test]
fn of_two_who_decided_on_the_same_head_the_second_is_told_that_it_moved() {
    let mut world = World::new();
    world.append(&[entry(b"zero")]).unwrap();
    let decided_on = world.store.head().size();
    world.store.append(decided_on, &[entry(b"first")], &[]).unwrap();
    let refused = world.store.append(decided_on, &[entry(b"second")], &[blob("b", b"")]);
    assert!(matches!(refused, Err(StoreError::HeadMoved { expected: 1, actual: 2 })));
    assert!(matches!(
        world.store.append(3, &[entry(b"x")], &[]),
        Err(StoreError::HeadMoved { expected: 3, actual: 2 })
    ));
    assert_eq!(world.reader.entry(1).unwrap().unwrap().bytes, b"first");
    assert_eq!(world.reader.entry(2).unwrap(), None);
    assert_eq!(world.reader.blob(&BlobKey::new("b").unwrap()).unwrap(), None);
}

#[test]
fn a_writer_who_got_past_the_lock_cannot_take_a_place_twice() {
    let mut world = World::with_batches(3);
    fs::remove_file(world.dir().join("ledger.lock")).unwrap();
    let (mut other, _) = Store::open(world.dir()).unwrap();
    let size = other.head().size();
    other.append(size, &[NewEntry { time_us: i64::MAX, ..entry(b"theirs") }], &[]).unwrap();
    let ours = NewEntry { time_us: i64::MAX, ..entry(b"ours") };
    let refused = world.append(&[ours]).unwrap_err();
    assert!(matches!(refused, StoreError::HeadMoved { expected, actual } if (expected, actual) == (size, size + 1)));
    assert!(matches!(world.append(&[ours]), Err(StoreError::Poisoned)), "what it remembers is no longer so");
    assert_eq!(world.reader.entry(size).unwrap().unwrap().bytes, b"theirs");
    assert!(matches!(world.reader.verify_all(&mut |_, _| ()).unwrap(), Verdict::Sound(_)));
}

#[test]
fn entries_of_no_bytes_and_of_the_most_bytes_come_back_as_they_were() {
    let mut world = World::new();
    let longest = plan::noise(1, MAX_ENTRY);
    world.append(&[entry(b""), entry(&longest), entry(b"")]).unwrap();
    let world = world.reopen();
    let read: Vec<Vec<u8>> = world.reader.read(0..9).map(|entry| entry.unwrap().bytes).collect();
    assert_eq!(read, [vec![], longest, vec![]]);
}

#[test]
fn a_batch_over_any_limit_is_refused_whole() {
    let mut world = World::new();
    let (long_entry, long_blob, long_label) = (vec![0; MAX_ENTRY + 1], vec![0; MAX_BLOB + 1], "k".repeat(65));
    let many_subjects = vec![SubjectKey::new("s").unwrap(); 65];
    let fine = entry(b"fine");
    let refused: [(&[NewEntry<'_>], &[Beside<'_>], &str); 9] = [
        (&[fine, entry(&long_entry)], &[], "entry in bytes"),
        (&[fine, NewEntry { kind: &long_label, ..fine }], &[], "kind in bytes"),
        (&[fine, NewEntry { kind: "", ..fine }], &[], "kind in bytes"),
        (&[fine, NewEntry { subjects: &many_subjects, ..fine }], &[], "subjects of an entry"),
        (&[], &[], "entries of a batch"),
        (&vec![fine; MAX_BATCH + 1], &[], "entries of a batch"),
        (&[fine], &[blob("b", &long_blob)], "blob in bytes"),
        (&[fine], &[Beside { owner: "", ..blob("b", b"") }], "owner in bytes"),
        (&[fine], &[Beside { purpose: &long_label, ..blob("b", b"") }], "purpose in bytes"),
    ];
    for (entries, beside, limit) in refused {
        match world.store.append(0, entries, beside) {
            Err(StoreError::TooLarge { what, .. } | StoreError::TooSmall { what, .. }) => assert_eq!(what, limit),
            other => panic!("{limit}: {other:?}"),
        }
    }
    let heavy = vec![0; MAX_ENTRY];
    let heavy_batch = vec![entry(&heavy); 1025];
    assert!(matches!(
        world.store.append(0, &heavy_batch, &[]),
        Err(StoreError::TooLarge { what: "bytes of a batch", .. })
    ));
    assert_eq!((world.store.head().size(), world.reader.head().unwrap().size()), (0, 0));
    let longest_blob = vec![7; MAX_BLOB];
    world.store.append(0, &[fine], &[blob("b", &longest_blob)]).unwrap();
    let found = world.reader.blob(&BlobKey::new("b").unwrap()).unwrap();
    assert_eq!(found, Some(Blob::Sealed(longest_blob)));
}

#[test]
fn time_in_the_ledger_never_goes_back() {
    let mut world = World::new();
    let at = |time_us| NewEntry { time_us, ..entry(b"x") };
    world.append(&[at(-5), at(10), at(10)]).unwrap();
    assert!(matches!(world.append(&[at(9)]), Err(StoreError::TimeWentBack { seq: 3, given: 9, last: 10 })));
    assert!(matches!(world.append(&[at(12), at(11)]), Err(StoreError::TimeWentBack { seq: 4, given: 11, last: 12 })));
    let mut world = world.reopen();
    assert!(matches!(world.append(&[at(9)]), Err(StoreError::TimeWentBack { last: 10, .. })));
    world.append(&[at(i64::MAX)]).unwrap();
    assert_eq!(world.reader.by_time(i64::MIN..10).unwrap(), 0..1);
    assert_eq!(world.reader.by_time(10..11).unwrap(), 1..3);
    assert_eq!(world.reader.by_time(11..i64::MAX).unwrap(), 3..3);
    let (later, earlier) = (5, -5);
    assert_eq!(world.reader.by_time(later..earlier).unwrap(), 1..1, "a range that ends before it begins is empty");
}

#[test]
fn readers_never_wait_and_see_only_whole_batches() {
    // On the disk itself, so that a commit takes its time.
    let place = tempfile::tempdir().unwrap();
    let (mut store, reader) = Store::open_with(place.path().join("ledger"), &small()).unwrap();
    let ends: Vec<u64> = plan::batches().take(120).map(|batch| batch.end()).collect();
    let writing = AtomicBool::new(true);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let (reader, ends, writing) = (reader.clone(), &ends, &writing);
            scope.spawn(move || {
                let mut looks = 0;
                while writing.load(Ordering::Acquire) || looks == 0 {
                    look_once(&reader, ends);
                    looks += 1;
                }
            });
        }
        scope.spawn(|| {
            while writing.load(Ordering::Acquire) {
                let verdict = reader.verify_all(&mut |_, _| ()).unwrap();
                assert!(matches!(verdict, Verdict::Sound(_)), "a ledger that grows is not a broken one: {verdict:?}");
            }
        });
        for batch in plan::batches().take(120) {
            append(&mut store, &batch);
            store.put_checkpoint(&plan::checkpoint(store.head().frontier.head())).unwrap();
        }
        writing.store(false, Ordering::Release);
    });
    assert_eq!(reader.head().unwrap().size(), ends[119]);
}

fn look_once(reader: &Reader, ends: &[u64]) {
    let whole = |size: u64| size == 0 || ends.binary_search(&size).is_ok();
    let head = reader.head().unwrap().size();
    assert!(whole(head), "half a batch at {head}");
    let page = reader.by_kind("request.filed", 0..u64::MAX, Order::NewestFirst, 1).unwrap();
    let newest = page.first().map_or(0, |entry| entry.seq);
    assert!(newest + 3 >= head, "what was there before is still there");

    let read = reader.read(0..u64::MAX).inspect(|entry| assert!(entry.is_ok())).count() as u64;
    assert!(read >= head);
    let subject = plan::person_of(0);
    let about = reader.by_subject(&subject, 0..u64::MAX, Order::OldestFirst, MAX_PAGE).unwrap();
    assert!(seqs(&about).into_iter().eq((0..).step_by(4).take(about.len())), "no gaps");
    assert!(about.len() as u64 >= head.div_ceil(4), "all that was committed is filed");
    if head > 1 {
        let proof = reader.inclusion(head / 2, head).unwrap();
        assert_eq!(proof.size, head);
    }
}

#[test]
fn entries_are_found_by_subject_kind_time_and_prefix_on_disk_and_in_memory() {
    // The index is written every 30 pairs: some are on disk, some are not.
    let world = World::with_batches(35);
    let alone = Reader::open(world.dir()).unwrap();
    let size = world.store.head().size();
    assert!(size > 60);
    let all: Vec<u64> = (0..size).collect();
    for reader in [&world.reader, &alone] {
        let person = plan::person_of(3);
        let expected: Vec<u64> = all.iter().copied().filter(|seq| plan::person_of(*seq) == person).collect();
        let find = |range, order, limit| seqs(&reader.by_subject(&person, range, order, limit).unwrap());
        assert_eq!(find(0..u64::MAX, Order::OldestFirst, MAX_PAGE), expected);
        assert_eq!(find(0..u64::MAX, Order::OldestFirst, 3), expected[..3]);
        let newest: Vec<u64> = expected.iter().rev().copied().collect();
        assert_eq!(find(0..u64::MAX, Order::NewestFirst, 4), newest[..4]);
        for (start, end) in [(0, 9), (7, 8), (10, 40), (39, size), (size, size + 9)] {
            let within: Vec<u64> = expected.iter().copied().filter(|seq| (start..end).contains(seq)).collect();
            assert_eq!(find(start..end, Order::OldestFirst, MAX_PAGE), within, "{start}..{end}");
        }
        assert_eq!(find(0..9, Order::OldestFirst, 0), []);

        let of_kind: Vec<u64> = all.iter().copied().filter(|seq| seq % 3 == 1).collect();
        let find = |range, order, limit| seqs(&reader.by_kind("session.opened", range, order, limit).unwrap());
        assert_eq!(find(0..size, Order::OldestFirst, MAX_PAGE), of_kind);
        assert_eq!(find(0..size, Order::NewestFirst, 1), of_kind[of_kind.len() - 1..]);
        assert_eq!(find(5..11, Order::OldestFirst, MAX_PAGE), [7, 10]);
        assert_eq!(reader.by_kind("no.such", 0..size, Order::OldestFirst, 9).unwrap(), []);

        let (from, to) = (plan::time_of(10), plan::time_of(20));
        let then: Vec<u64> = all.iter().copied().filter(|seq| (from..to).contains(&plan::time_of(*seq))).collect();
        assert_eq!(reader.by_time(from..to).unwrap().collect::<Vec<_>>(), then);

        let mut sessions: Vec<SubjectKey> = all.iter().map(|seq| plan::session_of(*seq)).collect();
        sessions.sort();
        sessions.dedup();
        for session in &sessions {
            assert_eq!(reader.find_prefix(session.as_bytes(), 9).unwrap(), [*session]);
            let same: Vec<_> =
                sessions.iter().copied().filter(|s| s.as_bytes()[..6] == session.as_bytes()[..6]).collect();
            assert_eq!(reader.find_prefix(&session.as_bytes()[..6], MAX_PAGE).unwrap(), same);
        }
        assert_eq!(reader.find_prefix(b"ses_zz", 9).unwrap(), []);
        assert_eq!(reader.find_prefix(&[b's'; 41], 9).unwrap(), []);
        assert!(matches!(reader.find_prefix(b"ses_0", 9), Err(StoreError::TooSmall { len: 5, min: 6, .. })));
    }
}

#[test]
fn no_question_returns_more_than_a_page() {
    let reader = World::new().reader;
    let subject = SubjectKey::new("s").unwrap();
    for refused in [
        reader.by_subject(&subject, 0..9, Order::OldestFirst, MAX_PAGE + 1).map(drop),
        reader.by_kind("k", 0..9, Order::OldestFirst, MAX_PAGE + 1).map(drop),
        reader.find_prefix(b"prefix", MAX_PAGE + 1).map(drop),
        reader.blobs_of("o", None, MAX_PAGE + 1).map(drop),
    ] {
        assert!(matches!(refused, Err(StoreError::TooLarge { what: "rows of a page", .. })));
    }
}

#[test]
fn long_ranges_are_read_page_after_page_and_end_at_the_head() {
    let mut world = World::new();
    let (short, long) = (vec![1; 300], vec![2; 60_000]);
    for bytes in [&short, &long] {
        let batch: Vec<NewEntry<'_>> = (0..2 * MAX_PAGE / 25).map(|_| entry(bytes)).collect();
        for _ in 0..25 / 2 {
            world.append(&batch).unwrap();
        }
    }
    let size = world.store.head().size();
    assert!(size > MAX_PAGE as u64);
    let read: Vec<u64> = world.reader.read(0..u64::MAX).map(|entry| entry.unwrap().seq).collect();
    assert!(read.into_iter().eq(0..size));
    let read: Vec<u64> =
        world.reader.read(MAX_PAGE as u64 - 1..MAX_PAGE as u64 + 1).map(|entry| entry.unwrap().seq).collect();
    assert_eq!(read, [MAX_PAGE as u64 - 1, MAX_PAGE as u64]);
    assert_eq!(world.reader.read(size..size + 5).count(), 0);
}

#[test]
fn a_store_moves_to_the_thread_that_owns_it_and_readers_are_shared() {
    fn moves<T: Send>() {}
    fn is_shared<T: Send + Sync + Clone>() {}
    moves::<Store>();
    is_shared::<Reader>();
    is_shared::<store::Snapshots>();
}

#[test]
fn more_threads_than_connections_all_get_their_answer() {
    let world = World::with_batches(20);
    let size = world.store.head().size();
    std::thread::scope(|scope| {
        for _ in 0..40 {
            let reader = world.reader.clone();
            scope.spawn(move || (0..20).for_each(|_| assert_eq!(reader.read(0..u64::MAX).count() as u64, size)));
        }
    });
}

#[test]
fn proofs_hold_against_the_heads_they_were_made_for() {
    let world = World::with_batches(50);
    let (reader, size) = (&world.reader, world.store.head().size());
    let tree: ledger::MemoryTree = (0..size).map(|seq| leaf_hash(&plan::PlannedEntry::at(seq).bytes)).collect();
    let leaf = |seq: u64| leaf_hash(&plan::PlannedEntry::at(seq).bytes);
    for at in [1, 2, 3, 64, 65, size - 1, size] {
        let head = tree.head_at(at).unwrap();
        for seq in [0, at / 2, at - 1] {
            reader.inclusion(seq, at).unwrap().verify(leaf(seq), &head).unwrap();
        }
        let some: Vec<u64> = (0..at).filter(|seq| seq % 5 == 0).collect();
        let leaves: Vec<_> = some.iter().map(|seq| leaf(*seq)).collect();
        reader.multi_proof(&some, at).unwrap().verify(&leaves, &head).unwrap();
        reader.consistency(at / 2, at).unwrap().verify(&tree.head_at(at / 2).unwrap(), &head).unwrap();
    }
    assert!(matches!(reader.inclusion(0, size + 1), Err(StoreError::BeyondHead { .. })));
    assert!(matches!(reader.consistency(1, size + 1), Err(StoreError::BeyondHead { .. })));
    assert!(matches!(reader.inclusion(5, 5), Err(StoreError::Proof(_))));
}

#[test]
fn blobs_come_with_their_batch_once_and_are_listed_by_owner() {
    let mut world = World::new();
    world.store.append(0, &[entry(b"e")], &[blob("a", b"sealed"), blob("b", b"")]).unwrap();
    for twice in [[blob("c", b"1"), blob("a", b"2")], [blob("c", b"1"), blob("c", b"1")]] {
        assert!(matches!(world.store.append(1, &[entry(b"e")], &twice), Err(StoreError::BlobTaken { .. })));
    }
    assert_eq!((world.store.head().size(), world.reader.head().unwrap().size()), (1, 1));
    let key = |name: &str| BlobKey::new(name).unwrap();
    assert_eq!(world.reader.blob(&key("c")).unwrap(), None);
    assert_eq!(world.reader.blob(&key("a")).unwrap(), Some(Blob::Sealed(b"sealed".to_vec())));

    world.store.append(1, &[entry(b"e")], &[blob("0", b"later"), Beside { owner: "per_2", ..blob("d", b"") }]).unwrap();
    let names = |after: Option<&str>, limit| {
        let after = after.map(key);
        let found = world.reader.blobs_of("per_1", after.as_ref(), limit).unwrap();
        found.iter().map(|info| info.key.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(None, 9), ["a", "b", "0"], "in the order they came");
    assert_eq!(names(None, 2), ["a", "b"]);
    assert_eq!(names(Some("b"), 9), ["0"]);
    assert_eq!(world.reader.blobs_of("per_3", None, 9).unwrap(), []);
    let first = &world.reader.blobs_of("per_1", None, 1).unwrap()[0];
    assert_eq!((&first.purpose[..], first.len, first.erased), ("opening", 6, false));
}

#[test]
fn erased_blobs_are_gone_from_every_file_while_the_ledger_is_open() {
    let mut world = World::with_batches(60);
    let blobs: Vec<_> = plan::batches().take(60).filter_map(|batch| batch.blob()).collect();
    let (gone, kept): (Vec<_>, Vec<_>) = blobs.into_iter().partition(|blob| blob.batch % 2 == 0);
    let keys: Vec<BlobKey> = gone.iter().map(plan::PlannedBlob::key).collect();
    let erasure = world.store.erase_blobs(&keys[1..]).unwrap();
    assert_eq!((erasure.erased, erasure.not_there), (keys.len() as u64 - 1, 0));
    let erasure = world.store.erase_blobs(&[keys[0], keys[1], BlobKey::new("never").unwrap()]).unwrap();
    assert_eq!((erasure.erased, erasure.not_there), (1, 2));

    for blob in &gone {
        assert_eq!(world.reader.blob(&blob.key()).unwrap(), Some(Blob::Erased));
    }
    for blob in &kept {
        assert_eq!(world.reader.blob(&blob.key()).unwrap(), Some(Blob::Sealed(blob.bytes())));
    }
    assert!(world.reader.blobs_of("per_0", None, 99).unwrap().iter().any(|info| info.erased && info.len > 0));
    let again = Beside { key: keys[0], ..blob("x", b"again") };
    let refused =
        world.store.append(world.store.head().size(), &[NewEntry { time_us: i64::MAX, ..entry(b"e") }], &[again]);
    assert!(matches!(refused, Err(StoreError::BlobTaken { .. })), "a key stays taken");

    // Copied by another process: opening the database here would give back SQLite's locks on it.
    let copy = world.place.path().join("copy");
    assert!(Command::new("cp").arg("-r").arg(world.dir()).arg(&copy).status().unwrap().success());
    let acks = Acks { erased: gone.iter().map(|blob| blob.batch).collect(), ..Acks::default() };
    check_erased_bytes(&copy, &acks);
    let acks = Acks { erased: kept.iter().map(|blob| blob.batch).collect(), ..Acks::default() };
    std::panic::catch_unwind(|| check_erased_bytes(&copy, &acks)).expect_err("the search finds what is there");
}

#[test]
fn an_erasure_says_when_a_reader_still_holds_old_copies() {
    let mut world = World::with_batches(1);
    let other = Connection::open(world.dir().join("ledger.db")).unwrap();
    let key = plan::PlannedBlob { batch: 0 }.key();
    other.execute_batch("BEGIN").unwrap();
    other.query_row("SELECT count(*) FROM blob", [], |row| row.get::<_, i64>(0)).unwrap();
    assert!(matches!(world.store.erase_blobs(&[key]), Err(StoreError::ErasureUnfinished)));
    assert_eq!(world.reader.blob(&key).unwrap(), Some(Blob::Erased));
    append(&mut world.store, &plan::batches().nth(1).unwrap());
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(world.store.erase_blobs(&[key]).unwrap().not_there, 1);
    assert_eq!(fs::metadata(world.dir().join("ledger.db-wal")).unwrap().len(), 0);
}

#[test]
fn the_newest_checkpoints_are_kept_and_of_older_ones_the_last_of_each_hour() {
    let mut world = World::new();
    let (minute, count) = (60_000_000, u64::from(KEEP_NEWEST) + 300);
    let time = |seq: u64| seq as i64 * 7 * minute;
    for seq in 0..count {
        world.append(&[NewEntry { time_us: time(seq), ..entry(b"e") }]).unwrap();
        world.store.put_checkpoint(&plan::checkpoint(world.store.head().frontier.head())).unwrap();
    }
    let mut kept = Vec::new();
    while let Some(next) = world.reader.checkpoint_at_least(kept.last().map_or(0, |last| last + 1)).unwrap() {
        kept.push(next.claimed().size);
    }
    let old = 1..=count - u64::from(KEEP_NEWEST);
    let last_of_hour: BTreeMap<i64, u64> = (1..=count).map(|size| (time(size - 1) / (60 * minute), size)).collect();
    let mut expected: Vec<u64> = last_of_hour.into_values().filter(|size| old.contains(size)).collect();
    assert!(expected.len() > 20 && expected.len() < 60);
    expected.extend(count - u64::from(KEEP_NEWEST) + 1..=count);
    assert_eq!(kept, expected);
    assert_eq!(world.reader.latest_checkpoint().unwrap().unwrap().claimed().size, count);
    assert!(matches!(world.reader.verify_all(&mut |_, _| ()).unwrap(), Verdict::Sound(_)));
}

#[test]
fn a_checkpoint_must_be_of_this_ledger_and_newer_than_the_others() {
    let mut world = World::with_batches(5);
    let head = world.store.head().frontier.head();
    let earlier = TreeHead { size: 1, root: leaf_hash(&plan::PlannedEntry::at(0).bytes) };
    world.store.put_checkpoint(&plan::checkpoint(head)).unwrap();
    assert!(matches!(world.store.put_checkpoint(&plan::checkpoint(earlier)), Err(StoreError::CheckpointBehind { .. })));
    let other_root = TreeHead { root: EMPTY_ROOT, ..head };
    assert!(matches!(
        world.store.put_checkpoint(&plan::checkpoint(other_root)),
        Err(StoreError::CheckpointUnfit { .. })
    ));
    let beyond = TreeHead { size: head.size + 1, ..head };
    assert!(matches!(world.store.put_checkpoint(&plan::checkpoint(beyond)), Err(StoreError::BeyondHead { .. })));

    let with_more_signatures = cosigned(plan::checkpoint(head));
    world.store.put_checkpoint(&with_more_signatures).unwrap();
    let world = world.reopen();
    assert_eq!(world.reader.latest_checkpoint().unwrap(), Some(with_more_signatures));
    assert_eq!(world.reader.checkpoint_at_least(head.size + 1).unwrap(), None);
    assert_eq!(world.reader.checkpoint_at_least(2).unwrap().unwrap().claimed().size, head.size);
}

fn cosigned(mut checkpoint: SignedCheckpoint) -> SignedCheckpoint {
    let line = checkpoint.note().signatures()[0].to_string().replace("ledger.example/test", "witness.example/w");
    checkpoint.add(line.parse().unwrap()).unwrap();
    checkpoint
}

#[test]
fn the_newest_two_snapshots_of_a_fold_are_kept_and_other_folds_left_alone() {
    let world = World::with_batches(10);
    let snapshots = world.store.snapshots();
    snapshots.put(7, 1, b"of another fold").unwrap();
    for size in [1, 4, 9, 5] {
        let hash = snapshots.put(1, size, &plan::snapshot(size)).unwrap();
        assert_eq!(hash, ledger::Hash::of(&plan::snapshot(size)));
    }
    let names = |dir: &Path| {
        let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    let expected = ["fold-1-5.snapshot", "fold-1-9.snapshot", "fold-7-1.snapshot"].map(String::from);
    assert_eq!(names(&world.dir().join("snapshots")), expected.into());
    let found = snapshots.newest(1).unwrap().found.unwrap();
    assert_eq!((found.size, found.bytes), (9, plan::snapshot(9)));
    assert_eq!(snapshots.newest(7).unwrap().found.unwrap().bytes, b"of another fold");
    assert_eq!(snapshots.newest(2).unwrap().found, None);

    let beyond = world.store.head().size() + 1;
    assert!(matches!(snapshots.put(1, beyond, b""), Err(StoreError::BeyondHead { .. })));
}

#[test]
fn a_damaged_snapshot_is_passed_over_for_the_older_one() {
    let world = World::with_batches(10);
    let (snapshots, dir) = (world.store.snapshots(), world.dir().join("snapshots"));
    snapshots.put(1, 4, &plan::snapshot(4)).unwrap();
    snapshots.put(1, 9, &plan::snapshot(9)).unwrap();
    let (newest, older) = (dir.join("fold-1-9.snapshot"), dir.join("fold-1-4.snapshot"));
    let whole = fs::read(&newest).unwrap();
    let flipped = (0..whole.len()).step_by(13).chain(0..80).map(|at| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    });
    let cut = [0, 1, 20, 21, 40, 72, 73, 80, whole.len() - 1].map(|len| whole[..len].to_vec());
    let longer = [&whole[..], &[0]].concat();
    for damaged in flipped.chain(cut).chain([fs::read(&older).unwrap(), longer, bomb(&whole)]) {
        fs::write(&newest, &damaged).unwrap();
        let search = snapshots.newest(1).unwrap();
        let found = search.found.unwrap();
        assert_eq!((found.size, found.bytes), (4, plan::snapshot(4)));
        assert_eq!(search.passed_over.len(), 1);
        assert_eq!(search.passed_over[0].size, 9);
    }
    fs::write(&older, b"").unwrap();
    let search = snapshots.newest(1).unwrap();
    assert_eq!((search.found, search.passed_over.len()), (None, 2));
}

/// A header that promises little, over a frame that unfolds to much.
fn bomb(whole: &[u8]) -> Vec<u8> {
    let frame = zstd::encode_all(std::io::repeat(0).take(1 << 30), 1).unwrap();
    assert!(frame.len() < 1 << 20);
    [&whole[..73], &frame].concat()
}

#[test]
fn a_snapshot_of_more_than_the_ledger_holds_is_passed_over() {
    let world = World::with_batches(10);
    world.store.snapshots().put(1, 9, b"of a ledger that was restored since").unwrap();
    let restored = World::with_batches(2);
    let name = "snapshots/fold-1-9.snapshot";
    fs::copy(world.dir().join(name), restored.dir().join(name)).unwrap();
    let search = restored.store.snapshots().newest(1).unwrap();
    assert_eq!((search.found, search.passed_over[0].size), (None, 9));
}

#[test]
fn only_the_owner_can_enter_and_read() {
    let world = World::with_batches(2);
    world.store.snapshots().put(1, 1, b"state").unwrap();
    let mode = |name: &str| fs::metadata(world.dir().join(name)).unwrap().permissions().mode() & 0o7777;
    for dir in ["", "snapshots"] {
        assert_eq!(mode(dir), 0o700, "{dir}");
    }
    for file in ["ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.lock", "snapshots/fold-1-1.snapshot"] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
    let (dir, database) = (world.dir(), world.dir().join("ledger.db"));
    drop((world.store, world.reader));
    fs::set_permissions(&database, fs::Permissions::from_mode(0o644)).unwrap();
    drop(Store::open(&dir).unwrap());
    assert_eq!(fs::metadata(&database).unwrap().permissions().mode() & 0o777, 0o600, "closed again");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(Store::open(&dir), Err(StoreError::OpenToOthers { mode: 0o755, .. })));
}

#[test]
fn a_file_that_is_no_ledger_or_a_newer_one_is_left_alone() {
    let place = fast_dir();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let path = place.path().join("ledger.db");
    let open_both =
        || (Store::open(place.path()).map(drop).unwrap_err(), Reader::open(place.path()).map(drop).unwrap_err());

    fs::write(&path, plan::noise(3, 5_000)).unwrap();
    assert!(matches!(open_both(), (StoreError::NotALedger { .. }, StoreError::NotALedger { .. })));
    assert_eq!(fs::read(&path).unwrap(), plan::noise(3, 5_000));

    fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let before = fs::read(&path).unwrap();
    assert!(matches!(open_both(), (StoreError::NotALedger { .. }, StoreError::NotALedger { .. })));
    assert_eq!(fs::read(&path).unwrap(), before);

    fs::remove_file(&path).unwrap();
    drop(Store::open(place.path()).unwrap());
    Connection::open(&path).unwrap().execute("INSERT INTO migration VALUES (999)", []).unwrap();
    assert!(matches!(
        open_both(),
        (StoreError::NewerSchema { found: 999, known: 1 }, StoreError::NewerSchema { found: 999, known: 1 })
    ));

    let nowhere = place.path().join("a/b");
    assert!(matches!(Store::open(&nowhere), Err(StoreError::Io { .. })));
    assert!(matches!(Reader::open(&nowhere), Err(StoreError::Io { .. })));
    let empty = fast_dir();
    assert!(Reader::open(empty.path()).is_err(), "a reader makes nothing");
    assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0);
}

#[test]
fn an_empty_database_file_left_by_a_crash_becomes_a_ledger() {
    let place = fast_dir();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(place.path().join("ledger.db"), b"").unwrap();
    let (mut store, _) = Store::open(place.path()).unwrap();
    append(&mut store, &plan::batches().next().unwrap());
}

#[test]
fn opening_refuses_a_ledger_whose_end_contradicts_itself() {
    let tamper = |sql: &str| {
        let world = World::with_batches(20);
        let dir = world.dir();
        let World { place, store, reader } = world;
        drop((store, reader));
        let connection = Connection::open(dir.join("ledger.db")).unwrap();
        connection.execute_batch("DROP TRIGGER entry_never_changes; DROP TRIGGER entry_never_leaves").unwrap();
        connection.execute_batch(sql).unwrap();
        drop(connection);
        let refusal = Store::open(&dir).map(drop).unwrap_err();
        drop(place);
        match refusal {
            StoreError::Damaged(fault) => fault,
            other => panic!("{other:?}"),
        }
    };
    let size = plan::batches().nth(19).unwrap().end();
    let last = size - 1;
    assert_eq!(tamper("DELETE FROM entry WHERE seq = (SELECT max(seq) FROM entry)"), Fault::EntryMissing { seq: last });
    let changed = tamper("UPDATE entry SET bytes = x'00' WHERE seq = (SELECT max(seq) FROM entry)");
    assert_eq!(changed, Fault::EntryChanged { seq: last });
    assert_eq!(tamper("UPDATE head SET last_time_us = 5"), Fault::HeadChanged { size });
    assert_eq!(tamper("UPDATE head SET root = zeroblob(32)"), Fault::HeadChanged { size });
    assert_eq!(tamper("DELETE FROM head"), Fault::EntryOutsideHead { seq: 0, size: 0 });
    assert!(matches!(tamper("UPDATE head SET frontier = x'00'"), Fault::FileDamaged { .. }));
    let insert = "INSERT INTO entry SELECT max(seq) + 1, time_us, kind, nodes, subjects, bytes FROM entry";
    assert_eq!(tamper(insert), Fault::EntryOutsideHead { seq: size as i64, size });
}

#[test]
fn the_schema_itself_lets_no_entry_change_or_leave() {
    let world = World::with_batches(3);
    let other = Connection::open(world.dir().join("ledger.db")).unwrap();
    for sql in ["UPDATE entry SET time_us = 0", "DELETE FROM entry", "DELETE FROM blob"] {
        let refused = other.execute(sql, []).unwrap_err().to_string();
        assert!(refused.contains("append-only") || refused.contains("never deleted"), "{refused}");
    }
}

#[test]
fn nothing_sealed_is_printed() {
    let mut world = World::with_batches(1);
    let secret = Beside { bytes: b"PLAINTEXT", ..blob("b", b"") };
    world.store.append(1, &[entry(b"e")], &[secret]).unwrap();
    world.store.snapshots().put(1, 1, b"PLAINTEXT").unwrap();
    let printed = format!(
        "{secret:?} {:?} {:?}",
        world.reader.blob(&secret.key).unwrap(),
        world.store.snapshots().newest(1).unwrap()
    );
    assert!(printed.contains("bytes") && !printed.contains("PLAINTEXT") && !printed.contains("80, 76"), "{printed}");
}
