//! The stored tree as a source for proofs: each node lies in the row of the entry that completed it.

use std::cell::RefCell;

use ledger::{Hash, Nodes};
use rusqlite::{Connection, OptionalExtension};

use crate::sql::to_sql;
use crate::{Result, StoreError};

pub(crate) struct StoredNodes<'a> {
    connection: &'a Connection,
    /// The trait can only say that a node is not there; why it could not be read is kept here.
    failure: RefCell<Option<StoreError>>,
}

impl StoredNodes<'_> {
    pub(crate) fn new(connection: &Connection) -> StoredNodes<'_> {
        StoredNodes { connection, failure: RefCell::default() }
    }

    /// Asks the ledger's arithmetic, and tells a database that failed from a node that is missing.
    pub(crate) fn answer<T>(self, ask: impl FnOnce(&dyn Nodes) -> ledger::Result<T>) -> Result<T> {
        let answer = ask(&self);
        match self.failure.into_inner() {
            Some(failure) => Err(failure),
            None => Ok(answer?),
        }
    }

    fn read(&self, level: u8, index: u64) -> Result<Option<Hash>> {
        let Some(seq) = completed_by(level, index) else { return Ok(None) };
        let mut select = self.connection.prepare_cached("SELECT substr(nodes, ?2, 32) FROM entry WHERE seq = ?1")?;
        let place = 1 + i64::from(level) * Hash::SIZE as i64;
        let bytes: Option<Vec<u8>> = select.query_row((to_sql(seq), place), |row| row.get(0)).optional()?;
        Ok(bytes.and_then(|bytes| Hash::try_from(&bytes[..]).ok()))
    }
}

impl Nodes for StoredNodes<'_> {
    fn node(&self, level: u8, index: u64) -> Option<Hash> {
        self.read(level, index).unwrap_or_else(|failure| {
            self.failure.borrow_mut().get_or_insert(failure);
            None
        })
    }
}

/// The last leaf under a node, which is the one that completes it.
fn completed_by(level: u8, index: u64) -> Option<u64> {
    let leaves = 1u64.checked_shl(level.into())?;
    index.checked_add(1)?.checked_mul(leaves)?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_looked_for_in_the_row_of_the_entry_that_completes_it() {
        for leaf in 0..600 {
            for (level, index) in ledger::nodes_completed_by(leaf) {
                assert_eq!(completed_by(level, index), Some(leaf));
            }
        }
    }

    #[test]
    fn a_node_no_tree_can_have_is_nowhere() {
        assert_eq!(completed_by(63, 0), Some((1 << 63) - 1));
        assert_eq!(completed_by(63, 1), None);
        assert_eq!(completed_by(64, 0), None);
        assert_eq!(completed_by(0, u64::MAX), None);
    }
}
