//! What a server, or whoever stands between, could show other than what is signed.

use channel::api::{ApiAnswer, View};
use domain::statement::RequestFields;
use domain::{Committed, Window};
use envelope::Salt;
use ledger::Hash;

use super::world::World;
use crate::exit::Exit;

fn requests(answer: &mut ApiAnswer, change: impl Fn(&mut channel::api::RequestView)) {
    if let ApiAnswer::View(View::Request(request)) = answer {
        change(request);
    }
}

fn motions(answer: &mut ApiAnswer, change: impl Fn(&mut channel::api::MotionView)) {
    if let ApiAnswer::View(View::Motion(motion)) = answer {
        change(motion);
    }
}

fn asked() -> (World, String) {
    let world = World::ready();
    let words = ["request", "new", "root@db1", "--for", "1h", "--purpose", "rotate WAL archive, CHG-142", "--json"];
    let request = world.run("researcher", &words).json()["request"].as_str().unwrap().to_owned();
    (world, request)
}

/// Nothing may be signed, and the code says why.
fn check_request(change: impl Fn(&mut channel::api::RequestView) + Send + 'static, code: &str) {
    let (world, request) = asked();
    let liar = world.liar(move |answer| requests(answer, &change));
    for verb in [vec!["request", "approve", &request], vec!["request", "refuse", &request, "--reason", "no"]] {
        let words: Vec<&str> = ["--json", "--socket", &liar].into_iter().chain(verb).collect();
        let told = world.run("commander", &words);
        assert_eq!(
            (told.exit, told.json()["error"]["code"].as_str()),
            (Exit::ProofFails, Some(code)),
            "{}",
            told.all()
        );
    }
    let still: Vec<_> =
        world.run("commander", &["request", "list", "--json"]).json()["rows"].as_array().unwrap().clone();
    assert_eq!(still.len(), 1, "the request still waits");
}

#[test]
fn another_purpose_is_found() {
    check_request(|view| view.openings[0].value = "read the news".into(), "text-not-committed");
    check_request(|view| view.openings[0].salt = Salt::from_bytes([7; 32]), "text-not-committed");
    check_request(|view| view.openings[0].kind = "reason".into(), "text-missing");
    check_request(|view| view.openings.clear(), "text-missing");
}

#[test]
fn another_window_or_account_is_found() {
    check_request(
        |view| {
            let until = view.fields.window.until().plus(std::time::Duration::from_secs(3_600));
            view.fields.window = Window::new(view.fields.window.from(), until).unwrap();
        },
        "statement-not-what-is-shown",
    );
    check_request(|view| view.fields.account = domain::AccountId::from_random([9; 16]), "statement-not-what-is-shown");
    check_request(|view| view.fields.channels.clear(), "statement-not-what-is-shown");
    check_request(|view| view.fields.policy += 1, "statement-not-what-is-shown");
}

#[test]
fn another_hash_to_sign_is_found() {
    check_request(|view| view.statement = Hash::of(b"something else"), "statement-not-what-is-shown");
    check_request(|view| view.nonce = domain::Nonce::from_random([1; 16]), "statement-not-what-is-shown");
    check_request(
        |view| view.expires = view.expires.plus(std::time::Duration::from_secs(1)),
        "statement-not-what-is-shown",
    );
}

/// The liar changes the fields and the hash together: then it is another statement, which the server's own rules refuse.
#[test]
fn a_whole_other_request_is_refused_by_the_server() {
    let (world, request) = asked();
    let liar = world.liar(|answer| {
        requests(answer, |view| {
            let value = view.openings[0].value.clone() + ", and more";
            let hash = envelope::commit("purpose", &view.openings[0].salt, value.as_bytes());
            view.openings[0].value = value;
            let fields = RequestFields { purpose: Committed::from_hash(Hash::from_bytes(hash)), ..view.fields.clone() };
            let bytes =
                tegata::statement::bytes(&"gate.example/main".parse().unwrap(), &fields, view.nonce, view.expires);
            view.statement = tegata::statement::hash(&bytes);
            view.fields = fields;
        });
    });
    let told = world.run("commander", &["--json", "--socket", &liar, "request", "approve", &request]);
    assert_eq!(
        (told.exit, told.json()["error"]["code"].as_str()),
        (Exit::Refused, Some("statement-differs")),
        "{}",
        told.all()
    );
}

#[test]
fn another_request_than_the_one_asked_for_is_found() {
    let (world, request) = asked();
    let liar =
        world.liar(|answer| requests(answer, |view| view.fields.request = domain::RequestId::from_random([5; 16])));
    let told = world.run("commander", &["--json", "--socket", &liar, "request", "approve", &request]);
    assert_eq!(
        (told.exit, told.json()["error"]["code"].as_str()),
        (Exit::ProofFails, Some("named-otherwise")),
        "{}",
        told.all()
    );
}

#[test]
fn another_account_under_the_same_name_is_found() {
    let world = World::ready();
    let liar = world.liar(|answer| {
        if let ApiAnswer::View(View::Account(account)) = answer {
            account.name = Some("postgres".into());
        }
    });
    let words = [
        "--json",
        "--socket",
        &liar,
        "request",
        "new",
        "root@db1",
        "--for",
        "1h",
        "--purpose",
        "rotate WAL archive, CHG-142",
    ];
    let told = world.run("researcher", &words);
    assert_eq!(
        (told.exit, told.json()["error"]["code"].as_str()),
        (Exit::ProofFails, Some("named-otherwise")),
        "{}",
        told.all()
    );
}

fn check_motion(change: impl Fn(&mut channel::api::MotionView) + Send + 'static, code: &str) {
    let world = World::founded();
    let card = world.path("card");
    world.ok("researcher", &["person", "card", "--name", "the researcher", "--out", &card]);
    let motion =
        world.run("commander", &["person", "add", &card, "--json"]).json()["motion"].as_str().unwrap().to_owned();
    let liar = world.liar(move |answer| motions(answer, &change));
    for verb in ["second", "show"] {
        let told = world.run("auditor", &["--json", "--socket", &liar, "motion", verb, &motion]);
        assert_eq!(
            (told.exit, told.json()["error"]["code"].as_str()),
            (Exit::ProofFails, Some(code)),
            "{verb}: {}",
            told.all()
        );
    }
    world.ok("auditor", &["motion", "second", &motion]);
}

#[test]
fn another_motion_is_found() {
    use domain::motion::Act;
    check_motion(|view| view.statement = Hash::of(b"something else"), "statement-not-what-is-shown");
    check_motion(|view| view.openings[0].value = "somebody else".into(), "text-not-committed");
    check_motion(|view| view.openings.clear(), "text-missing");
    check_motion(
        |view| view.act = Act::PersonThaw { person: domain::PersonId::from_random([1; 16]) },
        "named-otherwise",
    );
    check_motion(
        |view| {
            let thaw = Act::PersonThaw { person: domain::PersonId::from_random([1; 16]) };
            (view.act, view.fields.act) = (thaw.clone(), thaw);
        },
        "statement-not-what-is-shown",
    );
}

/// The liar makes hash and fields agree, but nobody holds the key.
#[test]
fn a_key_that_nobody_showed_to_hold_is_found() {
    use domain::motion::Act;
    check_motion(
        |view| {
            if let Act::PersonAdd { key, .. } = &mut view.fields.act {
                *key = super::world::key_of("thief").public_key().clone();
            }
            view.act = view.fields.act.clone();
            let bytes =
                tegata::statement::bytes(&"gate.example/main".parse().unwrap(), &view.fields, view.nonce, view.expires);
            view.statement = tegata::statement::hash(&bytes);
        },
        "possession-fails",
    );
}
