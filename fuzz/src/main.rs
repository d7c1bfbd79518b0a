//! Fuzzers of everything that parses what strangers or other processes send: one program, so that it is linked once. See `docs/testing.md`.
#![no_main]
#![allow(dead_code, reason = "whole files of other crates are taken, of which the fuzzers use a part")]
#![allow(clippy::unwrap_used, reason = "what fails here is a finding")]

mod memory;
mod seeds;
mod targets;

// The gateway's and front's pure parsers, without the SSH library that they stand on.
#[path = "../../crates/gateway-ssh/src/clock.rs"]
mod clock;
#[path = "../../crates/gateway-ssh/src/first_words.rs"]
mod first_words;
#[path = "../../crates/gateway-ssh/src/login.rs"]
mod login;
#[path = "../../crates/gateway-ssh/src/masking.rs"]
mod masking;
#[path = "../../crates/gateway-ssh/src/seam.rs"]
mod seam;
#[path = "../../crates/front/src/target_clock.rs"]
mod target_clock;

// The world that the tests of `domain` and `tegata` make, with real signatures: what seeds are made from.
#[path = "../../crates/tegata/tests/real/mod.rs"]
mod real;
#[path = "../../crates/domain/tests/world/mod.rs"]
mod world;

use std::path::Path;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use targets::{TARGETS, Target};

/// The target's name; `list` has the names of all printed.
const TARGET: &str = "SEKIMORI_FUZZ_TARGET";
/// Into this folder the target's seeds are written before the first run.
const SEEDS: &str = "SEKIMORI_FUZZ_SEEDS";

/// So that who runs this can name the seed that failed: libFuzzer does not know of it yet.
const TRYING: &str = "trying ";
const TRIED: &str = "tried every seed";

static CHOSEN: OnceLock<&'static Target> = OnceLock::new();

fuzz_target!(init: choose(), |data: &[u8]| {
    let target = CHOSEN.get().unwrap();
    let most = target.memory + memory::PER_BYTE * data.len();
    let peak = memory::peak_of(|| (target.run)(data));
    assert!(peak <= most, "{peak} bytes were held for an input of {}; at most {most} may be", data.len());
});

fn choose() {
    let name = std::env::var(TARGET).unwrap_or_default();
    if name == "list" {
        TARGETS.iter().for_each(|target| println!("{}", target.name));
        std::process::exit(0);
    }
    let Some(target) = TARGETS.iter().find(|target| target.name == name) else {
        eprintln!("error: {TARGET} names no target: `{name}`");
        std::process::exit(2);
    };
    let folder = std::env::var_os(SEEDS);
    for (number, seed) in (target.seeds)().iter().enumerate() {
        if let Some(folder) = &folder {
            let path = Path::new(folder).join(format!("seed-{number:04}"));
            std::fs::write(&path, seed).unwrap();
            eprintln!("{TRYING}{}", path.display());
        }
        // What is made once is made here, so that it counts as no input's memory.
        (target.run)(seed);
    }
    eprintln!("{TRIED}");
    CHOSEN.set(target).ok().unwrap();
}
