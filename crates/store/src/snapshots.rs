//! Folded state, kept so that a start need not fold everything: can be thrown away and made again.
//!
//! One file each, `fold-<version>-<size>.snapshot`: the line `sekimori-snapshot/v1`, fold version (4 bytes), size (8),
//! length of the content (8), all big-endian, a SHA-256 (32) over these fields and the content's own SHA-256, and the
//! content as one zstd frame.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ledger::Hash;

use crate::append::at_most;
use crate::directory::{at, create_file, sync_dir};
use crate::{Reader, Result, StoreError};

/// Longest content of a snapshot in bytes.
pub const MAX_SNAPSHOT: usize = 1 << 30;

/// The snapshots beside a ledger. Cheap to clone; writing one holds up neither the writer nor readers.
#[derive(Debug, Clone)]
pub struct Snapshots {
    dir: PathBuf,
    reader: Reader,
    /// One at a time, so that none tidies away what another is writing.
    writing: Arc<Mutex<()>>,
}

/// State folded from the first `size` entries.
#[derive(Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Number of entries folded.
    pub size: u64,
    /// The bytes as they were put.
    pub bytes: Vec<u8>,
    /// SHA-256 of them.
    pub hash: Hash,
}

/// State says much about people; its size says enough.
impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Snapshot {{ size: {}, bytes: {}, hash: {} }}", self.size, self.bytes.len(), self.hash)
    }
}

/// The newest snapshot that can be used, and the newer ones that cannot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SnapshotSearch {
    /// `None` if there is none: fold from the start.
    pub found: Option<Snapshot>,
    /// Snapshots passed over on the way, newest first. Each is worth a word to the operator.
    pub passed_over: Vec<PassedOver>,
}

/// A snapshot that was not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// Number of entries it says it folds.
    pub size: u64,
    /// What is wrong with it.
    pub why: String,
}

impl Snapshots {
    pub(crate) fn new(dir: PathBuf, reader: Reader) -> Snapshots {
        Snapshots { dir, reader, writing: Arc::default() }
    }

    /// Keeps the state that version `fold_version` of the fold made of the first `size` entries. Durable on return.
    /// Then the older snapshots of that fold version but one are dropped. Returns the SHA-256 of `bytes`.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] over [`MAX_SNAPSHOT`], [`StoreError::BeyondHead`], [`StoreError::Full`],
    /// [`StoreError::Io`], and those of any read. The snapshots that were there stay.
    pub fn put(&self, fold_version: u32, size: u64, bytes: &[u8]) -> Result<Hash> {
        at_most("snapshot in bytes", bytes.len(), MAX_SNAPSHOT)?;
        let head = self.reader.head()?.size();
        if size > head {
            return Err(StoreError::BeyondHead { asked: size, head });
        }
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let header = Header::new(fold_version, size, bytes);
        let (incoming, place) = (self.dir.join(INCOMING), self.dir.join(file_name(fold_version, size)));
        write_durably(&incoming, &header, bytes).map_err(at(&incoming)).map_err(full)?;
        fs::rename(&incoming, &place).map_err(at(&place)).map_err(full)?;
        sync_dir(&self.dir)?;
        self.drop_older(fold_version)?;
        Ok(header.content)
    }

    /// The newest snapshot of that fold version which is whole and not beyond the head.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the directory cannot be read, and those of any read. A damaged snapshot is no error.
    pub fn newest(&self, fold_version: u32) -> Result<SnapshotSearch> {
        self.newest_that(fold_version, |_| true)
    }

    /// The newest of those for which `is_confirmed` holds.
    ///
    /// # Errors
    /// As [`Snapshots::newest`].
    pub fn newest_that(&self, fold_version: u32, is_confirmed: impl Fn(&Snapshot) -> bool) -> Result<SnapshotSearch> {
        let head = self.reader.head()?.size();
        let mut search = SnapshotSearch::default();
        for size in self.sizes(fold_version)? {
            match self.load(fold_version, size, head) {
                Ok(snapshot) if is_confirmed(&snapshot) => {
                    search.found = Some(snapshot);
                    break;
                }
                Ok(_) => search.passed_over.push(PassedOver { size, why: "nothing confirms it".to_owned() }),
                Err(why) => search.passed_over.push(PassedOver { size, why: why.to_string() }),
            }
        }
        Ok(search)
    }

    fn load(&self, fold_version: u32, size: u64, head: u64) -> io::Result<Snapshot> {
        if size > head {
            return Err(malformed("it is beyond the head"));
        }
        let mut file = File::open(self.dir.join(file_name(fold_version, size)))?;
        let header = Header::read(&mut file)?;
        if (header.fold_version, header.size) != (fold_version, size) {
            return Err(malformed("it is not what its name says"));
        }
        let bytes = decompress(file, header.len)?;
        match Header::new(fold_version, size, &bytes) {
            expected if expected.sum == header.sum => Ok(Snapshot { size, bytes, hash: expected.content }),
            _ => Err(malformed("its hash does not match")),
        }
    }

    /// Sizes of the snapshots of a fold version, largest first.
    fn sizes(&self, fold_version: u32) -> Result<Vec<u64>> {
        let listed =
            fs::read_dir(&self.dir).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(at(&self.dir))?;
        let names = listed.iter().map(fs::DirEntry::file_name);
        let mut sizes: Vec<u64> = names.filter_map(|name| size_in_name(name.to_str()?, fold_version)).collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        Ok(sizes)
    }

    fn drop_older(&self, fold_version: u32) -> Result<()> {
        for size in self.sizes(fold_version)?.into_iter().skip(KEPT) {
            let path = self.dir.join(file_name(fold_version, size));
            fs::remove_file(&path).map_err(at(&path))?;
        }
        Ok(())
    }
}

struct Header {
    fold_version: u32,
    size: u64,
    len: u64,
    /// Over all of the above and `content`.
    sum: Hash,
    /// Of the content; not itself in the file.
    content: Hash,
}

impl Header {
    fn new(fold_version: u32, size: u64, bytes: &[u8]) -> Header {
        let (len, content) = (bytes.len() as u64, Hash::of(bytes));
        let sum = Hash::of(&[&fields(fold_version, size, len), content.as_ref()].concat());
        Header { fold_version, size, len, sum, content }
    }

    fn to_bytes(&self) -> Vec<u8> {
        [&fields(self.fold_version, self.size, self.len), self.sum.as_ref()].concat()
    }

    fn read(from: &mut impl Read) -> io::Result<Header> {
        let magic = read_array::<{ MAGIC.len() }>(from)?;
        let header = Header {
            fold_version: u32::from_be_bytes(read_array(from)?),
            size: u64::from_be_bytes(read_array(from)?),
            len: u64::from_be_bytes(read_array(from)?),
            sum: Hash::from_bytes(read_array(from)?),
            content: ledger::EMPTY_ROOT,
        };
        if magic != *MAGIC || header.len > MAX_SNAPSHOT as u64 {
            return Err(malformed("it does not begin as a snapshot does"));
        }
        Ok(header)
    }
}

fn fields(fold_version: u32, size: u64, len: u64) -> Vec<u8> {
    [&MAGIC[..], &fold_version.to_be_bytes(), &size.to_be_bytes(), &len.to_be_bytes()].concat()
}

fn read_array<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn write_durably(path: &Path, header: &Header, bytes: &[u8]) -> io::Result<()> {
    let mut file = create_file(path)?;
    file.write_all(&header.to_bytes())?;
    zstd::stream::copy_encode(bytes, &mut file, LEVEL)?;
    file.sync_all()
}

/// Reads `len` bytes and at most one more, whatever the frame would unfold to.
fn decompress(file: File, len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut content = zstd::Decoder::new(file)?.single_frame().take(len + 1);
    content.read_to_end(&mut bytes)?;
    let after = content.into_inner().finish().read(&mut [0])?;
    if bytes.len() as u64 == len && after == 0 {
        Ok(bytes)
    } else {
        Err(malformed("it has another length than it says"))
    }
}

fn malformed(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn full(error: StoreError) -> StoreError {
    match error {
        StoreError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => StoreError::Full,
        other => other,
    }
}

fn file_name(fold_version: u32, size: u64) -> String {
    format!("fold-{fold_version}-{size}{SUFFIX}")
}

/// Only names exactly as we write them.
fn size_in_name(name: &str, fold_version: u32) -> Option<u64> {
    let size = name.strip_suffix(SUFFIX)?.rsplit('-').next()?.parse().ok()?;
    (name == file_name(fold_version, size)).then_some(size)
}

const KEPT: usize = 2;
const LEVEL: i32 = 3;
const MAGIC: &[u8; 21] = b"sekimori-snapshot/v1\n";
const SUFFIX: &str = ".snapshot";
const INCOMING: &str = "incoming";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_only_as_it_is_written() {
        assert_eq!(size_in_name("fold-3-170.snapshot", 3), Some(170));
        for other in ["fold-4-170.snapshot", "fold-3-0170.snapshot", "fold-3-+170.snapshot", "fold-3-170", "incoming"] {
            assert_eq!(size_in_name(other, 3), None, "{other}");
        }
    }
}
