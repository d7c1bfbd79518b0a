//! The recovery key: made once, printed as shares, never stored. Needs none of the keeper's own keys.

use std::fmt;

use envelope::Secret;
use envelope::shares::{self, Share, ShareError};
use sshwire::{Fingerprint, PublicKey, SoftSigner};

use crate::keys::{fill, random_seed};

/// Why shares do not give the recovery key.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    #[error(transparent)]
    Shares(#[from] ShareError),
    #[error("the shares give key `{found}`, the founding names `{expected}`")]
    OtherKey { expected: Fingerprint, found: Fingerprint },
}

/// A fresh recovery key, for as long as it takes to print it.
pub struct RecoveryKey {
    seed: Secret<[u8; 32]>,
    public: PublicKey,
}

impl RecoveryKey {
    /// A key from the operating system's generator.
    #[must_use]
    pub fn generate() -> Self {
        let seed = random_seed();
        let public = SoftSigner::from_seed(seed.expose()).public_key().clone();
        Self { seed, public }
    }

    /// What the founding binds.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Shares to print, any `threshold` of which give the key back; the key itself is gone.
    ///
    /// # Errors
    /// [`ShareError::ImpossibleSplit`].
    pub fn into_shares(self, threshold: u8, count: u8) -> Result<Vec<Share>, ShareError> {
        shares::split(&self.seed, threshold, count, fill)
    }
}

impl fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RecoveryKey").field(&self.public.fingerprint()).finish()
    }
}

/// The signer for the ceremony. `expected` is the recovery key of the founding.
///
/// # Errors
/// [`RecoveryError::Shares`] when they do not belong together or are too few, [`RecoveryError::OtherKey`] when they are
/// another installation's.
pub fn signer_from_shares(shares: &[Share], expected: &PublicKey) -> Result<SoftSigner, RecoveryError> {
    let signer = SoftSigner::from_seed(shares::combine(shares)?.expose());
    if signer.public_key() == expected {
        return Ok(signer);
    }
    Err(RecoveryError::OtherKey { expected: expected.fingerprint(), found: signer.public_key().fingerprint() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_shares_give_the_key_back_and_fewer_do_not() {
        let key = RecoveryKey::generate();
        let public = key.public_key().clone();
        let shares = key.into_shares(2, 3).unwrap();
        assert_eq!(signer_from_shares(&shares[1..], &public).unwrap().public_key(), &public);
        assert!(matches!(signer_from_shares(&shares[..1], &public), Err(RecoveryError::Shares(_))));
    }

    #[test]
    fn shares_of_another_installation_are_named_as_such() {
        let expected = RecoveryKey::generate().public_key().clone();
        let shares = RecoveryKey::generate().into_shares(2, 2).unwrap();
        assert!(matches!(signer_from_shares(&shares, &expected), Err(RecoveryError::OtherKey { .. })));
    }

    #[test]
    fn nothing_of_the_key_is_printed() {
        let key = RecoveryKey::generate();
        assert_eq!(format!("{key:?}"), format!("RecoveryKey({})", key.public_key().fingerprint()));
    }
}
