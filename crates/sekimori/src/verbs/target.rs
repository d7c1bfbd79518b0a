//! `sekimori target`: servers, their pinned host keys and their clocks.

mod enrol;
mod host_keys;

use std::collections::BTreeSet;

use channel::api::{ApiAnswer, ApiAsk, Query, TargetView, View};
use domain::TargetId;
use domain::committed::Address;
use domain::motion::{Act, ErrandKind, Errands};

use crate::acts::{self, Known};
use crate::desk::Desk;
use crate::failure::{Failure, Outcome};
use crate::ids;
use crate::pages::{PageArgs, part};
use crate::proof::{ADDRESS, Texts};
use crate::table::Table;

use host_keys::{HostKeyArgs, Place};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Propose a target; a second person must agree
    Add(AddArgs),
    /// Print exactly what to put on a target, and pin its host keys
    Enrol {
        target: String,
        #[command(flatten)]
        keys: HostKeyArgs,
    },
    /// Propose other host keys for a target, as after a rebuild
    Pin {
        target: String,
        #[command(flatten)]
        keys: HostKeyArgs,
    },
    /// Have the target's clock looked at now
    Probe { target: String },
    /// All targets
    List(PageArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct AddArgs {
    /// What the target is called in login names; must not name a person
    label: String,
    /// Where the gate reaches it: HOST[:PORT]
    #[arg(long)]
    address: String,
    #[arg(long, default_value = "default")]
    zone: String,
    /// 0 is the most sensitive
    #[arg(long, default_value_t = 1)]
    tier: u8,
    /// The account there that Sekimori itself uses to read the clock
    #[arg(long, value_name = "NAME", default_value = "sekimori")]
    errand_login: String,
    #[command(flatten)]
    keys: HostKeyArgs,
}

pub(crate) fn run(verb: Verb, desk: &mut Desk<'_>) -> Outcome<()> {
    match verb {
        Verb::Add(args) => add(&args, desk),
        Verb::Enrol { target, keys } => enrol::run(&target, &keys, desk),
        Verb::Pin { target, keys } => pin(&target, &keys, desk),
        Verb::Probe { target } => probe(&target, desk),
        Verb::List(page) => list(&page, desk),
    }
}

fn add(args: &AddArgs, desk: &mut Desk<'_>) -> Outcome<()> {
    let (label, zone, login) = (ids::label(&args.label)?, ids::label(&args.zone)?, ids::label(&args.errand_login)?);
    let place: Place = args.address.parse()?;
    let host_keys = args.keys.collect(&place, desk)?.ok_or(Failure::HostKeysMissing)?;
    let (address, opening) = desk.commit::<Address>(&place.to_string())?;
    let mut caller = desk.call()?;
    let errands = Errands { kinds: BTreeSet::from([ErrandKind::Probe]), login };
    let target = TargetId::from_random(desk.random());
    let act = Act::TargetAdd { target, label, zone, tier: args.tier, address, host_keys, errands };
    let sheet = acts::sheet(desk, &act, &Texts::from([(ADDRESS, opening.value.clone())]), &Known::default());
    desk.note("say-label-names-nobody", &[]);
    desk.propose(&mut caller, act, vec![opening], sheet)
}

fn pin(target: &str, keys: &HostKeyArgs, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let target = ids::target(&mut caller.connection, target)?;
    let host_keys = keys.collect(&place_of(&target)?, desk)?.ok_or(Failure::HostKeysMissing)?;
    let act = Act::TargetPin { target: target.target, host_keys };
    let sheet = acts::sheet(desk, &act, &Texts::new(), &Known::of(&[], vec![target]));
    desk.propose(&mut caller, act, vec![], sheet)
}

/// Where the target is reached, if the caller may know.
fn place_of(target: &TargetView) -> Outcome<Place> {
    target.address.as_deref().ok_or_else(|| Failure::TextMissing { kind: ADDRESS.into() })?.parse()
}

fn probe(target: &str, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let target = ids::target(&mut caller.connection, target)?;
    match caller.connection.ask(&ApiAsk::Probe { target: target.target })? {
        ApiAnswer::View(View::Target(target)) => {
            let table = table(desk, std::slice::from_ref(&target));
            desk.answer(&target, |desk| desk.show_table(&table, "say-no-targets"));
            Ok(())
        }
        ApiAnswer::Receipt(receipt) => {
            desk.answer(&serde_json::json!({ "receipt": receipt }), |desk| desk.say_recorded(&receipt));
            Ok(())
        }
        _ => Err(Failure::AnswerUnexpected { wanted: "targets".into() }),
    }
}

fn list(args: &PageArgs, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let page = args.by_id(&mut caller.connection)?;
    let targets = part!(args, caller.connection, Query::Targets { page } => Targets);
    let table = table(desk, &targets.rows);
    desk.answer_part(&targets, &table, "say-no-targets");
    Ok(())
}

fn table(desk: &Desk<'_>, targets: &[TargetView]) -> Table {
    let columns = [
        "column-label",
        "column-target",
        "column-address",
        "column-zone",
        "column-tier",
        "column-clock",
        "column-host-keys",
    ];
    let mut table = desk.table(&columns);
    for target in targets {
        let clock = target.clock_offset_ms.map_or_else(|| desk.word("word-unseen"), |ms| format!("{ms:+} ms"));
        let keys: Vec<String> = target.host_keys.iter().map(ToString::to_string).collect();
        let address = target.address.clone().unwrap_or_default();
        let (label, id) = (target.label.to_string(), target.target.to_string());
        table.row([label, id, address, target.zone.to_string(), target.tier.to_string(), clock, keys.join(" ")]);
    }
    table
}
