//! What can go wrong in a command: one code for each thing a script or a person would answer differently.
//!
//! The sentence and the hint for people stand in `locales/*/failures.ftl` under `failure-CODE`.

use channel::ChannelError;
use domain::{Refusal, RefusalCode};

use crate::exit::Exit;

/// What a command gives back.
pub(crate) type Outcome<T> = Result<T, Failure>;

macro_rules! failures {
    ($($(#[$doc:meta])* $name:ident $({ $($field:ident),+ $(,)? })? = $code:literal, $exit:ident;)*) => {
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub(crate) enum Failure {
            /// The server said no, and why.
            Refused(Box<Refusal>),
            $($(#[$doc])* $name $({ $($field: String),+ })?),*
        }

        impl Failure {
            /// Stable; printed with `--json` and the key of the message.
            pub(crate) fn code(&self) -> &'static str {
                match self {
                    Self::Refused(refusal) => refusal.code().as_str(),
                    $(failures!(@pattern $name $({ $($field),+ })?) => $code),*
                }
            }

            pub(crate) fn exit(&self) -> Exit {
                match self {
                    Self::Refused(refusal) => exit_of(refusal),
                    $(failures!(@pattern $name $({ $($field),+ })?) => Exit::$exit),*
                }
            }

            /// The values that the sentence names.
            pub(crate) fn arguments(&self) -> Vec<(&'static str, String)> {
                match self {
                    Self::Refused(refusal) => refusal.arguments(),
                    $(Self::$name $({ $($field),+ })? => vec![$($((stringify!($field), $field.clone())),+)?]),*
                }
            }
        }

        /// Every code of this program's own with the names of its values.
        #[cfg(test)]
        pub(crate) const FAILURES: &[(&str, &[&str], Exit)] = &[$(($code, &[$($(stringify!($field)),+)?], Exit::$exit)),*];
    };
    (@pattern $name:ident { $($field:ident),+ }) => { Self::$name { .. } };
    (@pattern $name:ident) => { Self::$name };
}

failures! {
    /// The command line itself; `why` is the parser's own text.
    Usage { why } = "usage", Usage;
    SettingsUnreadable { path, why } = "settings-unreadable", Usage;
    FileUnreadable { path, why } = "file-unreadable", Usage;
    FileTooLong { path, limit } = "file-too-long", Usage;
    FileUnwritable { path, why } = "file-unwritable", Usage;
    /// Nothing is ever written over.
    FileExists { path } = "file-exists", Usage;
    OutputLost { why } = "output-lost", CannotDecide;

    KeyMissing = "key-missing", Usage;
    KeyAmbiguous { keys } = "key-ambiguous", Usage;
    KeyUnreadable { path, why } = "key-unreadable", Usage;
    SigningFailed { key, why } = "signing-failed", CannotDecide;
    /// The signature that came back is not the one that was asked for.
    SignatureWrong { key, why } = "signature-wrong", ProofFails;
    ProgramMissing { program, why } = "program-missing", CannotDecide;
    NotConfirmed = "not-confirmed", Refused;
    NobodyToAsk { option } = "nobody-to-ask", Usage;

    TimeUnreadable { text, why } = "time-unreadable", Usage;
    TimeWithoutZone { text, suggestion } = "time-without-zone", Usage;
    /// The clocks are put forward or back at that hour.
    TimeNotOnce { text, zone } = "time-not-once", Usage;
    DurationUnreadable { text } = "duration-unreadable", Usage;
    WindowMissing = "window-missing", Usage;
    EndNotAfterStart { from, until } = "end-not-after-start", Usage;

    LabelUnreadable { text, why } = "label-unreadable", Usage;
    OriginUnreadable { text } = "origin-unreadable", Usage;
    FingerprintUnreadable { text } = "fingerprint-unreadable", Usage;
    IdUnreadable { text, prefix } = "id-unreadable", Usage;
    IdTooShort { text } = "id-too-short", Usage;
    IdNamesSeveral { text, ids } = "id-names-several", Usage;
    NothingNamed { text } = "nothing-named", Usage;
    /// No row of the list that was asked for is or was called so.
    AfterUnknown { text } = "after-unknown", Usage;
    AfterUnreadable { text, wanted } = "after-unreadable", Usage;
    AccountUnreadable { text } = "account-unreadable", Usage;
    AddressUnreadable { text } = "address-unreadable", Usage;
    GateUnreadable { text } = "gate-unreadable", Usage;

    PolicyUnreadable { path, line, why } = "policy-unreadable", Usage;
    CardUnreadable { path, why } = "card-unreadable", Usage;
    /// The card was made for something else than the verb that was given it.
    CardNotFor { path, wanted } = "card-not-for", Usage;
    CardOfOtherOrigin { path, found, here } = "card-of-other-origin", Usage;
    SharesRefused { why } = "shares-refused", Usage;
    HostKeysMissing = "host-keys-missing", Usage;
    HostKeyUnreadable { path, why } = "host-key-unreadable", Usage;
    ScanFailed { address, why } = "scan-failed", CannotDecide;
    TrustMissing = "trust-missing", Usage;
    TrustUnreadable { path, why } = "trust-unreadable", Usage;
    /// `serve` or `init draft` was started as root, and these users are not on this machine.
    UsersMissing { names } = "users-missing", CannotDecide;
    UsersNotApart { one, other } = "users-not-apart", CannotDecide;
    UserIsRoot { name } = "user-is-root", CannotDecide;
    UserUnknowable { name, why } = "user-unknowable", CannotDecide;
    /// Somebody who is not root could exchange what lies below.
    FolderNotRoots { path, why } = "folder-not-roots", CannotDecide;
    /// The processes' users cannot pass through it.
    FolderClosed { path } = "folder-closed", CannotDecide;
    FolderFailed { path, why } = "folder-failed", CannotDecide;
    KeeperFailed { why } = "keeper-failed", CannotDecide;
    RecoveryKeyDiffers { found, founded } = "recovery-key-differs", ProofFails;

    SocketUnreachable { path, why } = "socket-unreachable", Unreachable;
    GateUnreachable { gate, why } = "gate-unreachable", Unreachable;
    ChannelBroken { why } = "channel-broken", Unreachable;
    OtherVersion { found, ours } = "other-version", Unreachable;
    AnswerUnexpected { wanted } = "answer-unexpected", CannotDecide;
    WaitedTooLong { about } = "waited-too-long", CannotDecide;

    /// The bytes rebuilt from what is shown are not those that the server wants signed.
    StatementNotWhatIsShown { rebuilt, claimed } = "statement-not-what-is-shown", ProofFails;
    /// A text does not open the commitment in the statement.
    TextNotCommitted { kind } = "text-not-committed", ProofFails;
    TextMissing { kind } = "text-missing", ProofFails;
    PossessionFails { key, why } = "possession-fails", ProofFails;
    NamedOtherwise { asked, found } = "named-otherwise", ProofFails;
    OtherFingerprintDiffers { given, found } = "other-fingerprint-differs", ProofFails;
    NotAFounder { key } = "not-a-founder", ProofFails;
    FoundingFails { why } = "founding-fails", ProofFails;

    ProofUnreadable { path, why } = "proof-unreadable", ProofFails;
    /// The server is, or says that it is, another installation than the trusted one.
    OriginDiffers { found, trusted, path } = "origin-differs", ProofFails;
    ServerClockFar { server, here, limit } = "server-clock-far", CannotDecide;
    FoundersDiffer { found, trusted } = "founders-differ", ProofFails;
    CheckpointFails { why } = "checkpoint-fails", ProofFails;
    InclusionFails { why } = "inclusion-fails", ProofFails;
    EntryUnreadable { seq, why } = "entry-unreadable", ProofFails;
    EntryMisplaced { place, said } = "entry-misplaced", ProofFails;
    EntrySignatureFails { seq, why } = "entry-signature-fails", ProofFails;
    EntryBreaksRule { seq, why } = "entry-breaks-rule", ProofFails;
    GrantNotProved { grant } = "grant-not-proved", ProofFails;
    ReplayDiffers { entries } = "replay-differs", ProofFails;
    LedgerUnreadable { path, why } = "ledger-unreadable", ProofFails;
    LedgerCut { entries } = "ledger-cut", ProofFails;
    LedgerDamaged { path } = "ledger-damaged", ProofFails;
    EntryChanged { seq } = "entry-changed", ProofFails;
    EntriesMissing { entries, size } = "entries-missing", ProofFails;
    /// Rewritten so well that only the signed heads tell.
    EntriesReplaced { first, last } = "entries-replaced", ProofFails;
    EntriesUncovered { entries, covered } = "entries-uncovered", ProofFails;
    HistoryRewritten { size } = "history-rewritten", ProofFails;
    HistoryCut { size, entries } = "history-cut", ProofFails;
    AnchorFails { session, why } = "anchor-fails", ProofFails;
    /// The chunks between two anchors are not those that the later one binds.
    RecordingPartChanged { session, first, last, seq, time } = "recording-part-changed", ProofFails;
    RecordingCut { session, chunks, bound, seq } = "recording-cut", ProofFails;
    RecordingEndDiffers { session, bound } = "recording-end-differs", ProofFails;
    RecordingFails { session, why } = "recording-fails", ProofFails;
}

/// A refusal because the server cannot decide just now is neither yes nor no.
fn exit_of(refusal: &Refusal) -> Exit {
    let cannot_decide = [RefusalCode::Unavailable, RefusalCode::ClockDoubted, RefusalCode::TimeWentBack];
    if cannot_decide.contains(&refusal.code()) { Exit::CannotDecide } else { Exit::Refused }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<ChannelError> for Failure {
    fn from(error: ChannelError) -> Self {
        match error {
            ChannelError::OtherVersion { found } => {
                Self::OtherVersion { found: found.to_string(), ours: channel::VERSION.to_string() }
            }
            other => Self::ChannelBroken { why: other.to_string() },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_code_means_one_thing() {
        let own = FAILURES.iter().map(|(code, ..)| *code);
        let all: Vec<&str> = own.chain(RefusalCode::ALL.iter().map(|code| code.as_str())).collect();
        let distinct: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(all.len(), distinct.len());
    }

    #[test]
    fn no_failure_ends_as_success() {
        assert!(FAILURES.iter().all(|(_, _, exit)| *exit != Exit::Done));
        assert_eq!(Failure::from(Refusal::Unavailable).exit(), Exit::CannotDecide);
        assert_eq!(Failure::from(Refusal::ApproverIsRequester).exit(), Exit::Refused);
    }
}
