use expect_test::expect;

use super::world::{World, key_of};
use crate::exit::Exit;

#[test]
fn a_person_joins_by_a_card_and_two_administrators() {
    let world = World::founded();
    let card = world.path("researcher.card");
    expect![[r#"
        exit 0
        card written: DIR/researcher.card; give it to an administrator, who adds a person with it
        --
        you sign that you hold this key; the card adds a person
          installation  gate.example/main (the server's word: no trust directory says so)
          person        per_0mnhbqspseyvcrc1wb81acs64k (the researcher)
          persona       psn_53xe6vh7y528yczn4ngm2sya9b
          kind          admin
          key           SHA256:AFnE8nab4WCl4SmOdLSbmiqH3IY9f9yUBAXHgufobFM (ssh-ed25519)
    "#]]
    .assert_eq(&world.run("researcher", &["person", "card", "--name", "the researcher", "--out", &card]).all());
    let filed = world.run("commander", &["person", "add", &card]);
    expect![[r#"
        exit 0
        recorded as entry 1 at 2026-11-23 10:20:30 JST (2026-11-23T01:20:30Z)
        motion mot_4dgqw4cwj0ca5990cv4tze4vht waits for a second person: sekimori motion second mot_4dgqw4cwj0ca5990cv4tze4vht
        --
        add a person
          person          per_0mnhbqspseyvcrc1wb81acs64k (the researcher)
          persona         psn_53xe6vh7y528yczn4ngm2sya9b
          kind            admin
          key             SHA256:AFnE8nab4WCl4SmOdLSbmiqH3IY9f9yUBAXHgufobFM (ssh-ed25519)
          installation    gate.example/main (the server's word: no trust directory says so)
          signed with     SHA256:F26t2rJGgvsdr7Wt/JiNjzM2mFIHHW1mnsaSFRmbAk4 (psn_6d0jj7ah4rw1pvb89wbwvhy7r4)
          to be filed by  2026-11-23 10:30:30 JST (2026-11-23T01:30:30Z)
          signed hash     23d259ebdcf6afbfd21c138e3e7d7201ec1856d9310dd750c888799241d88c78
    "#]].assert_eq(&filed.all());
    let motion =
        world.run("auditor", &["motion", "list", "--json"]).json()["rows"][0]["motion"].as_str().unwrap().to_owned();
    expect![[r#"
        exit 0
        motion                          what          proposed by                                     since
        mot_4dgqw4cwj0ca5990cv4tze4vht  add a person  per_6d4sh1akkdetsb5e9ee30cngyc (the commander)  2026-11-23 10:20:30 JST
        --
    "#]].assert_eq(&world.run("auditor", &["motion", "list"]).all());
    let own = world.run("commander", &["motion", "second", &motion]);
    assert_eq!((own.exit, own.err.contains("you proposed this yourself")), (Exit::Refused, true), "{}", own.all());
    expect![[r#"
        exit 0
        recorded as entry 3 at 2026-11-23 10:20:30 JST (2026-11-23T01:20:30Z)
        --
        add a person
          person          per_0mnhbqspseyvcrc1wb81acs64k (the researcher)
          persona         psn_53xe6vh7y528yczn4ngm2sya9b
          kind            admin
          key             SHA256:AFnE8nab4WCl4SmOdLSbmiqH3IY9f9yUBAXHgufobFM (ssh-ed25519)
          motion          mot_4dgqw4cwj0ca5990cv4tze4vht
          proposed by     per_6d4sh1akkdetsb5e9ee30cngyc (the commander)
          since           2026-11-23 10:20:30 JST (2026-11-23T01:20:30Z)
          motion's hash   23d259ebdcf6afbfd21c138e3e7d7201ec1856d9310dd750c888799241d88c78
          installation    gate.example/main (the server's word: no trust directory says so)
          signed with     SHA256:T/2usGfWtU42vzlryJjcJTf9gKJJvoBrrncObGgwKQc (psn_2xxs6xc3zrt2x9j07yj7mgw3ef)
          to be filed by  2026-11-23 10:30:30 JST (2026-11-23T01:30:30Z)
          signed hash     b70b1a281b0ac6f065c606d0d31492b5805fb560ec4dc7906bbd13c313e07fd0
    "#]]
    .assert_eq(&world.run("auditor", &["motion", "second", &motion[..14]]).all());
    assert_eq!(world.run("researcher", &["whoami", "--json"]).json()["name"], "the researcher");
}

#[test]
fn nothing_is_signed_when_the_person_says_no() {
    let world = World::founded();
    let card = world.path("researcher.card");
    world.ok("researcher", &["person", "card", "--name", "the researcher", "--out", &card]);
    for answer in ["n\n", "\n", "", "yess\n", "nein\n"] {
        let told = world.attended("commander", &["person", "add", &card], answer);
        assert_eq!(told.exit, Exit::Refused, "{answer:?}: {}", told.all());
    }
    assert_eq!(
        world.run("auditor", &["motion", "list", "--json"]).json(),
        serde_json::json!({ "rows": [], "next": null })
    );
    for (role, answer) in [("one", "y\n"), ("two", "YES\n"), ("three", "はい\n")] {
        let card = world.path(role);
        world.ok(role, &["person", "card", "--name", "somebody in a role", "--out", &card]);
        let told = world.attended("commander", &["person", "add", &card], answer);
        assert_eq!(told.exit, Exit::Done, "{answer:?}: {}", told.all());
    }
}

#[test]
fn a_card_that_was_tampered_with_is_not_proposed() {
    let world = World::founded();
    let card = world.path("researcher.card");
    world.ok("researcher", &["person", "card", "--name", "the researcher", "--out", &card]);
    let text = std::fs::read_to_string(&card).unwrap();
    let (real, other) =
        (key_of("researcher").public_key().to_string(), key_of("somebody-else").public_key().to_string());
    let (persona, _) = text.split_once("psn_").unwrap().1.split_at(26);
    for (changed, exit) in [
        (text.replace(&real, &other), Exit::ProofFails),
        (text.replace(persona, "00000000000000000000000000"), Exit::ProofFails),
        (text.replace("gate.example/main", "gate.example/other"), Exit::Usage),
        (text.replace("\"adds\": \"person\"", "\"adds\": \"key\""), Exit::Usage),
        (text.replace("sekimori-card/v1", "sekimori-card/v2"), Exit::Usage),
        (text.replacen('{', "{\"more\": 1,", 1), Exit::Usage),
        (text.replace("the researcher", "the\u{202e}researcher"), Exit::Refused),
    ] {
        assert_ne!(changed, text);
        let path = world.path("changed.card");
        std::fs::write(&path, &changed).unwrap();
        let told = world.run("commander", &["person", "add", &path]);
        assert_eq!(told.exit, exit, "{}", told.all());
    }
    assert_eq!(world.run("commander", &["key", "enrol", &card]).exit, Exit::Usage, "a card for a person enrols no key");
}

#[test]
fn keys_are_added_by_an_older_one_and_retired_for_ever() {
    let world = World::founded();
    world.ok("commander", &["key", "add", "/keys/second"]);
    assert_eq!(world.person("second"), world.person("commander"));
    let taken = world.run("auditor", &["key", "add", "/keys/second"]);
    assert_eq!(
        (taken.exit, taken.err.contains("belongs to one persona for ever")),
        (Exit::Refused, true),
        "{}",
        taken.all()
    );
    let fingerprint = key_of("second").public_key().fingerprint().to_string();
    world.ok("commander", &["key", "retire", &fingerprint]);
    let retired = world.run("second", &["whoami"]);
    assert_eq!(
        (retired.exit, retired.err.contains("not enrolled, or was retired")),
        (Exit::Refused, true),
        "{}",
        retired.all()
    );
    assert_eq!(world.run("commander", &["key", "retire", "SHA256:short"]).exit, Exit::Usage);
    expect![[r#"
        exit 0
        person                                          persona                         key                                                 type         standing
        per_400qr2tgzt0vkx0p2zps69c7aq (the auditor)    psn_2xxs6xc3zrt2x9j07yj7mgw3ef  SHA256:T/2usGfWtU42vzlryJjcJTf9gKJJvoBrrncObGgwKQc  ssh-ed25519  active
        per_6d4sh1akkdetsb5e9ee30cngyc (the commander)  psn_6d0jj7ah4rw1pvb89wbwvhy7r4  SHA256:F26t2rJGgvsdr7Wt/JiNjzM2mFIHHW1mnsaSFRmbAk4  ssh-ed25519  active
        per_6d4sh1akkdetsb5e9ee30cngyc (the commander)  psn_6d0jj7ah4rw1pvb89wbwvhy7r4  SHA256:0npFHvS5V/XCuGgPPCepKN7luYAutVPJEh7vcCHX6c4  ssh-ed25519  retired
        --
    "#]].assert_eq(&world.run("commander", &["key", "list"]).all());
}

#[test]
fn a_further_persona_and_a_replacement_key_come_by_cards_too() {
    let world = World::ready();
    let person = world.person("researcher");
    let card = world.path("face.card");
    world.ok("face", &["person", "card", "--person", &person, "--kind", "research", "--out", &card]);
    world.carry("commander", "auditor", &["persona", "add", &card]);
    let who = world.run("face", &["whoami", "--json"]).json();
    assert_eq!((who["person"].as_str(), who["kind"].as_str()), (Some(person.as_str()), Some("research")));
    let persona = who["persona"].as_str().unwrap();
    let card = world.path("replacement.card");
    world.ok("replacement", &["person", "card", "--person", &person, "--persona", persona, "--out", &card]);
    world.carry("commander", "auditor", &["key", "enrol", &card]);
    assert_eq!(world.run("replacement", &["whoami", "--json"]).json()["persona"].as_str(), Some(persona));
    let asks =
        world.run("face", &["request", "new", "root@db1", "--for", "1h", "--purpose", "rotate WAL archive, CHG-142"]);
    assert_eq!((asks.exit, asks.err.contains("is for research")), (Exit::Refused, true), "{}", asks.all());
    let short = world.run("x", &["person", "card", "--person", &person[..12], "--out", &world.path("x")]);
    assert_eq!(short.exit, Exit::Usage, "what is signed is named whole: {}", short.all());
}

#[test]
fn a_frozen_person_is_thawed_by_two_others() {
    let world = World::ready();
    let person = world.person("researcher");
    world.ok("commander", &["person", "freeze", &person[..10], "--reason", "a stolen laptop, INC-7"]);
    assert_eq!(world.run("researcher", &["whoami"]).exit, Exit::Refused);
    assert!(world.ok("commander", &["person", "show", &person]).contains("frozen"));
    world.carry("commander", "auditor", &["person", "thaw", &person]);
    world.ok("researcher", &["whoami"]);
    world.carry("commander", "auditor", &["person", "link", &person, &world.person("marshal")]);
    world.ok("commander", &["group", "leave", "operators", &person]);
    world.ok("commander", &["person", "leave", &person]);
    expect![[r#"
        exit 0
        person                          name            standing  personas  groups
        per_0mnhbqspseyvcrc1wb81acs64k  the researcher  has left  admin
        per_400qr2tgzt0vkx0p2zps69c7aq  the auditor     active    admin     administrators
        per_4sht87qyxk9xrwctvdrv20ztcc  the marshal     active    admin     administrators
        per_6d4sh1akkdetsb5e9ee30cngyc  the commander   active    admin     administrators, owners
        --
    "#]]
    .assert_eq(&world.run("commander", &["person", "list"]).all());
    expect![[r#"
        exit 0
        group           person
        administrators  per_400qr2tgzt0vkx0p2zps69c7aq (the auditor)
        administrators  per_4sht87qyxk9xrwctvdrv20ztcc (the marshal)
        administrators  per_6d4sh1akkdetsb5e9ee30cngyc (the commander)
        owners          per_6d4sh1akkdetsb5e9ee30cngyc (the commander)
        --
    "#]]
    .assert_eq(&world.run("commander", &["group", "list"]).all());
}

#[test]
fn ids_are_resolved_for_reading_and_never_guessed() {
    let world = World::ready();
    let person = world.person("researcher");
    world.ok("commander", &["person", "show", &person[..6 + 6]]);
    for (text, exit) in [
        ("per_", Exit::Usage),
        ("per_1", Exit::Usage),
        ("per_00000000000000", Exit::Usage),
        ("psn_0000000", Exit::Usage),
        ("per_0000!00", Exit::Usage),
        ("commander", Exit::Usage),
        ("", Exit::Usage),
    ] {
        let told = world.run("commander", &["person", "show", text]);
        assert_eq!(told.exit, exit, "{text}: {}", told.all());
    }
}
