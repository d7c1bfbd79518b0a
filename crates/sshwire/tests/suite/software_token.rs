//! A FIDO authenticator made of software: signs as OpenSSH's PROTOCOL.u2f describes, with whatever flags it is told.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use sshwire::{HashAlgorithm, PublicKey, Signature, Writer, to_be_signed};

pub(crate) const TOUCHED: u8 = 0x01;
pub(crate) const PIN_GIVEN: u8 = 0x04;

const SK_ED25519: &str = "sk-ssh-ed25519@openssh.com";
const SK_ECDSA: &str = "sk-ecdsa-sha2-nistp256@openssh.com";

pub(crate) struct SoftwareToken {
    pair: Pair,
    application: &'static str,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    EcdsaP256(Box<EcdsaKeyPair>),
}

impl SoftwareToken {
    pub(crate) fn both() -> [Self; 2] {
        [Self::ed25519("ssh:"), Self::ecdsa("ssh:")]
    }

    pub(crate) fn ed25519(application: &'static str) -> Self {
        Self { pair: Pair::Ed25519(Ed25519KeyPair::generate().unwrap()), application }
    }

    pub(crate) fn ecdsa(application: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { pair: Pair::EcdsaP256(Box::new(pair)), application }
    }

    pub(crate) fn public_key(&self) -> PublicKey {
        let fields = match &self.pair {
            Pair::Ed25519(pair) => Writer::new().string(SK_ED25519).string(pair.public_key()),
            Pair::EcdsaP256(pair) => Writer::new().string(SK_ECDSA).string("nistp256").string(pair.public_key()),
        };
        PublicKey::from_wire(&fields.string(self.application).into_bytes()).unwrap()
    }

    /// The key that the same point would be outside the token.
    pub(crate) fn plain_twin(&self) -> PublicKey {
        let fields = match &self.pair {
            Pair::Ed25519(pair) => Writer::new().string("ssh-ed25519").string(pair.public_key()),
            Pair::EcdsaP256(pair) => {
                Writer::new().string("ecdsa-sha2-nistp256").string("nistp256").string(pair.public_key())
            }
        };
        PublicKey::from_wire(&fields.into_bytes()).unwrap()
    }

    pub(crate) fn sshsig(&self, namespace: &str, message: &[u8], flags: u8, counter: u32) -> Signature {
        let hash = HashAlgorithm::Sha512;
        let blob = self.sign(&to_be_signed(namespace, hash, message), flags, counter);
        Signature::assemble(&self.public_key(), namespace, hash, &blob).unwrap()
    }

    /// The signature blob over `data`.
    pub(crate) fn sign(&self, data: &[u8], flags: u8, counter: u32) -> Vec<u8> {
        let mut signed = digest(&SHA256, self.application.as_bytes()).as_ref().to_vec();
        signed.push(flags);
        signed.extend(counter.to_be_bytes());
        signed.extend(digest(&SHA256, data).as_ref());
        assert_eq!(signed.len(), 32 + 1 + 4 + 32);
        let (name, signature) = match &self.pair {
            Pair::Ed25519(pair) => (SK_ED25519, pair.sign(&signed).as_ref().to_vec()),
            Pair::EcdsaP256(pair) => (SK_ECDSA, ecdsa_blob(pair, &signed)),
        };
        Writer::new().string(name).string(signature).byte(flags).u32(counter).into_bytes()
    }
}

/// r and s as mpints.
fn ecdsa_blob(pair: &EcdsaKeyPair, data: &[u8]) -> Vec<u8> {
    let fixed = pair.sign(&SystemRandom::new(), data).unwrap();
    let (r, s) = fixed.as_ref().split_at(32);
    Writer::new().mpint(r).mpint(s).into_bytes()
}
