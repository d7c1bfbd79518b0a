//! Secrets in memory and sealed bytes: keys, sealing to a public key, commitments, printed shares. Knows no files.

mod aead;
mod commitment;
mod error;
mod kdf;
mod seal;
mod secret;
pub mod shares;
mod text;

pub use aead::{DataKey, MAX_DATA, StreamKey, StreamOpener, StreamSealer, TAG_LEN};
pub use commitment::{Salt, commit, opens};
pub use error::Error;
pub use seal::{MAX_SEALED_PLAINTEXT, OpeningKey, Sealed, SealingKey};
pub use secret::Secret;

/// The suite this version writes and reads: X25519 + ML-KEM-768, HKDF-SHA256, AES-256-GCM, HMAC-SHA256.
pub const SUITE: u8 = 1;
