//! Acknowledged means durable: engine is killed again and again while people work.

use std::process::Stdio;
use std::time::Duration;

use e2e::{PURPOSE, World};
use testkit::installation::{Process, field};
use testkit::process::{Signal, Tame, pause, run, signal, until};

/// How often it is killed; twice as many requests stay below what one person may have waiting.
const KILLS: u32 = 120;

#[test]
fn nothing_acknowledged_is_lost_over_many_kills_long() {
    let world = World::new();
    // The watcher waits longer before each restart; this test starts engine itself, at once.
    let watcher = world.gate.watcher().unwrap();
    signal(watcher, Signal::Stop).unwrap();
    world.gate.signal(Process::Engine, Signal::Kill).unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..KILLS {
        let engine = engine(&world);
        let mut first = request(&world);
        let mut second = request(&world);
        let racing = std::thread::spawn(move || run(&mut second));
        acknowledged.extend(run(&mut first).ok());
        // At another moment each time, from before the other's write to well after it.
        pause(Duration::from_millis(u64::from(round % 12) * 4));
        drop(engine);
        acknowledged.extend(racing.join().unwrap().ok());
    }
    let engine = engine(&world);
    assert!(acknowledged.len() >= KILLS as usize, "only {} of {} were answered", acknowledged.len(), 2 * KILLS);
    let pending = world.gate.json(&world.owner.key, &["request", "list", "--limit", "500"]).unwrap();
    for said in &acknowledged {
        let request = field(said, "request").unwrap();
        assert!(pending.contains(&request), "{request} was acknowledged and is lost");
    }
    let said = world.gate.json(&world.auditor.key, &["verify", "--replay"]).unwrap();
    assert!(said.contains("\"agrees\": true"), "{said}");
    drop(engine);
    signal(watcher, Signal::Continue).unwrap();
}

/// Killed when dropped, as by `kill -9`.
fn engine(world: &World) -> Tame {
    let engine = Tame::start(world.gate.command(&["engine"]).stdout(Stdio::null()).stderr(Stdio::null())).unwrap();
    until("engine to answer", || world.gate.json(&world.auditor.key, &["whoami"]).is_ok()).unwrap();
    engine
}

fn request(world: &World) -> std::process::Command {
    world.gate.as_person(
        &world.operator.key,
        &["--json", "request", "new", &world.account(), "--for", "30m", "--purpose", PURPOSE],
    )
}
