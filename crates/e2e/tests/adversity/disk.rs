//! The installation's disk is full. It stands on a small one of its own, in a mount namespace that goes away with the test.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use e2e::{LIMIT, PURPOSE, World, text};
use testkit::installation::field;
use testkit::process::{output_within, pause, until};
use testkit::{Installation, Scratch, Settings, Sshd};

use crate::ledger::{about, live, of_kind, only, replays};

const DISK_MIB: u32 = 64;
const RESERVE_MIB: u32 = 4;

/// So long a test on a small disk may take.
const LONGEST: Duration = Duration::from_secs(300);

/// A small file system of its own, in a mount namespace that goes away with the test.
struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Starts this program again where there is one, and runs the test there.
    #[track_caller]
    fn on_one(test: &str, body: impl FnOnce(Self)) {
        if let Some(path) = e2e::small_disk() {
            return body(Self { path });
        }
        let below = Scratch::new("disk").unwrap();
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", MOUNT, "sh"]);
        command.arg(DISK_MIB.to_string()).arg(below.path()).arg(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--nocapture"]).env(e2e::SMALL_DISK, below.path());
        let output = output_within(&mut command, LONGEST).unwrap();
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }

    /// Until not a byte more fits.
    fn fill(&self) {
        let mut filler = File::options().append(true).create(true).open(self.filler()).unwrap();
        for block in [1 << 20, 1 << 12] {
            while filler.write_all(&vec![0; block]).is_ok() {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.path.join("filler")
    }
}

const MOUNT: &str = r#"mount -t tmpfs -o "size=${1}m,mode=0755" small "$2" && shift 2 && exec "$@""#;

fn world_on(disk: &SmallDisk) -> World {
    let config = format!("reserve_mib = {RESERVE_MIB}");
    let gate = Installation::new(&e2e::binary(), &disk.path.join("gate"), &config).unwrap();
    World::at(gate, Scratch::new("e2e").unwrap(), Sshd::start(&Settings::default()).unwrap(), "root")
}

/// Files a request; gives its id, or the exit code and what was said.
fn ask(world: &World) -> Result<String, (i32, String)> {
    let words = ["--json", "request", "new", &world.account(), "--for", "30m", "--purpose", PURPOSE];
    let output = output_within(&mut world.gate.as_person(&world.owner.key, &words), LIMIT).unwrap();
    if output.status.success() {
        return Ok(field(&text(&output.stdout), "request").unwrap());
    }
    Err((output.status.code().unwrap_or(-1), format!("{}{}", text(&output.stdout), text(&output.stderr))))
}

#[track_caller]
fn all_there(world: &World, requests: &[String]) {
    let pending = world.gate.json(&world.auditor.key, &["request", "list"]).unwrap();
    for request in requests {
        assert!(pending.contains(request), "{request} was acknowledged and is lost");
    }
}

#[test]
fn a_session_whose_disk_is_full_freezes_then_ends_and_its_end_is_in_the_ledger_as_root() {
    let own = "disk::a_session_whose_disk_is_full_freezes_then_ends_and_its_end_is_in_the_ledger_as_root";
    SmallDisk::on_one(own, session_on_a_full_disk);
}

fn session_on_a_full_disk(disk: SmallDisk) {
    let world = world_on(&disk);
    world.granted("10m");
    let mut acknowledged = vec![ask(&world).unwrap()];
    let mut command = world.ssh(&world.operator);
    command.args(["-T", "while head -c 30000 /dev/urandom | base64; do sleep 0.05; done"]);
    let session = std::thread::spawn(move || output_within(&mut command, LIMIT).unwrap());
    until("the session is live", || !live(&world).is_empty()).unwrap();
    let id = live(&world).remove(0);
    let recorded = world.gate.root().join(format!("var/recordings/live/{id}.skmrec"));
    until("it is being recorded", || fs::metadata(&recorded).is_ok_and(|file| file.len() > 100_000)).unwrap();
    disk.fill();
    let output = session.join().unwrap();
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("recording could not be kept"), "{}", text(&output.stderr));
    world.ended(&id);
    let entries = about(&world, &id);
    let ended = only(&entries, "session.ended");
    assert_eq!(ended.text("ending"), "recording_failed", "{ended:?}");
    assert!(ended.body["chunks"].as_u64().unwrap() > 0, "what was kept is anchored: {ended:?}");
    // The reserve was given free for that, so there is room for a few words more.
    acknowledged.extend(ask(&world).ok());
    disk.free();
    works_again(&world, &acknowledged);
    let words = ["session", "verify", &id, "--purpose", "what was kept until the disk was full"];
    let said = world.gate.json(&world.auditor.key, &words).unwrap();
    assert!(said.contains(&id), "{said}");
    until("the reserve is taken back", || {
        fs::metadata(world.gate.root().join("var/recordings/live/.reserve"))
            .is_ok_and(|file| file.len() == u64::from(RESERVE_MIB) << 20)
    })
    .unwrap();
}

#[test]
fn a_request_that_the_disk_does_not_take_is_an_error_and_nothing_is_lost_as_root() {
    let own = "disk::a_request_that_the_disk_does_not_take_is_an_error_and_nothing_is_lost_as_root";
    SmallDisk::on_one(own, request_on_a_full_disk);
}

fn request_on_a_full_disk(disk: SmallDisk) {
    let world = world_on(&disk);
    world.granted("10m");
    let mut acknowledged = vec![ask(&world).unwrap()];
    disk.fill();
    let mut refused = 0;
    for _ in 0..12 {
        match ask(&world) {
            Ok(request) => acknowledged.push(request),
            Err((code, said)) => {
                assert!(code == 3 && said.contains("hint") && !said.contains("panicked"), "{code}: {said}");
                refused += 1;
            }
        }
        disk.fill();
    }
    assert!(refused > 0, "the disk was never full");
    let turned_away = world.exec(&world.operator, "echo in");
    assert!(!turned_away.status.success() && turned_away.stdout.is_empty(), "opened without an entry");
    disk.free();
    works_again(&world, &acknowledged);
}

fn works_again(world: &World, acknowledged: &[String]) {
    until("requests are taken again", || {
        pause(Duration::from_millis(300));
        ask(world).is_ok()
    })
    .unwrap();
    all_there(world, acknowledged);
    until("sessions are opened again", || world.exec(&world.operator, "true").status.success()).unwrap();
    replays(world);
    assert!(live(world).is_empty());
    let opened = world.sessions();
    for session in opened {
        world.ended(&session);
        assert_eq!(of_kind(&about(world, &session), "session.ended").len(), 1);
    }
}
