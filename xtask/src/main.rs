//! The commands of the README: `cargo xtask demo`, `test`, `fuzz` and `bench`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it speaks to the person who started it")]

mod bench;
mod building;
mod demo;
mod fuzzing;
mod lang;
mod packages;
mod plain_user;
mod tally;
mod terminal;
mod testing;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask demo [--auto] [--fresh] [--stop] [--yes] [--lang ja|en]
    A working installation and a guided tour; it stays up afterwards, and a second run finds it.
    --auto: goes through without waiting, beside one that is up, and ends. --fresh: makes it anew.
    --stop: ends it and removes its files. --yes: installs what it needs without asking.

cargo xtask test [--all] [--yes]
    Checks format and lints, then runs the tests. --all: the long ones too, and a skip is a failure.
    --yes: installs the packages it needs without asking.

cargo xtask fuzz [TARGET] [--seconds N] [--yes]
cargo xtask fuzz TARGET --reproduce FILE
    Fuzzes the parsers, all of them or one, N seconds each (60). --reproduce: one input that was found.

cargo xtask bench ssh|engine
    Measures Sekimori and its peer in turn; a table, and one line of JSON at the end.
";

/// As for `sekimori` itself: 0 done, 1 failed, 2 not understood, 3 something needed is missing.
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((verb, options)) = arguments.split_first() else { return usage() };
    let outcome = match verb.as_str() {
        "demo" => demo::run(options),
        demo::HOLD => demo::hold(options),
        "test" => testing::run(options),
        "fuzz" => fuzzing::run(options),
        "bench" => bench::run(options),
        _ => return usage(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Usage) => usage(),
        Err(Stop::Missing(why)) => fail(&why, 3),
        Err(Stop::Failed(why)) => fail(&why, 1),
        Err(Stop::Told(code)) => ExitCode::from(code),
    }
}

/// Why a command did not do its work.
#[derive(Debug)]
enum Stop {
    Usage,
    /// Something has to be installed, or some right is wanting, that this program may not take.
    Missing(String),
    Failed(String),
    /// The person has been told already; the exit code.
    Told(u8),
}

impl From<testkit::Trouble> for Stop {
    fn from(trouble: testkit::Trouble) -> Self {
        Self::Failed(trouble.0)
    }
}

fn usage() -> ExitCode {
    eprint!("{USAGE}");
    ExitCode::from(2)
}

fn fail(why: &str, code: u8) -> ExitCode {
    eprintln!("error: {why}");
    ExitCode::from(code)
}
