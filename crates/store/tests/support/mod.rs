//! What the tests share: a place to work in, the appender's acknowledgements, and what they commit a ledger to.
#![allow(dead_code, clippy::print_stderr, reason = "each test file uses its part, and a test that cannot run says so")]

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use store::{Blob, Options, Order, Reader, Store, Verdict};
use tempfile::TempDir;

use crate::plan::{self, Batch, PlannedBlob, PlannedEntry};

/// A directory in memory where there is one, for tests that are not about the disk.
pub(crate) fn fast_dir() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// Small enough that a short run checkpoints its log and writes its index several times.
pub(crate) fn small() -> Options {
    Options { wal_pages: 40, max_pages: None, index_every: 30 }
}

/// What the appender said was durable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Acks {
    pub(crate) head: u64,
    pub(crate) checkpoint: u64,
    pub(crate) snapshot: u64,
    pub(crate) erased: BTreeSet<u64>,
    pub(crate) failures: Vec<String>,
    pub(crate) opened: u64,
}

impl Acks {
    /// Takes the appender's output, of which the last line may be cut short.
    pub(crate) fn read(&mut self, output: &str) {
        output.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).for_each(|line| self.line(line));
    }

    pub(crate) fn line(&mut self, line: &str) {
        let (what, value) = line.split_once(' ').unwrap();
        let number = || value.parse::<u64>().unwrap();
        match what {
            "opened" => {
                assert!(number() >= self.head, "opened at {value} after {} was acknowledged", self.head);
                self.head = number();
                self.opened += 1;
            }
            "head" => self.head = number(),
            "checkpoint" => self.checkpoint = number(),
            "snapshot" => self.snapshot = number(),
            "erased" => drop(self.erased.insert(number())),
            "failed" => self.failures.push(value.to_owned()),
            other => panic!("the appender said `{other}`"),
        }
    }
}

/// Opens the ledger in `dir` and holds it to what was acknowledged, then appends a batch. Returns the head it leaves.
pub(crate) fn check(dir: &Path, acks: &Acks) -> u64 {
    let (mut store, reader) = Store::open_with(dir, &small()).unwrap();
    let size = store.head().size();
    assert!(size >= acks.head, "head is {size}, {} was acknowledged", acks.head);
    let (there, next) = batches_up_to(size);
    assert_eq!(there.last().map_or(0, Batch::end), size, "half a batch is there");

    check_entries(&reader, size);
    check_subjects(&reader, size);
    check_blobs(&reader, &there, acks);
    check_heads(&store, acks);

    append(&mut store, &next);
    drop((store, reader));
    check_erased_bytes(dir, acks);
    let (store, reader) = Store::open_with(dir, &small()).unwrap();
    assert_eq!(store.head().size(), next.end());
    assert!(matches!(reader.verify_all(&mut |_, _| ()).unwrap(), Verdict::Sound(_)));
    next.end()
}

/// The plan's batches that end at or before `size`, and the one after them.
fn batches_up_to(size: u64) -> (Vec<Batch>, Batch) {
    let there: Vec<Batch> = plan::batches().take_while(|batch| batch.end() <= size).collect();
    let next = plan::batches().nth(there.len()).unwrap();
    (there, next)
}

pub(crate) fn append(store: &mut Store, batch: &Batch) {
    let made: Vec<PlannedEntry> = (batch.first..batch.end()).map(PlannedEntry::at).collect();
    let entries: Vec<_> = made.iter().map(PlannedEntry::entry).collect();
    let (blob, bytes) = match batch.blob() {
        Some(blob) => (vec![(blob.key(), blob.owner())], blob.bytes()),
        None => (vec![], vec![]),
    };
    let beside: Vec<_> =
        blob.iter().map(|(key, owner)| store::Beside { key: *key, owner, purpose: "opening", bytes: &bytes }).collect();
    store.append(batch.first, &entries, &beside).unwrap();
}

fn check_entries(reader: &Reader, size: u64) {
    let mut expected = 0;
    for entry in reader.read(0..u64::MAX) {
        let entry = entry.unwrap();
        let planned = PlannedEntry::at(expected);
        assert_eq!((entry.seq, entry.time_us), (expected, plan::time_of(expected)));
        assert!(entry.bytes == planned.bytes, "entry {expected} is not what was appended");
        expected += 1;
    }
    assert_eq!(expected, size);
    let verdict = reader.verify_all(&mut |_, _| ()).unwrap();
    assert!(matches!(verdict, Verdict::Sound(head) if head.size == size), "{verdict:?}");
}

fn check_subjects(reader: &Reader, size: u64) {
    let subjects: BTreeSet<_> = (0..size).flat_map(|seq| [plan::session_of(seq), plan::person_of(seq)]).collect();
    for subject in subjects {
        let about = |seq: &u64| plan::session_of(*seq) == subject || plan::person_of(*seq) == subject;
        let expected: Vec<u64> = (0..size).filter(about).take(store::MAX_PAGE).collect();
        let found = reader.by_subject(&subject, 0..u64::MAX, Order::OldestFirst, store::MAX_PAGE).unwrap();
        assert_eq!(found.iter().map(|entry| entry.seq).collect::<Vec<_>>(), expected, "about {subject}");
    }
}

fn check_blobs(reader: &Reader, there: &[Batch], acks: &Acks) {
    for blob in there.iter().filter_map(Batch::blob) {
        match reader.blob(&blob.key()).unwrap() {
            Some(Blob::Sealed(bytes)) => {
                assert!(!acks.erased.contains(&blob.batch), "blob {} is back", blob.batch);
                assert!(bytes == blob.bytes(), "blob {} is not what was put", blob.batch);
            }
            Some(Blob::Erased) => assert!(there.iter().any(|batch| batch.erases().as_ref() == Some(&blob))),
            None => panic!("blob {} is gone", blob.batch),
        }
    }
    let beyond = PlannedBlob { batch: there.len().next_multiple_of(3) as u64 };
    assert_eq!(reader.blob(&beyond.key()).unwrap(), None, "a blob without its batch");
}

fn check_heads(store: &Store, acks: &Acks) {
    let (reader, size) = (store.reader(), store.head().size());
    let checkpoint = reader.latest_checkpoint().unwrap();
    assert!(checkpoint.map_or(0, |checkpoint| checkpoint.claimed().size) >= acks.checkpoint);
    let search = store.snapshots().newest(plan::FOLD).unwrap();
    assert_eq!(search.passed_over, [], "a snapshot became visible before it was whole");
    let Some(snapshot) = search.found else {
        assert_eq!(acks.snapshot, 0, "no snapshot");
        return;
    };
    assert!((acks.snapshot..=size).contains(&snapshot.size));
    assert!(snapshot.bytes == plan::snapshot(snapshot.size), "snapshot is not what was put");
}

/// No file holds a piece of an erased blob any more. The ledger must be closed in this process.
pub(crate) fn check_erased_bytes(dir: &Path, acks: &Acks) {
    let erased: Vec<Vec<u8>> = acks.erased.iter().map(|batch| PlannedBlob { batch: *batch }.bytes()).collect();
    let pieces: HashSet<&[u8]> = erased.iter().flat_map(|bytes| bytes.chunks_exact(PIECE)).collect();
    let beginnings: HashSet<[u8; 2]> = pieces.iter().map(|piece| [piece[0], piece[1]]).collect();
    let mut may_begin = vec![false; 1 << 16];
    beginnings.into_iter().for_each(|two| may_begin[usize::from(u16::from_be_bytes(two))] = true);
    for name in ["ledger.db", "ledger.db-wal"] {
        let file = std::fs::read(dir.join(name)).unwrap_or_default();
        let found = file.windows(PIECE).find(|window| {
            may_begin[usize::from(u16::from_be_bytes([window[0], window[1]]))] && pieces.contains(window)
        });
        assert_eq!(found, None, "a piece of an erased blob remains in {name}");
    }
}

const PIECE: usize = 20;

/// Whether `strace` can be run; says so if not.
pub(crate) fn strace_is_there() -> bool {
    let run = std::process::Command::new("strace").arg("-V").output();
    let there = run.is_ok_and(|output| output.status.success());
    if !there {
        eprintln!("SKIPPED: this test needs `strace` (Debian package `strace`)");
    }
    there
}
