//! A session's bytes as a durable, encrypted, framed file, and back. Knows no sockets, no clock and no ledger writes.
//!
//! The format is documented byte by byte in `spec/recording.md`. Writing: [`Draft::new`], put its
//! [`Draft::header_hash`] into the ledger, [`Draft::create`], [`Writer::frame`] …, [`Writer::sync`] and
//! [`Writer::seal_due`] each second, [`Writer::close`]. Reading: [`Header::of`], have the session key opened,
//! [`Reader::open`]. Checking without a key: [`structure_of`].

pub mod asciicast;
pub mod body;
mod chain;
mod error;
mod format;
mod frame;
mod header;
mod key;
mod reader;
mod reserve;
mod structure;
pub mod text;
mod workbench;
mod writer;

pub use chain::Anchor;
pub use error::{Error, Fault, Result};
pub use format::{MAX_CHUNK, MAX_FRAME, MAX_HEADER};
pub use frame::{Direction, Frame, Kind, Totals};
pub use header::{Header, MAX_RECIPIENTS, Recipient, RecipientKind, Recipients, header_bytes, sealing_context};
pub use key::SessionKey;
pub use reader::{Cut, Ending, LastFrame, Reader};
pub use reserve::Reserve;
pub use structure::{Point, State, Structure, structure, structure_of};
pub use writer::{CHUNK_AGE, Closed, Draft, PendingSync, Sink, Status, Writer};
