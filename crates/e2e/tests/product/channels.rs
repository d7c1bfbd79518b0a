//! What a request names is what the passage carries: files one way, one destination, nothing beside it; and the recording says what was done.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::process::Output;
use std::thread;

use e2e::{LIMIT, PURPOSE, World, text};
use testkit::installation::field;
use testkit::process::output_within;

const RULES: &str = "\
pending-limit = \"1h\"

[[rule]]
name = \"servers\"
requesters = \"operators\"
approvers = \"system-owners\"
approvals = 1
longest = \"1h\"
channels = [\"shell\", \"exec\", \"download\", \"upload\", \"forward:127.0.0.1:*\"]
zone = \"server\"
";

fn greeter() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            stream.unwrap().write_all(b"hello\n").unwrap();
        }
    });
    addr
}

fn through(world: &World, program: &str, words: &[&str]) -> Output {
    let mut command = world.client.options(program, &world.operator.key.private);
    command.args(["-o", &format!("Port={}", world.gate.port().unwrap()), "-o", &format!("User={}", world.account())]);
    output_within(command.args(words), LIMIT).unwrap()
}

#[test]
fn a_grant_for_downloads_and_one_destination_carries_these_and_nothing_else() {
    let world = World::new();
    world.gate.set_rules((&world.founders.0, &world.founders.1), RULES).unwrap();
    let (named, other) = (greeter(), greeter());
    let channels = format!("download,forward:{named}");
    let ask = ["request", "new", &world.account(), "--for", "30m", "--purpose", PURPOSE, "--channels", &channels];
    let said = world.gate.json(&world.operator.key, &ask).unwrap();
    let request = field(&said, "request").unwrap();
    let shown = world.gate.json(&world.owner.key, &["request", "show", &request]).unwrap();
    assert!(shown.contains(&format!("forward:{named}")), "the approver sees where to: {shown}");
    world.gate.approve(&world.owner, &request).unwrap().unwrap();

    let (remote, local) = (world.dir.join("remote"), world.dir.join("local"));
    std::fs::write(&remote, "what is there").unwrap();
    let there = format!("127.0.0.1:{}", remote.display());
    let got = through(&world, "scp", &[&there, &local.display().to_string()]);
    assert!(got.status.success(), "{}", text(&got.stderr));
    assert_eq!(std::fs::read(&local).unwrap(), b"what is there");
    let put = through(&world, "scp", &[&local.display().to_string(), &format!("{there}.new")]);
    assert!(!put.status.success(), "an upload was not granted");
    assert!(!remote.with_extension("new").exists());

    assert_eq!(text(&through(&world, "ssh", &["-W", &named.to_string(), "127.0.0.1"]).stdout), "hello\n");
    assert!(through(&world, "ssh", &["-W", &other.to_string(), "127.0.0.1"]).stdout.is_empty());
    assert!(!through(&world, "ssh", &["127.0.0.1", "true"]).status.success(), "a command was not granted");

    let first = world.sessions().pop().unwrap();
    world.ended(&first);
    let out = world.dir.join("session.txt").display().to_string();
    let words = ["session", "export", &first, "--text", "--out", &out, "--purpose", PURPOSE];
    let exported = output_within(&mut world.gate.as_person(&world.auditor.key, &words), LIMIT).unwrap();
    assert!(exported.status.success(), "{}", text(&exported.stderr));
}

#[test]
fn what_the_rules_do_not_name_is_refused_when_it_is_asked_for() {
    let world = World::new();
    world.gate.set_rules((&world.founders.0, &world.founders.1), RULES).unwrap();
    for channels in ["forward:db9:22", "agent"] {
        let ask = ["request", "new", &world.account(), "--for", "30m", "--purpose", PURPOSE, "--channels", channels];
        let (_, said) = world.refused(&world.operator, &ask);
        assert!(said.contains(&format!("the rules do not allow `{channels}`")), "{said}");
    }
    let ask = ["request", "new", &world.account(), "--for", "30m", "--purpose", PURPOSE, "--channels", "forward:db1"];
    let (_, said) = world.refused(&world.operator, &ask);
    assert!(said.contains("HOST:PORT"), "{said}");
}
