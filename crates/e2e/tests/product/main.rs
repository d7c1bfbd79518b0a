//! End to end through the built program.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod story;
