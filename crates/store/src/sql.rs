//! Numbers between us and SQLite, which has only signed 64-bit integers.

use crate::{Fault, Result, StoreError};

/// For a sequence number or a size, of which there are at most 2^53.
pub(crate) fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Reads a number that only a damaged file has negative.
pub(crate) fn from_sql(number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|_| damaged(format!("negative number {number} in place of a count")))
}

pub(crate) fn damaged(why: impl Into<String>) -> StoreError {
    StoreError::Damaged(Fault::FileDamaged { why: why.into() })
}
