//! Tests as a user without rights, where this program is root: a user made for one run, in a mount namespace where the machine's own
//! `/etc/passwd` stays as it is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::process::{self, run};
use testkit::{Scratch, Trouble, users};

use crate::Stop;
use crate::building::counted;
use crate::tally::{Runner, Tally};

pub(crate) const NAME: &str = "sekimori-tester";
/// A run that takes longer hangs.
const LONGEST_RUN_S: u32 = 1_500;

/// Runs test programs as that user; `binary` is the `sekimori` they drive. `arguments` go to each program.
pub(crate) fn run_tests(programs: &[PathBuf], binary: &Path, arguments: &[&str]) -> Result<Tally, Stop> {
    let stage = Scratch::new("plain-user")?;
    let id = users::free_ids(1)?;
    users::copy_with(&stage, "passwd", &format!("{NAME}:x:{id}:{id}::{}:/bin/sh", stage.join("home").display()))?;
    users::copy_with(&stage, "group", &format!("{NAME}:x:{id}:"))?;
    for folder in ["home", "tmp"] {
        let path = stage.join(folder);
        fs::create_dir(&path).map_err(Trouble::at(folder))?;
        run(Command::new("chown").arg(format!("{id}:{id}")).arg(&path))?;
    }
    let sekimori = copy(&stage, binary)?;
    let mut all = Tally::default();
    for program in programs {
        let program = copy(&stage, program)?;
        all.add(counted(
            inside(&stage, id).arg(program).args(arguments).env("SEKIMORI_BINARY", &sekimori),
            Runner::Own,
        )?);
    }
    Ok(all)
}

/// A command line that goes on as that user, with nothing of this process's environment but the path.
fn inside(stage: &Scratch, id: u32) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--", "sh", "-c", BECOME, "sh"])
        .arg(stage.path())
        .arg(id.to_string())
        .arg(LONGEST_RUN_S.to_string());
    command.current_dir(stage.path());
    command
}

const BECOME: &str = r#"
set -eu
stage=$1 id=$2 limit=$3; shift 3
mount --make-rprivate /
mount --bind "$stage/passwd" /etc/passwd
mount --bind "$stage/group" /etc/group
# A sshd without rights cannot hand a terminal to the group `tty`; it has to belong to it from the start, as on a usual Debian.
mount -t devpts -o newinstance,gid=5,mode=0620,ptmxmode=0666 devpts /dev/pts
mount --bind /dev/pts/ptmx /dev/ptmx
exec timeout --kill-after=10 "$limit" setpriv --reuid="$id" --regid="$id" --clear-groups --inh-caps=-all --bounding-set=-all \
    env -i PATH="$PATH" HOME="$stage/home" TMPDIR="$stage/tmp" SEKIMORI_BINARY="$SEKIMORI_BINARY" RUST_BACKTRACE=1 "$@"
"#;

/// What is built may lie where only its owner looks.
fn copy(stage: &Scratch, program: &Path) -> Result<PathBuf, Trouble> {
    let to = stage.join(program.file_name().unwrap_or_default());
    fs::copy(program, &to).map_err(Trouble::at(program.display()))?;
    fs::set_permissions(&to, fs::Permissions::from_mode(0o755)).map_err(Trouble::at(to.display()))?;
    Ok(to)
}

/// Whether such a user can be made here.
pub(crate) fn is_possible() -> bool {
    process::is_root() && run(Command::new("unshare").args(["--mount", "true"])).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_runs_as_a_user_without_rights_as_root() {
        assert!(is_possible(), "needs root; `cargo xtask test` leaves it out otherwise");
        let dir = Scratch::new("plain").unwrap();
        let program = dir.join("program");
        fs::write(&program, "#!/bin/sh\nset -e\n[ \"$(id -un)\" = sekimori-tester ]\n[ -w \"$HOME\" ] && [ -w \"$TMPDIR\" ] && [ -x \"$SEKIMORI_BINARY\" ]\n! cat /etc/shadow 2>/dev/null\n[ \"$1\" = --here ]\necho 'test result: ok. 3 passed; 0 failed; 0 ignored;'\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        let tally = run_tests(&[program], Path::new("/bin/true"), &["--here"]).unwrap();
        assert_eq!(tally, Tally { passed: 3, failed: 0 });
        assert!(!fs::read_to_string("/etc/passwd").unwrap().contains(NAME), "the machine's own users changed");
    }
}
