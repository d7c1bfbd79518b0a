//! Bytes as text inside JSON and keys: base64url without padding, one spelling only.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serializer};

use crate::Error;

pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Refuses padding, white space, other alphabets and stray trailing bits; looks at the length before it allocates.
pub(crate) fn decode(what: &'static str, text: &str, max_bytes: usize) -> Result<Vec<u8>, Error> {
    if text.len() > max_bytes.div_ceil(3) * 4 {
        return Err(Error::WrongLength { what, found: text.len() / 4 * 3 });
    }
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Error::NotCanonical { what })
}

pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&encode(bytes))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
    what: &'static str,
    max_bytes: usize,
) -> Result<Vec<u8>, D::Error> {
    let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
    decode(what, &text, max_bytes).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_spelling_is_read() {
        assert_eq!(decode("x", "-_8", 2), Ok(vec![0xfb, 0xff]));
        for other in ["-_8=", "+/8", "-_9", " -_8", "-_8\n", "-_", "-"] {
            let read = decode("x", other, 2);
            assert!(read.as_deref() != Ok(&[0xfb, 0xff]), "{other:?} was read as the same bytes");
        }
        assert_eq!(decode("x", "AAAAAAAAA", 3), Err(Error::WrongLength { what: "x", found: 6 }));
    }
}
