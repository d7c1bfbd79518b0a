//! What cannot be meant is refused with a sentence and the right exit code, and opens nothing.

use e2e::{PURPOSE, World};

#[test]
fn requests_that_say_too_little_or_nonsense_are_refused() {
    let world = World::new();
    let account = world.account();
    let long = "x".repeat(5_000);
    let window = |window: &[&'static str], purpose: &str| -> Vec<String> {
        let words =
            ["request", "new", &account].into_iter().chain(window.iter().copied()).chain(["--purpose", purpose]);
        words.map(str::to_owned).collect()
    };
    let cases = [
        window(&["--for", "10m"], ""),
        window(&["--for", "10m"], "   "),
        window(&["--for", "10m"], "tbd"),
        window(&["--for", "10m"], &long),
        window(&[], PURPOSE),
        window(&["--for", "0s"], PURPOSE),
        window(&["--for", "-5m"], PURPOSE),
        window(&["--for", "400d"], PURPOSE),
        window(&["--for", "2h"], PURPOSE),
        window(&["--from", "2099-13-20T00:00Z", "--for", "10m"], PURPOSE),
        window(&["--from", "2031-02-01T10:00Z", "--until", "2031-02-01T09:00Z"], PURPOSE),
        window(&["--from", "2021-02-01T10:00Z", "--until", "2021-02-01T11:00Z"], PURPOSE),
    ];
    for words in cases {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (code, said) = world.refused(&world.operator, &words);
        assert!(
            (1..=3).contains(&code) && said.contains("error") && !said.contains("panicked"),
            "{words:?}: {code} {said}"
        );
    }
    let pending = world.gate.json(&world.owner.key, &["request", "list"]).unwrap();
    assert!(!pending.contains("req_"), "{pending}");
}

#[test]
fn unknown_names_and_ids_are_errors_and_never_a_crash() {
    let world = World::new();
    for words in [
        vec!["request", "new", "root@nowhere", "--for", "10m", "--purpose", PURPOSE],
        vec!["request", "new", "root", "--for", "10m", "--purpose", PURPOSE],
        vec!["request", "new", "root@db1@db1", "--for", "10m", "--purpose", PURPOSE],
        vec!["request", "approve", "req_00000000000000000000000000"],
        vec!["request", "approve", "req_"],
        vec!["grant", "tegata", "grt_ilou"],
        vec!["session", "kill", "ses_00000000000000000000000000", "--reason", "it does not exist"],
        vec!["target", "probe", "../etc"],
        vec!["no-such-noun"],
    ] {
        let (code, said) = world.refused(&world.operator, &words);
        assert!((1..=3).contains(&code) && !said.contains("panicked"), "{words:?}: {code} {said}");
    }
}

#[test]
fn a_stranger_learns_nothing_and_does_nothing() {
    let world = World::new();
    let key = world.gate.key("stranger").unwrap();
    let stranger = testkit::Person { role: "stranger".into(), key, person: String::new(), persona: String::new() };
    for words in [
        vec!["people"],
        vec!["person", "list"],
        vec!["target", "list"],
        vec!["ledger", "list"],
        vec!["whoami"],
        vec!["session", "list"],
    ] {
        let (_, said) = world.refused(&stranger, &words);
        for secret in ["operator", "db1", "127.0.0.1:"] {
            assert!(!said.contains(secret), "{words:?} told a stranger of `{secret}`: {said}");
        }
    }
    assert!(!world.exec(&stranger, "echo in").status.success());
}
