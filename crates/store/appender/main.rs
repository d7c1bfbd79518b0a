//! Follows the tests' plan from wherever the ledger stands, and says what was acknowledged, a line each, as soon as it
//! was: `store-appender DIR BATCHES WAL_PAGES INDEX_EVERY close|crash`. At the end it closes the ledger or just leaves.
#![expect(clippy::print_stdout, reason = "its lines are what the tests hold it to")]

#[path = "../tests/plan/mod.rs"]
mod plan;

use std::error::Error;

use plan::{Batch, PlannedEntry};
use store::{Beside, Options, Store, StoreError};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, batches, wal_pages, index_every, end] = &arguments[..] else {
        return Err("usage: store-appender DIR BATCHES WAL_PAGES INDEX_EVERY close|crash".into());
    };
    let options = Options { wal_pages: wal_pages.parse()?, max_pages: None, index_every: index_every.parse()? };
    let mut left: u32 = batches.parse()?;
    while left > 0 {
        match follow(dir, &options, &mut left, end) {
            Ok(()) => {}
            // The disk failed: as the engine would, open again and see what is there.
            Err(error) => {
                println!("failed {error}");
                left -= 1;
            }
        }
    }
    Ok(())
}

fn follow(dir: &str, options: &Options, left: &mut u32, end: &str) -> Result<(), StoreError> {
    let (mut store, _) = Store::open_with(dir, options)?;
    let size = store.head().size();
    println!("opened {size}");
    let ahead = plan::batches().skip_while(|batch| batch.first < size);
    for batch in ahead.take(*left as usize) {
        perform(&mut store, &batch)?;
        *left -= 1;
    }
    match end {
        "close" => Ok(()),
        _ => leave_without_closing(),
    }
}

#[expect(clippy::exit, reason = "nothing may run after it, as in a crash")]
fn leave_without_closing() -> Result<(), StoreError> {
    std::process::exit(0)
}

fn perform(store: &mut Store, batch: &Batch) -> Result<(), StoreError> {
    append(store, batch)?;
    println!("head {}", batch.end());
    if let Some(blob) = batch.erases() {
        store.erase_blobs(&[blob.key()])?;
        println!("erased {}", blob.batch);
    }
    if batch.is_checkpointed() {
        store.put_checkpoint(&plan::checkpoint(store.head().frontier.head()))?;
        println!("checkpoint {}", batch.end());
    }
    if batch.is_snapshotted() {
        store.snapshots().put(plan::FOLD, batch.end(), &plan::snapshot(batch.end()))?;
        println!("snapshot {}", batch.end());
    }
    Ok(())
}

fn append(store: &mut Store, batch: &Batch) -> Result<(), StoreError> {
    let made: Vec<PlannedEntry> = (batch.first..batch.end()).map(PlannedEntry::at).collect();
    let entries: Vec<_> = made.iter().map(PlannedEntry::entry).collect();
    let sealed = batch.blob().map(|blob| (blob.key(), blob.owner(), blob.bytes()));
    let beside = sealed.as_ref().map(|(key, owner, bytes)| Beside { key: *key, owner, purpose: "opening", bytes });
    store.append(batch.first, &entries, beside.as_slice())?;
    Ok(())
}
