//! `cargo xtask demo`: a working installation with people by role and a real sshd behind it, and a guided tour. Everything lies in the
//! build folder; nothing of the user's own is touched.

mod holder;
mod places;
mod stage;
mod talk;
mod tour;

use std::fs;

use testkit::Trouble;

use crate::building::executables;
use crate::packages::{self, Consent, SSH, SSH_KEYGEN, SSHD};
use crate::{Stop, terminal};
use places::Places;
use talk::{Lang, Pace, Talk};

pub(crate) use holder::hold;

/// What the words on the command line ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Tour,
    Fresh,
    Stop,
}

pub(crate) fn run(options: &[String]) -> Result<(), Stop> {
    let (mut wish, mut pace, mut consent, mut lang) =
        (Wish::Tour, Pace::of_terminal(), Consent::Ask, Lang::of_environment());
    let mut words = options.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match word {
            "--auto" => pace = Pace::Auto,
            "--fresh" => wish = Wish::Fresh,
            "--stop" => wish = Wish::Stop,
            "--yes" | "-y" => consent = Consent::Given,
            "--lang" => lang = Lang::named(words.next().unwrap_or_default()).ok_or(Stop::Usage)?,
            _ => return Err(Stop::Usage),
        }
    }
    let talk = Talk { lang, pace };
    if wish == Wish::Stop {
        return stop(&talk);
    }
    packages::ensure(&[SSH, SSH_KEYGEN, SSHD], consent)?;
    terminal::heading(talk.say("building sekimori", "sekimori を組み立てます"));
    let built = executables(&["build", "--workspace", "--bins"], "sekimori")?;
    let binary = built
        .into_iter()
        .find(|path| path.ends_with("sekimori"))
        .ok_or_else(|| Stop::Failed("no `sekimori` was built".to_owned()))?;
    let places = Places::beside(&binary)?;
    if wish == Wish::Fresh {
        places.clear()?;
    }
    if places.is_set_up() && pace != Pace::Auto {
        return found_running(&places, &talk);
    }
    places.clear()?;
    let outcome = stage::build(&places, &binary, &talk).and_then(|stage| tour::lead(&stage, &talk));
    match (&outcome, pace) {
        (Ok(()), Pace::Enter | Pace::Still) => tour::how_to_go_on(&places, &talk),
        _ => places.clear()?,
    }
    outcome
}

fn stop(talk: &Talk) -> Result<(), Stop> {
    let places = Places::of_last()?;
    if !places.is_set_up() {
        println!("{}", talk.say("no demo is running", "デモは動いていません"));
        return Ok(());
    }
    places.clear()?;
    println!("{}", talk.say("the demo is stopped and its files are removed", "デモを止め、ファイルを消しました"));
    Ok(())
}

/// A second run finds the first: it starts what has ended since, and says how to go on.
fn found_running(places: &Places, talk: &Talk) -> Result<(), Stop> {
    if !places.is_running() {
        println!(
            "{}",
            talk.say(
                "an earlier demo is there, but its servers have ended; it is made anew",
                "前のデモがありますが、サーバーが止まっています。作り直します"
            )
        );
        places.clear()?;
        return run(&[]);
    }
    println!(
        "{}",
        talk.say(
            "the demo of an earlier run is up (--fresh makes a new one, --stop ends it)",
            "前に始めたデモが動いています(--fresh で作り直し、--stop で終了)"
        )
    );
    tour::how_to_go_on(places, talk);
    Ok(())
}

/// Reads a small file of the demo's own.
fn read(path: &std::path::Path) -> Result<String, Trouble> {
    fs::read_to_string(path).map_err(Trouble::at(path.display()))
}
