//! Requester and approver are different natural persons, whatever persona, key or record is used.

use e2e::{PURPOSE, World};

#[track_caller]
fn approval_is_refused(world: &World, who: &testkit::Person, request: &str) {
    let (code, said) = world.refused(who, &["request", "approve", request]);
    assert_eq!(code, 1, "{}: {said}", who.role);
    assert!(!world.exec(&world.owner, "echo in").status.success(), "{} let the requester in", who.role);
}

#[test]
fn nobody_approves_for_themselves_by_persona_or_by_a_second_record() {
    let world = World::new();
    let by = (&world.founders.0, &world.founders.1);
    let other_persona = world.gate.add_persona(by, &world.owner, "owner-other", "admin").unwrap();
    let puppet = world.gate.add_person(by, "sock-puppet", &["system-owners"]).unwrap();
    // The owner is among the approvers; so is every face of theirs.
    let request = world.gate.request(&world.owner, &world.account(), "10m", PURPOSE).unwrap();
    approval_is_refused(&world, &world.owner, &request);
    approval_is_refused(&world, &other_persona, &request);
    world.gate.carry(by, &["person", "link", &world.owner.person, &puppet.person]).unwrap();
    approval_is_refused(&world, &puppet, &request);
}

#[test]
fn a_research_persona_asks_for_nothing_and_approves_nothing() {
    let world = World::new();
    let by = (&world.founders.0, &world.founders.1);
    let research = world.gate.add_persona(by, &world.owner, "research", "research").unwrap();
    let (code, _) =
        world.refused(&research, &["request", "new", &world.account(), "--for", "10m", "--purpose", PURPOSE]);
    assert_eq!(code, 1);
    let request = world.gate.request(&world.operator, &world.account(), "10m", PURPOSE).unwrap();
    assert_eq!(world.refused(&research, &["request", "approve", &request]).0, 1);
    assert!(world.gate.approve(&world.owner, &request).unwrap().is_some(), "the same person's other persona may");
}

#[test]
fn one_person_alone_adds_nobody_and_joins_nothing() {
    let world = World::new();
    let said =
        world.gate.json(&world.founders.0.key, &["group", "join", "system-owners", &world.operator.person]).unwrap();
    let motion = testkit::installation::field(&said, "motion").unwrap();
    assert_eq!(world.refused(&world.founders.0, &["motion", "second", &motion]).0, 1, "seconded by its proposer");
    assert_eq!(world.refused(&world.operator, &["motion", "second", &motion]).0, 1, "seconded by its subject");
    let (code, _) = world.refused(&world.operator, &["group", "join", "system-owners", &world.auditor.person]);
    assert_eq!(code, 1, "proposed by nobody's administrator");
}

#[test]
fn two_approvers_at_once_give_one_grant() {
    let world = World::new();
    let by = (&world.founders.0, &world.founders.1);
    let second = world.gate.add_person(by, "second-owner", &["system-owners"]).unwrap();
    let request = world.gate.request(&world.operator, &world.account(), "10m", PURPOSE).unwrap();
    let mut race: Vec<_> = [&world.owner, &second]
        .map(|who| world.gate.as_person(&who.key, &["request", "approve", &request]))
        .into_iter()
        .map(|mut command| {
            std::thread::spawn(move || {
                testkit::process::output_within(&mut command, e2e::LIMIT).unwrap().status.success()
            })
        })
        .collect();
    let won = race.drain(..).map(|one| one.join().unwrap()).filter(|won| *won).count();
    assert!(won >= 1);
    let about = world.ledger_about(&request);
    assert_eq!(about.matches("\\\"kind\\\":\\\"grant.made\\\"").count(), 1, "{about}");
}
