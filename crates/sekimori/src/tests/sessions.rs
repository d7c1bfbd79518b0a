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
          grant           grt_…
          account         acc_07ck3jd9sfhrej8qsk58eg4bzz (root@db1)
          person          per_0mnhbqspseyvcrc1wb81acs64k (the researcher)
          opened          2026-11-23 10:20:30 JST (2026-11-23T01:20:30Z)
          reason          an incident, INC-7
          installation    gate.example/main (the server's word: no trust directory says so)
          signed with     SHA256:F26t2rJGgvsdr7Wt/JiNjzM2mFIHHW1mnsaSFRmbAk4 (psn_6d0jj7ah4rw1pvb89wbwvhy7r4)
          to be filed by  2026-11-23 10:30:30 JST (2026-11-23T01:30:30Z)
          signed hash     16eae0d9d7360f2f15e5e403abcc0c9deed9eabc2c6db19d7d1656791ce32537
    "#]]
    .assert_eq(&without(
        &world.run("commander", &["session", "kill", &session, "--reason", "an incident, INC-7"]).all(),
        "grt_",
    ));
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
          whole, nothing lost    yes
          ends as in the ledger  yes
          its end                as the gateway told it
          anchors                0
          bound by an anchor     none
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

/// Two anchors, and then the gateway is killed: nobody ends the recording properly.
fn lost() -> (World, String) {
    let (world, mut gateway, mut passage) = opened();
    passage.play();
    gateway.anchor(&mut passage);
    for second in 10..14 {
        passage.say(second, b"root@db1:~# id\r\n");
    }
    gateway.anchor(&mut passage);
    for second in 20..26 {
        passage.say(second, b"root@db1:~# halt\r\n");
    }
    let _status = passage.recording.seal().unwrap();
    passage.recording.sync().unwrap();
    let session = passage.session.to_string();
    drop((gateway, passage));
    (world, session)
}

/// Where each chunk of a recording begins, and where the last one ends.
fn chunks(file: &[u8]) -> Vec<usize> {
    let number = |at: usize| file.get(at..at + 4).map(|b| u32::from_be_bytes(b.try_into().unwrap()) as usize);
    let mut at = 14 + number(10).unwrap() + 32;
    let mut found = vec![at];
    while let Some(length) = number(at + 9) {
        at += 13 + length + 16;
        found.push(at);
    }
    found
}

struct Exported {
    world: World,
    recording: String,
    ledger: String,
}

impl Exported {
    fn of(world: World, session: &str) -> Self {
        let (recording, ledger) = (world.path("db1.skmrec"), world.path("all.skmledger"));
        let export = ["session", "export", session, "--purpose", PURPOSE, "--recording", "--out", &recording];
        world.ok("auditor", &export);
        world.ok("auditor", &["ledger", "export", &ledger]);
        Self { world, recording, ledger }
    }

    fn verify(&self) -> super::world::Told {
        let trust = self.world.path("trust");
        let words = ["--json", "--trust", &trust, "session", "verify", &self.recording, "--ledger", &self.ledger];
        self.world.run("nobody", &words)
    }
}

/// The tail behind the last anchor was exchanged while nobody held it: the part before is bound, and the answer says up to where.
#[test]
fn a_recording_with_another_tail_is_accepted_up_to_its_last_anchor_only() {
    let (world, session) = lost();
    let live = world.places().recordings().join("live").join(format!("{session}.skmrec"));
    let file = std::fs::read(&live).unwrap();
    let starts = chunks(&file);
    let mut tail = file.clone();
    let from = starts[starts.len() - 2];
    tail[from + 14] ^= 1;
    tail[from + 13] ^= 0x80;
    std::fs::write(&live, &tail).unwrap();
    let _gateway = Gateway::come_back(&world);
    let mut exported = Exported::of(world, &session);
    exported.world.stop();
    let told = exported.verify();
    assert_eq!(told.exit, Exit::Done, "{}", told.all());
    let json = told.json();
    assert_eq!((json["anchors"].as_u64(), json["end"].as_str()), (Some(2), Some("found-afterwards")), "{json}");
    let bound = json["bound_by_anchor"]["chunks"].as_u64().unwrap();
    assert!(bound > 1 && bound < json["chunks"].as_u64().unwrap(), "{json}");
    let trust = exported.world.path("trust");
    let words = ["--trust", &trust, "session", "verify", &exported.recording, "--ledger", &exported.ledger];
    let shown = exported.world.run("nobody", &words).out;
    assert!(shown.contains("rests on the word of whoever held the file"), "{shown}");
}

#[test]
fn a_part_that_was_changed_before_an_anchor_is_named() {
    let (world, session) = lost();
    let _gateway = Gateway::come_back(&world);
    let exported = Exported::of(world, &session);
    assert_eq!(exported.verify().exit, Exit::Done);
    let good = std::fs::read(&exported.recording).unwrap();
    let bound = exported.verify().json()["bound_by_anchor"]["chunks"].as_u64().unwrap() as usize;
    let starts = chunks(&good);
    let changed = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        std::fs::write(&exported.recording, &bytes).unwrap();
        let told = exported.verify();
        assert_eq!(told.exit, Exit::ProofFails, "{}", told.all());
        told.json()["error"].clone()
    };
    let first = changed(starts[0] + 20);
    assert_eq!(first["code"], "recording-part-changed", "{first}");
    assert!(first["message"].as_str().unwrap().contains("chunks 1 to "), "{first}");
    let later = changed(starts[bound - 1] + 20);
    assert_eq!(later["code"], "recording-part-changed", "{later}");
    assert!(!later["message"].as_str().unwrap().contains("chunks 1 to "), "the first part is as it was: {later}");
    // What engine found when the gateway was lost is in the ledger, too.
    assert_eq!(changed(starts[starts.len() - 2] + 20)["code"], "recording-end-differs");
    std::fs::write(&exported.recording, &good[..starts[bound - 1]]).unwrap();
    assert_eq!(exported.verify().json()["error"]["code"], "recording-cut");
    std::fs::write(&exported.recording, &good).unwrap();
    let anchors = format!("{}.anchors", exported.recording);
    let text = std::fs::read_to_string(&anchors).unwrap();
    let chain = text.lines().nth(1).unwrap().split(' ').nth(2).unwrap();
    let other = ledger::Hash::of(b"another chain").to_string();
    std::fs::write(&anchors, text.replace(chain, &other)).unwrap();
    assert_eq!(exported.verify().json()["error"]["code"], "anchor-fails");
}

#[test]
fn a_live_recording_is_bound_up_to_the_second_of_its_last_anchor() {
    let (world, mut gateway, mut passage) = opened();
    passage.play();
    passage.say(12, b"root@db1:~# id\r\n");
    gateway.anchor(&mut passage);
    passage.say(20, b"root@db1:~# halt\r\n");
    passage.recording.sync().unwrap();
    let session = passage.session.to_string();
    let trust = world.path("trust");
    let words = ["--json", "--trust", &trust, "session", "verify", &session, "--purpose", PURPOSE];
    let told = world.run("auditor", &words);
    assert_eq!(told.exit, Exit::Done, "{}", told.all());
    let json = told.json();
    assert_eq!((json["end"].as_str(), json["entries_proved"].as_bool()), (Some("silent"), Some(true)));
    assert_eq!(json["bound_by_anchor"]["after_start_s"].as_f64(), Some(12.0), "{json}");
    gateway.end(passage);
    let told = world.run("auditor", &words);
    assert_eq!((told.exit, told.json()["end"].as_str()), (Exit::Done, Some("gateway")), "{}", told.all());
}

/// What Sekimori itself did on a target is watched, exported and verified like a session, under the errand's id.
#[test]
fn an_errand_is_recorded_and_replayed() {
    let world = World::ready();
    let _gateway = granted(&world);
    let entries = world.run("auditor", &["ledger", "list", "--limit", "50", "--json"]).out;
    assert!(entries.contains("errand.opened"), "{entries}");
    let errand = format!("err_{}", &entries.split("err_").nth(1).unwrap()[..26]);
    let told = world.run("auditor", &["session", "replay", &errand, "--purpose", PURPOSE, "--no-wait"]);
    assert_eq!((told.exit, told.out.as_str()), (Exit::Done, "1763860830.007\n"), "{}", told.all());
    let text = world.path("errand.txt");
    world.ok("auditor", &["session", "export", &errand, "--purpose", PURPOSE, "--text", "--out", &text]);
    assert_eq!(std::fs::read_to_string(&text).unwrap(), "1763860830.007\n");
    let trust = world.path("trust");
    let verify = ["--json", "--trust", &trust, "session", "verify", &errand, "--purpose", PURPOSE];
    let told = world.run("auditor", &verify);
    let json = told.json();
    assert_eq!((json["end"].as_str(), json["complete"].as_bool()), (Some("gateway"), Some(true)), "{}", told.all());
    assert_eq!(json["entries_proved"].as_bool(), Some(true));
    let session = json["session"].as_str().unwrap();
    let file = world.places().recordings().join("closed").join(format!("{session}.skmrec"));
    let mut bytes = std::fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    assert_eq!(world.run("auditor", &verify).exit, Exit::ProofFails);
    let other = world.run("researcher", &["session", "replay", &errand, "--purpose", PURPOSE]);
    assert_eq!(other.exit, Exit::Refused, "{}", other.all());
}
