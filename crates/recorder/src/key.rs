//! The session key on its way from a recipient's sealed copy to the reader.

use envelope::{OpeningKey, Secret, StreamKey};

use crate::{Error, Header, RecipientKind, Result, sealing_context};

/// The key of one recording. Opening it is an act that the ledger should know of before the first byte is read.
#[derive(Debug)]
pub struct SessionKey(StreamKey);

impl SessionKey {
    /// Opens the keeper's copy, for whoever holds the reading key itself.
    ///
    /// # Errors
    /// [`Error::NotARecipient`], [`Error::Envelope`] when it does not open, [`Error::WrongKey`] when it is another session's.
    pub fn open_with_keeper(header: &Header, key: &OpeningKey) -> Result<Self> {
        let context = sealing_context(header.origin(), header.session());
        Self::from_opened(header, &key.open(&context, &header.sealed_for_keeper()?)?)
    }

    /// Takes the 32 bytes that the keeper opened and handed over.
    ///
    /// # Errors
    /// [`Error::Envelope`] for another length, [`Error::WrongKey`] when they are another session's.
    pub fn from_opened(header: &Header, opened: &Secret<Vec<u8>>) -> Result<Self> {
        let key = StreamKey::from_opened(opened)?;
        header.confirm(&key)?;
        Ok(Self(key))
    }

    /// Opens an outside auditor's copy with an `AGE-SECRET-KEY-1…` identity.
    ///
    /// # Errors
    /// [`Error::BadAgeIdentity`], [`Error::NotARecipient`] when no copy opens, [`Error::WrongKey`] when it is another session's.
    pub fn open_with_age(header: &Header, identity: &Secret<String>) -> Result<Self> {
        let identity: age::x25519::Identity =
            identity.expose().trim().parse().map_err(|why| Error::BadAgeIdentity { why })?;
        let copies = header.recipients().iter().filter(|recipient| recipient.kind == RecipientKind::Age);
        let opened = copies.filter_map(|copy| age::decrypt(&identity, &copy.sealed).ok()).map(Secret::new).next();
        Self::from_opened(header, &opened.ok_or(Error::NotARecipient { kind: "age" })?)
    }

    pub(crate) const fn stream(&self) -> &StreamKey {
        &self.0
    }
}
