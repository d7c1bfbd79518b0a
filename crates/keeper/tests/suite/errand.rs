//! Errands: a probe's certificate, forced to one command, and what is refused.

use channel::keeper::{Ask, ErrandOrder, KeeperRefusal};
use domain::decide::PROBE_REACH;
use domain::event::{ErrandOpened, Event};
use domain::motion::{Act, Principal};
use domain::{Actor, TargetId, Window};
use keeper::Config;
use tegata::closure;

use crate::bench::{Bench, listed};
use crate::world::{committed, label, seconds, signer};

fn open(bench: &mut Bench) -> u64 {
    let errand = bench.world.errand();
    bench.world.record(Event::ErrandOpened(errand), Actor::Engine)
}

fn forged(bench: &mut Bench, forge: impl FnOnce(&mut ErrandOpened)) -> Ask {
    let mut errand = bench.world.errand();
    forge(&mut errand);
    let seq = bench.world.force(Event::ErrandOpened(errand), Actor::Engine);
    Ask::Errand(order(bench, seq))
}

fn order(bench: &mut Bench, seq: u64) -> ErrandOrder {
    let last = bench.last();
    bench.world.errand_order(seq, last)
}

#[track_caller]
fn assert_differs(refusal: &KeeperRefusal, because: &str) {
    assert!(matches!(refusal, KeeperRefusal::EntryDiffers { why } if why.contains(because)), "{refusal:?}");
}

#[test]
fn a_probe_is_certified_for_its_one_command_and_openssh_reads_it() {
    let mut bench = Bench::with(Config::new(vec!["192.0.2.7/32".parse().unwrap()]).unwrap());
    let seq = open(&mut bench);
    let ask = Ask::Errand(order(&mut bench, seq));
    let (_, view) = bench.certified(ask);
    let spec = view.spec();
    assert_eq!(spec.force_command.as_deref(), Some("date -u +%s.%N"));
    assert!(spec.permits.is_empty() && spec.private_extensions.is_empty());
    assert!(spec.principals[0].as_str().starts_with("e-"));
    assert_eq!(bench.status().last_serial, Some(1));

    let seq = open(&mut bench);
    let ask = Ask::Errand(order(&mut bench, seq));
    let channel::keeper::Answer::Certified { certificate, .. } = bench.keeper.answer(ask) else { panic!() };
    let listed = listed(&certificate);
    for line in ["force-command date -u +%s.%N", "source-address 192.0.2.7/32", "Extensions: (none)", "Serial: 2"] {
        assert!(listed.contains(line), "`{line}` is not in\n{listed}");
    }
}

#[test]
fn an_errand_that_is_not_recorded_is_refused() {
    let mut bench = Bench::ready();
    let ask = forged(&mut bench, |errand| errand.recorded = None);
    assert_differs(&bench.refused(ask), "not recorded");
}

#[test]
fn an_errand_that_nobody_agreed_to_is_refused() {
    let mut bench = Bench::ready();
    let other = TargetId::from_random([66; 16]);
    let host_keys = [signer(78).public_key().clone()].into();
    bench.world.carry(Act::TargetAdd {
        target: other,
        label: label("db2"),
        zone: label("shop"),
        tier: 0,
        address: committed("db2.shop.test:22"),
        host_keys,
        errands: domain::motion::Errands { kinds: [].into(), login: label("sekimori") },
    });
    bench.world.target = other;
    let ask = forged(&mut bench, |_| {});
    assert_differs(&bench.refused(ask), "errand-not-allowed");
}

#[test]
fn an_errand_that_says_other_than_its_target_is_refused() {
    type Forge = fn(&mut ErrandOpened);
    let forgeries: [(&str, Forge, &str); 4] = [
        ("a person's principal", |o| o.principal = Principal::from_random([8; 16]), "session-malformed"),
        (
            "another target's principal",
            |o| o.principal = Principal::of_errands(&TargetId::from_random([9; 16])),
            "session-malformed",
        ),
        ("an unknown target", |o| o.target = TargetId::from_random([9; 16]), "target-unknown"),
        ("a founder's key", |o| o.subject = signer(1).public_key().clone(), "session-malformed"),
    ];
    for (what, forge, because) in forgeries {
        let mut bench = Bench::ready();
        let ask = forged(&mut bench, forge);
        let refusal = bench.refused(ask);
        assert!(
            matches!(&refusal, KeeperRefusal::EntryDiffers { why } if why.contains(because)),
            "{what}: {refusal:?}"
        );
    }
}

#[test]
fn an_errand_reaches_a_day_and_holds_by_the_keepers_own_clock() {
    let mut bench = Bench::ready();
    let now = bench.world.now;
    let valid = Window::new(now, now.plus(PROBE_REACH + seconds(1))).unwrap();
    let ask = forged(&mut bench, |opened| opened.valid = valid);
    assert_differs(&bench.refused(ask), "session-malformed");
    let seq = open(&mut bench);
    for clock in [now.plus(seconds(60)), now.minus(seconds(31))] {
        bench.set_clock(clock);
        let ask = Ask::Errand(order(&mut bench, seq));
        assert!(matches!(bench.refused(ask), KeeperRefusal::NotStanding { .. }));
    }
}

/// The kind of an errand fixes its command: what an entry could say beside it does not read.
#[test]
fn a_forced_command_cannot_be_forged() {
    let mut bench = Bench::ready();
    let seq = open(&mut bench);
    let genuine = order(&mut bench, seq);
    for (from, to) in [
        ("\"kind\":\"probe\"", "\"kind\":\"rotate\""),
        ("\"kind\":\"probe\"", "\"kind\":\"probe\",\"command\":\"sh\""),
        ("\"kind\":\"probe\"", "\"kind\":{\"probe\":\"sh\"}"),
    ] {
        let text = bench.world.text(seq);
        let forged = text.replace(from, to);
        assert_ne!(forged, text);
        let mut in_place = genuine.clone();
        *in_place.entries.last_mut().unwrap() = forged.clone();
        assert!(
            matches!(bench.refused(Ask::Errand(in_place)), KeeperRefusal::NoProof { .. }),
            "not what stands in the ledger"
        );

        let mut other = Bench::ready();
        other.world.tree.append(ledger::leaf_hash(forged.as_bytes()));
        other.world.entries.push(forged);
        let seq = other.world.tree.size() - 1;
        let ask = Ask::Errand(order(&mut other, seq));
        assert!(matches!(other.refused(ask), KeeperRefusal::Malformed { .. }), "{to} in the ledger itself");
    }
}

#[test]
fn only_the_engine_runs_errands_and_serials_rise() {
    let mut bench = Bench::ready();
    let errand = bench.world.errand();
    let actor = bench.world.operator.actor();
    let seq = bench.world.force(Event::ErrandOpened(errand), actor);
    let ask = Ask::Errand(order(&mut bench, seq));
    assert_differs(&bench.refused(ask), "anybody but the engine");

    let seq = open(&mut bench);
    let ask = Ask::Errand(order(&mut bench, seq));
    bench.certified(ask.clone());
    let again = Ask::Errand(order(&mut bench, seq));
    assert!(matches!(bench.refused(again), KeeperRefusal::SerialUsed { .. }));
}

#[test]
fn no_entry_of_an_errands_proof_can_be_left_out_and_the_last_is_the_errand() {
    let mut bench = Bench::ready();
    let seq = open(&mut bench);
    let genuine = order(&mut bench, seq);
    for left_out in genuine.proof.indices.clone() {
        let seqs = genuine.proof.indices.iter().copied().filter(|seq| *seq != left_out).collect();
        let (proof, entries) = bench.world.proof_of(&seqs);
        let order = ErrandOrder { proof, entries, ..genuine.clone() };
        let refusal = bench.refused(Ask::Errand(order));
        let expected = matches!(refusal, KeeperRefusal::NoProof { .. } | KeeperRefusal::EntryDiffers { .. });
        assert!(expected, "without {left_out}: {refusal:?}");
    }
    let mut seqs = closure::of_target(&bench.world.state, &bench.world.target);
    seqs.insert(seq);
    let after = bench.world.record(Event::EngineStarted(domain::event::EngineStarted { fold: 1 }), Actor::Engine);
    seqs.insert(after);
    let (proof, entries) = bench.world.proof_of(&seqs);
    let last = bench.last();
    let ask = Ask::Errand(ErrandOrder { head: bench.world.extension(last), proof, entries });
    assert_differs(&bench.refused(ask), "not `errand.opened`");
    let mut crowded = genuine;
    crowded.entries = vec!["{}".to_owned(); 2_001];
    assert!(matches!(bench.refused(Ask::Errand(crowded)), KeeperRefusal::Malformed { .. }));
}
