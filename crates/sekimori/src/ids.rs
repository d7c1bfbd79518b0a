//! What a person types to name a thing, turned into its full id by asking the server. Only full ids are ever signed.

use std::fmt::Display;
use std::str::FromStr;

use channel::api::{AccountView, PersonView, Query, TargetView};
use domain::id::{IdError, PREFIXES};
use domain::{
    AccountId, ErrandId, GrantId, Label, MotionId, PersonId, PersonaId, RecoveryId, RequestId, SessionId, TargetId,
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
    let targets = view!(connection, Query::Targets => Targets);
    let found = if text.starts_with(TargetId::PREFIX) {
        let id: TargetId = resolve(connection, text)?;
        targets.into_iter().find(|target| target.target == id)
    } else {
        let label = label(text)?;
        targets.into_iter().find(|target| target.label == label)
    };
    found.ok_or_else(|| Failure::NothingNamed { text: text.to_owned() })
}

/// An account as `name@target`, or by its id or the beginning of it, which is the only way where its name is a person's.
pub(crate) fn account(connection: &mut Connection, text: &str) -> Outcome<AccountView> {
    if !text.contains('@') {
        let id: AccountId = resolve(connection, text)?;
        let accounts = view!(connection, Query::Accounts => Accounts);
        let found = accounts.into_iter().find(|account| account.account == id);
        return found.ok_or_else(|| Failure::NothingNamed { text: text.to_owned() });
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
    let id: PersonId = resolve(connection, text)?;
    let people = view!(connection, Query::People => People);
    people.into_iter().find(|person| person.person == id).ok_or_else(|| Failure::NothingNamed { text: text.to_owned() })
}

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
