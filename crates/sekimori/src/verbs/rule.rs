//! `sekimori rule`: the rules of access, as a file people can read and review.

use std::path::{Path, PathBuf};

use channel::api::Query;
use domain::motion::Act;

use crate::acts::{self, Known};
use crate::connection::{Connection, view};
use crate::desk::Desk;
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::ids;
use crate::pages;
use crate::policy_file::{self, Accounts};
use crate::proof::Texts;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// The rules in force
    Show {
        /// As a file that `rule set` reads
        #[arg(long)]
        toml: bool,
    },
    /// Propose the rules in this file instead of those in force; a second person must agree
    Set { file: PathBuf },
}

pub(crate) fn run(verb: Verb, desk: &mut Desk<'_>) -> Outcome<()> {
    match verb {
        Verb::Show { toml: true } => show_toml(desk),
        Verb::Show { toml: false } => show(desk),
        Verb::Set { file } => set(&file, desk),
    }
}

fn show(desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let policy = view!(caller.connection, Query::Rules => Rules);
    desk.answer(&policy, |desk| match &policy {
        Some(policy) => {
            let sheet = acts::policy_sheet(desk, policy);
            desk.show_sheet(&sheet);
        }
        None => desk.say("say-no-policy", &[]),
    });
    Ok(())
}

fn show_toml(desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let policy = view!(caller.connection, Query::Rules => Rules).ok_or(domain::Refusal::NoPolicy)?;
    let text = policy_file::write(&policy);
    desk.answer(&text, |desk| desk.screen().line(text.trim_end()));
    Ok(())
}

fn set(path: &Path, desk: &mut Desk<'_>) -> Outcome<()> {
    let text = files::read_text(path, policy_file::LONGEST_FILE)?;
    let mut caller = desk.call()?;
    let in_force = view!(caller.connection, Query::Rules => Rules);
    let version = in_force.map_or(1, |policy| policy.version + 1);
    let policy =
        policy_file::parse(path, &text, version, &accounts(&text, &mut caller.connection, desk)?, desk.lang())?;
    let act = Act::PolicySet { policy };
    let sheet = acts::sheet(desk, &act, &Texts::new(), &Known::default());
    desk.propose(&mut caller, act, vec![], sheet)
}

/// Ids of the accounts that the file names as `name@target`.
fn accounts(text: &str, connection: &mut Connection, desk: &mut Desk<'_>) -> Outcome<Accounts> {
    let mut found = Accounts::new();
    for name in policy_file::accounts_named(text) {
        match pages::patiently(desk, || ids::account(connection, &name)) {
            Ok(account) => _ = found.insert(name, account.account),
            // The file's own reader says at which line it is.
            Err(Failure::Refused(_) | Failure::AccountUnreadable { .. }) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(found)
}
