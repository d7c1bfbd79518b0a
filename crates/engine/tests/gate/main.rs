//! The engine with a real keeper and store, asked over its sockets as the CLI and front would.

mod clock;
mod lists;
mod lost;
mod passage;
mod peers;
mod refusals;
mod snapshots;
