//! What passes, and how it looks.

use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::thread;

use gateway_ssh::gate::RecordInput;
use gateway_ssh::tape::{Direction, Kind};

use crate::world::{NOTICE, Tame, World, run, text, until};

#[test]
fn a_command_runs_on_the_target_and_its_output_and_exit_come_back() {
    let world = World::new();
    let output = world.exec("echo out; echo err >&2; exit 7");
    assert_eq!(text(&output.stdout), "out\n");
    assert_eq!(text(&output.stderr), format!("{NOTICE}err\n"));
    assert_eq!(output.status.code(), Some(7));
    world.is_quiet();
    assert_eq!(text(&world.recorded(Kind::Output)), "out\n");
    assert_eq!(text(&world.recorded(Kind::ErrorOutput)), "err\n");
    assert_eq!(text(&world.recorded(Kind::Exec)), "echo out; echo err >&2; exit 7");
    assert_eq!(world.recorded(Kind::ExitStatus), 7u32.to_be_bytes());
    assert_eq!(text(&world.recorded(Kind::End)), "client-left");
}

#[test]
fn at_and_plus_reach_the_same_target() {
    let world = World::new();
    for login in ["root@db1", "root+db1"] {
        assert!(world.ssh(login).arg("true").output().unwrap().status.success(), "{login}");
    }
    let asks = world.gate.asks.lock().unwrap();
    assert_eq!(asks[0].login, asks[1].login);
    assert_ne!(asks[0].session, asks[1].session);
    assert_ne!(asks[0].ephemeral, asks[1].ephemeral, "each connection has its own key");
}

#[test]
fn a_terminal_shows_the_notice_before_the_first_byte() {
    let world = World::new();
    let output = world.ssh("root@db1").args(["-tt", "tty; echo second"]).output().unwrap();
    let shown = text(&output.stdout);
    assert!(shown.starts_with("sekimori: this session is recorded\r\n/dev/pts/"), "{shown:?}");
    assert!(shown.ends_with("second\r\n"), "{shown:?}");
    let frames = world.frames();
    let notice = frames.iter().position(|f| f.kind == Kind::Notice).unwrap();
    let output = frames.iter().position(|f| f.kind == Kind::Output).unwrap();
    assert!(notice < output && frames[notice].direction == Direction::Gateway);
}

#[test]
fn a_shell_reads_its_commands_and_exits_with_its_status() {
    let world = World::new();
    let mut ssh =
        world.ssh("root@db1").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    ssh.stdin.take().unwrap().write_all(b"echo from the shell\nexit 3\n").unwrap();
    let output = ssh.wait_with_output().unwrap();
    assert!(text(&output.stdout).contains("from the shell\n"));
    assert_eq!(output.status.code(), Some(3));
    assert!(world.frames().iter().any(|f| f.kind == Kind::Shell));
    assert!(!world.frames().iter().any(|f| f.kind == Kind::Input), "input is not recorded unless the terms say so");
}

#[test]
fn a_resized_window_reaches_the_target() {
    let world = World::new();
    let ssh = format!(
        "{:?}",
        world.ssh("root@db1").args(["-tt", "trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.1; done"])
    );
    let marker = world.dir.path().join("shown");
    let script = format!(
        "stty rows 30 cols 100; (until grep -q ready {m}; do sleep 0.1; done; stty rows 41 cols 123 </dev/tty) & {ssh} | tee {m}",
        m = marker.display(),
    );
    fs::write(&marker, "").unwrap();
    let _script = Tame(
        std::process::Command::new("script")
            .args(["-qefc", &format!("bash -c {}", shell_quoted(&script)), "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap(),
    );
    until("the new size is shown", || fs::read_to_string(&marker).unwrap().contains("41 123"));
    let sizes: Vec<Vec<u8>> = {
        until("the recording is closed", || !world.tapes.closed().is_empty());
        world.frames().iter().filter(|f| f.kind == Kind::Resize).map(|f| f.bytes.to_vec()).collect()
    };
    assert_eq!(sizes.last().unwrap()[..], [0, 0, 0, 123, 0, 0, 0, 41]);
}

fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[test]
fn only_listed_environment_names_pass() {
    let world = World::new();
    let mut ssh = world.ssh_options("ssh");
    ssh.args(["-o", "SendEnv=SEKI_A SEKI_B LC_NAME", "-l", "root@db1", "127.0.0.1", "echo $SEKI_A-$SEKI_B-$LC_NAME"]);
    let output = ssh.env("SEKI_A", "one").env("SEKI_B", "two").env("LC_NAME", "C").output().unwrap();
    assert_eq!(text(&output.stdout), "one--C\n");
    let refused = world.recorded(Kind::Refused);
    assert_eq!(text(&refused), "environment-not-listed");
}

#[test]
fn an_end_of_input_leaves_the_output_open() {
    let world = World::new();
    let mut ssh = world
        .ssh("root@db1")
        .arg("cat; sleep 0.3; echo after")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    ssh.stdin.take().unwrap().write_all(b"before ").unwrap();
    assert_eq!(text(&ssh.wait_with_output().unwrap().stdout), "before after\n");
}

#[test]
fn an_end_of_output_leaves_the_input_open() {
    let world = World::new();
    let kept = world.dir.path().join("kept");
    let script = format!("exec >&- 2>&-; sleep 0.3; cat > {}", kept.display());
    let mut ssh = world.ssh("root@db1").arg(script).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = ssh.stdin.take().unwrap();
    thread::spawn(move || {
        crate::world::pause(600);
        input.write_all(b"late input").unwrap();
    });
    assert!(ssh.wait().unwrap().success());
    assert_eq!(fs::read_to_string(kept).unwrap(), "late input");
}

#[test]
fn a_death_by_signal_comes_back_as_one() {
    let world = World::new();
    let output = world.exec("kill -TERM $$");
    assert_eq!(output.status.code(), Some(255));
    assert_eq!(text(&world.recorded(Kind::ExitSignal)), "TERM");
}

#[test]
fn many_channels_share_one_connection_one_certificate_and_one_recording() {
    let world = World::new();
    let socket = world.dir.path().join("mux");
    let control = format!("ControlPath={}", socket.display());
    let mut master = world.ssh_options("ssh");
    master.args(["-o", &control, "-o", "ControlMaster=yes", "-N", "-l", "root@db1", "127.0.0.1"]);
    let _master = Tame(master.stderr(Stdio::null()).spawn().unwrap());
    until("the master is up", || socket.exists());
    // More than may be open at a time.
    for n in 0..100 {
        let mut ssh = world.ssh_options("ssh");
        let output = ssh
            .args(["-o", &control, "-l", "root@db1", "127.0.0.1"])
            .arg(format!("echo {n}; exit {n}"))
            .output()
            .unwrap();
        assert_eq!((text(&output.stdout), output.status.code()), (format!("{n}\n"), Some(n)));
    }
    assert_eq!(world.gate.asks.lock().unwrap().len(), 1);
    assert_eq!(world.gateway.sessions().list().len(), 1);
    drop(_master);
    world.is_quiet();
    let mut channels: Vec<u32> = world.frames().iter().filter(|f| f.kind == Kind::Exec).map(|f| f.channel).collect();
    channels.dedup();
    assert_eq!(channels, (1..=100).collect::<Vec<_>>());
}

#[test]
fn scp_and_tar_pipes_are_byte_exact() {
    let world = World::new();
    let (from, to) = (world.dir.path().join("from"), world.dir.path().join("to"));
    let content: Vec<u8> = (0..3_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(&from, &content).unwrap();
    let mut scp = world.ssh_options("scp");
    run(scp.args(["-q", "-O", "-o", "User=root+db1"]).arg(&from).arg(format!("127.0.0.1:{}", to.display())));
    assert!(fs::read(&to).unwrap() == content);
    assert!(world.exec(&format!("cat {}", to.display())).stdout == content);
}

#[test]
fn echoed_input_is_recorded_and_what_was_not_echoed_is_masked() {
    let world = World::new();
    world.answers().record_input = RecordInput::Masked;
    let mut ssh = world
        .ssh("root@db1")
        .args([
            "-tt",
            "echo ready; read seen; stty -echo; echo quiet; read hidden; stty echo; echo got $seen ${#hidden}",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = ssh.stdin.take().unwrap();
    let mut shown = std::io::BufReader::new(ssh.stdout.take().unwrap());
    let mut wait_for = |what: &str| {
        let mut line = String::new();
        while !line.contains(what) {
            line.clear();
            assert!(std::io::BufRead::read_line(&mut shown, &mut line).unwrap() > 0, "no {what}");
        }
    };
    wait_for("ready");
    input.write_all(b"visible\n").unwrap();
    wait_for("quiet");
    input.write_all(b"s3cret-zq\n").unwrap();
    wait_for("got visible");
    assert!(ssh.wait().unwrap().success());
    let recorded = text(&world.recorded(Kind::Input));
    assert!(recorded.contains("visible"), "{recorded:?}");
    assert!(recorded.contains("*") && !recorded.contains("s3cret-zq"), "{recorded:?}");
}

#[test]
fn keys_are_exchanged_anew_under_a_transfer_in_both_directions() {
    let world = World::with(|settings| settings.rekey_bytes = 1 << 20, "RekeyLimit 3M");
    let mut ssh = world.ssh_options("ssh");
    let ssh = ssh.args(["-o", "RekeyLimit=5M", "-l", "root@db1", "127.0.0.1", "cat"]);
    assert_eq!(crate::flow::through(ssh, 24 << 20), crate::flow::expected(24 << 20));
}

#[test]
fn clients_that_know_aes_gcm_use_it_and_others_pass_too() {
    let world = World::new();
    let negotiated = |ciphers: Option<&str>| {
        let mut command = world.ssh_options("ssh");
        command.args(["-E", "/dev/stderr", "-v"]);
        ciphers.iter().for_each(|ciphers| {
            command.arg("-o").arg(format!("Ciphers={ciphers}"));
        });
        let output = command.args(["-l", "root@db1", "127.0.0.1", "echo in"]).output().unwrap();
        assert_eq!(text(&output.stdout), "in\n", "{}", text(&output.stderr));
        text(&output.stderr).lines().find(|line| line.contains("server->client cipher")).map(str::to_owned)
    };
    let by_itself = negotiated(None).expect("the client says what it uses");
    assert!(by_itself.contains("-gcm@openssh.com"), "{by_itself}");
    for only in ["chacha20-poly1305@openssh.com", "aes256-ctr"] {
        let found = negotiated(Some(only)).expect("the client says what it uses");
        assert!(found.contains(only), "{found}");
    }
}
