//! `cargo xtask test`: format, lints, unit and property tests, and the whole product with real `ssh` and sshd, as a plain user and as root.

use std::path::PathBuf;
use std::process::Command;

use testkit::process;

use crate::building::{self, cargo, counted, executables};
use crate::packages::{
    self, CXX, Consent, FAKETIME, GIT, LESS, RSYNC, SSH, SSH_KEYGEN, SSHD, STRACE, TMUX, UNSHARE, VIM,
};
use crate::tally::{Runner, Tally};
use crate::{Stop, fuzzing, plain_user, terminal};

/// Which tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Usual,
    /// The long ones too, and a skip is a failure.
    All,
}

#[derive(Debug)]
struct Run {
    extent: Extent,
    tally: Tally,
    /// One line for each part: what ran as whom, what did not.
    report: Vec<String>,
}

/// The end-to-end tests; they drive the built program, so they are run on their own.
const E2E: &str = "e2e";

pub(crate) fn run(options: &[String]) -> Result<(), Stop> {
    let (mut extent, mut consent) = (Extent::Usual, Consent::Ask);
    for option in options {
        match option.as_str() {
            "--all" => extent = Extent::All,
            "--yes" | "-y" => consent = Consent::Given,
            _ => return Err(Stop::Usage),
        }
    }
    packages::ensure(&[SSH, SSH_KEYGEN, SSHD, UNSHARE, FAKETIME, STRACE, VIM, LESS, TMUX, RSYNC, GIT], consent)?;
    if extent == Extent::All {
        packages::ensure(&[CXX], consent)?;
    }
    let mut run = Run { extent, tally: Tally::default(), report: vec![] };
    let begun = process::now();
    run.check("format", "fmt", &["fmt", "--all", "--", "--check", "-l"])?;
    run.check("format of the fuzzers", "fmt", &["fmt", "--manifest-path", "fuzz/Cargo.toml", "--", "--check", "-l"])?;
    run.check("lints", "clippy", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    run.crates()?;
    run.product()?;
    run.demo()?;
    run.fuzzers()?;
    run.finish(begun.elapsed().as_secs())
}

impl Run {
    /// A check of cargo's that passes or fails as one.
    fn check(&mut self, what: &str, subcommand: &str, arguments: &[&str]) -> Result<(), Stop> {
        terminal::heading(&format!("{what}: cargo {}", arguments.join(" ")));
        if !building::has(subcommand) {
            self.skip(
                what,
                &format!("rustup component add {}", if subcommand == "fmt" { "rustfmt" } else { subcommand }),
            );
            return Ok(());
        }
        let status = cargo(arguments).status().map_err(testkit::Trouble::at("cargo"))?;
        let tally = if status.success() { Tally { passed: 1, failed: 0 } } else { Tally { passed: 0, failed: 1 } };
        self.add(what, tally);
        Ok(())
    }

    /// Unit and property tests of every crate.
    fn crates(&mut self) -> Result<(), Stop> {
        let who = if process::is_root() { "as root" } else { "as you" };
        terminal::heading(&format!("unit and property tests, {who}"));
        let tally = self.cargo_tests(&["--workspace", "--exclude", E2E], &["_as_root"])?;
        self.add(&format!("unit and property tests, {who}"), tally);
        if self.extent == Extent::All {
            terminal::heading("examples in the documentation");
            let tally = counted(&mut cargo(&["test", "--quiet", "--workspace", "--doc"]), Runner::Own)?;
            self.add("examples in the documentation", tally);
        }
        Ok(())
    }

    /// The built program with real `ssh` and sshd: once without rights, once as root with targets in namespaces.
    fn product(&mut self) -> Result<(), Stop> {
        terminal::heading("building the product and its end-to-end tests");
        let arguments = ["test", "--no-run", "--workspace"];
        let (programs, binary) =
            match (executables(&arguments, E2E), executables(&["build", "--workspace", "--bins"], "sekimori")) {
                (Ok(programs), Ok(binaries)) => {
                    (programs, binaries.into_iter().find(|path| path.ends_with("sekimori")))
                }
                (Err(stop), _) | (_, Err(stop)) => return self.broken("end-to-end tests", stop),
            };
        let Some(binary) = binary else {
            return self.broken("end-to-end tests", Stop::Failed("no `sekimori` was built".into()));
        };
        self.product_as_plain_user(&programs, &binary)?;
        self.product_as_root(&programs, &binary)
    }

    fn product_as_plain_user(&mut self, programs: &[PathBuf], binary: &PathBuf) -> Result<(), Stop> {
        let left_out = ["--skip", "_as_root"].into_iter().chain(self.long_ones(&["--skip", "_long"]));
        let arguments: Vec<&str> = left_out.collect();
        if !process::is_root() {
            terminal::heading("end to end, as you");
            let tally = self.programs(programs, binary, &[], &arguments)?;
            self.add("end to end, as a plain user", tally);
        } else if plain_user::is_possible() {
            terminal::heading(&format!("end to end, as {} (made for this run)", plain_user::NAME));
            let tally = plain_user::run_tests(programs, binary, &arguments)?;
            self.add("end to end, as a plain user", tally);
        } else {
            self.skip(
                "end to end, as a plain user",
                "the kernel gives root no mount namespace here; run it as a plain user too",
            );
        }
        Ok(())
    }

    fn product_as_root(&mut self, programs: &[PathBuf], binary: &PathBuf) -> Result<(), Stop> {
        const WHAT: &str = "end to end, as root in namespaces";
        let Some(through) = packages::privilege() else {
            self.skip(WHAT, "needs root or `sudo -n`");
            return Ok(());
        };
        terminal::heading(WHAT);
        let left_out = ["_as_root"].into_iter().chain(self.long_ones(&["--skip", "_long"]));
        let arguments: Vec<&str> = left_out.collect();
        let tally = self.programs(programs, binary, &through, &arguments)?;
        self.add(WHAT, tally);
        Ok(())
    }

    /// The guided tour checks what it shows, and so is a test itself; it takes two minutes.
    fn demo(&mut self) -> Result<(), Stop> {
        const WHAT: &str = "the demo's tour";
        if self.extent == Extent::Usual {
            return Ok(());
        }
        terminal::heading("cargo xtask demo --auto");
        let own = std::env::current_exe().map_err(testkit::Trouble::at("this program"))?;
        let status = Command::new(own)
            .args(["demo", "--auto", "--lang", "en"])
            .stdin(std::process::Stdio::null())
            .status()
            .map_err(testkit::Trouble::at("the demo"))?;
        let passed = u64::from(status.success());
        self.add(WHAT, Tally { passed, failed: 1 - passed });
        Ok(())
    }

    /// Every parser for a few seconds, under `--all`.
    fn fuzzers(&mut self) -> Result<(), Stop> {
        const WHAT: &str = "fuzzing";
        if self.extent == Extent::Usual {
            return Ok(());
        }
        match fuzzing::run_all() {
            Ok(tally) => self.add(WHAT, tally),
            Err(stop) => return self.broken(WHAT, stop),
        }
        Ok(())
    }

    /// Nothing under `--all`.
    fn long_ones<'a>(&self, left_out: &'a [&'a str]) -> impl Iterator<Item = &'a str> + use<'a> {
        let usual = self.extent == Extent::Usual;
        left_out.iter().copied().filter(move |_| usual)
    }

    fn programs(
        &self,
        programs: &[PathBuf],
        binary: &PathBuf,
        through: &[&str],
        arguments: &[&str],
    ) -> Result<Tally, Stop> {
        let mut all = Tally::default();
        for program in programs {
            let mut line: Vec<std::ffi::OsString> = through.iter().map(Into::into).collect();
            let mut named = std::ffi::OsString::from("SEKIMORI_BINARY=");
            named.push(binary);
            line.extend(["env".into(), named, program.into()]);
            let mut command = Command::new(&line[0]);
            all.add(counted(command.args(&line[1..]).args(arguments).current_dir(building::root()), Runner::Own)?);
        }
        Ok(all)
    }

    /// With nextest where it is there, else with cargo's own runner.
    fn cargo_tests(&self, selection: &[&str], root_only: &[&str]) -> Result<Tally, Stop> {
        let mut left_out: Vec<&str> = self.long_ones(&["_long"]).collect();
        if !process::is_root() {
            left_out.extend(root_only);
        }
        let mut command;
        let runner = if building::has("nextest") { Runner::Nextest } else { Runner::Own };
        if runner == Runner::Nextest {
            command = cargo(&["nextest", "run", "--no-fail-fast"]);
            command.args(selection);
            if !left_out.is_empty() {
                command.arg("-E").arg(format!("not test(/({})$/)", left_out.join("|")));
            }
        } else {
            command = cargo(&["test", "--no-fail-fast"]);
            command.args(selection).args(["--lib", "--bins", "--tests", "--"]);
            left_out.iter().for_each(|name| {
                command.args(["--skip", name]);
            });
        }
        counted(&mut command, runner)
    }

    fn add(&mut self, what: &str, tally: Tally) {
        self.tally.add(tally);
        let nothing = if tally.is_empty() && self.extent == Extent::All && what.starts_with("end to end") {
            " (no test at all: a failure)"
        } else {
            ""
        };
        if !nothing.is_empty() {
            self.tally.failed += 1;
        }
        self.report.push(format!("{what}: {} passed, {} failed{nothing}", tally.passed, tally.failed));
    }

    fn skip(&mut self, what: &str, how: &str) {
        println!("not run: {what} ({how})");
        if self.extent == Extent::All {
            self.tally.failed += 1;
        }
        self.report.push(format!("{what}: NOT RUN ({how})"));
    }

    fn broken(&mut self, what: &str, stop: Stop) -> Result<(), Stop> {
        let Stop::Failed(why) = stop else { return Err(stop) };
        println!("{what}: {why}");
        self.add(what, Tally { passed: 0, failed: 1 });
        Ok(())
    }

    /// The last line is for programs: the counts alone.
    fn finish(self, seconds: u64) -> Result<(), Stop> {
        terminal::heading("what ran");
        self.report.iter().for_each(|line| println!("{line}"));
        if self.extent == Extent::Usual {
            println!("the long tests were left out; `cargo xtask test --all` runs them");
        }
        println!("took {} min {} s", seconds / 60, seconds % 60);
        println!("{} passed, {} failed", self.tally.passed, self.tally.failed);
        if self.tally.failed == 0 { Ok(()) } else { Err(Stop::Told(1)) }
    }
}
