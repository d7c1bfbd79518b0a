//! Facts. No field is a free text: ids, enums, numbers, times, labels, hashes, commitments, public keys and signatures only.

use std::collections::BTreeMap;

use ledger::Hash;
use serde::{Deserialize, Serialize};
use sshwire::{PublicKey, Signature};

use crate::bytes::SuiteKey;
use crate::committed::{Committed, PersonName, Source};
use crate::id::{AccountId, ErrandId, GrantId, MotionId, PersonId, PersonaId, RequestId, SessionId, TargetId};
use crate::motion::{ErrandKind, Principal};
use crate::refusal::RefusalCode;
use crate::rule::{Channel, RecordInput};
use crate::statement::{
    DecisionFields, Deed, DeedFields, MotionFields, RecoveryFields, RequestFields, SecondFields, Signed, Statement,
};
use crate::time::{Timestamp, Window};

/// Binds everything that lives long; two founders sign it on their own machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Founding {
    /// The ledger's name in checkpoints.
    pub origin: OriginName,
    /// Ed25519 key that signs checkpoints.
    pub log_key: PublicKey,
    /// Ed25519 key that signs certificates.
    pub ca_key: PublicKey,
    /// Recordings' session keys are sealed to it.
    pub reading_key: SuiteKey,
    pub recovery: RecoverySetup,
    pub founders: Vec<Founder>,
    pub created: Timestamp,
}

impl Statement for Founding {
    const NAME: &'static str = "sekimori-founding";
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Founder {
    pub person: PersonId,
    pub persona: PersonaId,
    pub name: Committed<PersonName>,
    pub key: PublicKey,
}

/// Printed shares put together give `key`; with it a lost key is replaced after `delay_s` and a notice to all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoverySetup {
    pub key: PublicKey,
    pub shares: u8,
    pub threshold: u8,
    pub delay_s: u32,
}

/// The name of an installation: a label-like host and path, as C2SP checkpoints want it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct OriginName(std::sync::Arc<str>);

impl OriginName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for OriginName {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '/' | '_');
        let begins = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
        if begins && text.len() <= 120 && text.chars().all(allowed) { Ok(Self(text.into())) } else { Err(OriginError) }
    }
}

/// See [`OriginName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an origin is 1 to 120 characters of a-z, 0-9, `.`, `-`, `_` and `/`, and begins with a letter or digit")]
pub struct OriginError;

impl<'de> Deserialize<'de> for OriginName {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl std::fmt::Display for OriginName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Founded {
    pub founding: Founding,
    /// By each founder, in the order of `founding.founders`.
    pub signatures: Vec<Signature>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MotionFiled {
    pub fields: MotionFields,
    pub signed: Signed,
    /// SHA-256 of the signed statement.
    pub statement: Hash,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MotionCarried {
    pub fields: SecondFields,
    pub signed: Signed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestFiled {
    pub fields: RequestFields,
    pub filing: Filing,
    /// SHA-256 of the request statement.
    pub statement: Hash,
}

/// How the request came in. What the requester did not sign rests on the server's word, and the verdict says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Filing {
    Signed(Signed),
    /// Asked for in a terminal through the gateway; the SSH login proved `key`, the fields are the server's word.
    FiledThroughSsh {
        key: sshwire::Fingerprint,
        session: SessionId,
        nonce: crate::bytes::Nonce,
        expires: Timestamp,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    pub fields: DecisionFields,
    pub signed: Signed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantMade {
    pub grant: GrantId,
    pub request: RequestId,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeedDone {
    pub fields: DeedFields,
    pub signed: Signed,
}

/// Stands in the ledger before the keeper signs the certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionOpened {
    pub session: SessionId,
    pub grant: GrantId,
    /// The person's own key that the gateway saw proved.
    pub key: sshwire::Fingerprint,
    /// The key made in memory for this connection alone.
    pub subject: PublicKey,
    pub account: AccountId,
    pub principal: Principal,
    pub serial: u64,
    pub valid: Window,
    /// Header hash of the recording, made before anything flows.
    pub recording: Hash,
    pub source: Committed<Source>,
    pub channels: std::collections::BTreeSet<Channel>,
    pub record_input: RecordInput,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionEnding {
    /// The person's client closed it.
    ClientLeft,
    /// The target closed it.
    TargetLeft,
    TargetLost,
    ClientLost,
    /// The target could not be reached, or was not the pinned one, or refused the certificate.
    TargetUnreachable,
    TargetNotPinned,
    TargetRefused,
    /// The keeper would not sign the certificate.
    NotCertified,
    GrantOver,
    Revoked,
    Killed,
    /// The recording could not be made durable.
    RecordingFailed,
    /// The gateway stopped or was lost.
    GatewayStopped,
    GatewayLost,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionEnded {
    pub session: SessionId,
    pub ending: SessionEnding,
    /// When the gateway saw it end, by its own clock.
    pub ended: Timestamp,
    pub chunks: u64,
    pub chain: Hash,
    /// Whether the recording got its last chunk.
    pub complete: bool,
    pub bytes: u64,
}

/// A Merkle root over the chain values of all live recordings, in the order of their session ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordingAnchored {
    pub root: Hash,
    pub recordings: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrandOpened {
    pub errand: ErrandId,
    pub target: TargetId,
    pub kind: ErrandKind,
    pub subject: PublicKey,
    pub principal: Principal,
    pub serial: u64,
    pub valid: Window,
    /// Since version 2: an errand is recorded as a session is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub recorded: Option<ErrandRecording>,
}

/// The recording of an errand, made before anything flows. It has a session's name of its own, under which it is opened, exported and verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrandRecording {
    pub session: SessionId,
    /// Its header's hash.
    pub header: Hash,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ErrandOutcome {
    /// How far the target's clock is ahead of ours.
    Clock {
        offset_ms: i64,
    },
    Unreachable,
    NotPinned,
    Refused,
    Unreadable,
    /// Since version 2: what flowed could not be made durable, so the answer was not used.
    RecordingFailed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrandEnded {
    pub errand: ErrandId,
    pub outcome: ErrandOutcome,
    /// Since version 2: where its recording ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub recorded: Option<ErrandRecorded>,
}

/// As a session's end says it of a session's recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrandRecorded {
    pub session: SessionId,
    pub chunks: u64,
    pub chain: Hash,
    /// Whether the recording got its last chunk.
    pub complete: bool,
    pub bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusalRecorded {
    pub code: RefusalCode,
    /// What was tried.
    pub attempt: Attempt,
    /// Whom or what the attempt was about, as far as it names something that exists.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub about: Option<Subject>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attempt {
    Request,
    Decision,
    Motion,
    Second,
    Deed,
    Passage,
    Recovery,
    Read,
    Errand,
}

/// What more was refused in a minute than is written one by one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusalsOverflowed {
    pub counts: BTreeMap<Attempt, u64>,
}

/// Anything an entry can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    Person(PersonId),
    Target(TargetId),
    Account(AccountId),
    Motion(MotionId),
    Request(RequestId),
    Grant(GrantId),
    Session(SessionId),
    Errand(ErrandId),
    Recovery(crate::id::RecoveryId),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryStarted {
    pub fields: RecoveryFields,
    pub nonce: crate::bytes::Nonce,
    pub expires: Timestamp,
    /// By the recovery key of the founding.
    pub signature: Signature,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryCompleted {
    pub recovery: crate::id::RecoveryId,
}

/// The wall clock jumped against boot time, or stood far from the last entry: until two persons confirm, nothing else is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockDoubted {
    pub expected: Timestamp,
    pub found: Timestamp,
}

/// A snapshot of the state was put beside the ledger; one that no entry confirms is not used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotTaken {
    pub fold: u32,
    /// How many entries are folded in.
    pub size: u64,
    pub hash: Hash,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineStarted {
    pub fold: u32,
}

macro_rules! events {
    ($($variant:ident($body:ty) = $kind:literal;)*) => {
        /// A fact, as it stands in an entry. `Deed` has a kind for each deed.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Event { $($variant($body),)* Deed(DeedDone) }

        impl Event {
            /// The dotted noun.verb of the entry.
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$variant(_) => $kind,)* Self::Deed(done) => deed_kind(&done.fields.deed) }
            }

            /// The version of the entry's body: the lowest that has its fields, so that what was once written is written so for ever.
            pub(crate) fn version(&self) -> u8 {
                let needs_2 = match self {
                    Self::ErrandOpened(opened) => opened.recorded.is_some(),
                    Self::ErrandEnded(ended) => {
                        ended.recorded.is_some() || ended.outcome == ErrandOutcome::RecordingFailed
                    }
                    _ => false,
                };
                if needs_2 { 2 } else { 1 }
            }

            pub(crate) fn body(&self) -> serde_json::Result<Box<serde_json::value::RawValue>> {
                match self {
                    $(Self::$variant(body) => serde_json::value::to_raw_value(body),)*
                    Self::Deed(done) => serde_json::value::to_raw_value(done),
                }
            }

            /// `None`: no such kind in this version.
            pub(crate) fn read(kind: &str, body: &str) -> Option<serde_json::Result<Self>> {
                match kind {
                    $($kind => Some(serde_json::from_str(body).map(Self::$variant)),)*
                    _ if DEED_KINDS.contains(&kind) => Some(serde_json::from_str(body).map(Self::Deed)),
                    _ => None,
                }
            }
        }

        /// Every kind this version knows.
        pub const KINDS: &[&str] = &[$($kind),*];
    };
}

events! {
    Founded(Founded) = "installation.founded";
    MotionFiled(MotionFiled) = "motion.filed";
    MotionCarried(MotionCarried) = "motion.carried";
    RequestFiled(RequestFiled) = "request.filed";
    RequestRefused(Decided) = "request.refused";
    ApprovalGiven(Decided) = "approval.given";
    GrantMade(GrantMade) = "grant.made";
    SessionOpened(SessionOpened) = "session.opened";
    SessionEnded(SessionEnded) = "session.ended";
    RecordingAnchored(RecordingAnchored) = "recording.anchored";
    ErrandOpened(ErrandOpened) = "errand.opened";
    ErrandEnded(ErrandEnded) = "errand.ended";
    RefusalRecorded(RefusalRecorded) = "refusal.recorded";
    RefusalsOverflowed(RefusalsOverflowed) = "refusal.overflowed";
    RecoveryStarted(RecoveryStarted) = "recovery.started";
    RecoveryCompleted(RecoveryCompleted) = "recovery.completed";
    ClockDoubted(ClockDoubted) = "clock.doubted";
    EngineStarted(EngineStarted) = "engine.started";
    SnapshotTaken(SnapshotTaken) = "snapshot.taken";
}

/// The kinds of deeds, each its own noun and verb.
pub const DEED_KINDS: &[&str] = &[
    "request.withdrawn",
    "grant.returned",
    "grant.revoked",
    "motion.withdrawn",
    "person.frozen",
    "person.left",
    "group.left",
    "key.added",
    "key.retired",
    "session.frozen",
    "session.thawed",
    "session.killed",
    "replay.permitted",
    "recovery.objected",
];

fn deed_kind(deed: &Deed) -> &'static str {
    match deed {
        Deed::RequestWithdraw { .. } => "request.withdrawn",
        Deed::GrantReturn { .. } => "grant.returned",
        Deed::GrantRevoke { .. } => "grant.revoked",
        Deed::MotionWithdraw { .. } => "motion.withdrawn",
        Deed::PersonFreeze { .. } => "person.frozen",
        Deed::PersonLeave { .. } => "person.left",
        Deed::GroupLeave { .. } => "group.left",
        Deed::KeyAdd { .. } => "key.added",
        Deed::KeyRetire { .. } => "key.retired",
        Deed::SessionFreeze { .. } => "session.frozen",
        Deed::SessionThaw { .. } => "session.thawed",
        Deed::SessionKill { .. } => "session.killed",
        Deed::ReplayPermit { .. } => "replay.permitted",
        Deed::RecoveryObject { .. } => "recovery.objected",
    }
}
