use expect_test::expect;

use super::world::{World, without};
use crate::exit::Exit;

fn granted() -> (World, String) {
    let world = World::ready();
    let ask = ["request", "new", "root@db1", "--for", "1h", "--purpose", "rotate WAL archive, CHG-142", "--json"];
    let request = world.run("researcher", &ask).json()["request"].as_str().unwrap().to_owned();
    let approved = world.run("commander", &["request", "approve", &request, "--json"]).json();
    let grant = approved["receipt"]["grant"].as_str().unwrap().to_owned();
    (world, grant)
}

/// How far the log is signed depends on the moment.
fn without_checkpoint(text: &str) -> String {
    text.lines().filter(|line| !line.contains("checkpoint at")).map(|line| format!("{line}\n")).collect()
}

fn verify(world: &World, file: &str) -> super::world::Told {
    let trust = world.path("trust");
    world.run("nobody", &["--trust", &trust, "verify", file])
}

#[test]
fn a_tegata_verifies_without_the_server() {
    let (mut world, grant) = granted();
    let file = world.path("root-db1.tegata");
    world.ok("researcher", &["grant", "tegata", &grant, "--out", &file]);
    world.stop();
    let told = verify(&world, &file);
    let shown = without_checkpoint(&told.all());
    expect![[r#"
        exit 0
        This is proved:
          installation   gate.example/main
          founders       SHA256:F26t2rJGgvsdr7Wt/JiNjzM2mFIHHW1mnsaSFRmbAk4
                         SHA256:T/2usGfWtU42vzlryJjcJTf9gKJJvoBrrncObGgwKQc
          grant          grt_…
          account        root@db1 (acc_07ck3jd9sfhrej8qsk58eg4bzz)
          principal      p-9z62kssqnz
          from           2026-11-23 10:20:30 JST (2026-11-23T01:20:30Z)
          until          2026-11-23 11:20:30 JST (2026-11-23T02:20:30Z)
          channels       shell, exec
          requested by   per_0mnhbqspseyvcrc1wb81acs64k
                         SHA256:AFnE8nab4WCl4SmOdLSbmiqH3IY9f9yUBAXHgufobFM (ssh-ed25519, in software)
                         2026-11-23 10:20:30 JST (2026-11-23T01:20:30Z)
          approved by    per_6d4sh1akkdetsb5e9ee30cngyc
                         SHA256:F26t2rJGgvsdr7Wt/JiNjzM2mFIHHW1mnsaSFRmbAk4 (ssh-ed25519, in software)
                         2026-11-23 10:20:30 JST (2026-11-23T01:20:30Z)
          granted        2026-11-23 10:20:30 JST (2026-11-23T01:20:30Z)
        This rests on the server's word:
          - that nothing was taken back since: no revocation, no frozen person, no removed key
          - the times in the entries
        --
    "#]]
    .assert_eq(&without(&shown, "grt_"));
    let trust = world.path("trust");
    let json = world.run("nobody", &["--trust", &trust, "--json", "verify", &file]).json();
    assert_eq!(json["proved"]["account"].as_str().unwrap().split(' ').next(), Some("root@db1"));
    assert_eq!(json["rests_on_servers_word"], serde_json::json!(["nothing-taken-back-since", "times"]));
}

#[test]
fn every_changed_byte_of_a_tegata_is_found() {
    let (world, grant) = granted();
    let file = world.path("root-db1.tegata");
    world.ok("researcher", &["grant", "tegata", &grant, "--out", &file]);
    let good = std::fs::read(&file).unwrap();
    let changed = world.path("changed");
    // A prime step reaches every part of the file in a moderate number of tries.
    for at in (0..good.len()).step_by(211) {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        std::fs::write(&changed, &bytes).unwrap();
        let told = verify(&world, &changed);
        assert_eq!(told.exit, Exit::ProofFails, "byte {at} of {}: {}", good.len(), told.all());
    }
    for bytes in [&good[..good.len() / 2], b"", b"{}", b"[1,2]"] {
        std::fs::write(&changed, bytes).unwrap();
        assert_eq!(verify(&world, &changed).exit, Exit::ProofFails);
    }
    assert_eq!(verify(&world, &file).exit, Exit::Done, "the unchanged one still verifies");
}

#[test]
fn whom_to_trust_must_be_said_and_is_kept_to() {
    let (world, grant) = granted();
    let file = world.path("root-db1.tegata");
    world.ok("researcher", &["grant", "tegata", &grant, "--out", &file]);
    assert_eq!(world.run("nobody", &["verify", &file]).exit, Exit::Usage);
    let trust = world.path("trust");
    let founders = format!("{trust}/founders");
    let good = std::fs::read_to_string(&founders).unwrap();
    let stranger = super::world::key_of("stranger").public_key().fingerprint();
    for (text, exit) in [
        (good.replacen(good.lines().next().unwrap(), &stranger.to_string(), 1), Exit::ProofFails),
        (good.lines().next().unwrap().to_owned(), Exit::ProofFails),
        (String::new(), Exit::Usage),
        ("SHA256:nonsense\n".to_owned(), Exit::Usage),
        (format!("# the founders\n\n{}", good.replace('\n', " a comment\n")), Exit::Done),
    ] {
        std::fs::write(&founders, &text).unwrap();
        let told = verify(&world, &file);
        assert_eq!(told.exit, exit, "{text}: {}", told.all());
    }
    let policy = format!("{trust}/log.policy");
    std::fs::write(&policy, "quorum none\n").unwrap();
    assert_eq!(verify(&world, &file).exit, Exit::ProofFails, "a policy that knows no log trusts no checkpoint");
    std::fs::write(&policy, "log nonsense\nquorum none\n").unwrap();
    assert_eq!(verify(&world, &file).exit, Exit::Usage);
}

#[test]
fn an_entry_is_proved_to_anybody() {
    let (world, _) = granted();
    let file = world.path("entry-0.tlog-proof");
    world.ok("researcher", &["ledger", "proof", "0", "--out", &file]);
    expect![[r#"
        exit 0
        This entry stands in the log:
          installation   gate.example/main
          entry          0
          kind           installation.founded
          time           2026-11-23 10:20:30 JST (2026-11-23T01:20:30Z)
        That its signatures are those of the persons it names, and its time, rest on the server's word.
        --
    "#]]
    .assert_eq(&without_checkpoint(&verify(&world, &file).all()));
    let good = std::fs::read_to_string(&file).unwrap();
    let changed = world.path("changed");
    for text in [good.replacen("\n", "\nx", 1), good[..good.len() - 20].to_owned(), good.replace("index 0", "index 1")]
    {
        assert_ne!(text, good);
        std::fs::write(&changed, text).unwrap();
        assert_eq!(verify(&world, &changed).exit, Exit::ProofFails);
    }
}

#[test]
fn entries_are_listed_and_shown_as_they_are() {
    let (world, grant) = granted();
    expect![[r#"
        exit 0
        entry  time                     kind            by
        19     2026-11-23 10:20:30 JST  grant.made      engine
        18     2026-11-23 10:20:30 JST  approval.given  per_6d4sh1akkdetsb5e9ee30cngyc (the commander)
        17     2026-11-23 10:20:30 JST  request.filed   per_0mnhbqspseyvcrc1wb81acs64k (the researcher)
        16     2026-11-23 10:20:30 JST  motion.carried  per_400qr2tgzt0vkx0p2zps69c7aq (the auditor)
        --
    "#]]
    .assert_eq(&world.run("auditor", &["ledger", "list", "--limit", "4"]).all());
    let about = world.run("auditor", &["ledger", "list", "--about", &grant[..12], "--json"]).json();
    assert_eq!(about.as_array().unwrap().len(), 1);
    let shown = world.ok("auditor", &["ledger", "show", "0"]);
    assert!(shown.contains("installation.founded"), "{shown}");
    assert_eq!(world.run("auditor", &["ledger", "show", "100000"]).exit, Exit::Refused);
    assert!(world.ok("auditor", &["verify", "--replay"]).contains("fold to the state"));
    assert!(world.ok("auditor", &["ledger", "checkpoint"]).starts_with("gate.example/main\n"));
}
