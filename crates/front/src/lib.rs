//! The process that faces the network: gateways, recordings being written, and the line to engine. Holds a host key and live sessions' keys only.

mod clock;
mod ends;
mod errands;
mod gate;
mod host_key;
mod line;
mod spool;
mod start;
mod tapes;
mod target_clock;

pub use gate::Phrases;
pub use start::{Config, FrontError, run};
