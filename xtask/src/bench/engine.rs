//! `bench engine`: signed cycles a second over the socket, decisions, and the start from a long ledger.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use testkit::process::output_within;
use testkit::{Scratch, Trouble};

use super::figures::{Goal, Report, median};
use crate::building::executables;
use crate::{Stop, terminal};

/// Each figure is the median of so many runs, taken in turn.
const ROUNDS: usize = 3;
const SECONDS: &str = "8";
const LONG_LEDGER: &str = "1000000";
const LIMIT: Duration = Duration::from_secs(1800);

pub(super) fn run() -> Result<(), Stop> {
    let program = super::release("bench", "bench-engine")?;
    let mut report = Report::new("engine");
    cycles(&program, &mut report)?;
    decide(&mut report)?;
    long_ledger(&program, &mut report)?;
    report.print();
    Ok(())
}

fn cycles(program: &Path, report: &mut Report) -> Result<(), Stop> {
    terminal::heading("request, approval, grant: 1 and 64 clients, and the disk's own syncs, in turn");
    let (mut alone, mut many, mut appends, mut syncs) = (vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        syncs.push(one(program, &["fsyncs", "2"], "fsyncs_a_second")?);
        alone.push(one(program, &["cycles", "1", SECONDS], "cycles_a_second")?);
        let all = figures(program, &["cycles", "64", SECONDS])?;
        many.push(pick(&all, "cycles_a_second")?);
        appends.push(pick(&all, "appends_a_second")?);
    }
    let (syncs, appends) = (median(&syncs), median(&appends));
    report.row("fdatasyncs_a_second", syncs, Goal::Shown, "one after the other, 4 KiB each, in the same place");
    report.row("cycles_a_second_1_client", median(&alone), Goal::Shown, "signatures made and verified");
    report.row(
        "cycles_a_second_64_clients",
        median(&many),
        Goal::AtLeast(1000.0),
        "64 persons, each signing and waiting",
    );
    report.row(
        "appends_vs_64_fdatasyncs",
        appends / (64.0 * syncs),
        Goal::Shown,
        format!("{appends:.0} entries a second"),
    );
    Ok(())
}

/// The example measures one decision after another and prints microseconds, `decide_p99_us N`.
fn decide(report: &mut Report) -> Result<(), Stop> {
    terminal::heading("decisions with 100,000 accounts and 10,000 live grants");
    let built = executables(&["build", "--release", "--package", "domain", "--example", "decide_speed"], "domain")?;
    let program = built.into_iter().find(|path| path.file_name().is_some_and(|name| name == "decide_speed"));
    let program = program.ok_or_else(|| Stop::Failed("no `decide_speed` was built".to_owned()))?;
    let all = figures(&program, &[])?;
    report.row("decide_p99_us", pick(&all, "decide_p99_us")?, Goal::AtMost(50.0), "without signatures");
    Ok(())
}

fn long_ledger(program: &Path, report: &mut Report) -> Result<(), Stop> {
    terminal::heading("a ledger of a million entries");
    let dir = Scratch::new("long-ledger")?;
    let ledger = dir.join("ledger");
    let ledger = ledger.to_string_lossy();
    figures(program, &["grow", &ledger, LONG_LEDGER])?;
    let mut starts = vec![];
    let mut all = vec![];
    for _ in 0..ROUNDS {
        all = figures(program, &["start", &ledger])?;
        starts.push(pick(&all, "start_seconds")?);
    }
    report.row(
        "start_from_snapshot_s",
        median(&starts),
        Goal::AtMost(2.0),
        format!("{:.0} entries", pick(&all, "entries")?),
    );
    report.row(
        "memory_mib_at_a_million",
        pick(&all, "memory_mib")?,
        Goal::Shown,
        "proportional set size after the start",
    );
    report.row(
        "full_fold_s",
        pick(&all, "full_fold_seconds")?,
        Goal::Shown,
        "from the first entry, compared with the snapshot",
    );
    Ok(())
}

fn one(program: &Path, arguments: &[&str], name: &str) -> Result<f64, Stop> {
    pick(&figures(program, arguments)?, name)
}

/// Lines of a name and a number.
fn figures(program: &Path, arguments: &[&str]) -> Result<Vec<(String, f64)>, Stop> {
    let output = output_within(Command::new(program).args(arguments).env_remove("RUST_LOG"), LIMIT)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Stop::Failed(format!("{} {}: {said}", program.display(), arguments.join(" "))));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    let found: Vec<_> = lines.filter_map(|(name, value)| Some((name.to_owned(), value.trim().parse().ok()?))).collect();
    for (name, value) in &found {
        println!("   {} {name} {value:.3}", arguments.join(" "));
    }
    Ok(found)
}

fn pick(all: &[(String, f64)], name: &str) -> Result<f64, Stop> {
    let found = all.iter().find(|(one, _)| one == name).map(|(_, value)| *value);
    found.ok_or_else(|| Trouble(format!("no figure `{name}` was given")).into())
}
