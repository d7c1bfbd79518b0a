//! How a person reaches the gate, and what it does not carry.

use e2e::{LIMIT, PURPOSE, World, text};
use testkit::installation::field;
use testkit::process::{output_within, run};

#[test]
fn both_spellings_of_a_login_name_lead_to_the_account() {
    let world = World::new();
    world.granted("10m");
    for login in [format!("{}@db1", world.login), format!("{}+db1", world.login)] {
        let mut command = world.client.to(&login, world.gate.port().unwrap(), &world.operator.key.private);
        let output = output_within(command.args(["-T", "echo in"]), LIMIT).unwrap();
        assert_eq!(text(&output.stdout), "in\n", "{login}: {}", text(&output.stderr));
    }
}

#[test]
fn nothing_but_shell_and_exec_passes() {
    let world = World::new();
    world.granted("10m");
    let (port, key) = (world.gate.port().unwrap(), &world.operator.key.private);
    // A forward that the server refuses ends the client.
    let mut forward = world.client.options("ssh", key);
    forward.args([
        "-o",
        "ExitOnForwardFailure=yes",
        "-N",
        "-R",
        "0:127.0.0.1:9",
        "-p",
        &port.to_string(),
        "-l",
        &world.account(),
        "127.0.0.1",
    ]);
    assert!(!output_within(&mut forward, LIMIT).unwrap().status.success(), "a remote forward was opened");
    let mut direct = world.client.options("ssh", key);
    let to_target = format!("127.0.0.1:{}", testkit::Target::port(&world.target));
    direct.args(["-W", &to_target, "-p", &port.to_string(), "-l", &world.account(), "127.0.0.1"]);
    let output = output_within(&mut direct, LIMIT).unwrap();
    assert!(!output.status.success() && !text(&output.stdout).contains("SSH-2.0"), "a direct channel was opened");
    let mut files = world.client.options("sftp", key);
    files.args(["-b", "/dev/null", "-P", &port.to_string(), &format!("{}@127.0.0.1", world.account())]);
    assert!(!output_within(&mut files, LIMIT).unwrap().status.success(), "a subsystem was opened");
}

#[test]
fn a_bulk_transfer_comes_back_whole() {
    let world = World::new();
    world.granted("10m");
    let mut command = world.ssh(&world.operator);
    let script =
        "set -e; dd if=/dev/urandom of=\"$1\" bs=1M count=24 2>/dev/null; shift; \"$@\" < \"$0\" | cmp - \"$0\"";
    command.args(["-T", "cat"]);
    let words: Vec<_> =
        std::iter::once(command.get_program()).chain(command.get_args()).map(std::ffi::OsStr::to_owned).collect();
    let file = world.dir.join("random");
    let mut pipe = std::process::Command::new("sh");
    pipe.arg("-c").arg(script).arg(&file).arg(&file).args(words);
    run(&mut pipe).unwrap();
}

#[test]
fn the_command_line_works_through_the_gate_alone() {
    let world = World::new();
    let gate = format!("sekimori@127.0.0.1:{}", world.gate.port().unwrap());
    let asked = |who: &testkit::Person, words: &[&str]| {
        let mut command = std::process::Command::new(world.gate.binary());
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", world.dir.path());
        command.args(["--gate", &gate, "--ssh-config"]).arg(world.client.config()).arg("--key").arg(&who.key.private);
        run(command.args(["--yes", "--json"]).args(words))
    };
    let said =
        asked(&world.operator, &["request", "new", &world.account(), "--for", "10m", "--purpose", PURPOSE]).unwrap();
    let request = field(&said, "request").unwrap();
    let said = asked(&world.owner, &["request", "approve", &request]).unwrap();
    assert!(field(&said, "grant").unwrap().starts_with("grt_"));
    assert!(world.exec(&world.operator, "true").status.success());
}
