//! The writer is killed at random moments, hundreds of times: nothing acknowledged is lost.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on fails, and says what it did")]

mod plan;
mod support;

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use support::{Acks, check, fast_dir};

#[test]
fn whatever_was_acknowledged_survives_kill_9_at_any_moment() {
    let (mut killed_opening, mut acknowledged) = (0, 0);
    for ledger in 0..LEDGERS {
        let place = fast_dir();
        let dir = place.path().join("ledger");
        let mut acks = Acks::default();
        for kill in 0..KILLS_EACH {
            let output = append_until_killed(&dir, SEED + ledger * KILLS_EACH + kill);
            killed_opening += u64::from(output.is_empty());
            acknowledged += output.lines().filter(|line| line.starts_with("head ")).count();
            acks.read(&output);
            assert_eq!(acks.failures, [""; 0]);
            acks.head = check(&dir, &acks);
        }
    }
    eprintln!(
        "{} kills, {killed_opening} before the ledger was open, {acknowledged} batches acknowledged",
        LEDGERS * KILLS_EACH
    );
    assert!(killed_opening > 0 && acknowledged > 1_000, "the kills came at other moments than they should");
}

/// Lets the appender say a few lines, then a moment more, and kills it. Returns all it said.
fn append_until_killed(dir: &Path, seed: u64) -> String {
    let mut child = KilledOnDrop(
        Command::new(env!("CARGO_BIN_EXE_store-appender"))
            .arg(dir)
            .args(["1000000", "40", "30", "close"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut lines = BufReader::new(child.0.stdout.take().unwrap());
    let mut output = String::new();
    let chance = plan::mix(seed);
    for _ in 0..chance % 25 {
        lines.read_line(&mut output).unwrap();
    }
    for _ in 0..(chance >> 32) % 20_000 {
        std::hint::spin_loop();
    }
    drop(child);
    lines.read_to_string(&mut output).unwrap();
    output
}

struct KilledOnDrop(Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

const LEDGERS: u64 = 15;
const KILLS_EACH: u64 = 20;
const SEED: u64 = 20_261_124;
