//! Why a channel cannot go on.

use thiserror::Error;

use crate::facts::Side;

/// The channel ends: whose stream did not read, where, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the {by}'s stream cannot be followed from its byte {at}: {fault}")]
pub struct Broken {
    pub by: Side,
    /// Where in that side's stream the packet begins, bytes from its start.
    pub at: u64,
    pub fault: Fault,
}

/// What was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Fault {
    #[error("it does not begin as SFTP does")]
    NotSftp,
    #[error("a packet is {length} bytes long, {limit} are allowed")]
    PacketTooLong { length: u32, limit: usize },
    #[error("a packet of type {packet} is too short")]
    PacketTooShort { packet: u8 },
    #[error("a packet of type {packet} does not read as SFTP version 3")]
    Malformed { packet: u8 },
    #[error("version {0} of SFTP is spoken, version 3 is followed")]
    OtherVersion(u32),
    #[error("it begins a second time")]
    BegunTwice,
    #[error("a request came before the version was agreed on")]
    TooEarly,
    #[error("request {id} is asked again while it waits for its answer")]
    IdStillWaits { id: u32 },
    #[error("request {id} is answered, but waits for no answer")]
    NeverAsked { id: u32 },
    #[error("request {id} is answered with a packet of type {packet}, which does not fit")]
    AnswerDoesNotFit { id: u32, packet: u8 },
    #[error("request {id} asked for {asked} bytes and is answered with {length}")]
    MoreThanAsked { id: u32, asked: u32, length: u32 },
    #[error("the handle given for request {id} is open already")]
    HandleOpenAlready { id: u32 },
    #[error("the handle given for request {id} is longer than 256 bytes")]
    HandleTooLong { id: u32 },
    #[error("answers to refused requests wait for it to finish a packet, beyond {limit} bytes")]
    AnswersPileUp { limit: usize },
}

impl Fault {
    /// What somebody who sees this may do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotSftp => {
                "a shell that prints something at login breaks SFTP; have the account's start-up files print only on a terminal"
            }
            Self::PacketTooLong { .. } => "have the client use smaller blocks, e.g. sftp -B 32768",
            Self::OtherVersion(_) | Self::TooEarly | Self::BegunTwice => "have the client speak SFTP version 3",
            Self::PacketTooShort { .. } | Self::Malformed { .. } => "try the system's own sftp",
            Self::IdStillWaits { .. } => "the client uses one number for two requests; try another client",
            Self::AnswersPileUp { .. } => "try again with fewer requests at a time",
            Self::NeverAsked { .. }
            | Self::AnswerDoesNotFit { .. }
            | Self::MoreThanAsked { .. }
            | Self::HandleOpenAlready { .. }
            | Self::HandleTooLong { .. } => {
                "the target's SFTP server does not keep to the protocol; look at which one it runs"
            }
        }
    }
}
