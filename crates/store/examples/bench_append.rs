//! Appends per second by batch size, beside what the disk can sync: `cargo run --release -p store --example bench_append [DIR]`.
//!
//! 256-byte entries of eight kinds, with up to two subjects: one of a thousand long-lived ones, and one that twenty entries
//! share. Every append waits until it is durable.
#![expect(clippy::print_stdout, reason = "a benchmark speaks to a terminal")]
#![expect(clippy::disallowed_methods, reason = "measuring time is what this file is for")]

use std::error::Error;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use store::{NewEntry, Store, SubjectKey};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let parent = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    let dir = tempfile::tempdir_in(parent)?;
    println!("disk: {:.0} fdatasync/s of 4 KiB written over", syncs_per_second(dir.path())?);
    println!(
        "{:>6} {:>8} {:>10} {:>10} {:>8} {:>8}",
        "batch", "subjects", "entries/s", "appends/s", "p50 ms", "p99 ms"
    );
    let (mut store, reader) = Store::open(dir.path().join("ledger"))?;
    for (batch, subjects) in [(1, 2), (10, 2), (100, 2), (1000, 2), (1000, 1), (1000, 0)] {
        let mut times = append_for(&mut store, batch, subjects, Duration::from_secs(SECONDS))?;
        times.sort_unstable();
        let appends = times.len() as f64 / times.iter().sum::<Duration>().as_secs_f64();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        println!(
            "{batch:>6} {subjects:>8} {:>10.0} {appends:>10.0} {:>8.2} {:>8.2}",
            appends * batch as f64,
            at(0.5),
            at(0.99)
        );
    }
    let began = Instant::now();
    let verdict = reader.verify_all(&mut |_, _| ())?;
    let per_second = store.head().size() as f64 / began.elapsed().as_secs_f64();
    println!("verify: {per_second:.0} entries/s of {}, {}", store.head().size(), sound(&verdict));
    Ok(())
}

fn sound(verdict: &store::Verdict) -> &'static str {
    match verdict {
        store::Verdict::Sound(_) => "sound",
        store::Verdict::Broken(_) => "broken",
    }
}

fn append_for(store: &mut Store, batch: usize, subjects: usize, span: Duration) -> Outcome<Vec<Duration>> {
    let (began, mut times) = (Instant::now(), Vec::new());
    while began.elapsed() < span {
        let head = store.head().size();
        let made: Vec<_> = (head..).take(batch).map(Made::new).collect();
        let entries: Vec<_> = made.iter().map(|made| made.entry(subjects)).collect();
        let start = Instant::now();
        store.append(head, &entries, &[])?;
        times.push(start.elapsed());
    }
    Ok(times)
}

struct Made {
    seq: u64,
    bytes: Vec<u8>,
    subjects: [SubjectKey; 2],
}

impl Made {
    fn new(seq: u64) -> Made {
        let bytes = format!("{seq:0256}").into_bytes();
        let id = |kind: &str, n: u64| SubjectKey::new(format!("{kind}_{:026x}", u128::from(n.wrapping_mul(SPREAD))));
        let short = "an id has 30 bytes";
        let subjects = [id("per", seq % 1000).expect(short), id("ses", seq / 20).expect(short)];
        Made { seq, bytes, subjects }
    }

    fn entry(&self, subjects: usize) -> NewEntry<'_> {
        let kind = KINDS[self.seq as usize % KINDS.len()];
        NewEntry { bytes: &self.bytes, time_us: self.seq as i64, kind, subjects: &self.subjects[..subjects] }
    }
}

fn syncs_per_second(dir: &Path) -> Outcome<f64> {
    let file = OpenOptions::new().create_new(true).write(true).open(dir.join("probe"))?;
    file.write_all_at(&[0; 4096 * PROBE_PAGES as usize], 0)?;
    file.sync_all()?;
    let (began, mut syncs) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(1) {
        file.write_all_at(&[1; 4096], syncs % PROBE_PAGES * 4096)?;
        file.sync_data()?;
        syncs += 1;
    }
    Ok(syncs as f64 / began.elapsed().as_secs_f64())
}

const SECONDS: u64 = 5;
const PROBE_PAGES: u64 = 64;
/// Odd, so that neighbours in time lie far apart in the index, as ids do.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
const KINDS: [&str; 8] = [
    "request.filed",
    "request.approved",
    "grant.ended",
    "session.opened",
    "session.anchored",
    "session.closed",
    "policy.changed",
    "person.created",
];
