//! What a person signs: the fields of each statement. The bytes are made by `tegata::statement`, in field order, so that no field can be left out.

use std::collections::BTreeSet;

use ledger::Hash;
use serde::{Deserialize, Serialize};
use sshwire::{Fingerprint, PublicKey, Signature};

use crate::bytes::{Nonce, SuiteKey};
use crate::committed::{Committed, Purpose, Reason};
use crate::id::{AccountId, GrantId, MotionId, PersonId, PersonaId, RecoveryId, RequestId, SessionId};
use crate::label::Label;
use crate::motion::Act;
use crate::rule::Channel;
use crate::time::{Timestamp, Window};

/// A text form that persons sign. `NAME` is its first line (`NAME/v1`) and its SSHSIG namespace.
pub trait Statement: Serialize {
    const NAME: &'static str;
}

/// The signature of one person's key over one statement, as it stands in an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// The key that signed; it must be enrolled.
    pub key: Fingerprint,
    pub nonce: Nonce,
    /// Until when the statement may be filed. What it brings about has its own end.
    pub expires: Timestamp,
    pub signature: Signature,
}

/// How long after signing a statement may be filed at most; seen nonces are remembered that long.
pub const LONGEST_STATEMENT_LIFE: std::time::Duration = std::time::Duration::from_secs(15 * 60);

/// 申請: who, which account, from when to when, what for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestFields {
    pub request: RequestId,
    /// The persona whose key signs.
    pub requester: PersonaId,
    /// The persona who will hold the grant; often the same.
    pub beneficiary: PersonaId,
    pub account: AccountId,
    pub window: Window,
    pub channels: BTreeSet<Channel>,
    pub purpose: Committed<Purpose>,
    /// The policy version that the requester was shown.
    pub policy: u64,
}

impl Statement for RequestFields {
    const NAME: &'static str = "sekimori-request";
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Approve,
    Refuse,
}

/// 承認 or 却下: another person's decision over the exact bytes of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionFields {
    pub request: RequestId,
    /// SHA-256 of the request statement that the approver was shown, rebuilt by the approver's own CLI.
    pub statement: Hash,
    pub approver: PersonaId,
    pub decision: Decision,
    pub reason: Option<Committed<Reason>>,
    pub policy: u64,
}

impl Statement for DecisionFields {
    const NAME: &'static str = "sekimori-approval";
}

/// A proposal that takes effect when a second person signs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MotionFields {
    pub motion: MotionId,
    pub proposer: PersonaId,
    pub act: Act,
}

impl Statement for MotionFields {
    const NAME: &'static str = "sekimori-motion";
}

/// The second person's signature over the exact bytes of a motion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecondFields {
    pub motion: MotionId,
    pub statement: Hash,
    pub seconder: PersonaId,
}

impl Statement for SecondFields {
    const NAME: &'static str = "sekimori-second";
}

/// What one person may do alone: take away, stop, look with a purpose, add an own key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeedFields {
    pub by: PersonaId,
    pub deed: Deed,
}

impl Statement for DeedFields {
    const NAME: &'static str = "sekimori-deed";
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Deed {
    RequestWithdraw {
        request: RequestId,
    },
    GrantReturn {
        grant: GrantId,
    },
    GrantRevoke {
        grant: GrantId,
        reason: Committed<Reason>,
    },
    MotionWithdraw {
        motion: MotionId,
    },
    PersonFreeze {
        person: PersonId,
        reason: Committed<Reason>,
    },
    PersonLeave {
        person: PersonId,
    },
    GroupLeave {
        group: Label,
        person: PersonId,
    },
    /// A further key, signed by an older key of the same persona.
    KeyAdd {
        key: PublicKey,
        possession: Possession,
    },
    KeyRetire {
        key: Fingerprint,
    },
    SessionFreeze {
        session: SessionId,
        reason: Committed<Reason>,
    },
    SessionThaw {
        session: SessionId,
    },
    SessionKill {
        session: SessionId,
        reason: Committed<Reason>,
    },
    /// Opening a recording: an entry, with a purpose, before the first byte. The keeper seals the session key to `reader`.
    ReplayPermit {
        session: SessionId,
        purpose: Committed<Purpose>,
        reader: SuiteKey,
    },
    RecoveryObject {
        recovery: RecoveryId,
    },
}

/// Shows that who enrols a key holds it: signed by the new key itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PossessionFields {
    pub person: PersonId,
    pub persona: PersonaId,
    pub key: PublicKey,
}

impl Statement for PossessionFields {
    const NAME: &'static str = "sekimori-possession";
}

/// The signature over [`PossessionFields`]. It proves holding, not intent to act, so it neither expires nor is used up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Possession {
    pub nonce: Nonce,
    pub signature: Signature,
}

/// Signed by the recovery key, put together from printed shares: gives `persona` a new key after a delay and a notice to all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryFields {
    pub recovery: RecoveryId,
    pub persona: PersonaId,
    pub key: PublicKey,
    pub possession: Possession,
}

impl Statement for RecoveryFields {
    const NAME: &'static str = "sekimori-recovery";
}

/// Opens a connection of the CLI: proves the key, changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HelloFields {
    /// The server's own challenge for this connection.
    pub challenge: Nonce,
    pub key: PublicKey,
}

impl Statement for HelloFields {
    const NAME: &'static str = "sekimori-hello";
}
