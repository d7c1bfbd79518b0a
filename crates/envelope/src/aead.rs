//! AES-256-GCM in two uses: small values under random nonces, and a numbered stream under a committing key.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    constant_time, hmac,
};

use crate::{Error, SUITE, Secret, kdf};

/// Bytes of an authentication tag.
pub const TAG_LEN: usize = 16;
/// The longest plaintext a [`DataKey`] seals: it is for fields and small blobs, streams have [`StreamKey`].
pub const MAX_DATA: usize = 1 << 20;
/// Suite, nonce and tag around a [`DataKey`]'s ciphertext.
const DATA_OVERHEAD: usize = 1 + NONCE_LEN + TAG_LEN;
/// Bytes of nonce in front of a stream's chunk number.
const PREFIX_LEN: usize = 4;

/// A key for small values. Nonces are random and 96 bits, so one key seals at most 2^32 values; make a key per person or
/// per secret and that is out of reach.
pub struct DataKey(Secret<[u8; 32]>);

impl DataKey {
    /// A fresh key from the operating system's generator.
    #[must_use]
    pub fn random() -> Self {
        Self(Secret::filled(|key: &mut [u8; 32]| kdf::random(key)))
    }

    /// A key that was kept before with [`DataKey::secret`].
    #[must_use]
    pub const fn from_secret(key: Secret<[u8; 32]>) -> Self {
        Self(key)
    }

    /// The key itself, to be wrapped under another.
    #[must_use]
    pub const fn secret(&self) -> &Secret<[u8; 32]> {
        &self.0
    }

    /// Seals `plaintext`, bound to `aad`, as suite ‖ nonce ‖ ciphertext ‖ tag. The suite is authenticated too.
    ///
    /// # Errors
    /// [`Error::TooLong`] above [`MAX_DATA`].
    pub fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        refuse_longer_than(MAX_DATA, "sealed data", plaintext.len())?;
        let mut nonce = [0; NONCE_LEN];
        kdf::random(&mut nonce);
        let mut sealed = vec![0; plaintext.len() + DATA_OVERHEAD];
        sealed[0] = SUITE;
        sealed[1..=NONCE_LEN].copy_from_slice(&nonce);
        seal_into(&gcm(&self.0), nonce, &with_suite(aad), plaintext, &mut sealed[1 + NONCE_LEN..]);
        Ok(sealed)
    }

    /// Opens what [`DataKey::seal`] gave for the same `aad`.
    ///
    /// # Errors
    /// [`Error::WrongLength`], [`Error::UnknownSuite`], or [`Error::DoesNotOpen`] for a wrong key, `aad` or changed bytes.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Secret<Vec<u8>>, Error> {
        let what = "sealed data";
        if sealed.len() < DATA_OVERHEAD || sealed.len() > MAX_DATA + DATA_OVERHEAD {
            return Err(Error::WrongLength { what, found: sealed.len() });
        }
        if sealed[0] != SUITE {
            return Err(Error::UnknownSuite { what, found: sealed[0] });
        }
        let (nonce, ciphertext) = sealed[1..].split_at(NONCE_LEN);
        let nonce = nonce.try_into().expect("split at the nonce's length");
        open_to_secret(&gcm(&self.0), nonce, &with_suite(aad), ciphertext).ok_or(Error::DoesNotOpen { what })
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(***)")
    }
}

/// The root key of one stream of numbered chunks, and the check value that commits to it.
///
/// AES-GCM alone lets one ciphertext open under two keys that somebody prepared; the commitment, kept in the stream's
/// header, is checked first and fits one root only (it would take a SHA-256 collision to have two).
pub struct StreamKey {
    secret: Secret<[u8; 32]>,
    derived: kdf::Root,
}

impl StreamKey {
    const SALT: &[u8] = b"sekimori/stream/v1";

    /// A fresh key from the operating system's generator.
    #[must_use]
    pub fn random() -> Self {
        Self::from_secret(Secret::filled(|key: &mut [u8; 32]| kdf::random(key)))
    }

    /// The key from its 32 bytes, as they were sealed to a recipient.
    #[must_use]
    pub fn from_secret(secret: Secret<[u8; 32]>) -> Self {
        let derived = kdf::Root::extract(Self::SALT, secret.expose());
        Self { secret, derived }
    }

    /// The key from what [`crate::OpeningKey::open`] gave.
    ///
    /// # Errors
    /// [`Error::WrongLength`] unless it is 32 bytes.
    pub fn from_opened(opened: &Secret<Vec<u8>>) -> Result<Self, Error> {
        let bytes: &[u8; 32] = opened
            .expose()
            .as_slice()
            .try_into()
            .map_err(|_| Error::WrongLength { what: "stream key", found: opened.expose().len() })?;
        Ok(Self::from_secret(Secret::filled(|key: &mut [u8; 32]| key.copy_from_slice(bytes))))
    }

    /// The root itself, to be sealed to recipients.
    #[must_use]
    pub const fn secret(&self) -> &Secret<[u8; 32]> {
        &self.secret
    }

    /// The check value that a header publishes.
    #[must_use]
    pub fn commitment(&self) -> [u8; 32] {
        self.derived.public_value(&[b"commitment"])
    }

    /// Checks the key against a header's check value, in constant time.
    ///
    /// # Errors
    /// [`Error::WrongKey`] when the header was written under another key.
    pub fn confirm(&self, commitment: &[u8; 32]) -> Result<(), Error> {
        constant_time::verify_slices_are_equal(&self.commitment(), commitment)
            .map_err(|_| Error::WrongKey { what: "the stream's header" })
    }

    /// HMAC-SHA256 over a stream's header under a key of its own, so that a changed header is told from a changed chunk.
    #[must_use]
    pub fn header_mac(&self, header: &[u8]) -> [u8; 32] {
        let mut mac = [0; 32];
        mac.copy_from_slice(hmac::sign(&self.header_key(), header).as_ref());
        mac
    }

    /// Checks a header against its [`StreamKey::header_mac`], in constant time.
    ///
    /// # Errors
    /// [`Error::DoesNotOpen`] when the header was changed.
    pub fn confirm_header(&self, header: &[u8], mac: &[u8; 32]) -> Result<(), Error> {
        hmac::verify(&self.header_key(), header, mac).map_err(|_| Error::DoesNotOpen { what: "the stream's header" })
    }

    /// Turns the key into the one sealer of its stream. Consuming the key is what keeps a nonce from being used twice.
    #[must_use]
    pub fn into_sealer(self, prefix: [u8; PREFIX_LEN]) -> StreamSealer {
        StreamSealer { key: self.chunk_key(), prefix, next: 1 }
    }

    /// Opens the chunks of the stream whose nonces start with `prefix`.
    #[must_use]
    pub fn opener(&self, prefix: [u8; PREFIX_LEN]) -> StreamOpener {
        StreamOpener { key: self.chunk_key(), prefix }
    }

    fn chunk_key(&self) -> LessSafeKey {
        gcm(&self.derived.key(&[b"chunks"]))
    }

    fn header_key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.derived.key(&[b"header"]).expose())
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamKey(***)")
    }
}

/// Seals chunks 1, 2, 3 … of one stream. The nonce is the 4-byte prefix ‖ u64be chunk number.
pub struct StreamSealer {
    key: LessSafeKey,
    prefix: [u8; PREFIX_LEN],
    next: u64,
}

impl StreamSealer {
    /// The number that the next chunk will bear, for its associated data.
    #[must_use]
    pub const fn next_number(&self) -> u64 {
        self.next
    }

    /// Seals the next chunk into `out`, which is `TAG_LEN` longer than `plaintext`: ciphertext ‖ tag.
    ///
    /// # Errors
    /// [`Error::StreamExhausted`] after 2^64 − 2 chunks, [`Error::WrongLength`] when `out` does not fit.
    pub fn seal_next(&mut self, aad: &[u8], plaintext: &[u8], out: &mut [u8]) -> Result<(), Error> {
        if out.len() != plaintext.len() + TAG_LEN {
            return Err(Error::WrongLength { what: "room for a sealed chunk", found: out.len() });
        }
        let number = self.next;
        self.next = number.checked_add(1).ok_or(Error::StreamExhausted)?;
        seal_into(&self.key, nonce(self.prefix, number), aad, plaintext, out);
        Ok(())
    }
}

impl fmt::Debug for StreamSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamSealer").field("next", &self.next).finish_non_exhaustive()
    }
}

/// Opens the chunks of one stream, in any order.
pub struct StreamOpener {
    key: LessSafeKey,
    prefix: [u8; PREFIX_LEN],
}

impl StreamOpener {
    /// Opens chunk `number` in place and gives its plaintext.
    ///
    /// # Errors
    /// [`Error::DoesNotOpen`] for another number, associated data or key, or changed bytes; the bytes are lost then.
    pub fn open_in_place<'a>(&self, number: u64, aad: &[u8], sealed: &'a mut [u8]) -> Result<&'a mut [u8], Error> {
        let nonce = Nonce::assume_unique_for_key(nonce(self.prefix, number));
        self.key
            .open_in_place(nonce, Aad::from(aad), sealed)
            .map_err(|_| Error::DoesNotOpen { what: "the stream's chunk" })
    }
}

impl fmt::Debug for StreamOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamOpener(***)")
    }
}

pub(crate) fn gcm(key: &Secret<[u8; 32]>) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.expose()).expect("AES-256 takes 32 bytes"))
}

/// Seals into `out` = ciphertext ‖ tag, which must be `TAG_LEN` longer than `plaintext`.
pub(crate) fn seal_into(key: &LessSafeKey, nonce: [u8; NONCE_LEN], aad: &[u8], plaintext: &[u8], out: &mut [u8]) {
    let (ciphertext, tag) = out.split_at_mut(plaintext.len());
    key.seal_out_of_place_scatter(Nonce::assume_unique_for_key(nonce), Aad::from(aad), plaintext, ciphertext, &[], tag)
        .expect("the room was measured and the length is far below the cipher's limit");
}

pub(crate) fn open_to_secret(
    key: &LessSafeKey,
    nonce: [u8; NONCE_LEN],
    aad: &[u8],
    sealed: &[u8],
) -> Option<Secret<Vec<u8>>> {
    let (ciphertext, tag) = sealed.split_at_checked(sealed.len().checked_sub(TAG_LEN)?)?;
    let mut opened = Ok(());
    let plaintext = Secret::filled(|plaintext: &mut Vec<u8>| {
        plaintext.resize(ciphertext.len(), 0);
        let nonce = Nonce::assume_unique_for_key(nonce);
        opened = key.open_separate_gather(nonce, Aad::from(aad), ciphertext, tag, plaintext);
    });
    opened.ok().map(|()| plaintext)
}

pub(crate) const fn refuse_longer_than(limit: usize, what: &'static str, found: usize) -> Result<(), Error> {
    if found > limit { Err(Error::TooLong { what, found, limit }) } else { Ok(()) }
}

fn nonce(prefix: [u8; PREFIX_LEN], number: u64) -> [u8; NONCE_LEN] {
    let mut nonce = [0; NONCE_LEN];
    nonce[..PREFIX_LEN].copy_from_slice(&prefix);
    nonce[PREFIX_LEN..].copy_from_slice(&number.to_be_bytes());
    nonce
}

fn with_suite(aad: &[u8]) -> Vec<u8> {
    [&[SUITE], aad].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stream_key(byte: u8) -> StreamKey {
        StreamKey::from_secret(Secret::new([byte; 32]))
    }

    proptest! {
        #[test]
        fn data_comes_back_whole(aad: Vec<u8>, plaintext: Vec<u8>) {
            let key = DataKey::random();
            let sealed = key.seal(&aad, &plaintext).unwrap();
            prop_assert_eq!(sealed.len(), plaintext.len() + DATA_OVERHEAD);
            let opened = key.open(&aad, &sealed).unwrap();
            prop_assert_eq!(opened.expose(), &plaintext);
        }

        #[test]
        fn arbitrary_bytes_neither_open_nor_panic(sealed: Vec<u8>) {
            prop_assert!(DataKey::random().open(b"", &sealed).is_err());
        }
    }

    #[test]
    fn every_changed_byte_cut_and_extension_of_sealed_data_is_refused() {
        let key = DataKey::random();
        let sealed = key.seal(b"person", b"purpose").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key.open(b"person", &changed).is_err(), "byte {at} may be changed");
            assert!(key.open(b"person", &sealed[..at]).is_err(), "a cut to {at} bytes opens");
        }
        assert!(key.open(b"person", &[sealed.as_slice(), b"\0"].concat()).is_err());
        assert!(key.open(b"another", &sealed).is_err());
        assert!(DataKey::random().open(b"person", &sealed).is_err());
    }

    #[test]
    fn data_has_a_limit_that_is_named() {
        let key = DataKey::random();
        assert!(key.seal(b"", &vec![0; MAX_DATA]).is_ok());
        assert!(matches!(key.seal(b"", &vec![0; MAX_DATA + 1]), Err(Error::TooLong { limit: MAX_DATA, .. })));
    }

    #[test]
    fn another_suite_is_named() {
        let key = DataKey::random();
        let mut sealed = key.seal(b"", b"x").unwrap();
        sealed[0] = 9;
        assert_eq!(key.open(b"", &sealed).unwrap_err(), Error::UnknownSuite { what: "sealed data", found: 9 });
    }

    #[test]
    fn chunks_open_at_their_own_number_only() {
        let key = stream_key(7);
        let opener = key.opener([1, 2, 3, 4]);
        let mut sealer = key.into_sealer([1, 2, 3, 4]);
        let mut chunks = Vec::new();
        for text in [b"one", b"two"] {
            assert_eq!(usize::try_from(sealer.next_number()).unwrap(), chunks.len() + 1);
            let mut out = vec![0; text.len() + TAG_LEN];
            sealer.seal_next(b"aad", text, &mut out).unwrap();
            chunks.push(out);
        }
        assert_eq!(opener.open_in_place(1, b"aad", &mut chunks[0].clone()).unwrap(), b"one");
        assert_eq!(opener.open_in_place(2, b"aad", &mut chunks[1].clone()).unwrap(), b"two");
        assert!(opener.open_in_place(2, b"aad", &mut chunks[0].clone()).is_err());
        assert!(opener.open_in_place(1, b"aae", &mut chunks[0].clone()).is_err());
        assert!(stream_key(7).opener([1, 2, 3, 5]).open_in_place(1, b"aad", &mut chunks[0].clone()).is_err());
        assert!(stream_key(8).opener([1, 2, 3, 4]).open_in_place(1, b"aad", &mut chunks[0]).is_err());
    }

    #[test]
    fn equal_chunks_never_seal_to_equal_bytes() {
        let mut sealer = stream_key(1).into_sealer([0; 4]);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..64 {
            let mut out = [0; 4 + TAG_LEN];
            sealer.seal_next(b"", b"same", &mut out).unwrap();
            assert!(seen.insert(out));
        }
    }

    #[test]
    fn a_stream_ends_rather_than_repeat_a_number() {
        let mut sealer = stream_key(1).into_sealer([0; 4]);
        sealer.next = u64::MAX;
        assert_eq!(sealer.seal_next(b"", b"", &mut [0; TAG_LEN]), Err(Error::StreamExhausted));
    }

    #[test]
    fn the_commitment_names_the_key() {
        let commitment = stream_key(1).commitment();
        assert_eq!(stream_key(1).confirm(&commitment), Ok(()));
        assert!(matches!(stream_key(2).confirm(&commitment), Err(Error::WrongKey { .. })));
    }

    #[test]
    fn a_changed_header_is_told() {
        let key = stream_key(1);
        let mac = key.header_mac(b"header");
        assert_eq!(key.confirm_header(b"header", &mac), Ok(()));
        assert!(key.confirm_header(b"Header", &mac).is_err());
        assert!(stream_key(2).confirm_header(b"header", &mac).is_err());
    }

    #[test]
    fn nothing_of_a_key_is_printed() {
        let shown = format!("{:?} {:?} {:?}", DataKey::random(), stream_key(1), stream_key(1).into_sealer([0; 4]));
        assert_eq!(shown, "DataKey(***) StreamKey(***) StreamSealer { next: 1, .. }");
    }
}
