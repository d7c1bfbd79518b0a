use std::collections::BTreeSet;

use serde_json::Value;

use super::world::World;
use crate::exit::Exit;

const LISTS: [&[&str]; 11] = [
    &["person", "list"],
    &["key", "list"],
    &["group", "list"],
    &["target", "list"],
    &["account", "list"],
    &["motion", "list"],
    &["request", "list"],
    &["grant", "list"],
    &["session", "list"],
    &["session", "list", "--ended"],
    &["ledger", "list"],
];

fn with<'a>(words: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    words.iter().chain(more).copied().collect()
}

/// As a script goes through a list: until `next` is null.
fn looped(world: &World, list: &[&str], limit: &str) -> Vec<Value> {
    let (mut found, mut after) = (Vec::new(), None::<String>);
    loop {
        let mut words = with(list, &["--json", "--limit", limit]);
        words.extend(after.iter().flat_map(|after| ["--after", after.as_str()]));
        let told = world.run("commander", &words);
        let part = told.json();
        found.extend(part["rows"].as_array().unwrap_or_else(|| panic!("{}", told.all())).iter().cloned());
        after = match &part["next"] {
            Value::Null => return found,
            Value::String(next) => Some(next.clone()),
            Value::Number(next) => Some(next.to_string()),
            other => panic!("{other}"),
        };
    }
}

fn filled() -> World {
    let world = World::ready();
    for purpose in ["rotate WAL archive, CHG-142", "look into slow queries, INC-7", "grow the disk, CHG-150"] {
        world.ok("researcher", &["request", "new", "root@db1", "--for", "1h", "--purpose", purpose]);
    }
    let researcher = world.person("researcher");
    for group in ["readers", "writers", "watchers"] {
        world.ok("commander", &["group", "join", group, &researcher]);
    }
    world
}

#[test]
fn a_script_gets_the_whole_of_every_list_in_parts_of_any_size() {
    let world = filled();
    for list in LISTS {
        let whole = looped(&world, list, "500");
        for limit in ["1", "2", "3"] {
            assert_eq!(looped(&world, list, limit), whole, "{list:?} by {limit}");
        }
    }
    assert_eq!(looped(&world, &["request", "list"], "1").len(), 3);
    assert_eq!(looped(&world, &["motion", "list"], "2").len(), 3);
}

/// The line that says how to go on is typed as it is shown, until there is none.
#[test]
fn a_person_goes_on_with_the_command_that_is_shown() {
    let world = filled();
    let root = world.path("root");
    for (lang, says) in [("en", "there is more: "), ("ja", "続きがあります: ")] {
        let (mut seen, mut parts) = (BTreeSet::new(), 0);
        let mut words: Vec<String> = ["--lang", lang, "request", "list", "--limit", "2"].map(str::to_owned).to_vec();
        loop {
            let typed: Vec<&str> = words.iter().map(String::as_str).collect();
            let out = world.ok("commander", &typed);
            seen.extend(
                out.lines().filter_map(|line| line.split(' ').find(|w| w.starts_with("req_"))).map(str::to_owned),
            );
            parts += 1;
            let Some(shown) = out.lines().last().and_then(|line| line.strip_prefix(says)) else { break };
            let shown = shown.replace("DIR", &world.dir.path().display().to_string());
            let prefix = format!("sekimori --root {root} ");
            words = shown.strip_prefix(&prefix).unwrap().split(' ').map(str::to_owned).collect();
        }
        assert_eq!((seen.len(), parts), (3, 2));
    }
}

#[test]
fn a_place_that_is_unknown_of_another_kind_or_unreadable_is_told_with_what_to_do() {
    let world = filled();
    let nothing = |prefix: &str| format!("{prefix}{}", "0".repeat(26));
    let (person, motion) = (nothing("per_"), nothing("mot_"));
    let print = super::world::key_of("a stranger").public_key().fingerprint().to_string();
    let stranger = format!("strangers/{person}");
    for (list, after, code) in [
        (LISTS[0], person.as_str(), "after-unknown"),
        (LISTS[0], &motion, "id-unreadable"),
        (LISTS[0], "per_0", "id-too-short"),
        (LISTS[0], "", "id-unreadable"),
        (LISTS[1], &print, "after-unknown"),
        (LISTS[1], &person, "after-unreadable"),
        (LISTS[2], &stranger, "after-unknown"),
        (LISTS[2], "operators", "after-unreadable"),
        (LISTS[3], &nothing("tgt_"), "after-unknown"),
        (LISTS[4], &nothing("acc_"), "after-unknown"),
        (LISTS[5], &motion, "after-unknown"),
        (LISTS[6], &nothing("req_"), "after-unknown"),
        (LISTS[6], &nothing("grt_"), "id-unreadable"),
        (LISTS[7], &nothing("grt_"), "after-unknown"),
        (LISTS[8], &nothing("ses_"), "after-unknown"),
        (LISTS[9], &nothing("ses_"), "after-unknown"),
        (LISTS[10], "1000000", "after-unknown"),
        (LISTS[10], "-1", "after-unreadable"),
        (LISTS[10], "\u{1b}[2J", "after-unreadable"),
    ] {
        let after = format!("--after={after}");
        let told = world.run("commander", &with(list, &[&after, "--json"]));
        let error = &told.json()["error"];
        assert_eq!((told.exit, error["code"].as_str()), (Exit::Usage, Some(code)), "{list:?} {after}: {}", told.all());
        assert!(error["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{error}");
    }
    for limit in ["0", "501", "many"] {
        let told = world.run("commander", &["person", "list", "--limit", limit]);
        assert_eq!(told.exit, Exit::Usage, "{limit}: {}", told.all());
    }
}
