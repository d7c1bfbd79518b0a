//! Files through the gate by the system's own sftp and scp: whole, in the directions the terms name, and noted one by one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use gateway_ssh::authorise::ChannelKind;
use gateway_ssh::tape::Kind;

use crate::world::{World, text, until};

/// More than a window, and than what is read ahead.
const LARGE: usize = 5_000_000;

fn content(salt: u32) -> Vec<u8> {
    (0..u32::try_from(LARGE).unwrap()).map(|n| (n.wrapping_add(salt).wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn allow(world: &World, kinds: &[ChannelKind]) {
    world.answers().terms.channels = kinds.iter().copied().collect();
}

/// `sftp -b -` with these lines.
fn sftp(world: &World, lines: &str) -> Output {
    let mut command = world.ssh_options("sftp");
    command.args(["-b", "-", "-o", "User=root@db1", "127.0.0.1"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), lines.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn scp(world: &World, options: &[&str], from: &str, to: &str) -> Output {
    let mut command = world.ssh_options("scp");
    command.args(options).args(["-o", "User=root@db1"]).args([from, to]);
    command.output().unwrap()
}

fn there(path: &Path) -> String {
    format!("127.0.0.1:{}", path.display())
}

fn facts(world: &World) -> Vec<serde_json::Value> {
    world.frames().iter().filter(|f| f.kind == Kind::File).map(|f| serde_json::from_slice(&f.bytes).unwrap()).collect()
}

fn sha256(bytes: &[u8]) -> String {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

fn file(world: &World, name: &str, bytes: &[u8]) -> PathBuf {
    let path = world.dir.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn the_file<'a>(facts: &'a [serde_json::Value], path: &Path) -> &'a serde_json::Value {
    let path = path.display().to_string();
    facts.iter().find(|f| f["event"] == "file" && f["path"] == path).unwrap_or_else(|| panic!("{path}: {facts:#?}"))
}

#[test]
fn sftp_moves_files_whole_both_ways_and_each_is_noted_with_its_digest() {
    let world = World::new();
    allow(&world, &[ChannelKind::Download, ChannelKind::Upload]);
    let (here, down) = (content(1), content(2));
    let (local, remote) = (file(&world, "local", &here), file(&world, "remote file", &down));
    let (up, got) = (world.dir.path().join("uploaded 表"), world.dir.path().join("got"));
    let lines = format!(
        "put {} \"{}\"\nget \"{}\" {}\nrename \"{}\" {}.moved\nmkdir {}.dir\nrm {}.moved\n",
        local.display(),
        up.display(),
        remote.display(),
        got.display(),
        up.display(),
        local.display(),
        local.display(),
        local.display(),
    );
    let output = sftp(&world, &lines);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(fs::read(&got).unwrap() == down);
    let facts = facts(&world);
    let uploaded = the_file(&facts, &up);
    assert_eq!(uploaded["direction"], "upload");
    assert_eq!(uploaded["uploaded"]["sha256"], sha256(&here));
    assert_eq!(uploaded["uploaded"]["bytes"], LARGE);
    assert_eq!((&uploaded["whole"], &uploaded["outcome"]), (&true.into(), &"done".into()));
    let downloaded = the_file(&facts, &remote);
    assert_eq!(downloaded["downloaded"]["sha256"], sha256(&down));
    let acts: Vec<_> = facts.iter().filter(|f| f["event"] == "file-act").map(|f| f["act"].as_str().unwrap()).collect();
    assert_eq!(acts, ["rename", "make-directory", "remove"]);
    assert!(world.recorded(Kind::Output).is_empty(), "what is noted file by file is not kept twice");
    assert_eq!(text(&world.recorded(Kind::Subsystem)), "sftp");
}

#[test]
fn a_direction_that_was_not_granted_is_refused_and_changes_nothing() {
    let world = World::new();
    let remote = file(&world, "remote", b"as it was");
    let local = file(&world, "local", b"other");
    let got = world.dir.path().join("got");
    allow(&world, &[ChannelKind::Download]);
    let put = sftp(
        &world,
        &format!(
            "-put {0} {1}\n-rm {1}\n-rename {1} {1}.x\nget {1} {2}\n",
            local.display(),
            remote.display(),
            got.display()
        ),
    );
    assert!(put.status.success(), "{}", text(&put.stderr));
    assert!(text(&put.stderr).to_lowercase().contains("permission denied"), "{}", text(&put.stderr));
    assert_eq!((fs::read(&remote).unwrap(), fs::read(&got).unwrap()), (b"as it was".to_vec(), b"as it was".to_vec()));
    let refused =
        facts(&world).iter().filter(|f| f["outcome"].as_str().is_some_and(|o| o.starts_with("refused"))).count();
    assert_eq!(refused, 3);
    allow(&world, &[ChannelKind::Upload]);
    let get = sftp(
        &world,
        &format!("put {} {}\nget {} {}.2\n", local.display(), remote.display(), remote.display(), got.display()),
    );
    assert!(!get.status.success());
    assert_eq!(fs::read(&remote).unwrap(), b"other");
    assert!(!PathBuf::from(format!("{}.2", got.display())).exists());
}

#[test]
fn both_kinds_of_scp_pass_whole_and_are_noted() {
    for (options, kinds) in [
        (&["-s"][..], &[ChannelKind::Download, ChannelKind::Upload][..]),
        (&["-O"], &[ChannelKind::Download, ChannelKind::Upload]),
        (&["-O", "-p"], &[ChannelKind::Exec]),
    ] {
        let world = World::new();
        allow(&world, kinds);
        let (up, down) = (content(3), content(4));
        let (local, remote) = (file(&world, "local", &up), file(&world, "remote", &down));
        let (put, got) = (world.dir.path().join("put"), world.dir.path().join("got"));
        let output = scp(&world, options, &local.display().to_string(), &there(&put));
        assert!(output.status.success(), "{options:?}: {}", text(&output.stderr));
        let output = scp(&world, options, &there(&remote), &got.display().to_string());
        assert!(output.status.success(), "{options:?}: {}", text(&output.stderr));
        assert!(fs::read(&put).unwrap() == up && fs::read(&got).unwrap() == down, "{options:?}");
        world.is_quiet();
        let all: Vec<serde_json::Value> = world
            .tapes
            .closed()
            .iter()
            .flat_map(|session| world.tapes.frames(session))
            .filter(|f| f.kind == Kind::File)
            .map(|f| serde_json::from_slice(&f.bytes).unwrap())
            .collect();
        let digests: Vec<_> = all
            .iter()
            .filter(|f| f["event"] == "file")
            .flat_map(|f| [&f["uploaded"]["sha256"], &f["downloaded"]["sha256"]])
            .filter_map(|d| d.as_str().map(str::to_owned))
            .collect();
        assert_eq!(digests, [sha256(&up), sha256(&down)], "{options:?}: {all:#?}");
    }
}

#[test]
fn scp_without_the_right_to_run_commands_copies_its_way_only() {
    let world = World::new();
    allow(&world, &[ChannelKind::Upload]);
    let (local, put) = (file(&world, "local", b"up"), world.dir.path().join("put"));
    assert!(scp(&world, &["-O"], &local.display().to_string(), &there(&put)).status.success());
    let down = scp(&world, &["-O"], &there(&put), &world.dir.path().join("got").display().to_string());
    assert!(!down.status.success());
    assert!(!world.dir.path().join("got").exists());
    for line in ["id", "scp -t /tmp; id", "scp -t $(id)", "scp -S id -t /tmp"] {
        let output = world.exec(line);
        assert!(text(&output.stderr).contains("this grant does not allow"), "{line}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn what_is_no_sftp_ends_its_channel_with_a_sentence() {
    let world = World::new();
    allow(&world, &[ChannelKind::Download, ChannelKind::Upload]);
    let mut ssh = world.ssh("root@db1");
    let mut child =
        ssh.args(["-s", "sftp"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("does not read as SFTP"), "{}", text(&output.stderr));
    world.is_quiet();
}

/// What was on its way when a session was stopped is what one asks about afterwards.
#[test]
fn a_killed_session_says_which_file_was_on_its_way() {
    let world = World::new();
    allow(&world, &[ChannelKind::Upload]);
    let put = world.dir.path().join("put");
    let mut command = world.ssh_options("sftp");
    // Slow, so that it is on its way when the session is killed.
    command.args(["-b", "-", "-l", "2000", "-o", "User=root@db1", "127.0.0.1"]);
    let local = file(&world, "local", &content(5));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let line = format!("put {} {}\n", local.display(), put.display());
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), line.as_bytes()).unwrap();
    until("the upload has begun", || fs::metadata(&put).is_ok_and(|put| put.len() > 0));
    let id = world.gateway.sessions().list()[0].session.clone();
    world.gateway.sessions().kill(&id, "").unwrap();
    child.wait().unwrap();
    let facts = facts(&world);
    let on_its_way = the_file(&facts, &put);
    assert_eq!((&on_its_way["outcome"], &on_its_way["whole"]), (&"unanswered".into(), &false.into()), "{on_its_way}");
    world.is_quiet();
}

#[test]
fn rsync_and_git_pass_as_commands() {
    let world = World::new();
    let (from, to) = (world.dir.path().join("tree"), world.dir.path().join("copy"));
    fs::create_dir(&from).unwrap();
    for n in 0..200 {
        fs::write(from.join(format!("file-{n}")), &content(n)[..1_000 + n as usize]).unwrap();
    }
    // The program that both are told to use instead of ssh has the options of these tests.
    let wrapper = world.dir.path().join("ssh-through-the-gate");
    let ssh = world.ssh_options("ssh");
    let words: Vec<String> = ssh.get_args().map(|word| format!("'{}'", word.to_string_lossy())).collect();
    fs::write(&wrapper, format!("#!/bin/sh\nexec ssh {} -o User=root@db1 \"$@\"\n", words.join(" "))).unwrap();
    fs::set_permissions(&wrapper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let run = |command: &mut std::process::Command| {
        let output = command.env_remove("SSH_AUTH_SOCK").stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
    };
    let mut rsync = std::process::Command::new("rsync");
    run(rsync.arg("-a").arg("-e").arg(&wrapper).arg(format!("{}/", from.display())).arg(there(&to)));
    assert_eq!(fs::read_dir(&to).unwrap().count(), 200);
    assert!(fs::read(to.join("file-7")).unwrap() == fs::read(from.join("file-7")).unwrap());
    let git = |dir: &Path, words: &[&str]| {
        let mut git = std::process::Command::new("git");
        git.arg("-C").arg(dir).args(["-c", "user.name=operator", "-c", "user.email=operator@example.org"]).args(words);
        git.env("GIT_SSH", &wrapper).env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", world.dir.path());
        run(&mut git);
    };
    git(&from, &["init", "-q"]);
    git(&from, &["add", "."]);
    git(&from, &["commit", "-q", "-m", "first"]);
    let clone = world.dir.path().join("clone");
    git(
        world.dir.path(),
        &["clone", "-q", &format!("ssh://127.0.0.1{}", from.display()), &clone.display().to_string()],
    );
    assert!(fs::read(clone.join("file-7")).unwrap() == fs::read(from.join("file-7")).unwrap());
    fs::write(clone.join("new"), b"new").unwrap();
    git(&clone, &["add", "."]);
    git(&clone, &["commit", "-q", "-m", "second"]);
    git(&clone, &["push", "-q", "origin", "HEAD:refs/heads/other"]);
}
