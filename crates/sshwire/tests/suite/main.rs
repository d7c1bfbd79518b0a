//! The crate beside the real `ssh-keygen`, beside an authenticator made of software, and against hostile bytes.
#![expect(clippy::unwrap_used, reason = "helpers of tests stop where a test would")]

mod certificates;
mod hardware_keys;
mod hostile_bytes;
mod keys;
mod signatures;
mod software_token;
mod workshop;
