use expect_test::expect;

use super::world::{World, key_of};
use crate::exit::Exit;

fn print(name: &str) -> String {
    key_of(name).public_key().fingerprint().to_string()
}

/// How far the log is signed depends on the moment.
fn without_checkpoint(text: &str) -> String {
    text.lines().filter(|line| !line.contains("checkpoint")).map(|line| format!("{line}\n")).collect()
}

fn drafted() -> (World, String) {
    let world = World::empty();
    let (one, two, draft) = (world.path("1.card"), world.path("2.card"), world.path("founding.draft"));
    world.ok("commander", &["init", "card", "--name", "the commander", "--out", &one]);
    world.ok("auditor", &["init", "card", "--name", "the auditor", "--out", &two]);
    let shares = world.path("shares");
    world.ok(
        "operator",
        &["init", "draft", &one, &two, "--origin", "gate.example/main", "--out", &draft, "--shares-dir", &shares],
    );
    (world, draft)
}

#[test]
fn two_founders_found_an_installation() {
    let world = World::founded();
    expect![[r#"
        exit 3
        gate.example/main
          missing: persons with a key: 2 of 3
          missing: rules of access: `sekimori rule set`
          missing: an account to ask for: `sekimori target add`, `sekimori account add`
          well: the keeper answers
          failing: the gateway is not connected; live sessions still end in time
          warning: keeper, engine and gateway run as one user: whoever breaks into one reaches the files of all
          warning: the kernel does not keep the processes to their own folders (Landlock is missing or off)
          warning: only 2 administrators have a key; have at least 3, so that one can be frozen and a lost key replaced
        not ready: nothing opens
        --
    "#]]
    .assert_eq(&without_checkpoint(&world.run("commander", &["doctor"]).all()));
    expect![[r#"
        exit 0
        you are
          person   per_6d4sh1akkdetsb5e9ee30cngyc (the commander)
          persona  psn_6d0jj7ah4rw1pvb89wbwvhy7r4
          kind     admin
          key      SHA256:F26t2rJGgvsdr7Wt/JiNjzM2mFIHHW1mnsaSFRmbAk4
          groups   administrators
        --
    "#]]
    .assert_eq(&world.run("commander", &["whoami"]).all());
}

#[test]
fn what_a_founder_signs_is_shown_whole() {
    let (world, draft) = drafted();
    let told = world.run("commander", &["init", "sign", &draft, "--other-fingerprint", &print("auditor")]);
    let own_keys = ["label-log-key", "label-ca-key", "label-recovery-key"];
    assert!(own_keys.iter().all(|key| told.err.contains(&crate::messages::text(crate::messages::Lang::En, key, &[]))));
    let shown = told.all().lines().filter(|line| !line.contains(" key ")).collect::<Vec<_>>().join("\n");
    expect![[r#"
        exit 0
        signed: DIR/founding.draft.1.sig; bring it to the server for `sekimori init seal`
        --
        the founding
          installation     gate.example/main
          created          2026-11-23 10:20:30 JST (2026-11-23T01:20:30Z)
          founder          per_6d4sh1akkdetsb5e9ee30cngyc (the commander) SHA256:F26t2rJGgvsdr7Wt/JiNjzM2mFIHHW1mnsaSFRmbAk4 (ssh-ed25519)
          founder          per_400qr2tgzt0vkx0p2zps69c7aq (the auditor) SHA256:T/2usGfWtU42vzlryJjcJTf9gKJJvoBrrncObGgwKQc (ssh-ed25519)
          recovery         any 3 of 5 shares, after 3 d
        you found gate.example/main
          signed with  SHA256:F26t2rJGgvsdr7Wt/JiNjzM2mFIHHW1mnsaSFRmbAk4"#]].assert_eq(&shown);
}

#[test]
fn a_founder_does_not_sign_for_a_fingerprint_that_was_not_read_out() {
    let (world, draft) = drafted();
    let other = world.run("commander", &["init", "sign", &draft, "--other-fingerprint", &print("somebody-else")]);
    assert_eq!(other.exit, Exit::ProofFails);
    assert!(other.err.contains("sign nothing"), "{}", other.all());
    let nobody = world.run("commander", &["init", "sign", &draft]);
    assert_eq!(nobody.exit, Exit::Usage, "without a terminal the option is needed: {}", nobody.all());
    let typed = world.attended("commander", &["init", "sign", &draft], &format!("{}\nn\n", print("auditor")));
    assert_eq!(typed.exit, Exit::Refused, "{}", typed.all());
    let stranger = world.run("researcher", &["init", "sign", &draft, "--other-fingerprint", &print("auditor")]);
    assert_eq!(stranger.exit, Exit::ProofFails, "{}", stranger.all());
    assert!(!std::path::Path::new(&format!("{draft}.1.sig")).exists());
}

#[test]
fn a_changed_draft_is_sealed_by_nobody() {
    let (mut world, draft) = drafted();
    world.ok("commander", &["init", "sign", &draft, "--other-fingerprint", &print("auditor")]);
    world.ok("auditor", &["init", "sign", &draft, "--other-fingerprint", &print("commander")]);
    let text = std::fs::read_to_string(&draft).unwrap();
    let changed = world.path("changed.draft");
    std::fs::write(&changed, text.replace("gate.example/main", "gate.example/evil")).unwrap();
    world.serve();
    let (one, two) = (format!("{draft}.1.sig"), format!("{draft}.2.sig"));
    for words in [["init", "seal", &changed, &one, &two], ["init", "seal", &draft, &one, &one]] {
        let told = world.run("operator", &words);
        assert_eq!(told.exit, Exit::ProofFails, "{}", told.all());
    }
    let trust = world.path("trust");
    assert_eq!(world.run("operator", &["init", "trust", &trust, &changed, &one, &two]).exit, Exit::ProofFails);
    world.ok("operator", &["init", "seal", &draft, &two, &one]);
    assert_eq!(world.run("operator", &["init", "seal", &draft, &one, &two]).exit, Exit::Refused);
}

#[test]
fn keys_are_made_once_and_shares_are_shown_once() {
    let world = World::empty();
    let (one, two, draft) = (world.path("1.card"), world.path("2.card"), world.path("d"));
    world.ok("commander", &["init", "card", "--name", "the commander", "--out", &one]);
    world.ok("auditor", &["init", "card", "--name", "the auditor", "--out", &two]);
    let same = world.run("operator", &["init", "draft", &one, &one, "--origin", "gate.example/main", "--out", &draft]);
    assert_eq!(same.exit, Exit::Refused, "two cards of one founder: {}", same.all());
    let told = world.run("operator", &["init", "draft", &one, &two, "--origin", "gate.example/main", "--out", &draft]);
    assert_eq!(told.exit, Exit::Done, "{}", told.all());
    let shares: Vec<&str> = told.out.split("recovery share ").skip(1).collect();
    assert_eq!(shares.len(), 5);
    let text = shares[0].lines().skip(1).take(5).collect::<Vec<_>>().join("\n");
    assert!(envelope::shares::Share::parse(&text).is_ok(), "{text}");
    assert!(!told.err.contains(&text[..11]), "a share was written beside the answer");
    let other = world.path("other");
    let again = world.run("operator", &["init", "draft", &one, &two, "--origin", "gate.example/main", "--out", &other]);
    assert_eq!(again.exit, Exit::Usage, "the keys are there already: {}", again.all());
    assert!(!std::path::Path::new(&other).exists());
}

#[test]
fn a_draft_that_could_never_be_sealed_makes_no_keys() {
    let world = World::empty();
    let (one, two, draft) = (world.path("1.card"), world.path("2.card"), world.path("d"));
    world.ok("commander", &["init", "card", "--name", "the commander", "--out", &one]);
    world.ok("auditor", &["init", "card", "--name", "the auditor", "--out", &two]);
    let shares = world.path("shares");
    for (words, exit) in [
        (vec!["--threshold", "6"], Exit::Usage),
        (vec!["--threshold", "1"], Exit::Usage),
        (vec!["--delay", "1s"], Exit::Refused),
        (vec!["--origin", "Not An Origin"], Exit::Usage),
    ] {
        let mut all = vec!["init", "draft", &one, &two, "--out", &draft, "--shares-dir", &shares];
        if !words.contains(&"--origin") {
            all.extend(["--origin", "gate.example/main"]);
        }
        all.extend(words.iter().copied());
        let told = world.run("operator", &all);
        assert_eq!(told.exit, exit, "{words:?}: {}", told.all());
    }
    assert!(!world.places().keeper().exists());
}

#[test]
fn a_card_of_another_form_is_not_read() {
    let world = World::empty();
    let card = world.path("card");
    for text in ["", "{}", "not json", r#"{"form":"sekimori-card/v1"}"#] {
        std::fs::write(&card, text).unwrap();
        let told = world.run("operator", &["init", "draft", &card, &card, "--origin", "gate.example/main"]);
        assert_eq!(told.exit, Exit::Usage, "{text}: {}", told.all());
    }
    std::fs::write(&card, vec![b' '; 300 << 10]).unwrap();
    assert!(
        world
            .run("operator", &["init", "draft", &card, &card, "--origin", "gate.example/main"])
            .err
            .contains("longer than")
    );
}

#[test]
fn a_lost_key_is_recovered_by_shares_after_the_delay() {
    let world = World::founded();
    let who = world.run("auditor", &["whoami", "--json"]).json();
    let (person, persona) = (who["person"].as_str().unwrap(), who["persona"].as_str().unwrap());
    let card = world.path("new.card");
    world.ok("auditor-new", &["person", "card", "--person", person, "--persona", persona, "--out", &card]);
    let share = |index: u8| world.path(&format!("shares/share-{index}.txt"));
    let draft = world.path("founding.draft");
    let few = world.run("nobody", &["recover", "start", &card, "--share", &share(1), "--share", &share(2)]);
    assert_eq!((few.exit, few.err.contains("too few")), (Exit::Usage, true), "{}", few.all());
    let words = [
        "recover",
        "start",
        &card,
        "--share",
        &share(1),
        "--share",
        &share(4),
        "--share",
        &share(2),
        "--draft",
        &draft,
        "--json",
    ];
    let started = world.run("nobody", &words);
    assert_eq!(started.exit, Exit::Done, "{}", started.all());
    let recovery = started.json()["recovery"].as_str().unwrap().to_owned();
    let warned = world.run("commander", &["whoami"]);
    assert!(warned.err.contains(&recovery), "everybody is told: {}", warned.all());
    assert_eq!(world.run("nobody", &["recover", "finish", &recovery]).exit, Exit::Refused, "too early");
    world.clock.pass(std::time::Duration::from_secs(72 * 3600));
    world.ok("nobody", &["recover", "finish", &recovery]);
    assert_eq!(world.run("auditor-new", &["whoami", "--json"]).json()["person"].as_str(), Some(person));
}

#[test]
fn anybody_with_an_admin_persona_stops_a_recovery() {
    let world = World::founded();
    let who = world.run("auditor", &["whoami", "--json"]).json();
    let (person, persona) = (who["person"].as_str().unwrap(), who["persona"].as_str().unwrap());
    let card = world.path("new.card");
    world.ok("thief", &["person", "card", "--person", person, "--persona", persona, "--out", &card]);
    let all: String = (1..=3)
        .map(|index| std::fs::read_to_string(world.path(&format!("shares/share-{index}.txt"))).unwrap() + "\n")
        .collect();
    let started = world.attended("nobody", &["recover", "start", &card, "--share", "-", "--yes", "--json"], &all);
    assert_eq!(started.exit, Exit::Done, "{}", started.all());
    let recovery = started.json()["recovery"].as_str().unwrap().to_owned();
    let listed = world.run("nobody", &["recover", "list"]);
    assert!(listed.out.contains(&recovery), "{}", listed.all());
    world.ok("auditor", &["recover", "object", &recovery[..12]]);
    assert!(world.ok("nobody", &["recover", "list"]).contains("no recoveries"));
    world.clock.pass(std::time::Duration::from_secs(72 * 3600));
    assert_eq!(world.run("nobody", &["recover", "finish", &recovery]).exit, Exit::Refused);
}
