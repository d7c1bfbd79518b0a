//! What the person who approves or seconds checks before signing: that the bytes are those of what is shown, and nothing else.

use std::collections::BTreeMap;

use channel::api::{MotionView, Opening, RequestView};
use domain::committed::{Address, LoginName, PersonName, Purpose, Text};
use domain::event::OriginName;
use domain::motion::{AccountName, Act};
use domain::statement::{Possession, PossessionFields};
use domain::{Committed, PersonId, PersonaId};
use ledger::Hash;
use sshwire::PublicKey;
use tegata::{signatures, statement};

use crate::failure::{Failure, Outcome};

/// Texts by their kind.
pub(crate) type Texts = BTreeMap<&'static str, String>;

/// A request whose statement was rebuilt here and whose purpose is the one it commits to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CheckedRequest {
    pub(crate) statement: Hash,
    pub(crate) purpose: String,
}

/// # Errors
/// `StatementNotWhatIsShown`, `TextMissing`, `TextNotCommitted`, `NamedOtherwise`: nothing of it is to be signed.
pub(crate) fn request(origin: &OriginName, view: &RequestView) -> Outcome<CheckedRequest> {
    if view.fields.request != view.request {
        return Err(Failure::NamedOtherwise {
            asked: view.request.to_string(),
            found: view.fields.request.to_string(),
        });
    }
    let bytes = statement::bytes(origin, &view.fields, view.nonce, view.expires);
    let statement = same_statement(&bytes, view.statement)?;
    let purpose = opened(&view.fields.purpose, &view.openings)?;
    Ok(CheckedRequest { statement, purpose })
}

/// A motion whose statement was rebuilt here, whose texts are those it commits to, and whose new keys are held by who made the card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CheckedMotion {
    pub(crate) statement: Hash,
    pub(crate) texts: Texts,
}

/// `owner_of`: the person behind a persona, as the server says.
///
/// # Errors
/// As [`request`], and `PossessionFails`.
pub(crate) fn motion(
    origin: &OriginName,
    view: &MotionView,
    owner_of: impl Fn(&PersonaId) -> Option<PersonId>,
) -> Outcome<CheckedMotion> {
    let (asked, found) =
        (format!("{} {:?}", view.motion, view.act), format!("{} {:?}", view.fields.motion, view.fields.act));
    if asked != found {
        return Err(Failure::NamedOtherwise { asked: view.motion.to_string(), found: view.fields.motion.to_string() });
    }
    let bytes = statement::bytes(origin, &view.fields, view.nonce, view.expires);
    let statement = same_statement(&bytes, view.statement)?;
    let texts = texts_of(&view.fields.act, &view.openings)?;
    held(origin, &view.fields.act, owner_of)?;
    Ok(CheckedMotion { statement, texts })
}

/// The texts that the act commits to, each checked.
fn texts_of(act: &Act, openings: &[Opening]) -> Outcome<Texts> {
    let mut texts = Texts::new();
    match act {
        Act::PersonAdd { name, .. } => put(&mut texts, name, openings)?,
        Act::TargetAdd { address, .. } => put(&mut texts, address, openings)?,
        Act::AccountAdd { name: AccountName::Personal(name), .. } => put(&mut texts, name, openings)?,
        Act::AccountAdd { name: AccountName::Shared(_), .. }
        | Act::PersonaAdd { .. }
        | Act::KeyEnrol { .. }
        | Act::GroupJoin { .. }
        | Act::IdentityLink { .. }
        | Act::PersonThaw { .. }
        | Act::TargetPin { .. }
        | Act::PolicySet { .. }
        | Act::ClockConfirm { .. } => {}
    }
    Ok(texts)
}

fn put<T: Text>(texts: &mut Texts, committed: &Committed<T>, openings: &[Opening]) -> Outcome<()> {
    texts.insert(T::KIND, opened(committed, openings)?);
    Ok(())
}

/// The text behind a commitment.
pub(crate) fn opened<T: Text>(committed: &Committed<T>, openings: &[Opening]) -> Outcome<String> {
    let mut of_kind = openings.iter().filter(|opening| opening.kind == T::KIND).peekable();
    if of_kind.peek().is_none() {
        return Err(Failure::TextMissing { kind: T::KIND.into() });
    }
    let fits = |opening: &&Opening| {
        envelope::opens(committed.hash().as_bytes(), T::KIND, &opening.salt, opening.value.as_bytes())
    };
    let found = of_kind.find(fits).ok_or_else(|| Failure::TextNotCommitted { kind: T::KIND.into() })?;
    Ok(found.value.clone())
}

/// Whoever gets a key by this act has shown that they hold it.
fn held(origin: &OriginName, act: &Act, owner_of: impl Fn(&PersonaId) -> Option<PersonId>) -> Outcome<()> {
    match act {
        Act::PersonAdd { person, persona, key, possession, .. }
        | Act::PersonaAdd { person, persona, key, possession, .. } => {
            self::possession(origin, *person, *persona, key, possession)
        }
        Act::KeyEnrol { persona, key, possession } => {
            let unknown = || Failure::NothingNamed { text: persona.to_string() };
            self::possession(origin, owner_of(persona).ok_or_else(unknown)?, *persona, key, possession)
        }
        Act::GroupJoin { .. }
        | Act::IdentityLink { .. }
        | Act::PersonThaw { .. }
        | Act::TargetAdd { .. }
        | Act::TargetPin { .. }
        | Act::AccountAdd { .. }
        | Act::PolicySet { .. }
        | Act::ClockConfirm { .. } => Ok(()),
    }
}

/// That `key` itself signed that it is to be this persona's.
pub(crate) fn possession(
    origin: &OriginName,
    person: PersonId,
    persona: PersonaId,
    key: &PublicKey,
    possession: &Possession,
) -> Outcome<()> {
    let fields = PossessionFields { person, persona, key: key.clone() };
    let bytes = statement::possession_of(origin, &fields, possession);
    let checked = signatures::check_by(key, statement::namespace::<PossessionFields>(), &bytes, &possession.signature);
    let fails = |why: signatures::SignatureFault| Failure::PossessionFails {
        key: key.fingerprint().to_string(),
        why: why.to_string(),
    };
    checked.map(|_| ()).map_err(fails)
}

fn same_statement(bytes: &[u8], claimed: Hash) -> Outcome<Hash> {
    let rebuilt = statement::hash(bytes);
    let differs = || Failure::StatementNotWhatIsShown { rebuilt: rebuilt.to_string(), claimed: claimed.to_string() };
    if rebuilt == claimed { Ok(rebuilt) } else { Err(differs()) }
}

/// The kinds of text that an act may carry, for showing them.
pub(crate) const NAME: &str = PersonName::KIND;
pub(crate) const ADDRESS: &str = Address::KIND;
pub(crate) const LOGIN: &str = LoginName::KIND;
pub(crate) const PURPOSE: &str = Purpose::KIND;
