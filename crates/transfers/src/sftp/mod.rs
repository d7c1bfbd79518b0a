//! SFTP version 3, as OpenSSH speaks it: a filter for one channel.
//!
//! draft-ietf-secsh-filexfer-02, with the extensions of OpenSSH's `PROTOCOL` file. What is read strictly and what then happens:
//!
//! | what | then |
//! |---|---|
//! | a request that is refused, malformed (bytes left over too), of unknown type or flags, on a handle that is not open or not for this, beyond a limit | not forwarded; the client is answered with a status and a sentence |
//! | an extension that is not known | judged as [`FileAct::Other`](crate::FileAct::Other) |
//! | client: first packet no `INIT`, a second one, a version below 3, a request before the version is known (if it offered more than 3), an id that still waits | the channel ends |
//! | target: first packet no `VERSION`, another version than 3, an answer to what was never asked or is answered already, of a type that does not fit, more content than was asked for, a handle that is open already | the channel ends |
//! | either: a packet longer than the limit, or too short for what it is | the channel ends |
//!
//! What ends the channel is a [`Broken`]; nothing of the packet is forwarded then, nor anything after it, in either direction.
//!
//! The caller hands out what it gets for one side in the order in which it got it, whichever method it came from: the gate's own answers come out of
//! [`Filter::client`] while the target is silent, and out of [`Filter::target`] where they had to wait for the end of a packet.

mod broken;
mod files;
mod filter;
mod limits;
mod pending;
mod reply;
mod request;
mod wire;

pub use broken::{Broken, Fault};
pub use filter::{Filter, Passed, Standing};
pub use limits::Limits;
