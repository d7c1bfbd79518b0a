//! Approvers who come at the same moment, and approvers who are no longer approvers when it is counted.

use std::process::Command;

use e2e::{LIMIT, PURPOSE, World, text};
use testkit::Person;
use testkit::process::output_within;

use crate::ledger::{about, of_kind, only, replays};

/// As [`e2e::RULES`], with two approvals.
const TWO_APPROVALS: &str = "\
pending-limit = \"1h\"

[[rule]]
name = \"servers\"
requesters = \"operators\"
approvers = \"system-owners\"
approvals = 2
longest = \"1h\"
channels = [\"shell\", \"exec\"]
zone = \"server\"
";

/// A world whose rule asks for two approvals, and two more owners.
fn two_of_three() -> (World, Person, Person) {
    let world = World::new();
    let by = (&world.founders.0, &world.founders.1);
    world.gate.set_rules(by, TWO_APPROVALS).unwrap();
    let second = world.gate.add_person(by, "second-owner", &["system-owners"]).unwrap();
    let third = world.gate.add_person(by, "third-owner", &["system-owners"]).unwrap();
    (world, second, third)
}

/// Starts all at once, and gives what each said and whether it succeeded.
fn at_once(commands: Vec<Command>) -> Vec<(bool, String)> {
    let racing = commands.into_iter().map(|mut command| {
        std::thread::spawn(move || {
            let output = output_within(&mut command, LIMIT).unwrap();
            (output.status.success(), format!("{}{}", text(&output.stdout), text(&output.stderr)))
        })
    });
    let racing: Vec<_> = racing.collect();
    racing.into_iter().map(|one| one.join().unwrap()).collect()
}

fn asked(world: &World) -> String {
    world.gate.request(&world.operator, &world.account(), "10m", PURPOSE).unwrap()
}

fn opens(world: &World) -> bool {
    world.exec(&world.operator, "true").status.success()
}

#[test]
fn three_approvers_at_once_where_two_are_asked_for_give_one_grant_by_two() {
    let (world, second, third) = two_of_three();
    for _ in 0..4 {
        let request = asked(&world);
        let approve = |who: &Person| world.gate.as_person(&who.key, &["request", "approve", &request]);
        let outcomes = at_once(vec![approve(&world.owner), approve(&second), approve(&third)]);
        let passed = outcomes.iter().filter(|(passed, _)| *passed).count();
        assert!(passed >= 2 && outcomes.iter().all(|(_, said)| !said.contains("panicked")), "{outcomes:?}");
        let entries = about(&world, &request);
        let made = only(&entries, "grant.made");
        let given = of_kind(&entries, "approval.given");
        assert_eq!(
            given.len(),
            2,
            "the grant came with the second word, and nothing is approved after it: {entries:#?}"
        );
        assert!(given.iter().all(|one| one.seq < made.seq), "{entries:#?}");
        for (passed, said) in &outcomes {
            assert!(*passed || (said.contains("error") && said.contains("hint")), "{said}");
        }
        assert!(opens(&world));
        world.gate.json(&world.operator.key, &["grant", "return", &made.text("grant")]).unwrap();
    }
    replays(&world);
}

#[test]
fn one_approver_twice_at_once_is_one_approval() {
    let (world, ..) = two_of_three();
    let request = asked(&world);
    let approve = || world.gate.as_person(&world.owner.key, &["request", "approve", &request]);
    let outcomes = at_once(vec![approve(), approve()]);
    assert_eq!(outcomes.iter().filter(|(passed, _)| *passed).count(), 1, "{outcomes:?}");
    let entries = about(&world, &request);
    only(&entries, "approval.given");
    assert!(of_kind(&entries, "grant.made").is_empty() && !opens(&world), "{entries:#?}");
}

#[test]
fn an_approver_removed_while_it_is_pending_no_longer_counts() {
    let (world, second, third) = two_of_three();
    let request = asked(&world);
    assert_eq!(world.gate.approve(&world.owner, &request).unwrap(), None);
    world.gate.json(&world.founders.0.key, &["group", "leave", "system-owners", &world.owner.person]).unwrap();
    assert_eq!(world.gate.approve(&second, &request).unwrap(), None, "one of the two has left the group");
    assert!(!opens(&world));
    assert!(world.gate.approve(&third, &request).unwrap().is_some(), "two members agree now");
    assert!(opens(&world));
    let (_, said) = world.refused(&world.owner, &["request", "approve", &asked(&world)]);
    assert!(said.contains("error") && said.contains("hint"), "no member, nothing approved: {said}");
}

#[test]
fn an_approval_racing_with_the_approvers_removal_counts_only_if_it_came_first() {
    let world = World::new();
    let by = (&world.founders.0, &world.founders.1);
    for _ in 0..4 {
        let request = asked(&world);
        let outcomes = at_once(vec![
            world.gate.as_person(&world.owner.key, &["request", "approve", &request]),
            world.gate.as_person(&world.founders.0.key, &["group", "leave", "system-owners", &world.owner.person]),
        ]);
        assert!(outcomes[1].0, "{outcomes:?}");
        let left = about(&world, &world.owner.person);
        let left = of_kind(&left, "group.left").last().unwrap().seq;
        let entries = about(&world, &request);
        let made = of_kind(&entries, "grant.made");
        assert_eq!(outcomes[0].0, made.len() == 1, "{outcomes:?} {entries:#?}");
        assert!(made.iter().all(|one| one.seq < left), "granted by who had left the group: {entries:#?}");
        if let Some(made) = made.first() {
            world.gate.json(&world.operator.key, &["grant", "return", &made.text("grant")]).unwrap();
        } else {
            world.gate.json(&world.operator.key, &["request", "withdraw", &request]).unwrap();
        }
        world.gate.carry(by, &["group", "join", "system-owners", &world.owner.person]).unwrap();
    }
    replays(&world);
}

/// Fail closed: a suspect's word taints what it stands under, though others agree as well.
#[test]
fn an_approver_frozen_while_it_is_pending_opens_nothing_by_any_order() {
    let (world, second, third) = two_of_three();
    let request = asked(&world);
    assert_eq!(world.gate.approve(&world.owner, &request).unwrap(), None);
    let frozen = ["person", "freeze", &world.owner.person, "--reason", "a key of theirs was found elsewhere"];
    world.gate.json(&world.founders.0.key, &frozen).unwrap();
    assert_eq!(world.gate.approve(&second, &request).unwrap(), None, "a suspect's approval does not count");
    assert!(!opens(&world));
    world.gate.approve(&third, &request).unwrap();
    assert!(!opens(&world), "a suspect's word is under it");
    let (code, said) = world.refused(&world.owner, &["request", "approve", &asked(&world)]);
    assert!(code == 1 && said.contains("error"), "a suspect approves nothing: {code} {said}");
    let clean = asked(&world);
    world.gate.approve(&second, &clean).unwrap();
    assert!(world.gate.approve(&third, &clean).unwrap().is_some());
    let two_stand = world.exec(&world.operator, "echo in");
    assert!(two_stand.status.success(), "what others asked and agreed to is unharmed: {}", text(&two_stand.stderr));
}
