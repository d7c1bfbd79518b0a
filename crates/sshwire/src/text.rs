//! The text around the bytes: strict base64, OpenSSH's one-line form, and serde as text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

/// Longest line taken for a key or certificate, in bytes: the longest blob in base64, its type and a comment.
const MAX_LINE: usize = 128 * 1024;

/// Longest piece of foreign text that an error repeats, in bytes.
const MAX_SHOWN: usize = 64;

/// Why a text is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TextError {
    #[error("not one line of the form `type base64 [comment]`")]
    NotOneLine,
    #[error("not base64 in its one canonical form")]
    NotBase64,
    #[error("longer than {limit} bytes")]
    TooLong { limit: usize },
    #[error("this is a private key; it belongs nowhere but with its owner")]
    PrivateKey,
}

/// The first two words of `type base64 [comment]`.
pub(crate) struct KeyLine<'a> {
    pub(crate) type_name: &'a str,
    pub(crate) base64: &'a str,
    /// What follows. Never kept: it usually names a person.
    pub(crate) comment: &'a str,
}

impl<'a> KeyLine<'a> {
    pub(crate) fn read(text: &'a str) -> Result<Self, TextError> {
        if text.len() > MAX_LINE {
            return Err(TextError::TooLong { limit: MAX_LINE });
        }
        if text.contains("PRIVATE KEY") {
            return Err(TextError::PrivateKey);
        }
        let line = without_line_end(text);
        if line.chars().any(|c| c.is_control() && c != '\t') {
            return Err(TextError::NotOneLine);
        }
        let (type_name, rest) = line.split_once(is_blank).ok_or(TextError::NotOneLine)?;
        let rest = rest.trim_start_matches(is_blank);
        let (base64, comment) = rest.split_once(is_blank).unwrap_or((rest, ""));
        if type_name.is_empty() || base64.is_empty() {
            return Err(TextError::NotOneLine);
        }
        Ok(Self { type_name, base64, comment })
    }
}

/// The line that `KeyLine` reads, without a comment.
pub(crate) fn key_line(type_name: &str, wire: &[u8]) -> String {
    format!("{type_name} {}", encode_base64(wire))
}

pub(crate) fn encode_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Decodes padded standard base64 of at most `limit` bytes; unused bits must be zero, nothing else may stand in it.
pub(crate) fn decode_base64(text: &str, limit: usize) -> Result<Vec<u8>, TextError> {
    if text.len() > limit.div_ceil(3) * 4 {
        return Err(TextError::TooLong { limit });
    }
    STANDARD.decode(text).map_err(|_| TextError::NotBase64)
}

/// Foreign bytes as an error may show them: printable ASCII, short.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let head = bytes.get(..MAX_SHOWN).unwrap_or(bytes);
    head.escape_ascii().to_string()
}

fn without_line_end(text: &str) -> &str {
    let line = text.strip_suffix('\n').unwrap_or(text);
    line.strip_suffix('\r').unwrap_or(line)
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

/// Serialises a type as its `Display` text and reads it back by its `FromStr`.
macro_rules! serde_as_text {
    ($($type:ty),+ $(,)?) => {$(
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}
pub(crate) use serde_as_text;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_has_one_form() {
        assert_eq!(decode_base64("AQI=", 2), Ok(vec![1, 2]));
        for refused in ["AQI", "AQJ=", "AQI==", "AQI=\n", " AQI=", "AQ-_", "AQI=AQI="] {
            assert_eq!(decode_base64(refused, 100), Err(TextError::NotBase64), "{refused:?}");
        }
        assert_eq!(decode_base64("AQIDBA==", 3), Err(TextError::TooLong { limit: 3 }));
    }

    #[test]
    fn an_error_never_repeats_control_characters_or_much() {
        assert_eq!(shown(b"\x1b[2Jx"), "\\x1b[2Jx");
        assert_eq!(shown(&[b'a'; 1000]).len(), MAX_SHOWN);
    }

    #[test]
    fn a_line_is_one_line() {
        assert!(KeyLine::read("ssh-ed25519 AAAA\n").is_ok());
        assert!(KeyLine::read("ssh-ed25519\t AAAA  some comment\r\n").is_ok());
        for refused in ["", "\n", "ssh-ed25519", "ssh-ed25519 ", " AAAA", "a AAAA\nb AAAA", "a AAAA\n\n", "a AAAA\0"] {
            assert_eq!(KeyLine::read(refused).err(), Some(TextError::NotOneLine), "{refused:?}");
        }
    }
}
