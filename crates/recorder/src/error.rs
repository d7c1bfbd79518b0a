//! What went wrong with a recording, named so that the caller knows what to do and an auditor knows where to look.

use std::{io, path::PathBuf};

use ledger::Hash;

pub type Result<T> = std::result::Result<T, Error>;

/// A refusal or failure of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused; nothing was recorded.
    #[error("cannot {what} `{path}`: {source}")]
    File { what: &'static str, path: PathBuf, source: io::Error },
    /// A chunk could not be written. The frame was taken and is held in memory; make room and call [`crate::Writer::retry`].
    #[error("chunk {chunk} cannot be written: {source}")]
    NotWritten { chunk: u64, source: io::Error },
    /// An earlier chunk still cannot be written. The frame was *not* taken.
    #[error("the recording waits for chunk {chunk} to be written: {source}")]
    Backlogged { chunk: u64, source: io::Error },
    /// The disk did not confirm written bytes. After one such failure no later confirmation can be believed.
    #[error("what was recorded cannot be made durable: {why}")]
    NotDurable { why: String },
    /// A frame beyond [`crate::MAX_FRAME`]; not taken.
    #[error("a frame of {found} bytes is longer than {limit}")]
    FrameTooLong { found: usize, limit: usize },
    /// The last chunk has been written.
    #[error("the recording is closed")]
    AlreadyClosed,

    /// A session, origin or label that a header cannot carry.
    #[error("{what} `{found}` cannot stand in a recording's header")]
    UnfitName { what: &'static str, found: String },
    /// Not an age recipient of the X25519 kind.
    #[error("`{label}` is no age X25519 recipient: {why}")]
    BadAgeRecipient { label: String, why: &'static str },
    /// Not an age identity of the X25519 kind. The identity is not repeated.
    #[error("this is no age X25519 identity: {why}")]
    BadAgeIdentity { why: &'static str },
    /// The header has no key for this reader.
    #[error("the recording is not sealed to this {kind} key")]
    NotARecipient { kind: &'static str },
    #[error(transparent)]
    Envelope(#[from] envelope::Error),

    /// Reading failed below the format.
    #[error("cannot read the recording: {0}")]
    Unreadable(#[source] io::Error),
    /// The first bytes are not a recording's.
    #[error("this is no recording")]
    NotARecording,
    /// Written by a later version or with another suite.
    #[error("the recording has {what} {found}, this version reads {known}")]
    Unknown { what: &'static str, found: u8, known: u8 },
    /// The file ends within its header.
    #[error("the recording ends within its header")]
    TruncatedHeader,
    /// The header cannot be read as one.
    #[error("the recording's header is malformed: {why}")]
    BadHeader { why: String },
    /// The header is not the one the ledger knows, or was changed after it was written.
    #[error("the recording's header was changed or is another's: its hash is {found}{}", .expected.map(|hash| format!(", expected {hash}")).unwrap_or_default())]
    WrongHeader { found: Hash, expected: Option<Hash> },
    /// The session key is of another recording.
    #[error("the key is not this recording's")]
    WrongKey,
    /// Chunk `chunk` is not what was written there.
    #[error("chunk {chunk} {fault}")]
    BadChunk { chunk: u64, fault: Fault },
    /// The ledger has anchored chunks that are not in the file.
    #[error("the recording was cut off: chunk {chunk} is anchored but missing")]
    TruncatedAt { chunk: u64 },
    /// The chunks up to `chunk` are not those that were anchored.
    #[error("the recording up to chunk {chunk} differs from what was anchored")]
    AnchorDiffers { chunk: u64 },
    /// Something was appended after the last chunk.
    #[error("bytes follow the last chunk, {after}")]
    TrailingBytes { after: u64 },
    /// An export could not be written out.
    #[error("cannot write the export: {0}")]
    Export(#[source] io::Error),
}

/// What is wrong with a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("is missing: chunk {found} stands in its place")]
    OutOfOrder { found: u64 },
    #[error("has flags {found:#04x} that no chunk has")]
    UnknownFlags { found: u8 },
    #[error("claims {found} bytes, more than a chunk can have")]
    TooLong { found: u32 },
    #[error("does not open: it was changed, moved, comes from another recording or was torn by a power cut")]
    DoesNotOpen,
    #[error("does not decompress")]
    DoesNotDecompress,
    #[error("holds frames that cannot be read: {0}")]
    BadFrames(&'static str),
    #[error("ends the recording with totals that differ from its frames")]
    TotalsDiffer,
}
