//! Bytes from strangers: nothing panics, and what is not exactly ours is refused.

#[path = "../../domain/tests/world/mod.rs"]
mod world;

mod real;

use std::sync::OnceLock;

use domain::decide::judge;
use domain::{Entry, State};
use proptest::prelude::*;
use real::{RealPen, tegata, trust};
use tegata::{Tegata, Trust};
use world::World;

struct Sample {
    file: Vec<u8>,
    entries: Vec<Vec<u8>>,
    trust: Trust,
}

fn sample() -> &'static Sample {
    static SAMPLE: OnceLock<Sample> = OnceLock::new();
    SAMPLE.get_or_init(|| {
        let (mut world, shop) = World::shop(RealPen, 21);
        let grant = world.grant(&shop);
        let examples = world::examples::ledger().bytes;
        Sample { file: tegata(&world, grant).to_bytes(), trust: trust(&world), entries: examples }
    })
}

/// What one does to bytes to see what breaks.
#[derive(Debug, Clone)]
enum Damage {
    Set(prop::sample::Index, u8),
    Remove(prop::sample::Index, u8),
    Repeat(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    Splice(prop::sample::Index, prop::sample::Index),
}

fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let index = any::<prop::sample::Index>;
    let tokens = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\\u0000",
        "null",
        "true",
        "-1",
        "1e309",
        "18446744073709551616",
        "9007199254740993",
        "\"\"",
        " ",
        "\n",
        "\u{feff}",
        "\"v\":1,",
        "\"v\":2,",
        "\"cause\":null,",
        "\"more\":1,",
        "seq",
        "\u{1f}",
    ]);
    let one = prop_oneof![
        (index(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (index(), any::<u8>()).prop_map(|(at, count)| Damage::Remove(at, count)),
        (index(), any::<u8>()).prop_map(|(at, count)| Damage::Repeat(at, count)),
        (index(), tokens).prop_map(|(at, token)| Damage::Insert(at, token.as_bytes().to_vec())),
        (index(), index()).prop_map(|(from, to)| Damage::Splice(from, to)),
    ];
    prop::collection::vec(one, 1..4)
}

fn damaged(bytes: &[u8], damages: &[Damage]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for damage in damages {
        if bytes.is_empty() {
            return bytes;
        }
        let length = bytes.len();
        let end = |at: usize, count: u8| (at + usize::from(count)).min(length);
        match damage {
            Damage::Set(at, byte) => bytes[at.index(length)] = *byte,
            Damage::Remove(at, count) => drop(bytes.drain(at.index(length)..end(at.index(length), *count))),
            Damage::Repeat(at, count) => {
                let part = bytes[at.index(length)..end(at.index(length), *count)].to_vec();
                let at = at.index(length);
                bytes.splice(at..at, part);
            }
            Damage::Insert(at, more) => drop(bytes.splice(at.index(length)..at.index(length), more.iter().copied())),
            Damage::Splice(from, to) => {
                let part = bytes[from.index(length)..end(from.index(length), 40)].to_vec();
                let at = to.index(length);
                bytes.splice(at..at, part);
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_no_entry(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Entry::decode(&bytes).is_err());
    }

    #[test]
    fn arbitrary_bytes_are_no_tegata(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Tegata::parse(&bytes).is_err());
    }

    #[test]
    fn arbitrary_text_is_no_entry(text in "[\\[\\]{}\":,0-9a-z\\\\ _.-]{0,200}") {
        prop_assert!(Entry::decode(text.as_bytes()).is_err());
    }

    /// What is still an entry is written exactly so: there is no second spelling.
    #[test]
    fn a_damaged_entry_is_refused_or_is_another_in_its_one_form(which: prop::sample::Index, damages in damage()) {
        let entry: &Vec<u8> = which.get(&sample().entries);
        let bytes = damaged(entry, &damages);
        if let Ok(entry) = Entry::decode(&bytes) {
            prop_assert_eq!(entry.encode().expect("it was read"), bytes);
        }
    }

    /// Folding never refuses; nor may it panic on anything that reads as an entry.
    #[test]
    fn a_damaged_ledger_is_judged_and_folded_without_a_panic(damaged_at in prop::collection::vec((any::<prop::sample::Index>(), damage()), 1..20)) {
        let mut entries = sample().entries.clone();
        for (at, damages) in &damaged_at {
            let place = at.index(entries.len());
            entries[place] = damaged(&entries[place], damages);
        }
        let mut state = State::default();
        for entry in entries.iter().filter_map(|bytes| Entry::decode(bytes).ok()) {
            drop(judge(&state, &entry));
            state.apply(&entry);
        }
        prop_assert!(serde_json::to_string(&state).is_ok());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_tegata_never_panics_nor_verifies_as_something_else(damages in damage()) {
        let sample = sample();
        let whole = Tegata::parse(&sample.file).expect("a file of ours");
        let bytes = damaged(&sample.file, &damages);
        let Ok(parsed) = Tegata::parse(&bytes) else { return Ok(()) };
        if let Ok(verified) = parsed.verify(&sample.trust) {
            prop_assert_eq!(&parsed, &whole);
            prop_assert_eq!(verified.grant_id(), whole.grant);
        }
    }

    /// Whole entries moved, doubled, dropped or damaged inside a file that is otherwise well made.
    #[test]
    fn a_tegata_with_damaged_entries_never_verifies(which: prop::sample::Index, other: prop::sample::Index, damages in damage(), kind in 0..4) {
        let sample = sample();
        let mut file = Tegata::parse(&sample.file).expect("a file of ours");
        let (one, two) = (which.index(file.entries.len()), other.index(file.entries.len()));
        let before = file.clone();
        match kind {
            0 => file.entries[one] = String::from_utf8_lossy(&damaged(file.entries[one].as_bytes(), &damages)).into_owned(),
            1 => file.entries.swap(one, two),
            2 => file.entries[one] = file.entries[two].clone(),
            _ => drop(file.entries.remove(one)),
        }
        let file = Tegata::parse(&file.to_bytes()).expect("it is well formed");
        prop_assert!(file == before || file.verify(&sample.trust).is_err());
    }
}

mod exactly {
    use super::*;

    fn refused(entry: &str) -> String {
        Entry::decode(entry.as_bytes()).expect_err("it is refused").to_string()
    }

    const STARTED: &str =
        r#"{"v":1,"seq":5,"time":1795000000000000,"actor":"engine","kind":"engine.started","body":{"fold":1}}"#;

    #[test]
    fn an_entry_as_it_is_written_is_read() {
        let entry = Entry::decode(STARTED.as_bytes()).expect("an entry");
        assert_eq!(entry.encode().expect("it fits"), STARTED.as_bytes());
    }

    #[test]
    fn another_version_is_refused() {
        assert!(refused(&STARTED.replace("\"v\":1", "\"v\":2")).contains("version 2"));
    }

    #[test]
    fn an_unknown_kind_is_refused() {
        assert!(refused(&STARTED.replace("engine.started", "engine.stopped")).contains("does not know"));
    }

    #[test]
    fn an_unknown_member_is_refused_wherever_it_stands() {
        assert!(refused(&STARTED.replace("\"v\":1", "\"more\":1,\"v\":1")).contains("unknown field"));
        assert!(refused(&STARTED.replace("\"fold\":1", "\"fold\":1,\"more\":1")).contains("unknown field"));
    }

    #[test]
    fn a_missing_member_is_refused() {
        assert!(refused(&STARTED.replace("\"seq\":5,", "")).contains("missing field"));
        assert!(refused(&STARTED.replace("{\"fold\":1}", "{}")).contains("missing field"));
    }

    #[test]
    fn a_doubled_member_is_refused() {
        assert!(refused(&STARTED.replace("\"seq\":5", "\"seq\":5,\"seq\":5")).contains("duplicate field"));
    }

    #[test]
    fn a_second_spelling_is_refused() {
        let spaced = STARTED.replace("\"fold\":1", "\"fold\": 1");
        let escaped = STARTED.replace("engine.started", "engine\\u002estarted");
        let reordered = STARTED.replace("\"v\":1,\"seq\":5", "\"seq\":5,\"v\":1");
        let null = STARTED.replace("\"actor\":\"engine\"", "\"actor\":\"engine\",\"cause\":null");
        for entry in [spaced, escaped, reordered, null, format!(" {STARTED}"), format!("{STARTED}\n")] {
            assert!(refused(&entry).contains("canonical form"), "{entry}");
        }
    }

    #[test]
    fn a_time_outside_the_years_of_the_ledger_is_refused() {
        for time in ["0", "-1", "946684799999999", "7258118400000000", "99999999999999999"] {
            assert!(refused(&STARTED.replace("1795000000000000", time)).contains("outside the years"), "{time}");
        }
    }

    #[test]
    fn a_deed_under_another_deeds_kind_is_refused() {
        let mut deeds = sample().entries.iter().map(|bytes| String::from_utf8(bytes.clone()).expect("JSON"));
        let left = deeds.find(|entry| entry.contains("\"kind\":\"person.left\"")).expect("an example");
        assert!(refused(&left.replace("person.left", "person.frozen")).contains("but its body is"));
    }

    #[test]
    fn an_entry_that_is_too_long_is_not_looked_at() {
        assert!(refused(&" ".repeat(65_536)).contains("at most"));
    }
}
