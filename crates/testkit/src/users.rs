//! Users made for one test: they stand in a copy of the machine's own `/etc/passwd`, which only the programs started through here see, in a
//! mount namespace of their own. Needs root.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::process::{Trouble, run};
use crate::scratch::Scratch;

/// Debian gives these to no user of its own.
const IDS: std::ops::Range<u32> = 63_000..64_000;

/// The three users of an installation.
#[derive(Debug)]
pub struct Users {
    stage: Scratch,
    first: u32,
}

impl Users {
    /// Of keeper, engine and front.
    pub const NAMES: [&str; 3] = ["test-keeper", "test-engine", "test-front"];

    /// Writes the copies; nothing else is touched.
    ///
    /// # Errors
    /// When no ids are free, or the copies cannot be written.
    pub fn make() -> Result<Self, Trouble> {
        let stage = Scratch::new("users")?;
        let first = free_ids(Self::NAMES.len())?;
        let numbered = || Self::NAMES.iter().zip(first..);
        let users: Vec<String> =
            numbered().map(|(name, id)| format!("{name}:x:{id}:{id}::/:/usr/sbin/nologin")).collect();
        let groups: Vec<String> = numbered().map(|(name, id)| format!("{name}:x:{id}:")).collect();
        copy_with(&stage, "passwd", &users.join("\n"))?;
        copy_with(&stage, "group", &groups.join("\n"))?;
        Ok(Self { stage, first })
    }

    pub fn keeper(&self) -> u32 {
        self.first
    }

    pub fn engine(&self) -> u32 {
        self.first + 1
    }

    pub fn front(&self) -> u32 {
        self.first + 2
    }

    /// A program, started as root, that knows these users. It keeps the process id.
    pub fn knowing(&self, program: &Path) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--", "sh", "-c", KNOW, "sh"]).arg(self.stage.path()).arg(program);
        command
    }
}

/// `sh -c SCRIPT`, as one of the users: with its group and no other.
pub fn as_user(id: u32, script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]).uid(id).gid(id).current_dir("/");
    command
}

const KNOW: &str = r#"
set -eu
stage=$1; shift
mount --make-rprivate /
mount --bind "$stage/passwd" /etc/passwd
mount --bind "$stage/group" /etc/group
exec "$@"
"#;

/// The first of so many user ids in a row that nobody has.
///
/// # Errors
/// When there are none.
pub fn free_ids(many: usize) -> Result<u32, Trouble> {
    let is_free = |id: &u32| run(Command::new("getent").arg("passwd").arg(id.to_string())).is_err();
    let mut ids = IDS.step_by(many.max(1));
    ids.find(|first| (*first..).take(many).all(|id| is_free(&id)))
        .ok_or_else(|| Trouble(format!("no user ids between {} and {} are free", IDS.start, IDS.end)))
}

/// A copy of a file in `/etc` with further lines.
///
/// # Errors
/// When it cannot be read or written.
pub fn copy_with(stage: &Scratch, file: &str, lines: &str) -> Result<(), Trouble> {
    let own = fs::read_to_string(Path::new("/etc").join(file)).map_err(Trouble::at(file))?;
    fs::write(stage.join(file), format!("{}\n{lines}\n", own.trim_end())).map_err(Trouble::at(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_known_inside_and_nowhere_else_as_root() {
        let users = Users::make().unwrap();
        let asked = users.knowing(Path::new("getent")).args(["passwd", "test-front"]).output().unwrap();
        let line = String::from_utf8(asked.stdout).unwrap();
        assert_eq!(line, format!("test-front:x:{0}:{0}::/:/usr/sbin/nologin\n", users.front()));
        assert!(run(Command::new("getent").args(["passwd", "test-front"])).is_err());
        let said = run(&mut as_user(users.front(), "id -u; id -G")).unwrap();
        assert_eq!(said, format!("{0}\n{0}\n", users.front()));
    }
}
