//! `sekimori doctor`: what is missing before anything opens, and what is not as it should be.

use std::collections::BTreeMap;

use channel::api::{Check, DoctorView, Health, Query};
use domain::state::Missing;

use crate::connection::view;
use crate::desk::Desk;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::messages::{self, Argument};
use crate::words;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Ends with 0 only where things can open.
pub(crate) fn run(_: Args, desk: &mut Desk<'_>) -> Outcome<Exit> {
    let mut connection = desk.connect()?;
    let found = view!(connection, Query::Doctor => Doctor);
    desk.answer(&found, |desk| show(desk, &found));
    let is_failing = found.checks.iter().any(|check| check.health == Health::Failing);
    Ok(if found.missing.is_empty() && !is_failing { Exit::Done } else { Exit::CannotDecide })
}

fn show(desk: &mut Desk<'_>, found: &DoctorView) {
    match &found.origin {
        Some(origin) => desk.say("say-origin", &[("origin", origin.as_str().into())]),
        None => desk.say("say-not-founded", &[]),
    }
    for missing in &found.missing {
        let line = missing_text(desk, missing);
        line_of(desk, "word-missing", &line);
    }
    for check in &found.checks {
        let line = check_text(desk, check);
        line_of(desk, words::health(check.health), &line);
    }
    let is_ready = found.missing.is_empty();
    desk.say(if is_ready { "say-ready" } else { "say-not-ready" }, &[]);
}

fn line_of(desk: &mut Desk<'_>, word: &str, line: &str) {
    let word = desk.word(word);
    desk.screen().line(&format!("  {word}: {line}"));
}

fn missing_text(desk: &Desk<'_>, missing: &Missing) -> String {
    match missing {
        Missing::Founding => desk.word("missing-founding"),
        Missing::Persons { have, need } => {
            desk.text("missing-persons", &[("have", (*have).into()), ("need", (*need).into())])
        }
        Missing::Policy => desk.word("missing-policy"),
        Missing::Account => desk.word("missing-account"),
        Missing::ClockConfirmed => desk.word("missing-clock-confirmed"),
    }
}

/// The server gives the message's key. A check that a newer server makes is shown as it came.
fn check_text(desk: &Desk<'_>, check: &Check) -> String {
    let readable = readable(desk, &check.arguments);
    let arguments: Vec<Argument<'_>> =
        readable.iter().map(|(name, value)| (name.as_str(), value.as_str().into())).collect();
    let known = messages::text_if_known(desk.lang(), &check.key, &arguments);
    known.unwrap_or_else(|| {
        let values: Vec<String> = check.arguments.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{} {}", check.key, values.join(" "))
    })
}

/// Lengths of time (`…_s`) and moments are given as people read them.
fn readable(desk: &Desk<'_>, arguments: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let words = |(name, value): (&String, &String)| {
        let seconds = value.parse().ok().filter(|_| name.ends_with("_s"));
        let moment = value.parse().ok().map(|at| desk.moment(at));
        let value = seconds.map(|seconds| desk.span(std::time::Duration::from_secs(seconds))).or(moment);
        (name.clone(), value.unwrap_or_else(|| arguments.get(name).cloned().unwrap_or_default()))
    };
    arguments.iter().map(words).collect()
}
