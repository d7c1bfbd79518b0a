//! Names, ids and public keys as signed notes and policies spell them (C2SP `signed-note`, verifier keys).

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use crate::{Error, Hash, Result, encoding};

pub(crate) const PUBLIC_KEY_SIZE: usize = 32;
pub(crate) const SEED_SIZE: usize = 32;
pub(crate) const SIGNATURE_SIZE: usize = 64;

/// Name of a signing key: not empty, without Unicode spaces, `+` or control characters. By custom a URL without its scheme.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = Error;

    fn from_str(name: &str) -> Result<KeyName> {
        let why = if name.is_empty() {
            "it is empty"
        } else if name.contains(|c: char| c.is_whitespace() || c < ' ') {
            "it has a space or control character"
        } else if name.contains('+') {
            "it has a `+`"
        } else {
            return Ok(KeyName(name.to_owned()));
        };
        Err(Error::Malformed { what: "key name", why })
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

encoding::serde_as_text!(KeyName);

/// The four bytes by which a signature line points at a key. They identify, they do not authenticate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        encoding::write_hex(&self.0, f)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a key signs. The byte is part of the key's id, so one key has different ids for different statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Purpose {
    /// The text of a note (type 0x01).
    Note,
    /// A checkpoint seen at a time (type 0x04).
    Cosignature,
}

impl Purpose {
    fn byte(self) -> u8 {
        match self {
            Purpose::Note => 0x01,
            Purpose::Cosignature => 0x04,
        }
    }
}

/// An Ed25519 public key with its name and purpose.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PublicKey {
    pub(crate) name: KeyName,
    pub(crate) id: KeyId,
    purpose: Purpose,
    bytes: [u8; PUBLIC_KEY_SIZE],
}

impl PublicKey {
    pub(crate) fn new(name: KeyName, purpose: Purpose, bytes: [u8; PUBLIC_KEY_SIZE]) -> PublicKey {
        PublicKey { id: key_id(&name, purpose, &bytes), name, purpose, bytes }
    }

    /// Reads `name+id+base64(type ‖ key)`; the id must be the one that follows from the rest.
    pub(crate) fn parse(vkey: &str, purpose: Purpose) -> Result<PublicKey> {
        let malformed = |why| Error::Malformed { what: "verifier key", why };
        // The name has no `+`, the base64 may.
        let mut parts = vkey.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed("it has not three parts joined by `+`"));
        };
        let id = encoding::hex(id).map(KeyId).ok_or(malformed("its id is not 8 lower-case hexadecimal digits"))?;
        let key = encoding::base64(key).ok_or(malformed("its key is not base64"))?;
        let (&kind, bytes) = key.split_first().ok_or(malformed("its key is empty"))?;
        if kind != purpose.byte() {
            return Err(malformed("its signature type is not the one needed here"));
        }
        let bytes = bytes.try_into().map_err(|_| malformed("its key is not 32 bytes"))?;
        let key = PublicKey::new(name.parse()?, purpose, bytes);
        if key.id == id { Ok(key) } else { Err(malformed("its id is of another key or name")) }
    }

    pub(crate) fn bytes(&self) -> &[u8; PUBLIC_KEY_SIZE] {
        &self.bytes
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<()> {
        let key = UnparsedPublicKey::new(&ED25519, &self.bytes);
        key.verify(message, signature).map_err(|_| Error::BadSignature { key: self.name.clone() })
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let typed = [&[self.purpose.byte()], &self.bytes[..]].concat();
        write!(f, "{}+{}+{}", self.name, self.id, encoding::to_base64(&typed))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An Ed25519 secret key held in memory.
pub(crate) struct SecretKey(Ed25519KeyPair);

impl SecretKey {
    pub(crate) fn from_seed(seed: &[u8; SEED_SIZE]) -> SecretKey {
        SecretKey(Ed25519KeyPair::from_seed_unchecked(seed).expect("any 32 bytes are an Ed25519 seed"))
    }

    pub(crate) fn public(&self) -> [u8; PUBLIC_KEY_SIZE] {
        self.0.public_key().as_ref().try_into().expect("an Ed25519 public key has 32 bytes")
    }

    /// `None` if the cryptographic library fails.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<[u8; SIGNATURE_SIZE]> {
        self.0.try_sign(message).ok()?.as_ref().try_into().ok()
    }
}

fn key_id(name: &KeyName, purpose: Purpose, key: &[u8]) -> KeyId {
    let hash = Hash::of(&[name.as_str().as_bytes(), b"\n", &[purpose.byte()], key].concat());
    KeyId(*hash.as_bytes().first_chunk().expect("32 bytes begin with 4"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

    #[test]
    fn the_example_key_of_the_specification_reads_and_prints() {
        let key = PublicKey::parse(EXAMPLE, Purpose::Note).unwrap();
        assert_eq!(key.name.as_str(), "example.com/foo");
        assert_eq!(key.to_string(), EXAMPLE);
    }

    #[test]
    fn a_key_for_one_purpose_is_not_taken_for_another() {
        let key = PublicKey::parse(EXAMPLE, Purpose::Note).unwrap();
        let cosigner = PublicKey::new(key.name.clone(), Purpose::Cosignature, *key.bytes());
        assert_ne!(cosigner.id, key.id);
        PublicKey::parse(EXAMPLE, Purpose::Cosignature).unwrap_err();
        PublicKey::parse(&cosigner.to_string(), Purpose::Note).unwrap_err();
        assert_eq!(PublicKey::parse(&cosigner.to_string(), Purpose::Cosignature), Ok(cosigner));
    }

    #[test]
    fn a_key_whose_id_name_or_bytes_were_altered_is_refused() {
        for wrong in [
            "",
            "example.com/foo",
            "example.com/foo+530d903a",
            "example.com/bar+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2l",
            "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U",
            "example.com/foo+530d903a+",
            "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\n",
        ] {
            PublicKey::parse(wrong, Purpose::Note).unwrap_err();
        }
    }

    #[test]
    fn names_have_no_spaces_plus_or_control_characters() {
        for name in ["example.com/log42", "関所.example/台帳", "a"] {
            assert_eq!(name.parse::<KeyName>().unwrap().as_str(), name);
        }
        for wrong in ["", " ", "a b", "a\u{3000}b", "a\u{a0}b", "a+b", "a\nb", "a\u{1}b", "a\tb"] {
            wrong.parse::<KeyName>().unwrap_err();
        }
    }
}
