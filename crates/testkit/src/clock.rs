//! Wall time as some programs and their children see it, set while they run; the machine's own clock stays as it is. Boot time is theirs
//! unchanged, and so is what they measure and wait by. It takes libfaketime, which comes with `faketime`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{self, Trouble};

/// A clock of one's own; clones are the same clock.
#[derive(Debug, Clone)]
pub struct SetClock {
    /// How far off it is, as libfaketime reads it anew each time somebody asks for the time.
    file: PathBuf,
    library: String,
}

impl SetClock {
    /// Right at first. `file` is made; it has to be readable by whoever is to have this clock.
    ///
    /// # Errors
    /// When `faketime` is not installed, or the file cannot be written.
    pub fn new(file: &Path) -> Result<Self, Trouble> {
        let library = process::run(Command::new("faketime").args(["-f", "+0", "printenv", "LD_PRELOAD"]))?;
        let clock = Self { file: file.to_owned(), library: library.trim().to_owned() };
        clock.set(0)?;
        Ok(clock)
    }

    /// From now on it is so many seconds ahead, or behind.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set(&self, ahead_s: i64) -> Result<(), Trouble> {
        // Exchanged as a whole: a reader must not find half of it.
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{ahead_s:+}\n")).map_err(Trouble::at(new.display()))?;
        fs::rename(&new, &self.file).map_err(Trouble::at(self.file.display()))
    }

    /// What a program has to find in its environment.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("LD_PRELOAD", self.library.clone()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }
}
