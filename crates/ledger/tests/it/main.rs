//! The crate as its users see it: known vectors, properties, an independent implementation beside it, hostile input.
#![expect(clippy::unwrap_used, reason = "an unwrap that fails is the test failing")]

mod hostile;
mod notes;
mod oracle;
mod policy;
mod proofs;
mod tiles;
mod vectors;

use ledger::{Checkpoint, Ed25519Cosigner, Ed25519Signer, Hash, MemoryTree, SignedCheckpoint, leaf_hash};

const ORIGIN: &str = "log.example/tokyo";

/// Entry `n` of the trees in these tests; all are different.
fn entry(n: u64) -> [u8; 8] {
    n.to_be_bytes()
}

fn leaf(n: u64) -> Hash {
    leaf_hash(&entry(n))
}

fn tree_of(size: u64) -> MemoryTree {
    (0..size).map(leaf).collect()
}

/// A key for tests: its secret is this byte, thirty-two times.
fn log_signer(name: &str, seed: u8) -> Ed25519Signer {
    Ed25519Signer::from_seed(name.parse().unwrap(), &[seed; 32])
}

fn witness(name: &str, seed: u8) -> Ed25519Cosigner {
    Ed25519Cosigner::from_seed(name.parse().unwrap(), &[seed; 32])
}

fn checkpoint_of(tree: &MemoryTree) -> Checkpoint {
    Checkpoint { origin: ORIGIN.parse().unwrap(), size: tree.size(), root: tree.root() }
}

fn signed_head_of(tree: &MemoryTree) -> SignedCheckpoint {
    checkpoint_of(tree).sign(&log_signer(ORIGIN, 1)).unwrap()
}
