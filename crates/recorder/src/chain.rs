//! The hash chain over a recording's chunks, and the point of it that is anchored in the ledger.

use aws_lc_rs::digest::{self, SHA256};
use ledger::Hash;

/// How far a recording has come: what an anchor binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// Whole chunks written.
    pub chunks: u64,
    /// The chain over header and chunks.
    pub chain: Hash,
    /// Bytes of frames, before compression.
    pub plain_bytes: u64,
    /// Bytes of the file, header included.
    pub file_bytes: u64,
}

impl Anchor {
    /// Chain value 0 is the header's hash.
    pub(crate) const fn at_header(header: Hash, file_bytes: u64) -> Self {
        Self { chunks: 0, chain: header, plain_bytes: 0, file_bytes }
    }

    /// `chunk` is the chunk as it stands in the file, head and tag included.
    pub(crate) fn extend(&mut self, chunk: &[u8], plain_bytes: usize) {
        self.chunks += 1;
        self.chain = link(&self.chain, chunk);
        self.plain_bytes += plain_bytes as u64;
        self.file_bytes += chunk.len() as u64;
    }
}

fn link(previous: &Hash, chunk: &[u8]) -> Hash {
    let mut hash = digest::Context::new(&SHA256);
    hash.update(b"sekimori/recording/chain/v1");
    hash.update(previous.as_bytes());
    hash.update(chunk);
    Hash::from_bytes(hash.finish().as_ref().try_into().expect("SHA-256 gives 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_is_the_documented_one() {
        let header = Hash::of(b"header");
        let mut anchor = Anchor::at_header(header, 100);
        anchor.extend(b"chunk", 3);
        let expected = Hash::of(&[b"sekimori/recording/chain/v1".as_slice(), header.as_bytes(), b"chunk"].concat());
        assert_eq!(anchor, Anchor { chunks: 1, chain: expected, plain_bytes: 3, file_bytes: 105 });
    }
}
