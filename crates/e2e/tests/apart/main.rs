//! Three processes, three users: what each reaches, seen from outside.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use e2e::{LIMIT, World, binary, text};
use testkit::installation::Process;
use testkit::process::{Signal, output_within, until};
use testkit::users::as_user;
use testkit::{Installation, Namespaced, Scratch, Settings, Users};

/// A gate whose processes have users of their own, and `root@db1` behind it.
struct Apart {
    world: World<Namespaced>,
    users: Arc<Users>,
}

impl Apart {
    fn new() -> Self {
        let users = Arc::new(Users::make().unwrap());
        let dir = Scratch::new("apart").unwrap();
        let gate = Installation::with_users(&reachable(&dir), &dir.join("gate"), "", users.clone()).unwrap();
        let target = Namespaced::start("db1", &Settings::default()).unwrap();
        Self { world: World::at(gate, dir, target, "root"), users }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.world.gate.root().join(name)
    }

    /// Whether a line of shell succeeds as a user; `$1` is a path in the installation.
    fn can(&self, uid: u32, script: &str, path: &str) -> bool {
        output_within(as_user(uid, script).arg("sh").arg(self.path(path)), LIMIT).unwrap().status.success()
    }

    fn can_read(&self, uid: u32, path: &str) -> bool {
        self.can(uid, "cat \"$1\" > /dev/null 2>&1", path)
    }

    /// Opened for appending, and nothing appended.
    fn can_write(&self, uid: u32, path: &str) -> bool {
        self.can(uid, ": 2> /dev/null >> \"$1\"", path)
    }

    /// Whether a socket can be connected to. Who is spoken to behind it is tested where it is decided.
    fn can_connect(&self, uid: u32, socket: &str) -> bool {
        let script = r#"perl -MSocket -e 'socket(my $s, PF_UNIX, SOCK_STREAM, 0) or exit 1; connect($s, pack_sockaddr_un($ARGV[0])) or exit 1' "$1""#;
        self.can(uid, script, socket)
    }

    /// What `doctor` says to somebody without a key, on the socket for everybody.
    fn doctor(&self, uid: u32) -> String {
        let mut client = Command::new(self.world.gate.binary());
        client.uid(uid).gid(uid).env_clear().current_dir("/").args(["--json", "--socket"]);
        text(&output_within(client.arg(self.path("run/api.sock")).arg("doctor"), LIMIT).unwrap().stdout)
    }

    /// A line of `/proc/PID/status`.
    fn status(&self, process: Process, name: &str) -> String {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.world.gate.pid(process).unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(&format!("{name}:"))).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// What is built may lie where only its owner looks.
fn reachable(dir: &Scratch) -> PathBuf {
    let to = dir.join("sekimori");
    std::fs::copy(binary(), &to).unwrap();
    std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o755)).unwrap();
    to
}

fn owner(path: &Path) -> (u32, u32, u32) {
    let found = std::fs::symlink_metadata(path).unwrap();
    (found.uid(), found.gid(), found.mode() & 0o7777)
}

#[test]
fn a_passage_through_three_users_leaves_none_what_is_anothers_as_root() {
    let apart = Apart::new();
    let (keeper, engine, front) = (apart.users.keeper(), apart.users.engine(), apart.users.front());
    let world = &apart.world;

    // The whole of it works: asked for, approved, passed, recorded, taken, replayed.
    world.granted("10m");
    let output = world.exec(&world.operator, "echo in; exit 7");
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(7), "in\n"), "{}", text(&output.stderr));
    let session = world.sessions().remove(0);
    world.ended(&session);
    let (live, closed) =
        (format!("var/recordings/live/{session}.skmrec"), format!("var/recordings/closed/{session}.skmrec"));
    until("the recording to be taken", || !apart.path(&live).exists()).unwrap();
    assert_eq!(owner(&apart.path(&closed)), (engine, engine, 0o600), "a file of engine's own");
    let why = ["--purpose", "quarterly sample of sessions"];
    let said = world.gate.json(&world.auditor.key, &[&["session", "verify", &session], &why[..]].concat()).unwrap();
    assert!(said.contains(&session), "{said}");
    let mut replay =
        world.gate.as_person(&world.auditor.key, &[&["session", "replay", &session, "--no-wait"], &why[..]].concat());
    assert!(text(&output_within(&mut replay, LIMIT).unwrap().stdout).contains("in"));

    // Each is who it should be, in no further group, and locked down.
    for (process, uid) in [(Process::Keeper, keeper), (Process::Engine, engine), (Process::Front, front)] {
        let four = [uid; 4].map(|id| id.to_string()).join(" ");
        assert_eq!((apart.status(process, "Uid"), apart.status(process, "Gid")), (four.clone(), four), "{process:?}");
        assert_eq!(apart.status(process, "Groups"), "", "{process:?}");
        assert_eq!(
            (apart.status(process, "NoNewPrivs").as_str(), apart.status(process, "Seccomp").as_str()),
            ("1", "2")
        );
        assert_eq!(apart.status(process, "CapEff"), "0000000000000000", "{process:?}");
    }
    let said = world.gate.json(&world.auditor.key, &["doctor"]).unwrap();
    assert!(said.contains("doctor-users-apart") && said.contains("doctor-administrators-few"), "{said}");
    let open_files =
        std::fs::read_to_string(format!("/proc/{}/limits", world.gate.pid(Process::Front).unwrap())).unwrap();
    let limits: Vec<&str> =
        open_files.lines().find(|l| l.starts_with("Max open files")).unwrap().split_whitespace().collect();
    assert_eq!(limits[3], limits[4], "front has as many open files as it may");

    // Whose each file is: its owner reaches it, so that the refusals below say something.
    let (keys, ledger) = ("var/keeper/keys.skmkeys", "var/ledger/ledger.db");
    for (own, path) in [(keeper, keys), (engine, ledger), (engine, &closed)] {
        assert!(apart.can_read(own, path) && apart.can_write(own, path), "{path}");
        for other in [keeper, engine, front].into_iter().filter(|uid| *uid != own) {
            assert!(!apart.can_read(other, path) && !apart.can_write(other, path), "{other} reaches {path}");
        }
    }
    assert!(
        apart.can_read(front, "var/front/ssh_host_ed25519_key")
            && !apart.can_read(engine, "var/front/ssh_host_ed25519_key")
    );

    // Who reaches which socket.
    for (uid, socket, reached) in [
        (engine, "run/keeper.sock", true),
        (front, "run/keeper.sock", false),
        (front, "run/keeper/keeper.sock", false),
        (front, "run/front.sock", true),
        (keeper, "run/front.sock", false),
    ] {
        assert_eq!(apart.can_connect(uid, socket), reached, "{uid} at {socket}");
    }
    for anybody in [keeper, engine, front, 65_534] {
        assert!(apart.doctor(anybody).contains("doctor-keeper-answers"), "{anybody}");
    }

    // What `serve` goes by is nobody's but its own.
    for uid in [keeper, engine, front] {
        assert!(!apart.can_write(uid, "run/front.pid") && !apart.can(uid, "rm -f \"$1\"/front.ends", "run"));
        assert!(!apart.can(uid, "ln -s / \"$1\"/planted 2>/dev/null", "run"), "{uid} makes names in `run`");
    }
}

#[test]
fn a_front_that_lies_about_its_ends_brings_about_its_own_end_only_as_root() {
    let apart = Apart::new();
    let gate = &apart.world.gate;
    let pids = || [Process::Keeper, Process::Engine, Process::Front].map(|process| gate.pid(process).unwrap());
    let before = pids();
    // Long over; and more than a number's worth of bytes.
    assert!(apart.can(apart.users.front(), "printf 1 > \"$1\"", "run/front.ends"));
    gate.signal(Process::Front, Signal::Stop).unwrap();
    until("front to be started again", || pids()[2] != before[2]).unwrap();
    assert_eq!(pids()[..2], before[..2]);
    until("front to be connected again", || {
        gate.json(&apart.world.auditor.key, &["doctor"]).is_ok_and(|said| said.contains("doctor-front-connected"))
    })
    .unwrap();
}

#[test]
fn root_without_the_users_is_told_what_to_do_as_root() {
    let dir = Scratch::new("apart").unwrap();
    let gate = Installation::new(&binary(), &dir.join("gate"), "").unwrap();
    std::fs::write(gate.root().join("etc/sekimori.toml"), "[users]\nfront = \"nobody-of-that-name\"\n").unwrap();
    for (lang, word) in [("C.UTF-8", "useradd"), ("ja_JP.UTF-8", "作ってください")] {
        let output = output_within(gate.command(&["serve"]).env("LANG", lang), LIMIT).unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(
            said.contains("nobody-of-that-name") && said.contains("sekimori-keeper") && said.contains(word),
            "{said}"
        );
    }
    assert!(!gate.root().join("var/keeper").exists(), "nothing was made before that was clear");
}

#[test]
fn what_one_user_left_is_handed_to_three_as_root() {
    let users = Arc::new(Users::make().unwrap());
    let dir = Scratch::new("apart").unwrap();
    let (binary, root) = (reachable(&dir), dir.join("gate"));
    let mut one = Installation::new(&binary, &root, "").unwrap();
    let (founder, _) = one.found("gate.example/e2e", "founder-one", "founder-two").unwrap();
    one.stop().unwrap();
    let mut three = Installation::with_users(&binary, &root, "", users.clone()).unwrap();
    three.start().unwrap();
    let said = three.json(&founder.key, &["verify", "--replay"]).unwrap();
    assert!(said.contains("true"), "{said}");
    assert_eq!(owner(&root.join("var/ledger/ledger.db")).0, users.engine());
    assert_eq!(owner(&root.join("var/keeper/keys.skmkeys")).0, users.keeper());
}
