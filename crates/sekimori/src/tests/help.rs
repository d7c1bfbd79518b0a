use expect_test::expect_file;

use super::world::World;
use crate::exit::Exit;

/// Every noun and verb with its help: what people read in `docs/cli.md` must not drift from it.
#[test]
fn the_help_is_as_documented() {
    let world = World::empty();
    let nouns = [
        "", "init", "person", "persona", "key", "group", "target", "account", "rule", "motion", "request", "grant",
        "session", "ledger", "verify", "doctor", "clock", "recover", "whoami", "wait",
    ];
    let mut all = String::new();
    for noun in nouns {
        let words: Vec<&str> = [noun, "--help"].into_iter().filter(|word| !word.is_empty()).collect();
        let told = world.run("nobody", &words);
        assert_eq!(told.exit, Exit::Done, "{noun}");
        let help: String = told
            .out
            .lines()
            .take_while(|line| !line.starts_with("Everywhere:") || noun.is_empty())
            .map(|line| format!("{}\n", line.trim_end()))
            .collect();
        all += &format!("$ sekimori {}\n{help}\n", words.join(" "));
    }
    expect_file!["golden/help.txt"].assert_eq(&all);
}

#[test]
fn what_cannot_be_read_is_told_in_either_form() {
    let world = World::empty();
    let told = world.run("nobody", &["request", "approve"]);
    assert_eq!((told.exit, told.out.is_empty()), (Exit::Usage, true), "{}", told.all());
    let told = world.run("nobody", &["request", "approve", "--json"]);
    assert_eq!((told.exit, told.json()["error"]["code"].as_str()), (Exit::Usage, Some("usage")), "{}", told.all());
    assert_eq!(world.run("nobody", &["--version"]).exit, Exit::Done);
    assert_eq!(world.run("nobody", &["--socket", "a", "--gate", "b", "whoami"]).exit, Exit::Usage);
}

#[test]
fn every_verb_stands_in_the_documentation() {
    let manual = include_str!("../../../../docs/cli.md");
    let golden = include_str!("golden/help.txt");
    let mut noun = "";
    for line in golden.lines() {
        if let Some(rest) = line.strip_prefix("$ sekimori ") {
            noun = rest.trim_end_matches("--help").trim();
        }
        let verb = line.strip_prefix("  ").filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
        let verb = verb.and_then(|rest| rest.split_whitespace().next());
        if let (Some(verb), false) = (verb, noun.is_empty()) {
            assert!(manual.contains(&format!("{noun} {verb}")), "`{noun} {verb}` is not in docs/cli.md");
        }
    }
}

#[test]
fn the_command_line_is_sound() {
    crate::cli::check();
    let world = World::empty();
    assert!(world.ok("nobody", &["serve", "--help"]).contains("--root"));
    let help = world.ok("nobody", &["--help"]);
    assert!(["front", "engine", "keeper"].iter().all(|hidden| !help.contains(&format!("  {hidden} "))), "{help}");
}
