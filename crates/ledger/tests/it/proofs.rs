//! Every proof that is made verifies; every other one fails.

use ledger::{
    ConsistencyProof, Error, Frontier, Hash, InclusionProof, MAX_SIZE, MemoryTree, MultiProof, Nodes, TreeHead,
    leaf_hash, node_hash, root_of,
};
use proptest::prelude::*;

use crate::{leaf, tree_of};

const EDGES: [u64; 12] = [0, 1, 2, 3, 7, 8, 9, 255, 256, 257, 511, 512];

/// A size that is often at an edge.
fn size() -> impl Strategy<Value = u64> {
    prop_oneof![prop::sample::select(EDGES.to_vec()), 0..1_500_u64]
}

fn index_and_size() -> impl Strategy<Value = (u64, u64)> {
    size().prop_map(|size| size.max(1)).prop_flat_map(|size| (0..size, Just(size)))
}

fn old_and_new() -> impl Strategy<Value = (u64, u64)> {
    size().prop_flat_map(|new| (prop_oneof![Just(new), 0..=new], Just(new)))
}

/// Changes one bit of a hash.
fn spoil(hash: &mut Hash, bit: u8) {
    let mut bytes = *hash.as_bytes();
    bytes[usize::from(bit / 8)] ^= 1 << (bit % 8);
    *hash = Hash::from_bytes(bytes);
}

/// Ways of breaking a list of hashes, each giving another list.
fn broken_paths(path: &[Hash], at: usize, bit: u8) -> Vec<Vec<Hash>> {
    let mut ways = vec![[path, &[leaf(7)]].concat(), [&[leaf(7)], path].concat()];
    if let Some(last) = path.len().checked_sub(1) {
        let at = at % path.len();
        let mut changed = path.to_vec();
        spoil(&mut changed[at], bit);
        let mut doubled = path.to_vec();
        doubled.insert(at, path[at]);
        ways.extend([changed, doubled, path[..last].to_vec(), path[1..].to_vec()]);
        if last > 0 {
            let mut swapped = path.to_vec();
            swapped.swap(at, (at + 1) % path.len());
            ways.push(swapped);
        }
    }
    ways
}

proptest! {
    #[test]
    fn an_inclusion_proof_verifies_and_no_changed_one_does(
        (index, size) in index_and_size(), at: usize, bit: u8, other in 0..2_000_u64,
    ) {
        let tree = tree_of(size);
        let head = tree.head();
        let proof = InclusionProof::make(&tree, index, size).unwrap();
        assert_eq!(proof.verify(leaf(index), &head), Ok(()));

        for path in broken_paths(&proof.path, at, bit) {
            assert!(InclusionProof { path, ..proof.clone() }.verify(leaf(index), &head).is_err());
        }
        if other != index {
            assert!(InclusionProof { index: other, ..proof.clone() }.verify(leaf(index), &head).is_err());
            assert!(proof.verify(leaf(other), &head).is_err());
        }
        if other != size {
            assert!(InclusionProof { size: other, ..proof.clone() }.verify(leaf(index), &head).is_err());
            let other_head = TreeHead { size: other, root: tree_of(other).root() };
            assert!(InclusionProof { size: other, ..proof.clone() }.verify(leaf(index), &other_head).is_err());
        }
        let mut wrong_root = head;
        spoil(&mut wrong_root.root, bit);
        assert!(proof.verify(leaf(index), &wrong_root).is_err());
        let mut wrong_leaf = leaf(index);
        spoil(&mut wrong_leaf, bit);
        assert!(proof.verify(wrong_leaf, &head).is_err());
    }

    #[test]
    fn a_consistency_proof_verifies_and_no_changed_one_does(
        (old, new) in old_and_new(), at: usize, bit: u8, other in 0..2_000_u64,
    ) {
        let tree = tree_of(new);
        let (old_head, new_head) = (tree.head_at(old).unwrap(), tree.head());
        let proof = ConsistencyProof::make(&tree, old, new).unwrap();
        assert_eq!(proof.verify(&old_head, &new_head), Ok(()));

        for path in broken_paths(&proof.path, at, bit) {
            assert!(ConsistencyProof { path, ..proof.clone() }.verify(&old_head, &new_head).is_err());
        }
        if other != old {
            assert!(ConsistencyProof { old: other, ..proof.clone() }.verify(&old_head, &new_head).is_err());
        }
        if other != new {
            assert!(ConsistencyProof { new: other, ..proof.clone() }.verify(&old_head, &new_head).is_err());
        }
        let (mut wrong_old, mut wrong_new) = (old_head, new_head);
        spoil(&mut wrong_old.root, bit);
        spoil(&mut wrong_new.root, bit);
        assert!(proof.verify(&wrong_old, &new_head).is_err());
        // From nothing, any tree may follow.
        if old > 0 {
            assert!(proof.verify(&old_head, &wrong_new).is_err());
        }
    }

    #[test]
    fn a_rewritten_past_is_not_consistent_with_it((old, new) in old_and_new(), at: u64) {
        prop_assume!(old > 0);
        let rewritten: MemoryTree =
            (0..new).map(|n| if n == at % old { leaf_hash(b"rewritten") } else { leaf(n) }).collect();
        let before = tree_of(old).head();
        let proof = ConsistencyProof::make(&rewritten, old, new).unwrap();
        assert!(proof.verify(&before, &rewritten.head()).is_err());
        assert_eq!(proof.verify(&rewritten.head_at(old).unwrap(), &rewritten.head()), Ok(()));
    }

    #[test]
    fn a_shared_proof_says_what_the_single_ones_say(
        (picks, size) in size().prop_map(|size| size.max(1)).prop_flat_map(|size| (prop::collection::btree_set(0..size, 1..24), Just(size))),
        at: usize, bit: u8,
    ) {
        let tree = tree_of(size);
        let head = tree.head();
        let indices: Vec<u64> = picks.into_iter().collect();
        let leaves: Vec<Hash> = indices.iter().map(|&index| leaf(index)).collect();
        let proof = MultiProof::make(&tree, &indices, size).unwrap();
        assert_eq!(proof.verify(&leaves, &head), Ok(()));

        // Its nodes are just those nodes of the single proofs that cannot be computed from the leaves of the others.
        let singles: Vec<Hash> =
            indices.iter().flat_map(|&index| InclusionProof::make(&tree, index, size).unwrap().path).collect();
        assert!(proof.nodes.iter().all(|node| singles.contains(node)));

        for nodes in broken_paths(&proof.nodes, at, bit) {
            assert!(MultiProof { nodes, ..proof.clone() }.verify(&leaves, &head).is_err());
        }
        for wrong in broken_paths(&leaves, at, bit) {
            assert!(proof.verify(&wrong, &head).is_err());
        }
        let at = at % indices.len();
        let mut shifted = indices.clone();
        shifted[at] += 1;
        assert!(MultiProof { indices: shifted, ..proof.clone() }.verify(&leaves, &head).is_err());
        let mut fewer = indices.clone();
        fewer.remove(at);
        assert!(MultiProof { indices: fewer, ..proof.clone() }.verify(&leaves, &head).is_err());
        assert!(MultiProof { size: size + 1, ..proof.clone() }.verify(&leaves, &head).is_err());
    }

    #[test]
    fn an_edge_taken_up_elsewhere_goes_on_to_the_same_roots((old, new) in old_and_new()) {
        let tree = tree_of(new);
        let mut edge = Frontier::from_bytes(&Frontier::of(&tree, old).unwrap().to_bytes()).unwrap();
        assert_eq!(edge.head(), tree.head_at(old).unwrap());
        (old..new).for_each(|n| { edge.append(leaf(n)); });
        assert_eq!(edge.head(), tree.head());
    }

    #[test]
    fn proofs_hold_in_trees_of_any_size_up_to_the_limit(
        (size, old, index) in (1..=MAX_SIZE).prop_flat_map(|size| (Just(size), 1..=size, 0..size)),
    ) {
        check_sparse(size, old, index);
    }
}

#[test]
fn proofs_hold_at_the_edges_of_the_largest_trees() {
    for size in [1 << 62, (1 << 62) + 1, MAX_SIZE - 1, MAX_SIZE] {
        for at in [1, 2, size / 2, size / 2 + 1, size - 1, size] {
            check_sparse(size, at, at - 1);
        }
    }
    let beyond = TreeHead { size: MAX_SIZE + 1, root: leaf(0) };
    let proof = InclusionProof { index: MAX_SIZE, size: MAX_SIZE + 1, path: vec![leaf(0); 63] };
    proof.verify(leaf(0), &beyond).unwrap_err();
    let proof = ConsistencyProof { old: u64::MAX, new: u64::MAX, path: Vec::new() };
    let end = TreeHead { size: u64::MAX, root: leaf(0) };
    proof.verify(&end, &end).unwrap_err();
}

/// A tree of which only one leaf is not [`leaf`] 0, so that it may be as large as one likes.
struct Sparse {
    special: u64,
}

impl Nodes for Sparse {
    fn node(&self, level: u8, index: u64) -> Option<Hash> {
        let mut special = leaf(1);
        let mut other = leaf(0);
        for below in 0..level {
            let special_is_right = self.special >> below & 1 == 1;
            special = if special_is_right { node_hash(other, special) } else { node_hash(special, other) };
            other = node_hash(other, other);
        }
        Some(if self.special >> level == index { special } else { other })
    }
}

fn check_sparse(size: u64, old: u64, index: u64) {
    let tree = Sparse { special: index };
    let head = |size| TreeHead { size, root: root_of(&tree, size).unwrap() };

    let inclusion = InclusionProof::make(&tree, index, size).unwrap();
    assert_eq!(inclusion.verify(leaf(1), &head(size)), Ok(()));
    inclusion.verify(leaf(0), &head(size)).unwrap_err();
    if let Some(neighbour) = index.checked_sub(1) {
        InclusionProof { index: neighbour, ..inclusion.clone() }.verify(leaf(1), &head(size)).unwrap_err();
    }

    let shared = MultiProof::make(&tree, &[index], size).unwrap();
    assert_eq!(shared.verify(&[leaf(1)], &head(size)), Ok(()));
    assert_eq!(shared.nodes.len(), inclusion.path.len());

    match ConsistencyProof::make(&tree, old, size) {
        Ok(proof) => {
            assert_eq!(proof.verify(&head(old), &head(size)), Ok(()));
            let other_past = TreeHead { size: old, root: leaf(2) };
            proof.verify(&other_past, &head(size)).unwrap_err();
        }
        // Only there may a path be longer than the witness protocol carries.
        Err(error) => {
            assert_eq!(error, Error::TooLarge { what: "consistency proof", limit: 63 });
            assert!(size > 1 << 62);
        }
    }
}

#[test]
fn a_consistency_proof_longer_than_the_witness_protocol_carries_is_neither_made_nor_taken() {
    let tree = Sparse { special: 0 };
    let (old, new) = (MAX_SIZE / 2 + 1, MAX_SIZE);
    let error = Error::TooLarge { what: "consistency proof", limit: 63 };
    assert_eq!(ConsistencyProof::make(&tree, old, new), Err(error));
    let head = |size| TreeHead { size, root: root_of(&tree, size).unwrap() };
    ConsistencyProof { old, new, path: vec![leaf(0); 64] }.verify(&head(old), &head(new)).unwrap_err();
}
