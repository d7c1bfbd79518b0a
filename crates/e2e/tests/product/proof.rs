//! What is proved is proved without the server, and one changed byte is found.

use std::path::Path;

use e2e::{LIMIT, World, text};
use testkit::process::output_within;

fn verify(world: &World, file: &Path) -> (i32, String) {
    let mut command = world.gate.command(&["--trust"]);
    let output = output_within(command.arg(world.gate.trust()).arg("verify").arg(file), LIMIT).unwrap();
    (output.status.code().unwrap_or(-1), format!("{}{}", text(&output.stdout), text(&output.stderr)))
}

#[test]
fn a_tegata_verifies_offline_and_any_changed_byte_is_found() {
    let mut world = World::new();
    let grant = world.granted("10m");
    let file = world.gate.file("tegata");
    world.gate.json(&world.operator.key, &["grant", "tegata", &grant, "--out", &file.to_string_lossy()]).unwrap();
    world.gate.stop().unwrap();
    let (code, said) = verify(&world, &file);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains(&grant) && said.contains(&world.operator.person) && said.contains(&world.owner.person),
        "{said}"
    );
    let whole = std::fs::read(&file).unwrap();
    for part in 1..24 {
        let at = whole.len() * part / 24;
        let copy = e2e::damaged(&file, at);
        let (code, said) = verify(&world, &copy);
        assert!(
            matches!(code, 2 | 4),
            "byte {at} ({:?}) of the tegata was changed unseen: {code} {said}",
            char::from(whole[at])
        );
    }
}

#[test]
fn another_installations_founders_are_not_trusted() {
    let (one, other) = (World::new(), World::new());
    let grant = one.granted("10m");
    let file = one.gate.file("tegata");
    one.gate.json(&one.operator.key, &["grant", "tegata", &grant, "--out", &file.to_string_lossy()]).unwrap();
    assert_eq!(verify(&other, &file).0, 4);
}

#[test]
fn a_changed_byte_in_the_ledger_stops_the_engine() {
    let mut world = World::new();
    world.granted("10m");
    world.gate.stop().unwrap();
    // A second start and stop folds the database's journal into its file.
    world.gate.start().unwrap();
    world.gate.stop().unwrap();
    let path = world.gate.root().join("var/ledger/ledger.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let mark = b"\"created\":17";
    let at = bytes.windows(mark.len()).position(|part| part == mark).unwrap() + mark.len() + 4;
    bytes[at] = if bytes[at] == b'7' { b'8' } else { b'7' };
    std::fs::write(&path, bytes).unwrap();
    let output = output_within(&mut world.gate.command(&["engine"]), LIMIT).unwrap();
    assert!(!output.status.success() && text(&output.stderr).contains("changed"), "{}", text(&output.stderr));
}

/// The file that anybody may carry away: every entry of a ledger in which people worked, checked with the server stopped.
#[test]
fn a_whole_ledger_verifies_offline_and_any_change_is_found() {
    let mut world = World::new();
    let earlier = world.gate.file("earlier.skmledger");
    let later = world.gate.file("later.skmledger");
    world.gate.json(&world.auditor.key, &["ledger", "export", &earlier.to_string_lossy()]).unwrap();
    world.granted("10m");
    assert!(world.exec(&world.operator, "echo in").status.success());
    let session = world.sessions().remove(0);
    world.ended(&session);
    world.gate.json(&world.auditor.key, &["ledger", "export", &later.to_string_lossy()]).unwrap();
    world.gate.stop().unwrap();
    let replay = |file: &Path| {
        let mut command = world.gate.command(&["--trust"]);
        command.arg(world.gate.trust()).args(["verify", "--replay"]).arg(file).arg("--extends").arg(&earlier);
        let output = output_within(&mut command, LIMIT).unwrap();
        (output.status.code().unwrap_or(-1), format!("{}{}", text(&output.stdout), text(&output.stderr)))
    };
    let (code, said) = replay(&later);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("The whole ledger is proved"), "{said}");
    let whole = std::fs::read(&later).unwrap();
    for part in 0..40 {
        let at = whole.len() * part / 40;
        let (code, said) = replay(&e2e::damaged(&later, at));
        assert_eq!(code, 4, "byte {at} of the ledger was changed unseen: {said}");
        let cut = world.gate.file("cut.skmledger");
        std::fs::write(&cut, &whole[..at]).unwrap();
        let (code, said) = replay(&cut);
        assert_eq!(code, 4, "the ledger was cut at {at} unseen: {said}");
    }
}

/// The probe of a real target, watched afterwards: the command's answer, as the target's own sshd gave it.
#[test]
fn an_errand_on_a_real_target_is_recorded() {
    let world = World::new();
    let entries = world.gate.json(&world.auditor.key, &["ledger", "list", "--limit", "100"]).unwrap();
    let errand = format!("err_{}", &entries.split("err_").nth(1).expect("the target was probed")[..26]);
    let words = ["session", "replay", &errand, "--purpose", e2e::PURPOSE, "--no-wait"];
    let output = output_within(&mut world.gate.as_person(&world.auditor.key, &words), LIMIT).unwrap();
    let shown = text(&output.stdout);
    let (seconds, nanoseconds) = shown.trim_end().split_once('.').unwrap_or_else(|| panic!("{shown}"));
    assert!(seconds.starts_with("1") && nanoseconds.parse::<u64>().is_ok(), "{shown}");
    let words = ["session", "verify", &errand, "--purpose", e2e::PURPOSE];
    let verified = world.gate.json(&world.auditor.key, &words).unwrap();
    assert!(verified.contains("\"end\": \"gateway\"") && verified.contains("\"complete\": true"), "{verified}");
}
