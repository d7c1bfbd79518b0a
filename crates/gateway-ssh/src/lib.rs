//! The SSH gateway: real OpenSSH clients on one side, real OpenSSH servers on the other; obeys the terms it is given, holds no policy.

pub mod authorise;
mod bridge;
mod client;
pub mod clock;
mod connection;
pub mod errand;
mod files;
mod first_words;
mod forward;
pub mod gate;
mod greeting;
mod inbox;
mod key;
pub mod login;
pub mod masking;
pub mod notice;
mod seam;
pub mod server;
pub mod sessions;
pub mod tape;
mod target;
mod valve;
