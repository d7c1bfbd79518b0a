//! `status`: which head was signed last, and the public keys.

use channel::keeper::{Answer, Status};

use crate::Keeper;

impl<C> Keeper<C> {
    pub(crate) fn status(&self) -> Answer {
        let keys = self.keys.public();
        let last = self.memory.last();
        Answer::Status(Status {
            last: last.map(|last| (last.head.size, last.head.root)),
            last_serial: last.and_then(|last| last.serial),
            founded: self.founded.is_some(),
            log_key: keys.log,
            ca_key: keys.ca,
            reading_key: keys.reading,
        })
    }
}
