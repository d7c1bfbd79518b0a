//! One entry's evidence in one file: inclusion proof and checkpoint, verified without asking anybody (C2SP `tlog-proof`).

use std::fmt;
use std::str::FromStr;

use crate::proof::fails;
use crate::{
    Error, Hash, InclusionProof, MAX_NOTE, MAX_PATH, Policy, Result, SignedCheckpoint, VerifiedCheckpoint, VerifierKey,
    WitnessedCheckpoint, encoding,
};

/// Most bytes of extra data in a proof.
pub const MAX_EXTRA: usize = 65_536;

/// An inclusion proof with the checkpoint it is held against. Files of it end in `.tlog-proof`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    extra: Vec<u8>,
    proof: InclusionProof,
    checkpoint: SignedCheckpoint,
}

impl TlogProof {
    /// Joins a proof and its checkpoint. `extra` means what the caller says; nothing authenticates it; it may be empty.
    ///
    /// # Errors
    /// [`Error::ProofFails`] if the two are of different sizes, [`Error::TooLarge`] over [`MAX_EXTRA`] or [`MAX_PATH`].
    pub fn new(proof: InclusionProof, checkpoint: SignedCheckpoint, extra: Vec<u8>) -> Result<TlogProof> {
        if proof.size != checkpoint.claimed().size {
            return Err(fails("inclusion", "it is of another tree size than the checkpoint"));
        }
        if extra.len() > MAX_EXTRA {
            return Err(Error::TooLarge { what: "extra data of a proof in bytes", limit: MAX_EXTRA as u64 });
        }
        if proof.path.len() > MAX_PATH {
            return Err(Error::TooLarge { what: "inclusion proof", limit: MAX_PATH as u64 });
        }
        Ok(TlogProof { extra, proof, checkpoint })
    }

    /// Reads a file. Nothing in it is true until it is verified.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::TooLarge`].
    pub fn parse(bytes: &[u8]) -> Result<TlogProof> {
        if bytes.len() > MAX_FILE {
            return Err(Error::TooLarge { what: "offline proof in bytes", limit: MAX_FILE as u64 });
        }
        let text = str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        let text = text.strip_prefix(FIRST_LINE).ok_or(malformed("its first line is of another format or version"))?;
        let (header, checkpoint) =
            text.split_once("\n\n").ok_or(malformed("no empty line parts proof and checkpoint"))?;
        let checkpoint = SignedCheckpoint::parse(checkpoint.as_bytes())?;
        let (extra, header) = parse_extra(header)?;
        TlogProof::new(parse_inclusion(header, checkpoint.claimed().size)?, checkpoint, extra)
    }

    /// Verifies that `leaf` stands in the log of this key, where the proof says.
    ///
    /// # Errors
    /// As [`SignedCheckpoint::verify`] and [`InclusionProof::verify`].
    pub fn verify(&self, leaf: Hash, log: &VerifierKey) -> Result<VerifiedCheckpoint> {
        let checkpoint = self.checkpoint.clone().verify(log)?;
        self.proof.verify(leaf, &checkpoint.head())?;
        Ok(checkpoint)
    }

    /// Verifies that `leaf` stands in a log of this policy, where the proof says, and that enough witnesses saw it.
    ///
    /// # Errors
    /// As [`Policy::verify`] and [`InclusionProof::verify`].
    pub fn verify_under(&self, leaf: Hash, policy: &Policy) -> Result<WitnessedCheckpoint> {
        let witnessed = policy.verify(self.checkpoint.clone())?;
        self.proof.verify(leaf, &witnessed.checkpoint().head())?;
        Ok(witnessed)
    }

    /// Position of the entry in the log, as claimed.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.proof.index
    }

    /// Data beside the proof, empty if none. Verification says nothing about it.
    #[must_use]
    pub fn extra(&self) -> &[u8] {
        &self.extra
    }

    /// The checkpoint, as claimed.
    #[must_use]
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }
}

/// The file.
impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FIRST_LINE)?;
        if !self.extra.is_empty() {
            writeln!(f, "extra {}", encoding::to_base64(&self.extra))?;
        }
        writeln!(f, "index {}", self.proof.index)?;
        for hash in &self.proof.path {
            writeln!(f, "{}", encoding::to_base64(hash.as_bytes()))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

/// Reads the file, as [`TlogProof::parse`].
impl FromStr for TlogProof {
    type Err = Error;

    fn from_str(text: &str) -> Result<TlogProof> {
        TlogProof::parse(text.as_bytes())
    }
}

encoding::serde_as_text!(TlogProof);

/// The extra data, if there is a line of it, and the lines after it.
fn parse_extra(header: &str) -> Result<(Vec<u8>, &str)> {
    let Some(line) = header.strip_prefix("extra ") else {
        return Ok((Vec::new(), header));
    };
    let (base64, rest) = line.split_once('\n').ok_or(malformed("it has no index"))?;
    match encoding::base64(base64) {
        Some(extra) if !extra.is_empty() => Ok((extra, rest)),
        Some(_) => Err(malformed("its extra line is empty")),
        None => Err(malformed("its extra data is not base64")),
    }
}

fn parse_inclusion(header: &str, size: u64) -> Result<InclusionProof> {
    let mut lines = header.split('\n');
    let index = lines.next().and_then(|line| line.strip_prefix("index ")).ok_or(malformed("it has no index"))?;
    let index = encoding::decimal(index).ok_or(malformed("its index is not a plain decimal"))?;
    // One more than may be, so that too long a path is seen to be too long.
    let hashes = lines.take(MAX_PATH + 1).map(encoding::base64_hash);
    let path = hashes.collect::<Option<_>>().ok_or(malformed("a hash is not base64 of 32 bytes"))?;
    Ok(InclusionProof { index, size, path })
}

fn malformed(why: &'static str) -> Error {
    Error::Malformed { what: "offline proof", why }
}

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1\n";
/// The note, the extra data and the path in base64, and the words around them.
const MAX_FILE: usize = MAX_NOTE + MAX_EXTRA.div_ceil(3) * 4 + MAX_PATH * 45 + 100;
