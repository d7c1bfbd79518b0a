//! The four long-lived keys and their file: plain for a machine that starts alone, or sealed under a passphrase.
//!
//! The file is `SKMKEYS1` ‖ u8 protection (0 plain, 1 passphrase), then for a passphrase u32be rounds ‖ 32 bytes of salt,
//! then the body, then SHA-256 over everything before. The body is the seeds of log key and CA key, the vault key (32 bytes
//! each) and the reading key as `envelope` writes it; under a passphrase it is sealed with AES-256-GCM, bound to what stands
//! before it, under PBKDF2-HMAC-SHA256 of the passphrase.

use std::fmt;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use aws_lc_rs::{pbkdf2, rand};
use domain::SuiteKey;
use envelope::{DataKey, OpeningKey, Secret};
use ledger::Hash;
use sshwire::{PublicKey, SoftSigner};

use crate::files::{self, FileError};

/// The file's name in the keeper's directory.
pub const KEY_FILE: &str = "keys.skmkeys";
/// Rounds of PBKDF2-HMAC-SHA256 for a new file (OWASP's figure of 2023). A file with fewer is not read.
pub const PASSPHRASE_ROUNDS: u32 = 600_000;
/// More rounds than this are a damaged file: they would keep the keeper from starting for minutes.
const MOST_ROUNDS: u32 = 20_000_000;

const MAGIC: &[u8; 8] = b"SKMKEYS1";
const PLAIN: u8 = 0;
const PASSPHRASE: u8 = 1;
const SALT_LEN: usize = 32;
const SEED_LEN: usize = 32;
const LONGEST_FILE: u64 = 64 * 1024;

/// Why keys were not stored or not read.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("`{path}` is there already; keys are made once")]
    Exists { path: PathBuf },
    #[error("there is no key file `{path}`")]
    Missing { path: PathBuf },
    #[error(transparent)]
    File(#[from] FileError),
    #[error("`{path}` is no key file of this version")]
    Unknown { path: PathBuf },
    #[error("`{path}` is damaged: {why}")]
    Damaged { path: PathBuf, why: &'static str },
    #[error("`{path}` is sealed under a passphrase, and none was given")]
    PassphraseNeeded { path: PathBuf },
    #[error("the passphrase does not open `{path}`")]
    WrongPassphrase { path: PathBuf },
    #[error("the passphrase is empty")]
    EmptyPassphrase,
}

/// How the key file is kept from who may read the disk.
#[derive(Debug, Clone, Copy)]
pub enum Protection<'a> {
    /// By the file's mode alone.
    Plain,
    Passphrase(&'a Secret<String>),
}

/// The keys themselves.
pub struct KeySet {
    log: SigningKey,
    ca: SigningKey,
    reading: OpeningKey,
    vault: DataKey,
}

/// What the founding binds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKeys {
    pub log: PublicKey,
    pub ca: PublicKey,
    /// A [`envelope::SealingKey`]'s bytes.
    pub reading: SuiteKey,
}

struct SigningKey {
    seed: Secret<[u8; SEED_LEN]>,
    signer: SoftSigner,
}

impl KeySet {
    /// Fresh keys from the operating system's generator.
    #[must_use]
    pub fn generate() -> Self {
        Self {
            log: SigningKey::from_seed(random_seed()),
            ca: SigningKey::from_seed(random_seed()),
            reading: OpeningKey::generate(),
            vault: DataKey::random(),
        }
    }

    /// Writes the key file into `dir`, which is made if it is not there. Durable on return.
    ///
    /// # Errors
    /// [`KeyFileError::Exists`], [`KeyFileError::EmptyPassphrase`], [`KeyFileError::File`].
    pub fn store(&self, dir: &Path, protection: Protection<'_>) -> Result<(), KeyFileError> {
        let path = dir.join(KEY_FILE);
        let bytes = self.to_file(protection)?;
        files::prepare_dir(dir)?;
        files::create_new(&path, bytes.expose()).map_err(|error| match error {
            FileError::Io { source, .. } if source.kind() == std::io::ErrorKind::AlreadyExists => {
                KeyFileError::Exists { path }
            }
            other => other.into(),
        })
    }

    #[must_use]
    pub fn public(&self) -> PublicKeys {
        let reading =
            SuiteKey::new(&self.reading.sealing_key().to_bytes()).expect("a sealing key has about 1,200 bytes");
        PublicKeys { log: self.log.signer.public_key().clone(), ca: self.ca.signer.public_key().clone(), reading }
    }

    pub(crate) const fn log(&self) -> &SoftSigner {
        &self.log.signer
    }

    pub(crate) const fn ca(&self) -> &SoftSigner {
        &self.ca.signer
    }

    pub(crate) const fn reading(&self) -> &OpeningKey {
        &self.reading
    }

    pub(crate) const fn vault(&self) -> &DataKey {
        &self.vault
    }

    fn to_file(&self, protection: Protection<'_>) -> Result<Secret<Vec<u8>>, KeyFileError> {
        let body = self.body();
        let (head, body) = match protection {
            Protection::Plain => (head(PLAIN, &[]), body),
            Protection::Passphrase(passphrase) => seal(passphrase, &body)?,
        };
        let checksum = Hash::of(concat(&[&head, body.expose()]).expose());
        Ok(concat(&[&head, body.expose(), checksum.as_bytes()]))
    }

    fn body(&self) -> Secret<Vec<u8>> {
        let (log, ca) = (self.log.seed.expose(), self.ca.seed.expose());
        concat(&[log, ca, self.vault.secret().expose(), self.reading.to_secret().expose()])
    }

    fn from_body(body: &[u8]) -> Option<Self> {
        let (log, rest) = body.split_first_chunk::<SEED_LEN>()?;
        let (ca, rest) = rest.split_first_chunk::<SEED_LEN>()?;
        let (vault, reading) = rest.split_first_chunk::<SEED_LEN>()?;
        Some(Self {
            log: SigningKey::from_seed(copied(log)),
            ca: SigningKey::from_seed(copied(ca)),
            reading: OpeningKey::from_secret(&concat(&[reading])).ok()?,
            vault: DataKey::from_secret(copied(vault)),
        })
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet").field("log", &self.log.signer).field("ca", &self.ca.signer).finish_non_exhaustive()
    }
}

impl SigningKey {
    fn from_seed(seed: Secret<[u8; SEED_LEN]>) -> Self {
        let signer = SoftSigner::from_seed(seed.expose());
        Self { seed, signer }
    }
}

/// A key file whose bytes are whole; the keys in it may still be sealed.
pub struct KeyFile {
    path: PathBuf,
    bytes: Secret<Vec<u8>>,
    sealed: Option<NonZeroU32>,
}

impl KeyFile {
    /// Reads the key file in `dir`.
    ///
    /// # Errors
    /// [`KeyFileError::Missing`], [`KeyFileError::Unknown`], [`KeyFileError::Damaged`], [`KeyFileError::File`].
    pub fn read(dir: &Path) -> Result<Self, KeyFileError> {
        let path = dir.join(KEY_FILE);
        let Some(bytes) = files::read(&path, LONGEST_FILE)? else {
            return Err(KeyFileError::Missing { path });
        };
        Self::check(path, Secret::new(bytes))
    }

    /// Whether a passphrase is needed.
    #[must_use]
    pub const fn is_sealed(&self) -> bool {
        self.sealed.is_some()
    }

    /// The keys. A passphrase is passed over where the file is plain.
    ///
    /// # Errors
    /// [`KeyFileError::PassphraseNeeded`], [`KeyFileError::WrongPassphrase`], [`KeyFileError::Damaged`].
    pub fn open(&self, passphrase: Option<&Secret<String>>) -> Result<KeySet, KeyFileError> {
        let (head, body) = self.parts();
        let keys = match self.sealed {
            None => KeySet::from_body(body),
            Some(rounds) => {
                let passphrase =
                    passphrase.ok_or_else(|| KeyFileError::PassphraseNeeded { path: self.path.clone() })?;
                let key = key_of(passphrase, rounds, salt_of(head));
                let wrong = |_| KeyFileError::WrongPassphrase { path: self.path.clone() };
                KeySet::from_body(key.open(head, body).map_err(wrong)?.expose())
            }
        };
        keys.ok_or_else(|| self.damaged("the keys in it cannot be read"))
    }

    fn check(path: PathBuf, bytes: Secret<Vec<u8>>) -> Result<Self, KeyFileError> {
        let mut file = Self { path, bytes, sealed: None };
        let content = file.bytes.expose();
        if content.first_chunk() != Some(MAGIC) {
            return Err(KeyFileError::Unknown { path: file.path });
        }
        let Some((whole, checksum)) = content.split_last_chunk::<{ Hash::SIZE }>() else {
            return Err(file.damaged("it is too short"));
        };
        if Hash::of(whole).as_bytes() != checksum {
            return Err(file.damaged("its checksum does not fit"));
        }
        file.sealed = match whole.get(MAGIC.len()).copied() {
            Some(PLAIN) => None,
            Some(PASSPHRASE) => Some(rounds_of(whole).ok_or_else(|| file.damaged("its rounds are out of range"))?),
            Some(_) => return Err(KeyFileError::Unknown { path: file.path }),
            None => return Err(file.damaged("it is too short")),
        };
        Ok(file)
    }

    /// Head and body; `check` saw that both are there.
    fn parts(&self) -> (&[u8], &[u8]) {
        let content = self.bytes.expose();
        let whole = &content[..content.len() - Hash::SIZE];
        whole.split_at(if self.is_sealed() { SEALED_HEAD_LEN } else { PLAIN_HEAD_LEN })
    }

    fn damaged(&self, why: &'static str) -> KeyFileError {
        KeyFileError::Damaged { path: self.path.clone(), why }
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFile").field("path", &self.path).field("sealed", &self.is_sealed()).finish_non_exhaustive()
    }
}

const PLAIN_HEAD_LEN: usize = MAGIC.len() + 1;
const SEALED_HEAD_LEN: usize = PLAIN_HEAD_LEN + 4 + SALT_LEN;

fn head(protection: u8, rest: &[&[u8]]) -> Vec<u8> {
    [&MAGIC[..], &[protection], &rest.concat()].concat()
}

fn seal(passphrase: &Secret<String>, body: &Secret<Vec<u8>>) -> Result<(Vec<u8>, Secret<Vec<u8>>), KeyFileError> {
    if passphrase.expose().is_empty() {
        return Err(KeyFileError::EmptyPassphrase);
    }
    let mut salt = [0; SALT_LEN];
    fill(&mut salt);
    let head = head(PASSPHRASE, &[&PASSPHRASE_ROUNDS.to_be_bytes(), &salt]);
    let rounds = NonZeroU32::new(PASSPHRASE_ROUNDS).expect("the constant is not zero");
    let sealed = key_of(passphrase, rounds, &salt).seal(&head, body.expose()).expect("keys are a few kilobytes");
    Ok((head, Secret::new(sealed)))
}

fn key_of(passphrase: &Secret<String>, rounds: NonZeroU32, salt: &[u8]) -> DataKey {
    DataKey::from_secret(Secret::filled(|key: &mut [u8; 32]| {
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, salt, passphrase.expose().as_bytes(), key);
    }))
}

/// Fewer rounds than we would write are refused as well: whoever changed the file wants the passphrase guessed.
fn rounds_of(whole: &[u8]) -> Option<NonZeroU32> {
    let rounds = whole.get(PLAIN_HEAD_LEN..SEALED_HEAD_LEN)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))?;
    (PASSPHRASE_ROUNDS..=MOST_ROUNDS).contains(&rounds).then_some(rounds).and_then(NonZeroU32::new)
}

fn salt_of(head: &[u8]) -> &[u8] {
    &head[SEALED_HEAD_LEN - SALT_LEN..]
}

/// In one piece, so that no growing leaves copies behind.
fn concat(parts: &[&[u8]]) -> Secret<Vec<u8>> {
    Secret::filled(|whole: &mut Vec<u8>| {
        whole.reserve_exact(parts.iter().map(|part| part.len()).sum());
        parts.iter().for_each(|part| whole.extend_from_slice(part));
    })
}

fn copied(seed: &[u8; SEED_LEN]) -> Secret<[u8; SEED_LEN]> {
    Secret::filled(|cell: &mut [u8; SEED_LEN]| cell.copy_from_slice(seed))
}

pub(crate) fn random_seed() -> Secret<[u8; SEED_LEN]> {
    Secret::filled(|seed: &mut [u8; SEED_LEN]| fill(seed))
}

pub(crate) fn fill(bytes: &mut [u8]) {
    rand::fill(bytes).expect("the library aborts rather than return without entropy");
}
