//! Clocks set forward and back: doubted, nothing written until two persons confirm, nothing expired by the jump.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::collections::BTreeSet;
use std::time::Duration;

use channel::front::{FrontAnswer, FrontAsk};
use domain::motion::Act;
use domain::{Refusal, Timestamp};
use engine::clock::Clock;
use worlds::{FakeFront, SetClock};

use crate::passage::{Scene, scene};

async fn confirm(s: &Scene, time: Timestamp) {
    s.world.enact(&s.founder, &s.other, Act::ClockConfirm { time }, vec![]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_forward_holds_everything_until_two_persons_confirm_it() {
    let mut s = scene().await;
    let (request, statement) = s.world.request(&s.operator, s.account, "rotate WAL archive, CHG-142").await.unwrap();
    let grant = s.world.approve(&s.owner, request, statement).await.unwrap().grant.unwrap();
    let session = s.front.open(&s.operator).await.unwrap().session;

    s.world.clock.set_wall(3 * 24 * 3600);
    assert_eq!(
        s.world.request(&s.operator, s.account, "restore backup of shop db").await.unwrap_err(),
        Refusal::ClockDoubted
    );
    assert_eq!(s.front.open(&s.operator).await.unwrap_err(), Refusal::ClockDoubted);
    let state = s.world.engine.state();
    assert!(state.passage.grants.contains_key(&grant), "a jump expires nothing");
    assert!(state.passage.sessions.contains_key(&session));

    s.world.clock.set_wall(-3 * 24 * 3600);
    confirm(&s, s.world.clock.wall()).await;
    s.front.open(&s.operator).await.expect("the grant stands as it did before the jump");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_back_is_doubted_and_no_entry_goes_back() {
    let s = scene().await;
    let before = s.world.engine.state().journal.time.unwrap();
    s.world.clock.set_wall(-3600);
    assert_eq!(
        s.world.request(&s.operator, s.account, "restore backup of shop db").await.unwrap_err(),
        Refusal::ClockDoubted
    );
    assert!(s.world.engine.state().journal.time.unwrap() >= before);
    s.world.clock.set_wall(3600);
    confirm(&s, s.world.clock.wall()).await;
    s.world.request(&s.operator, s.account, "restore backup of shop db").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_persons_word_on_the_time_is_not_enough_nor_is_a_time_far_from_the_clock() {
    let s = scene().await;
    s.world.clock.set_wall(7200);
    assert_eq!(
        s.world.request(&s.operator, s.account, "restore backup of shop db").await.unwrap_err(),
        Refusal::ClockDoubted
    );
    let wrong = s.world.clock.wall().plus(std::time::Duration::from_secs(900));
    let fields = domain::statement::MotionFields {
        motion: domain::MotionId::from_random(engine::random::bytes()),
        proposer: s.founder.persona,
        act: Act::ClockConfirm { time: wrong },
    };
    let signed = s.world.sign(&s.founder, &fields);
    let statement = tegata::statement::hash(&tegata::statement::signed_bytes(&s.world.origin, &fields, &signed));
    let (motion, before) = (fields.motion, s.world.engine.state().journal.time);
    s.world.client(&s.founder).await.submit(channel::api::Submission::Motion { fields, signed }, vec![]).await.unwrap();
    assert_eq!(s.world.engine.state().journal.time, before, "one person does not move the ledger's time");
    let fields = domain::statement::SecondFields { motion, statement, seconder: s.other.persona };
    let signed = s.world.sign(&s.other, &fields);
    let outcome =
        s.world.client(&s.other).await.submit(channel::api::Submission::Second { fields, signed }, vec![]).await;
    assert!(matches!(outcome, Err(Refusal::ClockFarFromConfirmed { .. })), "{outcome:?}");
    assert!(s.world.engine.state().journal.clock_doubt.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn time_that_passes_ends_a_grant_without_any_job_having_run() {
    let mut s = scene().await;
    let (request, statement) = s.world.request(&s.operator, s.account, "rotate WAL archive, CHG-142").await.unwrap();
    s.world.approve(&s.owner, request, statement).await.unwrap();
    s.front.open(&s.operator).await.unwrap();
    s.world.clock.pass(601);
    assert!(matches!(s.front.open(&s.operator).await, Err(Refusal::GrantOver { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_at_rest_for_more_than_a_week_is_confirmed_by_two_persons() {
    let s = scene().await;
    drop(s.front);
    s.world.clock.pass(8 * 24 * 3600);
    let world = s.world.restart_engine().await;
    assert_eq!(
        world.request(&s.operator, s.account, "restore backup of shop db").await.unwrap_err(),
        Refusal::ClockDoubted
    );
    world.enact(&s.founder, &s.other, Act::ClockConfirm { time: world.clock.wall() }, vec![]).await;
    world.request(&s.operator, s.account, "restore backup of shop db").await.unwrap();
}

/// A grant of an hour, a stop, and a start with the clock as `changed` left it.
async fn woken(changed: impl FnOnce(&SetClock)) -> Scene {
    let mut s = scene().await;
    let hour = Duration::from_secs(3_600);
    let (request, statement) =
        s.world.request_for(&s.operator, s.account, "rotate WAL archive, CHG-142", hour).await.unwrap();
    s.world.approve(&s.owner, request, statement).await.unwrap();
    s.front.open(&s.operator).await.unwrap();
    drop(s.front);
    s.world = s.world.restart_engine_after(changed).await;
    s.front = FakeFront::connect(&s.world).await;
    assert!(matches!(s.front.ask(FrontAsk::Live { sessions: BTreeSet::new() }).await, FrontAnswer::Noted));
    s
}

const TWENTY_MINUTES: i64 = 20 * 60;

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_ahead_during_a_stop_opens_nothing_to_a_target_whose_clock_says_otherwise() {
    let mut s = woken(|clock| clock.set_wall(TWENTY_MINUTES)).await;
    assert!(matches!(s.front.open(&s.operator).await, Err(Refusal::ClockUnseen { .. })), "what was seen before is old");
    s.front.answer_probe(-TWENTY_MINUTES * 1_000).await;
    assert!(matches!(s.front.open(&s.operator).await, Err(Refusal::ClockFar { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_stop_opens_again_as_soon_as_the_targets_clock_was_seen() {
    let mut s = woken(|clock| clock.pass(TWENTY_MINUTES)).await;
    assert!(matches!(s.front.open(&s.operator).await, Err(Refusal::ClockUnseen { .. })));
    s.front.answer_probe(12).await;
    s.front.open(&s.operator).await.unwrap();
}

/// A target that was just starting too is not waited for until the hourly look.
#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_failed_after_a_stop_is_tried_again_within_a_minute() {
    let mut s = woken(|clock| clock.pass(TWENTY_MINUTES)).await;
    s.front.fail_probe().await;
    assert!(matches!(s.front.open(&s.operator).await, Err(Refusal::ClockUnseen { .. })));
    s.world.clock.pass(60);
    s.front.answer_probe(12).await;
    s.front.open(&s.operator).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_stop_needs_no_look_at_any_clock() {
    let mut s = woken(|clock| clock.pass(60)).await;
    s.front.open(&s.operator).await.unwrap();
}
