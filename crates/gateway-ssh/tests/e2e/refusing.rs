//! What does not pass, and what the person is told.

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::Duration;

use gateway_ssh::authorise::ChannelKind;
use gateway_ssh::gate::EndReason;
use gateway_ssh::sessions::SessionStage;
use gateway_ssh::tape::Kind;

use crate::world::{NOTICE, World, keygen, refusal, text, until};

#[test]
fn a_refusal_is_shown_with_its_code_and_hint_and_fails_the_command() {
    let world = World::new();
    world.answers().refusal = Some(refusal());
    let output = world.exec("echo never");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "");
    let shown = "sekimori: nobody has approved `root@db1` for you [no-grant]\nsekimori: hint: sekimori request\n";
    assert_eq!(text(&output.stderr), shown);
    let output = world.ssh("root@db1").arg("-tt").output().unwrap();
    assert!(text(&output.stdout).contains("[no-grant]\r\n"), "{output:?}");
    assert!(world.gate.reasons().is_empty(), "nothing was opened, so nothing ended");
    world.is_quiet();
}

#[test]
fn an_unknown_key_is_refused_and_nothing_is_asked() {
    let world = World::new();
    world.answers().known.clear();
    let output = world.exec("true");
    assert_eq!(output.status.code(), Some(255));
    assert!(text(&output.stderr).contains("Permission denied (publickey)"), "{}", text(&output.stderr));
    assert!(world.gate.asks.lock().unwrap().is_empty());
}

#[test]
fn public_keys_are_the_only_method_offered() {
    let world = World::new();
    let mut ssh = world.ssh_options("ssh");
    ssh.args([
        "-v",
        "-o",
        "LogLevel=DEBUG1",
        "-o",
        "PreferredAuthentications=none",
        "-l",
        "root@db1",
        "127.0.0.1",
        "true",
    ]);
    let shown = text(&ssh.output().unwrap().stderr);
    assert!(shown.contains("Authentications that can continue: publickey\r\n"), "{shown}");
    assert!(!shown.contains("keyboard-interactive\r\n"));
}

#[test]
fn a_malformed_login_name_says_what_is_wrong() {
    let world = World::new();
    let output = world.ssh("Root@db1").arg("true").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("[login-name-malformed]"), "{}", text(&output.stderr));
    assert!(world.gate.asks.lock().unwrap().is_empty());
}

#[test]
fn a_refused_forward_does_not_end_the_session() {
    let world = World::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut ssh = world.ssh_options("ssh");
    let forward = format!("{free}:127.0.0.1:{}", world.sshd.addr.port());
    ssh.args([
        "-L",
        &forward,
        "-R",
        "0:127.0.0.1:1",
        "-A",
        "-X",
        "-l",
        "root@db1",
        "127.0.0.1",
        "sleep 1.5; echo still here",
    ]);
    let ssh = ssh.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let refused_through = || {
        let Ok(mut through) = std::net::TcpStream::connect(("127.0.0.1", free)) else { return false };
        let mut all = Vec::new();
        through.read_to_end(&mut all).is_ok() && all.is_empty()
    };
    until("the session is up", || world.gateway.sessions().list().iter().any(|s| s.stage == SessionStage::Open));
    until("the forward is tried", refused_through);
    let output = ssh.wait_with_output().unwrap();
    assert_eq!(text(&output.stdout), "still here\n");
    assert_eq!(output.status.code(), Some(0));
    let refused = text(&world.recorded(Kind::Refused));
    assert!(refused.contains("forwarding-refused"), "{refused}");
}

#[test]
fn sftp_is_refused_with_a_sentence() {
    let world = World::new();
    let output = world.ssh("root@db1").args(["-s", "sftp"]).output().unwrap();
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("this grant does not allow"), "{}", text(&output.stderr));
    assert_eq!(text(&world.recorded(Kind::Refused)), "channel-not-in-terms");
}

#[test]
fn terms_without_a_shell_allow_a_command_only() {
    let world = World::new();
    world.answers().terms.channels = [ChannelKind::Exec].into();
    assert!(world.exec("true").status.success());
    let output = world.ssh("root@db1").output().unwrap();
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("this grant does not allow"), "{}", text(&output.stderr));
    let output = world.ssh("root@db1").args(["-tt", "true"]).output().unwrap();
    assert!(!output.status.success());
}

#[test]
fn a_certificate_for_another_principal_is_refused_by_the_target() {
    let world = World::new();
    world.answers().principal = "p-other-root".into();
    let output = world.exec("true");
    assert_eq!(output.status.code(), Some(5));
    assert!(text(&output.stderr).contains("[target-refused-certificate]"), "{}", text(&output.stderr));
    assert!(matches!(world.gate.reasons()[..], [EndReason::TargetRefused(_)]));
    world.is_quiet();
}

#[test]
fn a_changed_host_key_is_refused_with_both_fingerprints() {
    let world = World::new();
    let pinned = keygen(&world.dir.path().join("other-host"));
    world.answers().host_keys = vec![pinned.clone()];
    let output = world.exec("true");
    let shown = text(&output.stderr);
    assert!(shown.contains("[target-host-key-changed]"), "{shown}");
    assert!(
        shown.contains(&pinned.fingerprint().to_string())
            && shown.contains(&world.sshd.host_key.fingerprint().to_string()),
        "{shown}"
    );
    assert!(matches!(world.gate.reasons()[..], [EndReason::TargetRefused(_)]));
}

#[test]
fn a_host_key_seen_ahead_is_checked_again_against_the_passage() {
    let world = World::new();
    let approach = gateway_ssh::gate::Approach { addr: world.sshd.addr, host_keys: vec![world.sshd.host_key.clone()] };
    world.answers().approach = Some(approach);
    assert_eq!(text(&world.exec("echo ahead").stdout), "ahead\n");
    world.answers().host_keys = vec![keygen(&world.dir.path().join("other-host"))];
    assert!(text(&world.exec("true").stderr).contains("[target-host-key-changed]"));
    world.is_quiet();
}

#[test]
fn what_was_dialled_ahead_for_a_refused_passage_is_hung_up() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let approach = gateway_ssh::gate::Approach {
        addr: listener.local_addr().unwrap(),
        host_keys: vec![world.sshd.host_key.clone()],
    };
    let refusal = gateway_ssh::gate::Refusal { code: "no-grant".into(), sentence: "no".into(), hint: None, exit: 1 };
    (world.answers().approach, world.answers().refusal) = (Some(approach), Some(refusal));
    assert!(text(&world.exec("true").stderr).contains("[no-grant]"));
    // Dialled or not by then: whatever was is closed again.
    listener.set_nonblocking(true).unwrap();
    if let Ok((mut dialled, _)) = listener.accept() {
        dialled.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let _until_closed = std::io::copy(&mut dialled, &mut std::io::sink()).unwrap();
    }
    world.is_quiet();
}

#[test]
fn a_silent_target_that_was_dialled_ahead_is_not_waited_for_twice() {
    let world = World::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = SocketAddr::from(([127, 0, 0, 1], silent.local_addr().unwrap().port()));
    let approach = gateway_ssh::gate::Approach { addr, host_keys: vec![world.sshd.host_key.clone()] };
    (world.answers().approach, world.answers().target) = (Some(approach), addr);
    assert!(text(&world.exec("true").stderr).contains("no answer in time"));
    silent.set_nonblocking(true).unwrap();
    let dialled = std::iter::from_fn(|| silent.accept().ok()).count();
    assert_eq!(dialled, 1);
    world.is_quiet();
}

#[test]
fn an_unreachable_target_is_named_as_such() {
    let world = World::new();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    world.answers().target = closed;
    let output = world.exec("true");
    assert_eq!(output.status.code(), Some(5));
    assert!(text(&output.stderr).contains("[target-unreachable]"), "{}", text(&output.stderr));
}

#[test]
fn a_target_that_never_speaks_is_given_up() {
    let world = World::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    world.answers().target = SocketAddr::from(([127, 0, 0, 1], silent.local_addr().unwrap().port()));
    let output = world.exec("true");
    assert!(text(&output.stderr).contains("no answer in time"), "{}", text(&output.stderr));
    world.is_quiet();
}

#[test]
fn without_a_target_only_the_control_channel_opens() {
    let world = World::new();
    let output = world.ssh("sekimori").arg("true").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("hint: ssh ACCOUNT@TARGET@GATE"), "{}", text(&output.stderr));
    let mut ssh =
        world.ssh("sekimori").args(["sekimori", "api"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut ssh.stdin.take().unwrap(), b"abc").unwrap();
    let output = ssh.wait_with_output().unwrap();
    assert_eq!((text(&output.stdout), output.status.code()), ("sekimori api\ncba".into(), Some(0)));
    assert!(world.gate.asks.lock().unwrap().is_empty());
    assert!(!text(&output.stderr).contains(NOTICE));
    world.is_quiet();
}
