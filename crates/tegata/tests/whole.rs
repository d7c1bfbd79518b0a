//! A whole ledger in a file against whoever changes it: what verifies, and that every change is found and named.

#[path = "../../domain/tests/world/mod.rs"]
mod world;

mod real;

use domain::event::{Event, RecordingAnchored, RecoveryCompleted};
use domain::{Actor, Entry};
use ledger::{Checkpoint, Ed25519Signer, Hash, MemoryTree, Policy, SignedCheckpoint, leaf_hash};
use proptest::prelude::*;
use real::{RealPen, seed, trust};
use tegata::ServersWord;
use tegata::whole::{LedgerFault, LedgerVerdict, Lines, WholeLedger, note_of};
use world::{LOG_KEY, Shop, World};

type W = World<RealPen>;

/// A ledger with persons, targets, grants, a recovery and what the server writes by itself.
fn lived() -> W {
    let (mut world, shop) = World::shop(RealPen, 31);
    world.grant(&shop);
    let root = world.dice.hash();
    anchored(&mut world, root);
    let (started, lead) = world.recovery(&shop.lead, shop.lead.human);
    let recovery = started.fields.recovery;
    world.offer(Event::RecoveryStarted(started)).expect("a ceremony may begin");
    world.tick(world::RECOVERY_DELAY);
    world.offer(Event::RecoveryCompleted(RecoveryCompleted { recovery })).expect("nobody objected");
    world.grant(&Shop { lead, ..shop });
    let root = world.dice.hash();
    anchored(&mut world, root);
    world
}

fn anchored(world: &mut W, root: Hash) {
    let event = Event::RecordingAnchored(RecordingAnchored { root, recordings: 1 });
    world.offer_as(event, Actor::Engine).expect("the server's own");
}

fn policy(world: &W) -> Policy {
    let log = log_signer(world, LOG_KEY);
    Policy::parse(format!("log {}\nquorum none\n", ledger::NoteSigner::key(&log)).as_bytes()).expect("a policy")
}

fn log_signer(world: &W, key: u32) -> Ed25519Signer {
    Ed25519Signer::from_seed(world.origin().as_str().parse().expect("a key name"), &seed(key))
}

fn note_by(world: &W, entries: &[Vec<u8>], key: u32) -> SignedCheckpoint {
    let head = entries.iter().map(|bytes| leaf_hash(bytes)).collect::<MemoryTree>().head();
    let origin = world.origin().as_str().parse().expect("an origin");
    Checkpoint { origin, size: head.size, root: head.root }.sign(&log_signer(world, key)).expect("the log's name")
}

/// Checkpoints after the tenth entry, the twentieth, and so on, and after the last, over `signed`; the lines from `shown`.
fn file_of(world: &W, shown: &[Vec<u8>], signed: &[Vec<u8>]) -> String {
    let mut lines = Lines::default();
    let mut file = lines.form();
    for (place, bytes) in shown.iter().enumerate() {
        file += &lines.entry(std::str::from_utf8(bytes).expect("JSON"));
        let size = place + 1;
        if size % 10 == 0 || size == shown.len() {
            file += &lines.checkpoint(&note_by(world, signed.get(..size).expect("as many"), LOG_KEY));
        }
    }
    file + &lines.end()
}

fn honest(world: &W) -> String {
    file_of(world, &world.bytes, &world.bytes)
}

fn check(world: &W, file: &[u8]) -> Result<LedgerVerdict, LedgerFault> {
    check_with(WholeLedger::new(trust(world), policy(world)), file)
}

fn check_with(mut whole: WholeLedger, file: &[u8]) -> Result<LedgerVerdict, LedgerFault> {
    for line in file.split_inclusive(|byte| *byte == b'\n') {
        whole.line(line)?;
    }
    whole.finish()
}

#[test]
fn an_honest_ledger_verifies_and_says_what_rests_on_the_servers_word() {
    let world = lived();
    let verdict = check(&world, honest(&world).as_bytes()).expect("an honest ledger");
    assert_eq!(verdict.head.size, world.bytes.len() as u64);
    assert_eq!(verdict.founders, trust(&world).founders);
    assert_eq!(verdict.checkpoints, (world.bytes.len() as u64).div_ceil(10));
    let expected = [
        ServersWord::NothingLeftOut,
        ServersWord::OwnEntries,
        ServersWord::Times,
        ServersWord::OneLedger,
        ServersWord::KeyRecovered,
    ];
    assert_eq!(verdict.words, expected);
    assert!(verdict.signatures > 30, "{verdict:?}");
}

#[test]
fn the_fold_is_the_state() {
    let world = lived();
    let mut whole = WholeLedger::new(trust(&world), policy(&world));
    for line in honest(&world).as_bytes().split_inclusive(|byte| *byte == b'\n') {
        whole.line(line).expect("an honest ledger");
    }
    assert_eq!(whole.state(), &world.state);
}

#[test]
fn every_cut_is_found() {
    let world = lived();
    let file = honest(&world);
    // A cut before some entry shows only that something is missing, so one in each line is enough, and each near its ends.
    let mut at = 0;
    for line in file.split_inclusive('\n') {
        for cut in [at, at + 1, at + line.len() / 2, at + line.len() - 1] {
            let bytes = file.as_bytes().get(..cut).expect("inside");
            let fault = check(&world, bytes).expect_err("a cut file");
            assert!(matches!(fault, LedgerFault::Cut { .. } | LedgerFault::OtherForm), "cut at {cut}: {fault}");
        }
        at += line.len();
    }
}

#[test]
fn a_changed_entry_is_named_by_its_number() {
    let world = lived();
    let file = honest(&world);
    let mut place = 0;
    let mut start = 0;
    for line in file.split_inclusive('\n') {
        if line.starts_with("entry ") {
            for at in [start + 6, start + 40, start + 71, start + line.len() / 2, start + line.len() - 2] {
                let mut bytes = file.clone().into_bytes();
                bytes[at] ^= 1;
                let fault = check(&world, &bytes).expect_err("a changed byte");
                assert!(
                    matches!(fault, LedgerFault::Changed { seq } if seq == place),
                    "entry {place}, byte {at}: {fault}"
                );
            }
            place += 1;
        }
        start += line.len();
    }
    assert_eq!(place, world.bytes.len() as u64);
}

/// Entries dropped, moved or doubled under hashes that all fit: the first place at which it shows is named.
#[test]
fn a_dropped_moved_or_doubled_entry_is_named_by_its_place() {
    let world = lived();
    for place in [0, 1, 7, 19, 20, world.bytes.len() - 2] {
        let shown = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
            let mut entries = world.bytes.clone();
            change(&mut entries);
            let mut signed = world.bytes.clone();
            signed.resize(entries.len().max(signed.len()), b"more".to_vec());
            check(&world, file_of(&world, &entries, &signed).as_bytes()).expect_err("it was changed")
        };
        let dropped = shown(&|entries| drop(entries.remove(place)));
        let moved = shown(&|entries| entries.swap(place, place + 1));
        let doubled = shown(&|entries| entries.insert(place, entries[place].clone()));
        for (fault, shows_at) in [(dropped, place), (moved, place), (doubled, place + 1)] {
            let named = matches!(fault, LedgerFault::OtherPlace { place, .. } if place == shows_at as u64);
            assert!(named, "{place}, {shows_at}: {fault}");
        }
    }
}

/// Whoever rewrites an entry of the server's own, and every hash in the file, cannot sign: the range between two signed heads is named.
#[test]
fn a_rewritten_entry_is_caught_between_two_checkpoints() {
    let world = lived();
    let anchor =
        world.entries.iter().position(|entry| matches!(entry.event, Event::RecordingAnchored(_))).expect("one");
    let mut entries = world.bytes.clone();
    let event = Event::RecordingAnchored(RecordingAnchored { root: Hash::of(b"other"), recordings: 1 });
    entries[anchor] = Entry { event, ..world.entries[anchor].clone() }.encode().expect("it fits");
    let fault = check(&world, file_of(&world, &entries, &world.bytes).as_bytes()).expect_err("it was rewritten");
    let first = anchor as u64 / 10 * 10;
    let last = (first + 9).min(world.bytes.len() as u64 - 1);
    assert!(
        matches!(fault, LedgerFault::Replaced { first: f, last: l } if (f, l) == (first, last)),
        "{anchor}: {fault}"
    );
}

#[test]
fn a_forged_signature_and_a_broken_rule_are_named() {
    let mut world = lived();
    let signed = world.entries.iter().position(|entry| matches!(entry.event, Event::ApprovalGiven(_))).expect("one");
    let Event::ApprovalGiven(mut given) = world.entries[signed].event.clone() else { panic!() };
    given.fields.policy += 1;
    let forged = Entry { event: Event::ApprovalGiven(given), ..world.entries[signed].clone() };
    world.bytes[signed] = forged.encode().expect("it fits");
    // Even the log's own key does not help: it does not sign for persons.
    let fault = check(&world, honest(&world).as_bytes()).expect_err("forged");
    assert!(matches!(fault, LedgerFault::Signature { seq, .. } if seq == signed as u64), "{fault}");

    let mut world = lived();
    let again = Entry { seq: world.bytes.len() as u64, ..world.entries[signed].clone() };
    let last = world.entries.last().expect("one").time;
    world.bytes.push(Entry { time: last, ..again }.encode().expect("it fits"));
    let fault = check(&world, honest(&world).as_bytes()).expect_err("a statement used twice");
    assert!(matches!(fault, LedgerFault::Rule { seq, .. } if seq + 1 == world.bytes.len() as u64), "{fault}");
}

#[test]
fn other_founders_and_another_log_are_named() {
    let world = lived();
    let file = honest(&world);
    let mut other = trust(&world);
    other.founders.pop_first();
    let fault = check_with(WholeLedger::new(other, policy(&world)), file.as_bytes()).expect_err("other founders");
    assert!(matches!(fault, LedgerFault::OtherFounders { .. }), "{fault}");
    let note = note_by(&world, &world.bytes, LOG_KEY + 70).to_string();
    let honest_note = note_by(&world, &world.bytes, LOG_KEY).to_string();
    let text = |note: &str| serde_json::to_string(note).expect("text");
    let forged = file.replace(&text(&honest_note), &text(&note));
    assert_ne!(forged, file);
    let fault = check(&world, forged.as_bytes()).expect_err("another key");
    assert!(matches!(fault, LedgerFault::Checkpoint { .. }), "{fault}");
}

#[test]
fn entries_that_no_checkpoint_covers_are_not_called_proved() {
    let world = lived();
    let mut lines = Lines::default();
    let mut file = lines.form();
    for bytes in &world.bytes {
        file += &lines.entry(std::str::from_utf8(bytes).expect("JSON"));
    }
    file += &lines.end();
    let fault = check(&world, file.as_bytes()).expect_err("no checkpoint");
    assert!(matches!(fault, LedgerFault::Uncovered { covered: 0, .. }), "{fault}");
}

#[test]
fn an_earlier_checkpoint_is_extended_or_the_rewriting_is_named() {
    let world = lived();
    let file = honest(&world);
    let whole = || WholeLedger::new(trust(&world), policy(&world));
    for size in [1, 7, 20, world.bytes.len()] {
        let earlier = note_by(&world, &world.bytes[..size], LOG_KEY);
        let verdict = check_with(whole().extending(earlier), file.as_bytes()).expect("it extends");
        assert_eq!(verdict.extends, Some(size as u64));
    }
    let mut others = world.bytes.clone();
    others[5] = b"something else".to_vec();
    let fault = check_with(whole().extending(note_by(&world, &others[..12], LOG_KEY)), file.as_bytes());
    assert!(matches!(fault, Err(LedgerFault::EarlierDiffers { size: 12 })), "{fault:?}");
    let mut longer = world.bytes.clone();
    longer.push(b"one more".to_vec());
    let fault = check_with(whole().extending(note_by(&world, &longer, LOG_KEY)), file.as_bytes());
    assert!(matches!(fault, Err(LedgerFault::EarlierBeyond { .. })), "{fault:?}");
    let fault = check_with(whole().extending(note_by(&world, &world.bytes[..12], LOG_KEY + 70)), file.as_bytes());
    assert!(matches!(fault, Err(LedgerFault::EarlierUntrusted { .. })), "{fault:?}");
}

/// A file cut back to an earlier signed head and closed again is an honest file of then; who holds a later head finds it.
#[test]
fn a_ledger_cut_back_to_a_signed_head_is_found_by_a_later_checkpoint() {
    let world = lived();
    let file = file_of(&world, &world.bytes[..20], &world.bytes[..20]);
    assert_eq!(check(&world, file.as_bytes()).expect("as of then").head.size, 20);
    let later = note_by(&world, &world.bytes, LOG_KEY);
    let fault = check_with(WholeLedger::new(trust(&world), policy(&world)).extending(later), file.as_bytes());
    assert!(matches!(fault, Err(LedgerFault::EarlierBeyond { .. })), "{fault:?}");
}

#[test]
fn the_note_of_a_line_is_the_note() {
    let world = lived();
    let note = note_by(&world, &world.bytes, LOG_KEY);
    assert_eq!(note_of(Lines::default().checkpoint(&note).as_bytes()), Some(note));
    assert_eq!(note_of(b"entry x\n"), None);
}

/// What may happen to a file.
#[derive(Debug, Clone)]
enum Harm {
    Flip { at: usize, bit: u8 },
    Drop { at: usize, length: usize },
    Insert { at: usize, bytes: Vec<u8> },
    Swap { one: usize, other: usize, length: usize },
    Truncate { at: usize },
    DropLine { line: usize },
    DoubleLine { line: usize },
    SwapLines { one: usize, other: usize },
}

fn harm() -> impl Strategy<Value = Harm> {
    let place = 0..usize::MAX;
    prop_oneof![
        (place.clone(), 0..8_u8).prop_map(|(at, bit)| Harm::Flip { at, bit }),
        (place.clone(), 1..200_usize).prop_map(|(at, length)| Harm::Drop { at, length }),
        (place.clone(), prop::collection::vec(any::<u8>(), 1..50)).prop_map(|(at, bytes)| Harm::Insert { at, bytes }),
        (place.clone(), place.clone(), 1..80_usize).prop_map(|(one, other, length)| Harm::Swap { one, other, length }),
        place.clone().prop_map(|at| Harm::Truncate { at }),
        place.clone().prop_map(|line| Harm::DropLine { line }),
        place.clone().prop_map(|line| Harm::DoubleLine { line }),
        (place.clone(), place).prop_map(|(one, other)| Harm::SwapLines { one, other }),
    ]
}

impl Harm {
    fn done_to(&self, file: &[u8]) -> Vec<u8> {
        let mut bytes = file.to_vec();
        let mut lines: Vec<&[u8]> = file.split_inclusive(|byte| *byte == b'\n').collect();
        let (size, count) = (bytes.len(), lines.len());
        match self {
            Self::Flip { at, bit } => bytes[at % size] ^= 1 << bit,
            Self::Drop { at, length } => drop(bytes.drain(at % size..(at % size + length).min(size))),
            Self::Insert { at, bytes: more } => drop(bytes.splice(at % size..at % size, more.iter().copied())),
            Self::Swap { one, other, length } => {
                let (one, other) = (one % size, other % size);
                (0..*length)
                    .filter(|n| one + n < size && other + n < size)
                    .for_each(|n| bytes.swap(one + n, other + n));
            }
            Self::Truncate { at } => bytes.truncate(at % size),
            Self::DropLine { line } => {
                lines.remove(line % count);
                bytes = lines.concat();
            }
            Self::DoubleLine { line } => {
                lines.insert(line % count, lines[line % count]);
                bytes = lines.concat();
            }
            Self::SwapLines { one, other } => {
                lines.swap(one % count, other % count);
                bytes = lines.concat();
            }
        }
        bytes
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_harm_to_a_file_goes_unnoticed(harm in harm()) {
        static LEDGER: std::sync::LazyLock<(W, String)> = std::sync::LazyLock::new(|| {
            let world = lived();
            let file = honest(&world);
            (world, file)
        });
        let (world, file) = &*LEDGER;
        let harmed = harm.done_to(file.as_bytes());
        prop_assume!(harmed != file.as_bytes());
        prop_assert!(check(world, &harmed).is_err());
    }
}
