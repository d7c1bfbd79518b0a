//! The pure crates have no clock, randomness, environment, file, network or task in them or below them.

use super::{product_sources, tree};

const PURE: &[&str] = &["sshwire", "ledger", "domain", "tegata", "transfers"];

/// All that may stand below a pure crate, none of which does I/O of its own. A new one is looked into before it is entered here.
/// `aws-lc-rs` is used for hashes and signatures over bytes that are given; `rand_core` and `rand_xoshiro` come with `imbl`, unseeded by the system.
const KNOWN_PURE: &[&str] = &[
    "archery",
    "aws-lc-rs",
    "aws-lc-sys",
    "base64",
    "bytemuck",
    "domain",
    "equivalent",
    "imbl",
    "imbl-sized-chunks",
    "itoa",
    "jiff",
    "jiff-core",
    "ledger",
    "memchr",
    "proc-macro2",
    "quote",
    "rand_core",
    "rand_xoshiro",
    "safe_arch",
    "serde",
    "serde_core",
    "serde_derive",
    "serde_json",
    "sshwire",
    "syn",
    "tegata",
    "thiserror",
    "thiserror-impl",
    "transfers",
    "unicode-ident",
    "wide",
    "zeroize",
    "zmij",
];

/// What would make an answer depend on when, where or by whom it is computed.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::os",
    "std::env",
    "std::process",
    "std::thread",
    "std::io::stdin",
    "SystemTime",
    "Instant",
    "SystemRandom",
    "tokio",
    "async fn",
    "println!",
    "eprintln!",
];

#[test]
fn nothing_below_a_pure_crate_does_io() {
    for name in PURE {
        let below = tree(&["--package", name]);
        assert!(below.len() > 5, "{below:?}");
        let unknown: Vec<_> = below.iter().filter(|one| !KNOWN_PURE.contains(&one.as_str())).collect();
        assert!(unknown.is_empty(), "below `{name}` stand {unknown:?}; look into them, then enter them in {}", file!());
    }
}

#[test]
fn the_pure_crates_themselves_ask_nobody() {
    for name in PURE {
        for (path, source) in product_sources(name) {
            for (number, line) in source.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
                for word in IMPURE {
                    assert!(!line.contains(word), "{}:{}: `{word}` in a pure crate", path.display(), number + 1);
                }
            }
        }
    }
}
