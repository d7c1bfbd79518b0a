//! The system's packages that a command needs: shown, asked for, installed where that is allowed, and no service is ever started.

use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::process;

use crate::{Stop, terminal};

/// A program, and what its package is called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Program {
    name: &'static str,
    apt: &'static str,
    dnf: &'static str,
    brew: &'static str,
}

pub(crate) const SSHD: Program =
    Program { name: "sshd", apt: "openssh-server", dnf: "openssh-server", brew: "openssh" };
pub(crate) const SSH: Program = Program { name: "ssh", apt: "openssh-client", dnf: "openssh-clients", brew: "openssh" };
pub(crate) const SSH_KEYGEN: Program =
    Program { name: "ssh-keygen", apt: "openssh-client", dnf: "openssh", brew: "openssh" };
pub(crate) const FAKETIME: Program =
    Program { name: "faketime", apt: "faketime", dnf: "libfaketime", brew: "libfaketime" };
/// The power-cut tests of the store replay what it traced.
pub(crate) const STRACE: Program = Program { name: "strace", apt: "strace", dnf: "strace", brew: "strace" };
/// Full-screen programs whose screen a warning must leave as it was.
pub(crate) const VIM: Program = Program { name: "vim", apt: "vim", dnf: "vim-enhanced", brew: "vim" };
pub(crate) const LESS: Program = Program { name: "less", apt: "less", dnf: "less", brew: "less" };
pub(crate) const TMUX: Program = Program { name: "tmux", apt: "tmux", dnf: "tmux", brew: "tmux" };
pub(crate) const UNSHARE: Program =
    Program { name: "unshare", apt: "util-linux", dnf: "util-linux", brew: "util-linux" };

/// Who decides whether something is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consent {
    /// The person at the terminal, where there is one.
    Ask,
    /// `--yes`
    Given,
}

/// Sees to it that every program is there.
pub(crate) fn ensure(programs: &[Program], consent: Consent) -> Result<(), Stop> {
    let missing: Vec<&Program> = programs.iter().filter(|program| find(program.name).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("This needs programs that are not here yet:");
    for program in &missing {
        println!("  {:<12} package {}", program.name, program.apt);
    }
    let Some(installer) = Installer::choose() else {
        return Err(Stop::Missing(by_hand(&missing, "nothing may be installed by this program here")));
    };
    let packages = installer.names(&missing);
    println!("To be installed with {}: {}", installer.tool, packages.join(" "));
    if consent == Consent::Ask
        && terminal::is_interactive()
        && !terminal::agrees("Install them now? No service is started.")
    {
        return Err(Stop::Missing(by_hand(&missing, "they are needed")));
    }
    terminal::heading(&format!("installing {}", packages.join(" ")));
    installer.install(&packages)?;
    match missing.iter().find(|program| find(program.name).is_none()) {
        Some(program) => Err(Stop::Missing(format!("`{}` is still missing after the installation", program.name))),
        None => Ok(()),
    }
}

fn by_hand(missing: &[&Program], why: &str) -> String {
    let names = |name: fn(&Program) -> &'static str| {
        let mut names: Vec<_> = missing.iter().map(|program| name(program)).collect();
        names.sort_unstable();
        names.dedup();
        names.join(" ")
    };
    format!(
        "{why}; install\n  with apt:  {}\n  with dnf:  {}\n  with brew: {}",
        names(|program| program.apt),
        names(|program| program.dnf),
        names(|program| program.brew)
    )
}

/// Also where servers lie, which a person's own PATH often leaves out.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "where programs lie is for the environment to say")]
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from));
    places.map(|place| place.join(program)).find(|path| path.is_file())
}

#[derive(Debug)]
struct Installer {
    tool: &'static str,
    /// `sudo -n`, or nothing as root.
    through: Vec<&'static str>,
    names: fn(&Program) -> &'static str,
    script: &'static str,
}

impl Installer {
    /// `None` where this program may not install, or knows no way.
    fn choose() -> Option<Self> {
        let through = privilege()?;
        if find("apt-get").is_some() {
            return Some(Self { tool: "apt-get", through, names: |program| program.apt, script: APT });
        }
        find("dnf").map(|_| Self { tool: "dnf", through, names: |program| program.dnf, script: DNF })
    }

    fn names(&self, missing: &[&Program]) -> Vec<&'static str> {
        let mut names: Vec<_> = missing.iter().map(|program| (self.names)(program)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn install(&self, packages: &[&str]) -> Result<(), Stop> {
        let line: Vec<&str> = self
            .through
            .iter()
            .copied()
            .chain(["sh", "-c", self.script, "sh"])
            .chain(packages.iter().copied())
            .collect();
        let (program, arguments) = line.split_first().expect("the line names a shell");
        let status = Command::new(program).args(arguments).status();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Stop::Missing(format!("{} did not install {}: {status}", self.tool, packages.join(" ")))),
            Err(error) => Err(Stop::Missing(format!("{} could not be started: {error}", self.tool))),
        }
    }
}

/// How to become root without a question: not at all, or with `sudo -n`. `None`: it may not.
pub(crate) fn privilege() -> Option<Vec<&'static str>> {
    if process::is_root() {
        return Some(vec![]);
    }
    let sudo = find("sudo").filter(|sudo| process::run(Command::new(sudo).args(["-n", "true"])).is_ok());
    sudo.filter(|path| Path::is_file(path)).map(|_| vec!["sudo", "-n"])
}

/// Debian starts a service when its package is installed, unless `policy-rc.d` says no: ours stands there for that time only. A service that
/// came with the installation would start with the machine; it is switched off again.
const APT: &str = r#"
set -eu
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM HUP
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 0755 "$policy"
fi
had_sshd=no; [ ! -x /usr/sbin/sshd ] || had_sshd=yes
apt-get update -q
apt-get install -y -q --no-install-recommends "$@"
if [ "$had_sshd" = no ] && [ -d /run/systemd/system ]; then
    systemctl disable -q ssh.service ssh.socket 2>/dev/null || true
fi
"#;

/// Fedora starts nothing on installation.
const DNF: &str = r#"exec dnf install -y "$@""#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_for_every_installer_once() {
        let text = by_hand(&[&SSHD, &SSH, &SSH_KEYGEN], "they are needed");
        assert!(text.contains("apt:  openssh-client openssh-server"), "{text}");
        assert!(text.contains("dnf:  openssh openssh-clients openssh-server"), "{text}");
        assert!(text.contains("brew: openssh"), "{text}");
    }

    #[test]
    fn a_program_that_is_there_needs_no_package() {
        let shell = Program { name: "sh", apt: "dash", dnf: "bash", brew: "bash" };
        assert!(ensure(&[shell], Consent::Ask).is_ok());
        assert!(find("no-such-program-anywhere").is_none());
    }
}
