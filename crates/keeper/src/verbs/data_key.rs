//! `new_data_key`, `unwrap_data_key`: keys for persons' texts, wrapped under the vault key and bound to their owner.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use channel::keeper::{Answer, DataKeyAnswer, KeeperRefusal, Owner};
use envelope::{DataKey, Secret};

use crate::Keeper;

/// Suite, nonce, key and tag in base64url, with some room for a later suite.
const LONGEST_WRAPPED: usize = 256;
const KEY_LEN: usize = 32;

impl<C> Keeper<C> {
    pub(crate) fn new_data_key(&self, owner: Owner) -> Result<Answer, KeeperRefusal> {
        let key = DataKey::random();
        let wrapped = self.keys.vault().seal(&bound_to(owner), key.secret().expose()).map_err(malformed)?;
        Ok(answer(key.secret().expose(), URL_SAFE_NO_PAD.encode(wrapped)))
    }

    pub(crate) fn unwrap_data_key(&self, owner: Owner, wrapped: &str) -> Result<Answer, KeeperRefusal> {
        if wrapped.len() > LONGEST_WRAPPED {
            return Err(malformed("a wrapped key is not that long"));
        }
        let sealed = URL_SAFE_NO_PAD.decode(wrapped).map_err(malformed)?;
        let opened: Secret<Vec<u8>> = self.keys.vault().open(&bound_to(owner), &sealed).map_err(malformed)?;
        let key = opened.expose().first_chunk::<KEY_LEN>().filter(|_| opened.expose().len() == KEY_LEN);
        Ok(answer(key.ok_or_else(|| malformed("what is wrapped is no key"))?, wrapped.to_owned()))
    }
}

/// One person's key does not open as another's.
fn bound_to(owner: Owner) -> Vec<u8> {
    format!("sekimori/data-key/v1\n{owner}").into_bytes()
}

fn answer(key: &[u8; KEY_LEN], wrapped: String) -> Answer {
    // In one piece, so that growing leaves no copies behind.
    let mut hex = String::with_capacity(2 * KEY_LEN);
    for byte in key {
        hex.push(digit(byte >> 4));
        hex.push(digit(byte & 15));
    }
    Answer::DataKey(DataKeyAnswer { key: hex, wrapped })
}

fn digit(nibble: u8) -> char {
    char::from_digit(nibble.into(), 16).expect("four bits are a digit")
}

fn malformed(why: impl ToString) -> KeeperRefusal {
    KeeperRefusal::Malformed { why: why.to_string() }
}
