//! The RFC 6962 tree: its right edge for appending, its complete nodes for proving.
//!
//! A node is *complete* when all leaves under it exist; it never changes again, so complete nodes are what a store keeps.
//! `(level, index)` names the complete node over the leaves `index << level .. (index + 1) << level`. Every other node of
//! a tree of any size is recombined from complete ones.

use serde::{Deserialize, Serialize};

use crate::{EMPTY_ROOT, Error, Hash, Result, node_hash};

/// Most leaves a tree may have; beyond it no level fits a `u64`.
pub const MAX_SIZE: u64 = 1 << 63;

/// Size and root of a tree: what a proof is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TreeHead {
    /// Number of leaves.
    pub size: u64,
    /// Merkle tree hash over them.
    pub root: Hash,
}

/// Where the complete nodes of a tree can be had, e.g. a table of a store, or a closure.
pub trait Nodes {
    /// The hash of complete node `(level, index)`, or `None` if it is not there.
    fn node(&self, level: u8, index: u64) -> Option<Hash>;
}

impl<F: Fn(u8, u64) -> Option<Hash>> Nodes for F {
    fn node(&self, level: u8, index: u64) -> Option<Hash> {
        self(level, index)
    }
}

/// The nodes that become complete when leaf `index` is appended, as `(level, index)`, the leaf itself first.
///
/// This is the layout of a stored tree: persist these with the leaf, and proofs for every index and size can be made.
/// On average there are two per leaf.
pub fn nodes_completed_by(leaf: u64) -> impl Iterator<Item = (u8, u64)> {
    (0..=levels_completed_by(leaf)).map(move |level| (level, leaf >> level))
}

/// Root of the tree of the first `size` leaves.
///
/// # Errors
/// [`Error::MissingNode`] if `nodes` does not hold that tree; [`Error::TooLarge`] over [`MAX_SIZE`].
pub fn root_of(nodes: &dyn Nodes, size: u64) -> Result<Hash> {
    check_size(size)?;
    if size == 0 { Ok(EMPTY_ROOT) } else { range_hash(nodes, 0, size) }
}

/// The right edge of a tree: enough to append leaves and to know the root, in at most 63 hashes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "FrontierFields")]
pub struct Frontier {
    size: u64,
    /// INVARIANT: one hash per bit set in `size`, largest complete subtree first.
    hashes: Vec<Hash>,
}

impl Frontier {
    /// The edge of the empty tree.
    #[must_use]
    pub fn new() -> Frontier {
        Frontier::default()
    }

    /// The edge of the tree of the first `size` leaves.
    ///
    /// # Errors
    /// [`Error::MissingNode`] if `nodes` does not hold that tree; [`Error::TooLarge`] over [`MAX_SIZE`].
    pub fn of(nodes: &dyn Nodes, size: u64) -> Result<Frontier> {
        check_size(size)?;
        let mut start = 0;
        let hashes = (0..=MAX_LEVEL).rev().filter(|level| size >> level & 1 == 1).map(|level| {
            let hash = range_hash(nodes, start, start + (1 << level));
            start += 1 << level;
            hash
        });
        Ok(Frontier { hashes: hashes.collect::<Result<_>>()?, size })
    }

    /// Adds a leaf and returns its index.
    ///
    /// # Panics
    /// At [`MAX_SIZE`] leaves, which no machine reaches.
    pub fn append(&mut self, leaf: Hash) -> u64 {
        self.append_noting(leaf, |_, _, _| ())
    }

    /// Like [`append`](Self::append), and hands each node that became complete to `note` as `(level, index, hash)`, in
    /// the order of [`nodes_completed_by`].
    ///
    /// # Panics
    /// At [`MAX_SIZE`] leaves, which no machine reaches.
    pub fn append_noting(&mut self, leaf: Hash, mut note: impl FnMut(u8, u64, Hash)) -> u64 {
        assert!(self.size < MAX_SIZE, "a tree holds at most 2^63 leaves");
        let index = self.size;
        note(0, index, leaf);
        let mut hash = leaf;
        for level in 1..=levels_completed_by(index) {
            let left = self.hashes.pop().expect("each bit set in the size has its hash");
            hash = node_hash(left, hash);
            note(level, index >> level, hash);
        }
        self.hashes.push(hash);
        self.size += 1;
        index
    }

    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Merkle tree hash over all leaves.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.hashes.iter().rev().copied().reduce(|right, left| node_hash(left, right)).unwrap_or(EMPTY_ROOT)
    }

    /// Size and root together.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        TreeHead { size: self.size, root: self.root() }
    }

    /// For durable storage: the size as 8 bytes, big-endian, then 32 bytes for each bit set in it, largest subtree first.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let hashes = self.hashes.iter().flat_map(|hash| *hash.as_bytes());
        self.size.to_be_bytes().into_iter().chain(hashes).collect()
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. Whether it is the edge of a tree one trusts is for the caller to
    /// see, by its root.
    ///
    /// # Errors
    /// [`Error::Malformed`] on any other length, [`Error::TooLarge`] over [`MAX_SIZE`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Frontier> {
        let (size, rest) = bytes.split_first_chunk().ok_or(WRONG_EDGE)?;
        let (hashes, trailing) = rest.as_chunks();
        if !trailing.is_empty() {
            return Err(WRONG_EDGE);
        }
        let hashes = hashes.iter().copied().map(Hash::from_bytes).collect();
        FrontierFields { size: u64::from_be_bytes(*size), hashes }.try_into()
    }
}

/// A [`Frontier`] before its invariant was seen to hold.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontierFields {
    size: u64,
    hashes: Vec<Hash>,
}

impl TryFrom<FrontierFields> for Frontier {
    type Error = Error;

    fn try_from(FrontierFields { size, hashes }: FrontierFields) -> Result<Frontier> {
        check_size(size)?;
        if hashes.len() != size.count_ones() as usize {
            return Err(WRONG_EDGE);
        }
        Ok(Frontier { size, hashes })
    }
}

/// A whole tree in memory, 64 bytes a leaf: every complete node, so that any proof is made at once.
#[derive(Debug, Clone, Default)]
pub struct MemoryTree {
    frontier: Frontier,
    levels: Vec<Vec<Hash>>,
}

impl MemoryTree {
    /// The empty tree.
    #[must_use]
    pub fn new() -> MemoryTree {
        MemoryTree::default()
    }

    /// Adds a leaf and returns its index.
    pub fn append(&mut self, leaf: Hash) -> u64 {
        let levels = &mut self.levels;
        self.frontier.append_noting(leaf, |level, _, hash| {
            let level = usize::from(level);
            if level == levels.len() {
                levels.push(Vec::new());
            }
            levels.get_mut(level).expect("a level begins when its first node is complete").push(hash);
        })
    }

    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.frontier.size
    }

    /// Merkle tree hash over all leaves.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// Size and root together.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        self.frontier.head()
    }

    /// Size and root as they were after the first `size` leaves.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if the tree is smaller than that.
    pub fn head_at(&self, size: u64) -> Result<TreeHead> {
        if size > self.size() {
            return Err(Error::OutOfRange { size: self.size(), what: "prefix of", asked: size });
        }
        Ok(TreeHead { size, root: root_of(self, size)? })
    }

    /// The right edge, for going on elsewhere.
    #[must_use]
    pub fn frontier(&self) -> &Frontier {
        &self.frontier
    }
}

impl Nodes for MemoryTree {
    fn node(&self, level: u8, index: u64) -> Option<Hash> {
        self.levels.get(usize::from(level))?.get(usize::try_from(index).ok()?).copied()
    }
}

impl FromIterator<Hash> for MemoryTree {
    fn from_iter<I: IntoIterator<Item = Hash>>(leaves: I) -> MemoryTree {
        let mut tree = MemoryTree::new();
        leaves.into_iter().for_each(|leaf| {
            tree.append(leaf);
        });
        tree
    }
}

/// Merkle tree hash over the leaves `start..end`.
///
/// INVARIANT: `start..end` comes from cutting a tree at [`middle`], so `start` is a multiple of every power of two that
/// is not larger than the width.
pub(crate) fn range_hash(nodes: &dyn Nodes, start: u64, end: u64) -> Result<Hash> {
    let width = end - start;
    if width.is_power_of_two() {
        let level = width.trailing_zeros() as u8;
        let index = start >> level;
        return nodes.node(level, index).ok_or(Error::MissingNode { level, index });
    }
    let middle = middle(start, end);
    Ok(node_hash(range_hash(nodes, start, middle)?, range_hash(nodes, middle, end)?))
}

/// Where RFC 6962 cuts two leaves or more: after the largest power of two smaller than their number.
pub(crate) fn middle(start: u64, end: u64) -> u64 {
    start + (1 << (end - start - 1).ilog2())
}

pub(crate) fn check_size(size: u64) -> Result<()> {
    if size > MAX_SIZE { Err(Error::TooLarge { what: "tree size", limit: MAX_SIZE }) } else { Ok(()) }
}

/// Level of the highest node whose last leaf is `leaf`.
fn levels_completed_by(leaf: u64) -> u8 {
    MAX_LEVEL.min(leaf.trailing_ones() as u8)
}

const MAX_LEVEL: u8 = 63;
const WRONG_EDGE: Error = Error::Malformed { what: "tree edge", why: "its hashes do not match the bits of its size" };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf_hash;

    fn leaves(count: u64) -> impl Iterator<Item = Hash> {
        (0..count).map(|n| leaf_hash(&n.to_be_bytes()))
    }

    #[test]
    fn edge_and_whole_tree_agree_on_every_root() {
        let tree: MemoryTree = leaves(600).collect();
        let mut edge = Frontier::new();
        assert_eq!(edge.root(), EMPTY_ROOT);
        for (size, leaf) in leaves(600).enumerate() {
            assert_eq!(Ok(edge.head()), tree.head_at(size as u64));
            assert_eq!(Frontier::of(&tree, size as u64).as_ref(), Ok(&edge));
            edge.append(leaf);
        }
        assert_eq!(&edge, tree.frontier());
    }

    #[test]
    fn appending_completes_the_nodes_it_says_and_all_of_them_once() {
        let mut edge = Frontier::new();
        let mut seen = std::collections::BTreeMap::new();
        for (index, leaf) in leaves(300).enumerate() {
            let mut completed = Vec::new();
            edge.append_noting(leaf, |level, index, hash| {
                completed.push((level, index));
                assert_eq!(seen.insert((level, index), hash), None);
            });
            assert!(completed.into_iter().eq(nodes_completed_by(index as u64)));
        }
        for level in 0..=8 {
            assert_eq!(seen.keys().filter(|(l, _)| *l == level).count(), 300 >> level);
        }
        assert_eq!(root_of(&|level, index| seen.get(&(level, index)).copied(), 300), Ok(edge.root()));
    }

    #[test]
    fn an_edge_reads_back_from_its_bytes_and_from_json() {
        for size in [0, 1, 2, 3, 255, 256, 257] {
            let edge = leaves(size).collect::<MemoryTree>().frontier().clone();
            let bytes = edge.to_bytes();
            assert_eq!(bytes.len(), 8 + 32 * size.count_ones() as usize);
            assert_eq!(Frontier::from_bytes(&bytes).as_ref(), Ok(&edge));
            assert_eq!(serde_json::from_str::<Frontier>(&serde_json::to_string(&edge).unwrap()).unwrap(), edge);
            Frontier::from_bytes(&[&bytes[..], &[0]].concat()).unwrap_err();
            Frontier::from_bytes(&bytes[1..]).unwrap_err();
        }
        serde_json::from_str::<Frontier>(r#"{"size":1,"hashes":[]}"#).unwrap_err();
        let too_large = [&(MAX_SIZE + 1).to_be_bytes()[..], &[0; 64]].concat();
        assert!(matches!(Frontier::from_bytes(&too_large), Err(Error::TooLarge { .. })));
    }

    #[test]
    fn a_store_that_lacks_a_node_is_named() {
        let tree: MemoryTree = leaves(7).collect();
        let holey = |level, index| if (level, index) == (1, 2) { None } else { tree.node(level, index) };
        assert_eq!(root_of(&holey, 7), Err(Error::MissingNode { level: 1, index: 2 }));
        assert_eq!(root_of(&holey, 4), tree.head_at(4).map(|head| head.root));
        tree.head_at(8).unwrap_err();
        let too_large = Error::TooLarge { what: "tree size", limit: MAX_SIZE };
        assert_eq!(root_of(&tree, MAX_SIZE + 1), Err(too_large.clone()));
        assert_eq!(Frontier::of(&tree, MAX_SIZE + 1), Err(too_large));
    }

    #[test]
    #[should_panic(expected = "at most 2^63 leaves")]
    fn a_full_tree_takes_no_leaf() {
        let mut full = Frontier { size: MAX_SIZE, hashes: vec![leaf_hash(b"")] };
        full.append(leaf_hash(b"one more"));
    }
}
