//! No file holds a path of whoever's machine it was written on, or the address of a private registry.

use std::collections::BTreeSet;

use super::{files, read, root};

fn texts() -> Vec<(String, String)> {
    let all = files("").into_iter().filter_map(|path| {
        let text = std::fs::read_to_string(root().join(&path)).ok()?;
        Some((path.display().to_string(), text))
    });
    let all: Vec<_> = all.collect();
    assert!(all.len() > 50, "only {} files", all.len());
    all
}

#[test]
fn no_path_of_this_machine_is_written_down() {
    let here = root().display().to_string();
    let cargo_home = env!("CARGO").split("/.rustup").next().unwrap_or_default().to_owned() + "/.";
    for (path, text) in texts() {
        assert!(!text.contains(&here), "{path} names {here}");
        assert!(
            cargo_home.len() < 4 || !text.contains(&format!("{cargo_home}cargo/")),
            "{path} names {cargo_home}cargo/"
        );
    }
}

#[test]
fn every_crate_comes_from_the_public_registry() {
    for path in LOCK_FILES {
        let lock = read(path);
        let sources: Vec<_> = lock.lines().filter_map(|line| line.strip_prefix("source = ")).collect();
        assert!(sources.len() > 100, "{path}");
        for source in sources {
            assert_eq!(source, "\"registry+https://github.com/rust-lang/crates.io-index\"", "{path}");
        }
    }
    let config = read(".cargo/config.toml");
    assert!(!config.contains("[source") && !config.contains("registr"), ".cargo/config.toml names a registry");
}

const LOCK_FILES: [&str; 2] = ["Cargo.lock", "fuzz/Cargo.lock"];
/// What nothing but the fuzzers is built with.
const ONLY_FOR_FUZZING: [&str; 3] = ["fuzz", "libfuzzer-sys", "arbitrary"];

/// The fuzzers have a lock file of their own; what they find must be true of what is built.
#[test]
fn the_fuzzers_have_the_products_versions() {
    let [products, own] = LOCK_FILES.map(versions);
    let others = own.difference(&products).filter(|(name, _)| !ONLY_FOR_FUZZING.contains(&name.as_str()));
    let others: Vec<_> = others.collect();
    assert!(
        others.is_empty(),
        "fuzz/Cargo.lock has other versions: {others:?}; copy Cargo.lock there and run `cargo metadata --manifest-path fuzz/Cargo.toml`"
    );
}

/// Names and versions in a lock file.
fn versions(path: &str) -> BTreeSet<(String, String)> {
    let lock = read(path);
    let field = |part: &str, name: &str| {
        let line = part.lines().find_map(|line| line.strip_prefix(&format!("{name} = ")).map(str::to_owned));
        line.map(|value| value.trim_matches('"').to_owned())
    };
    lock.split("[[package]]").filter_map(|part| Some((field(part, "name")?, field(part, "version")?))).collect()
}

#[test]
fn no_address_of_a_private_service_is_written_down() {
    for (path, text) in texts() {
        for url in text.split("://").skip(1) {
            let host: String =
                url.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')).collect();
            let private = [".internal", ".corp", ".lan", ".intra"].iter().any(|end| host.ends_with(end));
            assert!(!private, "{path} names {host}");
        }
    }
}
