//! What goes wrong around the gate, or is done to it on purpose: a clear error or a limit, the others unharmed, nothing lost.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod approvers;
mod client;
mod clients;
mod clocks;
mod disk;
mod ledger;
mod races;
mod relay;
mod screens;
mod targets;
