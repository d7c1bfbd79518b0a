//! `sekimori motion`: what waits for a second person. Whoever seconds signs the hash of bytes rebuilt here from what is shown.

use channel::api::{MotionView, Query, Submission};
use domain::statement::{Deed, SecondFields};

use crate::acts::{self, named};
use crate::connection::view;
use crate::desk::{Caller, Desk};
use crate::failure::Outcome;
use crate::ids;
use crate::pages::{PageArgs, part};
use crate::proof::{self, CheckedMotion};
use crate::sheet::Sheet;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// What waits for a second person
    List(PageArgs),
    /// One motion, checked
    Show { motion: String },
    /// Sign it as the second person
    Second { motion: String },
    /// Take back your own
    Withdraw { motion: String },
}

pub(crate) fn run(verb: Verb, desk: &mut Desk<'_>) -> Outcome<()> {
    match verb {
        Verb::List(page) => list(&page, desk),
        Verb::Show { motion } => show(&motion, desk),
        Verb::Second { motion } => second(&motion, desk),
        Verb::Withdraw { motion } => withdraw(&motion, desk),
    }
}

fn list(args: &PageArgs, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let page = args.by_id(&mut caller.connection)?;
    let motions = part!(args, caller.connection, Query::Motions { page } => Motions);
    let mut table = desk.table(&["column-motion", "column-what", "column-proposer", "column-since"]);
    for motion in &motions.rows {
        let what = desk.word(acts::title(&motion.act));
        let proposer = named(motion.proposer, motion.proposer_name.as_deref());
        table.row([motion.motion.to_string(), what, proposer, desk.local(motion.filed_at)]);
    }
    desk.answer_part(&motions, &table, "say-no-motions");
    Ok(())
}

fn show(motion: &str, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let view = fetch(motion, &mut caller)?;
    let (_, sheet) = checked(&view, &mut caller, desk)?;
    desk.answer(&view, |desk| desk.show_sheet(&sheet));
    Ok(())
}

fn second(motion: &str, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let view = fetch(motion, &mut caller)?;
    let (checked, sheet) = checked(&view, &mut caller, desk)?;
    let fields = SecondFields { motion: view.motion, statement: checked.statement, seconder: caller.who.persona };
    let signed = desk.sign(&caller, &fields, sheet)?;
    let receipt = caller.connection.submit(Submission::Second { fields, signed }, vec![])?;
    desk.answer(&serde_json::json!({ "motion": view.motion, "receipt": receipt }), |desk| desk.say_recorded(&receipt));
    Ok(())
}

fn withdraw(motion: &str, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let view = fetch(motion, &mut caller)?;
    let mut sheet = desk.sheet("deed-motion-withdraw", &[]);
    sheet.row("label-motion", view.motion.to_string());
    sheet.row("label-what", desk.word(acts::title(&view.act)));
    desk.act_and_say(&mut caller, Deed::MotionWithdraw { motion: view.motion }, vec![], sheet)
}

fn fetch(motion: &str, caller: &mut Caller) -> Outcome<MotionView> {
    let motion = ids::resolve(&mut caller.connection, motion)?;
    let found = view!(caller.connection, Query::Motion { motion } => Motion);
    ids::same(&motion, &found.motion).map(|()| *found)
}

/// The motion with everything of it checked, and what is shown of it: from the fields that are signed, never from beside them.
fn checked(view: &MotionView, caller: &mut Caller, desk: &Desk<'_>) -> Outcome<(CheckedMotion, Sheet)> {
    let known = acts::known(&mut caller.connection, &view.fields.act)?;
    let checked = proof::motion(&caller.origin, view, |persona| known.owner_of(persona))?;
    let mut sheet = acts::sheet(desk, &view.fields.act, &checked.texts, &known);
    sheet.row("label-motion", view.motion.to_string());
    sheet.row("label-proposer", named(view.proposer, view.proposer_name.as_deref()));
    sheet.row("label-since", desk.moment(view.filed_at));
    sheet.row("label-motion-statement", checked.statement.to_string());
    Ok((checked, sheet))
}
