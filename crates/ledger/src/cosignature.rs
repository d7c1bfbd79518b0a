//! Cosignatures: a witness says that it saw a checkpoint, as the newest of its log, at a time (C2SP `tlog-cosignature`,
//! Ed25519, type 0x04).

use std::fmt;
use std::str::FromStr;

use crate::key::{PublicKey, Purpose, SEED_SIZE, SecretKey};
use crate::{Error, KeyId, KeyName, NoteSignature, Result, VerifiedCheckpoint, encoding};

/// Public key of a witness. Reads and prints as a vkey: `name+id+base64`.
///
/// What is signed does not contain the name, so a witness has a key of its own for each name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CosignerKey(PublicKey);

impl CosignerKey {
    /// Names an Ed25519 public key.
    #[must_use]
    pub fn new(name: KeyName, public_key: [u8; 32]) -> CosignerKey {
        CosignerKey(PublicKey::new(name, Purpose::Cosignature, public_key))
    }

    /// The name its signature lines bear.
    #[must_use]
    pub fn name(&self) -> &KeyName {
        &self.0.name
    }

    /// The id its signature lines bear.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.0.id
    }

    /// The Ed25519 public key.
    #[must_use]
    pub fn public_key(&self) -> &[u8; 32] {
        self.0.bytes()
    }
}

impl FromStr for CosignerKey {
    type Err = Error;

    fn from_str(vkey: &str) -> Result<CosignerKey> {
        PublicKey::parse(vkey, Purpose::Cosignature).map(CosignerKey)
    }
}

impl fmt::Display for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

encoding::serde_as_text!(CosignerKey);

/// A cosignature that was verified with the witness's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCosignature {
    witness: CosignerKey,
    time: u64,
}

impl VerifiedCosignature {
    /// Who cosigned.
    #[must_use]
    pub fn witness(&self) -> &CosignerKey {
        &self.witness
    }

    /// When, in seconds since 1970, by the witness's clock. Nothing but the witness vouches for it.
    #[must_use]
    pub fn time(&self) -> u64 {
        self.time
    }
}

impl VerifiedCheckpoint {
    /// The cosignatures of those `witnesses` that cosigned, in the order asked for. A witness that cosigned more than
    /// once counts once, with its latest time; lines of others are ignored.
    ///
    /// # Errors
    /// [`Error::BadSignature`] if any line in the name of one of them is false.
    pub fn cosignatures(&self, witnesses: &[CosignerKey]) -> Result<Vec<VerifiedCosignature>> {
        let mut verified = Vec::new();
        for witness in witnesses {
            let times = self.note().lines_of(&witness.0).map(|line| verify(witness, self.note().text(), line));
            let latest = times.collect::<Result<Vec<u64>>>()?.into_iter().max();
            verified.extend(latest.map(|time| VerifiedCosignature { witness: witness.clone(), time }));
        }
        Ok(verified)
    }
}

/// A witness's key held in memory.
pub struct Ed25519Cosigner {
    key: CosignerKey,
    secret: SecretKey,
}

impl Ed25519Cosigner {
    /// The witness of that name whose secret is the 32-byte Ed25519 seed (RFC 8032 section 5.1.5).
    #[must_use]
    pub fn from_seed(name: KeyName, seed: &[u8; SEED_SIZE]) -> Ed25519Cosigner {
        let secret = SecretKey::from_seed(seed);
        Ed25519Cosigner { key: CosignerKey::new(name, secret.public()), secret }
    }

    /// The public half.
    #[must_use]
    pub fn key(&self) -> &CosignerKey {
        &self.key
    }

    /// Cosigns at `time`, in seconds since 1970.
    ///
    /// The caller sees to it that the checkpoint extends, provably and durably, every one this key cosigned for that log.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if the time exceeds 2^63 - 1, [`Error::SignerFailed`].
    pub fn cosign(&self, checkpoint: &VerifiedCheckpoint, time: u64) -> Result<NoteSignature> {
        if time > MAX_TIME {
            return Err(Error::TooLarge { what: "time of a cosignature in seconds", limit: MAX_TIME });
        }
        let signature = self.secret.sign(message(time, checkpoint.note().text()).as_bytes());
        let signature = signature.ok_or_else(|| Error::SignerFailed { key: self.key.name().clone() })?;
        Ok(NoteSignature::by(&self.key.0, [&time.to_be_bytes(), &signature[..]].concat()))
    }
}

impl fmt::Debug for Ed25519Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ed25519Cosigner").field("key", &self.key).finish_non_exhaustive()
    }
}

/// The time at which `witness` signed `text`, if the line is true.
fn verify(witness: &CosignerKey, text: &str, line: &NoteSignature) -> Result<u64> {
    let false_line = || Error::BadSignature { key: witness.name().clone() };
    let (time, signature) = line.bytes().split_first_chunk().ok_or_else(false_line)?;
    let time = u64::from_be_bytes(*time);
    if time > MAX_TIME {
        return Err(false_line());
    }
    witness.0.verify(message(time, text).as_bytes(), signature)?;
    Ok(time)
}

fn message(time: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

const MAX_TIME: u64 = i64::MAX as u64;
