//! The signature inside a signature: an algorithm's name and its numbers, checked against one key.
//!
//! RFC 4253 section 6.6, RFC 5656 section 3.1.2, RFC 8332, RFC 8709, OpenSSH's PROTOCOL.u2f.

use aws_lc_rs::signature::{
    ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey,
};

use crate::fingerprint::sha256;
use crate::key::{Curve, KeyClass, KeyParts, PublicKey};
use crate::reader::Reader;
use crate::sshsig::SigError;
use crate::text::shown;
use crate::writer::Writer;

/// What the signature proves about the person at the key. Only hardware keys say anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Presence {
    /// An ordinary key: nothing is known of a person.
    NotAHardwareKey,
    /// The authenticator signed these values together with the message.
    HardwareKey {
        /// Somebody touched the authenticator. Where this is false, software may have signed alone.
        user_present: bool,
        /// The authenticator checked a PIN or a finger.
        user_verified: bool,
        /// Signatures made so far; 0 where the authenticator does not count.
        counter: u32,
    },
}

/// A parsed signature blob. Never SHA-1: `ssh-rsa` is no algorithm here.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SignatureBlob<'a> {
    Ed25519(&'a [u8; 64]),
    Ecdsa(Curve, EcdsaNumbers<'a>),
    RsaSha256(&'a [u8]),
    RsaSha512(&'a [u8]),
    SkEd25519(&'a [u8; 64], Assertion),
    SkEcdsaP256(EcdsaNumbers<'a>, Assertion),
}

/// r and s as magnitudes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EcdsaNumbers<'a> {
    r: &'a [u8],
    s: &'a [u8],
}

/// What an authenticator adds to the message it signs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Assertion {
    flags: u8,
    counter: u32,
}

impl<'a> SignatureBlob<'a> {
    pub(crate) fn parse(blob: &'a [u8]) -> Result<Self, SigError> {
        let mut reader = Reader::new(blob);
        let algorithm = reader.string("signature algorithm")?;
        let parsed = match algorithm {
            b"ssh-ed25519" => Self::Ed25519(reader.string_of("Ed25519 signature")?),
            b"ecdsa-sha2-nistp256" => Self::Ecdsa(Curve::P256, EcdsaNumbers::read(&mut reader)?),
            b"ecdsa-sha2-nistp384" => Self::Ecdsa(Curve::P384, EcdsaNumbers::read(&mut reader)?),
            b"ecdsa-sha2-nistp521" => Self::Ecdsa(Curve::P521, EcdsaNumbers::read(&mut reader)?),
            b"rsa-sha2-256" => Self::RsaSha256(reader.string("RSA signature")?),
            b"rsa-sha2-512" => Self::RsaSha512(reader.string("RSA signature")?),
            b"sk-ssh-ed25519@openssh.com" => {
                Self::SkEd25519(reader.string_of("Ed25519 signature")?, Assertion::read(&mut reader)?)
            }
            b"sk-ecdsa-sha2-nistp256@openssh.com" => {
                Self::SkEcdsaP256(EcdsaNumbers::read(&mut reader)?, Assertion::read(&mut reader)?)
            }
            unknown => return Err(SigError::UnsupportedAlgorithm(shown(unknown))),
        };
        reader.finish("signature blob")?;
        Ok(parsed)
    }

    /// Refuses a signature of another kind than the key makes.
    pub(crate) fn fits(&self, key: &PublicKey) -> Result<(), SigError> {
        if self.key_class() == key.class() {
            Ok(())
        } else {
            Err(SigError::AlgorithmNotOfKey { algorithm: self.name(), key: key.class() })
        }
    }

    /// Verifies the signature over `data` and says what the key proved of its holder's presence.
    pub(crate) fn verify(&self, key: &PublicKey, data: &[u8]) -> Result<Presence, SigError> {
        let verified = match (*self, key.parts()) {
            (Self::Ed25519(signature), KeyParts::Ed25519 { point }) => verify_ed25519(point, data, signature),
            (Self::Ecdsa(_, numbers), KeyParts::Ecdsa { curve, point }) => verify_ecdsa(curve, point, data, numbers),
            (Self::RsaSha256(signature), KeyParts::Rsa { exponent, modulus }) => {
                verify_rsa(&RSA_PKCS1_2048_8192_SHA256, exponent, modulus, data, signature)
            }
            (Self::RsaSha512(signature), KeyParts::Rsa { exponent, modulus }) => {
                verify_rsa(&RSA_PKCS1_2048_8192_SHA512, exponent, modulus, data, signature)
            }
            (Self::SkEd25519(signature, assertion), KeyParts::SkEd25519 { point, application }) => {
                verify_ed25519(point, &assertion.signed_data(application, data), signature)
            }
            (Self::SkEcdsaP256(numbers, assertion), KeyParts::SkEcdsa { point, application }) => {
                verify_ecdsa(Curve::P256, point, &assertion.signed_data(application, data), numbers)
            }
            _ => return self.fits(key).and(Err(SigError::BadSignature)),
        };
        if verified { Ok(self.presence()) } else { Err(SigError::BadSignature) }
    }

    fn presence(&self) -> Presence {
        match self {
            Self::Ed25519(_) | Self::Ecdsa(..) | Self::RsaSha256(_) | Self::RsaSha512(_) => Presence::NotAHardwareKey,
            Self::SkEd25519(_, assertion) | Self::SkEcdsaP256(_, assertion) => assertion.presence(),
        }
    }

    fn key_class(&self) -> KeyClass {
        match self {
            Self::Ed25519(_) => KeyClass::Ed25519,
            Self::Ecdsa(curve, _) => curve.class(),
            Self::RsaSha256(_) | Self::RsaSha512(_) => KeyClass::Rsa,
            Self::SkEd25519(..) => KeyClass::SkEd25519,
            Self::SkEcdsaP256(..) => KeyClass::SkEcdsaP256,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::RsaSha256(_) => "rsa-sha2-256",
            Self::RsaSha512(_) => "rsa-sha2-512",
            Self::Ed25519(_) | Self::Ecdsa(..) | Self::SkEd25519(..) | Self::SkEcdsaP256(..) => self.key_class().name(),
        }
    }
}

impl<'a> EcdsaNumbers<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, SigError> {
        let mut inner = Reader::new(reader.string("ECDSA signature")?);
        let numbers = Self { r: inner.mpint("ECDSA r")?, s: inner.mpint("ECDSA s")? };
        inner.finish("ECDSA signature")?;
        Ok(numbers)
    }

    /// r and s, each filled with zeros on the left to the curve's length; none if one is longer.
    fn fixed(&self, curve: Curve) -> Option<Vec<u8>> {
        let mut fixed = Vec::with_capacity(2 * curve.scalar_len());
        for number in [self.r, self.s] {
            let zeros = curve.scalar_len().checked_sub(number.len())?;
            fixed.resize(fixed.len() + zeros, 0);
            fixed.extend_from_slice(number);
        }
        Some(fixed)
    }
}

impl Assertion {
    const USER_PRESENT: u8 = 0x01;
    const USER_VERIFIED: u8 = 0x04;

    fn read(reader: &mut Reader<'_>) -> Result<Self, SigError> {
        Ok(Self { flags: reader.byte("authenticator flags")?, counter: reader.u32("authenticator counter")? })
    }

    /// SHA256(application), flags, counter, SHA256(message). Extensions do not pass: none is defined for SSH, and a
    /// signature made over some does not verify without them.
    fn signed_data(self, application: &str, message: &[u8]) -> Vec<u8> {
        Writer::new()
            .raw(&sha256(application.as_bytes()))
            .byte(self.flags)
            .u32(self.counter)
            .raw(&sha256(message))
            .into_bytes()
    }

    fn presence(self) -> Presence {
        Presence::HardwareKey {
            user_present: self.flags & Self::USER_PRESENT != 0,
            user_verified: self.flags & Self::USER_VERIFIED != 0,
            counter: self.counter,
        }
    }
}

fn verify_ed25519(point: &[u8; 32], data: &[u8], signature: &[u8; 64]) -> bool {
    UnparsedPublicKey::new(&ED25519, point).verify(data, signature).is_ok()
}

fn verify_ecdsa(curve: Curve, point: &[u8], data: &[u8], numbers: EcdsaNumbers<'_>) -> bool {
    let key = UnparsedPublicKey::new(curve.algorithm(), point);
    numbers.fixed(curve).is_some_and(|fixed| key.verify(data, &fixed).is_ok())
}

fn verify_rsa(parameters: &RsaParameters, exponent: &[u8], modulus: &[u8], data: &[u8], signature: &[u8]) -> bool {
    let key = RsaPublicKeyComponents { n: modulus, e: exponent };
    // It refuses a signature that is not as long as the modulus (RFC 8017 section 8.2.2): one encoding here too.
    key.verify(parameters, data, signature).is_ok()
}
