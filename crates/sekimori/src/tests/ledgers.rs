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
          - that no two of these persons were known to be one: a link left out of this file would not show
          - that they were still in their groups, with keys not retired, when they asked and agreed; who let them in is proved
          - that no newer rules were in force then; that two administrators signed these is proved
          - the times in the entries
        --
    "#]]
    .assert_eq(&without(&shown, "grt_"));
    let trust = world.path("trust");
    let json = world.run("nobody", &["--trust", &trust, "--json", "verify", &file]).json();
    assert_eq!(json["proved"]["account"].as_str().unwrap().split(' ').next(), Some("root@db1"));
    let words = ["nothing-taken-back-since", "no-link-left-out", "memberships-then", "rules-then", "times"];
    assert_eq!(json["rests_on_servers_word"], serde_json::json!(words));
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
        there is more: sekimori --root DIR/root ledger list --limit 4 --after 16
        --
    "#]]
    .assert_eq(&world.run("auditor", &["ledger", "list", "--limit", "4"]).all());
    let about = world.run("auditor", &["ledger", "list", "--about", &grant[..12], "--json"]).json();
    assert_eq!(about["rows"].as_array().unwrap().len(), 1);
    let shown = world.ok("auditor", &["ledger", "show", "0"]);
    assert!(shown.contains("installation.founded"), "{shown}");
    assert_eq!(world.run("auditor", &["ledger", "show", "100000"]).exit, Exit::Refused);
    assert!(world.ok("auditor", &["verify", "--replay"]).contains("fold to the state"));
    assert!(world.ok("auditor", &["ledger", "checkpoint"]).starts_with("gate.example/main\n"));
}

fn exported(world: &World, name: &str) -> String {
    let file = world.path(name);
    world.ok("researcher", &["ledger", "export", &file]);
    file
}

fn replay(world: &World, words: &[&str]) -> super::world::Told {
    let trust = world.path("trust");
    let words: Vec<&str> = ["--trust", &trust, "--json", "verify", "--replay"].iter().chain(words).copied().collect();
    world.run("nobody", &words)
}

#[test]
fn a_whole_ledger_verifies_without_the_server() {
    let (mut world, _) = granted();
    let note = world.path("old.checkpoint");
    std::fs::write(&note, world.ok("auditor", &["ledger", "checkpoint"])).unwrap();
    world.join("latecomer", "the latecomer");
    let file = exported(&world, "all.skmledger");
    world.stop();
    let told = replay(&world, &[&file, "--extends", &note]);
    assert_eq!(told.exit, Exit::Done, "{}", told.all());
    let json = told.json();
    assert_eq!((json["proved"]["size"].as_u64(), json["proved"]["extends"].as_u64()), (Some(22), Some(20)), "{json}");
    let words = serde_json::json!(["nothing-left-out", "own-entries", "times", "one-ledger"]);
    assert_eq!(json["rests_on_servers_word"], words);
    let trust = world.path("trust");
    let shown = world.run("nobody", &["--trust", &trust, "verify", "--replay", &file]).out;
    assert!(shown.contains("The whole ledger is proved") && shown.contains("own entries"), "{shown}");
    let shown = world.run("nobody", &["--lang", "ja", "--trust", &trust, "verify", "--replay", &file]).out;
    assert!(shown.contains("台帳全体が証明されました"), "{shown}");
    assert_eq!(world.run("nobody", &["verify", "--replay", &file]).exit, Exit::Usage, "whom to trust must be said");
}

#[test]
fn a_changed_whole_ledger_is_named_and_a_cut_one_does_not_extend() {
    let (world, _) = granted();
    let folder = world.path("exports");
    std::fs::create_dir(&folder).unwrap();
    world.ok("researcher", &["ledger", "export", &folder]);
    let earlier = format!("{folder}/ledger-20.skmledger");
    world.join("latecomer", "the latecomer");
    let later = exported(&world, "later.skmledger");
    assert_eq!(replay(&world, &[&later, "--extends", &earlier]).exit, Exit::Done);
    let code = |words: &[&str]| {
        let told = replay(&world, words);
        (told.exit, told.json()["error"]["code"].as_str().unwrap_or_default().to_owned())
    };
    let named = |code: &str| (Exit::ProofFails, code.to_owned());
    assert_eq!(code(&[&earlier, "--extends", &later]), named("history-cut"));
    let good = std::fs::read_to_string(&later).unwrap();
    let lines: Vec<&str> = good.split_inclusive('\n').collect();
    let changed = world.path("changed");
    let entry = |seq: usize| lines.iter().position(|line| line.contains(&format!("\"seq\":{seq},"))).unwrap();
    let written = |lines: &[&str]| std::fs::write(&changed, lines.concat()).unwrap();
    written(&lines[..entry(9)]);
    assert_eq!(code(&[&changed]), named("ledger-cut"));
    let mut dropped = lines.clone();
    dropped.remove(entry(9));
    written(&dropped);
    let told = replay(&world, &[&changed]);
    assert_eq!(told.json()["error"]["code"], "entry-misplaced");
    assert!(told.json()["error"]["message"].as_str().unwrap().contains("place 9"), "{}", told.all());
    let other = lines[entry(9)].replace("\"seq\":9,", "\"seq\":8,");
    let mut flipped = lines.clone();
    flipped[entry(9)] = &other;
    written(&flipped);
    assert_eq!(code(&[&changed]), named("entry-changed"));
    std::fs::write(&changed, good.replacen("sekimori", "sekimuri", 1)).unwrap();
    assert_eq!(code(&[&changed]), named("ledger-unreadable"));
    assert_eq!(world.run("researcher", &["ledger", "export", &later]).exit, Exit::Usage, "nothing is written over");
}

/// The server's answers are held against the head it signed while they are written down.
#[test]
fn an_export_of_other_entries_than_were_signed_is_not_made() {
    let (world, _) = granted();
    let liar = world.liar(|answer| {
        if let channel::api::ApiAnswer::View(channel::api::View::LedgerPage { entries, .. }) = answer {
            entries[3] = entries[3].replace("\"seq\":3", "\"seq\":4");
        }
    });
    let file = world.path("lied.skmledger");
    let told = world.run("auditor", &["--json", "--socket", &liar, "ledger", "export", &file]);
    assert_eq!((told.exit, told.json()["error"]["code"].as_str()), (Exit::ProofFails, Some("entries-replaced")));
    assert!(!std::path::Path::new(&file).exists());
}
