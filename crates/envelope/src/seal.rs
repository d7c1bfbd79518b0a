//! Sealing to a public key that outlives today's cryptography: X25519 and ML-KEM-768 together; either one holding is enough.
//!
//! ```text
//! opening key  suite ‖ X25519 private (32) ‖ ML-KEM-768 decapsulation key (2400, FIPS 203) ‖ checksum (4)
//! sealing key  suite ‖ X25519 public (32)  ‖ ML-KEM-768 encapsulation key (1184, FIPS 203)
//! sealed       suite ‖ X25519 ephemeral public (32) ‖ ML-KEM-768 ciphertext (1088) ‖ AES-256-GCM ciphertext ‖ tag (16)
//!
//! transcript = SHA-256( suite ‖ ephemeral ‖ ML-KEM ciphertext ‖ X25519 public ‖ encapsulation key ‖ context )
//! secret     = HKDF-Extract(salt = "sekimori/seal/v1", ML-KEM shared secret ‖ X25519 shared secret)
//! key        = HKDF-Expand(secret, "key" ‖ transcript, 32)
//! nonce      = first 12 of HKDF-Expand(secret, "nonce" ‖ transcript, 32)
//! associated data = context
//! ```
//! A checksum is the first 4 bytes of SHA-256 over what stands before it. All parts of the transcript but the context have fixed lengths, so it can be read one way only.

use std::{fmt, str::FromStr};

use aws_lc_rs::{
    agreement::{PrivateKey, UnparsedPublicKey, X25519, agree},
    digest::{self, SHA256},
    encoding::{AsBigEndian, Curve25519SeedBin},
    kem::{Ciphertext, DecapsulationKey, EncapsulationKey, ML_KEM_768},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    Error, SUITE, Secret, aead,
    aead::{TAG_LEN, refuse_longer_than},
    kdf, text,
};

/// The longest plaintext that is sealed to a public key: keys and secrets, not files.
pub const MAX_SEALED_PLAINTEXT: usize = 1 << 20;

const X25519_LEN: usize = 32;
const KEM_PRIVATE_LEN: usize = 2400;
const KEM_PUBLIC_LEN: usize = 1184;
const KEM_CIPHERTEXT_LEN: usize = 1088;
/// FIPS 203 algorithm 16: a decapsulation key is dk_PKE (1152) ‖ encapsulation key ‖ its hash (32) ‖ z (32).
const KEM_PUBLIC_AT: usize = 1152;
const CHECKSUM_LEN: usize = 4;

const OPENING_LEN: usize = 1 + X25519_LEN + KEM_PRIVATE_LEN + CHECKSUM_LEN;
const SEALING_LEN: usize = 1 + X25519_LEN + KEM_PUBLIC_LEN;
const SEALED_HEAD_LEN: usize = 1 + X25519_LEN + KEM_CIPHERTEXT_LEN;
const SEALED_MIN_LEN: usize = SEALED_HEAD_LEN + TAG_LEN;

/// The public half: whoever has it can seal, nobody can open with it.
///
/// As text: `skseal1` ‖ base64url(bytes ‖ checksum).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SealingKey {
    x25519: [u8; X25519_LEN],
    kem: Box<[u8; KEM_PUBLIC_LEN]>,
}

impl SealingKey {
    const PREFIX: &str = "skseal1";

    /// Seals `plaintext` so that it opens with the private half and for the same `context` only.
    ///
    /// # Errors
    /// [`Error::TooLong`] above [`MAX_SEALED_PLAINTEXT`].
    pub fn seal(&self, context: &[u8], plaintext: &[u8]) -> Result<Sealed, Error> {
        refuse_longer_than(MAX_SEALED_PLAINTEXT, "sealed message", plaintext.len())?;
        self.seal_any(context, plaintext)
    }

    /// Short name of the key for headers and logs: the first 16 bytes of SHA-256 over its bytes, in hex.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let hash = digest::digest(&SHA256, &self.to_bytes());
        hash.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// suite ‖ X25519 public ‖ ML-KEM-768 encapsulation key.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [&[SUITE], self.x25519.as_slice(), self.kem.as_slice()].concat()
    }

    /// Reads [`SealingKey::to_bytes`], and seals once to see that the key works.
    ///
    /// # Errors
    /// [`Error::WrongLength`], [`Error::UnknownSuite`], [`Error::BadKey`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        check_frame("sealing key", bytes, SEALING_LEN)?;
        let (x25519, kem) = bytes[1..].split_at(X25519_LEN);
        let key = Self {
            x25519: x25519.try_into().expect("split at its length"),
            kem: Box::new(kem.try_into().expect("the rest of a checked length")),
        };
        key.seal_any(b"probe", b"")?;
        Ok(key)
    }

    fn seal_any(&self, context: &[u8], plaintext: &[u8]) -> Result<Sealed, Error> {
        let refused = Error::BadKey { what: "sealing key" };
        let ephemeral = PrivateKey::generate(&X25519).map_err(|_| refused.clone())?;
        let ephemeral_public = ephemeral.compute_public_key().map_err(|_| refused.clone())?;
        let (kem_ciphertext, kem_shared) = EncapsulationKey::new(&ML_KEM_768, self.kem.as_slice())
            .ok()
            .and_then(|key| key.encapsulate().ok())
            .ok_or_else(|| refused.clone())?;

        let mut sealed = Vec::with_capacity(SEALED_MIN_LEN + plaintext.len());
        sealed.push(SUITE);
        sealed.extend_from_slice(ephemeral_public.as_ref());
        sealed.extend_from_slice(kem_ciphertext.as_ref());
        let transcript = self.transcript(&sealed, context);

        let root = combine(&ephemeral, &self.x25519, kem_shared.as_ref()).ok_or(refused)?;
        let (key, nonce) = one_message_key(&root, &transcript);
        sealed.resize(SEALED_MIN_LEN + plaintext.len(), 0);
        aead::seal_into(&key, nonce, context, plaintext, &mut sealed[SEALED_HEAD_LEN..]);
        Ok(Sealed(sealed))
    }

    /// `head` is the sealed message up to its AES-GCM ciphertext.
    fn transcript(&self, head: &[u8], context: &[u8]) -> [u8; 32] {
        let mut hash = digest::Context::new(&SHA256);
        hash.update(head);
        hash.update(&self.x25519);
        hash.update(self.kem.as_slice());
        hash.update(context);
        hash.finish().as_ref().try_into().expect("SHA-256 gives 32 bytes")
    }
}

impl fmt::Display for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.to_bytes();
        bytes.extend(checksum(&bytes));
        write!(f, "{}{}", Self::PREFIX, text::encode(&bytes))
    }
}

impl FromStr for SealingKey {
    type Err = Error;

    fn from_str(key: &str) -> Result<Self, Error> {
        let what = "sealing key";
        let body = key.strip_prefix(Self::PREFIX).ok_or(Error::NotCanonical { what })?;
        let bytes = text::decode(what, body, SEALING_LEN + CHECKSUM_LEN)?;
        let Some((bytes, sum)) = bytes.split_last_chunk::<{ CHECKSUM_LEN }>() else {
            return Err(Error::WrongLength { what, found: bytes.len() });
        };
        if checksum(bytes) != *sum {
            return Err(Error::NotCanonical { what });
        }
        Self::from_bytes(bytes)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({})", self.fingerprint())
    }
}

impl Serialize for SealingKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SealingKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        key.parse().map_err(serde::de::Error::custom)
    }
}

/// The private half.
pub struct OpeningKey {
    x25519: PrivateKey,
    kem: DecapsulationKey,
    public: SealingKey,
}

impl OpeningKey {
    /// A fresh pair of keys.
    ///
    /// # Panics
    /// When the library cannot make a key, which means that there is no memory or no entropy.
    #[must_use]
    pub fn generate() -> Self {
        let x25519 = PrivateKey::generate(&X25519).expect("an X25519 key is any 32 random bytes");
        let kem = DecapsulationKey::generate(&ML_KEM_768).expect("ML-KEM key generation cannot be refused");
        let kem_public =
            kem.encapsulation_key().and_then(|key| key.key_bytes()).expect("a generated key has both halves");
        let public = public_half(&x25519, kem_public.as_ref()).expect("a generated key has both halves");
        Self { x25519, kem, public }
    }

    /// The half that may be given away.
    #[must_use]
    pub const fn sealing_key(&self) -> &SealingKey {
        &self.public
    }

    /// Opens what was sealed to this key for the same `context`.
    ///
    /// # Errors
    /// [`Error::DoesNotOpen`] for another key or context, or changed bytes; which of them it is cannot be told.
    pub fn open(&self, context: &[u8], sealed: &Sealed) -> Result<Secret<Vec<u8>>, Error> {
        self.try_open(context, sealed).ok_or(Error::DoesNotOpen { what: "sealed message" })
    }

    /// The private key's bytes for the keeper's key file, with a checksum at the end.
    ///
    /// # Panics
    /// When the library cannot give back a key it holds.
    #[must_use]
    pub fn to_secret(&self) -> Secret<Vec<u8>> {
        let x25519: Curve25519SeedBin<'_> = self.x25519.as_be_bytes().expect("an X25519 key has raw bytes");
        let kem = self.kem.key_bytes().expect("a decapsulation key has raw bytes");
        Secret::filled(|bytes: &mut Vec<u8>| {
            bytes.reserve_exact(OPENING_LEN);
            bytes.push(SUITE);
            bytes.extend_from_slice(x25519.as_ref());
            bytes.extend_from_slice(kem.as_ref());
            bytes.extend(checksum(bytes));
        })
    }

    /// Reads [`OpeningKey::to_secret`], and opens once to see that both halves fit each other: a damaged key file is told
    /// here, not when something must be read years later.
    ///
    /// # Errors
    /// [`Error::WrongLength`], [`Error::UnknownSuite`], [`Error::BadKey`].
    pub fn from_secret(secret: &Secret<Vec<u8>>) -> Result<Self, Error> {
        let bytes = secret.expose();
        check_frame("opening key", bytes, OPENING_LEN)?;
        Self::from_framed(bytes).ok_or(Error::BadKey { what: "opening key" })
    }

    /// The checksum is needed beside the trial: ML-KEM tolerates small errors in its private vector for most messages.
    fn from_framed(bytes: &[u8]) -> Option<Self> {
        let (body, sum) = bytes.split_last_chunk()?;
        if checksum(body) != *sum {
            return None;
        }
        let (x25519, kem) = body[1..].split_at_checked(X25519_LEN)?;
        let x25519 = PrivateKey::from_private_key(&X25519, x25519).ok()?;
        let kem_public = kem.get(KEM_PUBLIC_AT..KEM_PUBLIC_AT + KEM_PUBLIC_LEN)?;
        let kem = DecapsulationKey::new(&ML_KEM_768, kem).ok()?;
        let public = public_half(&x25519, kem_public)?;
        let key = Self { x25519, kem, public };
        key.try_open(b"probe", &key.public.seal_any(b"probe", b"").ok()?)?;
        Some(key)
    }

    fn try_open(&self, context: &[u8], sealed: &Sealed) -> Option<Secret<Vec<u8>>> {
        let (head, ciphertext) = sealed.0.split_at_checked(SEALED_HEAD_LEN)?;
        let (ephemeral, kem_ciphertext) = head[1..].split_at_checked(X25519_LEN)?;
        let kem_shared = self.kem.decapsulate(Ciphertext::from(kem_ciphertext)).ok()?;
        let root = combine(&self.x25519, ephemeral, kem_shared.as_ref())?;
        let (key, nonce) = one_message_key(&root, &self.public.transcript(head, context));
        aead::open_to_secret(&key, nonce, context, ciphertext)
    }
}

impl fmt::Debug for OpeningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpeningKey(*** of {})", self.public.fingerprint())
    }
}

/// A message sealed to a public key; base64url in JSON. Holding one says only that its length and suite are right.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// # Errors
    /// [`Error::WrongLength`], [`Error::UnknownSuite`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, Error> {
        let what = "sealed message";
        if bytes.len() < SEALED_MIN_LEN || bytes.len() > SEALED_MIN_LEN + MAX_SEALED_PLAINTEXT {
            return Err(Error::WrongLength { what, found: bytes.len() });
        }
        if bytes[0] != SUITE {
            return Err(Error::UnknownSuite { what, found: bytes[0] });
        }
        Ok(Self(bytes))
    }

    /// suite ‖ ephemeral ‖ ML-KEM ciphertext ‖ ciphertext ‖ tag.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

impl Serialize for Sealed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        text::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Sealed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = text::deserialize(deserializer, "sealed message", SEALED_MIN_LEN + MAX_SEALED_PLAINTEXT)?;
        Self::from_bytes(bytes).map_err(serde::de::Error::custom)
    }
}

fn public_half(x25519: &PrivateKey, kem_public: &[u8]) -> Option<SealingKey> {
    Some(SealingKey {
        x25519: x25519.compute_public_key().ok()?.as_ref().try_into().ok()?,
        kem: Box::new(kem_public.try_into().ok()?),
    })
}

/// Extracts from both shared secrets. None when the X25519 peer is a point of small order, whose secret anybody knows.
fn combine(mine: &PrivateKey, peer: &[u8], kem_shared: &[u8]) -> Option<kdf::Root> {
    agree(mine, UnparsedPublicKey::new(&X25519, peer), (), |x25519_shared| {
        let both = Secret::filled(|both: &mut Vec<u8>| {
            both.reserve_exact(kem_shared.len() + x25519_shared.len());
            both.extend_from_slice(kem_shared);
            both.extend_from_slice(x25519_shared);
        });
        Ok(kdf::Root::extract(b"sekimori/seal/v1", both.expose()))
    })
    .ok()
}

/// The derived key seals one message, so its nonce may be derived with it.
fn one_message_key(root: &kdf::Root, transcript: &[u8; 32]) -> (aws_lc_rs::aead::LessSafeKey, [u8; 12]) {
    let key = aead::gcm(&root.key(&[b"key", transcript]));
    let nonce = root.public_value(&[b"nonce", transcript]);
    (key, *nonce.first_chunk().expect("12 of 32 bytes"))
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_LEN] {
    let hash = digest::digest(&SHA256, bytes);
    *hash.as_ref().first_chunk().expect("4 of 32 bytes")
}

fn check_frame(what: &'static str, bytes: &[u8], expected: usize) -> Result<(), Error> {
    if bytes.len() != expected {
        return Err(Error::WrongLength { what, found: bytes.len() });
    }
    if bytes[0] != SUITE {
        return Err(Error::UnknownSuite { what, found: bytes[0] });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> &'static OpeningKey {
        static KEY: std::sync::OnceLock<OpeningKey> = std::sync::OnceLock::new();
        KEY.get_or_init(OpeningKey::generate)
    }

    fn sealed(context: &[u8], plaintext: &[u8]) -> Sealed {
        key().sealing_key().seal(context, plaintext).unwrap()
    }

    proptest! {
        #[test]
        fn a_message_comes_back_whole(context: Vec<u8>, plaintext: Vec<u8>) {
            let opened = key().open(&context, &sealed(&context, &plaintext)).unwrap();
            prop_assert_eq!(opened.expose(), &plaintext);
        }

        #[test]
        fn arbitrary_bytes_never_open_and_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..2600)) {
            prop_assert!(OpeningKey::from_secret(&Secret::new(bytes.clone())).is_err());
            prop_assert!(SealingKey::from_bytes(&bytes).is_err() || bytes.len() == SEALING_LEN);
            if let Some(suite) = bytes.first_mut() {
                *suite = SUITE;
            }
            if let Ok(message) = Sealed::from_bytes(bytes) {
                prop_assert!(key().open(b"", &message).is_err());
            }
        }

        #[test]
        fn arbitrary_text_is_no_sealing_key(text: String) {
            prop_assert!(text.parse::<SealingKey>().is_err());
            let text = format!("skseal1{text}");
            prop_assert!(text.parse::<SealingKey>().is_err());
        }
    }

    #[test]
    fn every_changed_byte_of_a_sealed_message_is_refused() {
        let message = sealed(b"context", b"secret");
        for at in 0..message.0.len() {
            let mut changed = message.0.clone();
            changed[at] ^= 0x40;
            let opened = Sealed::from_bytes(changed).and_then(|changed| key().open(b"context", &changed));
            assert!(opened.is_err(), "byte {at} may be changed");
        }
    }

    /// RFC 7748 ignores the top bit of a public key, so without the transcript this ephemeral would open as the same.
    #[test]
    fn the_ephemeral_key_has_one_spelling() {
        let mut message = sealed(b"context", b"secret").0;
        message[X25519_LEN] ^= 0x80;
        assert!(key().open(b"context", &Sealed(message)).is_err());
    }

    #[test]
    fn every_cut_and_extension_is_refused() {
        let message = sealed(b"context", b"secret");
        for len in 0..message.0.len() {
            let opened = Sealed::from_bytes(message.0[..len].to_vec()).and_then(|cut| key().open(b"context", &cut));
            assert!(opened.is_err(), "a cut to {len} bytes opens");
        }
        let longer = Sealed([message.0.as_slice(), b"\0"].concat());
        assert!(key().open(b"context", &longer).is_err());
    }

    #[test]
    fn another_context_or_recipient_opens_nothing() {
        let message = sealed(b"context", b"secret");
        assert_eq!(key().open(b"context", &message).unwrap().expose(), b"secret");
        assert!(key().open(b"context2", &message).is_err());
        assert!(key().open(b"", &message).is_err());
        assert!(OpeningKey::generate().open(b"context", &message).is_err());
    }

    #[test]
    fn each_half_of_the_hybrid_is_needed() {
        let other = OpeningKey::generate();
        let message = sealed(b"context", b"secret");
        let (mine, theirs) = (key().to_secret(), other.to_secret());
        let joined = |x25519: &Secret<Vec<u8>>, kem: &Secret<Vec<u8>>| {
            let kem = &kem.expose()[1 + X25519_LEN..OPENING_LEN - CHECKSUM_LEN];
            let mut bytes = [&x25519.expose()[..=X25519_LEN], kem].concat();
            bytes.extend(checksum(&bytes));
            OpeningKey::from_secret(&Secret::new(bytes)).unwrap()
        };
        assert!(joined(&mine, &mine).open(b"context", &message).is_ok());
        assert!(joined(&mine, &theirs).open(b"context", &message).is_err());
        assert!(joined(&theirs, &mine).open(b"context", &message).is_err());
    }

    #[test]
    fn a_kept_key_opens_what_was_sealed_before() {
        let message = sealed(b"context", b"secret");
        let again = OpeningKey::from_secret(&key().to_secret()).unwrap();
        assert_eq!(again.open(b"context", &message).unwrap().expose(), b"secret");
        assert_eq!(again.sealing_key(), key().sealing_key());
        assert_eq!(again.to_secret().expose(), key().to_secret().expose());
    }

    #[test]
    fn a_damaged_key_file_is_told_on_loading() {
        let kept = key().to_secret();
        for at in 1..OPENING_LEN {
            let mut damaged = kept.expose().clone();
            damaged[at] ^= 1;
            let loaded = OpeningKey::from_secret(&Secret::new(damaged));
            assert!(matches!(loaded, Err(Error::BadKey { .. })), "byte {at} may be changed");
        }
        let cut = kept.expose()[..OPENING_LEN - 1].to_vec();
        assert!(matches!(OpeningKey::from_secret(&Secret::new(cut)), Err(Error::WrongLength { .. })));
        let mut newer = kept.expose().clone();
        newer[0] = 2;
        assert!(matches!(OpeningKey::from_secret(&Secret::new(newer)), Err(Error::UnknownSuite { found: 2, .. })));
    }

    #[test]
    fn a_key_file_whose_halves_do_not_fit_is_told_on_loading() {
        let (mine, theirs) = (key().to_secret(), OpeningKey::generate().to_secret());
        let private = &mine.expose()[..1 + X25519_LEN + KEM_PUBLIC_AT];
        let mut mixed = [private, &theirs.expose()[private.len()..OPENING_LEN - CHECKSUM_LEN]].concat();
        mixed.extend(checksum(&mixed));
        assert!(matches!(OpeningKey::from_secret(&Secret::new(mixed)), Err(Error::BadKey { .. })));
    }

    #[test]
    fn a_sealing_key_has_one_spelling() {
        let text = key().sealing_key().to_string();
        assert!(text.starts_with("skseal1"));
        assert_eq!(&text.parse::<SealingKey>().unwrap(), key().sealing_key());
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(changed.parse::<SealingKey>().is_err(), "character {at} may be changed");
        }
        for other in [format!("{text}="), format!(" {text}"), format!("{text}\n"), text.to_uppercase(), String::new()] {
            assert!(other.parse::<SealingKey>().is_err());
        }
    }

    #[test]
    fn a_public_key_that_anybody_could_open_is_refused() {
        for x25519 in [[0; 32], {
            let mut one = [0; 32];
            one[0] = 1;
            one
        }] {
            let weak = SealingKey { x25519, kem: key().public.kem.clone() };
            assert!(matches!(SealingKey::from_bytes(&weak.to_bytes()), Err(Error::BadKey { .. })));
        }
        let not_reduced = SealingKey { x25519: key().public.x25519, kem: Box::new([0xff; KEM_PUBLIC_LEN]) };
        assert!(matches!(SealingKey::from_bytes(&not_reduced.to_bytes()), Err(Error::BadKey { .. })));
    }

    #[test]
    fn json_carries_keys_and_messages_as_one_string() {
        let message = sealed(b"context", b"secret");
        let json = serde_json::to_string(&(key().sealing_key(), &message)).unwrap();
        let (read_key, read): (SealingKey, Sealed) = serde_json::from_str(&json).unwrap();
        assert_eq!((&read_key, &read), (key().sealing_key(), &message));
        for bad in ["\"\"", "\"AQ\"", "[1]", "\"AQ==\""] {
            assert!(serde_json::from_str::<Sealed>(bad).is_err(), "{bad} was read as a sealed message");
        }
    }

    #[test]
    fn messages_have_a_limit_that_is_named() {
        let too_long = vec![0; MAX_SEALED_PLAINTEXT + 1];
        assert!(matches!(key().sealing_key().seal(b"", &too_long), Err(Error::TooLong { .. })));
        let longest = sealed(b"", &too_long[1..]);
        assert_eq!(key().open(b"", &longest).unwrap().expose().len(), MAX_SEALED_PLAINTEXT);
        let forged = [longest.as_bytes(), b"\0"].concat();
        assert!(matches!(Sealed::from_bytes(forged), Err(Error::WrongLength { .. })));
    }

    #[test]
    fn nothing_of_a_private_key_is_printed() {
        let shown = format!("{:?}", key());
        assert_eq!(shown, format!("OpeningKey(*** of {})", key().sealing_key().fingerprint()));
    }
}
