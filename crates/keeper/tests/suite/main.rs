//! The keeper against small whole worlds: what a true ledger gets signed, and what every false one does not.
#![expect(clippy::unwrap_used, reason = "an unwrap that fails is the test failing")]

mod bench;
mod errand;
mod found;
mod head;
mod key_file;
mod memory;
mod mutations;
mod passage;
mod replay;
mod server;
mod speed;
mod vault;
mod world;
