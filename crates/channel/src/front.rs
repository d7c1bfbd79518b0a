//! What passes between front, which faces the network, and engine, which decides.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use domain::event::{ErrandOutcome, SessionEnding};
use domain::motion::{ErrandKind, Principal};
use domain::rule::{Channel, RecordInput};
use domain::state::Order;
use domain::{ErrandId, GrantId, Refusal, SessionId, SuiteKey, Timestamp};
use ledger::Hash;
use serde::{Deserialize, Serialize};
use sshwire::PublicKey;

/// From front. `id` pairs a question with its answer; facts have one too, and are acknowledged when they are durable.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FromFront {
    pub id: u64,
    pub body: FrontAsk,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FrontAsk {
    /// Is this key enrolled and active? Asked before the signature is checked; changes nothing.
    Knows { key: PublicKey },
    /// A person's signature was verified: where would this passage lead, if it opened now? Changes nothing.
    Approach(Box<ApproachAsk>),
    /// A person's signature was verified; may this passage open?
    Open(Box<OpenAsk>),
    /// A session is over. Kept by front until acknowledged.
    Ended(EndFact),
    /// Chain values of live recordings; engine writes one root over all.
    Anchors { recordings: BTreeMap<SessionId, Anchor> },
    /// Front made a key for an errand it was told of; engine writes the entry and has the certificate signed.
    ErrandReady {
        errand: ErrandId,
        subject: PublicKey,
        /// Header hash of the recording, made before anything flows.
        recording: Hash,
    },
    ErrandEnded {
        errand: ErrandId,
        outcome: ErrandOutcome,
        /// None where nothing was opened, or the recording failed.
        recorded: Option<Recorded>,
    },
    /// After a reconnection: which sessions live here.
    Live { sessions: BTreeSet<SessionId> },
}

/// The part of an [`OpenAsk`] that chooses a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApproachAsk {
    /// Account and target as typed in the login name, unescaped.
    pub account: String,
    pub target: String,
    /// The key whose signature front verified.
    pub key: PublicKey,
    /// Which of several live grants is meant.
    pub grant: Option<GrantId>,
}

/// Where front may dial while engine writes and the keeper signs. It lets nobody in: what is dialled is used only where the terms say the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApproachTerms {
    /// Host and port.
    pub address: String,
    pub host_keys: BTreeSet<PublicKey>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenAsk {
    pub session: SessionId,
    /// Account and target as typed in the login name, unescaped.
    pub account: String,
    pub target: String,
    /// The key whose signature front verified.
    pub key: PublicKey,
    pub source: IpAddr,
    /// Made in memory for this connection alone.
    pub subject: PublicKey,
    /// Header hash of the recording.
    pub recording: Hash,
    /// Which of several live grants is meant.
    pub grant: Option<GrantId>,
}

/// What front must obey. It holds no rule of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionTerms {
    pub session: SessionId,
    pub grant: GrantId,
    pub person: domain::PersonId,
    pub target_label: String,
    /// Host and port.
    pub address: String,
    pub host_keys: BTreeSet<PublicKey>,
    /// Account name on the target.
    pub login: String,
    pub principal: Principal,
    /// OpenSSH text form.
    pub certificate: String,
    pub channels: BTreeSet<Channel>,
    pub record_input: RecordInput,
    /// How long from now until the grant's end.
    pub ends_in_ms: u64,
    pub until: Timestamp,
    pub purpose: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndFact {
    pub session: SessionId,
    pub ending: SessionEnding,
    pub ended: Timestamp,
    pub anchor: Anchor,
    pub complete: bool,
    pub bytes: u64,
}

/// How the recording of an errand ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    pub anchor: Anchor,
    pub complete: bool,
    pub bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    pub chunks: u64,
    pub chain: Hash,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ToFront {
    Answer {
        id: u64,
        body: FrontAnswer,
    },
    /// What front needs to know before it listens; sent first and whenever it changes.
    Setup(Setup),
    /// Sent each second: front opens nothing when the last is older than a few seconds.
    Beat {
        size: u64,
    },
    /// What a session must do now; `ends_in_ms` may have become shorter.
    Order {
        session: SessionId,
        order: Order,
    },
    Errand(Box<ErrandTerms>),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FrontAnswer {
    Known(bool),
    /// `None`: no grant stands that would open, or nobody may say where it leads.
    Approach(Option<Box<ApproachTerms>>),
    Opened(Result<Box<SessionTerms>, Refusal>),
    /// The errand's certificate in OpenSSH text form.
    ErrandCertified(Result<String, Refusal>),
    /// Durable.
    Noted,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    pub origin: String,
    pub reading_key: SuiteKey,
    /// `age1…` recipients of an outside auditor.
    pub age_recipients: Vec<String>,
    /// Orders for sessions that front may still hold.
    pub orders: BTreeMap<SessionId, Order>,
}

/// What Sekimori itself must do on a target, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrandTerms {
    pub errand: ErrandId,
    /// The name of its recording.
    pub session: SessionId,
    pub kind: ErrandKind,
    pub address: String,
    pub host_keys: BTreeSet<PublicKey>,
    /// Account on the target that errands use.
    pub login: String,
}
