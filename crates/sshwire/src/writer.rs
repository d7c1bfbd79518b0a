//! Writes SSH wire data (RFC 4251 section 5) in its one canonical form.

/// Collects fields; each method returns the writer, so that a format reads as the list of its fields.
#[derive(Debug, Clone, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One byte.
    #[must_use]
    pub fn byte(self, byte: u8) -> Self {
        self.raw(&[byte])
    }

    /// A `uint32`.
    #[must_use]
    pub fn u32(self, number: u32) -> Self {
        self.raw(&number.to_be_bytes())
    }

    /// A `uint64`.
    #[must_use]
    pub fn u64(self, number: u64) -> Self {
        self.raw(&number.to_be_bytes())
    }

    /// Bytes without a length before them.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// A `string`: a length and the bytes.
    #[must_use]
    pub fn string(self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        let len = u32::try_from(bytes.len()).expect("no value of this crate comes near 4 GiB");
        self.u32(len).raw(bytes)
    }

    /// A positive `mpint` from its big-endian magnitude; leading zeros are dropped, a sign byte is added where needed.
    #[must_use]
    pub fn mpint(self, magnitude: &[u8]) -> Self {
        let zeros = magnitude.iter().take_while(|byte| **byte == 0).count();
        let shortest = magnitude.get(zeros..).unwrap_or_default();
        match shortest {
            [0x80..=0xff, ..] => self.string([&[0], shortest].concat()),
            _ => self.string(shortest),
        }
    }

    /// The bytes written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 4251 section 5.
    #[test]
    fn numbers_and_strings_are_written_as_the_rfc_shows() {
        assert_eq!(Writer::new().mpint(&[0]).into_bytes(), [0, 0, 0, 0]);
        assert_eq!(
            Writer::new().mpint(&[0x09, 0xa3, 0x78, 0xf9, 0xb2, 0xe3, 0x32, 0xa7]).into_bytes(),
            [0, 0, 0, 8, 0x09, 0xa3, 0x78, 0xf9, 0xb2, 0xe3, 0x32, 0xa7]
        );
        assert_eq!(Writer::new().mpint(&[0, 0, 0x80]).into_bytes(), [0, 0, 0, 2, 0, 0x80]);
        assert_eq!(Writer::new().string("testing").into_bytes(), *b"\0\0\0\x07testing");
        assert_eq!(Writer::new().u32(699_921_578).into_bytes(), [0x29, 0xb7, 0xf4, 0xaa]);
    }
}
