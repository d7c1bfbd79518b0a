use std::os::unix::net::UnixListener;

use channel::{Greeting, Role, frame};

use super::world::World;
use crate::exit::Exit;

/// A server that greets so and then hangs up.
fn greets(world: &World, greeting: Option<Greeting>) -> String {
    let path = world.path("other.sock");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        if let Some(greeting) = greeting {
            // The client may leave first.
            let _gone = frame::write(&mut stream, &greeting);
        }
    });
    path
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let world = World::empty();
    let told = world.run("commander", &["whoami"]);
    assert_eq!((told.exit, told.err.contains("DIR/root/run/api.sock")), (Exit::Unreachable, true), "{}", told.all());
    let told = world.run("commander", &["--socket", "/nowhere", "doctor", "--json"]);
    assert_eq!(told.json()["error"]["code"].as_str(), Some("socket-unreachable"));
    assert!(told.err.is_empty(), "{}", told.all());
}

#[test]
fn a_server_of_another_version_or_role_is_named() {
    for (greeting, code) in [
        (Some(Greeting { version: 99, role: Role::Engine }), "other-version"),
        (Some(Greeting::of(Role::Keeper)), "channel-broken"),
        (None, "channel-broken"),
    ] {
        let world = World::empty();
        let socket = greets(&world, greeting);
        let told = world.run("commander", &["--socket", &socket, "whoami", "--json"]);
        assert_eq!(
            (told.exit, told.json()["error"]["code"].as_str()),
            (Exit::Unreachable, Some(code)),
            "{}",
            told.all()
        );
    }
}

#[test]
fn a_gate_that_is_not_there_is_told_in_the_words_of_ssh() {
    let world = World::empty();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = world.path("ssh_config");
    std::fs::write(&config, "Host *\n  BatchMode yes\n  ConnectTimeout 5\n").unwrap();
    let gate = format!("127.0.0.1:{port}");
    let told = world.run("commander", &["--gate", &gate, "--ssh-config", &config, "whoami"]);
    assert_eq!((told.exit, told.err.contains("Connection refused")), (Exit::Unreachable, true), "{}", told.all());
    assert_eq!(world.run("commander", &["--gate", "-oProxyCommand=true", "whoami"]).exit, Exit::Usage);
}

#[test]
fn without_a_key_nothing_is_asked() {
    let world = World::founded();
    let told = world.run("nobody", &["whoami"]);
    assert_eq!((told.exit, told.err.contains("no SSH key was found")), (Exit::Usage, true), "{}", told.all());
    assert_eq!(world.run("nobody", &["doctor"]).exit, Exit::CannotDecide, "doctor answers everybody");
    let stranger = world.run("stranger", &["whoami"]);
    assert_eq!((stranger.exit, stranger.err.contains("is not enrolled")), (Exit::Refused, true), "{}", stranger.all());
}

#[test]
fn before_the_founding_only_doctor_answers() {
    let mut world = World::empty();
    let (one, two, draft) = (world.path("1.card"), world.path("2.card"), world.path("d"));
    world.ok("commander", &["init", "card", "--name", "the commander", "--out", &one]);
    world.ok("auditor", &["init", "card", "--name", "the auditor", "--out", &two]);
    world.ok("operator", &["init", "draft", &one, &two, "--origin", "gate.example/main", "--out", &draft, "--json"]);
    world.serve();
    let told = world.run("commander", &["whoami", "--json"]);
    assert_eq!(
        (told.exit, told.json()["error"]["code"].as_str()),
        (Exit::Refused, Some("not-founded")),
        "{}",
        told.all()
    );
    let told = world.run("commander", &["doctor"]);
    assert_eq!((told.exit, told.out.contains("founding by two persons")), (Exit::CannotDecide, true), "{}", told.all());
}
