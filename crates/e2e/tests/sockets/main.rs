//! What happens at the Unix sockets of a real installation: many clients while engine is killed, and bytes that are no question.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod caller;
mod kills;
mod raw;
