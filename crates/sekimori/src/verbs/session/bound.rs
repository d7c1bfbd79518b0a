//! How far the ledger binds a recording: its points under anchors, its end, and the file held against both. Needs no key.

use std::path::Path;
use std::time::Duration;

use domain::event::{Event, SessionEnding};
use domain::{Entry, SessionId, Timestamp};
use ledger::Hash;
use recorder::{Error, Point, State, Structure, structure_of};
use serde::Serialize;
use tegata::anchors::AnchorProof;

use super::fetch::fails;
use crate::failure::{Failure, Outcome};

/// A point of the recording that an entry of the ledger binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) seq: u64,
    pub(super) at: Timestamp,
    point: Point,
}

/// Whose word the recording's end rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum End {
    /// The gateway told it, and the entry holds it.
    Gateway,
    /// The gateway was lost; engine wrote down what it then found in the file.
    FoundAfterwards,
    /// The session lives, or its end says nothing of the recording.
    Silent,
}

/// What was found without a key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Binding {
    pub(super) structure: Structure,
    /// It has its last chunk, and whoever ended it says that no frame was lost before.
    pub(super) whole: bool,
    pub(super) anchors: usize,
    /// The last point that an anchor binds.
    pub(super) last: Option<Bound>,
    pub(super) end: End,
}

impl Bound {
    /// Whether the entry, which the caller knows to stand in the ledger or has to say that it does not, binds the point.
    pub(super) fn of(session: SessionId, proof: &AnchorProof, entry: &Entry) -> Outcome<Self> {
        let checked = proof.check(&session, entry);
        checked.map_err(|why| Failure::AnchorFails { session: session.to_string(), why: why.to_string() })?;
        let point = Point { chunks: proof.chunks, chain: proof.chain };
        Ok(Self { seq: proof.seq, at: entry.time, point })
    }

    pub(super) const fn chunks(&self) -> u64 {
        self.point.chunks
    }

    /// How long after the recording began the entry was written.
    pub(super) fn after_start(&self, started_us: i64) -> Duration {
        Duration::from_micros(u64::try_from(self.at.micros().saturating_sub(started_us)).unwrap_or(0))
    }
}

/// The header's hash, where the entry opens what is recorded under this session's name: a session, or an errand.
pub(super) fn header_in(event: &Event, session: SessionId) -> Option<Hash> {
    match event {
        Event::SessionOpened(fact) if fact.session == session => Some(fact.recording),
        Event::ErrandOpened(fact) => fact.recorded.filter(|r| r.session == session).map(|r| r.header),
        _ => None,
    }
}

/// What the entry that ended it says of its recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ended {
    chunks: u64,
    chain: Hash,
    complete: bool,
    found_afterwards: bool,
}

pub(super) fn end_in(event: &Event, session: SessionId) -> Option<Ended> {
    match event {
        Event::SessionEnded(fact) if fact.session == session => Some(Ended {
            chunks: fact.chunks,
            chain: fact.chain,
            complete: fact.complete,
            found_afterwards: fact.ending == SessionEnding::GatewayLost,
        }),
        Event::ErrandEnded(fact) => {
            let recorded = fact.recorded.filter(|recorded| recorded.session == session)?;
            let (chunks, chain, complete) = (recorded.chunks, recorded.chain, recorded.complete);
            Some(Ended { chunks, chain, complete, found_afterwards: false })
        }
        _ => None,
    }
}

/// Holds the file against everything that the ledger says of it. `bounds`: oldest first.
pub(super) fn bind(session: SessionId, file: &Path, bounds: &[Bound], ended: Option<Ended>) -> Outcome<Binding> {
    let points: Vec<Point> = bounds.iter().map(|bound| bound.point).collect();
    let structure = structure_of(file, &points).map_err(|error| named(session, &error, bounds))?;
    let last = bounds.iter().max_by_key(|bound| bound.chunks()).copied();
    let end = match ended {
        Some(ended) if ended.complete || ended.chunks > 0 => {
            if ended.chunks != structure.chunks || ended.chain != structure.chain {
                let bound = last.map_or(0, |bound| bound.chunks()).to_string();
                return Err(Failure::RecordingEndDiffers { session: session.to_string(), bound });
            }
            if ended.found_afterwards { End::FoundAfterwards } else { End::Gateway }
        }
        Some(_) | None => End::Silent,
    };
    let whole = structure.state == State::Closed && ended.is_some_and(|ended| ended.complete);
    Ok(Binding { structure, whole, anchors: bounds.len(), last, end })
}

/// Which part is not what it was, between the last anchor that agrees and the first that does not.
fn named(session: SessionId, error: &Error, bounds: &[Bound]) -> Failure {
    let name = session.to_string();
    match error {
        Error::AnchorDiffers { chunk } => {
            let before = bounds.iter().map(Bound::chunks).filter(|chunks| chunks < chunk).max().unwrap_or(0);
            let Some(bound) = bounds.iter().find(|bound| bound.chunks() == *chunk) else {
                return fails(session, error);
            };
            let (first, last) = ((before + 1).to_string(), chunk.to_string());
            Failure::RecordingPartChanged {
                session: name,
                first,
                last,
                seq: bound.seq.to_string(),
                time: bound.at.to_string(),
            }
        }
        Error::TruncatedAt { chunk } => {
            let Some(bound) = bounds.iter().find(|bound| bound.chunks() >= *chunk) else {
                return fails(session, error);
            };
            let (chunks, binds) = ((chunk - 1).to_string(), bound.chunks().to_string());
            Failure::RecordingCut { session: name, chunks, bound: binds, seq: bound.seq.to_string() }
        }
        other => fails(session, other),
    }
}
