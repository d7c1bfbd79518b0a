//! The end is the end: with engine up, killed or stopped, and whatever happens to front.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::process::Command;
use std::thread::JoinHandle;
use std::time::Duration;

use e2e::{LIMIT, World, text};
use testkit::installation::Process;
use testkit::process::{Signal, now, output_within, until};

/// Long enough to get a session going on a busy machine, short enough to wait for.
const GRANT: &str = "12s";
/// The promise is one second; a machine that is busy with other tests may be late in telling us.
const LATE: Duration = Duration::from_secs(4);

/// `ssh` with a command that would run for long, on a thread of its own; gives its output and when it ended.
fn long_session(world: &World) -> JoinHandle<(std::process::Output, std::time::Instant)> {
    let mut command: Command = world.ssh(&world.operator);
    command.args(["-T", "echo begun; sleep 300"]);
    std::thread::spawn(move || {
        let output = output_within(&mut command, LIMIT).unwrap();
        (output, now())
    })
}

/// Whether the ledger says `what` about an id; an engine that is still starting says nothing.
fn says(world: &World, id: &str, what: &str) -> bool {
    world.gate.json(&world.auditor.key, &["ledger", "list", "--about", id]).is_ok_and(|about| about.contains(what))
}

fn wait_until_live(world: &World) -> String {
    until("the session is live", || !world.sessions().is_empty()).unwrap();
    world.sessions().remove(0)
}

fn ended_with_the_grant(began: std::time::Instant, session: JoinHandle<(std::process::Output, std::time::Instant)>) {
    let (output, ended) = session.join().unwrap();
    assert!(!output.status.success(), "the command did not end by itself: {}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "begun\n");
    let lasted = ended.duration_since(began);
    assert!(lasted <= Duration::from_secs(12) + LATE, "closed {lasted:?} after the grant began, which was for {GRANT}");
}

#[test]
fn the_session_ends_with_the_grant_when_engine_was_killed_and_the_end_is_handed_over() {
    let world = World::new();
    world.granted(GRANT);
    let began = now();
    let session = long_session(&world);
    let id = wait_until_live(&world);
    // The watcher would start engine again at once; it is held until the session is over.
    let watcher = world.gate.watcher().unwrap();
    testkit::process::signal(watcher, Signal::Stop).unwrap();
    world.gate.signal(Process::Engine, Signal::Kill).unwrap();
    ended_with_the_grant(began, session);
    testkit::process::signal(watcher, Signal::Continue).unwrap();
    until("the end is handed over", || says(&world, &id, "grant_over")).unwrap();
}

#[test]
fn the_session_ends_with_the_grant_when_engine_is_stopped_and_nothing_new_opens() {
    let world = World::new();
    world.granted(GRANT);
    let began = now();
    let session = long_session(&world);
    let id = wait_until_live(&world);
    world.gate.signal(Process::Engine, Signal::Stop).unwrap();
    let refused = world.exec(&world.operator, "echo in");
    assert!(
        !refused.status.success() && refused.stdout.is_empty(),
        "a front whose engine is silent opens nothing: {}",
        text(&refused.stdout)
    );
    ended_with_the_grant(began, session);
    world.gate.signal(Process::Engine, Signal::Continue).unwrap();
    until("the end is handed over", || says(&world, &id, "grant_over")).unwrap();
}

#[test]
fn a_stopped_front_is_ended_at_the_grants_end() {
    let world = World::new();
    world.granted(GRANT);
    let began = now();
    let session = long_session(&world);
    let id = wait_until_live(&world);
    let noted = world.gate.root().join("run/front.ends");
    until("front to note the end", || std::fs::read_to_string(&noted).is_ok_and(|text| !text.is_empty())).unwrap();
    world.gate.signal(Process::Front, Signal::Stop).unwrap();
    let (output, ended) = session.join().unwrap();
    assert!(!output.status.success());
    assert!(ended.duration_since(began) <= Duration::from_secs(12) + LATE);
    until("the loss is written down", || says(&world, &id, "gateway_lost")).unwrap();
}

#[test]
fn a_killed_front_takes_its_sessions_along_and_the_ledger_says_so() {
    let world = World::new();
    world.granted("10m");
    let session = long_session(&world);
    let id = wait_until_live(&world);
    world.gate.signal(Process::Front, Signal::Kill).unwrap();
    let (output, _) = session.join().unwrap();
    assert!(!output.status.success());
    until("the loss is written down", || says(&world, &id, "gateway_lost")).unwrap();
}

#[test]
fn a_killed_engine_loses_nothing_that_it_acknowledged() {
    let world = World::new();
    for round in 0..5 {
        let request = world
            .gate
            .request(&world.operator, &world.account(), "10m", &format!("restore table {round} of the shop"))
            .unwrap();
        world.gate.signal(Process::Engine, Signal::Kill).unwrap();
        until("the request stands after the restart", || says(&world, &request, "request.filed")).unwrap();
        let said = world.gate.json(&world.owner.key, &["request", "show", &request]).unwrap();
        assert!(said.contains(&format!("restore table {round} of the shop")), "its purpose is there, too: {said}");
    }
    let said = world.gate.json(&world.auditor.key, &["verify", "--replay"]).unwrap();
    assert!(said.contains("true"), "{said}");
}
