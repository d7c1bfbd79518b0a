//! Refusals beyond the cap: counted, and told in one entry at most once a minute.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::collections::BTreeMap;
use std::time::Duration;

use domain::event::{Attempt, Event};
use domain::statement::Deed;
use domain::{Entry, GrantId, Refusal};
use engine::clock::Clock;
use store::{Order, Reader};
use worlds::World;

use crate::passage::{Scene, scene};

/// What one person may have written one by one in a minute.
const WRITTEN: usize = 20;
/// The writer looks at the clock more often than this, so what it would tell it has told.
const SOME_TICKS: Duration = Duration::from_millis(1_600);

/// Into the first seconds of a minute, so that the test's own time does not lead into the next.
fn begin_a_minute(world: &World) {
    let second = world.clock.wall().seconds().rem_euclid(60);
    world.clock.pass(62 - second);
}

async fn refused(s: &Scene, times: usize) {
    for n in 0..times {
        let grant = GrantId::from_random([u8::try_from(n).unwrap(); 16]);
        let said = s.world.deed(&s.operator, Deed::GrantReturn { grant }, vec![]).await;
        assert_eq!(said.map(drop), Err(Refusal::GrantUnknown { grant }));
    }
}

fn of_kind(world: &World, kind: &str) -> Vec<Event> {
    let reader = Reader::open(world.dir.path().join("ledger")).unwrap();
    let stored = reader.by_kind(kind, 0..u64::MAX, Order::OldestFirst, store::MAX_PAGE).unwrap();
    stored.iter().map(|stored| Entry::decode(&stored.bytes).unwrap().event).collect()
}

fn counts(world: &World) -> Vec<BTreeMap<Attempt, u64>> {
    let count = |event| match event {
        Event::RefusalsOverflowed(overflowed) => overflowed.counts,
        other => panic!("{other:?}"),
    };
    of_kind(world, "refusal.overflowed").into_iter().map(count).collect()
}

async fn until_counted(world: &World, entries: usize) {
    let counted = async {
        while counts(world).len() < entries {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), counted).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_beyond_the_cap_are_counted_in_one_entry_at_most_once_a_minute() {
    let s = scene().await;
    begin_a_minute(&s.world);
    let before = of_kind(&s.world, "refusal.recorded").len();
    refused(&s, WRITTEN + 1).await;
    assert_eq!(of_kind(&s.world, "refusal.recorded").len(), before + WRITTEN, "one by one up to the cap");
    until_counted(&s.world, 1).await;
    for _ in 0..3 {
        refused(&s, 5).await;
        tokio::time::sleep(SOME_TICKS / 3).await;
    }
    tokio::time::sleep(SOME_TICKS).await;
    assert_eq!(counts(&s.world).len(), 1, "the minute has had its entry");
    s.world.clock.pass(60);
    until_counted(&s.world, 2).await;
    tokio::time::sleep(SOME_TICKS).await;
    let counts = counts(&s.world);
    assert_eq!(counts.len(), 2, "nothing new to count, nothing to tell");
    let all: u64 = counts.iter().flat_map(BTreeMap::values).sum();
    assert_eq!(all, 1 + 3 * 5, "none is lost and none is told twice");
}
