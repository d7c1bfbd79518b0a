//! The files that pass between people: what a person made on their own machine, for others to sign.

use std::path::Path;

use channel::api::Opening;
use domain::committed::{PersonName, Text};
use domain::event::{Founding, OriginName};
use domain::people::PersonaKind;
use domain::statement::Possession;
use domain::{Committed, PersonId, PersonaId};
use ledger::Hash;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sshwire::PublicKey;

use crate::failure::{Failure, Outcome};
use crate::files;
use crate::proof;

/// A key, whose it is to be, and the proof that its maker holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Card {
    form: CardForm,
    pub(crate) adds: Adds,
    pub(crate) origin: OriginName,
    pub(crate) person: PersonId,
    pub(crate) persona: PersonaId,
    pub(crate) kind: PersonaKind,
    /// What the person is called; only on the card of a new person.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) name: Option<Opening>,
    pub(crate) key: PublicKey,
    pub(crate) possession: Possession,
}

/// What a card is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Adds {
    Person,
    Persona,
    Key,
}

impl Adds {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Persona => "persona",
            Self::Key => "key",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum CardForm {
    #[serde(rename = "sekimori-card/v1")]
    V1,
}

/// What a founder makes before there is anything to belong to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FounderCard {
    form: FounderCardForm,
    pub(crate) person: PersonId,
    pub(crate) persona: PersonaId,
    pub(crate) name: Opening,
    pub(crate) key: PublicKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum FounderCardForm {
    #[serde(rename = "sekimori-founder-card/v1")]
    V1,
}

/// What both founders sign, with the names behind its commitments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Draft {
    form: DraftForm,
    pub(crate) founding: Founding,
    /// The founders' names, in the order of `founding.founders`.
    pub(crate) openings: Vec<Opening>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum DraftForm {
    #[serde(rename = "sekimori-founding-draft/v1")]
    V1,
}

/// Everything on a card but its form.
#[derive(Debug)]
pub(crate) struct NewCard {
    pub(crate) adds: Adds,
    pub(crate) origin: OriginName,
    pub(crate) person: PersonId,
    pub(crate) persona: PersonaId,
    pub(crate) kind: PersonaKind,
    pub(crate) name: Option<Opening>,
    pub(crate) key: PublicKey,
    pub(crate) possession: Possession,
}

impl From<NewCard> for Card {
    fn from(new: NewCard) -> Self {
        let NewCard { adds, origin, person, persona, kind, name, key, possession } = new;
        Self { form: CardForm::V1, adds, origin, person, persona, kind, name, key, possession }
    }
}

impl Card {
    /// Reads a card that is for what `wanted` says and for this installation, and whose maker holds its key.
    pub(crate) fn read(path: &Path, wanted: Adds, origin: &OriginName) -> Outcome<Self> {
        let card: Self = read(path)?;
        if card.adds != wanted || (wanted == Adds::Person) != card.name.is_some() {
            return Err(Failure::CardNotFor { path: files::shown(path), wanted: wanted.name().into() });
        }
        if card.origin != *origin {
            let (found, here) = (card.origin.to_string(), origin.to_string());
            return Err(Failure::CardOfOtherOrigin { path: files::shown(path), found, here });
        }
        proof::possession(origin, card.person, card.persona, &card.key, &card.possession)?;
        Ok(card)
    }

    /// The commitment to the name, and its opening.
    pub(crate) fn name(&self) -> Option<(Committed<PersonName>, Opening)> {
        let opening = self.name.clone().filter(|opening| opening.kind == PersonName::KIND)?;
        Some((committed(&opening), opening))
    }
}

impl FounderCard {
    pub(crate) fn new(person: PersonId, persona: PersonaId, name: Opening, key: PublicKey) -> Self {
        Self { form: FounderCardForm::V1, person, persona, name, key }
    }

    pub(crate) fn read(path: &Path) -> Outcome<Self> {
        let card: Self = read(path)?;
        if card.name.kind == PersonName::KIND {
            Ok(card)
        } else {
            Err(unreadable(path, "its name is of another kind of text"))
        }
    }

    pub(crate) fn commitment(&self) -> Committed<PersonName> {
        committed(&self.name)
    }
}

impl Draft {
    pub(crate) fn new(founding: Founding, openings: Vec<Opening>) -> Self {
        Self { form: DraftForm::V1, founding, openings }
    }

    /// Reads a draft whose names are those that it commits to.
    pub(crate) fn read(path: &Path) -> Outcome<Self> {
        let draft: Self = read(path)?;
        if draft.openings.len() != draft.founding.founders.len() {
            return Err(unreadable(path, "it has not one name for each founder"));
        }
        draft.names()?;
        Ok(draft)
    }

    /// What the founders are called, in their order.
    pub(crate) fn names(&self) -> Outcome<Vec<String>> {
        let pairs = self.founding.founders.iter().zip(&self.openings);
        pairs.map(|(founder, opening)| proof::opened(&founder.name, std::slice::from_ref(opening))).collect()
    }
}

fn committed(name: &Opening) -> Committed<PersonName> {
    Committed::from_hash(Hash::from_bytes(envelope::commit(PersonName::KIND, &name.salt, name.value.as_bytes())))
}

fn read<T: DeserializeOwned>(path: &Path) -> Outcome<T> {
    let bytes = files::read(path, LONGEST_FILE)?;
    serde_json::from_slice(&bytes).map_err(|error| unreadable(path, &error.to_string()))
}

fn unreadable(path: &Path, why: &str) -> Failure {
    Failure::CardUnreadable { path: files::shown(path), why: why.to_owned() }
}

/// Two keys, a reading key and two names take about 5 KiB.
const LONGEST_FILE: u64 = 256 << 10;
