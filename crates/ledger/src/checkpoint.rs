//! Checkpoints: signed notes whose text is a tree head (C2SP `tlog-checkpoint` v1.0.0).

use std::fmt;
use std::str::FromStr;

use crate::note::{Note, NoteSignature, NoteSigner, VerifierKey};
use crate::tree::check_size;
use crate::{EMPTY_ROOT, Error, Hash, KeyName, Result, TreeHead, encoding};

/// Longest origin in bytes, as `tlog-cosignature` carries it.
pub const MAX_ORIGIN: usize = 255;

/// Identity of a log, e.g. `sekimori.example/tokyo`: a URL without its scheme, no spaces, no `+`, no control characters,
/// at most [`MAX_ORIGIN`] bytes. The log's key has the same name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(KeyName);

impl Origin {
    /// The origin as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The name the log's keys bear.
    #[must_use]
    pub fn key_name(&self) -> &KeyName {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = Error;

    fn from_str(origin: &str) -> Result<Origin> {
        let malformed = |why| Error::Malformed { what: "origin", why };
        if origin.len() > MAX_ORIGIN {
            return Err(malformed("it is longer than 255 bytes"));
        }
        if origin.contains(char::is_control) {
            return Err(malformed("it has a control character"));
        }
        if origin.contains("://") {
            return Err(malformed("it has a scheme"));
        }
        origin.parse().map(Origin)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

encoding::serde_as_text!(Origin);

/// What a log says of itself: this tree head is mine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: Origin,
    /// Number of entries.
    pub size: u64,
    /// Merkle tree hash over them.
    pub root: Hash,
}

impl Checkpoint {
    /// Size and root together.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        TreeHead { size: self.size, root: self.root }
    }

    /// Signs it with the log's key, whose name must be the origin.
    ///
    /// The caller sees to it that the head extends every head signed before.
    ///
    /// # Errors
    /// [`Error::OtherLog`] if the key is of another log, [`Error::SignerFailed`].
    pub fn sign(&self, signer: &dyn NoteSigner) -> Result<SignedCheckpoint> {
        check_name(self, signer.key())?;
        let note = Note::sign(self.to_string(), signer)?;
        Ok(SignedCheckpoint { claimed: self.clone(), note })
    }
}

/// The text that is signed: origin, size, root, a line each.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, encoding::to_base64(self.root.as_bytes()))
    }
}

/// Reads the text, newline included. Extension lines, which the specification discourages, are refused.
impl FromStr for Checkpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Checkpoint> {
        let malformed = |why| Error::Malformed { what: "checkpoint", why };
        let mut lines = text.strip_suffix('\n').ok_or(malformed("it does not end in a newline"))?.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(malformed("it has fewer than three lines"));
        };
        if lines.next().is_some() {
            return Err(malformed("it has more than three lines"));
        }
        let origin = origin.parse()?;
        let size = encoding::decimal(size).ok_or(malformed("its size is not a plain decimal"))?;
        let root = encoding::base64_hash(root).ok_or(malformed("its root is not base64 of 32 bytes"))?;
        check_size(size)?;
        if size == 0 && root != EMPTY_ROOT {
            return Err(malformed("its root is not that of the empty tree"));
        }
        Ok(Checkpoint { origin, size, root })
    }
}

/// A checkpoint as it is stored and sent. What it says is a claim until it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    claimed: Checkpoint,
    note: Note,
}

impl SignedCheckpoint {
    /// Reads a signed checkpoint.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::TooLarge`].
    pub fn parse(bytes: &[u8]) -> Result<SignedCheckpoint> {
        let note = Note::parse(bytes)?;
        Ok(SignedCheckpoint { claimed: note.text().parse()?, note })
    }

    /// What it claims, true or not.
    #[must_use]
    pub fn claimed(&self) -> &Checkpoint {
        &self.claimed
    }

    /// The note with its signature lines.
    #[must_use]
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// Verifies it with the key of the log one expects.
    ///
    /// # Errors
    /// [`Error::OtherLog`] if its origin is not the key's name, [`Error::NoTrustedSignature`], [`Error::BadSignature`].
    pub fn verify(self, log: &VerifierKey) -> Result<VerifiedCheckpoint> {
        self.verify_any(std::slice::from_ref(log))
    }

    /// Verifies it with several keys of one log, of which at least one must have signed and none falsely.
    pub(crate) fn verify_any(self, logs: &[VerifierKey]) -> Result<VerifiedCheckpoint> {
        logs.iter().try_for_each(|log| check_name(&self.claimed, log))?;
        self.note.verify(logs)?;
        Ok(VerifiedCheckpoint { signed: self })
    }

    /// Adds a line, e.g. a cosignature.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if the note would become too large.
    pub fn add(&mut self, signature: NoteSignature) -> Result<()> {
        self.note.add(signature)
    }
}

/// The note as it is stored and sent.
impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

/// Reads the note, as [`SignedCheckpoint::parse`].
impl FromStr for SignedCheckpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<SignedCheckpoint> {
        SignedCheckpoint::parse(text.as_bytes())
    }
}

encoding::serde_as_text!(SignedCheckpoint);

/// A checkpoint that the log's own key signed. There is no other way to have one than to verify it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCheckpoint {
    signed: SignedCheckpoint,
}

impl VerifiedCheckpoint {
    /// What the log said.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.signed.claimed
    }

    /// Size and root together.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        self.signed.claimed.head()
    }

    /// The note with its signature lines, of which the log's are verified.
    #[must_use]
    pub fn note(&self) -> &Note {
        &self.signed.note
    }

    /// Back to the form that is stored and sent.
    #[must_use]
    pub fn into_signed(self) -> SignedCheckpoint {
        self.signed
    }
}

fn check_name(checkpoint: &Checkpoint, log: &VerifierKey) -> Result<()> {
    if log.name() == checkpoint.origin.key_name() {
        return Ok(());
    }
    Err(Error::OtherLog { expected: log.name().clone(), found: checkpoint.origin.clone() })
}
