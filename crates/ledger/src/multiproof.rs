//! One proof for several leaves of one tree, in which shared nodes stand once.
//!
//! The tree is walked from the root, left before right. A subtree without a proved leaf is one hash of `nodes`; a proved
//! leaf comes from the verifier. So the indices alone fix how many nodes there are, and where each belongs.

use serde::{Deserialize, Serialize};

use crate::encoding::at_most;
use crate::proof::fails;
use crate::tree::{check_size, middle, range_hash};
use crate::{Error, Hash, Nodes, Result, TreeHead, node_hash};

/// Most leaves one proof may speak of.
pub const MAX_PROVED: usize = 65_536;

/// That several leaves stand at `indices` of the tree of `size` leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MultiProof {
    /// Number of leaves of the tree.
    pub size: u64,
    /// Positions of the proved leaves, strictly rising, at least one.
    #[serde(deserialize_with = "at_most::<_, _, MAX_PROVED>")]
    pub indices: Vec<u64>,
    /// Hashes of the largest subtrees that hold no proved leaf, from left to right.
    #[serde(deserialize_with = "at_most::<_, _, MAX_NODES>")]
    pub nodes: Vec<Hash>,
}

impl MultiProof {
    /// Makes the proof for the leaves at `indices` (strictly rising) in the tree of the first `size` leaves.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if that tree lacks one of them, [`Error::MissingNode`] if `nodes` does not hold that tree,
    /// [`Error::TooLarge`] over [`MAX_PROVED`], [`Error::ProofFails`] if the indices are none or out of order.
    pub fn make(nodes: &dyn Nodes, indices: &[u64], size: u64) -> Result<MultiProof> {
        check_size(size)?;
        if let Some(&asked) = indices.iter().find(|&&index| index >= size) {
            return Err(Error::OutOfRange { size, what: "entry", asked });
        }
        check_indices(indices, size)?;
        let mut unproved = Vec::new();
        gather(nodes, 0, size, indices, &mut unproved)?;
        Ok(MultiProof { size, indices: indices.to_vec(), nodes: unproved })
    }

    /// Checks that `leaves`, in the order of `indices`, stand there in the tree with this head.
    ///
    /// # Errors
    /// [`Error::ProofFails`] if the proof is of another tree size, its indices are not in order, a leaf or a node is
    /// missing or left over, or it leads to another root; [`Error::TooLarge`] over [`MAX_PROVED`].
    pub fn verify(&self, leaves: &[Hash], head: &TreeHead) -> Result<()> {
        if self.size != head.size {
            return Err(fails(PROOF, "it is of another tree size"));
        }
        check_size(self.size)?;
        check_indices(&self.indices, self.size)?;
        if leaves.len() != self.indices.len() {
            return Err(fails(PROOF, "it is of another number of leaves"));
        }
        let mut rest = Rest { leaves, nodes: &self.nodes };
        let root = rest.root(0, self.size, &self.indices).ok_or(fails(PROOF, "it lacks a node"))?;
        if !rest.nodes.is_empty() {
            return Err(fails(PROOF, "it has a node too many"));
        }
        if root == head.root { Ok(()) } else { Err(fails(PROOF, "it leads to another root")) }
    }
}

/// Collects the hashes of the subtrees of `start..end` that hold none of `indices`, all of which lie within.
fn gather(nodes: &dyn Nodes, start: u64, end: u64, indices: &[u64], unproved: &mut Vec<Hash>) -> Result<()> {
    if indices.is_empty() {
        unproved.push(range_hash(nodes, start, end)?);
        return Ok(());
    }
    if end - start == 1 {
        return Ok(());
    }
    let middle = middle(start, end);
    let (left, right) = cut(indices, middle);
    gather(nodes, start, middle, left, unproved)?;
    gather(nodes, middle, end, right, unproved)
}

/// Leaves and nodes that the walk has not used yet.
struct Rest<'a> {
    leaves: &'a [Hash],
    nodes: &'a [Hash],
}

impl Rest<'_> {
    fn root(&mut self, start: u64, end: u64, indices: &[u64]) -> Option<Hash> {
        if indices.is_empty() {
            return self.nodes.split_off_first().copied();
        }
        if end - start == 1 {
            return self.leaves.split_off_first().copied();
        }
        let middle = middle(start, end);
        let (left, right) = cut(indices, middle);
        let left = self.root(start, middle, left)?;
        Some(node_hash(left, self.root(middle, end, right)?))
    }
}

fn cut(indices: &[u64], middle: u64) -> (&[u64], &[u64]) {
    indices.split_at(indices.partition_point(|&index| index < middle))
}

fn check_indices(indices: &[u64], size: u64) -> Result<()> {
    if indices.len() > MAX_PROVED {
        return Err(Error::TooLarge { what: "number of leaves in one proof", limit: MAX_PROVED as u64 });
    }
    if !indices.is_sorted_by(|a, b| a < b) {
        return Err(fails(PROOF, "its indices do not rise"));
    }
    match indices.last() {
        None => Err(fails(PROOF, "it names no leaf")),
        Some(&last) if last >= size => Err(fails(PROOF, "an index is past the end of the tree")),
        Some(_) => Ok(()),
    }
}

const PROOF: &str = "inclusion";
/// A leaf needs no more nodes than it has ancestors.
const MAX_NODES: usize = MAX_PROVED * crate::MAX_PATH;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{InclusionProof, MemoryTree, leaf_hash};

    fn tree(size: u64) -> MemoryTree {
        (0..size).map(|n| leaf_hash(&n.to_be_bytes())).collect()
    }

    fn leaves_at(tree: &MemoryTree, indices: &[u64]) -> Vec<Hash> {
        indices.iter().map(|&index| tree.node(0, index).unwrap()).collect()
    }

    #[test]
    fn every_set_of_leaves_of_every_small_tree_is_proved_with_the_fewest_nodes() {
        for size in 1..=9 {
            let tree = tree(size);
            for set in 1_u64..1 << size {
                let indices: Vec<u64> = (0..size).filter(|index| set >> index & 1 == 1).collect();
                let proof = MultiProof::make(&tree, &indices, size).unwrap();
                assert_eq!(proof.verify(&leaves_at(&tree, &indices), &tree.head()), Ok(()));
                if indices.len() as u64 == size {
                    assert_eq!(proof.nodes, [], "a tree whose leaves are all known needs nothing else");
                }
            }
        }
    }

    #[test]
    fn the_proof_of_one_leaf_is_its_inclusion_proof_in_another_order() {
        let tree = tree(100);
        for index in 0..100 {
            let mut alone = InclusionProof::make(&tree, index, 100).unwrap().path;
            let mut shared = MultiProof::make(&tree, &[index], 100).unwrap().nodes;
            alone.sort();
            shared.sort();
            assert_eq!(alone, shared);
        }
    }

    #[test]
    fn entries_close_together_share_most_of_their_nodes() {
        let tree = tree(100_000);
        let indices: Vec<u64> = (0..20).map(|n| 50_000 + 37 * n).collect();
        let shared = MultiProof::make(&tree, &indices, 100_000).unwrap().nodes.len();
        let alone: usize =
            indices.iter().map(|&index| InclusionProof::make(&tree, index, 100_000).unwrap().path.len()).sum();
        assert!(shared * 2 < alone, "{shared} nodes shared, {alone} alone");
    }

    #[test]
    fn indices_that_are_none_unordered_doubled_or_outside_are_refused() {
        let tree = tree(10);
        for wrong in [&[][..], &[3, 2], &[2, 2], &[10], &[0, u64::MAX]] {
            MultiProof::make(&tree, wrong, 10).unwrap_err();
            let mut proof = MultiProof::make(&tree, &[2, 3], 10).unwrap();
            proof.indices = wrong.to_vec();
            proof.verify(&vec![leaf_hash(b""); wrong.len()], &tree.head()).unwrap_err();
        }
    }

    #[test]
    fn what_the_tree_does_not_have_is_refused() {
        let tree = tree(10);
        let error = Error::OutOfRange { size: 10, what: "entry", asked: 10 };
        assert_eq!(MultiProof::make(&tree, &[9, 10], 10), Err(error));
        let too_large = Error::TooLarge { what: "tree size", limit: crate::MAX_SIZE };
        assert_eq!(MultiProof::make(&tree, &[0], u64::MAX), Err(too_large.clone()));
        let proof = MultiProof { size: u64::MAX, indices: vec![0], nodes: vec![leaf_hash(b""); 64] };
        let head = TreeHead { size: u64::MAX, root: tree.root() };
        assert_eq!(proof.verify(&[leaf_hash(b"")], &head), Err(too_large));
    }

    #[test]
    fn one_proof_speaks_of_a_limited_number_of_leaves() {
        let size = MAX_PROVED as u64 + 1;
        let tree = tree(size);
        let all: Vec<u64> = (0..size).collect();
        let too_many = Error::TooLarge { what: "number of leaves in one proof", limit: MAX_PROVED as u64 };
        assert_eq!(MultiProof::make(&tree, &all, size), Err(too_many.clone()));
        let mut proof = MultiProof::make(&tree, &all[1..], size).unwrap();
        assert_eq!(proof.verify(&leaves_at(&tree, &all[1..]), &tree.head()), Ok(()));
        proof.indices = all.clone();
        assert_eq!(proof.verify(&leaves_at(&tree, &all), &tree.head()), Err(too_many));
    }

    #[test]
    fn a_proof_that_names_a_huge_tree_but_holds_no_nodes_ends_at_once() {
        let proof = MultiProof { size: crate::MAX_SIZE, indices: (0..1000).collect(), nodes: Vec::new() };
        let head = TreeHead { size: crate::MAX_SIZE, root: crate::EMPTY_ROOT };
        assert_eq!(proof.verify(&vec![leaf_hash(b""); 1000], &head), Err(fails("inclusion", "it lacks a node")));
    }
}
