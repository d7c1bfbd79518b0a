//! The ledger's directory: made for its owner alone, locked for one writer, synced so that names survive a power cut.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::{Result, StoreError};

pub(crate) const DATABASE: &str = "ledger.db";
pub(crate) const SNAPSHOTS: &str = "snapshots";
const LOCK: &str = "ledger.lock";
const OWNER_ONLY_DIR: u32 = 0o700;
const OWNER_ONLY_FILE: u32 = 0o600;
const OTHERS: u32 = 0o077;

/// Makes the directory and what is in it, and locks it. Returns its absolute path, and the lock.
pub(crate) fn prepare(dir: &Path) -> Result<(PathBuf, Lock)> {
    make_dir(dir)?;
    let dir = dir.canonicalize().map_err(at(dir))?;
    let lock = lock(&dir)?;
    make_dir(&dir.join(SNAPSHOTS))?;
    make_database(&dir.join(DATABASE))?;
    Ok((dir, lock))
}

/// The right to write. Given back when this is dropped, and by the kernel however the process ends.
#[derive(Debug)]
pub(crate) struct Lock(File);

/// Closing the file is not enough: a child that another thread is just starting has it open, too, until it runs.
impl Drop for Lock {
    fn drop(&mut self) {
        // If it fails, the lock goes when the file is closed everywhere.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

fn lock(dir: &Path) -> Result<Lock> {
    let path = dir.join(LOCK);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(OWNER_ONLY_FILE);
    let file = options.open(&path).map_err(at(&path))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Lock(file)),
        Err(Errno::WOULDBLOCK) => Err(StoreError::InUse { dir: dir.to_path_buf() }),
        Err(error) => Err(at(&path)(error.into())),
    }
}

/// A name in a directory is durable only after this.
pub(crate) fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|handle| handle.sync_all()).map_err(at(dir))
}

/// A new, empty file that only its owner reads; what was there before is gone.
pub(crate) fn create_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(OWNER_ONLY_FILE).open(path)
}

pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_path_buf();
    |source| StoreError::Io { path, source }
}

/// Also one that was there is synced into its parent: whoever made it may have been killed before doing so.
fn make_dir(dir: &Path) -> Result<()> {
    match DirBuilder::new().mode(OWNER_ONLY_DIR).create(dir) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => refuse_if_open_to_others(dir)?,
        Err(error) => return Err(at(dir)(error)),
    }
    sync_dir(parent(dir))
}

/// Not closed for them instead: it may be a directory named by mistake, and not ours to change.
fn refuse_if_open_to_others(dir: &Path) -> Result<()> {
    match mode(dir)? {
        mode if mode & OTHERS == 0 => Ok(()),
        mode => Err(StoreError::OpenToOthers { path: dir.to_path_buf(), mode }),
    }
}

/// Made before SQLite opens it, because SQLite would use the process's umask; `-wal` and `-shm` inherit the mode.
///
/// One that is there is not opened: closing it again would give back the locks that SQLite holds on it elsewhere in this
/// process.
fn make_database(path: &Path) -> Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY_FILE).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => close_to_others(path),
        Err(error) => Err(at(path)(error)),
    }
}

fn close_to_others(path: &Path) -> Result<()> {
    if mode(path)? & OTHERS == 0 {
        return Ok(());
    }
    std::fs::set_permissions(path, Permissions::from_mode(OWNER_ONLY_FILE)).map_err(at(path))
}

fn mode(path: &Path) -> Result<u32> {
    Ok(std::fs::metadata(path).map_err(at(path))?.permissions().mode() & 0o7777)
}

fn parent(dir: &Path) -> &Path {
    dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
