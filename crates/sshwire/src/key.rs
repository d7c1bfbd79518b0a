//! SSH public keys in their one canonical encoding (RFC 4253 section 6.6, RFC 5656, RFC 8709, OpenSSH's PROTOCOL.u2f).
//!
//! A key belongs to one persona for ever, so one key must never have two faces here. What is refused for that reason:
//! numbers with needless zeros, compressed and hybrid points, coordinates beyond the field, Ed25519 points of small order
//! (their signatures hold for many messages), base64 with stray bits, bytes after the end.
//!
//! A key in hardware (`sk-…`) and a plain key with the same point are *different* blobs with different fingerprints: so
//! uniqueness must be asked of [`PublicKey::key_material_id`], which is the same for both.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, EcdsaVerificationAlgorithm,
    UnparsedPublicKey,
};
use thiserror::Error;

use crate::fingerprint::{Fingerprint, KeyMaterialId, sha256};
use crate::reader::{Reader, WireError};
use crate::text::{KeyLine, TextError, decode_base64, key_line, serde_as_text, shown};
use crate::writer::Writer;

/// Longest public key blob, in bytes.
pub const MAX_KEY: usize = 16 * 1024;

/// Shortest RSA modulus, in bits: what NIST SP 800-57 gives for use after 2030.
const MIN_RSA_BITS: usize = 3072;

/// Longest RSA modulus, in bits: the longest that our verifier takes. A key that could never be verified is no key.
const MAX_RSA_BITS: usize = 8192;

/// Longest RSA exponent, in bits: as in the verifier. Longer ones only make verification slow.
const MAX_RSA_EXPONENT_BITS: usize = 33;

/// Longest application string of a hardware key, in bytes.
const MAX_APPLICATION: usize = 255;

/// Ends the type name of every OpenSSH certificate.
const CERTIFICATE_SUFFIX: &str = "-cert-v01@openssh.com";

/// A kind of key, one per SSH type name. `Sk…` keys live in a FIDO authenticator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyClass {
    Ed25519,
    EcdsaP256,
    EcdsaP384,
    EcdsaP521,
    Rsa,
    SkEd25519,
    SkEcdsaP256,
}

/// Why something is not a public key that we take.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    #[error("public key is {len} bytes long, more than {MAX_KEY}")]
    TooLong { len: usize },
    #[error("public key is malformed: {0}")]
    Malformed(#[from] WireError),
    #[error("public key text: {0}")]
    Text(#[from] TextError),
    #[error("options stand before the key; give the key alone")]
    OptionsBeforeKey,
    #[error("this is a certificate, not a public key")]
    Certificate,
    #[error("keys of type `{0}` are not taken")]
    UnsupportedType(String),
    #[error("the text says `{text}`, the key inside is `{blob}`")]
    TypeMismatch { text: KeyClass, blob: KeyClass },
    #[error("a key of type `{0}` names another curve")]
    WrongCurve(KeyClass),
    #[error("the point of a key of type `{0}` is not a valid point in its one encoding")]
    BadPoint(KeyClass),
    #[error("the Ed25519 point has small order: anybody can sign for it")]
    SmallOrderPoint,
    #[error("RSA modulus of {bits} bits, not {MIN_RSA_BITS} to {MAX_RSA_BITS}")]
    RsaModulusLength { bits: usize },
    #[error("RSA modulus is even")]
    RsaModulusEven,
    #[error("RSA exponent is not an odd number from 3 up to {MAX_RSA_EXPONENT_BITS} bits")]
    BadRsaExponent,
    #[error("the application of a hardware key is not printable, or does not begin with `ssh:`")]
    BadApplication,
}

/// A public key that has been checked, held as its canonical SSH wire blob. Cheap to clone. Ordered by blob.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey {
    wire: Arc<[u8]>,
    class: KeyClass,
}

serde_as_text!(PublicKey);

impl PublicKey {
    /// Takes a wire blob as it stands in an SSH packet.
    ///
    /// # Errors
    /// Everything that is not exactly one key of a [`KeyClass`] in its canonical form.
    pub fn from_wire(wire: &[u8]) -> Result<Self, KeyError> {
        if wire.len() > MAX_KEY {
            return Err(KeyError::TooLong { len: wire.len() });
        }
        let parts = KeyParts::read(wire)?;
        parts.check()?;
        Ok(Self { wire: wire.into(), class: parts.class() })
    }

    /// Takes a line `type base64 [comment]`, as in a `.pub` file. The comment is dropped.
    ///
    /// # Errors
    /// As [`from_wire`](Self::from_wire), and for options before the key, more than one line, or a private key.
    pub fn from_openssh(line: &str) -> Result<Self, KeyError> {
        let line = KeyLine::read(line)?;
        let text = class_of_line(&line)?;
        let key = Self::from_wire(&decode_base64(line.base64, MAX_KEY)?)?;
        if key.class == text { Ok(key) } else { Err(KeyError::TypeMismatch { text, blob: key.class }) }
    }

    /// The Ed25519 key with this encoded point (RFC 8032 section 5.1.5).
    ///
    /// # Errors
    /// `BadPoint` if the encoding is not canonical, `SmallOrderPoint`. Whether the point lies on the curve is not asked,
    /// as in OpenSSH: if it does not, no signature will ever verify.
    pub fn ed25519(point: [u8; 32]) -> Result<Self, KeyError> {
        Self::from_wire(&Writer::new().string(KeyClass::Ed25519.name()).string(point).into_bytes())
    }

    /// `type base64`, without a comment.
    #[must_use]
    pub fn to_openssh(&self) -> String {
        key_line(self.class.name(), &self.wire)
    }

    /// The canonical wire blob.
    #[must_use]
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    #[must_use]
    pub fn class(&self) -> KeyClass {
        self.class
    }

    /// As `ssh-keygen -l` shows it. Differs between an `sk-` key and a plain key with the same point.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.wire)
    }

    /// Names the secret behind this key: who can sign with two keys of one id holds one secret. Equal for the `sk-` and
    /// the plain variant of a point, whatever the application, and for RSA keys that differ in the exponent alone (the
    /// factors of the modulus serve for both).
    ///
    /// SHA-256 over three SSH strings: `sshwire/key-material/v1`; `ed25519`, the curve's name or `rsa`; the point or the
    /// modulus without leading zeros.
    #[must_use]
    pub fn key_material_id(&self) -> KeyMaterialId {
        let (family, material): (_, &[u8]) = match self.parts() {
            KeyParts::Ed25519 { point } | KeyParts::SkEd25519 { point, .. } => ("ed25519", point),
            KeyParts::Ecdsa { curve, point } => (curve.name(), point),
            KeyParts::SkEcdsa { point, .. } => (Curve::P256.name(), point),
            KeyParts::Rsa { modulus, .. } => ("rsa", modulus),
        };
        let hashed = Writer::new().string("sshwire/key-material/v1").string(family).string(material);
        KeyMaterialId(sha256(&hashed.into_bytes()))
    }

    /// The encoded point, if this is a plain Ed25519 key.
    #[must_use]
    pub fn ed25519_point(&self) -> Option<&[u8; 32]> {
        match self.parts() {
            KeyParts::Ed25519 { point } => Some(point),
            _ => None,
        }
    }

    /// The application of a hardware key, `ssh:…`.
    #[must_use]
    pub fn application(&self) -> Option<&str> {
        match self.parts() {
            KeyParts::SkEd25519 { application, .. } | KeyParts::SkEcdsa { application, .. } => Some(application),
            _ => None,
        }
    }

    pub(crate) fn parts(&self) -> KeyParts<'_> {
        KeyParts::read(&self.wire).expect("the blob was read when the key was made")
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_openssh())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// Reads exactly what `Display` writes: no comment, no other white space.
impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let key = Self::from_openssh(text)?;
        if key.to_openssh() == text { Ok(key) } else { Err(TextError::NotOneLine.into()) }
    }
}

impl KeyClass {
    pub const ALL: [Self; 7] = [
        Self::Ed25519,
        Self::EcdsaP256,
        Self::EcdsaP384,
        Self::EcdsaP521,
        Self::Rsa,
        Self::SkEd25519,
        Self::SkEcdsaP256,
    ];

    /// The SSH type name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ssh-ed25519",
            Self::EcdsaP256 => "ecdsa-sha2-nistp256",
            Self::EcdsaP384 => "ecdsa-sha2-nistp384",
            Self::EcdsaP521 => "ecdsa-sha2-nistp521",
            Self::Rsa => "ssh-rsa",
            Self::SkEd25519 => "sk-ssh-ed25519@openssh.com",
            Self::SkEcdsaP256 => "sk-ecdsa-sha2-nistp256@openssh.com",
        }
    }

    fn from_name(name: &[u8]) -> Result<Self, KeyError> {
        match Self::ALL.into_iter().find(|class| class.name().as_bytes() == name) {
            Some(class) => Ok(class),
            None if name.ends_with(CERTIFICATE_SUFFIX.as_bytes()) => Err(KeyError::Certificate),
            None => Err(KeyError::UnsupportedType(shown(name))),
        }
    }
}

impl fmt::Display for KeyClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn class_of_line(line: &KeyLine<'_>) -> Result<KeyClass, KeyError> {
    let is_type = |word: &str| KeyClass::from_name(word.as_bytes()).is_ok();
    KeyClass::from_name(line.type_name.as_bytes()).map_err(|error| {
        let a_type_follows = is_type(line.base64) || line.comment.split([' ', '\t']).any(is_type);
        if a_type_follows { KeyError::OptionsBeforeKey } else { error }
    })
}

/// The fields of a key blob, borrowed from it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum KeyParts<'a> {
    Ed25519 { point: &'a [u8; 32] },
    Ecdsa { curve: Curve, point: &'a [u8] },
    Rsa { exponent: &'a [u8], modulus: &'a [u8] },
    SkEd25519 { point: &'a [u8; 32], application: &'a str },
    SkEcdsa { point: &'a [u8], application: &'a str },
}

impl<'a> KeyParts<'a> {
    /// Reads the framing; [`check`](Self::check) asks whether the numbers are good.
    fn read(wire: &'a [u8]) -> Result<Self, KeyError> {
        let mut reader = Reader::new(wire);
        let class = KeyClass::from_name(reader.string("key type")?)?;
        let parts = match class {
            KeyClass::Ed25519 => Self::Ed25519 { point: reader.string_of("Ed25519 point")? },
            KeyClass::EcdsaP256 => Self::ecdsa(Curve::P256, &mut reader)?,
            KeyClass::EcdsaP384 => Self::ecdsa(Curve::P384, &mut reader)?,
            KeyClass::EcdsaP521 => Self::ecdsa(Curve::P521, &mut reader)?,
            KeyClass::Rsa => {
                Self::Rsa { exponent: reader.mpint("RSA exponent")?, modulus: reader.mpint("RSA modulus")? }
            }
            KeyClass::SkEd25519 => {
                Self::SkEd25519 { point: reader.string_of("Ed25519 point")?, application: reader.text("application")? }
            }
            KeyClass::SkEcdsaP256 => Self::SkEcdsa {
                point: curve_and_point(class, Curve::P256, &mut reader)?,
                application: reader.text("application")?,
            },
        };
        reader.finish("public key")?;
        Ok(parts)
    }

    fn ecdsa(curve: Curve, reader: &mut Reader<'a>) -> Result<Self, KeyError> {
        Ok(Self::Ecdsa { curve, point: curve_and_point(curve.class(), curve, reader)? })
    }

    fn class(&self) -> KeyClass {
        match self {
            Self::Ed25519 { .. } => KeyClass::Ed25519,
            Self::Ecdsa { curve, .. } => curve.class(),
            Self::Rsa { .. } => KeyClass::Rsa,
            Self::SkEd25519 { .. } => KeyClass::SkEd25519,
            Self::SkEcdsa { .. } => KeyClass::SkEcdsaP256,
        }
    }

    fn check(&self) -> Result<(), KeyError> {
        match *self {
            Self::Ed25519 { point } => check_ed25519(self.class(), point),
            Self::Ecdsa { curve, point } => check_ecdsa(self.class(), curve, point),
            Self::Rsa { exponent, modulus } => check_rsa(exponent, modulus),
            Self::SkEd25519 { point, application } => {
                check_application(application)?;
                check_ed25519(self.class(), point)
            }
            Self::SkEcdsa { point, application } => {
                check_application(application)?;
                check_ecdsa(self.class(), Curve::P256, point)
            }
        }
    }
}

fn curve_and_point<'a>(class: KeyClass, curve: Curve, reader: &mut Reader<'a>) -> Result<&'a [u8], KeyError> {
    if reader.string("curve name")? != curve.name().as_bytes() {
        return Err(KeyError::WrongCurve(class));
    }
    Ok(reader.string("curve point")?)
}

/// INVARIANT: each curve point that can verify anything has exactly one encoding that passes.
fn check_ed25519(class: KeyClass, point: &[u8; 32]) -> Result<(), KeyError> {
    let mut y = *point;
    y[31] &= 0x7f; // the top bit is the sign of x
    if !is_below_field_prime(&y) {
        return Err(KeyError::BadPoint(class));
    }
    if SMALL_ORDER_Y.contains(&y) { Err(KeyError::SmallOrderPoint) } else { Ok(()) }
}

/// Whether a little-endian number below 2^255 is below 2^255 - 19.
fn is_below_field_prime(y: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = y;
    *low < 0xed || *high < 0x7f || middle.iter().any(|byte| *byte < 0xff)
}

fn check_ecdsa(class: KeyClass, curve: Curve, point: &[u8]) -> Result<(), KeyError> {
    let uncompressed = point.first() == Some(&0x04) && point.len() == 1 + 2 * curve.scalar_len();
    // The verifier's parser refuses coordinates beyond the field and points that are not on the curve.
    if uncompressed && UnparsedPublicKey::new(curve.algorithm(), point).parse().is_ok() {
        Ok(())
    } else {
        Err(KeyError::BadPoint(class))
    }
}

fn check_rsa(exponent: &[u8], modulus: &[u8]) -> Result<(), KeyError> {
    let bits = bit_length(modulus);
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
        return Err(KeyError::RsaModulusLength { bits });
    }
    if !is_odd(modulus) {
        return Err(KeyError::RsaModulusEven);
    }
    if !is_odd(exponent) || exponent == [1] || bit_length(exponent) > MAX_RSA_EXPONENT_BITS {
        return Err(KeyError::BadRsaExponent);
    }
    Ok(())
}

fn check_application(application: &str) -> Result<(), KeyError> {
    let printable = application.bytes().all(|byte| byte.is_ascii_graphic());
    if application.starts_with("ssh:") && printable && application.len() <= MAX_APPLICATION {
        Ok(())
    } else {
        Err(KeyError::BadApplication)
    }
}

fn is_odd(magnitude: &[u8]) -> bool {
    magnitude.last().is_some_and(|byte| byte & 1 == 1)
}

/// Bits of a number without leading zero bytes.
fn bit_length(magnitude: &[u8]) -> usize {
    magnitude.first().map_or(0, |first| magnitude.len() * 8 - first.leading_zeros() as usize)
}

/// A curve of NIST's that SSH knows (RFC 5656 section 10.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    fn name(self) -> &'static str {
        match self {
            Self::P256 => "nistp256",
            Self::P384 => "nistp384",
            Self::P521 => "nistp521",
        }
    }

    pub(crate) fn class(self) -> KeyClass {
        match self {
            Self::P256 => KeyClass::EcdsaP256,
            Self::P384 => KeyClass::EcdsaP384,
            Self::P521 => KeyClass::EcdsaP521,
        }
    }

    /// Bytes of a coordinate, and of a number modulo the order.
    pub(crate) fn scalar_len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// ECDSA with the hash that RFC 5656 section 6.2.1 pairs with the curve; signatures as r and s of fixed length.
    pub(crate) fn algorithm(self) -> &'static EcdsaVerificationAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_FIXED,
            Self::P384 => &ECDSA_P384_SHA384_FIXED,
            Self::P521 => &ECDSA_P521_SHA512_FIXED,
        }
    }
}

/// The y coordinates, little-endian, of the eight points whose order divides 8: those of order 4, 1, 2 and, twice, 8.
#[rustfmt::skip]
const SMALL_ORDER_Y: [[u8; 32]; 5] = [
    [0x00; 32],
    [0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    [0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
     0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05],
    [0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
     0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a],
];

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::ED25519;

    use super::*;

    /// With a point of small order, R = 1 and S = 0 verify for each message whose hash happens to cancel the point.
    fn somebody_can_sign_without_a_secret(point: &[u8; 32]) -> bool {
        let mut signature = [0; 64];
        signature[0] = 1;
        let key = UnparsedPublicKey::new(&ED25519, point);
        (0..512_u32).any(|message| key.verify(&message.to_be_bytes(), &signature).is_ok())
    }

    #[test]
    fn each_listed_point_of_small_order_can_be_forged_for_and_is_refused() {
        for y in SMALL_ORDER_Y {
            let mut negative = y;
            negative[31] |= 0x80;
            assert!(somebody_can_sign_without_a_secret(&y), "{y:02x?}");
            assert_eq!(PublicKey::ed25519(y), Err(KeyError::SmallOrderPoint));
            assert_eq!(PublicKey::ed25519(negative), Err(KeyError::SmallOrderPoint));
        }
    }

    #[test]
    fn a_y_beyond_the_field_is_refused() {
        let mut prime = [0xff; 32];
        (prime[0], prime[31]) = (0xed, 0x7f);
        for low in 0xed..=0xff {
            prime[0] = low;
            assert_eq!(PublicKey::ed25519(prime), Err(KeyError::BadPoint(KeyClass::Ed25519)));
            let mut negative = prime;
            negative[31] = 0xff;
            assert_eq!(PublicKey::ed25519(negative), Err(KeyError::BadPoint(KeyClass::Ed25519)));
        }
        prime[0] = 0xeb;
        assert!(PublicKey::ed25519(prime).is_ok(), "the largest y below the prime, but for -1");
    }

    #[test]
    fn bits_are_counted_from_the_first_that_is_set() {
        assert_eq!(bit_length(&[]), 0);
        assert_eq!(bit_length(&[0x01]), 1);
        assert_eq!(bit_length(&[0x80, 0x00]), 16);
        assert_eq!(bit_length(&[0x01, 0x00, 0x01]), 17);
    }
}
