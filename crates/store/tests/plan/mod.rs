//! What the appender writes, batch by batch: a function of the batch's number, so that whoever finds the ledger later
//! knows what must be in it.
#![allow(dead_code, reason = "each test file uses its part")]

use ledger::{Checkpoint, Ed25519Signer, KeyName, SignedCheckpoint, TreeHead};
use store::{BlobKey, NewEntry, SubjectKey};

/// A batch of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Batch {
    /// Its number, from 0.
    pub(crate) number: u64,
    /// Place of its first entry.
    pub(crate) first: u64,
    /// How many entries it has.
    pub(crate) len: u64,
}

impl Batch {
    /// The batch after this one.
    pub(crate) fn next(&self) -> Batch {
        let number = self.number + 1;
        Batch { number, first: self.end(), len: 1 + mix(number) % 5 }
    }

    /// The head once it is there.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.len
    }

    /// The blob that comes with it.
    pub(crate) fn blob(&self) -> Option<PlannedBlob> {
        self.number.is_multiple_of(3).then_some(PlannedBlob { batch: self.number })
    }

    /// The blob that is erased after it.
    pub(crate) fn erases(&self) -> Option<PlannedBlob> {
        let batch = self.number.checked_sub(4)?;
        batch.is_multiple_of(6).then_some(PlannedBlob { batch })
    }

    /// Whether a checkpoint is put after it.
    pub(crate) fn is_checkpointed(&self) -> bool {
        self.number % 4 == 3
    }

    /// Whether a snapshot is put after it.
    pub(crate) fn is_snapshotted(&self) -> bool {
        self.number % 10 == 7
    }
}

/// All batches in order.
pub(crate) fn batches() -> impl Iterator<Item = Batch> {
    std::iter::successors(Some(Batch { number: 0, first: 0, len: 1 }), |batch| Some(batch.next()))
}

/// An entry of the plan.
pub(crate) struct PlannedEntry {
    /// Its place.
    pub(crate) seq: u64,
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// Its subjects.
    pub(crate) subjects: [SubjectKey; 2],
}

impl PlannedEntry {
    /// The entry at a place.
    pub(crate) fn at(seq: u64) -> PlannedEntry {
        PlannedEntry { seq, bytes: noise(seq, entry_len(seq)), subjects: [session_of(seq), person_of(seq)] }
    }

    /// As it is appended.
    pub(crate) fn entry(&self) -> NewEntry<'_> {
        NewEntry { bytes: &self.bytes, time_us: time_of(self.seq), kind: kind_of(self.seq), subjects: &self.subjects }
    }
}

/// Time of an entry: three share one, and a hundred take an hour.
pub(crate) fn time_of(seq: u64) -> i64 {
    (seq / 3) as i64 * 108_000_000
}

/// Kind of an entry.
pub(crate) fn kind_of(seq: u64) -> &'static str {
    ["request.filed", "session.opened", "session.closed"][(seq % 3) as usize]
}

/// Subject that six entries in a row share.
pub(crate) fn session_of(seq: u64) -> SubjectKey {
    SubjectKey::new(format!("ses_{:08x}", mix(seq / 6) as u32)).expect("it is short")
}

/// Subject of one entry in four.
pub(crate) fn person_of(seq: u64) -> SubjectKey {
    SubjectKey::new(format!("per_{}", seq % 4)).expect("it is short")
}

/// Mostly short, sometimes empty, sometimes over several pages.
fn entry_len(seq: u64) -> usize {
    match seq % 23 {
        0 => 0,
        11 => 9_000,
        _ => 40 + (mix(seq) % 300) as usize,
    }
}

/// A blob of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedBlob {
    /// Number of the batch it came with.
    pub(crate) batch: u64,
}

impl PlannedBlob {
    /// What it is called.
    pub(crate) fn key(&self) -> BlobKey {
        BlobKey::new(format!("blob_{}", self.batch)).expect("it is short")
    }

    /// Whose it is.
    pub(crate) fn owner(&self) -> String {
        format!("per_{}", self.batch % 4)
    }

    /// Its bytes, unlike any others.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        noise(!self.batch, if self.batch % 4 == 2 { 9_500 } else { 200 })
    }
}

/// The content of the snapshot at a size.
pub(crate) fn snapshot(size: u64) -> Vec<u8> {
    noise(size ^ 0x5a5a, 3_000)
}

/// Version of the fold that the plan's snapshots are of.
pub(crate) const FOLD: u32 = 1;

/// The checkpoint at a head.
pub(crate) fn checkpoint(head: TreeHead) -> SignedCheckpoint {
    let origin = "ledger.example/test";
    let name: KeyName = origin.parse().expect("it is a name");
    let checkpoint = Checkpoint { origin: origin.parse().expect("it is an origin"), size: head.size, root: head.root };
    checkpoint.sign(&Ed25519Signer::from_seed(name, &[7; 32])).expect("the key is of that log")
}

/// Bytes that look random and are the same for the same seed (SplitMix64).
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let words = (0..).map(|n: u64| mix(seed.wrapping_mul(0x1_0001).wrapping_add(n)));
    words.flat_map(u64::to_le_bytes).take(len).collect()
}

/// One step of SplitMix64.
pub(crate) fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
