//! `found`: whose installation this keeper serves, once and for ever.

use channel::keeper::{Answer, KeeperRefusal};

use crate::Keeper;
use crate::founded::{Founded, NotFounding};
use crate::memory::MemoryError;

impl<C> Keeper<C> {
    pub(crate) fn found(&mut self, entry: &str) -> Result<Answer, KeeperRefusal> {
        if let Some(known) = &self.founded {
            return if known.entry == entry { Ok(Answer::Founded) } else { Err(KeeperRefusal::FoundedAlready) };
        }
        let founded = Founded::check(entry, &self.keys.public()).map_err(refusal)?;
        self.memory
            .found(entry)
            .map_err(|error: MemoryError| KeeperRefusal::CannotRemember { why: error.to_string() })?;
        self.founded = Some(founded);
        Ok(Answer::Founded)
    }
}

fn refusal(fault: NotFounding) -> KeeperRefusal {
    let why = fault.to_string();
    match fault {
        NotFounding::Unreadable(_) => KeeperRefusal::Malformed { why },
        NotFounding::NoFounding { .. } | NotFounding::OtherKey { .. } | NotFounding::Checkpoint(_) => {
            KeeperRefusal::EntryDiffers { why }
        }
        NotFounding::Signature(_) | NotFounding::Rule(_) => KeeperRefusal::NoProof { why },
    }
}
