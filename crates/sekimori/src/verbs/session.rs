//! `sekimori session`: passages that live, and recordings of those that were.

mod bound;
mod fetch;
mod replay;
mod verify;

use std::path::PathBuf;

use channel::api::{Query, Which};
use domain::SessionId;
use domain::committed::Reason;
use domain::statement::Deed;

use crate::acts::named;
use crate::connection::view;
use crate::desk::{Caller, Desk};
use crate::failure::Outcome;
use crate::ids;
use crate::pages::{PageArgs, part};
use crate::sheet::Sheet;
use crate::words;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Live sessions
    List {
        /// Those that are over as well, the latest opened first
        #[arg(long)]
        ended: bool,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Let nothing flow; what runs on the target goes on
    Freeze {
        session: String,
        #[arg(long)]
        reason: String,
    },
    /// Let a frozen session flow again
    Thaw { session: String },
    /// End a session now
    Kill {
        session: String,
        #[arg(long)]
        reason: String,
    },
    /// Watch a recording; that you do, and why, becomes an entry first
    Replay(replay::Args),
    /// Write a recording as another format; that you do, and why, becomes an entry first
    Export(ExportArgs),
    /// Check every byte of a recording against the ledger; that you do, and why, becomes an entry first
    Verify(verify::Args),
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("form").required(true))]
pub(crate) struct ExportArgs {
    session: String,
    /// What you open it for
    #[arg(long)]
    purpose: String,
    /// As asciicast v2, for asciinema players
    #[arg(long, group = "form")]
    asciicast: bool,
    /// As plain text without anything that steers a terminal
    #[arg(long, group = "form")]
    text: bool,
    /// As it is, encrypted, with its anchors in a second file OUT.anchors: for `session verify OUT --ledger …`, which needs no key
    #[arg(long, group = "form", conflicts_with = "channel")]
    recording: bool,
    /// The channel to export; the first with output unless given
    #[arg(long)]
    channel: Option<u32>,
    /// The file to make
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(crate) fn run(verb: Verb, desk: &mut Desk<'_>) -> Outcome<()> {
    match verb {
        Verb::List { ended, page } => list(if ended { Which::Ever } else { Which::Live }, &page, desk),
        Verb::Freeze { session, reason } => freeze(&session, &reason, desk),
        Verb::Thaw { session } => thaw(&session, desk),
        Verb::Kill { session, reason } => kill(&session, &reason, desk),
        Verb::Replay(args) => replay::run(&args, desk),
        Verb::Export(args) => replay::export(&args, desk),
        Verb::Verify(args) => verify::run(&args, desk),
    }
}

fn list(which: Which, args: &PageArgs, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let page = args.by_id(&mut caller.connection)?;
    let sessions = part!(args, caller.connection, Query::Sessions { which, page } => Sessions);
    let columns = ["column-session", "column-account", "column-person", "column-opened", "column-ends", "column-state"];
    let mut table = desk.table(&columns);
    for session in &sessions.rows {
        let who = named(session.person, session.person_name.as_deref());
        let (opened, ends) = (desk.local(session.opened), desk.local(session.ended.map_or(session.ends, |(at, _)| at)));
        let state =
            desk.word(session.ended.map_or_else(|| words::order(session.order), |(_, ending)| words::ending(ending)));
        table.row([session.session.to_string(), session.account.clone(), who, opened, ends, state]);
    }
    desk.answer_part(&sessions, &table, "say-no-sessions");
    Ok(())
}

fn freeze(session: &str, reason: &str, desk: &mut Desk<'_>) -> Outcome<()> {
    let (committed, opening) = desk.commit::<Reason>(reason)?;
    let mut caller = desk.call()?;
    let (session, mut sheet) = subject("deed-session-freeze", session, &mut caller, desk)?;
    sheet.row("label-reason", reason);
    desk.note("say-target-goes-on", &[]);
    desk.act_and_say(&mut caller, Deed::SessionFreeze { session, reason: committed }, vec![opening], sheet)
}

fn thaw(session: &str, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let (session, sheet) = subject("deed-session-thaw", session, &mut caller, desk)?;
    desk.act_and_say(&mut caller, Deed::SessionThaw { session }, vec![], sheet)
}

fn kill(session: &str, reason: &str, desk: &mut Desk<'_>) -> Outcome<()> {
    let (committed, opening) = desk.commit::<Reason>(reason)?;
    let mut caller = desk.call()?;
    let (session, mut sheet) = subject("deed-session-kill", session, &mut caller, desk)?;
    sheet.row("label-reason", reason);
    desk.act_and_say(&mut caller, Deed::SessionKill { session, reason: committed }, vec![opening], sheet)
}

/// A live session by the beginning of its id, and what is shown of it.
fn subject(title: &str, session: &str, caller: &mut Caller, desk: &Desk<'_>) -> Outcome<(SessionId, Sheet)> {
    let session: SessionId = ids::resolve(&mut caller.connection, session)?;
    let found = view!(caller.connection, Query::Session { session } => Session);
    ids::same(&session, &found.session)?;
    let mut sheet = desk.sheet(title, &[]);
    sheet.row("label-session", found.session.to_string());
    sheet.row("label-grant", found.grant.to_string());
    sheet.row("label-account", named(found.account_id, Some(&found.account)));
    sheet.row("label-person", named(found.person, found.person_name.as_deref()));
    sheet.row("label-opened", desk.moment(found.opened));
    Ok((session, sheet))
}
