//! The keeper's own durable memory: the founding, once; the last head signed; the last serial used.
//!
//! One file, `memory.skmkeep`: what was known when it was written, then a record for each head or serial since. A record is
//! durable before any signature leaves. A record torn by a power cut was never answered and is dropped; anything else that
//! does not read as it was written keeps the keeper from starting, for to forget a head would be to sign a fork.

mod record;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use ledger::{Hash, TreeHead, leaf_hash};

use crate::files::{self, FileError, failed, not_durable};
use record::{Image, RECORD_LEN};

/// The file's name in the keeper's directory.
pub const MEMORY_FILE: &str = "memory.skmkeep";
const LOCK_FILE: &str = "keeper.lock";
/// After so many records the file is written anew: half a megabyte.
const COMPACT_AFTER: u64 = 4_096;
/// The founding, and a little more than the records before a compaction.
const LONGEST_FILE: u64 = 1 << 20;

/// Why the memory cannot be had or relied upon.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    #[error("another keeper works in `{dir}`")]
    InUse { dir: PathBuf },
    #[error("`{path}` is damaged: {why}; a keeper that forgot what it signed could sign a fork")]
    Damaged { path: PathBuf, why: &'static str },
    #[error(transparent)]
    File(#[from] FileError),
    #[error("an installation is founded once")]
    FoundedAlready,
    #[error("nothing is founded yet")]
    NotFounded,
    #[error("`{path}` could not be made durable before; start the keeper again to see what it holds")]
    Doubtful { path: PathBuf },
}

/// What was signed last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Last {
    pub head: TreeHead,
    /// Serial of the last certificate.
    pub serial: Option<u64>,
}

impl Last {
    /// Before anything is signed the founding alone is the log.
    fn at_founding(entry: &str) -> Self {
        Self { head: TreeHead { size: 1, root: leaf_hash(entry.as_bytes()) }, serial: None }
    }
}

/// Locked for one keeper; holds nothing until an installation is founded.
#[derive(Debug)]
pub struct Memory {
    path: PathBuf,
    /// Held, not read.
    _lock: File,
    held: Option<Held>,
    /// After a write that may or may not have reached the disk nothing more is promised.
    doubtful: bool,
}

#[derive(Debug)]
struct Held {
    founding: String,
    file: File,
    last: Last,
    /// Checksum of the last record, which the next one continues.
    chain: Hash,
    /// Where the next record goes, in bytes.
    end: u64,
    records: u64,
}

impl Memory {
    /// Opens the memory in `dir`, which is made if it is not there.
    ///
    /// # Errors
    /// [`MemoryError::InUse`], [`MemoryError::Damaged`], [`MemoryError::File`].
    pub fn open(dir: &Path) -> Result<Self, MemoryError> {
        files::prepare_dir(dir)?;
        let lock = files::lock(&dir.join(LOCK_FILE))?.ok_or_else(|| MemoryError::InUse { dir: dir.to_path_buf() })?;
        let path = dir.join(MEMORY_FILE);
        let held = match files::read(&path, LONGEST_FILE)? {
            Some(bytes) => Some(reopen(&path, &bytes)?),
            None => None,
        };
        Ok(Self { path, _lock: lock, held, doubtful: false })
    }

    /// The founding entry's exact bytes.
    #[must_use]
    pub fn founding(&self) -> Option<&str> {
        self.held.as_ref().map(|held| held.founding.as_str())
    }

    /// What was signed last; the founding alone counts as a head of size 1.
    #[must_use]
    pub fn last(&self) -> Option<Last> {
        self.held.as_ref().map(|held| held.last)
    }

    /// Remembers the founding, once and for ever. Durable on return.
    ///
    /// # Errors
    /// [`MemoryError::FoundedAlready`], [`MemoryError::File`].
    pub fn found(&mut self, entry: &str) -> Result<(), MemoryError> {
        if self.held.is_some() {
            return Err(MemoryError::FoundedAlready);
        }
        self.held = Some(write_anew(&self.path, entry, Last::at_founding(entry))?);
        Ok(())
    }

    /// Remembers what is about to be signed. Durable on return. What could not be written (a full disk) may be tried again.
    ///
    /// # Errors
    /// [`MemoryError::NotFounded`], [`MemoryError::File`]; [`MemoryError::Doubtful`] for everything after a write that may
    /// or may not have reached the disk.
    pub fn remember(&mut self, last: Last) -> Result<(), MemoryError> {
        if self.doubtful {
            return Err(MemoryError::Doubtful { path: self.path.clone() });
        }
        let held = self.held.as_mut().ok_or(MemoryError::NotFounded)?;
        if held.last == last {
            return Ok(());
        }
        let written = if held.records < COMPACT_AFTER {
            held.append(&self.path, last)
        } else {
            write_anew(&self.path, &held.founding, last).map(|anew| *held = anew)
        };
        self.doubtful = matches!(written, Err(FileError::NotDurable { .. }));
        Ok(written?)
    }
}

impl Held {
    /// A record that was written in part before is overwritten: nobody was told of it.
    fn append(&mut self, path: &Path, last: Last) -> Result<(), FileError> {
        let (bytes, chain) = record::encode(&last, self.chain);
        self.file.write_all_at(&bytes, self.end).map_err(failed("write", path))?;
        self.file.sync_data().map_err(not_durable(path))?;
        (self.last, self.chain) = (last, chain);
        self.end += RECORD_LEN as u64;
        self.records += 1;
        Ok(())
    }
}

fn reopen(path: &Path, bytes: &[u8]) -> Result<Held, MemoryError> {
    let image = Image::parse(bytes).map_err(|why| MemoryError::Damaged { path: path.to_path_buf(), why })?;
    if image.torn {
        return Ok(write_anew(path, &image.founding, image.last)?);
    }
    let file = files::open_to_write(path)?;
    // A keeper that was killed may have left a record that no disk holds yet, and we are about to rely on it.
    file.sync_all().map_err(not_durable(path))?;
    let Image { founding, last, chain, records, .. } = image;
    Ok(Held { founding, file, last, chain, end: bytes.len() as u64, records })
}

fn write_anew(path: &Path, founding: &str, last: Last) -> Result<Held, FileError> {
    let (bytes, chain) = record::begin(founding, &last);
    let file = files::replace(path, &bytes)?;
    Ok(Held { founding: founding.to_owned(), file, last, chain, end: bytes.len() as u64, records: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(size: u64) -> Last {
        Last { head: TreeHead { size, root: Hash::of(&size.to_be_bytes()) }, serial: None }
    }

    fn crowded(dir: &Path) -> Memory {
        let mut memory = Memory::open(dir).unwrap();
        memory.found("the founding").unwrap();
        memory.remember(last(2)).unwrap();
        memory.held.as_mut().unwrap().records = COMPACT_AFTER;
        memory
    }

    #[test]
    fn a_file_with_many_records_is_written_anew_and_says_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("keeper");
        let mut memory = crowded(&inside);
        let before = std::fs::metadata(inside.join(MEMORY_FILE)).unwrap().len();
        memory.remember(last(3)).unwrap();
        assert!(std::fs::metadata(inside.join(MEMORY_FILE)).unwrap().len() < before);
        memory.remember(last(4)).unwrap();
        drop(memory);
        let memory = Memory::open(&inside).unwrap();
        assert_eq!((memory.founding(), memory.last()), (Some("the founding"), Some(last(4))));
    }

    #[test]
    fn what_could_not_be_written_is_not_remembered_and_may_be_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("keeper");
        let mut memory = crowded(&inside);
        let obstacle = inside.join(MEMORY_FILE).with_extension("new");
        std::fs::create_dir(&obstacle).unwrap();
        assert!(matches!(memory.remember(last(3)), Err(MemoryError::File(_))));
        assert_eq!(memory.last(), Some(last(2)));
        std::fs::remove_dir(&obstacle).unwrap();
        memory.remember(last(3)).unwrap();
        assert_eq!(memory.last(), Some(last(3)));
    }
}
