//! The store beside a model of it in memory, under random commands: they agree on everything one can ask.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails, and says what it did")]

mod plan;
mod support;

use std::collections::{BTreeMap, BTreeSet};

use ledger::{MemoryTree, leaf_hash};
use proptest::prelude::*;
use store::{
    Beside, Blob, BlobKey, MAX_PAGE, NewEntry, Options, Order, Reader, Store, StoreError, SubjectKey, Verdict,
};
use support::fast_dir;

#[derive(Debug, Clone)]
enum Command {
    Append { entries: Vec<ModelEntry>, blobs: Vec<(u8, Vec<u8>)> },
    AppendOnOldHead(u8),
    Erase(Vec<u8>),
    Checkpoint,
    Snapshot { fold: u32, share: f64 },
    Reopen,
}

#[derive(Debug, Clone, PartialEq)]
struct ModelEntry {
    bytes: Vec<u8>,
    later: u8,
    kind: u8,
    subjects: Vec<u8>,
}

#[derive(Debug, Default)]
struct Model {
    entries: Vec<ModelEntry>,
    times: Vec<i64>,
    tree: MemoryTree,
    blobs: BTreeMap<u8, Option<Vec<u8>>>,
    checkpoint: u64,
    snapshots: BTreeMap<u32, BTreeSet<u64>>,
}

fn command() -> impl Strategy<Value = Command> {
    let entry = (prop::collection::vec(any::<u8>(), 0..80), 0..4u8, 0..4u8, prop::collection::vec(0..12u8, 0..4))
        .prop_map(|(bytes, later, kind, subjects)| ModelEntry { bytes, later, kind, subjects });
    let blob = (0..40u8, prop::collection::vec(any::<u8>(), 0..3000));
    prop_oneof![
        8 => (prop::collection::vec(entry, 0..9), prop::collection::vec(blob, 0..3))
            .prop_map(|(entries, blobs)| Command::Append { entries, blobs }),
        1 => any::<u8>().prop_map(Command::AppendOnOldHead),
        1 => prop::collection::vec(0..40u8, 1..5).prop_map(Command::Erase),
        1 => Just(Command::Checkpoint),
        1 => (0..2u32, 0.0..1.0).prop_map(|(fold, share)| Command::Snapshot { fold, share }),
        1 => Just(Command::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn store_and_model_agree(commands in prop::collection::vec(command(), 1..40), questions in any::<[u64; 4]>()) {
        let place = fast_dir();
        let options = Options { wal_pages: 8, max_pages: None, index_every: 10 };
        let open = || Store::open_with(place.path().join("ledger"), &options).unwrap();
        let (mut store, mut reader) = open();
        let mut model = Model::default();
        for command in &commands {
            if let Command::Reopen = command {
                drop((store, reader));
                (store, reader) = open();
            }
            model.follow(command, &mut store);
            prop_assert_eq!(store.head().frontier.head(), model.tree.head());
            prop_assert_eq!(store.head().last_time_us, model.times.last().copied());
        }
        model.compare(&store, &reader, questions);
        let alone = Reader::open(place.path().join("ledger")).unwrap();
        model.compare_subjects(&alone, questions);
    }
}

impl Model {
    fn size(&self) -> u64 {
        self.entries.len() as u64
    }

    fn follow(&mut self, command: &Command, store: &mut Store) {
        match command {
            Command::Append { entries, blobs } => self.append(store, entries, blobs),
            Command::AppendOnOldHead(ago) => {
                let old = self.size().wrapping_sub(1 + u64::from(*ago));
                let entry = NewEntry { bytes: b"", time_us: i64::MAX, kind: "k", subjects: &[subject(1)] };
                let refused = store.append(old, &[entry], &[]).unwrap_err();
                assert!(
                    matches!(refused, StoreError::HeadMoved { expected, actual } if (expected, actual) == (old, self.size()))
                );
            }
            Command::Erase(keys) => {
                let there = |key: &u8| matches!(self.blobs.get(key), Some(Some(_)));
                let expected = keys.iter().filter(|key| there(key)).collect::<BTreeSet<_>>().len() as u64;
                let erasure = store.erase_blobs(&keys.iter().map(|key| blob_key(*key)).collect::<Vec<_>>()).unwrap();
                assert_eq!((erasure.erased, erasure.not_there), (expected, keys.len() as u64 - expected));
                self.blobs.iter_mut().filter(|(key, _)| keys.contains(key)).for_each(|(_, bytes)| *bytes = None);
            }
            Command::Checkpoint => {
                store.put_checkpoint(&plan::checkpoint(self.tree.head())).unwrap();
                self.checkpoint = self.size();
            }
            Command::Snapshot { fold, share } => {
                let size = (self.size() as f64 * share) as u64;
                store.snapshots().put(*fold, size, &plan::snapshot(size)).unwrap();
                let kept = self.snapshots.entry(*fold).or_default();
                kept.insert(size);
                if kept.len() > 2 {
                    kept.pop_first();
                }
            }
            Command::Reopen => {}
        }
    }

    fn append(&mut self, store: &mut Store, entries: &[ModelEntry], blobs: &[(u8, Vec<u8>)]) {
        let mut time = self.times.last().copied().unwrap_or(-2);
        let times: Vec<i64> = entries
            .iter()
            .map(|entry| {
                time += i64::from(entry.later);
                time
            })
            .collect();
        let subjects: Vec<Vec<SubjectKey>> =
            entries.iter().map(|entry| entry.subjects.iter().map(|n| subject(*n)).collect()).collect();
        let new: Vec<NewEntry<'_>> = entries
            .iter()
            .zip(&times)
            .zip(&subjects)
            .map(|((entry, time), subjects)| NewEntry {
                bytes: &entry.bytes,
                time_us: *time,
                kind: KINDS[usize::from(entry.kind)],
                subjects,
            })
            .collect();
        let owners: Vec<String> = blobs.iter().map(|(key, _)| owner(*key)).collect();
        let beside: Vec<Beside<'_>> = blobs
            .iter()
            .zip(&owners)
            .map(|((key, bytes), owner)| Beside { key: blob_key(*key), owner, purpose: "test", bytes })
            .collect();

        let fresh: BTreeSet<u8> =
            blobs.iter().map(|(key, _)| *key).filter(|key| !self.blobs.contains_key(key)).collect();
        let outcome = store.append(self.size(), &new, &beside);
        if entries.is_empty() {
            assert!(matches!(outcome, Err(StoreError::TooSmall { .. })));
        } else if fresh.len() < blobs.len() {
            assert!(matches!(outcome, Err(StoreError::BlobTaken { .. })));
        } else {
            let appended = outcome.unwrap();
            let leaves: Vec<_> = entries.iter().map(|entry| leaf_hash(&entry.bytes)).collect();
            assert_eq!((appended.first, &appended.leaves), (self.size(), &leaves));
            leaves.into_iter().for_each(|leaf| {
                self.tree.append(leaf);
            });
            assert_eq!(appended.head.frontier.head(), self.tree.head());
            self.entries.extend_from_slice(entries);
            self.times.extend(times);
            self.blobs.extend(blobs.iter().map(|(key, bytes)| (*key, Some(bytes.clone()))));
        }
    }

    fn compare(&self, store: &Store, reader: &Reader, questions: [u64; 4]) {
        let read: Vec<_> = reader.read(0..u64::MAX).map(Result::unwrap).collect();
        assert_eq!(read.len(), self.entries.len());
        for ((seq, entry), (model, time)) in (0..).zip(&read).zip(self.entries.iter().zip(&self.times)) {
            assert_eq!((entry.seq, entry.time_us, &entry.bytes), (seq, *time, &model.bytes));
            assert_eq!(reader.entry(seq).unwrap().as_ref(), Some(entry));
        }
        assert_eq!(reader.entry(self.size()).unwrap(), None);
        let range = self.range(questions);
        let part: Vec<u64> = reader.read(range.clone()).map(|entry| entry.unwrap().seq).collect();
        assert!(part.into_iter().eq(range));

        self.compare_subjects(reader, questions);
        self.compare_kinds_and_times(reader, questions);
        self.compare_proofs(reader, questions);
        self.compare_beside(store, reader);
        assert_eq!(reader.verify_all(&mut |_, _| ()).unwrap(), Verdict::Sound(self.tree.head()));
    }

    fn compare_subjects(&self, reader: &Reader, questions: [u64; 4]) {
        let range = self.range(questions);
        let limit = (questions[2] % 12) as usize;
        for n in 0..13 {
            let about = |seq: &u64| self.entries[*seq as usize].subjects.contains(&n);
            let oldest: Vec<u64> = range.clone().filter(about).take(limit).collect();
            let newest: Vec<u64> = range.clone().rev().filter(about).take(limit).collect();
            let find = |order| reader.by_subject(&subject(n), range.clone(), order, limit).unwrap();
            assert_eq!(find(Order::OldestFirst).iter().map(|e| e.seq).collect::<Vec<_>>(), oldest);
            assert_eq!(find(Order::NewestFirst).iter().map(|e| e.seq).collect::<Vec<_>>(), newest);
            for (kind, name) in KINDS.iter().enumerate() {
                let of_both = |seq: &u64| about(seq) && usize::from(self.entries[*seq as usize].kind) == kind;
                let oldest: Vec<u64> = range.clone().filter(of_both).take(limit).collect();
                let newest: Vec<u64> = range.clone().rev().filter(of_both).take(limit).collect();
                let of = (&subject(n), *name);
                let find = |order| reader.by_subject_and_kind(of, range.clone(), order, limit).unwrap();
                assert_eq!(find(Order::OldestFirst).iter().map(|e| e.seq).collect::<Vec<_>>(), oldest);
                assert_eq!(find(Order::NewestFirst).iter().map(|e| e.seq).collect::<Vec<_>>(), newest);
            }
        }
        let there: BTreeSet<SubjectKey> =
            self.entries.iter().flat_map(|entry| &entry.subjects).map(|n| subject(*n)).collect();
        for prefix in ["subject", "subject_1", "subject_11", "subject_2"] {
            let expected: Vec<SubjectKey> =
                there.iter().copied().filter(|key| key.as_bytes().starts_with(prefix.as_bytes())).collect();
            assert_eq!(reader.find_prefix(prefix.as_bytes(), MAX_PAGE).unwrap(), expected);
            let few = expected.len().min(limit);
            assert_eq!(reader.find_prefix(prefix.as_bytes(), limit).unwrap(), expected[..few]);
        }
    }

    fn compare_kinds_and_times(&self, reader: &Reader, questions: [u64; 4]) {
        let range = self.range(questions);
        for (n, kind) in KINDS.iter().enumerate() {
            let expected: Vec<u64> =
                range.clone().rev().filter(|seq| usize::from(self.entries[*seq as usize].kind) == n).collect();
            let found = reader.by_kind(kind, range.clone(), Order::NewestFirst, MAX_PAGE).unwrap();
            assert_eq!(found.iter().map(|entry| entry.seq).collect::<Vec<_>>(), expected);
        }
        let last = self.times.last().copied().unwrap_or(0);
        let times = (questions[2] as i64).rem_euclid(last + 3) - 2..(questions[3] as i64).rem_euclid(last + 3);
        let then = |(_, time): &(u64, &i64)| times.contains(time);
        let expected: Vec<u64> = (0..).zip(&self.times).filter(then).map(|(seq, _)| seq).collect();
        assert_eq!(reader.by_time(times.clone()).unwrap().collect::<Vec<_>>(), expected);
    }

    fn compare_proofs(&self, reader: &Reader, questions: [u64; 4]) {
        if self.entries.is_empty() {
            return;
        }
        let size = 1 + questions[0] % self.size();
        let (seq, old, head) = (questions[1] % size, questions[2] % (size + 1), self.tree.head_at(size).unwrap());
        let leaf = |seq: u64| leaf_hash(&self.entries[seq as usize].bytes);
        reader.inclusion(seq, size).unwrap().verify(leaf(seq), &head).unwrap();
        reader.consistency(old, size).unwrap().verify(&self.tree.head_at(old).unwrap(), &head).unwrap();
        let some: Vec<u64> = (seq..size).step_by(3).collect();
        let leaves: Vec<_> = some.iter().map(|seq| leaf(*seq)).collect();
        reader.multi_proof(&some, size).unwrap().verify(&leaves, &head).unwrap();
    }

    fn compare_beside(&self, store: &Store, reader: &Reader) {
        for key in 0..41 {
            let expected = self.blobs.get(&key).map(|bytes| bytes.clone().map_or(Blob::Erased, Blob::Sealed));
            assert_eq!(reader.blob(&blob_key(key)).unwrap(), expected);
        }
        for n in 0..3 {
            let expected: BTreeSet<BlobKey> =
                self.blobs.keys().filter(|key| *key % 3 == n).map(|key| blob_key(*key)).collect();
            let found = reader.blobs_of(&owner(n), None, MAX_PAGE).unwrap();
            assert_eq!(found.iter().map(|info| info.key).collect::<BTreeSet<_>>(), expected);
        }
        let checkpoint = reader.latest_checkpoint().unwrap().map_or(0, |checkpoint| checkpoint.claimed().size);
        assert_eq!(checkpoint, self.checkpoint);
        for fold in 0..3 {
            let newest = self.snapshots.get(&fold).and_then(BTreeSet::last);
            let search = store.snapshots().newest(fold).unwrap();
            assert_eq!(search.passed_over, []);
            assert_eq!(
                search.found.map(|found| (found.size, found.bytes)),
                newest.map(|size| (*size, plan::snapshot(*size)))
            );
        }
    }

    fn range(&self, questions: [u64; 4]) -> std::ops::Range<u64> {
        let (a, b) = (questions[0] % (self.size() + 1), questions[1] % (self.size() + 1));
        a.min(b)..a.max(b)
    }
}

fn subject(n: u8) -> SubjectKey {
    SubjectKey::new(format!("subject_{n}")).unwrap()
}

fn blob_key(n: u8) -> BlobKey {
    BlobKey::new([b'k', n]).unwrap()
}

fn owner(key: u8) -> String {
    format!("per_{}", key % 3)
}

const KINDS: [&str; 4] = ["a.b", "a.c", "b.a", "c"];
