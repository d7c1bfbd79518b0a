//! Public keys as the SSH wire writes them, and their fingerprints.

use std::fmt;

use russh::keys::{HashAlg, ssh_key};

/// A public key in wire form (RFC 4253, section 6.6), without a comment. Two keys are equal when their bytes are.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicKey {
    wire: Vec<u8>,
    fingerprint: String,
}

/// The bytes are not a public key this gateway can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not a public key this gateway knows")]
pub struct UnknownKey;

impl PublicKey {
    /// Reads the wire form; trailing bytes are refused.
    pub fn from_wire(wire: &[u8]) -> Result<Self, UnknownKey> {
        let key = ssh_key::PublicKey::from_bytes(wire).map_err(|_| UnknownKey)?;
        let read = Self::try_from(&key)?;
        if read.wire == wire { Ok(read) } else { Err(UnknownKey) }
    }

    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// `SHA256:` and base64, as `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub(crate) fn algorithm(&self) -> ssh_key::Algorithm {
        ssh_key::PublicKey::from_bytes(&self.wire).expect("the wire form was read before").algorithm()
    }
}

impl TryFrom<&ssh_key::PublicKey> for PublicKey {
    type Error = UnknownKey;

    fn try_from(key: &ssh_key::PublicKey) -> Result<Self, UnknownKey> {
        let wire = key.to_bytes().map_err(|_| UnknownKey)?;
        Ok(Self { wire, fingerprint: key.fingerprint(HashAlg::Sha256).to_string() })
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fingerprint)
    }
}
