//! File transfers that pass through a gateway, as byte streams: what is asked is judged, what was done comes out as facts. Knows no socket, no
//! file, no clock, and not who transfers.
//!
//! [`sftp::Filter`] stands in an `sftp` channel and lets through what its [`Oversight`] allows. [`scp::Command`] recognises an exec line that starts
//! an scp server, and [`scp::Watch`] follows what is then said. Both sides may lie: neither the bytes of the client nor those of the target are
//! trusted to be what the protocol wants.
//!
//! # Laws
//!
//! 1. **What is allowed passes as it is**: the very bytes, in order, each as soon as the head of its packet is known. Content is not copied; what goes
//!    on is told as ranges of the input ([`Onward`]).
//! 2. **What is refused does not reach the target**, not a byte of it. The client gets one answer to each request: the target's or the gate's own,
//!    the latter between two packets.
//! 3. **A fact is made when something has ended** ([`Fact`]): each judged request has one [`Fact::Act`] with the target's status, or says that it was
//!    refused or never answered; each file that was opened has one [`Fact::File`] when it was closed or the channel ended.
//! 4. **A digest is a proof or is not there**: it is of the bytes `0..end`, each of which passed exactly once, in order or put in order within a
//!    bounded window, and up to the end that the target itself told. Else the fact says why there is none ([`Undigested`]).
//! 5. **A stream that does not read ends the channel** ([`sftp::Broken`]), with whose it was, where and why. An scp stream cannot be held up, so there
//!    following ends instead ([`Fact::LostTrack`]), and what passed unread is counted.
//! 6. **Everything is bounded** ([`sftp::Limits`], the constants of [`scp`]): what a peer says decides neither memory nor time beyond them.
//!
//! What cannot be seen: what a file holds besides what passed (see [`FileFact::is_whole`]), what paths mean on the target (links, its current folder), and
//! whether the target's answers are true.
#![warn(clippy::indexing_slicing)]

mod act;
mod facts;
mod flow;
mod onward;
mod oversight;
mod path;
pub mod scp;
pub mod sftp;

pub use act::{Attributes, FileAct, Writing};
pub use facts::{
    ActFact, Detail, Digest, Direction, DirectoryFact, Fact, FileFact, FileId, Flow, Oddity, Outcome, Place, Refusal,
    ScpFile, SftpFile, Side, Status, Undigested,
};
pub use onward::{Onward, Piece};
pub use oversight::{AllowAll, Kept, Oversight, Verdict};
pub use path::RawPath;
