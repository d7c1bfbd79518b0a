//! The gateway between the system's own ssh and the system's own sshd.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test that calls them")]

mod ending;
mod files;
mod flow;
mod forwarding;
mod hostile;
mod passing;
mod refusing;
mod world;
