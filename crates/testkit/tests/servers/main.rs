//! The servers that other tests stand on are themselves what they say.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::process::Command;
use std::time::Duration;

use testkit::process::{is_root, output_within, run, until, user};
use testkit::{KeyPair, Namespaced, Scratch, Settings, SshClient, Sshd, Target};

const LIMIT: Duration = Duration::from_secs(60);
const PRINCIPAL: &str = "p-7f3kq2m9xa";

/// A person with a certificate for [`PRINCIPAL`] by an authority.
struct World {
    dir: Scratch,
    client: SshClient,
    authority: KeyPair,
    person: KeyPair,
}

impl World {
    fn new() -> Self {
        let dir = Scratch::new("servers").unwrap();
        let client = SshClient::new(dir.path(), "").unwrap();
        let authority = KeyPair::make(&dir.join("authority")).unwrap();
        let person = KeyPair::make(&dir.join("person")).unwrap();
        authority.certify(&person, PRINCIPAL, "-5m:+5m").unwrap();
        Self { dir, client, authority, person }
    }

    fn ssh(&self, target: &impl Target, user: &str, script: &str) -> (i32, String) {
        self.client.know(target.port(), target.host_key()).unwrap();
        let output =
            output_within(self.client.to(user, target.port(), &self.person.private).arg(script), LIMIT).unwrap();
        let said = if output.status.success() { output.stdout } else { output.stderr };
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).trim().to_owned())
    }
}

fn opens_by_certificate_alone(target: &impl Target, user: &str) {
    let world = World::new();
    let (code, said) = world.ssh(target, user, "echo hello");
    assert_eq!(code, 255, "nobody is trusted at first: {said}");
    target.trust(&world.authority.public).unwrap();
    assert_eq!(world.ssh(target, user, "echo hello").0, 255, "nobody is admitted yet");
    target.admit(user, &["p-of-another"]).unwrap();
    assert_eq!(world.ssh(target, user, "echo hello").0, 255, "somebody else is admitted");
    target.admit(user, &[PRINCIPAL]).unwrap();
    assert_eq!(world.ssh(target, user, "echo hello; exit 7").0, 7, "{}", target.log());
    assert_eq!(world.ssh(target, user, "echo hello"), (0, "hello".to_owned()));
    until("the log", || target.log().contains("Accepted publickey")).unwrap();
    assert!(world.dir.path().exists());
}

#[test]
fn an_sshd_of_ones_own_opens_by_certificate_alone() {
    let target = Sshd::start(&Settings::default()).unwrap();
    opens_by_certificate_alone(&target, &user().unwrap());
    let world = World::new();
    target.trust(&world.authority.public).unwrap();
    let home = world.ssh(&target, &user().unwrap(), "echo $HOME; ls -A $HOME").1;
    assert_eq!(
        home,
        format!("{}\n.zshrc", target.dir().join("home").display()),
        "a shell there finds the tester's own home"
    );
    let (pid, dir) = (target.pid(), target.dir().to_owned());
    drop(target);
    assert!(!dir.exists());
    assert!(testkit::process::signal(pid, testkit::process::Signal::Continue).is_err(), "sshd still runs");
}

#[test]
fn two_servers_at_once_have_two_ports() {
    let servers: Vec<_> = (0..4).map(|_| Sshd::start(&Settings::default()).unwrap()).collect();
    let ports: std::collections::BTreeSet<_> = servers.iter().map(Target::port).collect();
    assert_eq!(ports.len(), servers.len());
}

#[test]
fn a_namespaced_target_is_another_machine_as_root() {
    assert!(is_root(), "needs root; `cargo xtask test` leaves it out otherwise");
    let target = Namespaced::start("db1", &Settings::default()).unwrap();
    opens_by_certificate_alone(&target, "root");
    let world = World::new();
    target.trust(&world.authority.public).unwrap();
    assert_eq!(world.ssh(&target, "root", "hostname"), (0, "db1".to_owned()));
    assert_eq!(world.ssh(&target, "root", "touch /etc/sekimori-was-here && ls /etc/sekimori-was-here").0, 0);
    assert!(!std::path::Path::new("/etc/sekimori-was-here").exists(), "the tester's own machine is touched");
    assert_eq!(
        world.ssh(&target, "root", "echo $HOME; ls -A $HOME"),
        (0, "/root".to_owned()),
        "the tester's own home is seen"
    );
    let (_, processes) = world.ssh(&target, "root", "ls /proc | grep -c '^[0-9]'");
    assert!(processes.parse::<u32>().unwrap() < 20, "it sees {processes} processes");
    let (_, interfaces) = world.ssh(&target, "root", "grep -c : /proc/net/dev");
    assert_eq!(interfaces, "1", "only loopback");
    assert_ne!(run(&mut Command::new("hostname")).unwrap().trim(), "db1");
}

#[test]
fn what_runs_on_a_namespaced_target_ends_with_it_as_root() {
    assert!(is_root(), "needs root; `cargo xtask test` leaves it out otherwise");
    let target = Namespaced::start("db1", &Settings::default()).unwrap();
    let mark = format!("3600.{}", std::process::id());
    run(&mut target.shell(&format!("setsid sleep {mark} > /dev/null 2>&1 &"))).unwrap();
    let runs = || {
        run(Command::new("sh").args(["-c", "cat /proc/*/cmdline 2>/dev/null | tr '\\0' ' '"]))
            .unwrap_or_default()
            .contains(&format!("sleep {mark} "))
    };
    until("the process on the target", runs).unwrap();
    drop(target);
    until("its end", || !runs()).unwrap();
}
