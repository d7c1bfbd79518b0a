//! Why a key, a sealed message or a text form was not accepted.

/// A refusal by this crate. No variant carries secret bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Written by a suite that this version does not know: a newer version is needed.
    #[error("{what} is of suite {found}, this version knows suite {known}", known = crate::SUITE)]
    UnknownSuite { what: &'static str, found: u8 },
    /// The bytes cannot be what they are said to be.
    #[error("{what} has {found} bytes, which is not a length it can have")]
    WrongLength { what: &'static str, found: usize },
    /// The text is not the one canonical form: another alphabet, padding, a prefix or a checksum that does not fit.
    #[error("{what} is not in its canonical text form")]
    NotCanonical { what: &'static str },
    /// The key material itself is refused by the algorithm, or its two halves do not fit each other.
    #[error("{what} is damaged or was never a valid key")]
    BadKey { what: &'static str },
    /// More plaintext than this kind of sealing takes.
    #[error("{what} would be {found} bytes long, the limit is {limit}")]
    TooLong { what: &'static str, found: usize, limit: usize },
    /// Authentication failed.
    #[error("{what} does not open: another key, another context, or changed bytes")]
    DoesNotOpen { what: &'static str },
    /// The key is not the one the commitment was made with.
    #[error("the key is not the one that {what} commits to")]
    WrongKey { what: &'static str },
    /// A stream has used its last chunk number.
    #[error("the stream has no chunk number left")]
    StreamExhausted,
}
