//! `cargo xtask fuzz`: the parsers, fed with what libFuzzer makes of their goldens; on the stable toolchain, in a target folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use testkit::Trouble;
use testkit::process::{self, now, output_within};

use crate::building::{cargo, root};
use crate::packages::{self, CXX, Consent};
use crate::tally::Tally;
use crate::{Stop, terminal};

/// What `cargo xtask test --all` gives each target.
pub(crate) const SECONDS_IN_TESTS: u64 = 8;
/// What a person gets who asks for nothing else.
const SECONDS: u64 = 60;
/// So long beyond its time a target may take to start and to end; then it hangs.
const GRACE: Duration = Duration::from_secs(120);
/// One input may take this long, in seconds, and the program this much memory, in MiB.
const LONGEST_INPUT_S: u64 = 10;
const MOST_MEMORY_MIB: u64 = 2_048;
/// Longest input made, in bytes: what is longer is refused by its length in most parsers.
const LONGEST_INPUT: u64 = 64 << 10;

/// Coverage as stable rustc gives it. For this build alone: with `--target`, build scripts and macros are built without.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

pub(crate) fn run(options: &[String]) -> Result<(), Stop> {
    let (mut chosen, mut seconds, mut reproduce, mut consent) = (None, SECONDS, None, Consent::Ask);
    let mut words = options.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--yes" | "-y" => consent = Consent::Given,
            // To libFuzzer none is for ever.
            "--seconds" => {
                let asked = words.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
                seconds = asked.ok_or(Stop::Usage)?;
            }
            "--reproduce" => reproduce = Some(PathBuf::from(words.next().ok_or(Stop::Usage)?)),
            name if !name.starts_with('-') && chosen.is_none() => chosen = Some(name.to_owned()),
            _ => return Err(Stop::Usage),
        }
    }
    if reproduce.is_some() && chosen.is_none() {
        return Err(Stop::Usage);
    }
    packages::ensure(&[CXX], consent)?;
    let fuzzer = Fuzzer::build()?;
    let all = fuzzer.targets()?;
    if let Some(name) = chosen.as_ref().filter(|name| !all.contains(name)) {
        return Err(Stop::Failed(format!("there is no target `{name}`\nhint: {}", all.join(", "))));
    }
    if let (Some(name), Some(input)) = (&chosen, &reproduce) {
        return fuzzer.reproduce(name, input);
    }
    let targets = chosen.map_or(all, |name| vec![name]);
    let tally = fuzzer.fuzz(&targets, seconds)?;
    println!("{} passed, {} failed", tally.passed, tally.failed);
    if tally.failed == 0 { Ok(()) } else { Err(Stop::Told(1)) }
}

/// Every target for a moment; says what it cost.
pub(crate) fn run_all() -> Result<Tally, Stop> {
    let begun = now();
    let fuzzer = Fuzzer::build()?;
    let built = begun.elapsed().as_secs();
    let tally = fuzzer.fuzz(&fuzzer.targets()?, SECONDS_IN_TESTS)?;
    println!("built in {built} s, ran for {} s", begun.elapsed().as_secs() - built);
    Ok(tally)
}

/// The built program, which holds every target.
struct Fuzzer {
    program: PathBuf,
    folder: PathBuf,
}

/// How a target ended.
#[derive(Debug)]
enum Outcome {
    Nothing {
        said: String,
    },
    /// The input that shows it, where there is one, and the end of what was said.
    Finding {
        input: Option<PathBuf>,
        said: String,
    },
}

impl Fuzzer {
    fn build() -> Result<Self, Stop> {
        terminal::heading("building the fuzzers, with coverage");
        let folder = root().join("target/fuzz");
        let host = host()?;
        let mut command = cargo(&["build", "--locked", "--manifest-path", "fuzz/Cargo.toml", "--target", &host]);
        command.env("RUSTFLAGS", FLAGS).env_remove("CARGO_ENCODED_RUSTFLAGS").env("CARGO_TARGET_DIR", &folder);
        let status = command.status().map_err(Trouble::at("cargo"))?;
        if !status.success() {
            return Err(Stop::Failed("the fuzzers did not build".to_owned()));
        }
        Ok(Self { program: folder.join(host).join("debug/fuzz"), folder })
    }

    fn command(&self, target: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.env("SEKIMORI_FUZZ_TARGET", target).stdin(Stdio::null());
        command
    }

    fn targets(&self) -> Result<Vec<String>, Stop> {
        let said = process::run(&mut self.command("list"))?;
        Ok(said.lines().map(str::to_owned).collect())
    }

    /// As many at a time as there are processors.
    fn fuzz(&self, targets: &[String], seconds: u64) -> Result<Tally, Stop> {
        terminal::heading(&format!("fuzzing {} targets, {seconds} s each", targets.len()));
        let width = std::thread::available_parallelism().map_or(1, usize::from);
        let mut tally = Tally::default();
        for some in targets.chunks(width) {
            let outcomes: Vec<_> = std::thread::scope(|scope| {
                let running: Vec<_> = some.iter().map(|target| scope.spawn(|| self.one(target, seconds))).collect();
                running
                    .into_iter()
                    .map(|one| one.join().unwrap_or_else(|_| Err(Stop::Failed("a thread panicked".into()))))
                    .collect()
            });
            for (target, outcome) in some.iter().zip(outcomes) {
                tally.add(report(target, &outcome?));
            }
        }
        Ok(tally)
    }

    /// The corpus stays for the next run.
    fn one(&self, target: &str, seconds: u64) -> Result<Outcome, Stop> {
        let corpus = self.folder.join("corpus").join(target);
        let found = self.folder.join("found");
        for folder in [&corpus, &found] {
            fs::create_dir_all(folder).map_err(Trouble::at(folder.display()))?;
        }
        let mut command = self.command(target);
        command.env("SEKIMORI_FUZZ_SEEDS", &corpus).arg(&corpus).args([
            format!("-max_total_time={seconds}"),
            format!("-timeout={LONGEST_INPUT_S}"),
            format!("-rss_limit_mb={MOST_MEMORY_MIB}"),
            format!("-max_len={LONGEST_INPUT}"),
            format!("-artifact_prefix={}/{target}-", found.display()),
            "-print_final_stats=1".to_owned(),
        ]);
        let output = match output_within(&mut command, Duration::from_secs(seconds) + GRACE) {
            Ok(output) => output,
            // It hangs, and not in one input.
            Err(trouble) => return Ok(Outcome::Finding { input: None, said: trouble.0 }),
        };
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok(if output.status.success() {
            Outcome::Nothing { said }
        } else {
            Outcome::Finding { input: written(&said), said }
        })
    }

    fn reproduce(&self, target: &str, input: &Path) -> Result<(), Stop> {
        terminal::heading(&format!("{target} with {}", input.display()));
        if !input.is_file() {
            return Err(Stop::Failed(format!(
                "there is no file `{}`\nhint: name the one that the run wrote",
                input.display()
            )));
        }
        let mut command = self.command(target);
        let status = command.arg(input).status().map_err(Trouble::at("the fuzzer"))?;
        if status.success() {
            println!("nothing is wrong with this input any more");
            return Ok(());
        }
        Err(Stop::Failed(format!("`{target}` fails on `{}`: {status}", input.display())))
    }
}

fn host() -> Result<String, Stop> {
    let said = process::run(Command::new("rustc").arg("-vV"))?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Stop::Failed("rustc does not say which host it is for".to_owned()))
}

/// Shows one line, or the whole finding.
fn report(target: &str, outcome: &Outcome) -> Tally {
    match outcome {
        Outcome::Nothing { said } => {
            let runs = said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
            println!("{target:<16} {:>9} inputs, {} places reached", runs.unwrap_or("?").trim(), covered(said));
            Tally { passed: 1, failed: 0 }
        }
        Outcome::Finding { input, said } => {
            let tail: Vec<&str> = said
                .lines()
                .rev()
                .filter(|line| !line.starts_with('#') && !line.starts_with(TRYING))
                .take(60)
                .collect();
            println!("{target}: FOUND SOMETHING");
            tail.into_iter().rev().for_each(|line| println!("  {line}"));
            if let Some(input) = input {
                let input = input.display();
                println!("the input is {input}\nhint: cargo xtask fuzz {target} --reproduce {input}");
            }
            Tally { passed: 0, failed: 1 }
        }
    }
}

/// The last `cov:` of libFuzzer's progress.
fn covered(said: &str) -> &str {
    let number = said.rsplit("cov: ").next().and_then(|rest| rest.split_whitespace().next());
    number.filter(|number| number.bytes().all(|b| b.is_ascii_digit())).unwrap_or("?")
}

/// Where the input lies that failed: libFuzzer writes it, or it is the seed that was being tried.
fn written(said: &str) -> Option<PathBuf> {
    let found = said.lines().find_map(|line| line.split_once("Test unit written to ")).map(|(_, path)| path);
    let tried = || said.lines().rev().find_map(|line| line.strip_prefix(TRYING)).filter(|_| !said.contains(TRIED));
    found.or_else(tried).map(|path| PathBuf::from(path.trim()))
}

/// As the fuzzers say it.
const TRYING: &str = "trying ";
const TRIED: &str = "tried every seed";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libfuzzer_says_is_understood() {
        let said =
            "#2\tINITED cov: 12 ft: 13\n#9\tDONE   cov: 345 ft: 400 corp: 3/9b\nstat::number_of_executed_units: 9\n";
        assert_eq!(covered(said), "345");
        assert_eq!(covered("nothing"), "?");
        let said = "artifact_prefix='x'; Test unit written to /t/found/entry-crash-1\nBase64: AA==";
        assert_eq!(written(said), Some(PathBuf::from("/t/found/entry-crash-1")));
        assert_eq!(written("Done 9 runs"), None);
        let said = "trying /t/seed-0000\ntrying /t/seed-0001\npanicked";
        assert_eq!(written(said), Some(PathBuf::from("/t/seed-0001")));
        assert_eq!(written("trying /t/seed-0001\ntried every seed\nkilled"), None);
    }

    #[test]
    fn a_finding_is_a_failure() {
        let finding = Outcome::Finding { input: None, said: "panicked".to_owned() };
        assert_eq!(report("entry", &finding), Tally { passed: 0, failed: 1 });
        assert_eq!(report("entry", &Outcome::Nothing { said: String::new() }), Tally { passed: 1, failed: 0 });
    }
}
