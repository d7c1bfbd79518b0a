//! `sekimori clock confirm`: two persons' word on the time, when the server's clock is in doubt.

use domain::motion::Act;

use crate::acts::{self, Known};
use crate::desk::Desk;
use crate::failure::Outcome;
use crate::proof::Texts;
use crate::times;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Say what time it is by another clock than the server's
    Confirm {
        /// RFC 3339 with an offset, or HH:MM today
        time: String,
    },
}

pub(crate) fn run(verb: Verb, desk: &mut Desk<'_>) -> Outcome<()> {
    let Verb::Confirm { time } = verb;
    let mut caller = desk.call()?;
    let time = times::instant(&time, &desk.here(&caller.connection))?;
    let act = Act::ClockConfirm { time };
    let sheet = acts::sheet(desk, &act, &Texts::new(), &Known::default());
    desk.propose(&mut caller, act, vec![], sheet)
}
