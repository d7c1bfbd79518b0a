//! `sekimori persona`: further faces of a person who is there, such as one for research.

use std::path::PathBuf;

use domain::motion::Act;

use crate::acts;
use crate::cards::{Adds, Card};
use crate::desk::Desk;
use crate::failure::Outcome;
use crate::proof::Texts;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Propose a further persona from a card made with `person card --person`
    Add { card: PathBuf },
}

pub(crate) fn run(verb: Verb, desk: &mut Desk<'_>) -> Outcome<()> {
    let Verb::Add { card } = verb;
    let mut caller = desk.call()?;
    let card = Card::read(&card, Adds::Persona, &caller.origin)?;
    let act = Act::PersonaAdd {
        person: card.person,
        persona: card.persona,
        kind: card.kind,
        key: card.key,
        possession: card.possession,
    };
    let known = acts::known(&mut caller.connection, &act)?;
    let sheet = acts::sheet(desk, &act, &Texts::new(), &known);
    desk.propose(&mut caller, act, vec![], sheet)
}
