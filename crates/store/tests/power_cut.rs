//! The power is cut at every write of a run: nothing acknowledged is lost, nothing is there by half.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on fails, and says what it did")]

mod disk;
mod plan;
mod support;
mod trace;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use disk::{Dice, Disk, Fate, Step};
use support::{Acks, check, fast_dir, strace_is_there};
use trace::{TRACED, Trace};

#[test]
fn whatever_was_acknowledged_survives_a_power_cut_at_any_write() {
    if !strace_is_there() {
        return;
    }
    let traced = fast_dir();
    let root = traced.path().canonicalize().unwrap();
    let steps = trace_runs(&root);
    assert_trace_is_worth_cutting(&steps);
    let cuts: usize = std::thread::scope(|scope| {
        let (root, steps) = (&root, &steps);
        let work = |share| scope.spawn(move || cut_everywhere(root, steps, share));
        let workers: Vec<_> = (0..WORKERS).map(work).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    eprintln!("{} steps, {cuts} cuts, seed {SEED}", steps.len());
    assert!(cuts >= 5 * steps.len());
}

/// The appender, started several times over one ledger: sometimes it closes it, sometimes it just ends.
fn trace_runs(root: &Path) -> Vec<Step> {
    let mut trace = Trace::new(root);
    for end in ["crash", "close", "crash", "close"] {
        let output = root.with_extension("trace");
        let status = Command::new("strace")
            .args(["-f", "-xx", "-s", "200000", "-e", TRACED, "-o"])
            .arg(&output)
            .arg(env!("CARGO_BIN_EXE_store-appender"))
            .arg(root.join("ledger"))
            .args(["10", "40", "30", end])
            .stdout(Stdio::null())
            .status();
        assert!(status.unwrap().success());
        trace.read(&std::fs::read_to_string(&output).unwrap());
        std::fs::remove_file(output).unwrap();
    }
    trace.steps()
}

fn assert_trace_is_worth_cutting(steps: &[Step]) {
    let mut said: BTreeMap<&str, u32> = BTreeMap::new();
    for step in steps {
        if let Step::Say(line) = step {
            *said.entry(line.split(' ').next().unwrap()).or_default() += 1;
        }
    }
    let expected = [("checkpoint", 10), ("erased", 6), ("head", 40), ("opened", 4), ("snapshot", 4)];
    assert_eq!(said, BTreeMap::from(expected));
    let count = |is: fn(&Step) -> bool| steps.iter().filter(|step| is(step)).count();
    assert!(count(|step| matches!(step, Step::Write { .. })) > 500);
    assert!(count(|step| matches!(step, Step::Sync(_))) > 60);
    assert!(count(|step| matches!(step, Step::Truncate { .. })) > 10);
    assert!(count(|step| matches!(step, Step::Rename { .. })) == 4);
}

/// Cuts the power before each step, as often as there are fates for it, and takes every `WORKERS`th cut as its share.
fn cut_everywhere(root: &Path, steps: &[Step], share: u64) -> usize {
    let (mut disk, mut acks, mut cut, mut tried) = (Disk::new(root), Acks::default(), 0, 0);
    for (done, step) in steps.iter().enumerate() {
        for fate in fates(step) {
            cut += 1;
            if cut % WORKERS == share {
                try_cut(root, &disk, *fate, SEED + cut * 1_000_000, done, &acks);
                tried += 1;
            }
        }
        disk.apply(step);
        if let Step::Say(line) = step {
            acks.line(line);
        }
    }
    tried
}

/// Most is at stake right before a sync; what is not yet synced matters most right before it is said to be there.
fn fates(next: &Step) -> &'static [Fate] {
    match next {
        Step::Sync(_) | Step::SyncDir(_) => &[Fate::Lost, Fate::Kept, Fate::CutOff, Fate::Torn, Fate::Torn, Fate::Torn],
        _ => &[Fate::Lost, Fate::Kept, Fate::CutOff, Fate::Torn, Fate::Torn],
    }
}

fn try_cut(root: &Path, disk: &Disk, fate: Fate, seed: u64, done: usize, acks: &Acks) {
    let place = fast_dir();
    disk.cut(fate, &mut Dice(seed), root, place.path());
    let outcome = std::panic::catch_unwind(|| check(&place.path().join("ledger"), acks));
    if let Err(panic) = outcome {
        eprintln!("power cut after step {done}, what was not synced {fate:?}, dice {seed}; acknowledged: {acks:?}");
        std::panic::resume_unwind(panic);
    }
}

const SEED: u64 = 20_261_123;
const WORKERS: u64 = 2;
