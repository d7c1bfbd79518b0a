//! The start from a snapshot: only from one that the ledger confirms, whatever else lies beside it.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::time::Duration;

use domain::event::{Event, SnapshotTaken};
use domain::state::FOLD_VERSION;
use domain::{Actor, Entry, State};
use store::{NewEntry, Reader, Store, StoreError};

use crate::passage::scene;

/// A state that no ledger folds to, so that it shows where it was used.
fn marked(state: &State, mark: u64) -> Vec<u8> {
    let mut marked = state.clone();
    marked.passage.next_serial += mark;
    serde_json::to_vec(&marked).unwrap()
}

fn confirm(store: &mut Store, reader: &Reader, size: u64, hash: ledger::Hash) {
    let state = engine::fold::full(reader, u64::MAX).unwrap();
    let time = state.journal.time.unwrap();
    let event = Event::SnapshotTaken(SnapshotTaken { fold: FOLD_VERSION, size, hash });
    let entry = Entry { seq: state.journal.size, time, actor: Actor::Engine, cause: None, event };
    let bytes = entry.encode().unwrap();
    let new = NewEntry { bytes: &bytes, time_us: time.micros(), kind: entry.event.kind(), subjects: &[] };
    store.append(state.journal.size, &[new], &[]).unwrap();
}

/// What engine had under way holds the ledger a moment longer than engine's stop.
async fn reopened(ledger: &std::path::Path) -> (Store, Reader) {
    let opening = async {
        loop {
            match Store::open(ledger) {
                Err(StoreError::InUse { .. }) => tokio::time::sleep(Duration::from_millis(20)).await,
                opened => return opened.unwrap(),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), opening).await.expect("the ledger is let go of")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_no_entry_confirms_is_passed_over_for_one_that_is_confirmed() {
    let s = scene().await;
    s.world.engine.stop().await;
    let (mut store, reader) = reopened(&s.world.dir.path().join("ledger")).await;
    let earlier = engine::fold::full(&reader, u64::MAX).unwrap();
    let serial = earlier.passage.next_serial;
    let start = || engine::fold::start(&reader, &store.snapshots()).unwrap().passage.next_serial;

    let hash = store.snapshots().put(FOLD_VERSION, earlier.journal.size, &marked(&earlier, 1_000)).unwrap();
    assert_eq!(start(), serial, "nothing confirms it yet");
    confirm(&mut store, &reader, earlier.journal.size, hash);
    let start = || engine::fold::start(&reader, &store.snapshots()).unwrap().passage.next_serial;
    assert_eq!(
        start(),
        serial + 1_000,
        "what an entry confirms is begun with; the full fold aside finds what it hides"
    );
    let state = engine::fold::full(&reader, u64::MAX).unwrap();
    store.snapshots().put(FOLD_VERSION, state.journal.size, &marked(&state, 5_000)).unwrap();
    assert_eq!(start(), serial + 1_000, "a crash before the second was confirmed");
}
