//! Anchors: one root over what all live recordings have come to, with the leaves kept beside it, and each recording's way to its roots.
//!
//! The leaves are written in the transaction of the entry that holds their root, under the root's own name: there is no moment at which one of
//! both is there alone, and nothing but the writer puts them there.

use std::collections::BTreeMap;
use std::sync::Arc;

use channel::api::{AnchorView, View};
use channel::front::Anchor;
use domain::event::{Attempt, Event, RecordingAnchored};
use domain::{Actor, Entry, Refusal, SessionId, State, Timestamp};
use ledger::{Hash, InclusionProof, MemoryTree};
use sshwire::Fingerprint;
use store::{Blob, BlobKey, Order};
use tegata::anchors::{leaf, leaf_text};

use crate::engine::{Engine, unavailable};
use crate::writer::{Draft, Repeat, Sealed};

/// Recordings under one root: about 100 bytes each are kept beside it. More live ones take several entries.
const MOST_ANCHORED: usize = 8_192;
/// Anchor entries looked through for one answer.
const PAGE: usize = 200;

/// A live recording's point.
type Point = (SessionId, Anchor);

impl Engine {
    /// Merkle roots over all live recordings, in the order of their session ids.
    pub(crate) async fn anchor(self: &Arc<Self>, recordings: BTreeMap<SessionId, Anchor>) -> Result<(), Refusal> {
        let points: Vec<Point> = recordings.into_iter().collect();
        for points in points.chunks(MOST_ANCHORED) {
            let draft = draft(points);
            let make = Box::new(move |_: &State, _: Timestamp| Ok(draft));
            self.writer.propose(Attempt::Passage, Actor::Engine, make).await?;
        }
        Ok(())
    }

    /// The proofs of a recording's points under the anchors from entry `from` on, for whoever may read the recording.
    pub(crate) fn anchors_of(
        &self,
        session: &SessionId,
        permit: u64,
        from: u64,
        key: &Fingerprint,
    ) -> Result<View, Refusal> {
        self.permitted(session, permit, key)?;
        let reading = |e: store::StoreError| unavailable("reading the ledger", &e);
        let opened = self.session_entry(session)?;
        let range = opened.max(from)..self.end_entry(session)?;
        let page = self.reader.by_kind("recording.anchored", range, Order::OldestFirst, PAGE).map_err(reading)?;
        let next = page.last().filter(|_| page.len() == PAGE).map(|last| last.seq.saturating_add(1));
        let mut anchors = Vec::new();
        for stored in page {
            let entry = Entry::decode(&stored.bytes).map_err(|e| unavailable("reading an anchor", &e))?;
            let Event::RecordingAnchored(anchored) = &entry.event else { continue };
            let blob = self.reader.blob(&blob_key(&anchored.root)).map_err(reading)?;
            let Some(Blob::Sealed(leaves)) = blob else { continue };
            let Some((chunks, chain, proof)) = prove(session, &leaves) else { continue };
            let bytes = String::from_utf8(stored.bytes).map_err(|e| unavailable("reading an anchor", &e))?;
            anchors.push(AnchorView { seq: stored.seq, bytes, chunks, chain, proof });
        }
        Ok(View::Anchors { anchors, next })
    }

    /// The number of the entry that ended the session; beyond all where none did.
    fn end_entry(&self, session: &SessionId) -> Result<u64, Refusal> {
        let is_end = |event: &Event| match event {
            Event::SessionEnded(fact) => fact.session == *session,
            Event::ErrandEnded(fact) => fact.recorded.is_some_and(|recorded| recorded.session == *session),
            _ => false,
        };
        let ended = self.first_about(session, &["session.ended", "errand.ended"], is_end)?;
        Ok(ended.map_or(u64::MAX, |entry| entry.seq))
    }
}

/// The entry and its leaves. Recordings in which nothing moved give the same root again, whose leaves are there already.
fn draft(points: &[Point]) -> Draft {
    let tree: MemoryTree = points.iter().map(|(session, at)| leaf(session, at.chunks, &at.chain)).collect();
    let root = tree.root();
    let leaves: String = points.iter().map(|(session, at)| leaf_text(session, at.chunks, &at.chain) + "\n").collect();
    let kept = Sealed {
        key: blob_key(&root),
        owner: "installation".into(),
        purpose: "anchor",
        bytes: Arc::new(leaves.into_bytes()),
        repeat: Repeat::KeptOnce,
    };
    let recordings = u32::try_from(points.len()).expect("there are at most MOST_ANCHORED");
    let event = Event::RecordingAnchored(RecordingAnchored { root, recordings });
    Draft { event, actor: Actor::Engine, cause: None, beside: vec![kept] }
}

fn blob_key(root: &Hash) -> BlobKey {
    BlobKey::new([b"anchor/", root.as_bytes().as_slice()].concat()).expect("shorter than a key may be")
}

/// The session's point among the leaves, and the proof for it.
fn prove(session: &SessionId, leaves: &[u8]) -> Option<(u64, Hash, InclusionProof)> {
    let lines: Vec<&str> = std::str::from_utf8(leaves).ok()?.lines().collect();
    let name = session.to_string();
    let is_its = |line: &&str| line.strip_prefix(&name).is_some_and(|rest| rest.starts_with(' '));
    let place = lines.iter().position(is_its)?;
    let mut words = lines.get(place)?.split(' ').skip(1);
    let (chunks, chain) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let tree: MemoryTree = lines.iter().map(|line| ledger::leaf_hash(line.as_bytes())).collect();
    let proof = InclusionProof::make(&tree, place as u64, tree.size()).ok()?;
    Some((chunks, chain, proof))
}

#[cfg(test)]
mod tests {
    use ledger::TreeHead;

    use super::*;

    #[test]
    fn every_live_recording_has_its_proof_under_the_root() {
        let session = |n: u8| SessionId::from_random([n; 16]);
        let points: Vec<Point> =
            (0..9_u8).map(|n| (session(n), Anchor { chunks: u64::from(n), chain: Hash::of(&[n]) })).collect();
        let draft = draft(&points);
        let Event::RecordingAnchored(anchored) = &draft.event else { panic!() };
        let head = TreeHead { size: anchored.recordings.into(), root: anchored.root };
        for (session, at) in &points {
            let (chunks, chain, proof) = prove(session, &draft.beside[0].bytes).expect("it was live");
            assert_eq!((chunks, chain), (at.chunks, at.chain));
            proof.verify(leaf(session, chunks, &chain), &head).unwrap();
        }
        assert!(prove(&session(200), &draft.beside[0].bytes).is_none());
    }

    #[test]
    fn as_many_as_go_under_one_root_fit_a_blob() {
        let longest = leaf_text(&SessionId::from_random([9; 16]), u64::MAX, &Hash::of(b"")).len() + 1;
        assert!(longest * MOST_ANCHORED <= store::MAX_BLOB);
    }
}
