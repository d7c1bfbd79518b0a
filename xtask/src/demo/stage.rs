//! Setting the demo up: the target, the founding, the people, the rules; each said in a line.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::installation::At;
use testkit::{Installation, Person, SshClient, Target, Trouble, sshd};

use super::holder::{Apart, Held, Holder};
use super::places::Places;
use super::talk::Talk;
use super::words;
use crate::Stop;

/// Everybody and everything of the story.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) places: Places,
    pub(super) binary: PathBuf,
    pub(super) held: Held,
    /// `root@db1`
    pub(super) account: String,
    /// A persona that faces the internet and never holds privilege.
    pub(super) researcher: Person,
    /// The same natural person's persona for administration.
    pub(super) researcher_admin: Person,
    /// And a third persona of that person.
    pub(super) researcher_other: Person,
    /// A second record of that person, found out and linked.
    pub(super) sock_puppet: Person,
}

/// What db1 is served by, and how that came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Serving {
    Sshd,
    /// Why there is no sshd.
    StandIn(String),
}

pub(super) fn build(
    places: &Places,
    binary: &Path,
    holder: &mut Holder,
    serving: &Serving,
    talk: &Talk,
) -> Result<Stage, Stop> {
    let held = holder.target(places)?;
    introduce(&held.apart, serving, talk);
    let config = format!("language = \"{}\"\nsource_addresses = [\"127.0.0.1/32\"]\n", talk.lang.code());
    let mut gate = Installation::new(binary, places.root(), &config)?.staying();
    let (one, two) = gate.found("gate.example/demo", "service-owner", "commander")?;
    talk.remark(words::FOUNDED);
    let stage = people(places, held, &gate, (&one, &two))?;
    talk.remark(words::PEOPLE);
    talk.remark(words::FACES);
    let at = At { label: "db1", zone: "server", login: &stage.held.login, owner: &one };
    gate.add_target((&one, &two), &at, &stage.held.target)?;
    gate.set_rules((&one, &two), RULES)?;
    talk.remark(words::RULE);
    scripts(places, binary, &gate, &stage.held, talk)?;
    gate.leave_running().ok_or_else(|| Stop::Failed("the server is not running".to_owned()))?;
    fs::write(places.stage_file(), format!("{}\n", stage.account)).map_err(Trouble::at("stage"))?;
    Ok(stage)
}

/// What db1 is must not be mistaken.
fn introduce(apart: &Apart, serving: &Serving, talk: &Talk) {
    let version = sshd_version();
    match (serving, apart) {
        (Serving::Sshd, Apart::Namespaced) => talk.remark_with(words::TARGET_NAMESPACED, &[&version]),
        (Serving::Sshd, Apart::AsRoot(why)) => talk.remark_with(words::TARGET_AS_ROOT, &[&version, why]),
        (Serving::Sshd, Apart::Plain) => talk.remark_with(words::TARGET_PLAIN, &[&version]),
        (Serving::StandIn(why), _) => talk.remark_with(words::NO_SSHD, &[why]),
    }
    match (serving, apart) {
        (Serving::Sshd, _) => {}
        (Serving::StandIn(_), Apart::Namespaced) => talk.remark(words::STAND_IN_NAMESPACED),
        (Serving::StandIn(_), Apart::AsRoot(why)) => talk.remark_with(words::STAND_IN_AS_ROOT, &[why]),
        (Serving::StandIn(_), Apart::Plain) => talk.remark(words::STAND_IN_PLAIN),
    }
}

/// `OpenSSH_9.2p1 Debian-…`; sshd before 9.3 says it only when it is asked something it does not know.
fn sshd_version() -> String {
    let said = sshd::program().and_then(|program| Command::new(program).arg("-V").output().ok());
    let said = said.map(|output| String::from_utf8_lossy(&output.stderr).into_owned()).unwrap_or_default();
    let version = said.lines().find(|line| line.starts_with("OpenSSH"));
    version.and_then(|line| line.split(',').next()).unwrap_or("OpenSSH").to_owned()
}

fn people(places: &Places, held: Held, gate: &Installation, by: (&Person, &Person)) -> Result<Stage, Stop> {
    // They sit among the approvers, so that what refuses them is the rule about persons, not the group.
    let researcher_admin = gate.add_person(by, "researcher-admin", &["operators", "system-owners"])?;
    let researcher = gate.add_persona(by, &researcher_admin, "researcher", "research")?;
    let researcher_other = gate.add_persona(by, &researcher_admin, "researcher-other", "admin")?;
    let sock_puppet = gate.add_person(by, "sock-puppet", &["system-owners"])?;
    gate.carry(by, &["person", "link", &researcher_admin.person, &sock_puppet.person])?;
    gate.add_person(by, "system-owner", &["system-owners"])?;
    gate.add_person(by, "auditor", &["auditors"])?;
    let account = format!("{}@db1", held.login);
    Ok(Stage {
        places: places.clone(),
        binary: gate.binary().to_owned(),
        held,
        account,
        researcher,
        researcher_admin,
        researcher_other,
        sock_puppet,
    })
}

/// `as ROLE sekimori …` and `as ROLE ssh root@db1@gate`, for the tour and for whoever goes on.
fn scripts(places: &Places, binary: &Path, gate: &Installation, held: &Held, talk: &Talk) -> Result<(), Stop> {
    let port = gate.port()?;
    let more = format!(
        "Host gate\n  HostName 127.0.0.1\n  Port {port}\nHost {DIRECTLY}\n  HostName 127.0.0.1\n  Port {}\n",
        held.target.port()
    );
    let client = SshClient::new(places.root(), &more)?;
    client.know(port, &gate.host_key()?)?;
    client.know(held.target.port(), held.target.host_key())?;
    let text = AS.replace("@BINARY@", &quoted(&binary.to_string_lossy())).replace("@LANG@", talk.lang.code());
    let script = places.as_script();
    fs::write(&script, text).map_err(Trouble::at("as"))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).map_err(Trouble::at("as"))?;
    Ok(())
}

/// For a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The target past the gate, in the demo's own `ssh_config`.
pub(super) const DIRECTLY: &str = "db1-directly";

const AS: &str = r#"#!/bin/sh
# As one of the demo's people: as ROLE sekimori …   or   as ROLE ssh ROOT@db1@gate
dir=$(cd "$(dirname "$0")" && pwd)
usage() {
    echo "usage: as ROLE sekimori …   or   as ROLE ssh …" >&2
    echo "roles: $(cd "$dir/keys" && ls | grep -v '\.pub$' | tr '\n' ' ')" >&2
    exit 2
}
[ $# -ge 2 ] && [ -f "$dir/keys/$1" ] || usage
who=$1 what=$2
shift 2
unset SSH_AUTH_SOCK SEKIMORI_SOCKET SEKIMORI_GATE
export HOME="$dir/home" XDG_CONFIG_HOME="$dir/home" SEKIMORI_ROOT="$dir" SEKIMORI_KEY="$dir/keys/$who" SEKIMORI_TRUST="$dir/files/trust"
case $what in
    sekimori) exec @BINARY@ --lang @LANG@ "$@" ;;
    ssh) exec ssh -F "$dir/ssh_config" -i "$dir/keys/$who" "$@" ;;
    *) usage ;;
esac
"#;

const RULES: &str = "\
pending-limit = \"1h\"

[[rule]]
name = \"servers\"
requesters = \"operators\"
approvers = \"system-owners\"
approvals = 1
longest = \"1h\"
channels = [\"shell\", \"exec\"]
zone = \"server\"
";

#[cfg(test)]
mod tests {
    use testkit::process::run;

    use super::*;

    #[test]
    fn a_quoted_path_is_one_word_to_a_shell() {
        for path in ["/x/target/debug/sekimori", "/it's here/a b/$HOME"] {
            let said = run(Command::new("sh").args(["-c", &format!("printf %s {}", quoted(path))])).unwrap();
            assert_eq!(said, path);
        }
    }
}
