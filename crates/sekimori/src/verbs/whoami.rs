//! `sekimori whoami`: whom the server sees behind the key.

use crate::acts::named;
use crate::desk::Desk;
use crate::failure::Outcome;
use crate::words;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_: Args, desk: &mut Desk<'_>) -> Outcome<()> {
    let who = desk.call()?.who;
    let mut sheet = desk.sheet("say-whoami", &[]);
    sheet.row("label-person", named(who.person, who.name.as_deref()));
    sheet.row("label-persona", who.persona.to_string());
    sheet.word("label-kind", words::kind(who.kind));
    sheet.row("label-key", who.key.to_string());
    sheet.row("label-groups", who.groups.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    desk.answer(&who, |desk| desk.show_sheet(&sheet));
    Ok(())
}
