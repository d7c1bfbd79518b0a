//! P1 and P5 over random command sequences by random actors, each step judged by the oracle. Signatures are empty here; tegata's tests have real ones.
//!
//! Generated: sock puppets with and without another human's help, further personas (research too), keys added, enrolled, retired and recovered,
//! groups joined and left, policies changed and identities linked while requests are pending or granted, freezes, thaws, leaving, revocation,
//! replays, foreign statement hashes, foreign personas and actors, expired and long-lived statements, used nonces and ids, time that jumps past
//! ends and goes back, a doubted clock. Not generated: several engines at once, crashes, broken hashes or signatures.

#[path = "world/steps.rs"]
mod steps;
mod world;

use std::collections::BTreeMap;

use domain::RefusalCode;
use proptest::test_runner::TestCaseError;
use steps::{Play, runner, steps};
use world::FakePen;

const CASES: u32 = 2_000;
const LONGEST: usize = 80;

#[test]
fn every_passage_has_another_persons_approval_and_every_state_is_the_fold_of_its_ledger() {
    let start = Play::new(FakePen, 1).expect("a sound world");
    let totals = std::cell::RefCell::new((BTreeMap::new(), BTreeMap::new()));
    let (mut runner, size) = runner(CASES);
    let outcome = runner.run(&steps(LONGEST), |steps| {
        let mut play = start.clone();
        play.run(&steps).map_err(TestCaseError::fail)?;
        let (seen, refused) = &mut *totals.borrow_mut();
        play.oracle.seen.iter().for_each(|(kind, count)| *seen.entry(*kind).or_insert(0) += count);
        play.refused.iter().for_each(|(code, count)| *refused.entry(*code).or_insert(0) += count);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("up to {LONGEST} steps, {size}\n{failure}");
    }
    let (seen, refused) = totals.into_inner();
    println!("up to {LONGEST} steps, {size}\naccepted: {seen:?}\nrefused: {refused:?}");
    for kind in [
        "session.opened",
        "grant.made",
        "motion.carried",
        "person.frozen",
        "grant.revoked",
        "recovery.completed",
        "clock.doubted",
    ] {
        assert!(seen.get(kind).is_some_and(|count| *count > 10), "the generator hardly ever made a {kind}");
    }
    for code in [
        RefusalCode::ApproverIsRequester,
        RefusalCode::ApproverIsBeneficiary,
        RefusalCode::ApprovedAlready,
        RefusalCode::SeconderIsProposer,
    ] {
        assert!(refused.get(&code).is_some_and(|count| *count > 10), "the generator hardly ever met {code}");
    }
}
