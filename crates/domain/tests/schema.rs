//! Entries as they stand on disk for ever: one example of each kind, the words they use, and that nothing in them is free text.

mod world;

use std::collections::BTreeSet;

use domain::decide::judge;
use domain::event::{DEED_KINDS, Event, KINDS};
use domain::motion::Act;
use domain::{Entry, Label, RefusalCode, State};
use expect_test::expect;
use serde_json::Value;

/// Lines are only ever added: what was once written must be read for ever.
const GOLDEN: &str = include_str!("golden/entries.jsonl");

fn golden() -> Vec<Entry> {
    GOLDEN.lines().map(|line| Entry::decode(line.as_bytes()).expect("a golden entry is readable")).collect()
}

#[test]
fn every_golden_entry_reads_and_writes_byte_for_byte() {
    assert!(GOLDEN.lines().count() > 100);
    for line in GOLDEN.lines() {
        let entry = Entry::decode(line.as_bytes()).unwrap_or_else(|why| panic!("{why}: {line}"));
        assert_eq!(String::from_utf8(entry.encode().expect("it fits")).expect("JSON is UTF-8"), line);
    }
}

#[test]
fn the_golden_ledger_is_judged_and_folded_as_ever() {
    let mut state = State::default();
    for entry in golden() {
        judge(&state, &entry).unwrap_or_else(|why| panic!("{why}: {entry:?}"));
        state.apply(&entry);
    }
    let people = &state.people;
    let found = (
        people.persons.len(),
        people.keys.len(),
        people.groups.len(),
        state.estate.accounts.len(),
        state.passage.grants.len(),
        state.passage.next_serial,
    );
    expect!["(7, 11, 5, 6, 3, 10)"].assert_eq(&format!("{found:?}"));
}

/// A new kind needs an example: the failure prints the lines to append.
#[test]
fn every_kind_of_entry_has_an_example() {
    let shown: BTreeSet<&str> = golden().iter().map(|entry| entry.event.kind()).collect();
    let missing: Vec<&str> = KINDS.iter().chain(DEED_KINDS).copied().filter(|kind| !shown.contains(kind)).collect();
    let lines = lines_of(|entry| missing.contains(&entry.event.kind()));
    assert!(missing.is_empty(), "no example of {missing:?}; append to golden/entries.jsonl, numbered on:\n{lines}");
}

#[test]
fn every_act_has_an_example() {
    let shown: BTreeSet<&str> = golden().iter().filter_map(act_of).collect();
    let made: BTreeSet<&str> = world::examples::ledger().entries.iter().filter_map(act_of).collect();
    assert_eq!(made.len(), ACTS, "the script makes every act there is");
    assert_eq!(shown, made);
}

const ACTS: usize = 11;

fn act_of(entry: &Entry) -> Option<&'static str> {
    let Event::MotionFiled(filed) = &entry.event else { return None };
    Some(match &filed.fields.act {
        Act::PersonAdd { .. } => "person_add",
        Act::PersonaAdd { .. } => "persona_add",
        Act::KeyEnrol { .. } => "key_enrol",
        Act::GroupJoin { .. } => "group_join",
        Act::IdentityLink { .. } => "identity_link",
        Act::PersonThaw { .. } => "person_thaw",
        Act::TargetAdd { .. } => "target_add",
        Act::TargetPin { .. } => "target_pin",
        Act::AccountAdd { .. } => "account_add",
        Act::PolicySet { .. } => "policy_set",
        Act::ClockConfirm { .. } => "clock_confirm",
    })
}

fn lines_of(wanted: impl Fn(&Entry) -> bool) -> String {
    let world = world::examples::ledger();
    let lines = world.entries.iter().zip(&world.bytes).filter(|(entry, _)| wanted(entry));
    lines.map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned() + "\n").collect()
}

/// The script that the goldens came from still makes entries of the same form.
#[test]
fn the_script_still_makes_every_kind() {
    let world = world::examples::ledger();
    let made: BTreeSet<&str> = world.entries.iter().map(|entry| entry.event.kind()).collect();
    let known: BTreeSet<&str> = KINDS.iter().chain(DEED_KINDS).copied().collect();
    assert_eq!(made, known);
}

mod no_free_text {
    use super::*;

    /// Words of enumerations. A new one is added here on purpose.
    const WORDS: &[&str] = &[
        "account",
        "admin",
        "application_master",
        "approve",
        "client_left",
        "cloud_admin",
        "database_admin",
        "decision",
        "deed",
        "engine",
        "errand",
        "exec",
        "founders",
        "front",
        "gateway_lost",
        "gateway_stopped",
        "grant_over",
        "killed",
        "masked",
        "motion",
        "network_device",
        "never",
        "not_pinned",
        "os_superuser",
        "passage",
        "probe",
        "read",
        "recording_failed",
        "recovery",
        "refuse",
        "refused",
        "request",
        "research",
        "revoked",
        "second",
        "shell",
        "target_left",
        "target_lost",
        "target_not_pinned",
        "target_refused",
        "target_unreachable",
        "unproved",
        "unreachable",
        "unreadable",
        "client_lost",
    ];
    /// Members whose values administrators choose, and which never name a person.
    const LABELS: &[&str] = &["label", "zone", "group", "name", "requesters", "approvers", "shared", "login"];

    fn hex(text: &str) -> bool {
        text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    }

    fn is_id(text: &str) -> bool {
        domain::id::PREFIXES.iter().any(|p| {
            text.strip_prefix(p).is_some_and(|rest| rest.len() == 26 && rest.bytes().all(|b| b.is_ascii_alphanumeric()))
        })
    }

    fn is_principal(text: &str) -> bool {
        text.strip_prefix("p-").is_some_and(|rest| rest.len() == 10)
            || text.strip_prefix("e-").is_some_and(|rest| rest.len() == 26)
    }

    /// What a string under `name` is, if it is anything that an entry may hold.
    fn kind_of(name: &str, text: &str) -> Option<&'static str> {
        let known = |is: bool, what| is.then_some(what);
        known(is_id(text), "id")
            .or(known(WORDS.contains(&text), "word"))
            .or(known(LABELS.contains(&name) && text.parse::<Label>().is_ok(), "label"))
            .or(known(text.len() == 64 && hex(text), "hash"))
            .or(known(name == "nonce" && text.len() == 32 && hex(text), "nonce"))
            .or(known(matches!(name, "reader" | "reading_key") && hex(text), "suite key"))
            .or(known(text.parse::<sshwire::Fingerprint>().is_ok(), "fingerprint"))
            .or(known(text.parse::<sshwire::PublicKey>().is_ok(), "key"))
            .or(known(text.parse::<sshwire::Signature>().is_ok(), "signature"))
            .or(known(name == "principal" && is_principal(text), "principal"))
            .or(known(name == "origin" && text.parse::<domain::event::OriginName>().is_ok(), "origin"))
            .or(known(name == "kind" && KINDS.iter().chain(DEED_KINDS).any(|kind| *kind == text), "kind"))
            .or(known(name == "code" && RefusalCode::ALL.iter().any(|code| code.as_str() == text), "code"))
    }

    fn walk(name: &str, value: &Value, found: &mut BTreeSet<&'static str>) -> Result<(), String> {
        match value {
            Value::String(text) => {
                found.insert(kind_of(name, text).ok_or_else(|| format!("`{name}` holds `{text}`"))?);
                Ok(())
            }
            Value::Array(items) => items.iter().try_for_each(|item| walk(name, item, found)),
            Value::Object(members) => members.iter().try_for_each(|(member, value)| walk(member, value, found)),
            Value::Number(number) => {
                let fits = number.as_i64().is_some_and(|n| n.unsigned_abs() <= 1 << 53);
                if fits { Ok(()) } else { Err(format!("`{name}` holds {number}, which is no integer up to 2^53")) }
            }
            Value::Null | Value::Bool(_) => Ok(()),
        }
    }

    #[test]
    fn every_string_in_an_entry_is_an_id_a_label_a_word_a_hash_a_key_or_a_signature() {
        let mut found = BTreeSet::new();
        for line in GOLDEN.lines() {
            let value: Value = serde_json::from_str(line).expect("JSON");
            walk("", &value, &mut found).unwrap_or_else(|what| panic!("{what} in {line}"));
        }
        assert_eq!(found.len(), 13, "each sort was seen: {found:?}");
    }

    #[test]
    fn the_guard_sees_free_text() {
        for (name, text) in [
            ("purpose", "rotate the keys"),
            ("zone", "Tokyo office"),
            ("reason", "left"),
            ("source", "192.0.2.1"),
            ("address", "db1.example"),
        ] {
            assert_eq!(kind_of(name, text), None, "{text}");
        }
    }
}

/// The words of enumerations as they stand in entries: renaming a variant would make old entries unreadable.
#[test]
fn words_in_entries_do_not_change() {
    use domain::event::{Attempt, ErrandOutcome, SessionEnding as End};
    use domain::motion::AccountClass as Class;
    let json = |value: &dyn erased::Json| value.json();
    let words = [
        json(&[domain::people::PersonaKind::Admin, domain::people::PersonaKind::Research]),
        json(&[domain::rule::Channel::Shell, domain::rule::Channel::Exec]),
        json(&[domain::rule::RecordInput::Never, domain::rule::RecordInput::Masked]),
        json(&[
            Class::OsSuperuser,
            Class::DatabaseAdmin,
            Class::ApplicationMaster,
            Class::NetworkDevice,
            Class::CloudAdmin,
        ]),
        json(&[
            End::ClientLeft,
            End::TargetLeft,
            End::TargetLost,
            End::ClientLost,
            End::TargetUnreachable,
            End::TargetNotPinned,
            End::TargetRefused,
        ]),
        json(&[End::GrantOver, End::Revoked, End::Killed, End::RecordingFailed, End::GatewayStopped, End::GatewayLost]),
        json(&[
            ErrandOutcome::Clock { offset_ms: -1 },
            ErrandOutcome::Unreachable,
            ErrandOutcome::NotPinned,
            ErrandOutcome::Refused,
            ErrandOutcome::Unreadable,
            ErrandOutcome::RecordingFailed,
        ]),
        json(&[
            Attempt::Request,
            Attempt::Decision,
            Attempt::Motion,
            Attempt::Second,
            Attempt::Deed,
            Attempt::Passage,
            Attempt::Recovery,
            Attempt::Read,
            Attempt::Errand,
        ]),
        json(&[domain::statement::Decision::Approve, domain::statement::Decision::Refuse]),
        json(&[
            domain::Actor::Founders,
            domain::Actor::Engine,
            domain::Actor::Front,
            domain::Actor::Recovery,
            domain::Actor::Unproved,
        ]),
    ];
    expect![[r#"
        ["admin","research"]
        ["shell","exec"]
        ["never","masked"]
        ["os_superuser","database_admin","application_master","network_device","cloud_admin"]
        ["client_left","target_left","target_lost","client_lost","target_unreachable","target_not_pinned","target_refused"]
        ["grant_over","revoked","killed","recording_failed","gateway_stopped","gateway_lost"]
        [{"clock":{"offset_ms":-1}},"unreachable","not_pinned","refused","unreadable","recording_failed"]
        ["request","decision","motion","second","deed","passage","recovery","read","errand"]
        ["approve","refuse"]
        ["founders","engine","front","recovery","unproved"]"#]]
    .assert_eq(&words.join("\n"));
}

mod erased {
    pub(crate) trait Json {
        fn json(&self) -> String;
    }

    impl<T: serde::Serialize> Json for T {
        fn json(&self) -> String {
            serde_json::to_string(self).expect("plain data")
        }
    }
}
