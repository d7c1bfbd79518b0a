//! Signed notes: a text, and lines by which named keys sign it (C2SP `signed-note` v1.0.0).

use std::fmt;
use std::str::FromStr;

use crate::key::{PublicKey, Purpose, SEED_SIZE, SIGNATURE_SIZE, SecretKey};
use crate::{Error, KeyId, KeyName, Result, encoding};

/// Most bytes a note may have, signatures included.
pub const MAX_NOTE: usize = 1_000_000;

/// Most signature lines a note may have.
pub const MAX_SIGNATURES: usize = 100;

/// A text with at least one signature line. That the lines are true is not known until [`verify`](Note::verify) said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl Note {
    /// Reads a note. Every line must be well formed, those of unknown keys too.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::TooLarge`].
    pub fn parse(bytes: &[u8]) -> Result<Note> {
        check_length(bytes.len())?;
        let whole = str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        let last_empty_line = whole.rfind("\n\n").ok_or(malformed("no empty line parts text and signatures"))?;
        let (text, signatures) = whole.split_at(last_empty_line + 1);
        check_text(text)?;
        Ok(Note {
            text: text.to_owned(),
            signatures: parse_signatures(signatures.strip_prefix('\n').unwrap_or_default())?,
        })
    }

    /// Signs `text`, which must end in a newline and have no other control character.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::TooLarge`], [`Error::SignerFailed`].
    pub fn sign(text: impl Into<String>, signer: &dyn NoteSigner) -> Result<Note> {
        let text = text.into();
        check_text(&text)?;
        let signature = signer.sign(text.as_bytes())?;
        let signature = NoteSignature::by(&signer.key().0, signature.to_vec());
        let note = Note { text, signatures: vec![signature] };
        check_length(note.to_string().len())?;
        Ok(note)
    }

    /// Adds a line, e.g. a cosignature. A line that is already there is not added again.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if the note would exceed [`MAX_SIGNATURES`] or [`MAX_NOTE`].
    pub fn add(&mut self, signature: NoteSignature) -> Result<()> {
        if self.signatures.contains(&signature) {
            return Ok(());
        }
        check_count(self.signatures.len() + 1)?;
        check_length(self.to_string().len() + signature.to_string().len() + 1)?;
        self.signatures.push(signature);
        Ok(())
    }

    /// The text, final newline included. Means nothing before it is verified.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All signature lines, in order, verified or not.
    #[must_use]
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Verifies the lines that name one of `keys`, ignores the others, and gives the keys that signed, at least one.
    ///
    /// # Errors
    /// [`Error::BadSignature`] if any line in the name of a trusted key is false, [`Error::NoTrustedSignature`] if there
    /// is no such line.
    pub fn verify<'k>(&self, keys: &'k [VerifierKey]) -> Result<Vec<&'k VerifierKey>> {
        let mut signed = Vec::new();
        for key in keys {
            let mut lines = self.lines_of(&key.0).peekable();
            if lines.peek().is_some() {
                lines.try_for_each(|line| key.0.verify(self.text.as_bytes(), &line.bytes))?;
                signed.push(key);
            }
        }
        if signed.is_empty() { Err(Error::NoTrustedSignature) } else { Ok(signed) }
    }

    /// The lines that claim to be by `key`.
    pub(crate) fn lines_of(&self, key: &PublicKey) -> impl Iterator<Item = &NoteSignature> {
        self.signatures.iter().filter(|line| line.id == key.id && line.name == key.name)
    }
}

/// The note as it is stored and sent.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

/// One signature line: who claims to have signed, and the bytes that show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    name: KeyName,
    id: KeyId,
    bytes: Vec<u8>,
}

impl NoteSignature {
    pub(crate) fn by(key: &PublicKey, bytes: Vec<u8>) -> NoteSignature {
        NoteSignature { name: key.name.clone(), id: key.id, bytes }
    }

    /// Name of the key in the line.
    #[must_use]
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// Id of the key in the line.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What follows the key id; its form depends on the key.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads a line without its newline: `— name base64(id ‖ bytes)`.
impl FromStr for NoteSignature {
    type Err = Error;

    fn from_str(line: &str) -> Result<NoteSignature> {
        let rest = line.strip_prefix(LINE_START).ok_or(malformed("a signature line does not begin with an em dash"))?;
        let (name, base64) = rest.split_once(' ').ok_or(malformed("a signature line has no signature"))?;
        let bytes = encoding::base64(base64).ok_or(malformed("a signature is not base64"))?;
        match bytes.split_first_chunk() {
            Some((&id, bytes)) if !bytes.is_empty() => {
                Ok(NoteSignature { name: name.parse()?, id: KeyId(id), bytes: bytes.to_vec() })
            }
            _ => Err(malformed("a signature is too short")),
        }
    }
}

/// The line without its newline.
impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.id.0, &self.bytes[..]].concat();
        write!(f, "{LINE_START}{} {}", self.name, encoding::to_base64(&bytes))
    }
}

/// Public key that verifies notes (Ed25519, type 0x01), e.g. a log's. Reads and prints as a vkey: `name+id+base64`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerifierKey(pub(crate) PublicKey);

impl VerifierKey {
    /// Names an Ed25519 public key.
    #[must_use]
    pub fn new(name: KeyName, public_key: [u8; 32]) -> VerifierKey {
        VerifierKey(PublicKey::new(name, Purpose::Note, public_key))
    }

    /// The name its signature lines bear; for a log, its origin.
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

impl FromStr for VerifierKey {
    type Err = Error;

    fn from_str(vkey: &str) -> Result<VerifierKey> {
        PublicKey::parse(vkey, Purpose::Note).map(VerifierKey)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

encoding::serde_as_text!(VerifierKey);

/// Whoever holds the secret half of a [`VerifierKey`]: memory, a token, another process.
pub trait NoteSigner {
    /// The public half, by which the line will be known.
    fn key(&self) -> &VerifierKey;

    /// The Ed25519 signature over the text of a note.
    ///
    /// # Errors
    /// [`Error::SignerFailed`].
    fn sign(&self, text: &[u8]) -> Result<[u8; SIGNATURE_SIZE]>;
}

/// A note-signing key held in memory.
pub struct Ed25519Signer {
    key: VerifierKey,
    secret: SecretKey,
}

impl Ed25519Signer {
    /// The signer of that name whose secret is the 32-byte Ed25519 seed (RFC 8032 section 5.1.5).
    #[must_use]
    pub fn from_seed(name: KeyName, seed: &[u8; SEED_SIZE]) -> Ed25519Signer {
        let secret = SecretKey::from_seed(seed);
        Ed25519Signer { key: VerifierKey::new(name, secret.public()), secret }
    }
}

impl NoteSigner for Ed25519Signer {
    fn key(&self) -> &VerifierKey {
        &self.key
    }

    fn sign(&self, text: &[u8]) -> Result<[u8; SIGNATURE_SIZE]> {
        self.secret.sign(text).ok_or_else(|| Error::SignerFailed { key: self.key.name().clone() })
    }
}

impl fmt::Debug for Ed25519Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ed25519Signer").field("key", &self.key).finish_non_exhaustive()
    }
}

fn parse_signatures(lines: &str) -> Result<Vec<NoteSignature>> {
    let lines = lines.strip_suffix('\n').ok_or(malformed("it does not end in a signature line"))?;
    check_count(lines.split('\n').count())?;
    lines.split('\n').map(str::parse).collect()
}

fn check_text(text: &str) -> Result<()> {
    if !text.ends_with('\n') {
        return Err(malformed("its text does not end in a newline"));
    }
    if text.contains(|c: char| c < ' ' && c != '\n') {
        return Err(malformed("it has a control character"));
    }
    Ok(())
}

fn check_length(bytes: usize) -> Result<()> {
    if bytes > MAX_NOTE { Err(Error::TooLarge { what: "note in bytes", limit: MAX_NOTE as u64 }) } else { Ok(()) }
}

fn check_count(signatures: usize) -> Result<()> {
    let limit = MAX_SIGNATURES as u64;
    if signatures > MAX_SIGNATURES { Err(Error::TooLarge { what: "number of signatures", limit }) } else { Ok(()) }
}

fn malformed(why: &'static str) -> Error {
    Error::Malformed { what: "note", why }
}

const LINE_START: &str = "\u{2014} ";
