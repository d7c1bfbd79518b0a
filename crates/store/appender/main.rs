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
        let Some(mut store) = say_failure(open(dir, &options), &mut left) else { continue };
        while left > 0 {
            match perform(&mut store) {
                Ok(()) => left -= 1,
                // The store goes on as soon as there is room.
                Err(StoreError::Full) => {
                    say_failure(Err::<(), _>(StoreError::Full), &mut left);
                    drop_ballast(dir);
                }
                // As the engine would: open again, and see what is there.
                Err(error) => {
                    say_failure(Err::<(), _>(error), &mut left);
                    break;
                }
            }
        }
        if left == 0 && end == "crash" {
            leave_without_closing();
        }
    }
    Ok(())
}

fn open(dir: &str, options: &Options) -> Result<Store, StoreError> {
    let (store, _) = Store::open_with(dir, options)?;
    println!("opened {}", store.head().size());
    Ok(store)
}

/// A failure counts as a step, so that a disk that stays broken ends the run.
fn say_failure<T>(outcome: Result<T, StoreError>, left: &mut u32) -> Option<T> {
    outcome
        .inspect_err(|error| {
            println!("failed {error}");
            *left -= 1;
        })
        .ok()
}

/// A test that fills the disk puts a file beside the ledger whose removal makes room.
fn drop_ballast(dir: &str) {
    if std::fs::remove_file(format!("{dir}.ballast")).is_ok() {
        println!("failed and made room");
    }
}

#[expect(clippy::exit, reason = "nothing may run after it, as in a crash")]
fn leave_without_closing() {
    std::process::exit(0)
}

fn perform(store: &mut Store) -> Result<(), StoreError> {
    let size = store.head().size();
    let batch = plan::batches().find(|batch| batch.first >= size).expect("the plan has no end");
    append(store, &batch)?;
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
