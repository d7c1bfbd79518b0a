//! The system's packages that a command needs: shown, asked for, installed where that is allowed, and no service is ever started.

use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::process;

use crate::lang::{Lang, words};
use crate::{Stop, terminal};

/// A program, and what its package is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
/// What administrators copy trees and sources with, over `ssh`.
pub(crate) const RSYNC: Program = Program { name: "rsync", apt: "rsync", dnf: "rsync", brew: "rsync" };
pub(crate) const GIT: Program = Program { name: "git", apt: "git", dnf: "git", brew: "git" };
/// libFuzzer is C++; the name that the build asks for.
pub(crate) const CXX: Program = Program { name: "c++", apt: "g++", dnf: "gcc-c++", brew: "gcc" };
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

words! {
    NEEDS: "This needs programs that are not here yet:", "まだ入っていないプログラムが必要です:";
    PACKAGE: "  {}  package {}", "  {}  パッケージ {}";
    TO_INSTALL: "To be installed with {}: {}", "{} でインストールします: {}";
    INSTALL_NOW: "Install them now? No service is started.", "今インストールしますか? サービスは起動しません。";
    INSTALLING: "installing {}", "{} をインストールします";
    MAY_NOT: "nothing may be installed by this program here", "このプログラムには、ここでインストールする権限がありません";
    DECLINED: "not installed, as you wished", "ご希望どおり、インストールしませんでした";
    DID_NOT: "{} did not install {}: {}", "{} で {} をインストールできませんでした: {}";
    STILL_MISSING: "still missing after the installation", "インストールしても見つかりません";
    BY_HAND: "{} is missing: {}; install\n  with apt:  {}\n  with dnf:  {}\n  with brew: {}",
        "{} がありません: {}。次を入れてください\n  apt なら:  {}\n  dnf なら:  {}\n  brew なら: {}";
    IN_A_LINE: "{}; packages: apt {}, dnf {}, brew {}", "{}。パッケージ: apt {}、dnf {}、brew {}";
}

/// Sees to it that every program is there.
pub(crate) fn ensure(programs: &[Program], consent: Consent) -> Result<(), Stop> {
    provide(programs, &[], consent, Lang::En).map(drop)
}

/// Sees to it that what is needed is there; what is only wanted is installed with it where that may be, and else it is said why not.
pub(crate) fn provide(
    needed: &[Program],
    wanted: &[Program],
    consent: Consent,
    lang: Lang,
) -> Result<Option<String>, Stop> {
    let all: Vec<Program> = needed.iter().chain(wanted).copied().collect();
    let missing = missing_of(&all);
    if missing.is_empty() {
        return Ok(None);
    }
    println!("{}", NEEDS.of(lang));
    for program in &missing {
        println!("{}", PACKAGE.with(lang, &[&format!("{:<12}", program.name), &program.apt]));
    }
    let why = match obtain(&missing, consent, lang) {
        Ok(()) => STILL_MISSING.of(lang).to_owned(),
        Err(why) => why,
    };
    // What is there now counts, whatever the installer said.
    let needed = missing_of(needed);
    if !needed.is_empty() {
        return Err(Stop::Missing(by_hand(&needed, &why, lang)));
    }
    let wanted = missing_of(wanted);
    let [apt, dnf, brew] = names(&wanted);
    Ok((!wanted.is_empty()).then(|| IN_A_LINE.with(lang, &[&why, &apt, &dnf, &brew])))
}

fn missing_of(programs: &[Program]) -> Vec<Program> {
    programs.iter().filter(|program| find(program.name).is_none()).copied().collect()
}

/// Installs them, or says why not.
fn obtain(missing: &[Program], consent: Consent, lang: Lang) -> Result<(), String> {
    let installer = Installer::choose().ok_or_else(|| MAY_NOT.of(lang).to_owned())?;
    let packages = sorted(missing, installer.names);
    println!("{}", TO_INSTALL.with(lang, &[&installer.tool, &packages.join(" ")]));
    if consent == Consent::Ask && terminal::is_interactive() && !terminal::agrees(INSTALL_NOW.of(lang)) {
        return Err(DECLINED.of(lang).to_owned());
    }
    terminal::heading(&INSTALLING.with(lang, &[&packages.join(" ")]));
    let status = installer.install(&packages).map_err(|error| error.to_string())?;
    if status.success() {
        return Ok(());
    }
    Err(DID_NOT.with(lang, &[&installer.tool, &packages.join(" "), &status]))
}

fn by_hand(missing: &[Program], why: &str, lang: Lang) -> String {
    let programs: Vec<_> = missing.iter().map(|program| format!("`{}`", program.name)).collect();
    let [apt, dnf, brew] = names(missing);
    BY_HAND.with(lang, &[&programs.join(", "), &why, &apt, &dnf, &brew])
}

/// Of the packages, for apt, dnf and brew.
fn names(missing: &[Program]) -> [String; 3] {
    let joined = |name: fn(&Program) -> &'static str| sorted(missing, name).join(" ");
    [joined(|program| program.apt), joined(|program| program.dnf), joined(|program| program.brew)]
}

fn sorted(missing: &[Program], name: fn(&Program) -> &'static str) -> Vec<&'static str> {
    let mut names: Vec<_> = missing.iter().map(name).collect();
    names.sort_unstable();
    names.dedup();
    names
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

    fn install(&self, packages: &[&str]) -> std::io::Result<std::process::ExitStatus> {
        let line: Vec<&str> = self
            .through
            .iter()
            .copied()
            .chain(["sh", "-c", self.script, "sh"])
            .chain(packages.iter().copied())
            .collect();
        let (program, arguments) = line.split_first().expect("the line names a shell");
        Command::new(program).args(arguments).status()
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
        let text = by_hand(&[SSHD, SSH, SSH_KEYGEN], "you said no", Lang::En);
        assert!(text.contains("`sshd`, `ssh`, `ssh-keygen` is missing: you said no"), "{text}");
        assert!(text.contains("apt:  openssh-client openssh-server"), "{text}");
        assert!(text.contains("dnf:  openssh openssh-clients openssh-server"), "{text}");
        assert!(text.contains("brew: openssh"), "{text}");
    }

    /// Where nothing at all is to be installed: neither the shell nor an installer is asked for what is there already.
    #[test]
    fn what_is_there_is_not_missed() {
        let shell = Program { name: "sh", apt: "dash", dnf: "bash", brew: "bash" };
        assert!(missing_of(&[shell]).is_empty());
        assert_eq!(missing_of(&[Program { name: "no-such-program-anywhere", ..shell }]).len(), 1);
        assert!(matches!(provide(&[shell], &[shell], Consent::Ask, Lang::Ja), Ok(None)));
    }

    #[test]
    fn a_program_that_is_there_needs_no_package() {
        let shell = Program { name: "sh", apt: "dash", dnf: "bash", brew: "bash" };
        assert!(ensure(&[shell], Consent::Ask).is_ok());
        assert!(find("no-such-program-anywhere").is_none());
    }
}
