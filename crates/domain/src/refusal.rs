//! Refusals: normal values, each with its code and what it is about. The sentence in ja or en is made elsewhere from the code.

use serde::{Deserialize, Serialize};
use sshwire::Fingerprint;

use crate::committed::Text;
use crate::event::Subject;
use crate::id::{AccountId, GrantId, MotionId, PersonId, PersonaId, RecoveryId, RequestId, SessionId, TargetId};
use crate::label::Label;
use crate::rule::{Channel, PolicyFault};
use crate::time::Timestamp;

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident $({ $($field:ident: $ty:ty),+ $(,)? })? = $code:literal;)*) => {
        /// Why something may not be. `code()` is stable and documented.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "code", deny_unknown_fields)]
        #[must_use]
        pub enum Refusal { $($(#[$doc])* #[serde(rename = $code)] $name $({ $($field: $ty),+ })?),* }

        /// The code alone, as it stands in an entry.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum RefusalCode { $(#[serde(rename = $code)] $name),* }

        impl Refusal {
            pub fn code(&self) -> RefusalCode {
                match self { $(refusals!(@pattern $name $({ $($field),+ })?) => RefusalCode::$name),* }
            }

            /// The values that the sentence names.
            pub fn arguments(&self) -> Vec<(&'static str, String)> {
                match self { $(Self::$name $({ $($field),+ })? => vec![$($((stringify!($field), $field.to_string())),+)?]),* }
            }
        }

        impl RefusalCode {
            pub const ALL: &'static [RefusalCode] = &[$(RefusalCode::$name),*];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }
        }
    };
    (@pattern $name:ident { $($field:ident),+ }) => { Self::$name { .. } };
    (@pattern $name:ident) => { Self::$name };
}

refusals! {
    NotFounded = "not-founded";
    AlreadyFounded = "already-founded";
    /// Fewer persons or pieces than production needs; `doctor` lists them.
    NotReady = "not-ready";
    FoundingMalformed = "founding-malformed";
    ClockDoubted = "clock-doubted";
    ClockNotDoubted = "clock-not-doubted";
    ClockFarFromConfirmed { confirmed: Timestamp, found: Timestamp } = "clock-far-from-confirmed";
    TimeWentBack = "time-went-back";

    KeyUnknown { key: Fingerprint } = "key-unknown";
    KeyTaken { key: Fingerprint } = "key-taken";
    NotYourPersona { persona: PersonaId } = "not-your-persona";
    StatementExpired { expires: Timestamp } = "statement-expired";
    StatementLivesTooLong { expires: Timestamp } = "statement-lives-too-long";
    NonceUsed = "nonce-used";
    /// A research persona can never ask for, approve or hold privilege.
    ResearchPersona { persona: PersonaId } = "research-persona";
    NotAdministrator = "not-administrator";
    NotAllowed = "not-allowed";
    /// One person alone would leave fewer than two administrators with a key; nothing could be decided by two any more.
    LastAdministrators = "last-administrators";

    PersonUnknown { person: PersonId } = "person-unknown";
    PersonExists { person: PersonId } = "person-exists";
    PersonNotActive { person: PersonId } = "person-not-active";
    PersonNotFrozen { person: PersonId } = "person-not-frozen";
    PersonaUnknown { persona: PersonaId } = "persona-unknown";
    PersonaExists { persona: PersonaId } = "persona-exists";
    AlreadyMember { group: Label } = "already-member";
    NotMember { group: Label } = "not-member";
    AlreadyLinked = "already-linked";

    MotionUnknown { motion: MotionId } = "motion-unknown";
    MotionExists { motion: MotionId } = "motion-exists";
    MotionOver { motion: MotionId } = "motion-over";
    /// The signer is the person whom the act is about.
    SignerIsSubject = "signer-is-subject";
    /// Proposer and seconder are one natural person.
    SeconderIsProposer = "seconder-is-proposer";
    StatementDiffers = "statement-differs";

    TargetUnknown { target: TargetId } = "target-unknown";
    TargetExists { target: TargetId } = "target-exists";
    LabelTaken { label: Label } = "label-taken";
    NoHostKey = "no-host-key";
    AccountUnknown { account: AccountId } = "account-unknown";
    AccountExists { account: AccountId } = "account-exists";
    PrincipalTaken = "principal-taken";
    /// The target's clock was never looked at, or is too far from ours.
    ClockUnseen { target: TargetId } = "clock-unseen";
    ClockFar { target: TargetId, there: Timestamp, here: Timestamp } = "clock-far";
    ErrandNotAllowed { target: TargetId } = "errand-not-allowed";

    NoPolicy = "no-policy";
    PolicyVersion { expected: u64, found: u64 } = "policy-version";
    /// The policy changed since it was shown; look again and sign again.
    PolicyMoved { shown: u64, current: u64 } = "policy-moved";
    PolicyFaulty { fault: PolicyFault } = "policy-faulty";
    /// Deny by default.
    NoRule { account: AccountId } = "no-rule";
    ChannelNotAllowed { channel: Channel } = "channel-not-allowed";
    NoChannel = "no-channel";
    TooManyChannels { most: u64 } = "too-many-channels";

    PurposeMissing = "purpose-missing";
    PurposePlaceholder = "purpose-placeholder";
    TextTooLong { longest: u64 } = "text-too-long";
    TextUnreadable = "text-unreadable";
    OpeningDiffers = "opening-differs";
    WindowInPast { until: Timestamp } = "window-in-past";
    StartInPast { from: Timestamp } = "start-in-past";
    StartTooFar { from: Timestamp } = "start-too-far";
    WindowTooLong { longest_s: u64 } = "window-too-long";
    RequestUnknown { request: RequestId } = "request-unknown";
    RequestExists { request: RequestId } = "request-exists";
    RequestDead { request: RequestId } = "request-dead";
    TooManyPending { most: u64 } = "too-many-pending";
    ApproverIsRequester = "approver-is-requester";
    ApproverIsBeneficiary = "approver-is-beneficiary";
    ApproverNotEligible = "approver-not-eligible";
    ApprovedAlready = "approved-already";
    ApprovalsMissing = "approvals-missing";

    GrantUnknown { grant: GrantId } = "grant-unknown";
    GrantExists { grant: GrantId } = "grant-exists";
    GrantNotYet { from: Timestamp } = "grant-not-yet";
    GrantOver { until: Timestamp } = "grant-over";
    GrantRevoked { grant: GrantId } = "grant-revoked";
    GrantReturned { grant: GrantId } = "grant-returned";
    /// An approver of the grant is frozen, or turned out to be the requester.
    ApprovalTainted { grant: GrantId } = "approval-tainted";
    NoGrant = "no-grant";
    SeveralGrants = "several-grants";
    GrantNotYours { grant: GrantId } = "grant-not-yours";
    LoginUnknown = "login-unknown";

    SessionUnknown { session: SessionId } = "session-unknown";
    SessionExists { session: SessionId } = "session-exists";
    SessionOver { session: SessionId } = "session-over";
    SessionMalformed = "session-malformed";
    TooManySessions { most: u64 } = "too-many-sessions";

    RecoveryUnknown { recovery: RecoveryId } = "recovery-unknown";
    RecoveryExists = "recovery-exists";
    RecoveryTooEarly { after: Timestamp } = "recovery-too-early";

    TooFast { wait_s: u64 } = "too-fast";
    TooLarge = "too-large";
    Unreadable = "unreadable";
    NothingSuch { about: Label } = "nothing-such";
    /// Several things begin with the given characters.
    AmbiguousId = "ambiguous-id";
    BadSignature = "bad-signature";
    PresenceMissing = "presence-missing";
    RestsOnDead = "rests-on-dead";
    /// The engine cannot decide or record just now; nothing opens.
    Unavailable = "unavailable";
    /// Written later than it was asked: the state moved on in between.
    OutOfOrder = "out-of-order";
}

impl std::fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The code with its values; the sentence for people comes from the message catalogue.
impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.code())?;
        for (name, value) in self.arguments() {
            write!(f, " {name}={value}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

impl Refusal {
    /// What the refusal of `text` of kind `T` says when it is too long.
    pub fn too_long<T: Text>() -> Self {
        Self::TextTooLong { longest: u64::try_from(T::LONGEST).expect("a few thousand") }
    }
}

/// Where a refusal names something that exists, for the entry that records it.
impl Refusal {
    pub fn about(&self) -> Option<Subject> {
        match self {
            Self::PersonUnknown { .. } | Self::RequestUnknown { .. } | Self::GrantUnknown { .. } => None,
            Self::GrantOver { .. } | Self::GrantNotYet { .. } => None,
            Self::GrantRevoked { grant }
            | Self::GrantReturned { grant }
            | Self::ApprovalTainted { grant }
            | Self::GrantNotYours { grant } => Some(Subject::Grant(*grant)),
            Self::NoRule { account } => Some(Subject::Account(*account)),
            Self::ClockUnseen { target } | Self::ClockFar { target, .. } => Some(Subject::Target(*target)),
            Self::RequestDead { request } | Self::RequestExists { request } => Some(Subject::Request(*request)),
            Self::PersonNotActive { person } | Self::PersonExists { person } => Some(Subject::Person(*person)),
            Self::SessionOver { session } | Self::SessionExists { session } => Some(Subject::Session(*session)),
            _ => None,
        }
    }
}
