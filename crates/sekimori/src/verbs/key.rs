//! `sekimori key`: which keys speak for a persona.

use std::path::{Path, PathBuf};

use channel::api::Query;
use domain::Nonce;
use domain::motion::Act;
use domain::statement::{Deed, Possession, PossessionFields};
use sshwire::Fingerprint;
use tegata::statement;

use crate::acts::{self, Known, named};
use crate::cards::{Adds, Card};
use crate::desk::Desk;
use crate::failure::{Failure, Outcome};
use crate::ids;
use crate::pages::{PageArgs, part};
use crate::proof::Texts;
use crate::sign;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Keys of a person, or of everybody
    List {
        person: Option<String>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Add a further key of your own, signed by the one you use now
    Add {
        /// The new key: a private key file, or the .pub of a key in the agent
        new: PathBuf,
    },
    /// Propose a key for a persona whose older key is lost, from a card made with `person card --persona`
    Enrol { card: PathBuf },
    /// Retire a key for ever, your own or as an administrator
    Retire { fingerprint: String },
}

pub(crate) fn run(verb: Verb, desk: &mut Desk<'_>) -> Outcome<()> {
    match verb {
        Verb::List { person, page } => list(person.as_deref(), &page, desk),
        Verb::Add { new } => add(&new, desk),
        Verb::Enrol { card } => enrol(&card, desk),
        Verb::Retire { fingerprint } => retire(&fingerprint, desk),
    }
}

fn list(person: Option<&str>, args: &PageArgs, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let person = person.map(|text| ids::resolve(&mut caller.connection, text)).transpose()?;
    let page = args.by("SHA256:…")?;
    let keys = part!(args, caller.connection, Query::Keys { person, page } => Keys);
    let mut table = desk.table(&["column-person", "column-persona", "column-key", "column-type", "column-standing"]);
    for held in &keys.rows {
        let standing = desk.word(if held.retired { "word-retired" } else { "word-active" });
        let (who, kind) = (named(held.person, held.person_name.as_deref()), held.key.class().name().to_owned());
        table.row([who, held.persona.to_string(), held.fingerprint.to_string(), kind, standing]);
    }
    desk.answer_part(&keys, &table, "say-no-keys");
    Ok(())
}

/// Both keys sign: the new one that it is held, the old one that it may.
fn add(new: &Path, desk: &mut Desk<'_>) -> Outcome<()> {
    let new = desk.signer_of(new)?;
    let mut caller = desk.call()?;
    let key = new.public_key().clone();
    let nonce = Nonce::from_random(desk.random());
    let fields = PossessionFields { person: caller.who.person, persona: caller.who.persona, key: key.clone() };
    let bytes = statement::possession_bytes(&caller.origin, &fields, nonce);
    let signature = sign::sign(&*new, statement::namespace::<PossessionFields>(), &bytes)?;
    let mut sheet = desk.sheet("deed-key-add", &[]);
    sheet.row("label-persona", caller.who.persona.to_string());
    sheet.row("label-key", acts::key_line(&key));
    desk.act_and_say(&mut caller, Deed::KeyAdd { key, possession: Possession { nonce, signature } }, vec![], sheet)
}

fn enrol(path: &Path, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let card = Card::read(path, Adds::Key, &caller.origin)?;
    let owner = ids::owner_of(&mut caller.connection, card.persona)?;
    ids::same(&card.person, &owner.person)?;
    let known = Known::of(&[owner], vec![]);
    let act = Act::KeyEnrol { persona: card.persona, key: card.key, possession: card.possession };
    let sheet = acts::sheet(desk, &act, &Texts::new(), &known);
    desk.propose(&mut caller, act, vec![], sheet)
}

fn retire(fingerprint: &str, desk: &mut Desk<'_>) -> Outcome<()> {
    let key = read_fingerprint(fingerprint)?;
    let mut caller = desk.call()?;
    let mut sheet = desk.sheet("deed-key-retire", &[]);
    sheet.row("label-key", key.to_string());
    desk.act_and_say(&mut caller, Deed::KeyRetire { key }, vec![], sheet)
}

/// A whole fingerprint, as `ssh-keygen -l` shows it.
pub(crate) fn read_fingerprint(text: &str) -> Outcome<Fingerprint> {
    text.parse().map_err(|_| Failure::FingerprintUnreadable { text: text.chars().take(80).collect() })
}
