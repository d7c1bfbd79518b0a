//! The permit: statements that persons sign, the signatures, the chain to the founders, and the file that proves a grant. No clock, no I/O.

pub mod anchors;
pub mod closure;
mod permit;
pub mod replay;
pub mod signatures;
pub mod statement;
pub mod whole;

pub use permit::{Fault, LONGEST_TEGATA, ServersWord, Tegata, Trust, Verdict, VerifiedTegata, Voice, log_verifier};
