//! Short opaque keys, kept inline: what an entry is about, and what a blob is called.

use std::fmt;

use crate::{Result, StoreError};

/// What an entry is about, e.g. the text of an id. At most 40 bytes.
pub type SubjectKey = ShortKey<40>;

/// What a blob is called, e.g. the hash of its bytes. At most 64 bytes.
pub type BlobKey = ShortKey<64>;

/// Between 1 and `MAX` bytes that the store does not look into. Ordered as bytes.
#[derive(Clone, Copy)]
pub struct ShortKey<const MAX: usize> {
    bytes: [u8; MAX],
    len: u8,
}

impl<const MAX: usize> ShortKey<MAX> {
    /// Takes a key.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] over `MAX` bytes, [`StoreError::TooSmall`] without any.
    pub fn new(key: impl AsRef<[u8]>) -> Result<ShortKey<MAX>> {
        let key = key.as_ref();
        if key.is_empty() {
            return Err(StoreError::TooSmall { what: "key in bytes", len: 0, min: 1 });
        }
        let mut bytes = [0; MAX];
        let Some(place) = bytes.get_mut(..key.len()) else {
            return Err(StoreError::TooLarge { what: "key in bytes", len: key.len() as u64, max: MAX as u64 });
        };
        place.copy_from_slice(key);
        Ok(ShortKey { bytes, len: u8::try_from(key.len()).expect("no kind of key is longer than 255 bytes") })
    }

    /// The bytes as they were given.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl From<ledger::Hash> for BlobKey {
    fn from(hash: ledger::Hash) -> BlobKey {
        ShortKey::new(hash).expect("a hash has 32 bytes")
    }
}

impl<const MAX: usize> AsRef<[u8]> for ShortKey<MAX> {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl<const MAX: usize> PartialEq for ShortKey<MAX> {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl<const MAX: usize> Eq for ShortKey<MAX> {}

impl<const MAX: usize> PartialOrd for ShortKey<MAX> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<const MAX: usize> Ord for ShortKey<MAX> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl<const MAX: usize> std::hash::Hash for ShortKey<MAX> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

/// As text where it is printable ASCII, else in hexadecimal digits.
impl<const MAX: usize> fmt::Display for ShortKey<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(self.as_bytes()) {
            Ok(text) if text.bytes().all(|byte| byte.is_ascii_graphic()) => f.write_str(text),
            _ => self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}")),
        }
    }
}

impl<const MAX: usize> fmt::Debug for ShortKey<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_at_least_one_byte_and_at_most_its_limit() {
        assert!(matches!(SubjectKey::new(""), Err(StoreError::TooSmall { len: 0, min: 1, .. })));
        assert_eq!(SubjectKey::new([7; 40]).unwrap().as_bytes(), [7; 40]);
        assert!(matches!(SubjectKey::new([7; 41]), Err(StoreError::TooLarge { len: 41, max: 40, .. })));
        assert_eq!(BlobKey::new([7; 64]).unwrap().as_bytes(), [7; 64]);
        BlobKey::new([7; 65]).unwrap_err();
    }

    #[test]
    fn keys_order_as_their_bytes_whatever_their_length() {
        let mut keys = ["b", "a", "ab", "a\0"].map(|text| SubjectKey::new(text).unwrap());
        keys.sort();
        assert_eq!(keys.map(|key| key.as_bytes().to_vec()), [&b"a"[..], b"a\0", b"ab", b"b"].map(<[u8]>::to_vec));
    }

    #[test]
    fn a_key_prints_as_text_or_in_hexadecimal() {
        assert_eq!(SubjectKey::new("req_0abc").unwrap().to_string(), "req_0abc");
        assert_eq!(format!("{:?}", SubjectKey::new([0x00, 0xff]).unwrap()), "00ff");
    }
}
