//! Signing in software with an Ed25519 key (RFC 8032).

use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};

use crate::key::PublicKey;
use crate::sshsig::{HashAlgorithm, Signature, to_be_signed};
use crate::writer::Writer;

/// An Ed25519 key in memory. The secret lies only in the crypto library, which clears it when it is freed; nothing here
/// prints it or gives it back.
pub struct SoftSigner {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl SoftSigner {
    /// The key of a 32-byte seed (the secret key of RFC 8032). The caller clears the seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("every 32 bytes are an Ed25519 seed");
        let point = pair.public_key().as_ref().try_into().expect("an Ed25519 point has 32 bytes");
        let public = PublicKey::ed25519(point).expect("the key of a seed has the order of the base point");
        Self { pair, public }
    }

    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// The bare Ed25519 signature over `data`. Give it only data that cannot be mistaken for something else: an SSHSIG,
    /// a certificate and a checkpoint begin differently.
    #[must_use]
    pub fn sign_raw(&self, data: &[u8]) -> [u8; 64] {
        self.pair.sign(data).as_ref().try_into().expect("an Ed25519 signature has 64 bytes")
    }

    /// An SSHSIG over `message`, byte for byte what `ssh-keygen -Y sign` would write.
    ///
    /// # Panics
    /// If the namespace is empty, longer than [`MAX_NAMESPACE`](crate::MAX_NAMESPACE) or holds control characters:
    /// namespaces are constants of the program.
    #[must_use]
    pub fn sshsig(&self, namespace: &str, message: &[u8]) -> Signature {
        let hash = HashAlgorithm::Sha512;
        let raw = self.sign_raw(&to_be_signed(namespace, hash, message));
        let blob = Writer::new().string(self.public.class().name()).string(raw).into_bytes();
        Signature::assemble(&self.public, namespace, hash, &blob).expect("the namespace is a sound constant")
    }
}

impl fmt::Debug for SoftSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SoftSigner").field(&self.public.fingerprint()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signer_may_be_shared_between_threads() {
        fn shared<T: Send + Sync>(_: &T) {}
        shared(&SoftSigner::from_seed(&[1; 32]));
    }

    /// RFC 8032 section 7.1, test 1.
    #[test]
    fn the_vector_of_the_rfc_comes_out() {
        let seed = [
            0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49,
            0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
        ];
        let signature = SoftSigner::from_seed(&seed).sign_raw(b"");
        assert_eq!(signature.first_chunk(), Some(&[0xe5, 0x56, 0x43, 0x00, 0xc3, 0x60, 0xac, 0x72]));
        assert_eq!(signature.last_chunk(), Some(&[0x8e, 0x7a, 0x10, 0x0b]));
    }

    #[test]
    #[should_panic(expected = "namespace")]
    fn an_empty_namespace_is_a_fault_of_the_program() {
        drop(SoftSigner::from_seed(&[1; 32]).sshsig("", b"message"));
    }
}
