//! Somebody who can write the file changes the ledger: the full check names where and what, and what it cannot know.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails, and says what it did")]

mod plan;
mod support;

use std::path::PathBuf;

use ledger::{Frontier, leaf_hash};
use rusqlite::{Connection, OptionalExtension};
use store::{Fault, Reader, Store, StoreError, Verdict};
use support::{append, fast_dir, small};
use tempfile::TempDir;

/// A closed ledger of some hundred entries, checkpointed now and then, and the file laid open.
struct Victim {
    place: TempDir,
    size: u64,
}

impl Victim {
    fn new() -> Victim {
        let place = fast_dir();
        let (mut store, _) = Store::open_with(place.path().join("ledger"), &small()).unwrap();
        for batch in plan::batches().take(100) {
            append(&mut store, &batch);
            if batch.is_checkpointed() {
                store.put_checkpoint(&plan::checkpoint(store.head().frontier.head())).unwrap();
            }
        }
        Victim { size: store.head().size(), place }
    }

    fn path(&self) -> PathBuf {
        self.place.path().join("ledger/ledger.db")
    }

    fn open_file(&self) -> Connection {
        let connection = Connection::open(self.path()).unwrap();
        connection.execute_batch("DROP TRIGGER entry_never_changes; DROP TRIGGER entry_never_leaves").unwrap();
        connection
    }

    fn tamper(self, sql: &str) -> Victim {
        self.open_file().execute_batch(sql).unwrap();
        self
    }

    fn verdict(&self) -> Verdict {
        let reader = Reader::open(self.place.path().join("ledger")).unwrap();
        let mut last = 0;
        let verdict = reader.verify_all(&mut |done, all| {
            assert!(done > last && done <= all);
            last = done;
        });
        verdict.unwrap()
    }

    #[track_caller]
    fn assert_broken(&self, fault: &Fault) {
        assert_eq!(self.verdict(), Verdict::Broken(fault.clone()));
    }
}

fn broken(sql: &str) -> Fault {
    match Victim::new().tamper(sql).verdict() {
        Verdict::Broken(fault) => fault,
        Verdict::Sound(_) => panic!("nothing was found after {sql}"),
    }
}

/// What a patient forger does: gives the entry at `seq` other bytes and makes all hashes of the tree fit again.
fn rebuild_tree(connection: &Connection) {
    let mut frontier = Frontier::new();
    let mut select = connection.prepare("SELECT bytes FROM entry WHERE seq = ?1").unwrap();
    let mut read = |seq: u64| select.query_row([seq as i64], |row| row.get::<_, Vec<u8>>(0)).optional().unwrap();
    while let Some(bytes) = read(frontier.size()) {
        let (seq, mut nodes) = (frontier.size() as i64, Vec::new());
        frontier.append_noting(leaf_hash(&bytes), |_, _, hash| nodes.extend_from_slice(hash.as_ref()));
        connection.execute("UPDATE entry SET nodes = ?2 WHERE seq = ?1", (seq, nodes)).unwrap();
    }
    let head = "UPDATE head SET frontier = ?1, root = ?2, last_time_us = (SELECT max(time_us) FROM entry)";
    connection.execute(head, (frontier.to_bytes(), frontier.root().as_ref())).unwrap();
}

fn set_bytes(connection: &Connection, seq: i64, bytes: &[u8]) {
    let changed = connection.execute("UPDATE entry SET bytes = ?2 WHERE seq = ?1", (seq, bytes)).unwrap();
    assert_eq!(changed, 1);
}

#[test]
fn an_untouched_ledger_is_sound() {
    let victim = Victim::new();
    assert!(victim.size > 200);
    assert!(matches!(victim.verdict(), Verdict::Sound(head) if head.size == victim.size));
}

#[test]
fn a_flipped_byte_is_named_wherever_it_is() {
    for seq in [0, 1, 100, 101, 127, 128] {
        let victim = Victim::new();
        let connection = victim.open_file();
        let mut bytes = plan::PlannedEntry::at(seq).bytes;
        let middle = bytes.len() / 2;
        match bytes.get_mut(middle) {
            Some(byte) => *byte ^= 1,
            None => bytes.push(0),
        }
        set_bytes(&connection, seq as i64, &bytes);
        drop(connection);
        victim.assert_broken(&Fault::EntryChanged { seq });
    }
}

#[test]
fn a_changed_entry_with_its_own_hash_made_to_fit_is_found_by_the_tree_above() {
    let victim = Victim::new();
    let connection = victim.open_file();
    set_bytes(&connection, 100, b"forged");
    let leaf = leaf_hash(b"forged");
    connection.execute("UPDATE entry SET nodes = ?1 WHERE seq = 100", [leaf.as_ref()]).unwrap();
    drop(connection);
    victim.assert_broken(&Fault::EntriesReplaced { first: 100, last: 101 });
}

#[test]
fn a_removed_entry_is_missing() {
    assert_eq!(broken("DELETE FROM entry WHERE seq = 57"), Fault::EntryMissing { seq: 57 });
    assert_eq!(broken("DELETE FROM entry WHERE seq = 0"), Fault::EntryMissing { seq: 0 });
    let last = Victim::new().size - 1;
    assert_eq!(broken(&format!("DELETE FROM entry WHERE seq = {last}")), Fault::EntryMissing { seq: last });
}

#[test]
fn entries_renumbered_over_a_gap_are_named_from_the_gap_on() {
    let close_gap = "UPDATE entry SET seq = -seq WHERE seq > 57; UPDATE entry SET seq = -seq - 1 WHERE seq < 0;";
    let fault = broken(&format!("DELETE FROM entry WHERE seq = 57; {close_gap}"));
    assert_eq!(fault, Fault::EntriesReplaced { first: 57, last: 57 });
}

#[test]
fn an_inserted_entry_is_named() {
    let make_gap = "UPDATE entry SET seq = -seq WHERE seq >= 57; UPDATE entry SET seq = -seq + 1 WHERE seq < 0;";
    let copy = "INSERT INTO entry SELECT 57, time_us, kind, nodes, subjects, bytes FROM entry WHERE seq = 55;";
    let fault = broken(&format!("{make_gap} {copy}"));
    assert!(
        matches!(fault, Fault::EntriesReplaced { first, last } if (56..=58).contains(&last) && first <= 57),
        "{fault:?}"
    );
}

#[test]
fn swapped_entries_are_named() {
    let swap = "UPDATE entry SET seq = -1 WHERE seq = 60; UPDATE entry SET seq = 60 WHERE seq = 62; \
                UPDATE entry SET seq = 62 WHERE seq = -1; \
                UPDATE entry SET time_us = (SELECT time_us FROM entry WHERE seq = 61) WHERE seq IN (60, 62)";
    assert_eq!(broken(swap), Fault::EntriesReplaced { first: 60, last: 61 });
}

#[test]
fn a_tail_cut_off_is_seen_by_the_head_and_if_that_was_set_back_by_a_checkpoint() {
    assert_eq!(broken("DELETE FROM entry WHERE seq >= 200"), Fault::EntryMissing { seq: 200 });
    let victim = Victim::new();
    let connection = victim.open_file();
    connection.execute_batch("DELETE FROM entry WHERE seq >= 200").unwrap();
    rebuild_tree(&connection);
    let sql = "SELECT min(size) FROM checkpoint WHERE size > 200";
    let checkpoint: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
    drop(connection);
    victim.assert_broken(&Fault::Truncated { size: 200, checkpoint: checkpoint as u64 });
}

#[test]
fn a_ledger_cut_off_and_written_on_disagrees_with_the_next_checkpoint() {
    let victim = Victim::new();
    let connection = victim.open_file();
    connection.execute_batch("DELETE FROM entry WHERE seq >= 200").unwrap();
    rebuild_tree(&connection);
    drop(connection);
    let (mut store, _) = Store::open(victim.place.path().join("ledger")).unwrap();
    while store.head().size() < victim.size {
        let size = store.head().size();
        let entry = store::NewEntry { bytes: b"other", time_us: i64::MAX, kind: "k", subjects: &[] };
        store.append(size, &[entry], &[]).unwrap();
    }
    drop(store);
    let Verdict::Broken(Fault::CheckpointDisagrees { size, good }) = victim.verdict() else { panic!() };
    assert!(good <= 200 && 200 < size, "{good} {size}");
}

#[test]
fn a_tree_rebuilt_over_a_forged_entry_disagrees_with_the_checkpoints() {
    let victim = Victim::new();
    let connection = victim.open_file();
    set_bytes(&connection, 100, b"forged");
    rebuild_tree(&connection);
    drop(connection);
    let Verdict::Broken(Fault::CheckpointDisagrees { size, good }) = victim.verdict() else { panic!() };
    assert!(good <= 100 && 100 < size, "{good} {size}");
}

/// The honest limit: whoever can write the file, and finds no checkpoint of it elsewhere, can make another ledger of it.
#[test]
fn a_tree_rebuilt_with_all_checkpoints_dropped_is_sound_and_only_a_checkpoint_held_elsewhere_tells() {
    let victim = Victim::new();
    let head = match victim.verdict() {
        Verdict::Sound(head) => head,
        Verdict::Broken(fault) => panic!("{fault}"),
    };
    let connection = victim.open_file();
    set_bytes(&connection, 100, b"forged");
    rebuild_tree(&connection);
    connection.execute_batch("DELETE FROM checkpoint").unwrap();
    drop(connection);
    assert!(matches!(victim.verdict(), Verdict::Sound(forged) if forged.size == head.size && forged.root != head.root));
}

#[test]
fn a_changed_node_over_right_entries_is_told_apart_from_changed_entries() {
    let zero = |at: u32, seq: u64| {
        let (before, after) = (format!("substr(nodes, 1, {at})"), format!("substr(nodes, {at} + 33)"));
        let nodes = format!("CAST({before} || zeroblob(32) || {after} AS BLOB)");
        broken(&format!("UPDATE entry SET nodes = {nodes} WHERE seq = {seq}"))
    };
    assert_eq!(zero(0, 100), Fault::NodeChanged { level: 0, index: 100 });
    assert_eq!(zero(64, 127), Fault::NodeChanged { level: 2, index: 31 });
}

#[test]
fn a_changed_head_is_named() {
    let size = Victim::new().size;
    assert_eq!(broken("UPDATE head SET root = zeroblob(32)"), Fault::HeadChanged { size });
    assert_eq!(broken("UPDATE head SET last_time_us = last_time_us + 1"), Fault::HeadChanged { size });
    assert_eq!(broken("DELETE FROM head; DELETE FROM checkpoint"), Fault::EntryOutsideHead { seq: 0, size: 0 });
}

#[test]
fn entries_that_the_head_does_not_count_are_named() {
    let size = Victim::new().size;
    let copy = |seq: &str| {
        format!("INSERT INTO entry SELECT {seq}, time_us, kind, nodes, subjects, bytes FROM entry WHERE seq = 5")
    };
    assert_eq!(broken(&copy("10000")), Fault::EntryOutsideHead { seq: 10_000, size });
    assert_eq!(broken(&copy("-1")), Fault::EntryOutsideHead { seq: -1, size });
}

#[test]
fn a_time_moved_before_its_predecessors_is_named() {
    assert_eq!(broken("UPDATE entry SET time_us = -1 WHERE seq = 90"), Fault::TimeGoesBack { seq: 90 });
}

#[test]
fn a_checkpoint_that_is_none_is_named() {
    let first = plan::batches().find(plan::Batch::is_checkpointed).unwrap().end();
    let cut = format!("UPDATE checkpoint SET note = x'00' WHERE size = {first}");
    assert_eq!(broken(&cut), Fault::CheckpointMalformed { size: first });
    let moved = format!("UPDATE checkpoint SET size = size + 1 WHERE size = {first}");
    assert_eq!(broken(&moved), Fault::CheckpointMalformed { size: first + 1 });
}

#[test]
fn an_index_that_does_not_fit_its_table_is_named() {
    let other_column = "PRAGMA writable_schema = ON;
        UPDATE sqlite_schema SET sql = 'CREATE INDEX entry_by_kind ON entry (time_us)' WHERE name = 'entry_by_kind'";
    let fault = broken(other_column);
    assert!(matches!(&fault, Fault::FileDamaged { why } if why.contains("entry_by_kind")), "{fault:?}");
}

/// Bytes of the file flipped at random: either the damage is found, or every entry is still what it was.
#[test]
fn a_file_damaged_anywhere_never_passes_for_sound_with_other_entries() {
    let victim = Victim::new();
    let whole = std::fs::read(victim.path()).unwrap();
    let (mut found, mut harmless) = (0, 0);
    for round in 0..400 {
        let mut bytes = whole.clone();
        for n in 0..1 + round % 3 {
            let at = plan::mix(round * 7 + n) as usize % bytes.len();
            bytes[at] ^= 1 << (n % 8);
        }
        std::fs::write(victim.path(), bytes).unwrap();
        match look(&victim) {
            Err(_) => found += 1,
            Ok(()) => harmless += 1,
        }
    }
    assert!(found > 100, "{found} found, {harmless} harmless");
}

fn look(victim: &Victim) -> Result<(), String> {
    let reader = Reader::open(victim.place.path().join("ledger")).map_err(|error| error.to_string())?;
    match reader.verify_all(&mut |_, _| ()) {
        Ok(Verdict::Sound(_)) => {}
        Ok(Verdict::Broken(fault)) => return Err(fault.to_string()),
        Err(error) => return Err(error.to_string()),
    }
    let mut seq = 0;
    for entry in reader.read(0..u64::MAX) {
        let entry = entry.map_err(|error: StoreError| error.to_string())?;
        assert_eq!(entry.seq, seq);
        assert!(entry.bytes == plan::PlannedEntry::at(seq).bytes, "entry {seq} changed unseen");
        seq += 1;
    }
    assert_eq!(seq, victim.size);
    Ok(())
}
