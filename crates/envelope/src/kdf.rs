//! HKDF-SHA256 and randomness, in the two shapes this crate needs.

use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};

use crate::Secret;

/// Input keying material after HKDF-Extract; gives as many independent 32-byte keys as there are labels.
pub(crate) struct Root(Prk);

impl Root {
    pub(crate) fn extract(salt: &[u8], material: &[u8]) -> Self {
        Self(Salt::new(HKDF_SHA256, salt).extract(material))
    }

    pub(crate) fn key(&self, info: &[&[u8]]) -> Secret<[u8; 32]> {
        Secret::filled(|key| self.expand_into(info, key))
    }

    /// A value that may be published: it tells nothing of the other keys.
    pub(crate) fn public_value(&self, info: &[&[u8]]) -> [u8; 32] {
        let mut value = [0; 32];
        self.expand_into(info, &mut value);
        value
    }

    fn expand_into(&self, info: &[&[u8]], out: &mut [u8; 32]) {
        self.0
            .expand(info, HKDF_SHA256)
            .and_then(|okm| okm.fill(out))
            .expect("32 bytes are within what HKDF-SHA256 can expand to");
    }
}

/// Fills `bytes` from the operating system's generator.
pub(crate) fn random(bytes: &mut [u8]) {
    aws_lc_rs::rand::fill(bytes).expect("the library aborts rather than return without entropy");
}
