//! Bytes that no honest side sends: nothing panics, nothing grows, nothing is let through that was not read.

use proptest::prelude::*;
use transfers::Side;
use transfers::sftp::{Filter, Limits, Standing};

use super::chance::Chance;
use super::model::Model;
use super::packets;
use super::talk::{Came, Say, all_allowed, feed};

/// Small, so that conversations run into them.
fn tight() -> Limits {
    Limits {
        packet: 3000,
        path: 40,
        open: 3,
        waiting: 6,
        text: 100,
        reorder_file: 1000,
        reorder: 1500,
        answers: 300,
        keep_per_file: 100,
    }
}

fn mutated(mut said: Vec<Say>, chance: &mut Chance) -> Vec<Say> {
    for _ in 0..1 + chance.below(6) {
        let at = chance.below(said.len());
        let bytes = &mut said[at].bytes;
        if bytes.is_empty() {
            continue;
        }
        let near = if chance.one_in(2) { 40 } else { usize::MAX };
        let place = chance.below(bytes.len().min(near));
        match chance.below(6) {
            0 => bytes[place] = chance.next() as u8,
            1 => bytes[place] ^= 1 << chance.below(8),
            2 => drop(bytes.remove(place)),
            3 => bytes.insert(place, chance.next() as u8),
            4 => bytes.truncate(place),
            _ => {
                let again = said[at].clone();
                said.insert(at, again);
            }
        }
    }
    said
}

fn stream(said: &[Say], side: Side) -> Vec<u8> {
    said.iter().filter(|say| say.by == side).flat_map(|say| say.bytes.clone()).collect()
}

/// What went on are packets of the input, whole but for the last, in their order.
fn went_in_step(went: &[u8], input: &[u8], own: fn(&[u8]) -> bool) {
    let sent = packets::split(input);
    let mut sent = sent.iter();
    let went = packets::split(went);
    for (number, packet) in went.iter().enumerate() {
        let last = number + 1 == went.len();
        let found = own(packet) || sent.any(|one| one == packet || (last && one.starts_with(packet)));
        assert!(found, "packet {number} of what went on is none that came");
    }
}

fn stays_in_bounds(came: &Came, limits: &Limits, said: &[Say]) {
    assert!(came.most_memory <= limits.memory(), "{} > {}", came.most_memory, limits.memory());
    went_in_step(&came.to_target, &stream(said, Side::Client), |_| false);
    // Own answers are statuses in English; the model's are too, and are found either way.
    went_in_step(&came.to_client, &stream(said, Side::Target), |packet| packets::kind(packet) == 101);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_bytes_neither_panic_nor_grow_nor_lose_step(seed in any::<u64>(), steps in 1..60_usize) {
        let mut chance = Chance::new(seed);
        let model = Model::run(&mut chance, steps, |_| false);
        let said = mutated(model.said, &mut chance);
        let limits = if chance.one_in(2) { tight() } else { Limits::default() };
        let came = feed(&mut Filter::new(limits), &said, &mut chance, all_allowed);
        stays_in_bounds(&came, &limits, &said);
    }

    #[test]
    fn limits_refuse_or_end_but_never_grow(seed in any::<u64>(), steps in 1..200_usize) {
        let mut chance = Chance::new(seed);
        let model = Model::run(&mut chance, steps, |_| false);
        let came = feed(&mut Filter::new(tight()), &model.said, &mut chance, all_allowed);
        stays_in_bounds(&came, &tight(), &model.said);
    }

    #[test]
    fn any_bytes_are_survived(client in prop::collection::vec(any::<u8>(), 0..400), target in prop::collection::vec(any::<u8>(), 0..400), seed in any::<u64>()) {
        let mut said = vec![
            Say { by: Side::Client, bytes: packets::init(), after: 0 },
            Say { by: Side::Target, bytes: packets::version(), after: 9 },
        ];
        if seed % 3 == 0 {
            said.clear();
        }
        said.push(Say { by: Side::Client, bytes: client, after: 0 });
        said.push(Say { by: Side::Target, bytes: target, after: 0 });
        let came = feed(&mut Filter::new(tight()), &said, &mut Chance::new(seed), all_allowed);
        stays_in_bounds(&came, &tight(), &said);
    }

    #[test]
    fn packets_of_any_content_are_survived(bodies in prop::collection::vec((any::<bool>(), 0..30_u8, prop::collection::vec(0..4_u8, 0..60)), 0..40), seed in any::<u64>()) {
        let mut said = vec![
            Say { by: Side::Client, bytes: packets::init(), after: 0 },
            Say { by: Side::Target, bytes: packets::version(), after: 9 },
        ];
        for (client, kind, body) in bodies {
            let (by, kind) = if client { (Side::Client, kind) } else { (Side::Target, 100 + kind % 6) };
            said.push(Say { by, bytes: packets::packet(kind, &body), after: 0 });
        }
        let came = feed(&mut Filter::new(tight()), &said, &mut Chance::new(seed), all_allowed);
        stays_in_bounds(&came, &tight(), &said);
        // Nothing is broken off without a word.
        prop_assert!(came.standing.is_some());
    }

    #[test]
    fn nothing_passes_after_the_end(seed in any::<u64>(), steps in 1..60_usize) {
        let mut chance = Chance::new(seed);
        let model = Model::run(&mut chance, steps, |_| false);
        let said = mutated(model.said, &mut chance);
        let mut filter = Filter::new(Limits::default());
        let came = feed(&mut filter, &said, &mut chance, all_allowed);
        if matches!(came.standing, Some(Standing::Broken(_))) {
            let passed = filter.client(&packets::of_path(13, 9, "x"), &mut transfers::AllowAll);
            prop_assert!(passed.to_target.is_empty() && passed.to_client.is_empty() && passed.facts.is_empty());
            let passed = filter.target(&packets::status(9, 0), &mut transfers::AllowAll);
            prop_assert!(passed.to_target.is_empty() && passed.to_client.is_empty() && passed.facts.is_empty());
        }
    }
}
