//! Proofs that one leaf stands in a tree, and that one tree is the beginning of another (RFC 9162 section 2.1).
//!
//! A proof says which sizes it speaks of, but the path alone does not bind them: a path may fit trees of two sizes. So
//! verification takes the trusted heads, size and root together.

use serde::{Deserialize, Serialize};

use crate::encoding::at_most;
use crate::tree::{check_size, middle, range_hash};
use crate::{EMPTY_ROOT, Error, Hash, Nodes, Result, TreeHead, node_hash};

/// Longest path of either proof, as `tlog-witness` limits it. Every inclusion fits; so does every consistency between
/// trees of up to 2^62 leaves.
pub const MAX_PATH: usize = 63;

/// That a leaf stands at `index` of the tree of `size` leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InclusionProof {
    /// Position of the leaf, from 0.
    pub index: u64,
    /// Number of leaves of the tree.
    pub size: u64,
    /// Sibling hashes, from the leaf's own to the child of the root.
    #[serde(deserialize_with = "at_most::<_, _, MAX_PATH>")]
    pub path: Vec<Hash>,
}

impl InclusionProof {
    /// Makes the proof for leaf `index` in the tree of the first `size` leaves (RFC 9162 section 2.1.3.1).
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if that tree has no such leaf, [`Error::MissingNode`] if `nodes` does not hold that tree.
    pub fn make(nodes: &dyn Nodes, index: u64, size: u64) -> Result<InclusionProof> {
        check_size(size)?;
        if index >= size {
            return Err(Error::OutOfRange { size, what: "entry", asked: index });
        }
        let mut path = Vec::new();
        let (mut start, mut end) = (0, size);
        while end - start > 1 {
            let middle = middle(start, end);
            if index < middle {
                path.push(range_hash(nodes, middle, end)?);
                end = middle;
            } else {
                path.push(range_hash(nodes, start, middle)?);
                start = middle;
            }
        }
        path.reverse();
        Ok(InclusionProof { index, size, path })
    }

    /// Checks that `leaf` stands at `index` of the tree with this head (RFC 9162 section 2.1.3.2).
    ///
    /// # Errors
    /// [`Error::ProofFails`] if the proof is of another tree size, has a path of another length than it must, or leads to
    /// another root.
    pub fn verify(&self, leaf: Hash, head: &TreeHead) -> Result<()> {
        if self.size != head.size {
            return Err(fails("inclusion", "it is of another tree size"));
        }
        let leads_to =
            self.root(leaf).ok_or(fails("inclusion", "its path has not the length of that index and size"))?;
        if leads_to == head.root { Ok(()) } else { Err(fails("inclusion", "it leads to another root")) }
    }

    /// The root the path leads to. The names are those of the RFC.
    fn root(&self, leaf: Hash) -> Option<Hash> {
        if self.index >= self.size || self.size > crate::MAX_SIZE {
            return None;
        }
        let (mut f, mut s) = (self.index, self.size - 1);
        let mut root = leaf;
        for &sibling in &self.path {
            if s == 0 {
                return None;
            }
            if f & 1 == 1 || f == s {
                root = node_hash(sibling, root);
                let skipped = f.trailing_zeros();
                (f, s) = (f >> skipped, s >> skipped);
            } else {
                root = node_hash(root, sibling);
            }
            (f, s) = (f >> 1, s >> 1);
        }
        (s == 0).then_some(root)
    }
}

/// That the tree of `old` leaves is the beginning of the tree of `new` leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyProof {
    /// Number of leaves of the earlier tree.
    pub old: u64,
    /// Number of leaves of the later tree.
    pub new: u64,
    /// Hashes as RFC 9162 section 2.1.4.1 orders them; none if `old` is 0 or equals `new`.
    #[serde(deserialize_with = "at_most::<_, _, MAX_PATH>")]
    pub path: Vec<Hash>,
}

impl ConsistencyProof {
    /// Makes the proof between the trees of the first `old` and the first `new` leaves (RFC 9162 section 2.1.4.1).
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if `old` is larger than `new`, [`Error::MissingNode`] if `nodes` does not hold the new tree,
    /// [`Error::TooLarge`] if the path exceeds [`MAX_PATH`].
    pub fn make(nodes: &dyn Nodes, old: u64, new: u64) -> Result<ConsistencyProof> {
        check_size(new)?;
        if old > new {
            return Err(Error::OutOfRange { size: new, what: "prefix of", asked: old });
        }
        let path = if old == 0 { Vec::new() } else { consistency_path(nodes, old, new)? };
        if path.len() > MAX_PATH {
            return Err(Error::TooLarge { what: "consistency proof", limit: MAX_PATH as u64 });
        }
        Ok(ConsistencyProof { old, new, path })
    }

    /// Checks that the tree with head `old` is the beginning of the tree with head `new` (RFC 9162 section 2.1.4.2).
    ///
    /// # Errors
    /// [`Error::ProofFails`] if the proof is of other sizes, has a path of another length than it must, or does not lead
    /// to both roots.
    pub fn verify(&self, old: &TreeHead, new: &TreeHead) -> Result<()> {
        if (self.old, self.new) != (old.size, new.size) {
            return Err(fails("consistency", "it is of other tree sizes"));
        }
        let roots = self.roots(old.root, new.root);
        let (old_root, new_root) = roots.ok_or(fails("consistency", "its path has not the length of those sizes"))?;
        if old_root != old.root {
            return Err(fails("consistency", "it leads to another old root"));
        }
        if new_root != new.root {
            return Err(fails("consistency", "it leads to another new root"));
        }
        Ok(())
    }

    /// The roots the path leads to, given the claimed ones.
    fn roots(&self, old: Hash, new: Hash) -> Option<(Hash, Hash)> {
        if self.old > self.new || self.new > crate::MAX_SIZE || self.path.len() > MAX_PATH {
            return None;
        }
        let unmoved = self.path.is_empty();
        match self.old {
            // The RFC leaves the empty tree out; every tree begins with it, and `tlog-witness` asks for no path.
            0 => unmoved.then_some((EMPTY_ROOT, if self.new == 0 { EMPTY_ROOT } else { new })),
            size if size == self.new => unmoved.then_some((old, old)),
            size if size.is_power_of_two() => self.climb(old, &self.path),
            _ => self.path.split_first().and_then(|(first, rest)| self.climb(*first, rest)),
        }
    }

    /// Climbs from the largest node that ends both in the old tree and in the new one. The names are those of the RFC.
    fn climb(&self, start: Hash, path: &[Hash]) -> Option<(Hash, Hash)> {
        let (mut f, mut s) = (self.old - 1, self.new - 1);
        let shared = f.trailing_ones();
        (f, s) = (f >> shared, s >> shared);
        let (mut old, mut new) = (start, start);
        for &sibling in path {
            if s == 0 {
                return None;
            }
            if f & 1 == 1 || f == s {
                old = node_hash(sibling, old);
                new = node_hash(sibling, new);
                let skipped = f.trailing_zeros();
                (f, s) = (f >> skipped, s >> skipped);
            } else {
                new = node_hash(new, sibling);
            }
            (f, s) = (f >> 1, s >> 1);
        }
        (s == 0).then_some((old, new))
    }
}

fn consistency_path(nodes: &dyn Nodes, old: u64, new: u64) -> Result<Vec<Hash>> {
    let mut path = Vec::new();
    let (mut start, mut end) = (0, new);
    while end > old {
        let middle = middle(start, end);
        if old <= middle {
            path.push(range_hash(nodes, middle, end)?);
            end = middle;
        } else {
            path.push(range_hash(nodes, start, middle)?);
            start = middle;
        }
    }
    // A node that starts at 0 is the whole old tree, whose root the verifier has.
    if start > 0 {
        path.push(range_hash(nodes, start, end)?);
    }
    path.reverse();
    Ok(path)
}

pub(crate) fn fails(proof: &'static str, why: &'static str) -> Error {
    Error::ProofFails { proof, why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemoryTree, leaf_hash};

    #[test]
    fn a_path_that_fits_two_sizes_is_held_to_the_size_of_the_head() {
        let tree: MemoryTree = [b"a", b"b", b"c", b"d"].map(|entry| leaf_hash(entry)).into_iter().collect();
        let head = tree.head_at(3).unwrap();
        let mut proof = InclusionProof::make(&tree, 0, 3).unwrap();
        assert_eq!(proof.verify(leaf_hash(b"a"), &head), Ok(()));
        proof.size = 4;
        assert_eq!(proof.root(leaf_hash(b"a")), Some(head.root), "the path alone leads to the root of size 3");
        proof.verify(leaf_hash(b"a"), &head).unwrap_err();
    }

    #[test]
    fn every_tree_begins_with_the_empty_tree() {
        let tree: MemoryTree = [leaf_hash(b"a")].into_iter().collect();
        let empty = TreeHead { size: 0, root: EMPTY_ROOT };
        for new in [empty, tree.head()] {
            let proof = ConsistencyProof::make(&tree, 0, new.size).unwrap();
            assert_eq!(proof.path, []);
            assert_eq!(proof.verify(&empty, &new), Ok(()));
            proof.verify(&TreeHead { size: 0, root: Hash::of(b"other") }, &new).unwrap_err();
            proof.verify(&empty, &TreeHead { size: 0, root: Hash::of(b"other") }).unwrap_err();
        }
    }

    #[test]
    fn what_the_tree_does_not_have_is_refused() {
        let tree: MemoryTree = [leaf_hash(b"a")].into_iter().collect();
        assert_eq!(InclusionProof::make(&tree, 1, 1), Err(Error::OutOfRange { size: 1, what: "entry", asked: 1 }));
        assert_eq!(InclusionProof::make(&tree, 0, 2), Err(Error::MissingNode { level: 0, index: 1 }));
        ConsistencyProof::make(&tree, 2, 1).unwrap_err();
        let too_large = Error::TooLarge { what: "tree size", limit: crate::MAX_SIZE };
        assert_eq!(InclusionProof::make(&tree, 0, u64::MAX), Err(too_large.clone()));
        assert_eq!(ConsistencyProof::make(&tree, 0, u64::MAX), Err(too_large));
    }

    #[test]
    fn the_only_leaf_stands_at_index_0() {
        let tree: MemoryTree = [leaf_hash(b"a")].into_iter().collect();
        let mut proof = InclusionProof::make(&tree, 0, 1).unwrap();
        assert_eq!(proof.verify(leaf_hash(b"a"), &tree.head()), Ok(()));
        for index in [1, 2, u64::MAX] {
            proof.index = index;
            proof.verify(leaf_hash(b"a"), &tree.head()).unwrap_err();
        }
    }

    #[test]
    fn json_of_a_proof_takes_no_more_hashes_than_a_path_can_have() {
        let hash = format!("\"{EMPTY_ROOT}\"");
        let proof = |count| format!(r#"{{"index":0,"size":1,"path":[{}]}}"#, vec![hash.as_str(); count].join(","));
        assert_eq!(serde_json::from_str::<InclusionProof>(&proof(63)).unwrap().path.len(), 63);
        serde_json::from_str::<InclusionProof>(&proof(64)).unwrap_err();
        serde_json::from_str::<InclusionProof>(r#"{"index":0,"size":1,"path":[],"more":0}"#).unwrap_err();
    }
}
