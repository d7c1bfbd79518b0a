//! Acts that need two persons, neither of them the subject: whatever widens what somebody may do, or says who somebody is.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sshwire::{Fingerprint, PublicKey};

use crate::committed::{Address, Committed, LoginName, PersonName};
use crate::id::{AccountId, PersonId, PersonaId, TargetId};
use crate::label::Label;
use crate::people::PersonaKind;
use crate::rule::Policy;
use crate::statement::{MotionFields, Possession};
use crate::time::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// A person with a first persona and its first key.
    PersonAdd {
        person: PersonId,
        name: Committed<PersonName>,
        persona: PersonaId,
        kind: PersonaKind,
        key: PublicKey,
        possession: Possession,
    },
    /// A further face of a person who is there.
    PersonaAdd {
        person: PersonId,
        persona: PersonaId,
        kind: PersonaKind,
        key: PublicKey,
        possession: Possession,
    },
    /// A replacement key, where no older key of the persona can sign.
    KeyEnrol {
        persona: PersonaId,
        key: PublicKey,
        possession: Possession,
    },
    GroupJoin {
        group: Label,
        person: PersonId,
    },
    /// Two records that turned out to be one natural person.
    IdentityLink {
        one: PersonId,
        other: PersonId,
    },
    PersonThaw {
        person: PersonId,
    },
    TargetAdd {
        target: TargetId,
        label: Label,
        zone: Label,
        tier: u8,
        address: Committed<Address>,
        host_keys: BTreeSet<PublicKey>,
        errands: Errands,
    },
    /// Pins other host keys, as after a rebuild.
    TargetPin {
        target: TargetId,
        host_keys: BTreeSet<PublicKey>,
    },
    AccountAdd {
        account: AccountId,
        target: TargetId,
        name: AccountName,
        class: AccountClass,
        owner: PersonId,
        principal: Principal,
    },
    PolicySet {
        policy: Policy,
    },
    /// The clock was in doubt; two persons say what time it is, within [`CLOCK_TOLERANCE`].
    ClockConfirm {
        time: Timestamp,
    },
}

/// How far two persons' word on the time may be from the clock they confirm.
pub const CLOCK_TOLERANCE: std::time::Duration = std::time::Duration::from_secs(5 * 60);

impl Act {
    /// The persons whom the act is about; they may neither propose nor second it.
    pub fn subjects(&self, owner_of: impl Fn(&PersonaId) -> Option<PersonId>) -> Vec<PersonId> {
        match self {
            Self::PersonAdd { person, .. }
            | Self::PersonaAdd { person, .. }
            | Self::GroupJoin { person, .. }
            | Self::PersonThaw { person } => vec![*person],
            Self::KeyEnrol { persona, .. } => owner_of(persona).into_iter().collect(),
            Self::IdentityLink { one, other } => vec![*one, *other],
            Self::TargetAdd { .. }
            | Self::TargetPin { .. }
            | Self::AccountAdd { .. }
            | Self::PolicySet { .. }
            | Self::ClockConfirm { .. } => vec![],
        }
    }
}

/// A non-personal name stands as it is; one that names a person only as a commitment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AccountName {
    Shared(Label),
    Personal(Committed<LoginName>),
}

/// What kind of privilege an account is (requirements A1-02).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountClass {
    OsSuperuser,
    DatabaseAdmin,
    ApplicationMaster,
    NetworkDevice,
    CloudAdmin,
}

/// What Sekimori itself may do on a target, and as which account there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Errands {
    pub kinds: BTreeSet<ErrandKind>,
    /// The account's name on the target; not a person's.
    pub login: Label,
}

/// What Sekimori itself may do on a target (用務).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrandKind {
    /// Reads the target's clock.
    Probe,
}

/// The opaque name of one account on one target in a certificate (`p-` and 10 characters). A certificate for db1 says nothing to db2.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Principal(Label);

impl Principal {
    /// From 50 random bits.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        let long = crate::id::AccountId::from_random(bytes).to_string();
        let tail: String = long.chars().rev().take(10).collect();
        Self(format!("p-{tail}").parse().expect("lower-case Crockford characters are a label"))
    }

    /// The principal of Sekimori's own errands on `target`; no person's certificate ever carries it.
    pub fn of_errands(target: &TargetId) -> Self {
        let tail: String = target.to_string().chars().skip(TargetId::PREFIX.len()).collect();
        Self(format!("e-{tail}").parse().expect("lower-case Crockford characters are a label"))
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether this is of the form that persons' certificates carry.
    pub fn is_for_persons(&self) -> bool {
        self.as_str().starts_with("p-") && self.as_str().len() == 12
    }
}

/// A motion that waits for its second person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Motion {
    pub fields: MotionFields,
    pub proposer: PersonId,
    pub key: Fingerprint,
    /// SHA-256 of the statement that the proposer signed.
    pub statement: ledger::Hash,
    pub filed: u64,
    pub filed_at: Timestamp,
}

/// How long a motion waits for its second person.
pub const MOTION_LIFE: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 3600);
