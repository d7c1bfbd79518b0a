//! Real OpenSSH servers and clients on loopback, for tests, benches and the demo. Knows nothing of Sekimori's own types.

pub mod clock;
pub mod installation;
pub mod keys;
pub mod namespaced;
pub mod process;
pub mod scratch;
pub mod ssh;
pub mod sshd;
pub mod users;

pub use clock::SetClock;
pub use installation::{Installation, Person};
pub use keys::KeyPair;
pub use namespaced::{Attached, Namespaced};
pub use process::{Tame, Trouble};
pub use scratch::Scratch;
pub use ssh::SshClient;
pub use sshd::{Server, Settings, Sshd};
pub use users::Users;

/// A server that certificates open, however it is kept apart.
pub trait Target {
    /// On 127.0.0.1.
    fn port(&self) -> u16;

    /// `ssh-ed25519 AAAA…`, without a comment.
    fn host_key(&self) -> &str;

    /// Takes user certificates of this authority, and of no other.
    ///
    /// # Errors
    /// When the target's file cannot be written.
    fn trust(&self, authority: &str) -> Result<(), Trouble>;

    /// From now on these lines, and no others, are the principals that may log in as `user`.
    ///
    /// # Errors
    /// When the target's file cannot be written.
    fn admit(&self, user: &str, principals: &[&str]) -> Result<(), Trouble>;

    /// What its sshd wrote so far.
    fn log(&self) -> String;
}
