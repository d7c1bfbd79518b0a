//! Data keys: wrapped under the vault key, bound to their owner.

use channel::keeper::{Answer, Ask, DataKeyAnswer, KeeperRefusal, Owner};
use domain::PersonId;

use crate::bench::Bench;

fn new_key(bench: &mut Bench, owner: Owner) -> DataKeyAnswer {
    match bench.keeper.answer(Ask::NewDataKey { owner }) {
        Answer::DataKey(answer) => answer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_wrapped_key_comes_back_for_its_owner_and_nobody_else() {
    let mut bench = Bench::ready();
    let person = Owner::Person(PersonId::from_random([3; 16]));
    for owner in [Owner::Installation, person] {
        let made = new_key(&mut bench, owner);
        assert_eq!((made.key.len(), made.key.chars().all(|c| c.is_ascii_hexdigit())), (64, true));
        let ask = Ask::UnwrapDataKey { owner, wrapped: made.wrapped.clone() };
        let Answer::DataKey(opened) = bench.keeper.answer(ask) else { panic!("not unwrapped") };
        assert_eq!((&opened.key, &opened.wrapped), (&made.key, &made.wrapped));
        assert_ne!(new_key(&mut bench, owner).key, made.key);
        let other = if owner == person { Owner::Installation } else { person };
        let ask = Ask::UnwrapDataKey { owner: other, wrapped: made.wrapped.clone() };
        assert!(matches!(bench.refused(ask), KeeperRefusal::Malformed { .. }));
    }
}

#[test]
fn what_was_not_wrapped_here_does_not_open() {
    let mut bench = Bench::ready();
    let elsewhere = new_key(&mut Bench::ready(), Owner::Installation);
    let ours = new_key(&mut bench, Owner::Installation);
    let mut cut = ours.wrapped.clone();
    cut.pop();
    let long = "A".repeat(1 << 20);
    for wrapped in [elsewhere.wrapped.clone(), cut, String::new(), "=".into(), format!("{}=", ours.wrapped), long] {
        let ask = Ask::UnwrapDataKey { owner: Owner::Installation, wrapped };
        assert!(matches!(bench.refused(ask), KeeperRefusal::Malformed { .. }));
    }
}

#[test]
fn no_key_is_printed() {
    let mut bench = Bench::ready();
    let made = new_key(&mut bench, Owner::Installation);
    let printed = format!("{:?}", Answer::DataKey(made.clone()));
    assert!(!printed.contains(&made.key) && !printed.contains(&made.wrapped), "{printed}");
    let printed = format!("{:?}", bench.keeper);
    assert!(printed.contains("KeySet") && !printed.contains("seed"), "{printed}");
}
