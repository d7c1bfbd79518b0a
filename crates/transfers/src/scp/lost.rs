//! Why scp streams can no longer be followed.

use thiserror::Error;

use crate::facts::Side;

/// Track was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the {by}'s stream does not read as scp at its byte {at}: {why}")]
pub struct Lost {
    pub by: Side,
    /// Bytes from the start of that side's stream.
    pub at: u64,
    pub why: WhyLost,
}

/// What did not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WhyLost {
    #[error("a line is none of C, D, E, T")]
    NoSuchLine,
    #[error("a line does not read")]
    UnreadableLine,
    #[error("a line is longer than {} bytes", super::MAX_LINE)]
    LineTooLong,
    #[error("a directory ends that was not begun")]
    NotInDirectory,
    #[error("directories lie too deep or have too long names")]
    TooDeep,
    #[error("an answer is neither 0 nor 1 nor 2")]
    NoSuchAnswer,
    #[error("an answer comes to what was not sent")]
    AnswerToNothing,
    #[error("a file is confirmed before its content has passed")]
    ConfirmedTooEarly,
    #[error("what was already under way was not wanted")]
    SentUnwanted,
    #[error("the sender is too far ahead of the answers")]
    TooFarAhead,
    #[error("something comes after the end")]
    AfterTheEnd,
}
