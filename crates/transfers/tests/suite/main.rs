//! The crate as its users see it: an independent model of both sides, and hostile bytes.
#![expect(clippy::unwrap_used, reason = "an unwrap that fails is the test failing")]

mod chance;
mod hostile;
mod model;
mod packets;
mod properties;
mod rules;
mod talk;
