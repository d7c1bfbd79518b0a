//! The old scp protocol (`scp -O`, and clients older than OpenSSH 9): recognised by its exec line, followed without changing a byte.
//!
//! The side that sends writes lines (`C` a file, `D` into a directory, `E` out of it, `T` times) and content; the side that receives answers each
//! with a zero byte, or with 1 or 2 and a sentence. Nothing in the protocol can be refused by who stands between without breaking it: which
//! way, and into which path, is known from the [`Command`] before it begins, and that is what to judge.
//!
//! A sender that does not wait for its answers is followed as if they were "yes"; where one then is "no", the receiver reads the bytes that came
//! after as something else than the sender meant, and track is lost ([`Lost`]).

mod command;
mod line;
mod lost;
mod watch;

pub use command::{Command, Word};
pub use lost::{Lost, WhyLost};
pub use watch::Watch;

/// Longest line, its end included, bytes: OpenSSH's buffer.
pub const MAX_LINE: usize = 2047;
/// Directories within directories.
pub const MAX_DEPTH: usize = 128;
/// Bytes of a path made of directories and a name.
pub const MAX_PATH: usize = 64 << 10;
/// Answers that a sender may be ahead of.
pub const MAX_AHEAD: usize = 1024;
/// Longest exec line that is looked at, bytes.
pub const MAX_COMMAND: usize = 64 << 10;
