//! `head`: a signed checkpoint over a head that extends the last one.

use channel::keeper::{Answer, Extension, KeeperRefusal};

use crate::evidence::extends;
use crate::{Keeper, Last};

impl<C: crate::Clock> Keeper<C> {
    pub(crate) fn head(&mut self, asked: &Extension) -> Result<Answer, KeeperRefusal> {
        let last = self.last()?;
        let head = extends(&last.head, asked)?;
        self.remember(Last { head, ..last })?;
        Ok(Answer::Checkpoint { note: self.sign_head(head)? })
    }
}
