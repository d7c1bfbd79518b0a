//! How long a passage takes, printed and not asserted.

use std::time::{Duration, Instant};

use domain::rule::Channel;

use crate::bench::Bench;

const ROUNDS: usize = 60;

#[test]
fn passage_time_is_printed() {
    let mut bench = Bench::ready();
    let mut first = Vec::new();
    let mut again = Vec::new();
    for _ in 0..ROUNDS {
        let grant = bench.world.grant(&[Channel::Shell]);
        first.push(timed(&mut bench, &grant));
        again.push(timed(&mut bench, &grant));
    }
    for (name, mut times) in [("first on a grant", first), ("next on the grant", again)] {
        times.sort();
        println!(
            "passage, {name}: p50 {} us, p95 {} us",
            times[ROUNDS / 2].as_micros(),
            times[ROUNDS * 19 / 20].as_micros()
        );
    }
}

fn timed(bench: &mut Bench, grant: &domain::GrantId) -> Duration {
    let opened = bench.open(grant);
    let ask = bench.passage(grant, opened);
    #[expect(clippy::disallowed_methods, reason = "a measurement")]
    let begin = Instant::now();
    let answer = bench.keeper.answer(ask);
    let took = begin.elapsed();
    assert!(matches!(answer, channel::keeper::Answer::Certified { .. }), "{answer:?}");
    took
}
