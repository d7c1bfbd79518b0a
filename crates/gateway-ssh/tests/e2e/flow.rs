//! Back-pressure: nothing stands still, nothing grows without end, nothing is lost.

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::thread;

use crate::world::{Tame, World, pause, text, until};

/// What a stalled peer may cost the gateway, in KiB.
const MAX_GROWTH_KIB: u64 = 8 << 10;

fn noise(bytes: usize) -> impl Iterator<Item = Vec<u8>> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    (0..bytes >> 16).map(move |_| {
        let mut block = Vec::with_capacity(1 << 16);
        while block.len() < 1 << 16 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            block.extend_from_slice(&state.to_le_bytes());
        }
        block
    })
}

fn sum(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Length and checksum of what [`through`] sends.
pub(crate) fn expected(bytes: usize) -> (usize, u64) {
    noise(bytes).fold((0, 0), |(len, hash), block| (len + block.len(), sum(hash, &block)))
}

/// Sends noise through a command and returns length and checksum of what comes out of it.
pub(crate) fn through(command: &mut Command, bytes: usize) -> (usize, u64) {
    let mut child = Tame(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut input = child.0.stdin.take().unwrap();
    let writer = thread::spawn(move || noise(bytes).all(|block| input.write_all(&block).is_ok()));
    let mut output = child.0.stdout.take().unwrap();
    let (mut len, mut hash, mut piece) = (0, 0, vec![0; 1 << 16]);
    loop {
        let some = output.read(&mut piece).unwrap();
        if some == 0 {
            break;
        }
        len += some;
        hash = sum(hash, &piece[..some]);
    }
    assert!(writer.join().unwrap(), "everything was taken");
    assert!(child.0.wait().unwrap().success());
    (len, hash)
}

pub(crate) fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Resident memory once it has stopped growing, at most after the time given.
fn settled_kib(seconds: u64) -> u64 {
    let mut most = 0;
    for _ in 0..seconds * 10 {
        pause(100);
        most = most.max(resident_kib());
    }
    most
}

fn warm(world: &World) {
    for _ in 0..3 {
        assert_eq!(world.exec("head -c 4M /dev/zero").stdout.len(), 4 << 20);
    }
    world.is_quiet();
}

#[test]
fn a_full_duplex_stream_comes_back_whole() {
    let world = World::new();
    let mut ssh = world.ssh("root@db1");
    assert_eq!(through(ssh.arg("cat"), 96 << 20), expected(96 << 20));
    world.is_quiet();
}

#[test]
fn a_full_duplex_stream_survives_a_reader_that_pauses() {
    let world = World::new();
    let mut ssh = world.ssh("root@db1");
    let mut child =
        Tame(ssh.arg("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut input = child.0.stdin.take().unwrap();
    let writer = thread::spawn(move || noise(48 << 20).all(|block| input.write_all(&block).is_ok()));
    let mut output = child.0.stdout.take().unwrap();
    let (mut len, mut piece) = (0usize, vec![0; 1 << 16]);
    loop {
        let some = output.read(&mut piece).unwrap();
        if some == 0 {
            break;
        }
        if (len >> 23) != ((len + some) >> 23) {
            pause(1500);
        }
        len += some;
    }
    assert!(writer.join().unwrap());
    assert_eq!(len, 48 << 20);
}

#[test]
fn an_upload_nobody_reads_costs_little() {
    let world = World::new();
    warm(&world);
    let before = resident_kib();
    let _ssh = Tame(
        world
            .ssh("root@db1")
            .arg("sleep 1000")
            .stdin(fs::File::open("/dev/zero").unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    until("the session is up", || !world.gateway.sessions().list().is_empty());
    let after = settled_kib(6);
    assert!(after < before + MAX_GROWTH_KIB, "{before} KiB grew to {after} KiB");
    let taken = world.gateway.sessions().list()[0].bytes_in;
    assert!(taken > 1 << 20 && taken < 16 << 20, "{taken} bytes went to the target's window and no further");
}

#[test]
fn a_download_nobody_reads_costs_little() {
    let world = World::new();
    warm(&world);
    let before = resident_kib();
    // Standard output is a pipe that nobody reads.
    let _ssh =
        Tame(world.ssh("root@db1").arg("cat /dev/zero").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    until("bytes flow", || world.gateway.sessions().list().first().is_some_and(|s| s.bytes_out > 1 << 20));
    let after = settled_kib(6);
    // What is recorded in memory here would be on disk in the product.
    let recorded = world.gateway.sessions().list()[0].bytes_out / 1024;
    assert!(
        after < before + MAX_GROWTH_KIB + recorded,
        "{before} KiB grew to {after} KiB with {recorded} KiB recorded"
    );
    assert!(recorded < 8 << 10, "{recorded} KiB went to the client's window and no further");
}

#[test]
fn a_stopped_client_costs_little_and_goes_on_afterwards() {
    let world = World::with(|settings| settings.keepalive_max = 100, "");
    let mut ssh = Tame(
        world
            .ssh("root@db1")
            .arg("head -c 64M /dev/zero | cat; echo")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let mut output = ssh.0.stdout.take().unwrap();
    let mut piece = vec![0; 1 << 20];
    output.read_exact(&mut piece).unwrap();
    signal(ssh.0.id(), "STOP");
    pause(1500);
    signal(ssh.0.id(), "CONT");
    let rest = std::io::copy(&mut output, &mut std::io::sink()).unwrap();
    assert_eq!(rest, (63 << 20) + 1);
    assert!(ssh.0.wait().unwrap().success());
}

#[test]
fn every_one_of_many_downloads_ends() {
    let world = World::new();
    for n in 0..12 {
        let output = world.exec("head -c 24M /dev/zero");
        assert_eq!((output.stdout.len(), output.status.code()), (24 << 20, Some(0)), "download {n}");
    }
    world.is_quiet();
}

/// More than a mebibyte has passed, and nothing more in the time given.
fn stands_still(millis: u64, passed: impl Fn() -> Option<u64>) -> bool {
    let before = passed();
    pause(millis);
    before == passed() && before.is_some_and(|bytes| bytes > 1 << 20)
}

pub(crate) fn signal(pid: u32, name: &str) {
    crate::world::run(Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()));
}

fn multiplexed(world: &World) -> (Tame, impl Fn() -> Command) {
    let socket = world.dir.path().join("mux");
    let control = format!("ControlPath={}", socket.display());
    let mut master = world.ssh_options("ssh");
    master.args(["-o", &control, "-o", "ControlMaster=yes", "-N", "-l", "root@db1", "127.0.0.1"]);
    let master = Tame(master.stderr(Stdio::null()).spawn().unwrap());
    until("the master is up", || socket.exists());
    let (dir, port) = (world.dir.path().to_owned(), world.gateway.local_addr().port());
    (master, move || {
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none", "-o", &control, "-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-l", "root@db1"]);
        ssh.arg("-o").arg(format!("UserKnownHostsFile={}", dir.join("known_hosts").display()));
        ssh.args(["-p", &port.to_string(), "127.0.0.1"]).stdin(Stdio::null());
        ssh
    })
}

#[test]
fn an_upload_nobody_reads_leaves_its_siblings_alone() {
    let world = World::new();
    let (_master, ssh) = multiplexed(&world);
    let _stalled = Tame(
        ssh().arg("sleep 1000").stdin(fs::File::open("/dev/zero").unwrap()).stderr(Stdio::null()).spawn().unwrap(),
    );
    until("the upload has stalled", || {
        stands_still(700, || world.gateway.sessions().list().first().map(|s| s.bytes_in))
    });
    for n in 0..3 {
        assert_eq!(text(&ssh().arg(format!("echo {n}")).output().unwrap().stdout), format!("{n}\n"));
    }
    assert_eq!(ssh().arg("head -c 8M /dev/zero").output().unwrap().stdout.len(), 8 << 20);
}

#[test]
fn a_download_nobody_reads_holds_its_siblings_up_for_a_bounded_time() {
    let world = World::with(|settings| settings.sibling_patience = std::time::Duration::from_secs(2), "");
    let (_master, ssh) = multiplexed(&world);
    let mut stalled = Tame(ssh().arg("cat /dev/zero").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    until("the download has stalled", || {
        stands_still(500, || world.gateway.sessions().list().first().map(|s| s.bytes_out))
    });
    assert_eq!(text(&ssh().arg("echo sibling").output().unwrap().stdout), "sibling\n");
    let mut output = stalled.0.stdout.take().unwrap();
    thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
    let mut errors = String::new();
    stalled.0.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert!(!stalled.0.wait().unwrap().success());
}

#[test]
fn several_transfers_at_once_over_one_connection_survive_the_targets_new_keys() {
    let world = World::with(|_| {}, "RekeyLimit 4M");
    let (_master, ssh) = multiplexed(&world);
    let transfers: Vec<_> = (0..4)
        .map(|_| {
            let mut ssh = ssh();
            ssh.arg("cat");
            thread::spawn(move || through(&mut ssh, 12 << 20))
        })
        .collect();
    for transfer in transfers {
        assert_eq!(transfer.join().unwrap(), expected(12 << 20));
    }
}
