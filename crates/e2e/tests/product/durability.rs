//! Acknowledged means durable: engine is killed again and again while people work.

use std::time::Duration;

use e2e::{PURPOSE, World};
use testkit::installation::Process;
use testkit::process::{Signal, pause, until};

/// How often it is killed.
const KILLS: u32 = 60;

#[test]
fn nothing_acknowledged_is_lost_over_many_kills_long() {
    let world = World::new();
    let mut acknowledged = Vec::new();
    for round in 0..KILLS {
        let request = world.gate.request(&world.operator, &world.account(), "30m", PURPOSE);
        acknowledged.extend(request);
        // At another moment each time, from before the next write to well after it.
        let mut next = world.gate.as_person(
            &world.operator.key,
            &["--json", "request", "new", &world.account(), "--for", "30m", "--purpose", PURPOSE],
        );
        let racing = std::thread::spawn(move || testkit::process::run(&mut next));
        pause(Duration::from_millis(u64::from(round % 12) * 4));
        world.gate.signal(Process::Engine, Signal::Kill).unwrap();
        acknowledged
            .extend(racing.join().unwrap().ok().and_then(|said| testkit::installation::field(&said, "request").ok()));
        until("engine is back", || world.gate.json(&world.auditor.key, &["whoami"]).is_ok()).unwrap();
    }
    assert!(acknowledged.len() >= KILLS as usize, "only {} of {KILLS} were answered", acknowledged.len());
    let pending = world.gate.json(&world.owner.key, &["request", "list"]).unwrap();
    for request in &acknowledged {
        assert!(pending.contains(request.as_str()), "{request} was acknowledged and is lost");
    }
    let said = world.gate.json(&world.auditor.key, &["verify", "--replay"]).unwrap();
    assert!(said.contains("\"agrees\": true"), "{said}");
}
