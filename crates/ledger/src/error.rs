//! What can go wrong, told apart by what the caller should do about it.

use crate::{KeyName, Origin};

/// Why bytes were refused, a proof does not hold, or something could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are not of the format they claim: refuse the input.
    #[error("{what} is malformed: {why}")]
    Malformed {
        /// The format that was expected.
        what: &'static str,
        /// The rule that was broken.
        why: &'static str,
    },
    /// A trust policy breaks its grammar: show the line to whoever wrote it.
    #[error("trust policy line {line}: {why}")]
    MalformedPolicy {
        /// Counted from 1.
        line: usize,
        /// The rule that was broken, with the word that broke it.
        why: String,
    },
    /// The input is larger than this crate reads or writes.
    #[error("{what} is over its limit of {limit}")]
    TooLarge {
        /// What was measured, with its unit.
        what: &'static str,
        /// The most that is accepted.
        limit: u64,
    },
    /// Something was asked of a tree that it cannot have: an index past its end, a prefix longer than itself.
    #[error("a tree of {size} entries has no {what} {asked}")]
    OutOfRange {
        /// Number of leaves of the tree that was asked.
        size: u64,
        /// Kind of thing asked for.
        what: &'static str,
        /// The number asked for.
        asked: u64,
    },
    /// The stored tree lacks a node it must have: the store is damaged or behind.
    #[error("stored tree lacks node {index} at level {level}")]
    MissingNode {
        /// Height above the leaves.
        level: u8,
        /// Position within the level.
        index: u64,
    },
    /// A proof does not lead to the root it was held against.
    #[error("{proof} proof does not hold: {why}")]
    ProofFails {
        /// Which proof.
        proof: &'static str,
        /// What does not fit.
        why: &'static str,
    },
    /// None of the trusted keys signed the note: perhaps it was signed by a key not yet known here.
    #[error("note carries no signature by a trusted key")]
    NoTrustedSignature,
    /// A line names a trusted key, yet its signature is wrong: somebody altered the note or the line.
    #[error("signature in the name of `{key}` does not verify")]
    BadSignature {
        /// Name in the signature line.
        key: KeyName,
    },
    /// A checkpoint or a key belongs to another log than the one at hand.
    #[error("checkpoint is of log `{found}`, the key is of `{expected}`")]
    OtherLog {
        /// Name of the key at hand.
        expected: KeyName,
        /// Origin of the checkpoint.
        found: Origin,
    },
    /// The checkpoint is the log's, but too few witnesses cosigned it: wait, or ask them again.
    #[error("cosignatures do not reach the quorum of the trust policy")]
    QuorumNotMet,
    /// The signing key could not be used.
    #[error("signing as `{key}` failed")]
    SignerFailed {
        /// Name of the key.
        key: KeyName,
    },
}
