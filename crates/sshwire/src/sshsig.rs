//! SSHSIG: detached signatures by SSH keys, each for one namespace (OpenSSH's PROTOCOL.sshsig).

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{self, SHA256, SHA512};
use thiserror::Error;

use crate::key::{KeyClass, KeyError, PublicKey};
use crate::reader::{Reader, WireError};
use crate::signature_blob::{Presence, SignatureBlob};
use crate::text::{TextError, decode_base64, encode_base64, serde_as_text, shown};
use crate::writer::Writer;

/// Longest SSHSIG blob, in bytes.
pub const MAX_SIGNATURE: usize = 8 * 1024;

/// Longest namespace, in bytes.
pub const MAX_NAMESPACE: usize = 256;

const MAGIC: &[u8; 6] = b"SSHSIG";
const VERSION: u32 = 1;
const ARMOR_BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const ARMOR_END: &str = "-----END SSH SIGNATURE-----";

/// Characters in a line of armor, as OpenSSH breaks them.
const ARMOR_COLUMNS: usize = 70;

/// Longest armored text, in bytes: with room for lines of any sensible length.
const MAX_ARMORED: usize = 2 * MAX_SIGNATURE;

/// Why a signature is refused. All but `BadSignature` and `WrongNamespace` mean: this is not a signature that we take.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SigError {
    #[error("signature is {len} bytes long, more than {MAX_SIGNATURE}")]
    TooLong { len: usize },
    #[error("signature text: {0}")]
    Text(#[from] TextError),
    #[error("text does not stand between `{ARMOR_BEGIN}` and `{ARMOR_END}`")]
    NotArmored,
    #[error("signature is malformed: {0}")]
    Malformed(#[from] WireError),
    #[error("not an SSH signature: it does not begin with `SSHSIG`")]
    NotSshsig,
    #[error("signature has version {0}, not {VERSION}")]
    UnsupportedVersion(u32),
    #[error("key in the signature: {0}")]
    Key(#[from] KeyError),
    #[error("a namespace has 1 to {MAX_NAMESPACE} bytes")]
    BadNamespace,
    #[error("the reserved field is not empty")]
    ReservedInUse,
    #[error("hash `{0}` is not taken, only sha256 and sha512")]
    UnsupportedHash(String),
    #[error("signatures by `{0}` are not taken")]
    UnsupportedAlgorithm(String),
    #[error("a key of type `{key}` does not make signatures by `{algorithm}`")]
    AlgorithmNotOfKey { algorithm: &'static str, key: KeyClass },
    #[error("signature was made for {found:?}, not for {expected:?}")]
    WrongNamespace { expected: String, found: String },
    #[error("signature does not match the message and the key")]
    BadSignature,
}

/// An SSHSIG blob, magic included, that is well formed: a key we take, a signature of a kind this key makes. Nothing is
/// proved before [`verify`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature {
    wire: Box<[u8]>,
    key: PublicKey,
}

serde_as_text!(Signature);

/// Who signed, and what the key proved of a person's presence. Whether that key and that presence suffice is for the
/// caller to judge.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct SignedBy {
    pub key: PublicKey,
    pub presence: Presence,
}

/// The hash that stands for the message in the signed data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HashAlgorithm {
    Sha256,
    /// What `ssh-keygen -Y sign` takes unless told otherwise.
    Sha512,
}

/// Verifies a signature over `message` for `namespace`.
///
/// # Errors
/// `WrongNamespace` if it was made for another one (said before the signature is checked: nobody vouches for it),
/// `BadSignature` if key, message and signature do not belong together.
pub fn verify(signature: &Signature, namespace: &str, message: &[u8]) -> Result<SignedBy, SigError> {
    let parts = signature.parts();
    if parts.namespace != namespace {
        return Err(SigError::WrongNamespace { expected: namespace.to_owned(), found: parts.namespace.to_owned() });
    }
    let presence = parts.blob.verify(&signature.key, &to_be_signed(namespace, parts.hash, message))?;
    Ok(SignedBy { key: signature.key.clone(), presence })
}

/// The bytes that a key signs for an SSHSIG: for an agent, a token or a [`SoftSigner`](crate::SoftSigner).
/// [`Signature::assemble`] takes what comes back.
#[must_use]
pub fn to_be_signed(namespace: &str, hash: HashAlgorithm, message: &[u8]) -> Vec<u8> {
    Writer::new()
        .raw(MAGIC)
        .string(namespace)
        .string([]) // reserved
        .string(hash.name())
        .string(hash.digest(message))
        .into_bytes()
}

impl Signature {
    /// Takes a blob, magic included.
    ///
    /// # Errors
    /// Everything that is not exactly one well-formed SSHSIG. A reserved field that is not empty is refused, because
    /// OpenSSH leaves it out of what is signed: anybody could change it.
    pub fn from_wire(wire: &[u8]) -> Result<Self, SigError> {
        if wire.len() > MAX_SIGNATURE {
            return Err(SigError::TooLong { len: wire.len() });
        }
        let parts = Parts::read(wire)?;
        let key = PublicKey::from_wire(parts.key)?;
        parts.blob.fits(&key)?;
        Ok(Self { wire: wire.into(), key })
    }

    /// Takes the text that `ssh-keygen -Y sign` writes.
    ///
    /// # Errors
    /// `NotArmored` unless the text is one armored block, with a line end or nothing after it; then as
    /// [`from_wire`](Self::from_wire).
    pub fn from_armored(text: &str) -> Result<Self, SigError> {
        if text.len() > MAX_ARMORED {
            return Err(SigError::TooLong { len: text.len() });
        }
        let text = text.replace("\r\n", "\n");
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let inner = text.strip_prefix(ARMOR_BEGIN).and_then(|rest| rest.strip_suffix(ARMOR_END));
        let lines = inner.and_then(|inner| inner.strip_prefix('\n')?.strip_suffix('\n')).ok_or(SigError::NotArmored)?;
        Self::from_wire(&decode_base64(&lines.replace('\n', ""), MAX_SIGNATURE)?)
    }

    /// Builds the blob from a key's signature blob (an algorithm's name and its numbers) over [`to_be_signed`].
    ///
    /// # Errors
    /// As [`from_wire`](Self::from_wire). Whether the signature is good is not asked.
    pub fn assemble(
        key: &PublicKey,
        namespace: &str,
        hash: HashAlgorithm,
        signature_blob: &[u8],
    ) -> Result<Self, SigError> {
        let wire = Writer::new()
            .raw(MAGIC)
            .u32(VERSION)
            .string(key.wire())
            .string(namespace)
            .string([]) // reserved
            .string(hash.name())
            .string(signature_blob);
        Self::from_wire(&wire.into_bytes())
    }

    /// The text that `ssh-keygen -Y verify` reads, byte for byte as OpenSSH writes it.
    #[must_use]
    pub fn to_armored(&self) -> String {
        let mut armored = format!("{ARMOR_BEGIN}\n");
        for (column, character) in encode_base64(&self.wire).chars().enumerate() {
            if column > 0 && column % ARMOR_COLUMNS == 0 {
                armored.push('\n');
            }
            armored.push(character);
        }
        armored + "\n" + ARMOR_END + "\n"
    }

    /// The blob, magic included.
    #[must_use]
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// The key that the blob says made it. Not proved: [`verify`] gives the one that did.
    #[must_use]
    pub fn claimed_key(&self) -> &PublicKey {
        &self.key
    }

    /// The namespace that the blob says it was made for. Not proved.
    #[must_use]
    pub fn claimed_namespace(&self) -> &str {
        self.parts().namespace
    }

    fn parts(&self) -> Parts<'_> {
        Parts::read(&self.wire).expect("the blob was read when the signature was made")
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode_base64(&self.wire))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let namespace = self.claimed_namespace();
        f.debug_struct("Signature").field("key", &self.key.fingerprint()).field("namespace", &namespace).finish()
    }
}

/// Reads exactly what `Display` writes: base64 without armor or line ends.
impl FromStr for Signature {
    type Err = SigError;

    fn from_str(text: &str) -> Result<Self, SigError> {
        Self::from_wire(&decode_base64(text, MAX_SIGNATURE)?)
    }
}

impl HashAlgorithm {
    fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn from_name(name: &[u8]) -> Result<Self, SigError> {
        match name {
            b"sha256" => Ok(Self::Sha256),
            b"sha512" => Ok(Self::Sha512),
            unknown => Err(SigError::UnsupportedHash(shown(unknown))),
        }
    }

    fn digest(self, message: &[u8]) -> digest::Digest {
        match self {
            Self::Sha256 => digest::digest(&SHA256, message),
            Self::Sha512 => digest::digest(&SHA512, message),
        }
    }
}

/// The fields of an SSHSIG blob, borrowed from it.
struct Parts<'a> {
    key: &'a [u8],
    namespace: &'a str,
    hash: HashAlgorithm,
    blob: SignatureBlob<'a>,
}

impl<'a> Parts<'a> {
    fn read(wire: &'a [u8]) -> Result<Self, SigError> {
        let mut reader = Reader::new(wire);
        if reader.array::<6>("magic")? != MAGIC {
            return Err(SigError::NotSshsig);
        }
        match reader.u32("version")? {
            VERSION => (),
            other => return Err(SigError::UnsupportedVersion(other)),
        }
        let key = reader.string("public key")?;
        let namespace = read_namespace(&mut reader)?;
        if !reader.string("reserved")?.is_empty() {
            return Err(SigError::ReservedInUse);
        }
        let hash = HashAlgorithm::from_name(reader.string("hash algorithm")?)?;
        let blob = SignatureBlob::parse(reader.string("signature")?)?;
        reader.finish("signature")?;
        Ok(Self { key, namespace, hash, blob })
    }
}

fn read_namespace<'a>(reader: &mut Reader<'a>) -> Result<&'a str, SigError> {
    let namespace = reader.text("namespace")?;
    if (1..=MAX_NAMESPACE).contains(&namespace.len()) { Ok(namespace) } else { Err(SigError::BadNamespace) }
}
