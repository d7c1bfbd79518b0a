//! The same trees and proofs by an implementation that shares no code with ours.

use ct_merkle::RootHash;
use ct_merkle::digest::Output;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ledger::{ConsistencyProof, Hash, InclusionProof, MemoryTree, TreeHead};
use proptest::prelude::*;
use sha2::Sha256;

use crate::{entry, leaf, tree_of};

/// The same tree twice, ours and theirs.
struct Pair {
    ours: MemoryTree,
    theirs: MemoryBackedTree<Sha256, [u8; 8]>,
}

impl Pair {
    fn of(size: u64) -> Pair {
        let mut theirs = MemoryBackedTree::new();
        (0..size).for_each(|n| theirs.push(entry(n)));
        Pair { ours: tree_of(size), theirs }
    }

    fn check_root(&self) {
        assert_eq!(self.ours.root().as_bytes()[..], self.theirs.root().as_bytes()[..], "size {}", self.ours.size());
    }

    fn check_inclusion(&self, index: u64) {
        let head = self.ours.head();
        let proof = InclusionProof::make(&self.ours, index, head.size).unwrap();
        assert_eq!(bytes(&proof.path), self.theirs.prove_inclusion(index as usize).as_bytes());
        assert_eq!(proof.verify(leaf(index), &head), Ok(()));
        let digests = digests(&proof.path);
        let proof = ct_merkle::InclusionProof::<Sha256>::from_digests(&digests);
        root(&head).verify_inclusion(&entry(index), index, &proof).unwrap();
    }

    fn check_consistency(&self, old: u64) {
        let (old, new) = (self.ours.head_at(old).unwrap(), self.ours.head());
        let proof = ConsistencyProof::make(&self.ours, old.size, new.size).unwrap();
        if old.size < new.size {
            assert_eq!(bytes(&proof.path), self.theirs.prove_consistency((new.size - old.size) as usize).as_bytes());
        }
        assert_eq!(proof.verify(&old, &new), Ok(()));
        let digests = digests(&proof.path);
        let proof = ct_merkle::ConsistencyProof::<Sha256>::from_digests(&digests);
        root(&new).verify_consistency(&root(&old), &proof).unwrap();
    }
}

fn bytes(path: &[Hash]) -> Vec<u8> {
    path.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

fn digests(path: &[Hash]) -> Vec<Output<Sha256>> {
    path.iter().map(|hash| (*hash.as_bytes()).into()).collect()
}

fn root(head: &TreeHead) -> RootHash<Sha256> {
    RootHash::new((*head.root.as_bytes()).into(), head.size)
}

#[test]
fn trees_at_and_around_powers_of_two_agree() {
    for size in [0, 1, 2, 3, 4, 5, 255, 256, 257, 65_535, 65_536, 65_537] {
        let pair = Pair::of(size);
        pair.check_root();
        let indices = [0, 1, size / 2, size.saturating_sub(2), size.saturating_sub(1)];
        indices.into_iter().filter(|&index| index < size).for_each(|index| pair.check_inclusion(index));
        let olds = [1, 2, size / 2, size.saturating_sub(1), size];
        olds.into_iter().filter(|old| (1..=size).contains(old)).for_each(|old| pair.check_consistency(old));
    }
}

#[test]
fn every_proof_of_every_small_tree_agrees() {
    for size in 1..=70 {
        let pair = Pair::of(size);
        pair.check_root();
        (0..size).for_each(|index| pair.check_inclusion(index));
        (1..=size).for_each(|old| pair.check_consistency(old));
    }
}

proptest! {
    #[test]
    fn proofs_of_any_tree_agree((size, at) in (1_u64..3_000).prop_flat_map(|size| (Just(size), 0..size))) {
        let pair = Pair::of(size);
        pair.check_root();
        pair.check_inclusion(at);
        pair.check_consistency(at + 1);
    }
}
