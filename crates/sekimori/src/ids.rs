//! What a person types to name a thing, turned into its full id by asking the server. Only full ids are ever signed.

use std::fmt::Display;
use std::str::FromStr;

use channel::api::{AccountView, PersonView, Query, TargetView};
use domain::id::{IdError, PREFIXES};
use domain::{
    AccountId, ErrandId, GrantId, Label, MotionId, PersonId, PersonaId, RecoveryId, RefusalCode, RequestId, SessionId,
    TargetId,
};

use crate::connection::{Connection, view};
use crate::failure::{Failure, Outcome};

/// An id of one kind.
pub(crate) trait Named: FromStr<Err = IdError> + Display + Copy {
    const PREFIX: &'static str;
}

macro_rules! named {
    ($($id:ident),*) => { $(impl Named for $id { const PREFIX: &'static str = $id::PREFIX; })* };
}
named!(AccountId, ErrandId, GrantId, MotionId, PersonId, PersonaId, RecoveryId, RequestId, SessionId, TargetId);

/// The id itself, or the one thing whose id begins so.
pub(crate) fn resolve<I: Named>(connection: &mut Connection, text: &str) -> Outcome<I> {
    if let Ok(id) = text.parse::<I>() {
        return Ok(id);
    }
    check_prefix::<I>(text)?;
    let found = view!(connection, Query::Resolve { prefix: text.to_owned() } => Ids);
    match found.as_slice() {
        [] => Err(Failure::NothingNamed { text: text.to_owned() }),
        [only] => only.parse().map_err(|_| Failure::AnswerUnexpected { wanted: "id".into() }),
        several => Err(Failure::IdNamesSeveral { text: text.to_owned(), ids: several.join(", ") }),
    }
}

fn check_prefix<I: Named>(text: &str) -> Outcome<()> {
    let shown: String = text.chars().take(64).collect();
    let rest = text.strip_prefix(I::PREFIX);
    let is_plain = |rest: &str| rest.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    match rest.filter(|rest| is_plain(rest) && rest.len() < ID_CHARACTERS) {
        None => Err(Failure::IdUnreadable { text: shown, prefix: I::PREFIX.into() }),
        Some(_) if text.len() < SHORTEST_PREFIX => Err(Failure::IdTooShort { text: shown }),
        Some(_) => Ok(()),
    }
}

/// A target by its label, its id or the beginning of its id.
pub(crate) fn target(connection: &mut Connection, text: &str) -> Outcome<TargetView> {
    if text.starts_with(TargetId::PREFIX) {
        let target: TargetId = resolve(connection, text)?;
        return target_of(connection, target);
    }
    let label = label(text)?;
    let found = nameless(text, || Ok(view!(connection, Query::TargetNamed { label: label.clone() } => Target)))?;
    same(&label, &found.label).map(|()| found)
}

pub(crate) fn target_of(connection: &mut Connection, target: TargetId) -> Outcome<TargetView> {
    let found = nameless(&target.to_string(), || Ok(view!(connection, Query::Target { target } => Target)))?;
    same(&target, &found.target).map(|()| found)
}

/// An account as `name@target`, or by its id or the beginning of it, which is the only way where its name is a person's.
pub(crate) fn account(connection: &mut Connection, text: &str) -> Outcome<AccountView> {
    if !text.contains('@') {
        let account: AccountId = resolve(connection, text)?;
        let found = nameless(text, || Ok(view!(connection, Query::Account { account } => Account)))?;
        return same(&account, &found.account).map(|()| found);
    }
    let (name, target) = account_and_target(text)?;
    let found = view!(connection, Query::AccountNamed { account: name.clone(), target: target.clone() } => Account);
    // The server must not turn a name into another account behind the person's back.
    let is_asked = found.target_label == target && found.name.as_deref() == Some(name.as_str());
    if is_asked {
        Ok(found)
    } else {
        Err(Failure::NamedOtherwise { asked: text.to_owned(), found: account_name(&found) })
    }
}

/// `name@target`, both labels.
pub(crate) fn account_and_target(text: &str) -> Outcome<(Label, Label)> {
    let unreadable = || Failure::AccountUnreadable { text: text.chars().take(128).collect() };
    let (name, target) = text.split_once('@').ok_or_else(unreadable)?;
    Ok((name.parse().map_err(|_| unreadable())?, target.parse().map_err(|_| unreadable())?))
}

/// `name@target` as it is shown.
pub(crate) fn account_name(account: &AccountView) -> String {
    format!("{}@{}", account.name.as_deref().unwrap_or("?"), account.target_label)
}

/// A person by id or the beginning of it.
pub(crate) fn person(connection: &mut Connection, text: &str) -> Outcome<PersonView> {
    let person: PersonId = resolve(connection, text)?;
    person_of(connection, person)
}

pub(crate) fn person_of(connection: &mut Connection, person: PersonId) -> Outcome<PersonView> {
    let found = nameless(&person.to_string(), || Ok(view!(connection, Query::Person { person } => Person)))?;
    same(&person, &found.person).map(|()| found)
}

/// The person behind a persona, as the server says.
pub(crate) fn owner_of(connection: &mut Connection, persona: PersonaId) -> Outcome<PersonView> {
    nameless(&persona.to_string(), || Ok(view!(connection, Query::PersonOf { persona } => Person)))
}

/// The server must not answer about something else than was asked.
pub(crate) fn same<T: PartialEq + Display>(asked: &T, found: &T) -> Outcome<()> {
    let otherwise = || Failure::NamedOtherwise { asked: asked.to_string(), found: found.to_string() };
    if asked == found { Ok(()) } else { Err(otherwise()) }
}

/// What was typed names nothing, where the server knows nothing of that name.
fn nameless<T>(text: &str, ask: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    ask().map_err(|failure| match failure {
        Failure::Refused(refusal) if UNKNOWN.contains(&refusal.code()) => {
            Failure::NothingNamed { text: text.to_owned() }
        }
        other => other,
    })
}

const UNKNOWN: &[RefusalCode] = &[
    RefusalCode::PersonUnknown,
    RefusalCode::PersonaUnknown,
    RefusalCode::TargetUnknown,
    RefusalCode::AccountUnknown,
    RefusalCode::NothingSuch,
];

pub(crate) fn label(text: &str) -> Outcome<Label> {
    let unreadable = |why: domain::label::LabelError| Failure::LabelUnreadable {
        text: text.chars().take(80).collect(),
        why: why.to_string(),
    };
    text.parse().map_err(unreadable)
}

/// Whether a text is a whole id of any kind.
pub(crate) fn is_whole(text: &str) -> bool {
    PREFIXES.iter().any(|prefix| text.strip_prefix(prefix).is_some_and(|rest| rest.len() == ID_CHARACTERS))
}

/// Characters with the prefix that are enough to ask with.
const SHORTEST_PREFIX: usize = 6;
/// Characters of an id after its prefix.
const ID_CHARACTERS: usize = 26;
