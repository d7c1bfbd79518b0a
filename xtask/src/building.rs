//! Cargo, as this program starts it: always over the whole workspace, so that each dependency is built once.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use testkit::Trouble;

use crate::Stop;
use crate::tally::{self, Runner, Tally};

/// The repository's first folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository").to_owned()
}

pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root()).args(arguments);
    // Set for this program by the cargo that started it; passed on, they would make the next one build everything anew.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_")
            || text.starts_with("CARGO_MANIFEST_")
            || text == "CARGO_BIN_NAME"
            || text == "CARGO_CRATE_NAME"
        {
            command.env_remove(&name);
        }
    }
    command
}

/// Whether a subcommand of cargo is installed.
pub(crate) fn has(subcommand: &str) -> bool {
    cargo(&[subcommand, "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Builds, showing cargo's own progress, and gives the executables of `package` that came of it: binaries and tests.
pub(crate) fn executables(arguments: &[&str], package: &str) -> Result<Vec<PathBuf>, Stop> {
    let mut command = cargo(arguments);
    command.args(["--message-format", "json-render-diagnostics"]).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(Trouble::at("cargo"))?;
    let stdout = child.stdout.take().ok_or_else(|| Stop::Failed("cargo has no output".to_owned()))?;
    let lines = BufReader::new(stdout).lines().map_while(Result::ok);
    let found: Vec<_> = lines.filter_map(|line| executable_of(&line, package)).collect();
    let status = child.wait().map_err(Trouble::at("cargo"))?;
    if !status.success() {
        return Err(Stop::Failed(format!("`cargo {}` did not succeed", arguments.join(" "))));
    }
    Ok(found)
}

/// From one message of cargo's. The crate's folder stands in its package id, and no name or path of ours needs escaping in JSON.
fn executable_of(message: &str, package: &str) -> Option<PathBuf> {
    let id = message.split("\"package_id\":\"").nth(1)?.split('"').next()?;
    let path = id.split('#').next()?;
    if !path.ends_with(&format!("/{package}")) {
        return None;
    }
    message.split("\"executable\":\"").nth(1)?.split('"').next().map(PathBuf::from)
}

/// Runs a command to its end, showing what it writes, and counts the tests it reports. A failure that reports none counts as one.
pub(crate) fn counted(command: &mut Command, runner: Runner) -> Result<Tally, Stop> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Trouble::at(format!("{command:?}")))?;
    let readers = [
        child.stdout.take().map(|pipe| follow(pipe, Stream::Out, runner)),
        child.stderr.take().map(|pipe| follow(pipe, Stream::Error, runner)),
    ];
    let mut all = Tally::default();
    for reader in readers.into_iter().flatten() {
        all.add(reader.join().unwrap_or_default());
    }
    let status = child.wait().map_err(Trouble::at("a test run"))?;
    if !status.success() && all.failed == 0 {
        all.failed = 1;
    }
    Ok(all)
}

#[derive(Debug, Clone, Copy)]
enum Stream {
    Out,
    Error,
}

/// Shows every line as it comes, and adds up the summaries among them.
fn follow(pipe: impl std::io::Read + Send + 'static, to: Stream, runner: Runner) -> std::thread::JoinHandle<Tally> {
    std::thread::spawn(move || {
        let mut all = Tally::default();
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            match to {
                Stream::Out => println!("{line}"),
                Stream::Error => eprintln!("{line}"),
            }
            if let Some(tally) = tally::read_line(&line, runner) {
                all.add(tally);
            }
        }
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_found_in_cargos_message() {
        let message = r#"{"reason":"compiler-artifact","package_id":"path+file:///x/crates/e2e#0.1.0","target":{"name":"it"},"executable":"/x/target/debug/deps/it-1"}"#;
        assert_eq!(executable_of(message, "e2e"), Some(PathBuf::from("/x/target/debug/deps/it-1")));
        assert_eq!(executable_of(message, "2e"), None);
        assert_eq!(executable_of(&message.replace("\"/x/target/debug/deps/it-1\"", "null"), "e2e"), None);
    }

    #[test]
    fn a_failure_without_a_count_is_a_failure() {
        let tally = counted(Command::new("sh").args(["-c", "echo nothing to count; exit 4"]), Runner::Own).unwrap();
        assert_eq!(tally, Tally { passed: 0, failed: 1 });
    }
}
