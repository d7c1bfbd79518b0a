//! How fast one thread records, for three kinds of bytes, without a disk and with one: `cargo run --release --example throughput`.

#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a measurement takes time and prints it")]

use std::{
    env, io,
    sync::Arc,
    time::{Duration, Instant},
};

use envelope::OpeningKey;
use recorder::{Direction, Draft, Header, Kind, Reader, Recipients, SessionKey, Sink, Writer};

/// What an SSH packet brings.
const FRAME: usize = 32 * 1024;
const TOTAL: usize = 512 << 20;

#[derive(Debug)]
struct Nowhere;

impl Sink for Nowhere {
    fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keeper = OpeningKey::generate();
    let recipients = Recipients::new(keeper.sealing_key().clone());
    for (name, bytes) in [("zeros", vec![0; 8 << 20]), ("text", text(8 << 20)), ("random", random(8 << 20)?)] {
        let writer = draft(&recipients)?.into_writer(Arc::new(Nowhere));
        report(name, "no disk", record(writer, &bytes)?);

        let dir = env::temp_dir().join(format!("sekimori-throughput-{}", std::process::id()));
        std::fs::create_dir(&dir)?;
        let elapsed = record(draft(&recipients)?.create(&dir)?, &bytes)?;
        report(name, "disk, synced each second", elapsed);
        let path = dir.join("ses_throughput.skmrec");
        println!("{name:>8}  {:<26} {:>8.1} %", "size on disk", size_percent(&path)?);
        report(name, "read back", read(&path, &keeper)?);
        std::fs::remove_dir_all(&dir)?;
    }
    Ok(())
}

fn draft(recipients: &Recipients) -> recorder::Result<Draft> {
    Draft::new("ses_throughput".into(), "bench.example".into(), 0, recipients)
}

fn record(mut writer: Writer, bytes: &[u8]) -> recorder::Result<Duration> {
    let start = Instant::now();
    let mut synced = start;
    for frame in bytes.chunks(FRAME).cycle().take(TOTAL / FRAME) {
        let _status = writer.frame(Kind::Data, 1, Direction::Out, start.elapsed(), frame)?;
        if synced.elapsed() > Duration::from_secs(1) {
            writer.sync()?;
            synced = Instant::now();
        }
    }
    let elapsed = start.elapsed();
    writer.close(elapsed)?;
    Ok(elapsed)
}

fn read(path: &std::path::Path, keeper: &OpeningKey) -> recorder::Result<Duration> {
    let key = SessionKey::open_with_keeper(&Header::of(path)?, keeper)?;
    let start = Instant::now();
    let mut reader = Reader::open(path, &key)?;
    while reader.next_frame()?.is_some() {}
    Ok(start.elapsed())
}

fn report(name: &str, how: &str, elapsed: Duration) {
    println!("{name:>8}  {how:<26} {:>8.0} MiB/s", TOTAL as f64 / f64::from(1 << 20) / elapsed.as_secs_f64());
}

fn size_percent(path: &std::path::Path) -> io::Result<f64> {
    Ok(std::fs::metadata(path)?.len() as f64 / TOTAL as f64 * 100.0)
}

/// Like a listing: words that come again, numbers that do not.
fn text(len: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut text = Vec::with_capacity(len + 100);
    while text.len() < len {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let line =
            format!("-rw-r--r-- 1 root root {:>8} Nov 23 00:43 /var/log/service-{:x}.log\n", state >> 8, state >> 20);
        text.extend_from_slice(line.as_bytes());
    }
    text
}

fn random(len: usize) -> Result<Vec<u8>, aws_lc_rs::error::Unspecified> {
    let mut bytes = vec![0; len];
    aws_lc_rs::rand::fill(&mut bytes)?;
    Ok(bytes)
}
