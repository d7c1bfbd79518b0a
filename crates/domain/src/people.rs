//! Persons, their personas, keys and groups; and which records are one natural person.

use std::collections::BTreeSet;

use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};
use sshwire::{Fingerprint, KeyMaterialId, PublicKey};

use crate::committed::{Committed, PersonName};
use crate::id::{PersonId, PersonaId};
use crate::label::Label;
use crate::state::Origin;

/// `research` faces the internet and can never ask for or hold privilege.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonaKind {
    Admin,
    Research,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    Active,
    /// Suspected or compromised: nothing of this person opens anything, nor counts as an approval.
    Frozen,
    Left,
    /// Left, and frozen before or after: whoever thaws this makes it [`Standing::Left`], never active.
    LeftFrozen,
}

impl Standing {
    pub(crate) fn frozen(self) -> Self {
        match self {
            Self::Active | Self::Frozen => Self::Frozen,
            Self::Left | Self::LeftFrozen => Self::LeftFrozen,
        }
    }

    pub(crate) fn thawed(self) -> Self {
        match self {
            Self::Active | Self::Frozen => Self::Active,
            Self::Left | Self::LeftFrozen => Self::Left,
        }
    }

    /// INVARIANT: leaving lifts no suspicion; otherwise one administrator could make a frozen person's approvals count again.
    pub(crate) fn left(self) -> Self {
        match self {
            Self::Active | Self::Left => Self::Left,
            Self::Frozen | Self::LeftFrozen => Self::LeftFrozen,
        }
    }

    pub const fn is_frozen(self) -> bool {
        matches!(self, Self::Frozen | Self::LeftFrozen)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    pub name: Committed<PersonName>,
    pub standing: Standing,
    pub origin: Origin,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Persona {
    pub person: PersonId,
    pub kind: PersonaKind,
    pub origin: Origin,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    pub key: PublicKey,
    pub persona: PersonaId,
    pub retired: bool,
    pub origin: Origin,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct People {
    pub persons: OrdMap<PersonId, Person>,
    pub personas: OrdMap<PersonaId, Persona>,
    /// Keys never leave: a public key belongs to one persona for ever.
    pub keys: OrdMap<Fingerprint, Key>,
    /// The same by whose they are, retired ones included.
    pub holdings: OrdMap<PersonId, OrdSet<Fingerprint>>,
    /// What the key material is, whatever its wrapping (a plain and a hardware form of one point are one).
    pub material: OrdMap<KeyMaterialId, Fingerprint>,
    pub groups: OrdMap<Label, OrdMap<PersonId, Origin>>,
    /// The same by who belongs to them.
    pub memberships: OrdMap<PersonId, OrdSet<Label>>,
    /// Every time a person joined the administrators, also where they left since: proofs of what they signed need it.
    pub appointed: OrdMap<PersonId, OrdSet<Origin>>,
    /// Records found to be one natural person point to the record that stands for them all.
    pub linked: OrdMap<PersonId, PersonId>,
    /// For each record that stands for several: all of them, itself included.
    pub twins: OrdMap<PersonId, OrdSet<PersonId>>,
    pub links: OrdMap<PersonId, OrdSet<Origin>>,
}

/// A natural person: compare these, never [`PersonId`]s, where separation of duties is at stake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Natural(PersonId);

/// Members may propose and second what needs two persons.
pub const ADMINISTRATORS: &str = "administrators";
/// Members may read everything and replay recordings; nothing else.
pub const AUDITORS: &str = "auditors";

impl People {
    pub fn natural(&self, person: &PersonId) -> Natural {
        Natural(*self.linked.get(person).unwrap_or(person))
    }

    /// The person, persona and key behind a fingerprint, if the key is enrolled and not retired and the person stands active.
    pub fn active(&self, fingerprint: &Fingerprint) -> Option<Signer<'_>> {
        let key = self.keys.get(fingerprint).filter(|key| !key.retired)?;
        let persona = self.personas.get(&key.persona)?;
        self.is_active(&persona.person).then_some(Signer {
            person: persona.person,
            persona: key.persona,
            kind: persona.kind,
            key: &key.key,
        })
    }

    /// Active, and frozen under no record of the same natural person.
    pub fn is_active(&self, person: &PersonId) -> bool {
        self.persons.get(person).is_some_and(|p| p.standing == Standing::Active) && !self.is_suspect(person)
    }

    /// Enrolled once, and retired since.
    pub fn is_retired(&self, key: &Fingerprint) -> bool {
        self.keys.get(key).is_some_and(|key| key.retired)
    }

    /// Frozen, under any record of the same natural person.
    pub fn is_suspect(&self, person: &PersonId) -> bool {
        self.same_natural(person).any(|id| self.persons.get(&id).is_some_and(|p| p.standing.is_frozen()))
    }

    /// Every record of the natural person behind `person`, this one included.
    pub fn same_natural(&self, person: &PersonId) -> impl Iterator<Item = PersonId> + '_ {
        let twins = self.twins.get(&self.natural(person).0);
        let alone = twins.is_none().then_some(*person);
        twins.into_iter().flatten().copied().chain(alone)
    }

    pub fn is_member(&self, group: &Label, person: &PersonId) -> bool {
        self.groups.get(group).is_some_and(|members| members.contains_key(person))
    }

    pub fn is_administrator(&self, person: &PersonId) -> bool {
        self.groups.get(ADMINISTRATORS).is_some_and(|members| members.contains_key(person))
    }

    pub fn keys_of<'a>(&'a self, persona: &'a PersonaId) -> impl Iterator<Item = (&'a Fingerprint, &'a Key)> {
        let owner = self.personas.get(persona).map(|found| found.person);
        let held = owner.and_then(|person| self.holdings.get(&person)).into_iter().flatten();
        held.filter_map(|fingerprint| self.keys.get_key_value(fingerprint))
            .filter(move |(_, key)| key.persona == *persona)
    }

    /// Natural persons who could propose or second something now.
    pub fn able_administrators(&self) -> usize {
        let members = self.groups.get(ADMINISTRATORS).into_iter().flat_map(|members| members.keys());
        let has_a_key = |person: &PersonId| {
            let mut held = self.holdings.get(person).into_iter().flatten();
            held.any(|key| self.active(key).is_some_and(|signer| signer.kind == PersonaKind::Admin))
        };
        members.filter(|person| has_a_key(person)).map(|person| self.natural(person)).collect::<BTreeSet<_>>().len()
    }
}

/// Who stands behind a key.
#[derive(Debug, Clone, Copy)]
pub struct Signer<'a> {
    pub person: PersonId,
    pub persona: PersonaId,
    pub kind: PersonaKind,
    pub key: &'a PublicKey,
}
