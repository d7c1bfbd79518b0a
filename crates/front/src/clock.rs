//! Wall time for the facts that front reports; the ends of sessions are kept by boot time elsewhere.

use domain::Timestamp;
use gateway_ssh::clock::BootTime;

#[expect(clippy::disallowed_methods, reason = "this file owns front's wall clock")]
pub(crate) fn wall() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(micros).unwrap_or(Timestamp::EARLIEST)
}

/// The wall time at a moment of boot time that has passed.
pub(crate) fn wall_at(moment: BootTime) -> Timestamp {
    wall().minus(BootTime::now().since(moment))
}
