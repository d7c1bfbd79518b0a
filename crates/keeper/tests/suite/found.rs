//! The founding: of the keeper's own keys, signed by both founders, once.

use channel::keeper::{Answer, Ask, KeeperRefusal};
use domain::event::{Event, Founding};
use domain::{Actor, Entry};
use keeper::{Config, KeySet};

use crate::bench::Bench;
use crate::world::World;

fn bench() -> Bench {
    let keys = KeySet::generate();
    let world = World::founded(&keys.public());
    Bench::unfounded(keys, world, Config::default())
}

fn ask_with(bench: &Bench, event: Event) -> Ask {
    let entry = Entry { seq: 0, time: bench.world.now, actor: Actor::Founders, cause: None, event };
    Ask::Found { entry: String::from_utf8(entry.encode().unwrap()).unwrap() }
}

/// A founding that both founders signed after `change`.
fn changed(bench: &Bench, change: impl FnOnce(&mut Founding)) -> Ask {
    let mut founding = bench.world.state.founding.clone().unwrap();
    change(&mut founding);
    ask_with(bench, Event::Founded(bench.world.signed_founding(founding)))
}

#[test]
fn the_founding_is_remembered_once_and_the_same_again_is_fine() {
    let mut bench = bench();
    assert!(!bench.status().founded);
    let ask = Ask::Found { entry: bench.world.text(0) };
    assert!(matches!(bench.keeper.answer(ask.clone()), Answer::Founded));
    assert!(bench.status().founded);
    let before = bench.remembered();
    assert!(matches!(bench.keeper.answer(ask), Answer::Founded));
    assert_eq!(bench.remembered(), before);
    let other = changed(&bench, |founding| founding.recovery.delay_s += 1);
    assert_eq!(bench.refused(other), KeeperRefusal::FoundedAlready);
}

#[test]
fn a_founding_of_other_keys_is_not_ours() {
    let mut bench = bench();
    let other = KeySet::generate().public();
    let refused = |bench: &mut Bench, ask, what: &str| {
        let refusal = bench.refused(ask);
        assert!(matches!(&refusal, KeeperRefusal::EntryDiffers { why } if why.contains(what)), "{refusal:?}");
    };
    let ask = changed(&bench, |founding| founding.log_key = other.log.clone());
    refused(&mut bench, ask, "log key");
    let ask = changed(&bench, |founding| founding.ca_key = other.ca.clone());
    refused(&mut bench, ask, "CA key");
    let ask = changed(&bench, |founding| founding.reading_key = other.reading.clone());
    refused(&mut bench, ask, "reading key");
}

#[test]
fn a_founding_that_the_founders_did_not_sign_so_is_refused() {
    let mut bench = bench();
    let mut founded = bench.world.signed_founding(bench.world.state.founding.clone().unwrap());
    founded.founding.recovery.delay_s += 1;
    let ask = ask_with(&bench, Event::Founded(founded.clone()));
    assert!(matches!(bench.refused(ask), KeeperRefusal::NoProof { .. }), "changed after signing");
    founded.founding.recovery.delay_s -= 1;
    founded.signatures.swap(0, 1);
    let ask = ask_with(&bench, Event::Founded(founded.clone()));
    assert!(matches!(bench.refused(ask), KeeperRefusal::NoProof { .. }), "each signed the other's line");
    founded.signatures.pop();
    let ask = ask_with(&bench, Event::Founded(founded));
    assert!(matches!(bench.refused(ask), KeeperRefusal::NoProof { .. }), "one founder alone");
}

#[test]
fn a_founding_against_the_rules_is_refused() {
    let mut bench = bench();
    let ask = changed(&bench, |founding| founding.recovery.key = founding.log_key.clone());
    assert!(matches!(bench.refused(ask), KeeperRefusal::NoProof { .. }), "the recovery key is the log key");
    let ask = changed(&bench, |founding| founding.recovery.threshold = 1);
    assert!(matches!(bench.refused(ask), KeeperRefusal::NoProof { .. }), "one share is enough");
}

#[test]
fn what_is_no_founding_is_refused() {
    let mut bench = bench();
    for text in ["", "{}", "null", &bench.world.text(0)[1..]] {
        let ask = Ask::Found { entry: text.to_owned() };
        assert!(matches!(bench.refused(ask), KeeperRefusal::Malformed { .. }), "{text}");
    }
    let event = Event::EngineStarted(domain::event::EngineStarted { fold: 1 });
    let ask = ask_with(&bench, event);
    assert!(matches!(bench.refused(ask), KeeperRefusal::EntryDiffers { .. }));
    let later = Entry { seq: 1, ..Entry::decode(bench.world.text(0).as_bytes()).unwrap() };
    let ask = Ask::Found { entry: String::from_utf8(later.encode().unwrap()).unwrap() };
    assert!(matches!(bench.refused(ask), KeeperRefusal::EntryDiffers { .. }));
    let outsider = Entry { actor: Actor::Engine, ..Entry::decode(bench.world.text(0).as_bytes()).unwrap() };
    let ask = Ask::Found { entry: String::from_utf8(outsider.encode().unwrap()).unwrap() };
    assert!(matches!(bench.refused(ask), KeeperRefusal::NoProof { .. }));
}
