//! `cargo xtask demo`: a working installation with people by role and a real sshd behind it, and a guided tour. Everything lies in the
//! build folder; nothing of the user's own is touched.

mod holder;
mod places;
mod screen;
mod stage;
mod talk;
mod tour;
mod words;

use std::fs;
use std::time::Duration;

use testkit::process::{now, pause};
use testkit::{Server, Trouble};

use crate::Stop;
use crate::building::executables;
use crate::lang::Lang;
use crate::packages::{self, Consent, SSH, SSH_KEYGEN, SSHD};
use holder::Holder;
use places::{Places, State};
use stage::Serving;
use talk::{Pace, Talk};

pub(crate) use holder::hold;
pub(crate) use places::HOLD;
#[cfg(test)]
pub(crate) use words::ALL as ALL_WORDS;

/// A run that was interrupted clears up within this.
const LEAVING: Duration = Duration::from_secs(10);

/// What the words on the command line ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Tour,
    Fresh,
    Stop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Plan {
    wish: Wish,
    pace: Pace,
    consent: Consent,
    lang: Lang,
}

pub(crate) fn run(options: &[String]) -> Result<(), Stop> {
    let plan = read_plan(options, Pace::of_terminal(), Lang::of_environment()).ok_or(Stop::Usage)?;
    let talk = Talk { lang: plan.lang, pace: plan.pace };
    perform(&plan, &talk).map_err(|stop| told(stop, &talk))
}

/// `None` for words that are not understood, and for wishes that exclude each other.
fn read_plan(options: &[String], pace: Pace, lang: Lang) -> Option<Plan> {
    let mut plan = Plan { wish: Wish::Tour, pace, consent: Consent::Ask, lang };
    let mut words = options.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match (word, plan.wish) {
            ("--auto", _) => plan.pace = Pace::Auto,
            ("--fresh", Wish::Tour | Wish::Fresh) => plan.wish = Wish::Fresh,
            ("--stop", Wish::Tour | Wish::Stop) => plan.wish = Wish::Stop,
            ("--yes" | "-y", _) => plan.consent = Consent::Given,
            ("--lang", _) => plan.lang = Lang::named(words.next()?)?,
            _ => return None,
        }
    }
    Some(plan)
}

/// Says in the person's own language why it stops.
fn told(stop: Stop, talk: &Talk) -> Stop {
    let (why, code) = match stop {
        Stop::Missing(why) => (why, 3),
        Stop::Failed(why) => (why, 1),
        Stop::Usage | Stop::Told(_) => return stop,
    };
    eprintln!("{}: {why}", words::ERROR.of(talk.lang));
    Stop::Told(code)
}

fn perform(plan: &Plan, talk: &Talk) -> Result<(), Stop> {
    if plan.wish == Wish::Stop {
        return stop(talk);
    }
    let missing = packages::provide(&[SSH, SSH_KEYGEN], &[SSHD], plan.consent, plan.lang)?;
    talk.heading(words::BUILDING);
    let built = executables(&["build", "--workspace", "--bins"], "sekimori")?;
    let binary = built.into_iter().find(|path| path.ends_with("sekimori"));
    let binary = binary.ok_or_else(|| Stop::Failed(words::NO_BINARY.of(plan.lang).to_owned()))?;
    let places = Places::beside(&binary, plan.pace)?;
    if places.is_too_long() {
        return Err(Stop::Failed(words::PATH_TOO_LONG.with(plan.lang, &[&places.root().display()])));
    }
    if make_room(&places, plan, talk)? == Room::TakenByEarlierRun {
        tour::how_to_go_on(&places, talk);
        return Ok(());
    }
    let (serving, server) = match missing {
        None => (Serving::Sshd, Server::Sshd),
        Some(why) => (Serving::StandIn(why), Server::StandIn(binary.with_file_name("demo-target"))),
    };
    fs::create_dir_all(places.root()).map_err(Trouble::at(places.root().display()))?;
    talk.heading(words::SETTING_UP);
    let mut holder = Holder::start(&places, &server)?;
    let outcome =
        stage::build(&places, &binary, &mut holder, &serving, talk).and_then(|stage| tour::lead(&stage, talk));
    leave(outcome, &places, holder, talk)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Free,
    TakenByEarlierRun,
}

/// A second run finds the first; what has ended is made anew.
fn make_room(places: &Places, plan: &Plan, talk: &Talk) -> Result<Room, Stop> {
    let mut state = places.state();
    let begun = now();
    // It may be on its way out, after an interruption.
    while state == State::UnderWay && plan.wish == Wish::Tour && begun.elapsed() < LEAVING {
        pause(Duration::from_millis(100));
        state = places.state();
    }
    match (state, plan.wish) {
        (State::Up, Wish::Tour) if plan.pace != Pace::Auto => {
            talk.say(words::FOUND);
            return Ok(Room::TakenByEarlierRun);
        }
        // What `--auto` has made goes with it, so the run that made this is still going on.
        (State::UnderWay | State::Up, Wish::Tour) => {
            return Err(Stop::Failed(words::ANOTHER_RUN.of(plan.lang).to_owned()));
        }
        (State::Ended, Wish::Tour) => talk.say(words::MADE_ANEW),
        (State::Nothing, _) | (_, Wish::Fresh | Wish::Stop) => {}
    }
    places.clear()?;
    Ok(Room::Free)
}

/// Leaves the servers up, or ends them; after a failure the logs stay to be read.
fn leave(outcome: Result<(), Stop>, places: &Places, mut holder: Holder, talk: &Talk) -> Result<(), Stop> {
    match (&outcome, talk.pace) {
        (Ok(()), Pace::Enter | Pace::Still) => {
            holder.let_stay()?;
            tour::how_to_go_on(places, talk);
        }
        (Ok(()), Pace::Auto) => {
            places.clear()?;
            println!();
            talk.say(words::DONE);
        }
        // What is there now may be the other run's.
        (Err(_), _) if holder.is_ended_by_another(places) => {
            return Err(Stop::Failed(words::ENDED_BY_ANOTHER.of(talk.lang).to_owned()));
        }
        (Err(_), _) => {
            places.end()?;
            println!("\n{}", words::LOGS_AT.with(talk.lang, &[&places.root().display()]));
        }
    }
    outcome
}

fn stop(talk: &Talk) -> Result<(), Stop> {
    let there: Vec<_> = Places::of_last().into_iter().filter(|places| places.state() != State::Nothing).collect();
    for places in &there {
        places.clear()?;
    }
    talk.say(if there.is_empty() { words::NOT_RUNNING } else { words::STOPPED });
    Ok(())
}

/// Reads a small file of the demo's own.
fn read(path: &std::path::Path) -> Result<String, Trouble> {
    fs::read_to_string(path).map_err(Trouble::at(path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(options: &[&str]) -> Option<Plan> {
        let options: Vec<String> = options.iter().map(|word| (*word).to_owned()).collect();
        read_plan(&options, Pace::Enter, Lang::En)
    }

    #[test]
    fn options_say_what_is_wished() {
        let usual = Plan { wish: Wish::Tour, pace: Pace::Enter, consent: Consent::Ask, lang: Lang::En };
        assert_eq!(plan(&[]), Some(usual));
        assert_eq!(plan(&["--auto"]), Some(Plan { pace: Pace::Auto, ..usual }));
        assert_eq!(plan(&["--fresh", "--fresh"]), Some(Plan { wish: Wish::Fresh, ..usual }));
        assert_eq!(plan(&["--stop"]), Some(Plan { wish: Wish::Stop, ..usual }));
        assert_eq!(plan(&["-y"]), plan(&["--yes"]));
        let all = Plan { wish: Wish::Fresh, pace: Pace::Auto, consent: Consent::Given, lang: Lang::Ja };
        assert_eq!(plan(&["--lang", "ja", "--auto", "--fresh", "--yes"]), Some(all));
    }

    #[test]
    fn what_is_not_understood_is_not_guessed() {
        for words in [
            &["--lang"][..],
            &["--lang", "de"],
            &["--lang", "--auto"],
            &["auto"],
            &["--stop", "--fresh"],
            &["--fresh", "--stop"],
            &["--auto=yes"],
            &[""],
        ] {
            assert_eq!(plan(words), None, "{words:?}");
        }
    }
}
