//! Short names of keys: the fingerprint people compare, and the identity of the key material.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::text::{TextError, serde_as_text};

/// SHA-256 of a public key's wire blob, as `ssh-keygen -l` prints it: `SHA256:` and unpadded base64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 32]);

/// Names the secret behind a key rather than its blob: equal for an `sk-` key and a plain key with the same point, and
/// for RSA keys with the same modulus. See [`PublicKey::key_material_id`](crate::PublicKey::key_material_id).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyMaterialId(pub [u8; 32]);

serde_as_text!(Fingerprint, KeyMaterialId);

impl Fingerprint {
    const PREFIX: &str = "SHA256:";

    pub(crate) fn of(wire: &[u8]) -> Self {
        Self(sha256(wire))
    }
}

impl KeyMaterialId {
    const PREFIX: &str = "MATERIAL:";
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::PREFIX, STANDARD_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        parse(Self::PREFIX, text).map(Self)
    }
}

impl fmt::Display for KeyMaterialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::PREFIX, STANDARD_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for KeyMaterialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyMaterialId {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        parse(Self::PREFIX, text).map(Self)
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().expect("SHA-256 gives 32 bytes")
}

fn parse(prefix: &str, text: &str) -> Result<[u8; 32], TextError> {
    let base64 = text.strip_prefix(prefix).ok_or(TextError::NotBase64)?;
    let mut bytes = [0; 32];
    match STANDARD_NO_PAD.decode_slice(base64, &mut bytes) {
        Ok(32) => Ok(bytes),
        _ => Err(TextError::NotBase64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_reads_back_and_has_one_form() {
        let fingerprint = Fingerprint(sha256(b"key"));
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        let text = fingerprint.to_string();
        for refused in [
            format!("{text}="),
            text.trim_start_matches("SHA256:").to_owned(),
            text.replace("SHA256", "sha256"),
            text[..text.len() - 1].to_owned(),
            format!("{text}AAAA"),
            "SHA256:AAAA".to_owned(),
            "SHA256:".to_owned(),
            String::new(),
        ] {
            assert_eq!(refused.parse::<Fingerprint>(), Err(TextError::NotBase64), "{refused}");
        }
    }

    #[test]
    fn unused_bits_of_the_last_character_must_be_zero() {
        let zeros = format!("SHA256:{}", "A".repeat(43));
        assert_eq!(zeros.parse(), Ok(Fingerprint([0; 32])));
        assert_eq!(format!("{}B", &zeros[..zeros.len() - 1]).parse::<Fingerprint>(), Err(TextError::NotBase64));
    }

    #[test]
    fn a_material_id_is_not_read_as_a_fingerprint() {
        let id = KeyMaterialId([7; 32]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.to_string().parse::<Fingerprint>().is_err());
    }
}
