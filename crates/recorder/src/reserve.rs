//! Disk space kept free of everybody else, so that a repair on a full disk, and the session's end, can still be recorded.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rustix::{fs::FallocateFlags, io::Errno};

use crate::{Error, Result};

const NAME: &str = ".reserve";
/// How much is written at once where the file system cannot allocate by itself.
const ZEROS: usize = 1 << 20;

/// A file of allocated, unused blocks in the directory of the recordings.
#[derive(Debug)]
pub struct Reserve {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Reserve {
    /// Makes sure that `dir` holds a reserve of `bytes`, whatever a process before left there.
    ///
    /// # Errors
    /// [`Error::File`], when there is no room for it above all.
    pub fn ensure(dir: &Path, bytes: u64) -> Result<Self> {
        let path = dir.join(NAME);
        let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = opened.map_err(|source| Error::File { what: "open the reserve", path: path.clone(), source })?;
        let reserve = Self { path, file, bytes };
        reserve.restore()?;
        Ok(reserve)
    }

    /// Gives the space free for recordings. Safe to repeat.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn release(&self) -> Result<()> {
        // Journalling file systems hand freed blocks out again only once the freeing itself is on disk.
        let freed = self.file.set_len(0).and_then(|()| self.file.sync_all());
        freed.map_err(self.failed("release the reserve"))
    }

    /// Takes the space back. Safe to repeat.
    ///
    /// # Errors
    /// [`Error::File`] while there is no room; what was taken until then is given free again.
    pub fn restore(&self) -> Result<()> {
        let taken = self.file.set_len(self.bytes).and_then(|()| self.allocate()).and_then(|()| self.file.sync_all());
        taken.map_err(|error| {
            // The first failure is the one to tell.
            let _kept = self.file.set_len(0);
            self.failed("take the reserve")(error)
        })
    }

    /// How much is reserved when it is not released.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    fn allocate(&self) -> io::Result<()> {
        match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, self.bytes) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.write_zeros(),
            Err(Errno::INVAL) if self.bytes == 0 => Ok(()),
            other => Ok(other?),
        }
    }

    fn write_zeros(&self) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(&self.path)?;
        let zeros = vec![0; ZEROS];
        let mut left = self.bytes;
        while left > 0 {
            let now = left.min(ZEROS as u64);
            file.write_all(&zeros[..usize::try_from(now).expect("at most one buffer")])?;
            left -= now;
        }
        Ok(())
    }

    fn failed(&self, what: &'static str) -> impl FnOnce(io::Error) -> Error {
        let path = self.path.clone();
        move |source| Error::File { what, path, source }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn allocated(reserve: &Reserve) -> u64 {
        reserve.file.metadata().unwrap().blocks() * 512
    }

    #[test]
    fn a_reserve_holds_blocks_until_it_is_released_and_takes_them_back() {
        let dir = tempfile::tempdir().unwrap();
        let reserve = Reserve::ensure(dir.path(), 1 << 20).unwrap();
        assert!(allocated(&reserve) >= 1 << 20);
        for _ in 0..2 {
            reserve.release().unwrap();
            assert_eq!(allocated(&reserve), 0);
        }
        for _ in 0..2 {
            reserve.restore().unwrap();
            assert!(allocated(&reserve) >= 1 << 20);
        }
        reserve.write_zeros().unwrap();
        assert_eq!(reserve.file.metadata().unwrap().len(), 1 << 20);
    }

    #[test]
    fn a_later_process_takes_the_reserve_over_in_its_own_size() {
        let dir = tempfile::tempdir().unwrap();
        drop(Reserve::ensure(dir.path(), 1 << 20).unwrap());
        let smaller = Reserve::ensure(dir.path(), 1 << 16).unwrap();
        assert_eq!((smaller.bytes(), smaller.file.metadata().unwrap().len()), (1 << 16, 1 << 16));
        assert_eq!(Reserve::ensure(dir.path(), 0).unwrap().file.metadata().unwrap().len(), 0);
    }

    #[test]
    fn a_reserve_that_does_not_fit_takes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Reserve::ensure(dir.path(), 1 << 60), Err(Error::File { .. })));
        assert_eq!(std::fs::metadata(dir.path().join(NAME)).unwrap().blocks(), 0);
        assert!(Reserve::ensure(&dir.path().join("absent"), 1).is_err());
    }
}
