//! The whole gate in one process, through Debian's real `ssh` to Debian's real `sshd`.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod passage;
mod scene;
