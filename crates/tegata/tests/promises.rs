//! As `domain/tests/promises.rs`, with real signatures; and every grant that is made, however the world came to it, has a tegata that verifies.

#[path = "../../domain/tests/world/steps.rs"]
mod steps;
#[path = "../../domain/tests/world/mod.rs"]
mod world;

mod real;

use std::cell::RefCell;
use std::collections::BTreeMap;

use domain::decide::still_stands;
use domain::{GrantId, PersonId};
use proptest::test_runner::TestCaseError;
use real::{RealPen, tegata, trust};
use steps::{Play, runner, steps};
use world::World;
use world::oracle::Broken;

const CASES: u32 = 200;
const LONGEST: usize = 60;

#[test]
fn every_passage_is_signed_for_by_another_person_and_every_grant_has_a_proof() {
    let start = Play::new(RealPen, 1).expect("a sound world");
    let totals = RefCell::new((BTreeMap::new(), 0_u64));
    let (mut runner, size) = runner(CASES);
    let outcome = runner.run(&steps(LONGEST), |steps| {
        let mut play = start.clone();
        let proved = RefCell::new(0);
        let watched = play.run_watched(&steps, |world, grant| {
            *proved.borrow_mut() += 1;
            proof_is_good(world, grant)
        });
        watched.map_err(TestCaseError::fail)?;
        let later: Vec<GrantId> = play.world.state.passage.grants.keys().copied().collect();
        later.iter().try_for_each(|grant| proof_is_good(&play.world, *grant)).map_err(TestCaseError::fail)?;
        let (seen, grants) = &mut *totals.borrow_mut();
        play.oracle.seen.iter().for_each(|(kind, count)| *seen.entry(*kind).or_insert(0_u64) += count);
        *grants += *proved.borrow();
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("up to {LONGEST} steps, {size}\n{failure}");
    }
    let (seen, grants) = totals.into_inner();
    println!("up to {LONGEST} steps, {size}, {grants} proofs\naccepted: {seen:?}");
    assert!(
        grants > 200 && seen.get("session.opened").is_some_and(|count| *count > 200),
        "the generator hardly ever granted anything"
    );
}

/// The tegata verifies, names who asked and who agreed, and says of the moment of granting what the whole state says.
fn proof_is_good(world: &World<RealPen>, grant: GrantId) -> Result<(), Broken> {
    let verified = tegata(world, grant)
        .verify(&trust(world))
        .map_err(|fault| format!("the tegata of {grant} does not verify: {fault}"))?;
    let found = &world.state.passage.grants[&grant];
    let verdict = verified.verdict();
    let approvers: Vec<PersonId> = verdict.approvers.iter().map(|voice| voice.person).collect();
    let expected: Vec<PersonId> = found.request.approvals.iter().map(|a| a.person).collect();
    if verdict.requester.person != found.request.requester
        || approvers != expected
        || verdict.request != found.request.fields
    {
        return Err(format!("the verdict names others: {verdict:?}"));
    }
    let at = world.at();
    match (still_stands(&world.state, &grant, at), verified.would_stand(at)) {
        (Ok(ours), Ok(theirs)) if ours != theirs => Err(format!("the proof gives {theirs:?}, the state {ours:?}")),
        (Ok(_), Err(why)) => Err(format!("the proof gives nothing ({why}) where the state gives something")),
        _ => Ok(()),
    }
}
