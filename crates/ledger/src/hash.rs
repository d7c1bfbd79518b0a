//! SHA-256 as the ledger uses it: a 32-byte value, and RFC 6962's separate domains for leaves and inner nodes.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{self, SHA256};

use crate::{Error, Result, encoding};

/// A SHA-256 value. Reads and prints as 64 lower-case hexadecimal digits, in text and in serde.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; Hash::SIZE]);

/// Root of the tree without leaves: SHA-256 of nothing (RFC 6962 section 2.1).
pub const EMPTY_ROOT: Hash = Hash([
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41,
    0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

/// Hash of an entry as a leaf of the tree: SHA-256(0x00 ‖ entry), RFC 6962 section 2.1.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    let mut context = digest::Context::new(&SHA256);
    context.update(&[LEAF_PREFIX]);
    context.update(entry);
    Hash::from_digest(&context.finish())
}

/// Hash of an inner node over its two children: SHA-256(0x01 ‖ left ‖ right), RFC 6962 section 2.1.
#[must_use]
pub fn node_hash(left: Hash, right: Hash) -> Hash {
    let mut message = [NODE_PREFIX; 1 + 2 * Hash::SIZE];
    let (_, children) = message.split_at_mut(1);
    let (left_place, right_place) = children.split_at_mut(Hash::SIZE);
    left_place.copy_from_slice(&left.0);
    right_place.copy_from_slice(&right.0);
    Hash::of(&message)
}

/// SHA-256 over bytes that come piece by piece.
#[derive(Clone)]
pub struct Hasher(digest::Context);

impl Hasher {
    /// Over nothing yet.
    #[must_use]
    pub fn new() -> Hasher {
        Hasher(digest::Context::new(&SHA256))
    }

    /// Adds the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of everything added so far; more may be added.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::from_digest(&self.0.clone().finish())
    }
}

impl Default for Hasher {
    fn default() -> Hasher {
        Hasher::new()
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hasher({})", self.hash())
    }
}

impl Hash {
    /// Length in bytes.
    pub const SIZE: usize = 32;

    /// SHA-256 of the bytes, without any prefix. For entries of the tree, see [`leaf_hash`].
    #[must_use]
    pub fn of(bytes: &[u8]) -> Hash {
        Hash::from_digest(&digest::digest(&SHA256, bytes))
    }

    /// Takes 32 bytes that already are a SHA-256 value.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Hash::SIZE]) -> Hash {
        Hash(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Hash::SIZE] {
        &self.0
    }

    fn from_digest(digest: &digest::Digest) -> Hash {
        Hash(digest.as_ref().try_into().expect("SHA-256 gives 32 bytes"))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        encoding::write_hex(&self.0, f)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = Error;

    fn from_str(text: &str) -> Result<Hash> {
        let why = "not 64 lower-case hexadecimal digits";
        encoding::hex(text).map(Hash).ok_or(Error::Malformed { what: "hash", why })
    }
}

impl TryFrom<&[u8]> for Hash {
    type Error = Error;

    fn try_from(bytes: &[u8]) -> Result<Hash> {
        bytes.try_into().map(Hash).map_err(|_| Error::Malformed { what: "hash", why: "not 32 bytes" })
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

encoding::serde_as_text!(Hash);

const LEAF_PREFIX: u8 = 0;
const NODE_PREFIX: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_of_leaf_node_and_empty_root() {
        assert_eq!(Hash::of(b""), EMPTY_ROOT);
        let empty_leaf = leaf_hash(b"");
        assert_eq!(empty_leaf.to_string(), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        let pair = node_hash(empty_leaf, leaf_hash(&[0]));
        assert_eq!(pair.to_string(), "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125");
    }

    #[test]
    fn a_hash_reads_back_as_it_prints_and_in_no_other_spelling() {
        let hash = Hash::of(b"entry");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        let json = serde_json::to_string(&hash).unwrap();
        assert_eq!(json, format!("\"{hash}\""));
        assert_eq!(serde_json::from_str::<Hash>(&json).unwrap(), hash);

        let printed = hash.to_string();
        for wrong in [printed.to_uppercase(), printed[1..].into(), format!("{printed}0"), format!(" {printed}")] {
            wrong.parse::<Hash>().unwrap_err();
            serde_json::from_str::<Hash>(&format!("\"{wrong}\"")).unwrap_err();
        }
    }
}
