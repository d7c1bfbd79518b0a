//! `sekimori group`: who belongs to what the rules name.

use channel::api::Query;
use domain::motion::Act;
use domain::statement::Deed;

use crate::acts::{self, Known};
use crate::desk::Desk;
use crate::failure::Outcome;
use crate::ids;
use crate::pages::{PageArgs, part};
use crate::proof::Texts;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// All groups and their members
    List(PageArgs),
    /// Propose that a person joins; a second person must agree
    Join { group: String, person: String },
    /// Take a person out, yourself or as an administrator
    Leave { group: String, person: String },
}

pub(crate) fn run(verb: Verb, desk: &mut Desk<'_>) -> Outcome<()> {
    match verb {
        Verb::List(page) => list(&page, desk),
        Verb::Join { group, person } => join(&group, &person, desk),
        Verb::Leave { group, person } => leave(&group, &person, desk),
    }
}

fn list(args: &PageArgs, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let page = args.by("GROUP/per_…")?;
    let members = part!(args, caller.connection, Query::Groups { page } => Groups);
    let mut table = desk.table(&["column-group", "column-person"]);
    for member in &members.rows {
        table.row([member.group.to_string(), acts::named(member.person, member.person_name.as_deref())]);
    }
    desk.answer_part(&members, &table, "say-no-groups");
    Ok(())
}

fn join(group: &str, person: &str, desk: &mut Desk<'_>) -> Outcome<()> {
    let group = ids::label(group)?;
    let mut caller = desk.call()?;
    let person = ids::person(&mut caller.connection, person)?;
    let act = Act::GroupJoin { group, person: person.person };
    let sheet = acts::sheet(desk, &act, &Texts::new(), &Known::of(&[person], vec![]));
    desk.propose(&mut caller, act, vec![], sheet)
}

fn leave(group: &str, person: &str, desk: &mut Desk<'_>) -> Outcome<()> {
    let group = ids::label(group)?;
    let mut caller = desk.call()?;
    let person = ids::person(&mut caller.connection, person)?;
    let mut sheet = desk.sheet("deed-group-leave", &[]);
    sheet.row("label-group", group.to_string());
    sheet.row("label-person", acts::named(person.person, person.name.as_deref()));
    desk.act_and_say(&mut caller, Deed::GroupLeave { group, person: person.person }, vec![], sheet)
}
