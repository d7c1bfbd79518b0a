//! Entries, statements, permits and whole ledgers.

use std::sync::OnceLock;

use domain::decide::judge;
use domain::event::OriginName;
use domain::statement::{
    DecisionFields, DeedFields, HelloFields, MotionFields, RequestFields, SecondFields, Statement,
};
use domain::{Entry, Nonce, State, Timestamp};
use ledger::{MemoryTree, MultiProof, leaf_hash};
use serde::de::DeserializeOwned;
use tegata::whole::{LedgerFault, LedgerVerdict, WholeLedger};
use tegata::{Tegata, VerifiedTegata};

use crate::seeds;

/// An entry that reads has one spelling, is judged, and folds, whatever it says.
pub(super) fn entry(data: &[u8]) {
    let Ok(entry) = Entry::decode(data) else { return };
    assert_eq!(entry.encode().unwrap(), data);
    for state in states() {
        // At the place and time where it could stand, so that more than these two is judged.
        let seq = state.journal.size;
        let time = state.journal.time.unwrap_or(entry.time).max(entry.time);
        for entry in [&entry, &Entry { seq, time, ..entry.clone() }] {
            if judge(state, entry).is_ok() {
                let mut state = state.clone();
                state.apply(entry);
                let bytes = serde_json::to_vec(&state).unwrap();
                let again: State = serde_json::from_slice(&bytes).unwrap();
                assert_eq!(again, state, "a snapshot of the state is another state");
            }
        }
    }
}

/// Of the example ledger: before its first entry, after the founding, and at stages up to its end.
fn states() -> &'static [State] {
    static STATES: OnceLock<Vec<State>> = OnceLock::new();
    STATES.get_or_init(|| {
        let entries = seeds::entries();
        let mut states = vec![State::default()];
        let mut state = State::default();
        for (at, entry) in entries.iter().enumerate() {
            state.apply(&Entry::decode(entry).unwrap());
            if at == 0 || at % 60 == 59 || at + 1 == entries.len() {
                states.push(state.clone());
            }
        }
        states
    })
}

/// Whatever fields can be read can be shown as lines, and no value makes a line of its own.
pub(super) fn statement(data: &[u8]) {
    let Some((kind, json)) = data.split_first() else { return };
    match kind % 6 {
        0 => lines_of::<RequestFields>(json),
        1 => lines_of::<DecisionFields>(json),
        2 => lines_of::<MotionFields>(json),
        3 => lines_of::<SecondFields>(json),
        4 => lines_of::<DeedFields>(json),
        _ => lines_of::<HelloFields>(json),
    }
}

fn lines_of<S: Statement + DeserializeOwned + PartialEq + std::fmt::Debug>(json: &[u8]) {
    let Ok(fields) = serde_json::from_slice::<S>(json) else { return };
    let origin: OriginName = "gate.example/tokyo".parse().unwrap();
    let (nonce, expires) = (Nonce::from_random([7; 16]), Timestamp::EARLIEST);
    let text = String::from_utf8(tegata::statement::bytes(&origin, &fields, nonce, expires)).unwrap();
    let mut lines = text.strip_suffix('\n').unwrap().split('\n');
    assert_eq!(lines.next().unwrap(), format!("{}/v1", S::NAME));
    let mut names = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("`{line}` has no name"));
        assert!(!value.is_empty() && !line.chars().any(char::is_control), "{line:?}");
        names.push(name);
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "two lines have one name: {text}");
    let again: S = serde_json::from_slice(&serde_json::to_vec(&fields).unwrap()).unwrap();
    assert_eq!(again, fields);
}

/// As a file from anywhere, and as lines that a server put together under a head of its own: what verifies says of the request, and of who
/// agreed, what these persons signed.
pub(super) fn tegata(data: &[u8]) {
    let (_, trust) = seeds::real_tegata();
    let Ok(tegata) = Tegata::parse(data) else { return put_together(data) };
    assert_eq!(Tegata::parse(&tegata.to_bytes()).unwrap(), tegata);
    if let Ok(verified) = tegata.verify(trust) {
        let known = tegata.entries.iter().all(|entry| original().entries.contains(entry));
        assert!(known, "an entry that does not stand in the ledger was verified: {:?}", verified.verdict());
        says_what_was_signed(&verified);
    }
}

fn put_together(lines: &[u8]) {
    let Ok(lines) = std::str::from_utf8(lines) else { return };
    let entries: Vec<String> = lines.lines().map(str::to_owned).collect();
    let Some((tree, proof)) = placed(&entries) else { return };
    let tegata = Tegata::new(original().grant, String::new(), proof, entries);
    if let Ok(verified) = tegata.verify_under(&tree.head(), &seeds::real_tegata().1) {
        says_what_was_signed(&verified);
    }
}

/// A tree that holds the entries where they say they stand.
fn placed(entries: &[String]) -> Option<(MemoryTree, MultiProof)> {
    const MOST: u64 = 1_000;
    let places: Vec<u64> =
        entries.iter().map(|entry| Entry::decode(entry.as_bytes()).ok().map(|e| e.seq)).collect::<Option<_>>()?;
    let last = places.last().copied().filter(|last| *last < MOST && places.is_sorted_by(|a, b| a < b))?;
    let entry_at = |place: u64| places.binary_search(&place).ok().map(|at| entries[at].as_bytes());
    let tree: MemoryTree = (0..=last).map(|place| leaf_hash(entry_at(place).unwrap_or(b"another entry"))).collect();
    let proof = MultiProof::make(&tree, &places, tree.size()).ok()?;
    Some((tree, proof))
}

fn says_what_was_signed(found: &VerifiedTegata) {
    static SIGNED: OnceLock<VerifiedTegata> = OnceLock::new();
    let signed = SIGNED.get_or_init(|| original().verify(&seeds::real_tegata().1).unwrap()).verdict();
    let found = found.verdict();
    assert_eq!(found.request, signed.request, "a request that nobody signed");
    assert_eq!(found.principal, signed.principal);
    assert_eq!(found.founders, signed.founders);
    assert_eq!((found.requester.person, found.requester.key), (signed.requester.person, signed.requester.key));
    assert!(!found.approvers.is_empty(), "nobody agreed");
    let agreed =
        |voice: &tegata::Voice| signed.approvers.iter().any(|v| (v.person, v.key) == (voice.person, voice.key));
    assert!(found.approvers.iter().all(agreed), "somebody agreed who did not sign");
}

fn original() -> &'static Tegata {
    static ORIGINAL: OnceLock<Tegata> = OnceLock::new();
    ORIGINAL.get_or_init(|| Tegata::parse(&seeds::real_tegata().0).unwrap())
}

/// As it is, and with the hashes that stand before entries and at the end made right, as whoever rewrites a ledger would: what verifies is a
/// beginning of the ledger that was signed, spelt in the one way, and nothing that was cut off verifies.
pub(super) fn whole_ledger(data: &[u8]) {
    let signed = &seeds::real_ledger().entries;
    let repaired = seeds::repaired(data);
    if let Ok(verdict) = check(data) {
        let (file, entries) = repaired.as_ref().expect("what verifies is text");
        assert!(file.as_bytes() == data, "a ledger has two spellings");
        assert!(signed.starts_with(entries), "entries that were not signed verify");
        assert_eq!(verdict.head.size, entries.len() as u64);
        assert!(check(&data[..data.len() - 1]).is_err(), "a file that was cut off verifies");
    }
    if let Some((file, entries)) = repaired
        && let Ok(verdict) = check(file.as_bytes())
    {
        assert!(signed.starts_with(&entries), "entries that were not signed verify");
        assert_eq!(verdict.head.size, entries.len() as u64);
    }
}

fn check(file: &[u8]) -> Result<LedgerVerdict, LedgerFault> {
    let ledger = seeds::real_ledger();
    let mut whole = WholeLedger::new(ledger.trust.clone(), ledger.policy.clone());
    for line in file.split_inclusive(|byte| *byte == b'\n') {
        whole.line(line)?;
    }
    whole.finish()
}
