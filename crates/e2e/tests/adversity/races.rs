//! Taking away races with what is being opened.

use std::time::{Duration, Instant};

use e2e::{LIMIT, World, text};
use testkit::process::{now, output_within, pause, until};

use crate::ledger::{about, after, live, of_kind, only, replays};

/// The promise is one second; a machine that is busy with other tests may be late in telling us.
const CLOSED_WITHIN: Duration = Duration::from_secs(1 + 4);

#[test]
fn a_revocation_that_races_with_connecting_leaves_nothing_live() {
    let world = World::new();
    race(&world, 8);
}

#[test]
fn a_revocation_that_races_with_connecting_leaves_nothing_live_over_many_rounds_long() {
    let world = World::new();
    race(&world, 40);
}

/// Between "revoked well before the client knocks" and "the session has been up for a while" at even steps.
fn race(world: &World, rounds: u32) {
    world.granted("10m");
    let connecting = lasting(|| assert!(world.exec(&world.operator, "true").status.success()));
    let revoking = lasting(|| revoke(world, &only_grant(world)));
    let mut opened = 0;
    for round in 0..rounds {
        opened += one_round(world, (connecting * 2 + revoking) * round / rounds, revoking);
    }
    assert!(opened > 0 && opened < rounds, "{opened} of {rounds} were opened: that is no race");
    assert_eq!(live(world), Vec::<String>::new(), "a session of a revoked grant lives");
    until("the target has nobody on it", || !has_children(world.target.pid())).unwrap();
    replays(world);
}

/// `lead`: how much later than the client, less `revoking`, the revocation starts. Gives how many sessions were opened.
fn one_round(world: &World, lead: Duration, revoking: Duration) -> u32 {
    let grant = world.granted("10m");
    let mut command = world.ssh(&world.operator);
    command.args(["-T", "while echo tick; do sleep 0.1; done"]);
    let session = std::thread::spawn(move || {
        pause(revoking);
        let output = output_within(&mut command, LIMIT).unwrap();
        (output, now())
    });
    pause(lead);
    revoke(world, &grant);
    let revoked = now();
    let (output, ended) = session.join().unwrap();
    assert!(!output.status.success(), "after {lead:?}: {}", text(&output.stderr));
    let late = ended.saturating_duration_since(revoked);
    // A client that knocks only afterwards has its refusal to read.
    assert!(late < revoking + CLOSED_WITHIN, "after {lead:?}: the client was let go {late:?} after the revocation");
    story(world, &grant, &output.stdout)
}

/// One revocation, nothing opened after it, and each session that was opened before it closed once and in time.
fn story(world: &World, grant: &str, seen: &[u8]) -> u32 {
    let entries = about(world, grant);
    let revoked = only(&entries, "grant.revoked").clone();
    let opened = of_kind(&entries, "session.opened");
    assert!(seen.is_empty() || !opened.is_empty(), "output of a session that the ledger does not know");
    for one in &opened {
        assert!(one.seq < revoked.seq, "opened by a revoked grant: {entries:#?}");
        let session = one.text("session");
        world.ended(&session);
        let ended = only(&about(world, &session), "session.ended").body["ended"].as_i64().unwrap();
        let late = after(revoked.time, ended);
        assert!(late < CLOSED_WITHIN, "{session} was closed {late:?} after the revocation");
    }
    u32::try_from(opened.len()).unwrap()
}

fn revoke(world: &World, grant: &str) {
    world.gate.json(&world.owner.key, &["grant", "revoke", grant, "--reason", "the change was called off"]).unwrap();
}

fn only_grant(world: &World) -> String {
    testkit::installation::field(&world.gate.json(&world.owner.key, &["grant", "list"]).unwrap(), "grant").unwrap()
}

fn lasting(what: impl FnOnce()) -> Duration {
    let begun: Instant = now();
    what();
    begun.elapsed()
}

fn has_children(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).is_ok_and(|pids| !pids.trim().is_empty())
}
