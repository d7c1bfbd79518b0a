//! `sekimori person`: who is there, who joins, who is suspected, who leaves.

use std::path::{Path, PathBuf};

use channel::api::{PersonView, Query};
use domain::committed::{PersonName, Reason};
use domain::event::OriginName;
use domain::motion::Act;
use domain::people::PersonaKind;
use domain::statement::{Deed, Possession, PossessionFields};
use domain::{Nonce, PersonId, PersonaId};
use tegata::statement;

use crate::acts::{self, Known, named};
use crate::cards::{Adds, Card, NewCard};
use crate::desk::Desk;
use crate::failure::{Failure, Outcome};
use crate::files::{self, Readers};
use crate::ids;
use crate::pages::{PageArgs, part};
use crate::proof::{NAME, Texts};
use crate::sheet::Sheet;
use crate::sign;
use crate::words;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Make a card with your key on your own machine, for others to add you, a persona or a key
    Card(CardArgs),
    /// Propose a new person from their card; a second person must agree
    Add { card: PathBuf },
    /// Everybody
    List(PageArgs),
    /// One person with personas and keys
    Show { person: String },
    /// Suspect a person: nothing of theirs opens anything from now on
    Freeze {
        person: String,
        #[arg(long)]
        reason: String,
    },
    /// Propose that a frozen person may act again
    Thaw { person: String },
    /// Say that a person has left
    Leave { person: String },
    /// Propose that two records are one natural person
    Link { one: String, other: String },
}

#[derive(Debug, clap::Args)]
pub(crate) struct CardArgs {
    /// What the person is called; for a new person
    #[arg(long, required_unless_present = "person", conflicts_with = "person")]
    name: Option<String>,
    /// The whole id of a person who is there: the card adds a persona, or a key with --persona
    #[arg(long, value_name = "ID")]
    person: Option<String>,
    /// The whole id of a persona who is there: the card adds a key
    #[arg(long, value_name = "ID", requires = "person")]
    persona: Option<String>,
    #[arg(long, value_enum, default_value = "admin")]
    kind: Kind,
    /// The installation's name; without it the server is asked
    #[arg(long)]
    origin: Option<String>,
    /// The file to make
    #[arg(long, value_name = "FILE", default_value = "card.json")]
    out: PathBuf,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Kind {
    Admin,
    /// Faces the internet and never holds privilege
    Research,
}

pub(crate) fn run(verb: Verb, desk: &mut Desk<'_>) -> Outcome<()> {
    match verb {
        Verb::Card(args) => card(&args, desk),
        Verb::Add { card } => add(&card, desk),
        Verb::List(page) => list(&page, desk),
        Verb::Show { person } => show(&person, desk),
        Verb::Freeze { person, reason } => freeze(&person, &reason, desk),
        Verb::Thaw { person } => thaw(&person, desk),
        Verb::Leave { person } => leave(&person, desk),
        Verb::Link { one, other } => link(&one, &other, desk),
    }
}

fn card(args: &CardArgs, desk: &mut Desk<'_>) -> Outcome<()> {
    let (origin, origin_text) = origin(args.origin.as_deref(), desk)?;
    let (adds, person, persona) = whose(args, desk)?;
    let name =
        args.name.as_deref().map(|name| desk.commit::<PersonName>(name)).transpose()?.map(|(_, opening)| opening);
    let signer = desk.signer()?;
    let key = signer.public_key().clone();
    let mut sheet = desk.sheet("say-card", &[("adds", adds.name().into())]);
    sheet.row("label-origin", origin_text);
    sheet.row("label-person", named(person, args.name.as_deref()));
    sheet.row("label-persona", persona.to_string());
    sheet.word("label-kind", words::kind(args.kind.into()));
    sheet.row("label-key", acts::key_line(&key));
    desk.confirm(&sheet, "say-sign")?;
    let nonce = Nonce::from_random(desk.random());
    let bytes = statement::possession_bytes(&origin, &PossessionFields { person, persona, key: key.clone() }, nonce);
    let signature = sign::sign(&*signer, statement::namespace::<PossessionFields>(), &bytes)?;
    let possession = Possession { nonce, signature };
    let card = Card::from(NewCard { adds, origin, person, persona, kind: args.kind.into(), name, key, possession });
    files::create_json(&args.out, &card, Readers::Owner)?;
    let written = serde_json::json!({ "file": files::shown(&args.out), "person": person, "persona": persona, "key": card.key.fingerprint() });
    desk.answer(&written, |desk| {
        desk.say("say-card-written", &[("path", files::shown(&args.out).into()), ("adds", adds.name().into())])
    });
    Ok(())
}

/// The installation, and how it is shown: what the person typed is their own word.
fn origin(given: Option<&str>, desk: &mut Desk<'_>) -> Outcome<(OriginName, String)> {
    match given {
        Some(text) => {
            let unreadable = |_| Failure::OriginUnreadable { text: text.chars().take(120).collect() };
            text.parse().map(|origin: OriginName| (origin, text.to_owned())).map_err(unreadable)
        }
        None => {
            let origin = desk.connect()?.origin()?;
            let text = desk.origin_text(&origin);
            Ok((origin, text))
        }
    }
}

/// Ids of those who are there are taken whole: they are signed, and nobody is asked what they mean.
fn whose(args: &CardArgs, desk: &mut Desk<'_>) -> Outcome<(Adds, PersonId, PersonaId)> {
    let unreadable = |text: &str, prefix: &str| Failure::IdUnreadable {
        text: text.chars().take(64).collect(),
        prefix: prefix.into(),
    };
    let whole_person = |text: &String| text.parse::<PersonId>().map_err(|_| unreadable(text, PersonId::PREFIX));
    let whole_persona = |text: &String| text.parse::<PersonaId>().map_err(|_| unreadable(text, PersonaId::PREFIX));
    match (&args.person, &args.persona) {
        (None, _) => Ok((Adds::Person, PersonId::from_random(desk.random()), PersonaId::from_random(desk.random()))),
        (Some(person), None) => Ok((Adds::Persona, whole_person(person)?, PersonaId::from_random(desk.random()))),
        (Some(person), Some(persona)) => Ok((Adds::Key, whole_person(person)?, whole_persona(persona)?)),
    }
}

fn add(path: &Path, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let card = Card::read(path, Adds::Person, &caller.origin)?;
    let not_for = || Failure::CardNotFor { path: files::shown(path), wanted: Adds::Person.name().into() };
    let (name, opening) = card.name().ok_or_else(not_for)?;
    domain::purpose::check_text::<PersonName>(&opening.value)?;
    let texts = Texts::from([(NAME, opening.value.clone())]);
    let act = Act::PersonAdd {
        person: card.person,
        name,
        persona: card.persona,
        kind: card.kind,
        key: card.key,
        possession: card.possession,
    };
    let sheet = acts::sheet(desk, &act, &texts, &Known::default());
    desk.propose(&mut caller, act, vec![opening], sheet)
}

fn list(args: &PageArgs, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let page = args.by_id(&mut caller.connection)?;
    let people = part!(args, caller.connection, Query::People { page } => People);
    let mut table =
        desk.table(&["column-person", "column-name", "column-standing", "column-personas", "column-groups"]);
    for person in &people.rows {
        let personas: Vec<String> = person.personas.iter().map(|p| desk.word(words::kind(p.kind))).collect();
        let groups: Vec<String> = person.groups.iter().map(ToString::to_string).collect();
        let name = person.name.clone().unwrap_or_default();
        let standing = desk.word(words::standing(person.standing));
        table.row([person.person.to_string(), name, standing, personas.join(", "), groups.join(", ")]);
    }
    desk.answer_part(&people, &table, "say-no-people");
    Ok(())
}

fn show(person: &str, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let person = ids::person(&mut caller.connection, person)?;
    let mut sheet = subject(desk, "say-person", &person);
    sheet.word("label-standing", words::standing(person.standing));
    sheet.row("label-groups", person.groups.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    sheet.row_if("label-same-as", person.same_as.map(|other| other.to_string()));
    for persona in &person.personas {
        sheet.row("label-persona", format!("{} ({})", persona.persona, desk.word(words::kind(persona.kind))));
        for key in &persona.keys {
            let retired = if key.retired { format!(" {}", desk.word("word-retired")) } else { String::new() };
            sheet.row("label-key", format!("{}{retired}", acts::key_line(&key.key)));
        }
    }
    desk.answer(&person, |desk| desk.show_sheet(&sheet));
    Ok(())
}

fn freeze(person: &str, reason: &str, desk: &mut Desk<'_>) -> Outcome<()> {
    let (committed, opening) = desk.commit::<Reason>(reason)?;
    let mut caller = desk.call()?;
    let person = ids::person(&mut caller.connection, person)?;
    let mut sheet = subject(desk, "deed-person-freeze", &person);
    sheet.row("label-reason", reason);
    desk.act_and_say(&mut caller, Deed::PersonFreeze { person: person.person, reason: committed }, vec![opening], sheet)
}

fn thaw(person: &str, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let person = ids::person(&mut caller.connection, person)?;
    let act = Act::PersonThaw { person: person.person };
    let sheet = acts::sheet(desk, &act, &Texts::new(), &Known::of(&[person], vec![]));
    desk.propose(&mut caller, act, vec![], sheet)
}

fn leave(person: &str, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let person = ids::person(&mut caller.connection, person)?;
    let sheet = subject(desk, "deed-person-leave", &person);
    desk.act_and_say(&mut caller, Deed::PersonLeave { person: person.person }, vec![], sheet)
}

fn link(one: &str, other: &str, desk: &mut Desk<'_>) -> Outcome<()> {
    let mut caller = desk.call()?;
    let one = ids::person(&mut caller.connection, one)?;
    let other = ids::person(&mut caller.connection, other)?;
    let act = Act::IdentityLink { one: one.person, other: other.person };
    let sheet = acts::sheet(desk, &act, &Texts::new(), &Known::of(&[one, other], vec![]));
    desk.propose(&mut caller, act, vec![], sheet)
}

fn subject(desk: &Desk<'_>, title: &str, person: &PersonView) -> Sheet {
    let mut sheet = desk.sheet(title, &[]);
    sheet.row("label-person", named(person.person, person.name.as_deref()));
    sheet
}

impl From<Kind> for PersonaKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Admin => Self::Admin,
            Kind::Research => Self::Research,
        }
    }
}
