//! Files for their owner alone, durable in content and name.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

const OWNER_ONLY_DIR: u32 = 0o700;
const OWNER_ONLY_FILE: u32 = 0o600;
const OTHERS: u32 = 0o077;

/// What the file system would not do, or does not keep to itself.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("cannot {what} `{path}`: {source}")]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    /// What was written may or may not be on the disk, and asking again would not tell.
    #[error("`{path}` could not be made durable: {source}")]
    NotDurable { path: PathBuf, source: io::Error },
    #[error("`{path}` is open to others (mode {mode:03o}); keys and memory are for their owner alone")]
    OpenToOthers { path: PathBuf, mode: u32 },
    #[error("`{path}` is {found} bytes long; at most {limit} are read")]
    TooLong { path: PathBuf, found: u64, limit: u64 },
}

pub(crate) fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_path_buf();
    move |source| FileError::Io { what, path, source }
}

pub(crate) fn not_durable(path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_path_buf();
    move |source| FileError::NotDurable { path, source }
}

/// Makes the directory if it is not there, and refuses one that others may look into.
pub(crate) fn prepare_dir(dir: &Path) -> Result<(), FileError> {
    match DirBuilder::new().mode(OWNER_ONLY_DIR).create(dir) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => refuse_if_open_to_others(dir)?,
        Err(error) => return Err(failed("create", dir)(error)),
    }
    sync_dir(dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

/// A name in a directory is durable only after this.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), FileError> {
    File::open(dir).and_then(|handle| handle.sync_all()).map_err(not_durable(dir))
}

/// Writes a file that must not be there yet.
pub(crate) fn create_new(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut file = options().create_new(true).open(path).map_err(failed("create", path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed("write", path))?;
    sync_dir(parent(path))
}

/// Puts a whole new content in place of the old: after a crash one of the two is there.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<File, FileError> {
    let new = path.with_extension("new");
    let mut file = options().create(true).truncate(true).open(&new).map_err(failed("create", &new))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed("write", &new))?;
    std::fs::rename(&new, path).map_err(failed("replace", path))?;
    sync_dir(parent(path))?;
    Ok(file)
}

/// All of the file; `None` if there is none. `limit` is in bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, FileError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("open", path)(error)),
    };
    refuse_if_open_to_others(path)?;
    let found = file.metadata().map_err(failed("look at", path))?.len();
    if found > limit {
        return Err(FileError::TooLong { path: path.to_path_buf(), found, limit });
    }
    // The whole room at once: growing would leave copies of keys behind.
    let mut bytes = Vec::with_capacity(usize::try_from(found).unwrap_or(0) + 1);
    file.take(limit).read_to_end(&mut bytes).map_err(failed("read", path))?;
    Ok(Some(bytes))
}

/// A file that is there, to be written on.
pub(crate) fn open_to_write(path: &Path) -> Result<File, FileError> {
    options().open(path).map_err(failed("open", path))
}

/// Held for as long as the file is open, and given back by the kernel however the process ends. `None`: another has it.
pub(crate) fn lock(path: &Path) -> Result<Option<File>, FileError> {
    let file = options().create(true).truncate(false).open(path).map_err(failed("open", path))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(failed("lock", path)(error.into())),
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(OWNER_ONLY_FILE);
    options
}

fn refuse_if_open_to_others(path: &Path) -> Result<(), FileError> {
    let mode = std::fs::metadata(path).map_err(failed("look at", path))?.permissions().mode() & 0o7777;
    if mode & OTHERS == 0 { Ok(()) } else { Err(FileError::OpenToOthers { path: path.to_path_buf(), mode }) }
}

fn parent(path: &Path) -> &Path {
    path.parent().expect("a file of ours stands in a directory of ours")
}
