//! Crates know only what lies below them.

use std::collections::BTreeMap;

use super::{crates, read, tree};

/// Each crate, and all of ours that it may know. A new crate is entered here before its first line is written.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("sshwire", &[]),
    ("ledger", &[]),
    ("domain", &["sshwire", "ledger"]),
    ("tegata", &["sshwire", "ledger", "domain"]),
    ("envelope", &[]),
    ("recorder", &["envelope", "ledger"]),
    ("store", &["ledger"]),
    ("channel", &["sshwire", "ledger", "domain", "tegata", "envelope"]),
    ("transfers", &[]),
    ("gateway-ssh", &["sshwire", "transfers"]),
    ("keeper", &["sshwire", "ledger", "domain", "tegata", "envelope", "recorder", "channel"]),
    ("engine", &["sshwire", "ledger", "domain", "tegata", "envelope", "recorder", "store", "channel"]),
    (
        "front",
        &["sshwire", "ledger", "domain", "tegata", "envelope", "recorder", "channel", "gateway-ssh", "transfers"],
    ),
    (
        "sekimori",
        &[
            "sshwire",
            "ledger",
            "domain",
            "tegata",
            "envelope",
            "recorder",
            "store",
            "channel",
            "gateway-ssh",
            "transfers",
            "keeper",
            "engine",
            "front",
        ],
    ),
    ("demo-target", &["sshwire"]),
    ("testkit", &[]),
    (
        "worlds",
        &["sshwire", "ledger", "domain", "tegata", "envelope", "recorder", "store", "channel", "keeper", "engine"],
    ),
    ("e2e", &["testkit"]),
    (
        "bench",
        &[
            "sshwire", "ledger", "domain", "tegata", "envelope", "recorder", "store", "channel", "keeper", "engine",
            "worlds", "testkit",
        ],
    ),
];

#[test]
fn arrows_point_downward_only() {
    let allowed: BTreeMap<_, _> = MAY_KNOW.iter().copied().collect();
    let ours = crates();
    for name in &ours {
        let may_know = allowed
            .get(name.as_str())
            .unwrap_or_else(|| panic!("crate `{name}` has no place in the picture; enter it in {}", file!()));
        let knows = tree(&["--package", name]);
        let knows: Vec<_> = knows.iter().filter(|other| ours.contains(other) && *other != name).collect();
        for other in knows {
            assert!(may_know.contains(&other.as_str()), "`{name}` may not know `{other}`");
        }
    }
}

#[test]
fn the_picture_shows_no_crate_that_is_gone() {
    let ours = crates();
    for (name, _) in MAY_KNOW {
        assert!(ours.iter().any(|one| one == name), "`{name}` is gone; take it out of {}", file!());
    }
}

/// `engine` decides, `keeper` signs, `front` parses what strangers send: none can reach into another but through `channel`.
#[test]
fn the_three_processes_meet_in_the_channel_only() {
    for (one, others) in [
        ("engine", ["keeper", "front", "gateway-ssh"]),
        ("keeper", ["engine", "front", "store"]),
        ("front", ["engine", "keeper", "store"]),
    ] {
        let knows = tree(&["--package", one]);
        assert!(knows.iter().any(|name| name == "channel"));
        for other in others {
            assert!(!knows.iter().any(|name| name == other), "`{one}` knows `{other}`");
        }
    }
}

#[test]
fn only_the_store_speaks_sql() {
    for name in crates() {
        let manifest = read(format!("crates/{name}/Cargo.toml"));
        assert!(name == "store" || !manifest.contains("rusqlite"), "`{name}` depends on the database itself");
    }
}
