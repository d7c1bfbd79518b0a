//! What was sealed, to the keeper or under a data key: nothing opens but what was sealed.

use envelope::{DataKey, Sealed, SealingKey, Secret};

use crate::seeds;

pub(super) fn sealed(data: &[u8]) {
    if let Ok(sealed) = Sealed::from_bytes(data.to_vec()) {
        assert_eq!(sealed.as_bytes(), data);
        let (context, original) = seeds::sealed_session_key();
        if seeds::reading_key().open(context, &sealed).is_ok() {
            assert_eq!(&sealed, original, "something else than what was sealed opens");
        }
    }
    if let Ok(key) = SealingKey::from_bytes(data) {
        assert_eq!(key.to_bytes(), data);
    }
    if let Ok(key) = std::str::from_utf8(data).unwrap_or_default().parse::<SealingKey>() {
        assert_eq!(SealingKey::from_bytes(&key.to_bytes()).unwrap(), key);
    }
    if let Ok(opened) = data_key().open(b"whose", data) {
        assert_eq!(opened.expose().as_slice(), seeds::MESSAGE, "something else than what was sealed opens");
    }
}

pub(crate) fn data_key() -> DataKey {
    DataKey::from_secret(Secret::new([7; 32]))
}
