//! Heads: each extends the last one signed, also after a restart.

use channel::keeper::{Answer, Ask, Extension, KeeperRefusal};
use domain::motion::Act;
use keeper::{Config, Keeper, KeySet, Memory};
use ledger::{ConsistencyProof, TreeHead};

use crate::bench::{Bench, fork_of, private_dir};
use crate::world::{World, policy};

fn grow(bench: &mut Bench, version: u64) {
    bench.world.carry(Act::PolicySet { policy: policy(version) });
}

fn head(bench: &mut Bench) -> Ask {
    let last = bench.last();
    Ask::Head(bench.world.extension(last))
}

fn signed(bench: &mut Bench, ask: Ask) -> String {
    match bench.keeper.answer(ask) {
        Answer::Checkpoint { note } => {
            bench.check_note(&note);
            note
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_head_that_extends_the_last_is_signed_and_remembered() {
    let mut bench = Bench::ready();
    let first = head(&mut bench);
    let first = signed(&mut bench, first);
    assert_eq!(bench.last(), bench.world.head());
    let again = head(&mut bench);
    let before = bench.remembered();
    assert_eq!(signed(&mut bench, again), first, "the same head again is the same note");
    assert_eq!(bench.remembered(), before, "and nothing new to remember");
    grow(&mut bench, 2);
    let next = head(&mut bench);
    assert_ne!(signed(&mut bench, next), first);
    assert_eq!(bench.status().last_serial, None, "a head uses no serial");
}

#[test]
fn the_first_head_must_begin_with_the_founding() {
    let mut bench = Bench::ready();
    let (size, root) = bench.status().last.unwrap();
    assert_eq!((size, root), (1, bench.world.tree.head_at(1).unwrap().root));
    let elsewhere = World::ready(&KeySet::generate().public());
    let theirs = Ask::Head(elsewhere.extension(elsewhere.tree.head_at(1).unwrap()));
    assert!(matches!(bench.refused(theirs), KeeperRefusal::DoesNotExtend { last: 1, .. }));
    let unproved =
        Ask::Head(Extension { size: bench.world.head().size, root: bench.world.head().root, consistency: None });
    assert!(matches!(bench.refused(unproved), KeeperRefusal::DoesNotExtend { last: 1, .. }));
}

#[test]
fn forks_and_rollbacks_are_refused() {
    let mut bench = Bench::ready();
    let early = bench.world.extension(bench.world.tree.head_at(1).unwrap());
    grow(&mut bench, 2);
    let ask = head(&mut bench);
    signed(&mut bench, ask);
    let last = bench.last();

    let refused = |bench: &mut Bench, extension| {
        assert!(matches!(bench.refused(Ask::Head(extension)), KeeperRefusal::DoesNotExtend { .. }));
    };
    refused(&mut bench, early);
    let empty = Extension { size: 0, root: ledger::EMPTY_ROOT, consistency: None };
    refused(&mut bench, empty);
    let other_root = Extension { size: last.size, root: fork_of(last), consistency: None };
    refused(&mut bench, other_root);
    let claimed = ConsistencyProof { old: last.size, new: last.size, path: vec![] };
    let other_root_proved = Extension { size: last.size, root: fork_of(last), consistency: Some(claimed) };
    refused(&mut bench, other_root_proved);

    grow(&mut bench, 3);
    let mut forked = bench.world.extension(last);
    forked.root = fork_of(bench.world.head());
    refused(&mut bench, forked);
    let from_elsewhere = bench.world.extension(bench.world.tree.head_at(last.size - 1).unwrap());
    refused(&mut bench, from_elsewhere);
    let absurd = Extension {
        size: u64::MAX,
        root: last.root,
        consistency: Some(ConsistencyProof { old: last.size, new: u64::MAX, path: vec![last.root; 63] }),
    };
    refused(&mut bench, absurd);
}

#[test]
fn a_restarted_keeper_remembers_what_it_signed() {
    let keys = KeySet::generate();
    let dir = private_dir();
    keys.store(dir.path(), keeper::Protection::Plain).unwrap();
    let mut bench = Bench::unfounded(keys, World::ready(&KeySet::generate().public()), Config::default());
    let loaded = || keeper::KeyFile::read(dir.path()).unwrap().open(None).unwrap();
    bench.world = World::ready(&loaded().public());
    let entry = bench.world.text(0);
    assert!(matches!(bench.keeper.answer(Ask::Found { entry }), Answer::Founded));
    let ask = head(&mut bench);
    signed(&mut bench, ask);
    let last = bench.last();

    let Bench { keeper, clock, dir: memory_dir, world } = bench;
    drop(keeper);
    let memory = Memory::open(memory_dir.path()).unwrap();
    let keeper = Keeper::new(loaded(), memory, Config::default(), clock.clone()).unwrap();
    let mut bench = Bench { keeper, clock, dir: memory_dir, world };
    assert_eq!(bench.last(), last);
    let rolled_back = bench.world.tree.head_at(last.size - 1).unwrap();
    let ask = Ask::Head(Extension { size: rolled_back.size, root: rolled_back.root, consistency: None });
    assert!(matches!(bench.refused(ask), KeeperRefusal::DoesNotExtend { .. }));
    grow(&mut bench, 2);
    let ask = head(&mut bench);
    signed(&mut bench, ask);
}

#[test]
fn a_memory_of_other_keys_keeps_the_keeper_from_starting() {
    let Bench { keeper, clock, dir, .. } = Bench::ready();
    drop(keeper);
    let memory = Memory::open(dir.path()).unwrap();
    let error = Keeper::new(KeySet::generate(), memory, Config::default(), clock).unwrap_err();
    assert!(error.to_string().contains("another log key"), "{error}");
}

#[test]
fn before_the_founding_no_head_is_signed() {
    let keys = KeySet::generate();
    let world = World::ready(&keys.public());
    let mut bench = Bench::unfounded(keys, world, Config::default());
    let ask = Ask::Head(bench.world.extension(TreeHead { size: 0, root: ledger::EMPTY_ROOT }));
    assert_eq!(bench.refused(ask), KeeperRefusal::NotFounded);
}
