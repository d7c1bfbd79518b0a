//! The file's fixed layout: preamble, chunk heads, associated data, variable-length integers. See `spec/recording.md`.

use envelope::TAG_LEN;
use ledger::Hash;

use crate::Fault;

pub(crate) const MAGIC: &[u8; 8] = b"SKMREC1\n";
pub(crate) const VERSION: u8 = 1;
/// Magic, version, suite, u32be length of the JSON.
pub(crate) const PREAMBLE_LEN: usize = 14;
pub(crate) const MAC_LEN: usize = 32;
/// The longest JSON in a header: sixteen recipients fit many times over.
pub const MAX_HEADER: usize = 64 * 1024;
/// The most plaintext in one chunk, and the most ciphertext.
pub const MAX_CHUNK: usize = 256 * 1024;
/// The longest frame. Frames beyond one chunk are written in pieces and read back as one.
pub const MAX_FRAME: usize = 4 * 1024 * 1024;

/// u64be number ‖ flags ‖ u32be length of the ciphertext without its tag.
pub(crate) const CHUNK_HEAD_LEN: usize = 13;
const LAST: u8 = 1;
const ZSTD: u8 = 2;

/// What a chunk holds, as its flags say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Frames,
    CompressedFrames,
    Totals,
}

impl Content {
    const fn flags(self) -> u8 {
        match self {
            Self::Frames => 0,
            Self::CompressedFrames => ZSTD,
            Self::Totals => LAST,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkHead {
    pub(crate) number: u64,
    pub(crate) content: Content,
    pub(crate) len: u32,
}

impl ChunkHead {
    pub(crate) fn to_bytes(self) -> [u8; CHUNK_HEAD_LEN] {
        let mut bytes = [0; CHUNK_HEAD_LEN];
        bytes[..8].copy_from_slice(&self.number.to_be_bytes());
        bytes[8] = self.content.flags();
        bytes[9..].copy_from_slice(&self.len.to_be_bytes());
        bytes
    }

    /// Reads the head that should stand at place `expected`.
    pub(crate) fn parse(bytes: &[u8; CHUNK_HEAD_LEN], expected: u64) -> Result<Self, Fault> {
        let (number, rest) = bytes.split_first_chunk().expect("8 of 13 bytes");
        let (flags, len) = rest.split_first_chunk::<1>().expect("1 of 5 bytes");
        let number = u64::from_be_bytes(*number);
        let len = u32::from_be_bytes(len.try_into().expect("4 bytes are left"));
        if number != expected {
            return Err(Fault::OutOfOrder { found: number });
        }
        let contents = [Content::Frames, Content::CompressedFrames, Content::Totals];
        let content = contents.into_iter().find(|content| content.flags() == flags[0]);
        let content = content.ok_or(Fault::UnknownFlags { found: flags[0] })?;
        if len as usize > MAX_CHUNK {
            return Err(Fault::TooLong { found: len });
        }
        Ok(Self { number, content, len })
    }

    /// Ciphertext and tag.
    pub(crate) const fn sealed_len(self) -> usize {
        self.len as usize + TAG_LEN
    }

    /// header hash ‖ u64be number ‖ flags.
    pub(crate) fn associated_data(self, header: &Hash) -> [u8; 41] {
        let mut data = [0; 41];
        data[..32].copy_from_slice(header.as_bytes());
        data[32..40].copy_from_slice(&self.number.to_be_bytes());
        data[40] = self.content.flags();
        data
    }
}

/// Appends `value` as LEB128: seven bits a byte, least significant first, the top bit set on all but the last.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes a LEB128 integer off the front; only its shortest form, and only up to 64 bits.
pub(crate) fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = take_byte(bytes)?;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return None;
        }
        value |= bits << shift;
        if byte < 0x80 {
            return (byte != 0 || shift == 0).then_some(value);
        }
    }
    None
}

pub(crate) fn take_byte(bytes: &mut &[u8]) -> Option<u8> {
    bytes.split_off_first().copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn integers_come_back_in_any_size(value: u64, bits in 0..64u32) {
            let value = value >> bits;
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            let mut rest = bytes.as_slice();
            prop_assert_eq!((take_varint(&mut rest), rest.len()), (Some(value), 0));
        }

        #[test]
        fn an_integer_has_one_spelling(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let mut rest = bytes.as_slice();
            if let Some(value) = take_varint(&mut rest) {
                let mut again = Vec::new();
                put_varint(&mut again, value);
                prop_assert_eq!(again, &bytes[..bytes.len() - rest.len()]);
            }
        }
    }

    #[test]
    fn overlong_and_oversized_integers_are_refused() {
        for bad in [
            &[][..],
            &[0x80],
            &[0x80, 0],
            &[0xff, 0],
            &[0xff; 10],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
        ] {
            assert_eq!(take_varint(&mut { bad }), None, "{bad:x?}");
        }
    }

    #[test]
    fn chunk_heads_are_read_strictly() {
        let head = ChunkHead { number: 7, content: Content::CompressedFrames, len: 9 };
        let bytes = head.to_bytes();
        assert_eq!(bytes, [0, 0, 0, 0, 0, 0, 0, 7, 2, 0, 0, 0, 9]);
        assert_eq!(ChunkHead::parse(&bytes, 7), Ok(head));
        assert_eq!(ChunkHead::parse(&bytes, 6), Err(Fault::OutOfOrder { found: 7 }));
        for flags in 3..=255 {
            let mut bytes = bytes;
            bytes[8] = flags;
            assert_eq!(ChunkHead::parse(&bytes, 7), Err(Fault::UnknownFlags { found: flags }));
        }
        let longest = u32::try_from(MAX_CHUNK).unwrap();
        assert!(ChunkHead::parse(&ChunkHead { len: longest, ..head }.to_bytes(), 7).is_ok());
        let found = longest + 1;
        assert_eq!(ChunkHead::parse(&ChunkHead { len: found, ..head }.to_bytes(), 7), Err(Fault::TooLong { found }));
    }
}
