//! Setting the demo up: the target, the founding, the people, the rules; each said in a line.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use testkit::installation::At;
use testkit::{Installation, Person, SshClient, Target, Trouble};

use super::holder::{self, Held, Kind};
use super::places::Places;
use super::talk::Talk;
use crate::{Stop, terminal};

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

pub(super) fn build(places: &Places, binary: &Path, talk: &Talk) -> Result<Stage, Stop> {
    terminal::heading(talk.say("setting up", "準備"));
    fs::create_dir_all(places.root()).map_err(Trouble::at(places.root().display()))?;
    let held = holder::start(places)?;
    match held.kind {
        Kind::Namespaced => talk.remark(
            "target db1: Debian's sshd in namespaces of its own (files, processes, network, host name); this machine is not touched",
            "対象 db1: 独自の名前空間(ファイル・プロセス・ネットワーク・ホスト名)で動く本物の sshd。この機械には触れません",
        ),
        Kind::PlainUser => talk.remark(
            "target db1: a real sshd of your own on a high port, as you; root gets one in namespaces",
            "対象 db1: あなた自身の権限で高いポートに立てた本物の sshd(root なら名前空間に作ります)",
        ),
    }
    let mut gate =
        Installation::new(binary, places.root(), &format!("language = \"{}\"\n", talk.lang.code()))?.staying();
    let (one, two) = gate.found("gate.example/demo", "service-owner", "commander")?;
    talk.remark(
        "founded: service-owner and commander made the keys and signed, each with the other's fingerprint in hand",
        "創設: service-owner と commander が、互いの指紋を確かめて署名しました",
    );
    let stage = people(places, held, &gate, (&one, &two))?;
    talk.remark(
        "people: researcher (with a persona for administration), system-owner, auditor; each was proposed by one founder and agreed to by the other",
        "人: researcher(管理用のペルソナを持つ)、system-owner、auditor。いずれも創設者の一人が提案し、もう一人が同意",
    );
    let at = At { label: "db1", zone: "server", login: &stage.held.login, owner: &one };
    gate.add_target((&one, &two), &at, &stage.held.target)?;
    gate.set_rules((&one, &two), RULES)?;
    talk.remark(
        "the rule: operators may ask for servers for at most an hour; one system owner must approve",
        "規則: operators は最長1時間、サーバーを申請できる。system-owners の一人の承認が要る",
    );
    scripts(places, binary, &gate, &stage.held, talk)?;
    let pid = gate.leave_running().ok_or_else(|| Stop::Failed("the server is not running".to_owned()))?;
    fs::write(places.join("serve.pid"), pid.to_string()).map_err(Trouble::at("serve.pid"))?;
    fs::write(places.stage_file(), format!("{}\n", stage.account)).map_err(Trouble::at("stage"))?;
    Ok(stage)
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
        "Host gate\n  HostName 127.0.0.1\n  Port {port}\nHost db1-itself\n  HostName 127.0.0.1\n  Port {}\n",
        held.target.port()
    );
    let client = SshClient::new(places.root(), &more)?;
    client.know(port, &gate.host_key()?)?;
    client.know(held.target.port(), held.target.host_key())?;
    let text = AS.replace("@BINARY@", &binary.to_string_lossy()).replace("@LANG@", talk.lang.code());
    let script = places.as_script();
    fs::write(&script, text).map_err(Trouble::at("as"))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).map_err(Trouble::at("as"))?;
    Ok(())
}

const AS: &str = r#"#!/bin/sh
# As one of the demo's people: as ROLE sekimori …   or   as ROLE ssh ROOT@db1@gate
dir=$(cd "$(dirname "$0")" && pwd)
who=$1 what=$2
shift 2
[ -f "$dir/keys/$who" ] || { echo "nobody here is called $who; there are: $(cd "$dir/keys" && ls | grep -v '\.pub$' | tr '\n' ' ')" >&2; exit 2; }
unset SSH_AUTH_SOCK SEKIMORI_SOCKET SEKIMORI_GATE
export HOME="$dir/home" XDG_CONFIG_HOME="$dir/home" SEKIMORI_ROOT="$dir" SEKIMORI_KEY="$dir/keys/$who" SEKIMORI_TRUST="$dir/files/trust"
case $what in
    sekimori) exec '@BINARY@' --lang @LANG@ "$@" ;;
    ssh) exec ssh -F "$dir/ssh_config" -i "$dir/keys/$who" "$@" ;;
    *) echo "usage: as ROLE sekimori|ssh …" >&2; exit 2 ;;
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
