//! The main job: asked for, agreed to, passed, recorded, over.

use std::time::Duration;

use e2e::{LIMIT, PURPOSE, World, text};
use testkit::process::output_within;

#[test]
fn a_person_asks_another_agrees_and_ssh_passes() {
    let world = World::new();
    let before = world.exec(&world.operator, "echo in");
    assert!(!before.status.success(), "nobody approved anything yet: {}", text(&before.stdout));
    world.granted("10m");
    let output = world.exec(&world.operator, "echo in; exit 7");
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(7), "in\n"), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("recorded") && text(&output.stderr).contains(PURPOSE),
        "{}",
        text(&output.stderr)
    );
    let others = world.exec(&world.owner, "echo in");
    assert!(!others.status.success(), "a grant is for one person");
    let session = world.sessions().remove(0);
    world.ended(&session);
    let said = world
        .gate
        .json(&world.auditor.key, &["session", "verify", &session, "--purpose", "quarterly sample of sessions"])
        .unwrap();
    assert!(said.contains(&session), "{said}");
    let shown = output_within(
        &mut world.gate.as_person(
            &world.auditor.key,
            &["session", "replay", &session, "--no-wait", "--purpose", "quarterly sample of sessions"],
        ),
        LIMIT,
    )
    .unwrap();
    assert!(text(&shown.stdout).contains("in"), "{}{}", text(&shown.stdout), text(&shown.stderr));
}

#[test]
fn a_terminal_passes_with_its_size_and_its_exit_code() {
    let world = World::new();
    world.granted("10m");
    let mut command = world.ssh(&world.operator);
    // `-tt` forces a terminal although the test has none.
    let output =
        output_within(command.args(["-tt", "tty; echo $TERM; exit 3"]).env("TERM", "xterm-256color"), LIMIT).unwrap();
    let said = text(&output.stdout);
    assert!(said.contains("/dev/pts/") && said.contains("xterm-256color"), "{said}");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn a_revoked_grant_closes_its_session_and_opens_nothing_more() {
    let world = World::new();
    let grant = world.granted("10m");
    let mut command = world.ssh(&world.operator);
    command.args(["-T", "echo begun; exec sleep 300"]);
    let session = std::thread::spawn(move || output_within(&mut command, LIMIT).unwrap());
    testkit::process::until("the session is live", || !world.sessions().is_empty()).unwrap();
    testkit::process::pause(Duration::from_millis(500));
    world.gate.json(&world.owner.key, &["grant", "revoke", &grant, "--reason", "the change was called off"]).unwrap();
    let output = session.join().unwrap();
    assert!(!output.status.success(), "{}", text(&output.stderr));
    let again = world.exec(&world.operator, "echo in");
    assert!(!again.status.success() && again.stdout.is_empty(), "{}", text(&again.stdout));
}

#[test]
fn a_passage_is_for_one_account_on_one_target() {
    let world = World::new();
    world.granted("10m");
    // The other target trusts the same authority, and lets somebody else's principal in as the same user.
    let other = testkit::Sshd::start(&testkit::Settings::default()).unwrap();
    let by = (&world.founders.0, &world.founders.1);
    let at = testkit::installation::At { label: "db2", zone: "server", login: &world.login, owner: &world.owner };
    world.gate.add_target(by, &at, &other).unwrap();
    assert!(world.exec(&world.operator, "true").status.success());
    let login = format!("{}@db2", world.login);
    let mut command = world.client.to(&login, world.gate.port().unwrap(), &world.operator.key.private);
    let output = output_within(command.args(["-T", "echo in"]), LIMIT).unwrap();
    assert!(!output.status.success() && output.stdout.is_empty(), "a grant for db1 opened db2");
}
