//! The whole gate in one process, through Debian's real `ssh` to Debian's real `sshd`.

mod passage;
mod scene;
