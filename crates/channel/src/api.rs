//! What the CLI asks of engine, over the Unix socket or through the gateway's exec channel. Whoever asks is their key, nothing else.

use std::collections::{BTreeMap, BTreeSet};

use domain::event::{RecoveryStarted, SessionEnding};
use domain::motion::{AccountClass, Act};
use domain::people::{PersonaKind, Standing};
use domain::rule::{Channel, Policy};
use domain::state::{GrantStanding, Missing, Order};
use domain::statement::{DecisionFields, DeedFields, MotionFields, RequestFields, SecondFields, Signed};
use domain::{
    AccountId, GrantId, Label, MotionId, Nonce, PersonId, PersonaId, RecoveryId, Refusal, RequestId, SessionId,
    TargetId, Timestamp, Window,
};
use envelope::{Salt, Sealed};
use ledger::{Hash, InclusionProof};
use serde::{Deserialize, Serialize};
use sshwire::{Fingerprint, PublicKey, Signature};

/// First frame of the server after the greetings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Challenge {
    /// None until founded; then statements are made for it.
    pub origin: Option<String>,
    /// To be signed in `Hello`.
    pub nonce: Nonce,
    /// The server's time, for statements' expiry.
    pub now: Timestamp,
    /// The policy in force, 0 before the first.
    pub policy: u64,
    /// Recoveries under way: shown to everybody who connects.
    pub recoveries: Vec<RecoveryView>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ApiAsk {
    /// Proves the key. Without it only `Doctor`, `InitSeal` and `Recover` are answered.
    Hello {
        key: PublicKey,
        expires: Timestamp,
        signature: Signature,
    },
    /// Something signed that may become an entry, with the texts it commits to.
    Submit {
        what: Submission,
        openings: Vec<Opening>,
    },
    Read(Query),
    /// Both founders' signatures over the draft.
    InitSeal {
        founded: domain::event::Founded,
        openings: Vec<Opening>,
    },
    /// Signed by the recovery key; whoever holds the shares needs no other key.
    Recover {
        started: RecoveryStarted,
    },
    /// After its delay a recovery is brought into force by anybody who asks.
    RecoverFinish {
        recovery: RecoveryId,
    },
    /// Have the target's clock looked at now.
    Probe {
        target: TargetId,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Submission {
    Request { fields: RequestFields, signed: Signed },
    Decision { fields: DecisionFields, signed: Signed },
    Motion { fields: MotionFields, signed: Signed },
    Second { fields: SecondFields, signed: Signed },
    Deed { fields: DeedFields, signed: Signed },
}

/// A text and the salt under which an entry commits to it. The server checks it and seals it beside the ledger. Not printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// `domain::committed::Text::KIND`.
    pub kind: String,
    pub salt: Salt,
    pub value: String,
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opening({}, ***)", self.kind)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Query {
    /// What is missing, how old the last checkpoint and anchor are, clocks. Answered to anybody local.
    Doctor,
    Whoami,
    /// In the order of their ids.
    People {
        page: Page<PersonId>,
    },
    Person {
        person: PersonId,
    },
    /// The person behind a persona.
    PersonOf {
        persona: PersonaId,
    },
    /// In the order of the persons' ids, then of fingerprints; retired ones as well.
    Keys {
        person: Option<PersonId>,
        page: Page<Fingerprint>,
    },
    /// One row for each member, in the order of groups' labels, then of persons' ids.
    Groups {
        page: Page<Membership>,
    },
    /// In the order of their ids.
    Targets {
        page: Page<TargetId>,
    },
    Target {
        target: TargetId,
    },
    TargetNamed {
        label: Label,
    },
    /// In the order of their ids; those on one target, or all.
    Accounts {
        target: Option<TargetId>,
        page: Page<AccountId>,
    },
    Account {
        account: AccountId,
    },
    /// The policy in force.
    Rules,
    /// Those that wait, in the order of their ids.
    Motions {
        page: Page<MotionId>,
    },
    /// With what the asker needs in order to second it: the statement's fields and opened texts.
    Motion {
        motion: MotionId,
    },
    /// Those that wait, in the order of their ids.
    Requests {
        page: Page<RequestId>,
    },
    /// With what an approver needs: the fields, the purpose and its salt.
    Request {
        request: RequestId,
    },
    /// Those that are not over, in the order of their ids.
    Grants {
        page: Page<GrantId>,
    },
    Grant {
        grant: GrantId,
    },
    /// What a request was given.
    GrantOf {
        request: RequestId,
    },
    /// The asker's own, or everybody's where the asker sees all.
    Sessions {
        which: Which,
        page: Page<SessionId>,
    },
    /// One that lives.
    Session {
        session: SessionId,
    },
    /// The newest first: all of them, those about one thing, of one kind, or both.
    Entries {
        about: Option<String>,
        kind: Option<String>,
        page: Page<u64>,
    },
    Entry {
        seq: u64,
    },
    /// The exact bytes of the entries from `from` on, before `below`, as many as fit an answer, with the signed heads among them.
    LedgerPage {
        from: u64,
        below: u64,
    },
    /// The tegata file of a grant.
    Tegata {
        grant: GrantId,
    },
    Checkpoint,
    /// The ids that begin with these characters (at least 6 with the prefix).
    Resolve {
        prefix: String,
    },
    /// After a `replay.permitted` entry for the caller: the re-sealed key. The file's bytes follow with `RecordingBytes`.
    Recording {
        session: SessionId,
        permit: u64,
    },
    RecordingBytes {
        session: SessionId,
        permit: u64,
        offset: u64,
    },
    /// How far the recording had come at each anchor from entry `from` on, with the proof under the anchor's root. As `RecordingBytes`.
    Anchors {
        session: SessionId,
        permit: u64,
        from: u64,
    },
    /// Shared account `name@target` to its id.
    AccountNamed {
        account: Label,
        target: Label,
    },
    /// The full fold, compared with the state.
    VerifyReplay,
}

/// Most rows that one answer holds, whatever was asked for.
pub const MOST_ROWS: u32 = 500;

/// Which part of a list is wanted: the rows after one that was seen, in the list's own order. The row itself may be gone since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page<C> {
    pub after: Option<C>,
    /// Brought between 1 and [`MOST_ROWS`].
    pub limit: u32,
}

/// A part of a list. A part may hold fewer rows than were asked for, even none, and not be the last: only `next` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rows<R, C> {
    pub rows: Vec<R>,
    /// What to ask with for the part that follows; none: there is no more.
    pub next: Option<C>,
}

/// Which sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// In the order of their ids.
    Live,
    /// Also those that are over, the latest opened first.
    Ever,
}

/// That a person belongs to a group. Written `group/per_…`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Membership {
    pub group: Label,
    pub person: PersonId,
}

impl std::fmt::Display for Membership {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.group, self.person)
    }
}

/// A text that is no `group/per_…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a place among the members of groups is written `group/per_…`")]
pub struct NoMembership;

impl std::str::FromStr for Membership {
    type Err = NoMembership;

    fn from_str(text: &str) -> Result<Self, NoMembership> {
        let (group, person) = text.split_once('/').ok_or(NoMembership)?;
        let group = group.parse().map_err(|_| NoMembership)?;
        Ok(Self { group, person: person.parse().map_err(|_| NoMembership)? })
    }
}

impl Serialize for Membership {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Membership {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ApiAnswer {
    Welcome(WhoView),
    Receipt(Receipt),
    Refused(Refusal),
    View(View),
}

/// Durable: the entries stand in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    pub seq: u64,
    pub leaf: Hash,
    pub time: Timestamp,
    /// What came of it, when an approval completed a request.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub grant: Option<GrantId>,
    /// Errand or session started.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum View {
    Doctor(DoctorView),
    Who(WhoView),
    People(Rows<PersonView, PersonId>),
    Person(PersonView),
    Keys(Rows<HeldKeyView, Fingerprint>),
    Groups(Rows<MemberView, Membership>),
    Targets(Rows<TargetView, TargetId>),
    Target(TargetView),
    Accounts(Rows<AccountView, AccountId>),
    Account(AccountView),
    Rules(Option<Policy>),
    Motions(Rows<MotionView, MotionId>),
    Motion(Box<MotionView>),
    Requests(Rows<RequestView, RequestId>),
    Request(Box<RequestView>),
    Grants(Rows<GrantView, GrantId>),
    /// None: the request was given nothing that still stands.
    Grant(Option<Box<GrantView>>),
    Sessions(Rows<SessionView, SessionId>),
    Session(SessionView),
    Entries(Rows<EntryView, u64>),
    /// Entries in order, and the checkpoints that cover no more than them and more than what was before them.
    LedgerPage {
        entries: Vec<String>,
        checkpoints: Vec<String>,
    },
    Entry {
        bytes: String,
        proof: InclusionProof,
        checkpoint: String,
    },
    Tegata {
        file: String,
    },
    Checkpoint {
        note: String,
    },
    Ids(Vec<String>),
    Recording {
        header: String,
        sealed: Sealed,
        size: u64,
    },
    /// Base64.
    Bytes {
        bytes: String,
        last: bool,
    },
    /// Oldest first; `next` is where to go on.
    Anchors {
        anchors: Vec<AnchorView>,
        next: Option<u64>,
    },
    Replay {
        entries: u64,
        agrees: bool,
    },
}

/// A recording's point that an anchor binds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnchorView {
    pub seq: u64,
    /// The anchor entry's exact bytes.
    pub bytes: String,
    pub chunks: u64,
    pub chain: Hash,
    pub proof: InclusionProof,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DoctorView {
    pub origin: Option<String>,
    pub missing: Vec<Missing>,
    pub checks: Vec<Check>,
}

/// One line of `doctor`: a message key, its values, and whether it is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    pub key: String,
    pub arguments: BTreeMap<String, String>,
    pub health: Health,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    Well,
    Warning,
    Failing,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhoView {
    pub person: PersonId,
    pub persona: PersonaId,
    pub kind: PersonaKind,
    pub name: Option<String>,
    pub key: Fingerprint,
    pub groups: BTreeSet<Label>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonView {
    pub person: PersonId,
    pub name: Option<String>,
    pub standing: Standing,
    pub personas: Vec<PersonaView>,
    pub groups: BTreeSet<Label>,
    pub same_as: Option<PersonId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonaView {
    pub persona: PersonaId,
    pub kind: PersonaKind,
    pub keys: Vec<KeyView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyView {
    pub fingerprint: Fingerprint,
    pub key: PublicKey,
    pub retired: bool,
}

/// A key and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldKeyView {
    pub fingerprint: Fingerprint,
    pub key: PublicKey,
    pub retired: bool,
    pub persona: PersonaId,
    pub kind: PersonaKind,
    pub person: PersonId,
    pub person_name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberView {
    pub group: Label,
    pub person: PersonId,
    pub person_name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetView {
    pub target: TargetId,
    pub label: Label,
    pub zone: Label,
    pub tier: u8,
    pub address: Option<String>,
    pub host_keys: Vec<Fingerprint>,
    pub clock_offset_ms: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountView {
    pub account: AccountId,
    pub target: TargetId,
    pub target_label: Label,
    pub name: Option<String>,
    pub class: AccountClass,
    pub owner: PersonId,
    pub principal: String,
    /// What the asker would have to meet: longest time, channels, approvals. None: the asker may not ask for it.
    pub terms: Option<domain::rule::Obligations>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MotionView {
    pub motion: MotionId,
    pub act: Act,
    pub proposer: PersonId,
    pub proposer_name: Option<String>,
    /// What a second person signs over.
    pub statement: Hash,
    pub fields: MotionFields,
    pub nonce: Nonce,
    pub expires: Timestamp,
    pub filed_at: Timestamp,
    /// Texts of the act, with their salts, for the one who is to second it.
    pub openings: Vec<Opening>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestView {
    pub request: RequestId,
    pub fields: RequestFields,
    pub statement: Hash,
    /// From these and `fields` the approver's CLI rebuilds the statement and its hash.
    pub nonce: Nonce,
    pub expires: Timestamp,
    pub account: String,
    pub requester: PersonId,
    pub requester_name: Option<String>,
    pub beneficiary: PersonId,
    pub beneficiary_name: Option<String>,
    pub filed_at: Timestamp,
    pub dies: Timestamp,
    /// The purpose with its salt, where the asker may read it.
    pub openings: Vec<Opening>,
    pub approvals: Vec<PersonId>,
    pub needs: Option<domain::rule::Obligations>,
    /// Whether the asker may decide, and if not, why.
    pub may_decide: Result<(), Refusal>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantView {
    pub grant: GrantId,
    pub request: RequestId,
    pub account: String,
    pub account_id: AccountId,
    pub person: PersonId,
    pub person_name: Option<String>,
    pub window: Window,
    pub channels: BTreeSet<Channel>,
    pub purpose: Option<String>,
    pub approvers: Vec<PersonId>,
    pub standing: GrantStanding,
    /// Why it would not open just now.
    pub stands: Result<(), Refusal>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionView {
    pub session: SessionId,
    pub grant: GrantId,
    pub account: String,
    pub account_id: AccountId,
    pub person: PersonId,
    pub person_name: Option<String>,
    pub opened: Timestamp,
    pub ends: Timestamp,
    pub order: Order,
    /// None while it lives.
    pub ended: Option<(Timestamp, SessionEnding)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryView {
    pub seq: u64,
    /// The entry's exact bytes.
    pub bytes: String,
    /// Names of the persons in it, where the asker may read them.
    pub names: BTreeMap<PersonId, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryView {
    pub recovery: RecoveryId,
    pub persona: PersonaId,
    pub key: Fingerprint,
    pub after: Timestamp,
}
