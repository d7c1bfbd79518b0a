use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use domain::RefusalCode;
use expect_test::expect;
use fluent_bundle::FluentResource;

use super::*;
use crate::failure::FAILURES;

/// The values that a text names.
type Names = BTreeSet<String>;

/// Every message and hint with the values it names.
fn keys(lang: Lang) -> BTreeMap<String, Names> {
    let mut found = BTreeMap::new();
    for source in sources(lang) {
        FluentResource::try_new(source.to_owned()).expect("every message file is well formed");
        let mut key = String::new();
        for line in source.lines().filter(|line| !line.starts_with('#')) {
            if let Some((name, _)) = line.split_once(" =").filter(|(name, _)| is_key(name)) {
                key = name.to_owned();
                assert!(found.insert(key.clone(), Names::new()).is_none(), "`{key}` stands twice");
            } else if line.trim_start().starts_with(".hint =") {
                key = format!("{}.hint", key.trim_end_matches(".hint"));
                found.insert(key.clone(), Names::new());
            }
            if let Some(names) = found.get_mut(&key) {
                names.extend(variables(line));
            }
        }
    }
    found
}

fn is_key(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn variables(line: &str) -> Vec<String> {
    let word = |rest: &str| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    line.split('$').skip(1).map(word).collect()
}

/// Every text literal of the program that begins as a key does, in every file of `folder`.
fn literals(folder: &Path, beginnings: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(literals(&path, beginnings));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            let source = std::fs::read_to_string(&path).unwrap();
            let words =
                source.split('"').filter(|word| is_key(word) && beginnings.iter().any(|start| word.starts_with(start)));
            found.extend(words.map(str::to_owned));
        }
    }
    found
}

const BEGINNINGS: &[&str] = &[
    "say-",
    "label-",
    "column-",
    "word-",
    "act-",
    "deed-",
    "span-",
    "missing-",
    "fault-",
    "servers-word-",
    "notice-",
    "doctor-",
];

#[test]
fn both_languages_have_the_same_keys_and_name_the_same_values() {
    let (english, japanese) = (keys(Lang::En), keys(Lang::Ja));
    assert!(english.len() > 400, "only {} keys were found", english.len());
    assert_eq!(english, japanese);
}

#[test]
fn every_refusal_has_a_sentence_and_a_hint() {
    let found = keys(Lang::En);
    for code in RefusalCode::ALL {
        assert!(found.contains_key(&format!("refusal-{code}")), "refusal-{code}");
        assert!(found.contains_key(&format!("refusal-{code}.hint")), "refusal-{code}.hint");
    }
    let refusals = found.keys().filter(|key| key.starts_with("refusal-") && !key.ends_with(".hint")).count();
    assert_eq!(refusals, RefusalCode::ALL.len(), "a sentence of a refusal that is none");
}

#[test]
fn every_failure_has_a_sentence_and_a_hint_of_values_that_it_gives() {
    let found = keys(Lang::En);
    for (code, arguments, _) in FAILURES {
        for key in [format!("failure-{code}"), format!("failure-{code}.hint")] {
            let named = found.get(&key).unwrap_or_else(|| panic!("{key} is missing"));
            assert!(
                named.iter().all(|name| arguments.contains(&name.as_str())),
                "{key} names a value that is not given"
            );
        }
    }
    let failures = found.keys().filter(|key| key.starts_with("failure-") && !key.ends_with(".hint")).count();
    assert_eq!(failures, FAILURES.len(), "a sentence of a failure that is none");
}

#[test]
fn every_word_on_screen_is_used_and_every_used_one_is_there() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut used = literals(&source, BEGINNINGS);
    // The server names the keys of its checks.
    used.extend(literals(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/src"), &["doctor-"]));
    let own = |key: &&String| BEGINNINGS.iter().any(|start| key.starts_with(start));
    let there: BTreeSet<String> = keys(Lang::En).keys().filter(own).cloned().collect();
    assert!(used.iter().any(|key| key.starts_with("doctor-")), "the engine's checks were not found");
    // `label-unreadable` is the code of a failure.
    used.retain(|key| FAILURES.iter().all(|(code, ..)| code != key));
    let only_one_side: Vec<&String> = used.symmetric_difference(&there).collect();
    assert!(only_one_side.is_empty(), "used or written, but not both: {only_one_side:?}");
}

#[test]
fn no_sentence_leaves_a_value_open() {
    for lang in [Lang::En, Lang::Ja] {
        for refused in some_refusals() {
            let (sentence, hint) = refusal(&refused, lang);
            assert!(!format!("{sentence}{hint}").contains("{$"), "{sentence} {hint}");
            assert!(!sentence.starts_with("refusal-") && !hint.is_empty(), "{refused:?}");
        }
    }
}

/// One of each shape of values: what a refusal gives is what its sentence may name.
fn some_refusals() -> Vec<Refusal> {
    use domain::{AccountId, PersonId};
    let at: domain::Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
    vec![
        Refusal::ApproverIsRequester,
        Refusal::ClockFarFromConfirmed { confirmed: at, found: at },
        Refusal::PersonNotFrozen { person: PersonId::from_random([1; 16]) },
        Refusal::NoRule { account: AccountId::from_random([2; 16]) },
        Refusal::PolicyVersion { expected: 2, found: 1 },
        Refusal::PolicyFaulty { fault: PolicyFault::NoApproval { rule: "db".parse().unwrap() } },
        Refusal::WindowTooLong { longest_s: 5_400 },
        Refusal::TooFast { wait_s: 60 },
        Refusal::ClockFar { target: domain::TargetId::from_random([3; 16]), there: at, here: at },
        Refusal::LabelTaken { label: "db1".parse().unwrap() },
    ]
}

#[test]
fn a_sentence_names_only_values_that_its_refusal_gives() {
    // The names of a refusal's values stand in its own type; here they are read from the source that declares them.
    let source = include_str!("../../../domain/src/refusal.rs");
    let found = keys(Lang::En);
    for line in source.lines().filter(|line| line.contains("\" ;") || line.trim_end().ends_with("\";")) {
        let Some((declared, code)) =
            line.split_once(" = \"").map(|(left, right)| (left, right.trim_end_matches("\";")))
        else {
            continue;
        };
        let Some(named) = found.get(&format!("refusal-{code}")) else { continue };
        let hinted = found.get(&format!("refusal-{code}.hint")).unwrap();
        for name in named.union(hinted) {
            assert!(declared.contains(&format!("{name}:")), "refusal-{code} names ${name}");
        }
    }
}

#[test]
fn sentences_read_well() {
    let said = |refused: &Refusal, lang| {
        let (sentence, hint) = refusal(refused, lang);
        format!("{sentence}\n{hint}\n")
    };
    let long = Refusal::WindowTooLong { longest_s: 5_400 };
    let faulty = Refusal::PolicyFaulty { fault: PolicyFault::Twice { rule: "db".parse().unwrap() } };
    let all: String =
        [Lang::En, Lang::Ja].into_iter().flat_map(|lang| [said(&long, lang), said(&faulty, lang)]).collect();
    expect![[r#"
        the time asked for is too long; the rules allow at most 1 h 30 min
        ask for less, and again when it is needed
        the rules cannot be used: rule `db` stands twice
        correct the file and set it again
        申請した時間が長すぎます。規則では1時間30分までです
        短い時間で申請し、必要ならまた申請してください
        この規則は使えません: 規則 `db` が二度書かれています
        ファイルを直して、もう一度設定してください
    "#]]
    .assert_eq(&all);
}

#[test]
fn lengths_of_time_are_said_in_words() {
    let said = |seconds| [Lang::En, Lang::Ja].map(|lang| span(std::time::Duration::from_secs(seconds), lang));
    assert_eq!(said(90_061), ["1 d 1 h 1 min 1 s", "1日1時間1分1秒"]);
    assert_eq!(said(5_400), ["1 h 30 min", "1時間30分"]);
    assert_eq!(said(0), ["0 s", "0秒"]);
}

#[test]
fn a_key_that_is_not_there_is_shown_itself() {
    assert_eq!(text(Lang::En, "say-nothing-of-the-kind", &[]), "say-nothing-of-the-kind");
    assert_eq!(text_if_known(Lang::En, "say-nothing-of-the-kind", &[]), None);
}
