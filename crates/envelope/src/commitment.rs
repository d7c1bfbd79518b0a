//! Salted commitments: what stands in the ledger in place of a text that names a person or was typed by one.

use std::fmt;

use aws_lc_rs::{constant_time, hmac};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroize;

use crate::{Error, kdf, text};

const LABEL: &[u8] = b"sekimori/commit/v1";

/// Commits to `value` as a `kind` (such as `purpose`): HMAC-SHA256 keyed with the salt over
/// `sekimori/commit/v1` ‖ u8 len(kind) ‖ kind ‖ u32be len(value) ‖ value.
///
/// # Panics
/// When `kind` is longer than 255 bytes or `value` than 2^32 − 1: kinds are written in code, values have far lower limits.
#[must_use]
pub fn commit(kind: &str, salt: &Salt, value: &[u8]) -> [u8; 32] {
    let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &salt.0));
    mac.update(LABEL);
    mac.update(&[u8::try_from(kind.len()).expect("a kind is a short word written in code")]);
    mac.update(kind.as_bytes());
    mac.update(&u32::try_from(value.len()).expect("committed values are limited far below 4 GiB").to_be_bytes());
    mac.update(value);
    let mut commitment = [0; 32];
    commitment.copy_from_slice(mac.sign().as_ref());
    commitment
}

/// Whether `commitment` was made from this kind, salt and value; takes the same time whatever the answer.
#[must_use]
pub fn opens(commitment: &[u8; 32], kind: &str, salt: &Salt, value: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(commitment, &commit(kind, salt, value)).is_ok()
}

/// The 32 random bytes that keep a commitment from being guessed. Whoever has salt and value can prove the value; erasing
/// the salt makes the commitment say nothing. Written as base64url; never printed by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Salt([u8; 32]);

impl Salt {
    /// A salt from bytes the caller drew; nothing in here asks for randomness.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A fresh salt from the operating system's generator.
    #[must_use]
    pub fn random() -> Self {
        let mut salt = Self([0; 32]);
        kdf::random(&mut salt.0);
        salt
    }

    /// The bytes, for storing beside the sealed value.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for Salt {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(***)")
    }
}

impl Serialize for Salt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        text::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Salt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut bytes = text::deserialize(deserializer, "salt", 32)?;
        let salt = <[u8; 32]>::try_from(bytes.as_slice()).map(Self);
        bytes.zeroize();
        salt.map_err(|_| serde::de::Error::custom(Error::WrongLength { what: "salt", found: bytes.len() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn salt() -> Salt {
        Salt::from_bytes(std::array::from_fn(|i| u8::try_from(i).unwrap()))
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Expected values come from another implementation: Python's `hmac` over the bytes written in the doc comment.
    #[test]
    fn commitments_match_an_independent_implementation() {
        assert_eq!(
            hex(&commit("purpose", &salt(), "rotate WAL archive, CHG-142".as_bytes())),
            "a614da61424fed347aa01fc8e7ab0b99e439f9b79f70ac18e431708b1451063c"
        );
        assert_eq!(hex(&commit("", &salt(), b"")), "876a69eb16a29ad1929953e70f96939fe38de253392f590879d8f6392b488ebe");
    }

    #[test]
    fn kind_value_and_salt_all_count_and_cannot_be_shifted_into_each_other() {
        let made = commit("purpose", &salt(), b"text");
        assert!(opens(&made, "purpose", &salt(), b"text"));
        assert!(!opens(&made, "reason", &salt(), b"text"));
        assert!(!opens(&made, "purpose", &salt(), b"texT"));
        assert!(!opens(&made, "purposet", &salt(), b"ext"));
        assert!(!opens(&made, "purpose", &Salt::from_bytes([0; 32]), b"text"));
    }

    #[test]
    fn a_salt_survives_json_and_hides_in_debug() {
        let json = serde_json::to_string(&salt()).unwrap();
        assert_eq!(json, r#""AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8""#);
        assert_eq!(serde_json::from_str::<Salt>(&json).unwrap(), salt());
        assert_eq!(format!("{:?}", salt()), "Salt(***)");
        for bad in [r#""AAEC""#, r#""""#, "7", r#""AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=""#] {
            assert!(serde_json::from_str::<Salt>(bad).is_err(), "{bad} was read as a salt");
        }
    }

    #[test]
    fn random_salts_differ() {
        assert_ne!(Salt::random(), Salt::random());
    }
}
