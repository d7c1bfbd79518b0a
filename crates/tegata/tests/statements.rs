//! The text that persons sign: `ssh-keygen` takes it, the specification shows it, and no two statements read alike.

#[path = "../../domain/tests/world/steps.rs"]
mod steps;
#[path = "../../domain/tests/world/mod.rs"]
mod world;

mod real;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};

use domain::event::{Event, Filing, Founding, OriginName};
use domain::motion::Act;
use domain::rule::Channel;
use domain::statement::{
    Decision, DecisionFields, Deed, DeedFields, HelloFields, MotionFields, Possession, PossessionFields,
    RecoveryFields, RequestFields, SecondFields, Statement,
};
use domain::{AccountId, Committed, Nonce, PersonId, PersonaId, RequestId, Timestamp, Window};
use ledger::Hash;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use real::RealPen;
use serde_json::{Map, Value};
use sshwire::SoftSigner;
use steps::{Play, runner, steps};
use tegata::statement;
use world::{FakePen, Pen, World};

const SPEC: &str = include_str!("../../../spec/statements.md");

fn origin() -> OriginName {
    "gate.example/tokyo".parse().expect("an origin")
}

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn nonce(byte: u8) -> Nonce {
    Nonce::from_random([byte; 16])
}

fn example_request() -> RequestFields {
    RequestFields {
        request: RequestId::from_random([1; 16]),
        requester: PersonaId::from_random([2; 16]),
        beneficiary: PersonaId::from_random([2; 16]),
        account: AccountId::from_random([3; 16]),
        window: Window::new(time("2026-11-23T10:00:00Z"), time("2026-11-23T12:00:00Z")).expect("a window"),
        channels: BTreeSet::from([Channel::Shell, Channel::Exec]),
        purpose: Committed::from_hash(Hash::of(b"a salted commitment")),
        policy: 7,
    }
}

fn request_bytes() -> Vec<u8> {
    statement::bytes(&origin(), &example_request(), nonce(4), time("2026-11-23T10:05:00Z"))
}

fn approval_bytes() -> Vec<u8> {
    let fields = DecisionFields {
        request: RequestId::from_random([1; 16]),
        statement: statement::hash(&request_bytes()),
        approver: PersonaId::from_random([5; 16]),
        decision: Decision::Approve,
        reason: None,
        policy: 7,
    };
    statement::bytes(&origin(), &fields, nonce(6), time("2026-11-23T10:06:30.25Z"))
}

/// The blocks of the specification that are marked as statements.
fn shown_in_the_specification() -> Vec<&'static str> {
    SPEC.split("```statement\n").skip(1).map(|rest| rest.split("```").next().expect("a block ends")).collect()
}

#[test]
fn the_specification_shows_what_is_signed() {
    let [request, approval] = [request_bytes(), approval_bytes()].map(|bytes| String::from_utf8(bytes).expect("UTF-8"));
    assert_eq!(shown_in_the_specification(), [request.as_str(), approval.as_str()]);
}

#[test]
fn the_specification_names_every_statement() {
    for name in [
        Founding::NAME,
        RequestFields::NAME,
        DecisionFields::NAME,
        MotionFields::NAME,
        SecondFields::NAME,
        DeedFields::NAME,
        PossessionFields::NAME,
        RecoveryFields::NAME,
        HelloFields::NAME,
    ] {
        assert!(SPEC.contains(&format!("`{name}`")), "spec/statements.md does not speak of `{name}`");
    }
}

mod ssh_keygen {
    use super::*;

    /// What the system's `ssh-keygen -Y verify` says.
    fn verifies(key: &sshwire::PublicKey, namespace: &str, armored: &str, message: &[u8]) -> bool {
        let folder = tempfile::tempdir().expect("a folder");
        let (allowed, signature) = (folder.path().join("allowed"), folder.path().join("signature"));
        std::fs::write(&allowed, format!("approver@gate {key}\n")).expect("written");
        std::fs::write(&signature, armored).expect("written");
        let mut child = Command::new("ssh-keygen")
            .args(["-Y", "verify", "-I", "approver@gate", "-n", namespace, "-f"])
            .arg(&allowed)
            .arg("-s")
            .arg(&signature)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("OpenSSH's ssh-keygen is there");
        // It may have refused the signature before it reads the message, and closed its end.
        drop(child.stdin.take().expect("piped").write_all(message));
        child.wait().expect("it ends").success()
    }

    #[test]
    fn it_takes_a_signed_statement_and_nothing_beside_it() {
        let signer = SoftSigner::from_seed(&[9; 32]);
        let bytes = approval_bytes();
        let armored = signer.sshsig(DecisionFields::NAME, &bytes).to_armored();
        assert!(verifies(signer.public_key(), DecisionFields::NAME, &armored, &bytes));
        assert!(
            !verifies(signer.public_key(), RequestFields::NAME, &armored, &bytes),
            "it is an approval, not a request"
        );
        assert!(
            !verifies(SoftSigner::from_seed(&[8; 32]).public_key(), DecisionFields::NAME, &armored, &bytes),
            "it is by another key"
        );
        let mut other = bytes;
        other.pop();
        assert!(
            !verifies(signer.public_key(), DecisionFields::NAME, &armored, &other),
            "the last line end belongs to it"
        );
    }

    /// From a ledger's entry alone, as the specification says.
    #[test]
    fn it_takes_the_founding_and_a_request_rebuilt_from_their_entries() {
        let (mut world, shop) = World::shop(RealPen, 5);
        world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
        let entries: Vec<domain::Entry> =
            world.bytes.iter().map(|bytes| domain::Entry::decode(bytes).expect("an entry")).collect();
        let Event::Founded(founded) = &entries[0].event else { panic!("a ledger begins with its founding") };
        for (founder, signature) in founded.founding.founders.iter().zip(&founded.signatures) {
            assert!(verifies(
                &founder.key,
                Founding::NAME,
                &signature.to_armored(),
                &statement::founding_bytes(&founded.founding)
            ));
        }
        let Some(Event::RequestFiled(filed)) = entries.last().map(|entry| &entry.event) else {
            panic!("the last entry is the request")
        };
        let Filing::Signed(signed) = &filed.filing else { panic!("it is signed") };
        let bytes = statement::signed_bytes(&founded.founding.origin, &filed.fields, signed);
        let key = &world.state.people.keys[&signed.key].key;
        assert!(verifies(key, RequestFields::NAME, &signed.signature.to_armored(), &bytes));
    }
}

/// One value of a statement is one line, so a reader who knows nothing of the fields can take the text apart again.
mod read_back {
    use super::*;

    /// The text's lines as a tree: parts of a name that are numbers are places in a list.
    fn tree_of(text: &str) -> Value {
        let mut root = Value::Object(Map::new());
        for line in text.lines().skip(1) {
            let (path, value) = line.split_once(": ").expect("a name and a value");
            let value = if value == "[]" { Value::Array(vec![]) } else { Value::String(value.to_owned()) };
            put(&mut root, &path.split('.').collect::<Vec<_>>(), value);
        }
        root
    }

    fn put(at: &mut Value, path: &[&str], value: Value) {
        let Some((first, rest)) = path.split_first() else { panic!("a name has a part") };
        let empty = if rest.first().is_some_and(|next| next.parse::<usize>().is_ok()) {
            Value::Array(vec![])
        } else {
            Value::Object(Map::new())
        };
        let place = match at {
            Value::Array(items) => {
                let index: usize = first.parse().expect("a place in a list");
                if index == items.len() {
                    items.push(empty);
                }
                &mut items[index]
            }
            Value::Object(members) => members.entry(*first).or_insert(empty),
            other => panic!("{other} is no tree"),
        };
        if rest.is_empty() { *place = value } else { put(place, rest, value) }
    }

    const TIMES: &[&str] = &["from", "until", "time", "created", "expires"];

    /// The JSON of the same body with every scalar as the text shows it.
    fn shown(name: &str, value: &Value) -> Value {
        match value {
            Value::Number(number) if TIMES.contains(&name) => {
                let micros = number.as_i64().expect("microseconds");
                Value::String(Timestamp::from_micros(micros).expect("a time").to_string())
            }
            Value::Number(number) => Value::String(number.to_string()),
            Value::Array(items) => Value::Array(items.iter().map(|item| shown("", item)).collect()),
            Value::Object(members) => Value::Object(
                members.iter().filter(|(_, v)| !v.is_null()).map(|(name, v)| (name.clone(), shown(name, v))).collect(),
            ),
            other => other.clone(),
        }
    }

    pub(super) fn check<S: Statement>(
        body: &S,
        nonce: Option<Nonce>,
        expires: Option<Timestamp>,
        bytes: &[u8],
    ) -> Result<(), String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "a statement is not UTF-8")?;
        let first = format!("{}/v1", S::NAME);
        if text.lines().next() != Some(first.as_str()) || !text.ends_with('\n') || text.contains('\r') {
            return Err(format!("a statement does not begin or end as it should: {text}"));
        }
        let mut expected = shown("", &serde_json::to_value(body).map_err(|why| why.to_string())?);
        let members = expected.as_object_mut().ok_or("a body has members")?;
        members.insert("origin".to_owned(), Value::String(origin().to_string()));
        members.extend(nonce.map(|nonce| ("nonce".to_owned(), Value::String(nonce.to_string()))));
        members.extend(expires.map(|expires| ("expires".to_owned(), Value::String(expires.to_string()))));
        let read = tree_of(text);
        if read == expected {
            Ok(())
        } else {
            Err(format!("the text reads back as something else:\n{text}\n{read}\n{expected}"))
        }
    }
}

/// Every statement that an entry carries, as the pair of what it says and its bytes.
fn statements_of(event: &Event) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut found = vec![];
    match event {
        Event::Founded(founded) => {
            let bytes = statement::founding_bytes(&founded.founding);
            read_back::check(&founded.founding, None, None, &bytes)?;
            found.push((json(&founded.founding), bytes));
        }
        Event::MotionFiled(filed) => {
            found.push(signed(&filed.fields, filed.signed.nonce, filed.signed.expires)?);
            found.extend(possessions_of(&filed.fields.act)?);
        }
        Event::MotionCarried(carried) => {
            found.push(signed(&carried.fields, carried.signed.nonce, carried.signed.expires)?)
        }
        Event::RequestFiled(filed) => {
            let (nonce, expires) = match &filed.filing {
                Filing::Signed(signed) => (signed.nonce, signed.expires),
                Filing::FiledThroughSsh { nonce, expires, .. } => (*nonce, *expires),
            };
            found.push(signed(&filed.fields, nonce, expires)?);
        }
        Event::ApprovalGiven(decided) | Event::RequestRefused(decided) => {
            found.push(signed(&decided.fields, decided.signed.nonce, decided.signed.expires)?)
        }
        Event::Deed(done) => found.push(signed(&done.fields, done.signed.nonce, done.signed.expires)?),
        Event::RecoveryStarted(started) => found.push(signed(&started.fields, started.nonce, started.expires)?),
        _ => {}
    }
    Ok(found)
}

fn signed<S: Statement>(body: &S, nonce: Nonce, expires: Timestamp) -> Result<(String, Vec<u8>), String> {
    let bytes = statement::bytes(&origin(), body, nonce, expires);
    read_back::check(body, Some(nonce), Some(expires), &bytes)?;
    Ok((format!("{} {} {nonce} {expires}", S::NAME, json(body)), bytes))
}

fn possessions_of(act: &Act) -> Result<Vec<(String, Vec<u8>)>, String> {
    let (Act::PersonAdd { person, persona, key, possession, .. }
    | Act::PersonaAdd { person, persona, key, possession, .. }) = act
    else {
        return Ok(vec![]);
    };
    let fields = PossessionFields { person: *person, persona: *persona, key: key.clone() };
    let Possession { nonce, .. } = possession;
    let bytes = statement::possession_bytes(&origin(), &fields, *nonce);
    read_back::check(&fields, Some(*nonce), None, &bytes)?;
    Ok(vec![(format!("{} {} {nonce}", PossessionFields::NAME, json(&fields)), bytes)])
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain data")
}

/// Whoever has the bytes knows the body: so two bodies never have the same bytes.
#[test]
fn every_statement_of_every_kind_reads_back_from_its_bytes() {
    let mut seen: BTreeMap<Vec<u8>, String> = BTreeMap::new();
    for entry in world::examples::ledger().entries {
        for (said, bytes) in statements_of(&entry.event).unwrap_or_else(|why| panic!("{why}")) {
            let before = seen.insert(bytes, said.clone());
            assert!(before.is_none_or(|before| before == said), "two statements have the same bytes: {said}");
        }
    }
    let names: BTreeSet<&str> = seen
        .values()
        .filter_map(|said| said.split([' ', '{']).next())
        .filter(|name| name.starts_with("sekimori-"))
        .collect();
    assert_eq!(names.len(), 7, "{names:?}");
}

#[test]
fn statements_of_random_worlds_read_back_and_never_share_their_bytes() {
    let start = Play::new(FakePen, 3).expect("a sound world");
    let (mut runner, size) = runner(256);
    let outcome = runner.run(&steps(40), |steps| {
        let mut play = start.clone();
        play.run(&steps).map_err(TestCaseError::fail)?;
        let mut seen: BTreeMap<Vec<u8>, String> = BTreeMap::new();
        for entry in &play.world.entries {
            for (said, bytes) in statements_of(&entry.event).map_err(TestCaseError::fail)? {
                let before = seen.insert(bytes, said.clone());
                prop_assert!(
                    before.is_none_or(|before| before == said),
                    "two statements have the same bytes: {}",
                    said
                );
            }
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{size}\n{failure}");
    }
}

proptest! {
    /// Changing any one field, the nonce, the expiry or the origin changes the bytes.
    #[test]
    fn every_field_of_a_request_is_in_its_bytes(a: [u8; 16], b: [u8; 16], which in 0_usize..11) {
        prop_assume!(a != b);
        let mut fields = example_request();
        let (mut other_nonce, mut expires, mut from) = (nonce(4), time("2026-11-23T10:05:00Z"), origin());
        match which {
            0 => fields.request = RequestId::from_random(a),
            1 => fields.requester = PersonaId::from_random(a),
            2 => fields.beneficiary = PersonaId::from_random(a),
            3 => fields.account = AccountId::from_random(a),
            4 => fields.window = Window::new(fields.window.from(), fields.window.until().plus(std::time::Duration::from_micros(1))).expect("a window"),
            5 => fields.channels = BTreeSet::from([Channel::Exec]),
            6 => fields.purpose = Committed::from_hash(Hash::of(&a)),
            7 => fields.policy += 1 + u64::from(a[0]),
            8 => other_nonce = Nonce::from_random(a),
            9 => expires = expires.plus(std::time::Duration::from_micros(1)),
            _ => from = "gate.example/osaka".parse().expect("an origin"),
        }
        let changed = statement::bytes(&from, &fields, other_nonce, expires);
        let same = fields == example_request() && other_nonce == nonce(4);
        prop_assert!(changed != request_bytes() || (same && which < 9));
    }
}

/// A reason that is left out and one that is there read differently, and so do an empty list and none.
#[test]
fn what_is_absent_has_no_line() {
    let fields = DecisionFields {
        request: RequestId::from_random([1; 16]),
        statement: Hash::of(b""),
        approver: PersonaId::from_random([5; 16]),
        decision: Decision::Refuse,
        reason: Some(Committed::from_hash(Hash::of(b"reason"))),
        policy: 7,
    };
    let with = statement::bytes(&origin(), &fields, nonce(1), time("2026-11-23T10:05:00Z"));
    let without =
        statement::bytes(&origin(), &DecisionFields { reason: None, ..fields }, nonce(1), time("2026-11-23T10:05:00Z"));
    assert!(String::from_utf8_lossy(&with).contains("\nreason: "));
    assert!(!String::from_utf8_lossy(&without).contains("reason"));
    let mut empty = example_request();
    empty.channels.clear();
    let empty = statement::bytes(&origin(), &empty, nonce(1), time("2026-11-23T10:05:00Z"));
    assert!(String::from_utf8_lossy(&empty).contains("\nchannels: []\n"));
}

/// Two kinds of statement with the same fields are two statements, by first line and by namespace.
#[test]
fn a_statement_of_one_kind_is_none_of_another() {
    let names = [
        Founding::NAME,
        RequestFields::NAME,
        DecisionFields::NAME,
        MotionFields::NAME,
        SecondFields::NAME,
        DeedFields::NAME,
        PossessionFields::NAME,
        RecoveryFields::NAME,
        HelloFields::NAME,
    ];
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    let deed = DeedFields {
        by: PersonaId::from_random([1; 16]),
        deed: Deed::PersonLeave { person: PersonId::from_random([2; 16]) },
    };
    let text =
        String::from_utf8(statement::bytes(&origin(), &deed, nonce(1), time("2026-11-23T10:05:00Z"))).expect("UTF-8");
    assert!(text.starts_with("sekimori-deed/v1\norigin: gate.example/tokyo\nby: psn_"), "{text}");
    assert!(text.contains("\ndeed.person_leave.person: per_"), "{text}");
}

#[test]
fn a_hello_proves_a_key_for_one_challenge() {
    let hello = HelloFields { challenge: nonce(7), key: RealPen.public(5) };
    let bytes = statement::bytes(&origin(), &hello, nonce(1), time("2026-11-23T10:05:00Z"));
    read_back::check(&hello, Some(nonce(1)), Some(time("2026-11-23T10:05:00Z")), &bytes)
        .unwrap_or_else(|why| panic!("{why}"));
}
