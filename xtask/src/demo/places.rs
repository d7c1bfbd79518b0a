//! Where the demo keeps its things, and which of its processes run.

use std::fs;
use std::path::{Path, PathBuf};

use testkit::Trouble;
use testkit::process::{Signal, signal, until};

use super::read;
use crate::building;

/// `demo` in the build folder.
#[derive(Debug, Clone)]
pub(super) struct Places(PathBuf);

impl Places {
    /// Beside the folder of the program that was built.
    pub(super) fn beside(binary: &Path) -> Result<Self, Trouble> {
        let built = binary.ancestors().nth(2).ok_or_else(|| Trouble("the build folder is not found".to_owned()))?;
        Ok(Self(built.join("demo")))
    }

    /// Where the build folder is without building anything.
    #[expect(clippy::disallowed_methods, reason = "cargo's own variable says where it builds")]
    pub(super) fn of_last() -> Result<Self, Trouble> {
        let set = std::env::var_os("CARGO_TARGET_DIR").map(|dir| building::root().join(dir));
        Ok(Self(set.unwrap_or_else(|| building::root().join("target")).join("demo")))
    }

    pub(super) fn root(&self) -> &Path {
        &self.0
    }

    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The script that runs something as one of the people.
    pub(super) fn as_script(&self) -> PathBuf {
        self.join("as")
    }

    /// Written when the stage stands.
    pub(super) fn stage_file(&self) -> PathBuf {
        self.join("stage")
    }

    pub(super) fn is_set_up(&self) -> bool {
        self.0.join("serve.pid").exists() || self.0.join("holder.pid").exists()
    }

    /// Both the server and the target.
    pub(super) fn is_running(&self) -> bool {
        self.stage_file().exists() && self.pids().count() == 2 && self.pids().all(|pid| is_there(pid, &self.0))
    }

    fn pids(&self) -> impl Iterator<Item = u32> {
        ["serve.pid", "holder.pid"].into_iter().filter_map(|name| read(&self.0.join(name)).ok()?.trim().parse().ok())
    }

    /// Ends what runs, and removes everything.
    pub(super) fn clear(&self) -> Result<(), Trouble> {
        let _no_holder = fs::write(self.join("stop"), "");
        for pid in self.pids().collect::<Vec<_>>() {
            if is_there(pid, &self.0) {
                let _ended_meanwhile = signal(pid, Signal::Terminate);
                until("the demo's processes to end", || !is_there(pid, &self.0))?;
            }
        }
        match fs::remove_dir_all(&self.0) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Trouble(format!("{}: {error}", self.0.display()))),
        }
    }
}

/// Whether that process is ours: its number may since have been given to another, which must not be ended.
fn is_there(pid: u32, root: &Path) -> bool {
    let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    String::from_utf8_lossy(&line).contains(&*root.to_string_lossy())
}
