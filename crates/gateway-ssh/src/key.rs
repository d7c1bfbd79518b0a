//! Between russh's keys and ours.

use russh::keys::ssh_key;
use sshwire::PublicKey;

/// Our form of a key that russh has read; `None` for a kind of key we do not take.
pub(crate) fn ours(key: &ssh_key::PublicKey) -> Option<PublicKey> {
    PublicKey::from_wire(&key.to_bytes().ok()?).ok()
}

/// The host key algorithm that shows this key.
pub(crate) fn algorithm(key: &PublicKey) -> Option<ssh_key::Algorithm> {
    ssh_key::PublicKey::from_bytes(key.wire()).ok().map(|key| key.algorithm())
}
