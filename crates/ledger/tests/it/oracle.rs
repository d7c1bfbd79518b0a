//! The same trees and proofs by an implementation that shares no code with ours.

use ct_merkle::RootHash;
use ct_merkle::digest::Output;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ledger::{ConsistencyProof, Hash, InclusionProof};
use proptest::prelude::*;
use sha2::Sha256;

use crate::{entry, leaf, tree_of};

type Oracle = MemoryBackedTree<Sha256, [u8; 8]>;

fn oracle_of(size: u64) -> Oracle {
    let mut oracle = Oracle::new();
    (0..size).for_each(|n| oracle.push(entry(n)));
    oracle
}

fn theirs(path: &[Hash]) -> Vec<Output<Sha256>> {
    path.iter().map(|hash| (*hash.as_bytes()).into()).collect()
}

fn check_root(size: u64) {
    assert_eq!(tree_of(size).root().as_bytes()[..], oracle_of(size).root().as_bytes()[..], "size {size}");
}

fn check_inclusion(index: u64, size: u64) {
    let (tree, oracle) = (tree_of(size), oracle_of(size));
    let proof = InclusionProof::make(&tree, index, size).unwrap();
    let their_proof = oracle.prove_inclusion(index as usize);
    assert_eq!(proof.path.iter().flat_map(|hash| *hash.as_bytes()).collect::<Vec<u8>>(), their_proof.as_bytes());
    assert_eq!(proof.verify(leaf(index), &tree.head()), Ok(()));
    let ours = ct_merkle::InclusionProof::<Sha256>::from_digests(&theirs(&proof.path));
    RootHash::new((*tree.root().as_bytes()).into(), size).verify_inclusion(&entry(index), index, &ours).unwrap();
}

fn check_consistency(old: u64, new: u64) {
    let (tree, oracle) = (tree_of(new), oracle_of(new));
    let proof = ConsistencyProof::make(&tree, old, new).unwrap();
    let old_head = tree.head_at(old).unwrap();
    assert_eq!(proof.verify(&old_head, &tree.head()), Ok(()));
    let ours = ct_merkle::ConsistencyProof::<Sha256>::from_digests(&theirs(&proof.path));
    let old_root = RootHash::new((*old_head.root.as_bytes()).into(), old);
    RootHash::new((*tree.root().as_bytes()).into(), new).verify_consistency(&old_root, &ours).unwrap();
    if old < new {
        let their_proof = oracle.prove_consistency((new - old) as usize);
        assert_eq!(proof.path.iter().flat_map(|hash| *hash.as_bytes()).collect::<Vec<u8>>(), their_proof.as_bytes());
    }
}

#[test]
fn trees_at_and_around_powers_of_two_agree() {
    for size in [0, 1, 2, 3, 4, 5, 255, 256, 257, 65_535, 65_536, 65_537] {
        check_root(size);
        for index in [0, 1, size / 2, size.saturating_sub(2), size.saturating_sub(1)] {
            if index < size {
                check_inclusion(index, size);
            }
        }
        for old in [1, 2, size / 2, size.saturating_sub(1), size] {
            if (1..=size).contains(&old) {
                check_consistency(old, size);
            }
        }
    }
}

#[test]
fn every_proof_of_every_small_tree_agrees() {
    for size in 1..=40 {
        check_root(size);
        (0..size).for_each(|index| check_inclusion(index, size));
        (1..=size).for_each(|old| check_consistency(old, size));
    }
}

proptest! {
    #[test]
    fn proofs_of_any_tree_agree((size, at) in (1_u64..3_000).prop_flat_map(|size| (Just(size), 0..size))) {
        check_inclusion(at, size);
        check_consistency(at + 1, size);
    }
}
