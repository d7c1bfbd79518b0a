//! How sessions end: by time, by order, by loss; and that nothing of them is left.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gateway_ssh::clock::BootTime;
use gateway_ssh::gate::EndReason;
use gateway_ssh::sessions::SessionStage;
use gateway_ssh::tape::{Anchor, Draft, Frame, Kind, MemoryTapes, Syncing, Tape, TapeError, Tapes};

use crate::flow::signal;
use crate::world::{Tame, World, pause, text, until};

/// Far above the second that is promised, far below never.
const SOON: Duration = Duration::from_secs(10);

fn started(world: &World, script: &str) -> Child {
    let child = world.ssh("root@db1").arg(script).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("the session is up", || world.gateway.sessions().list().iter().any(|s| s.channels > 0));
    child
}

fn only(world: &World) -> String {
    world.gateway.sessions().list()[0].session.clone()
}

/// Waits until the gateway has reported the end, and returns its reason.
fn reason(world: &World) -> EndReason {
    until("the end is reported", || !world.gate.reasons().is_empty());
    world.gate.reasons()[0].clone()
}

#[test]
fn the_end_of_the_grant_ends_the_session() {
    let world = World::new();
    world.answers().ends_in = Duration::from_secs(2);
    let before = BootTime::now();
    let output = started(&world, "sleep 1000").wait_with_output().unwrap();
    let lasted = BootTime::now().since(before);
    assert!(lasted >= Duration::from_secs(2) && lasted < SOON, "{lasted:?}");
    assert_eq!(output.status.code(), Some(255));
    assert!(text(&output.stderr).contains("the grant has ended"), "{}", text(&output.stderr));
    assert_eq!(reason(&world), EndReason::GrantEnded);
    assert!(world.gate.ended.lock().unwrap()[0].complete);
    world.is_quiet();
    assert_eq!(text(&world.recorded(Kind::End)), "grant-ended");
}

#[test]
fn the_end_comes_to_a_client_that_is_stopped_and_to_a_flood() {
    let world = World::new();
    world.answers().ends_in = Duration::from_secs(3);
    let stopped = Tame(started(&world, "cat /dev/zero"));
    signal(stopped.0.id(), "STOP");
    assert_eq!(reason(&world), EndReason::GrantEnded);
    world.is_quiet();
}

#[test]
fn the_end_comes_while_the_target_does_not_read() {
    let world = World::new();
    world.answers().ends_in = Duration::from_secs(3);
    let mut ssh = world.ssh("root@db1");
    let _ssh = Tame(
        ssh.arg("sleep 1000").stdin(std::fs::File::open("/dev/zero").unwrap()).stderr(Stdio::null()).spawn().unwrap(),
    );
    assert_eq!(reason(&world), EndReason::GrantEnded);
    world.is_quiet();
}

#[test]
fn an_end_can_be_moved_nearer() {
    let world = World::new();
    let ssh = started(&world, "sleep 1000");
    world.gateway.sessions().revise_end(&only(&world), Duration::from_millis(100)).unwrap();
    assert_eq!(ssh.wait_with_output().unwrap().status.code(), Some(255));
    assert_eq!(reason(&world), EndReason::GrantEnded);
}

#[test]
fn an_order_kills_a_session_and_says_why() {
    let world = World::new();
    let ssh = started(&world, "sleep 1000");
    world.gateway.sessions().kill(&only(&world), "incident 7").unwrap();
    let output = ssh.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(255));
    assert!(text(&output.stderr).contains("closed by order: incident 7"), "{}", text(&output.stderr));
    assert_eq!(reason(&world), EndReason::Killed("incident 7".into()));
    world.is_quiet();
}

/// A target that takes connections and never says a word.
fn mute(world: &World) -> std::net::TcpListener {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    world.answers().target = listener.local_addr().unwrap();
    listener
}

fn logging_in(world: &World) -> Child {
    let child = world.ssh("root@db1").arg("true").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    until("engine has let it pass", || world.gateway.sessions().list().iter().any(|s| s.ends_at.is_some()));
    child
}

#[test]
fn an_order_reaches_a_session_that_is_still_logging_in() {
    let world = World::new();
    let _mute = mute(&world);
    let ssh = logging_in(&world);
    assert_eq!(world.gateway.sessions().list()[0].stage, SessionStage::Opening);
    world.gateway.sessions().kill(&only(&world), "").unwrap();
    let output = ssh.wait_with_output().unwrap();
    assert!(text(&output.stderr).contains("closed by order [session-killed]"), "{}", text(&output.stderr));
    assert_eq!(world.gate.reasons(), [EndReason::Killed(String::new())]);
    world.is_quiet();
}

#[test]
fn a_grant_that_ends_during_a_slow_login_opens_nothing() {
    let world = World::new();
    let _mute = mute(&world);
    world.answers().ends_in = Duration::from_secs(2);
    let output = logging_in(&world).wait_with_output().unwrap();
    assert!(text(&output.stderr).contains("the grant has ended"), "{}", text(&output.stderr));
    assert_eq!(world.gate.reasons(), [EndReason::GrantEnded]);
    world.is_quiet();
}

#[test]
fn what_waits_in_a_session_killed_while_it_was_asked_for_never_reaches_the_target() {
    let world = World::new();
    *world.gate.kills.lock().unwrap() = Some(world.gateway.sessions().clone());
    let mark = world.dir.path().join("mark");
    let output = world.exec(&format!("touch {}", mark.display()));
    assert!(text(&output.stderr).contains("closed by order"), "{}", text(&output.stderr));
    assert_eq!(reason(&world), EndReason::Killed(String::new()));
    world.is_quiet();
    assert!(!mark.exists());
    *world.gate.kills.lock().unwrap() = None;
    assert!(world.exec(&format!("touch {}", mark.display())).status.success() && mark.exists());
}

#[test]
fn a_frozen_session_forwards_nothing_until_it_is_thawed() {
    let world = World::with(
        |settings| (settings.keepalive, settings.keepalive_max) = (Duration::from_secs(1), 3),
        "ClientAliveInterval 1\nClientAliveCountMax 2",
    );
    let mut ssh = Tame(started(&world, "while :; do echo tick; sleep 0.05; done"));
    let mut lines = BufReader::new(ssh.0.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    world.gateway.sessions().freeze(&only(&world)).unwrap();
    pause(300);
    let before = world.gateway.sessions().list()[0].bytes_out;
    // Longer than either side's patience with silence: keepalives are answered on both legs.
    pause(5000);
    let now = &world.gateway.sessions().list()[0];
    assert!(now.frozen && now.bytes_out == before, "{} bytes passed", now.bytes_out - before);
    world.gateway.sessions().thaw(&only(&world)).unwrap();
    until("ticks come again", || world.gateway.sessions().list()[0].bytes_out > before);
    drop(ssh);
    world.is_quiet();
    let kinds: Vec<Kind> =
        world.frames().iter().map(|f| f.kind).filter(|k| matches!(k, Kind::Frozen | Kind::Thawed)).collect();
    assert_eq!(kinds, [Kind::Frozen, Kind::Thawed]);
}

#[test]
fn a_frozen_session_ends_with_its_grant() {
    let world = World::new();
    world.answers().ends_in = Duration::from_secs(3);
    let _ssh = Tame(started(&world, "cat /dev/zero"));
    world.gateway.sessions().freeze(&only(&world)).unwrap();
    assert_eq!(reason(&world), EndReason::GrantEnded);
    world.is_quiet();
}

#[test]
fn a_killed_target_is_named_and_fails_the_command() {
    let world = World::new();
    let ssh = started(&world, "echo $PPID; sleep 1000");
    let (mut ssh, mut lines) = {
        let mut ssh = ssh;
        let lines = BufReader::new(ssh.stdout.take().unwrap());
        (ssh, lines)
    };
    let mut pid = String::new();
    lines.read_line(&mut pid).unwrap();
    signal(pid.trim().parse().unwrap(), "KILL");
    let mut errors = String::new();
    ssh.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert!(!ssh.wait().unwrap().success());
    assert!(errors.contains("the target closed the connection"), "{errors}");
    assert_eq!(reason(&world), EndReason::TargetLeft);
    world.is_quiet();
}

#[test]
fn a_client_that_dies_at_any_moment_leaves_nothing() {
    let world = World::new();
    for millis in [0, 5, 20, 60, 100, 150, 200, 300, 500] {
        let mut ssh =
            world.ssh("root@db1").arg("cat /dev/zero").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        pause(millis);
        ssh.kill().unwrap();
        ssh.wait().unwrap();
    }
    world.is_quiet();
    until("each opened session is reported", || world.gate.asks.lock().unwrap().len() == world.gate.reasons().len());
    assert!(world.gate.reasons().iter().all(|reason| *reason == EndReason::ClientLeft), "{:?}", world.gate.reasons());
}

#[test]
fn a_silent_client_is_given_up() {
    let world = World::with(|settings| (settings.keepalive, settings.keepalive_max) = (Duration::from_secs(1), 3), "");
    let ssh = Tame(started(&world, "sleep 1000"));
    pause(5000);
    assert!(world.gate.reasons().is_empty(), "a living client answers keepalives");
    signal(ssh.0.id(), "STOP");
    assert_eq!(reason(&world), EndReason::ClientSilent);
    world.is_quiet();
}

#[test]
fn a_silent_target_is_given_up() {
    let world = World::with(|settings| (settings.keepalive, settings.keepalive_max) = (Duration::from_secs(1), 3), "");
    let mut ssh = started(&world, "echo $PPID; sleep 1000");
    let mut pid = String::new();
    BufReader::new(ssh.stdout.take().unwrap()).read_line(&mut pid).unwrap();
    let pid: u32 = pid.trim().parse().unwrap();
    signal(pid, "STOP");
    assert_eq!(reason(&world), EndReason::TargetSilent);
    signal(pid, "CONT");
    assert!(!ssh.wait().unwrap().success());
    world.is_quiet();
}

#[tokio::test(flavor = "multi_thread")]
async fn terminals_are_warned_and_their_programs_draw_again() {
    let world = World::new();
    world.answers().ends_in = Duration::from_secs(62);
    let handle = crate::hostile::log_in(&world).await;
    let mut channel = handle.channel_open_session().await.unwrap();
    channel.request_pty(true, "xterm", 80, 24, 0, 0, &[]).await.unwrap();
    channel.exec(true, "trap 'stty size' WINCH; while :; do sleep 0.01; done").await.unwrap();
    let mut shown = Vec::new();
    while !(text(&shown).contains("23 80") && text(&shown).contains("24 80")) {
        match channel.wait().await {
            Some(russh::ChannelMsg::Data { data }) => shown.extend_from_slice(&data),
            Some(_) => {}
            None => panic!("{}", text(&shown)),
        }
    }
    let shown = text(&shown);
    let (warned, drawn) = (shown.find("this session ends in 1 min").unwrap(), shown.find("23 80").unwrap());
    assert!(warned < drawn, "{shown:?}");
    drop((channel, handle));
    world.is_quiet();
    let notices = text(&world.recorded(Kind::Notice));
    assert!(notices.contains("\x1b7\x1b[999;1H"), "{notices:?}");
}

/// Recordings that fail on demand.
#[derive(Clone, Default)]
struct Failing(Arc<AtomicBool>);

impl Tapes for Failing {
    fn draft(&self, _session: &str) -> Result<Box<dyn Draft>, TapeError> {
        Ok(Box::new(self.clone()))
    }
}

impl Draft for Failing {
    fn header_hash(&self) -> [u8; 32] {
        [0; 32]
    }

    fn begin(self: Box<Self>) -> Result<Box<dyn Tape>, TapeError> {
        Ok(self)
    }
}

impl Failing {
    fn check(&self) -> Result<(), TapeError> {
        if self.0.load(Ordering::Acquire) { Err(TapeError("no space left on device".into())) } else { Ok(()) }
    }
}

impl Tape for Failing {
    fn frame(&mut self, _frame: &Frame) -> Result<(), TapeError> {
        Ok(())
    }

    fn sync(&mut self) -> Result<Syncing, TapeError> {
        let failing = self.clone();
        Ok(Box::new(move || failing.check().map(|()| Anchor { chunks: 1, hash: [0; 32] })))
    }

    fn close(&mut self) -> Result<Anchor, TapeError> {
        self.sync()?()
    }
}

#[test]
fn a_recording_that_cannot_be_kept_ends_its_session() {
    let failing = Failing::default();
    let world = World::with_tapes(|_| {}, "", MemoryTapes::default(), failing.clone());
    let ssh = started(&world, "while :; do echo tick; sleep 0.05; done");
    failing.0.store(true, Ordering::Release);
    let output = ssh.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(255));
    assert!(text(&output.stderr).contains("the recording could not be kept"), "{}", text(&output.stderr));
    assert_eq!(reason(&world), EndReason::RecordingFailed);
    let end = world.gate.ended.lock().unwrap()[0].clone();
    assert!(!end.complete, "an anchor from before the failure makes no whole recording");
    world.is_quiet();
}

#[test]
fn a_stopping_gateway_ends_its_sessions() {
    let world = World::new();
    let ssh = started(&world, "sleep 1000");
    let World { gateway, gate, .. } = world;
    gateway.stop();
    assert_eq!(ssh.wait_with_output().unwrap().status.code(), Some(255));
    assert_eq!(gate.reasons(), [EndReason::GatewayStopped]);
}

#[test]
fn recordings_are_anchored_while_they_run() {
    let world = World::new();
    let _ssh = Tame(started(&world, "echo something; sleep 1000"));
    until("an anchor", || !world.gateway.sessions().anchors().is_empty());
    assert_eq!(world.gateway.sessions().anchors()[0].0, only(&world));
}
