//! Sessions that front lost: ended in the ledger as soon as front's line is back and says which it still has.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::collections::BTreeSet;
use std::time::Duration;

use channel::front::{FrontAnswer, FrontAsk};
use domain::event::{Event, SessionEnding};
use domain::{Entry, SessionId};
use store::{Order, Reader};
use worlds::{FakeFront, World};

use crate::passage::{Scene, scene};

/// How long after the line is there the ends may take; the rule's own number.
const WITHIN: Duration = Duration::from_secs(5);

/// So many sessions of one operator.
async fn opened(s: &mut Scene, count: usize) -> BTreeSet<SessionId> {
    let (request, statement) = s.world.request(&s.operator, s.account, "rotate WAL archive, CHG-142").await.unwrap();
    s.world.approve(&s.owner, request, statement).await.unwrap();
    for _ in 0..count {
        s.front.open(&s.operator).await.unwrap();
    }
    s.world.engine.state().passage.sessions.keys().copied().collect()
}

async fn says_it_has(front: &mut FakeFront, sessions: BTreeSet<SessionId>) {
    let told = tokio::time::timeout(WITHIN, front.ask(FrontAsk::Live { sessions })).await;
    assert!(matches!(told, Ok(FrontAnswer::Noted)), "{told:?}");
}

/// Those whose end stands in the ledger, each with how.
fn ends(world: &World) -> Vec<(SessionId, SessionEnding)> {
    let reader = Reader::open(world.dir.path().join("ledger")).unwrap();
    let stored = reader.by_kind("session.ended", 0..u64::MAX, Order::OldestFirst, store::MAX_PAGE).unwrap();
    let end = |stored: &store::Entry| match Entry::decode(&stored.bytes).unwrap().event {
        Event::SessionEnded(ended) => (ended.session, ended.ending),
        other => panic!("{other:?}"),
    };
    stored.iter().map(end).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_front_lost_are_ended_within_five_seconds_of_its_line_coming_back() {
    let mut s = scene().await;
    let mut all = opened(&mut s, 30).await;
    let kept = all.pop_first().unwrap();
    s.front = FakeFront::connect(&s.world).await;
    says_it_has(&mut s.front, [kept].into()).await;
    let ended: BTreeSet<SessionId> = ends(&s.world).into_iter().map(|(session, _)| session).collect();
    assert_eq!(ended, all, "when front is answered, the ends stand");
    assert!(ends(&s.world).iter().all(|(_, how)| *how == SessionEnding::GatewayLost));
    assert_eq!(s.world.engine.state().passage.sessions.keys().copied().collect::<Vec<_>>(), [kept]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_front_lost_while_engine_was_away_are_ended_within_five_seconds_of_its_start() {
    let mut s = scene().await;
    let all = opened(&mut s, 10).await;
    drop(s.front);
    s.world = s.world.restart_engine().await;
    assert!(ends(&s.world).is_empty(), "until front speaks they may live on in it");
    let mut front = FakeFront::connect(&s.world).await;
    says_it_has(&mut front, BTreeSet::new()).await;
    assert_eq!(ends(&s.world).len(), all.len());
    assert!(s.world.engine.state().passage.sessions.is_empty());
}

/// Front says it again each time it connects, and its line may come and go while ends are being written.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_session_ends_once_however_often_front_says_that_it_is_gone() {
    let mut s = scene().await;
    let all = opened(&mut s, 5).await;
    for _ in 0..3 {
        s.front = FakeFront::connect(&s.world).await;
        says_it_has(&mut s.front, BTreeSet::new()).await;
    }
    assert_eq!(ends(&s.world).len(), all.len());
}
