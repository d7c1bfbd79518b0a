//! The disk fails or fills up under the writer: what was acknowledged stays, and the writer goes on when the disk does.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on fails, and says what it did")]

mod plan;
mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use store::{Options, Store, StoreError};
use support::{Acks, append, check, fast_dir, strace_is_there};

#[test]
fn a_sync_that_fails_once_loses_nothing_acknowledged() {
    fail_each("fsync:error=EIO", 1..50, "commit failed, and whether it is on disk is not known");
}

#[test]
fn a_write_that_fails_once_loses_nothing_acknowledged() {
    fail_each("pwrite64:error=EIO", (1..400).step_by(7), "commit failed, and whether it is on disk is not known");
}

#[test]
fn a_write_that_finds_no_room_once_loses_nothing_acknowledged() {
    fail_each("pwrite64:error=ENOSPC", (2..400).step_by(7), "no room left for the ledger");
}

#[test]
fn a_truncation_that_fails_once_loses_nothing_acknowledged() {
    fail_each("ftruncate:error=EIO", 1..8, "ledger database failed");
}

/// Runs the appender once for each of `whens`, letting that call of its kind fail. In some runs it must say `expected`.
fn fail_each(fault: &str, whens: impl Iterator<Item = u32>, expected: &str) {
    if !strace_is_there() {
        return;
    }
    let (mut runs, mut failed, mut seen) = (0, 0, BTreeSet::new());
    for when in whens {
        let place = fast_dir();
        let dir = place.path().join("ledger");
        let mut acks = Acks::default();
        acks.read(&append_with_fault(&dir, &format!("{fault}:when={when}")));
        failed += usize::from(!acks.failures.is_empty());
        runs += 1;
        assert!(acks.head > 0 && acks.failures.len() <= 2, "it did not go on: {acks:?}");
        check(&dir, &acks);
        seen.extend(acks.failures);
    }
    assert!(seen.contains(expected), "{seen:?}");
    assert!(failed * 2 > runs, "{fault}: only {failed} of {runs} runs felt it");
}

fn append_with_fault(dir: &Path, fault: &str) -> String {
    let call = fault.split(':').next().unwrap();
    let output = Command::new("strace")
        .args(["-f", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &format!("inject={fault}")])
        .arg(env!("CARGO_BIN_EXE_store-appender"))
        .arg(dir)
        .args(["16", "40", "30", "close"])
        .output();
    said(output.unwrap())
}

fn said(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// On a file system of its own, so that it is really full.
#[test]
fn a_full_disk_stops_appending_and_room_on_it_lets_the_same_store_go_on() {
    let place = tempfile::tempdir().unwrap();
    let Some(unshare) = private_mounts() else { return };
    let script = "set -e; mkdir disk; mount -t tmpfs -o size=2m none disk
        head -c 1000000 /dev/zero > disk/ledger.ballast
        \"$0\" disk/ledger 1500 40 30 close; cp -r disk/ledger survivor";
    let output = Command::new("unshare")
        .args([unshare, "sh", "-c", script, env!("CARGO_BIN_EXE_store-appender")])
        .current_dir(place.path())
        .output();
    let mut acks = Acks::default();
    acks.read(&said(output.unwrap()));
    let room = acks.failures.iter().position(|failure| failure == "and made room").expect("the disk was full");
    assert!(acks.failures[..room].iter().all(|failure| failure == "no room left for the ledger"), "{acks:?}");
    assert_eq!(acks.opened, 1, "the same store went on");
    assert!(acks.failures.len() > room + 1, "it was full again in the end");
    check(&place.path().join("survivor"), &acks);
}

/// The way in which this user may mount something that nobody else sees; says so if there is none.
fn private_mounts() -> Option<&'static str> {
    let works = |flags: &&str| {
        let run = Command::new("unshare").args([flags, "mount", "-t", "tmpfs", "none", "/mnt"]).output();
        run.is_ok_and(|output| output.status.success())
    };
    let way = ["-m", "-Urm"].into_iter().find(works);
    if way.is_none() {
        eprintln!("SKIPPED: a full disk needs `unshare -m` (root, or user namespaces) to mount a small one");
    }
    way
}

#[test]
fn a_ledger_at_its_limit_refuses_a_batch_whole_and_still_answers() {
    let place = fast_dir();
    let dir = place.path().join("ledger");
    let (mut store, reader) = Store::open_with(&dir, &Options { max_pages: Some(60), ..Options::default() }).unwrap();
    let refused = plan::batches().find_map(|batch| {
        let made: Vec<_> = (batch.first..batch.end()).map(plan::PlannedEntry::at).collect();
        let entries: Vec<_> = made.iter().map(plan::PlannedEntry::entry).collect();
        store.append(batch.first, &entries, &[]).err().map(|error| (batch, error))
    });
    let (batch, error) = refused.unwrap();
    assert!(matches!(error, StoreError::Full), "{error:?}");
    assert_eq!(store.head().size(), batch.first);
    assert_eq!(reader.head().unwrap(), *store.head());
    assert_eq!(reader.read(0..u64::MAX).count() as u64, batch.first);
    let about = plan::session_of(batch.first);
    let seen = reader.by_subject(&about, 0..u64::MAX, store::Order::OldestFirst, 100).unwrap();
    assert!(seen.iter().all(|entry| entry.seq < batch.first), "what was rolled back is found by subject");

    drop((store, reader));
    let (mut store, _) = Store::open(&dir).unwrap();
    append(&mut store, &batch);
    assert_eq!(store.head().size(), batch.end());
}
