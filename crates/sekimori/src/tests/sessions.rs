use expect_test::expect;

use super::gateway::{Gateway, Passage, granted};
use super::world::{World, without};
use crate::exit::Exit;

const PURPOSE: &str = "look into incident INC-7";

fn opened() -> (World, Gateway, Passage) {
    let world = World::ready();
    let mut gateway = granted(&world);
    let passage = gateway.open("researcher");
    (world, gateway, passage)
}

fn recorded() -> (World, String) {
    let (world, mut gateway, mut passage) = opened();
    passage.play();
    let session = passage.session.to_string();
    gateway.end(passage);
    (world, session)
}

#[test]
fn live_sessions_are_listed_frozen_thawed_and_ended() {
    let (world, _gateway, passage) = opened();
    assert_eq!(passage.terms.login, "root");
    let session = passage.session.to_string();
    expect![[r#"
        exit 0
        session                         account   person                                           opened                   ends                     state
        ses_6nd2555nat0bp4ntjyr7ndzzz1  root@db1  per_0mnhbqspseyvcrc1wb81acs64k (the researcher)  2026-11-23 10:20:30 JST  2026-11-23 11:20:30 JST  open
        --
    "#]].assert_eq(&without(&world.run("commander", &["session", "list"]).all(), "grt_"));
    world.ok("commander", &["session", "freeze", &session[..12], "--reason", "an odd command"]);
    assert!(world.ok("commander", &["session", "list"]).contains("frozen"));
    let own = world.run("researcher", &["session", "thaw", &session]);
    assert_eq!(own.exit, Exit::Refused, "{}", own.all());
    world.ok("commander", &["session", "thaw", &session]);
    expect![[r#"
        exit 0
        recorded as entry 26 at 2026-11-23 10:20:30 JST (2026-11-23T01:20:30Z)
        --
        you end the session
          session         ses_6nd2555nat0bp4ntjyr7ndzzz1
          account         root@db1
          person          per_0mnhbqspseyvcrc1wb81acs64k (the researcher)
          opened          2026-11-23 10:20:30 JST (2026-11-23T01:20:30Z)
          reason          an incident, INC-7
          installation    gate.example/main
          signed with     SHA256:F26t2rJGgvsdr7Wt/JiNjzM2mFIHHW1mnsaSFRmbAk4 (psn_6d0jj7ah4rw1pvb89wbwvhy7r4)
          to be filed by  2026-11-23 10:30:30 JST (2026-11-23T01:30:30Z)
          signed hash     16eae0d9d7360f2f15e5e403abcc0c9deed9eabc2c6db19d7d1656791ce32537
    "#]]
    .assert_eq(&world.run("commander", &["session", "kill", &session, "--reason", "an incident, INC-7"]).all());
}

#[test]
fn a_recording_is_watched_with_a_purpose() {
    let (world, session) = recorded();
    let placeholder = world.run("auditor", &["session", "replay", &session, "--purpose", "test"]);
    assert_eq!(placeholder.exit, Exit::Refused, "{}", placeholder.all());
    let other = world.run("researcher", &["session", "replay", &session, "--purpose", PURPOSE]);
    assert_eq!(other.exit, Exit::Refused, "only auditors and administrators look: {}", other.all());
    let before = engine::clock::Clock::wall(&world.clock);
    let told = world.run("auditor", &["session", "replay", &session[..12], "--purpose", PURPOSE, "--speed", "2"]);
    assert_eq!(told.exit, Exit::Done, "{}", told.all());
    assert_eq!(told.out, "sekimori: this session is recorded\r\nroot@db1:~# whoami\r\nroot\r\n");
    let took = engine::clock::Clock::wall(&world.clock).since(before);
    assert_eq!(took, std::time::Duration::from_millis(1_250), "2.5 s at twice the speed");
    let permits = world.ok("auditor", &["ledger", "list", "--about", &session]);
    assert!(permits.contains("replay.permitted"), "{permits}");
    world.ok("auditor", &["session", "replay", &session, "--purpose", PURPOSE, "--no-wait"]);
}

#[test]
fn a_recording_is_exported() {
    let (world, session) = recorded();
    let (cast, text) = (world.path("db1.cast"), world.path("db1.txt"));
    world.ok("auditor", &["session", "export", &session, "--purpose", PURPOSE, "--asciicast", "--out", &cast]);
    let written = std::fs::read_to_string(&cast).unwrap();
    assert!(written.starts_with("{\"version\":2") && written.contains("root@db1"), "{written}");
    world.ok("auditor", &["session", "export", &session, "--purpose", PURPOSE, "--text", "--out", &text]);
    assert_eq!(
        std::fs::read_to_string(&text).unwrap(),
        "sekimori: this session is recorded\nroot@db1:~# whoami\nroot\n"
    );
    let neither =
        world.run("auditor", &["session", "export", &session, "--purpose", PURPOSE, "--out", &world.path("x")]);
    assert_eq!(neither.exit, Exit::Usage);
    let taken = world.run("auditor", &["session", "export", &session, "--purpose", PURPOSE, "--text", "--out", &text]);
    assert_eq!(taken.exit, Exit::Usage, "nothing is written over");
}

#[test]
fn a_recording_is_verified_against_the_ledger() {
    let (world, session) = recorded();
    let trust = world.path("trust");
    let told = world.run("auditor", &["--trust", &trust, "session", "verify", &session, "--purpose", PURPOSE]);
    expect![[r#"
        The recording verifies:
          session                ses_6nd2555nat0bp4ntjyr7ndzzz1
          chunks                 5
          frames                 7
          bytes                  97
          has its last chunk     yes
          ends as in the ledger  yes
          entries proved         yes
    "#]]
    .assert_eq(&told.out);
    let file = world.places().recordings().join("closed").join(format!("{session}.skmrec"));
    let good = std::fs::read(&file).unwrap();
    for at in (0..good.len()).step_by(97).chain([good.len() - 1]) {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        std::fs::write(&file, &bytes).unwrap();
        let told = world.run("auditor", &["session", "verify", &session, "--purpose", PURPOSE]);
        assert_ne!(told.exit, Exit::Done, "byte {at} of {}: {}", good.len(), told.all());
    }
    std::fs::write(&file, &good[..good.len() - 60]).unwrap();
    let told = world.run("auditor", &["session", "verify", &session, "--purpose", PURPOSE]);
    assert_eq!(told.exit, Exit::ProofFails, "cut off: {}", told.all());
    std::fs::write(&file, &good).unwrap();
    world.ok("auditor", &["session", "verify", &session, "--purpose", PURPOSE]);
}

#[test]
fn ended_sessions_are_listed_with_how_they_ended() {
    let (world, _) = recorded();
    assert!(world.ok("commander", &["session", "list"]).contains("no sessions"));
    expect![[r#"
        exit 0
        session                         account   person                                           opened                   ends                     state
        ses_6nd2555nat0bp4ntjyr7ndzzz1  root@db1  per_0mnhbqspseyvcrc1wb81acs64k (the researcher)  2026-11-23 10:20:30 JST  2026-11-23 10:25:00 JST  closed by the person
        --
    "#]].assert_eq(&world.run("commander", &["session", "list", "--ended"]).all());
}
