//! A folder of one's own that goes away with its owner.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::process::Trouble;

/// Readable by all, because a target's sshd reads principals as another user; removed on drop.
#[derive(Debug)]
pub struct Scratch(PathBuf);

/// So many names are tried.
const TRIES: u32 = 1000;

impl Scratch {
    /// A new folder under the system's place for temporary files.
    ///
    /// # Errors
    /// When none can be made there.
    pub fn new(name: &str) -> Result<Self, Trouble> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mut last = String::new();
        for _ in 0..TRIES {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("sekimori-{name}-{}-{number}", std::process::id()));
            match fs::DirBuilder::new().mode(0o755).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) => last = error.to_string(),
            }
        }
        Err(Trouble(format!("no folder for temporary files: {last}")))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _left_behind = fs::remove_dir_all(&self.0);
    }
}
