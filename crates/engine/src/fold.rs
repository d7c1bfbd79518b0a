//! The fold: from a snapshot that the ledger confirms, or from the first entry on; with every signature checked when asked.

use std::ops::Range;

use domain::event::Event;
use domain::state::FOLD_VERSION;
use domain::{Entry, State};
use store::{Order, Reader, Snapshots, StoreError};

#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    #[error("ledger could not be read: {0}")]
    Store(#[from] StoreError),
    /// An event kind that this version does not know stops it.
    #[error("entry {seq}: {why}")]
    Entry { seq: u64, why: domain::entry::EntryError },
    #[error(transparent)]
    Step(#[from] tegata::replay::StepFault),
    #[error("the entry at place {place} says it is number {said}")]
    Place { place: u64, said: u64 },
}

/// The state at the head, as fast as it can be had.
pub fn start(reader: &Reader, snapshots: &Snapshots) -> Result<State, FoldError> {
    let mut state = confirmed(reader, snapshots)?.unwrap_or_default();
    let from = state.journal.size;
    over(reader, from..u64::MAX, |entry| {
        state.apply(entry);
        Ok(())
    })?;
    Ok(state)
}

/// The newest whole snapshot that an entry confirms: one whose entry was not written before a crash is passed over for the one before it.
fn confirmed(reader: &Reader, snapshots: &Snapshots) -> Result<Option<State>, FoldError> {
    let claims = reader.by_kind("snapshot.taken", 0..u64::MAX, Order::NewestFirst, CLAIMS)?;
    let claims: Vec<_> = claims
        .iter()
        .filter_map(|stored| match Entry::decode(&stored.bytes).ok()?.event {
            Event::SnapshotTaken(taken) => (taken.fold == FOLD_VERSION).then_some((taken.size, taken.hash)),
            _ => None,
        })
        .collect();
    let found = snapshots.newest_that(FOLD_VERSION, |snapshot| claims.contains(&(snapshot.size, snapshot.hash)))?;
    for passed in &found.passed_over {
        tracing::warn!(size = passed.size, why = passed.why, "a snapshot is not used");
    }
    let Some(snapshot) = found.found else { return Ok(None) };
    match serde_json::from_slice::<State>(&snapshot.bytes) {
        Ok(state) if state.journal.size == snapshot.size => Ok(Some(state)),
        _ => Ok(None),
    }
}

/// Confirmations looked at; more than snapshots are kept.
const CLAIMS: usize = 16;

/// The full fold of the first `size` entries, from nothing.
pub fn full(reader: &Reader, size: u64) -> Result<State, FoldError> {
    let mut state = State::default();
    over(reader, 0..size, |entry| {
        state.apply(entry);
        Ok(())
    })?;
    Ok(state)
}

/// As [`full`], with every signature and rule checked again on the way.
pub fn verified(reader: &Reader, size: u64) -> Result<State, FoldError> {
    let mut state = State::default();
    over(reader, 0..size, |entry| {
        tegata::replay::step(&mut state, entry)?;
        Ok(())
    })?;
    Ok(state)
}

fn over(
    reader: &Reader,
    range: Range<u64>,
    mut step: impl FnMut(&Entry) -> Result<(), FoldError>,
) -> Result<(), FoldError> {
    for stored in reader.read(range) {
        let stored = stored?;
        let entry = Entry::decode(&stored.bytes).map_err(|why| FoldError::Entry { seq: stored.seq, why })?;
        if entry.seq != stored.seq {
            return Err(FoldError::Place { place: stored.seq, said: entry.seq });
        }
        step(&entry)?;
    }
    Ok(())
}
