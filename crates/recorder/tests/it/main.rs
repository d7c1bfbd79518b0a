//! Recordings from the first frame to the last reader, and what is told when somebody or something changed them.
#![expect(clippy::unwrap_used, reason = "an unwrap that fails is the test failing")]

mod age_recipients;
mod damage;
mod exports;
mod failing_disk;
mod files;
mod forged;
mod golden;
mod made;
mod round_trip;
