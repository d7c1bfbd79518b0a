//! What the CLI takes from a server before it signs, and what it does not.

use std::sync::atomic::Ordering;

use domain::Timestamp;

use super::world::World;
use crate::desk::FARTHEST_SERVER_CLOCK;
use crate::exit::Exit;

const ASK: [&str; 7] = ["request", "new", "root@db1", "--for", "1h", "--purpose", "rotate WAL archive, CHG-142"];

fn filed(world: &World) -> usize {
    world.run("commander", &["request", "list", "--json"]).json()["rows"].as_array().unwrap().len()
}

#[test]
fn another_installation_than_the_trusted_one_gets_no_signature() {
    let world = World::ready();
    let impostor = world.impostor(|challenge| challenge.origin = Some("gate.example/other".into()));
    let trust = world.path("trust");
    let card = world.path("some.card");
    for verb in [
        ASK.to_vec(),
        vec!["whoami"],
        vec!["person", "list"],
        vec!["person", "card", "--name", "somebody in a role", "--out", &card],
    ] {
        let words: Vec<&str> = ["--json", "--trust", &trust, "--socket", &impostor].into_iter().chain(verb).collect();
        let told = world.run("researcher", &words);
        let error = &told.json()["error"];
        assert_eq!((told.exit, error["code"].as_str()), (Exit::ProofFails, Some("origin-differs")), "{}", told.all());
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("gate.example/other") && message.contains("gate.example/main"), "{message}");
    }
    assert!(!std::path::Path::new(&card).exists());
    assert_eq!(filed(&world), 0);
    world.ok("researcher", &[&["--trust", &trust][..], &ASK].concat());
    assert_eq!(filed(&world), 1, "the trusted one gets it");
}

#[test]
fn a_trust_directory_that_cannot_be_read_trusts_nothing() {
    let world = World::ready();
    for trust in ["nowhere", "empty"] {
        let dir = world.path(trust);
        if trust == "empty" {
            std::fs::create_dir(&dir).unwrap();
        }
        let told = world.run("researcher", &[&["--trust", &dir, "--json"][..], &ASK].concat());
        assert_eq!(told.exit, Exit::Usage, "{}", told.all());
    }
    assert_eq!(filed(&world), 0);
}

#[test]
fn what_is_signed_says_whose_word_the_installation_is() {
    let world = World::ready();
    let told = world.run("researcher", &ASK);
    assert!(told.err.contains("gate.example/main (the server's word: no trust directory says so)"), "{}", told.all());
    let trust = world.path("trust");
    let told = world.run("researcher", &[&["--trust", &trust][..], &ASK].concat());
    assert!(told.err.contains("gate.example/main (as DIR/trust has it)"), "{}", told.all());
    let told = world.run("researcher", &[&["--lang", "ja"][..], &ASK].concat());
    assert!(told.err.contains("信頼ディレクトリの裏付けなし"), "{}", told.all());
}

fn far() -> i64 {
    i64::try_from(FARTHEST_SERVER_CLOCK.as_secs()).unwrap() + 1
}

#[test]
fn nothing_is_signed_by_a_server_clock_far_from_ours_unless_the_person_says_so() {
    let world = World::ready();
    let server: Timestamp = "2026-11-23T01:20:30Z".parse().unwrap();
    for ahead in [far(), -far(), 30 * 24 * 3600] {
        world.ahead.store(ahead, Ordering::SeqCst);
        let told = world.run("researcher", &[&ASK[..], &["--json"]].concat());
        let error = &told.json()["error"];
        assert_eq!(
            (told.exit, error["code"].as_str()),
            (Exit::CannotDecide, Some("server-clock-far")),
            "{}",
            told.all()
        );
        let here = Timestamp::from_micros(server.micros() + ahead * 1_000_000).unwrap();
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(&server.to_string()) && message.contains(&here.to_string()), "{message}");
        assert!(!told.err.contains("signed hash"), "nothing was shown as if it were to be signed: {}", told.all());
    }
    assert_eq!(filed(&world), 0);
    world.ok("researcher", &[&["--by-server-clock"][..], &ASK].concat());
    assert_eq!(filed(&world), 1);
}

#[test]
fn a_server_clock_near_ours_is_signed_by() {
    let world = World::ready();
    for (filed_then, ahead) in [(1, far() - 2), (2, 2 - far())] {
        world.ahead.store(ahead, Ordering::SeqCst);
        world.ok("researcher", &ASK);
        assert_eq!(filed(&world), filed_then);
    }
}

/// Reading files nothing, so it goes on where the clocks differ: whoever is to set one right can see what there is.
#[test]
fn a_far_clock_keeps_nobody_from_reading() {
    let world = World::ready();
    world.ahead.store(7 * far(), Ordering::SeqCst);
    world.ok("researcher", &["request", "list"]);
    world.ok("researcher", &["person", "list"]);
}

#[test]
fn whatever_is_signed_about_an_account_or_a_person_shows_the_id_beside_the_name() {
    let world = World::ready();
    let accounts = world.run("commander", &["account", "list", "--json"]).json();
    let account = accounts["rows"][0]["account"].as_str().unwrap().to_owned();
    let (researcher, auditor) = (world.person("researcher"), world.person("auditor"));
    let (account, researcher) = (format!("{account} (root@db1)"), format!("{researcher} (the researcher)"));
    let shows = |told: &super::world::Told, all: &[&str]| {
        assert_eq!(told.exit, Exit::Done, "{}", told.all());
        assert!(all.iter().all(|one| told.err.contains(one)), "{all:?}: {}", told.all());
    };
    let mut gateway = super::gateway::granted(&world);
    let passage = gateway.open("researcher");
    let session = passage.session.to_string();
    let asked = world.run("researcher", &[&ASK[..], &["--json"]].concat());
    shows(&asked, &[&account, &researcher]);
    let request = asked.json()["request"].as_str().unwrap().to_owned();
    shows(&world.run("commander", &["request", "refuse", &request, "--reason", "not today"]), &[&account, &researcher]);
    let of_session = [account.as_str(), researcher.as_str(), session.as_str()];
    shows(&world.run("commander", &["session", "freeze", &session, "--reason", "let me look"]), &of_session);
    shows(&world.run("commander", &["session", "thaw", &session]), &of_session);
    shows(&world.run("commander", &["session", "kill", &session, "--reason", "enough"]), &of_session);
    let grants = world.run("commander", &["grant", "list", "--json"]).json();
    let grant = grants["rows"][0]["grant"].as_str().unwrap().to_owned();
    shows(&world.run("commander", &["grant", "revoke", &grant, "--reason", "done"]), &[&account, &researcher, &grant]);
    let auditor_named = format!("{auditor} (the auditor)");
    shows(&world.run("commander", &["group", "join", "readers", &auditor]), &[&auditor_named]);
    shows(
        &world.run("commander", &["person", "link", &auditor, &world.person("researcher")]),
        &[&auditor_named, &researcher],
    );
    let add = ["account", "add", "postgres@db1", "--class", "database-admin", "--owner", &auditor];
    shows(&world.run("commander", &add), &[&auditor_named, "(postgres@db1)", "(db1)"]);
    shows(&world.run("commander", &["person", "freeze", &auditor, "--reason", "let me look"]), &[&auditor_named]);
}
