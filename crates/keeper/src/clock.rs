//! The keeper's own clock: whether a grant stands is not asked of the engine's.

use std::time::{SystemTime, UNIX_EPOCH};

use domain::Timestamp;
use domain::time::TimeError;

/// Tells the time.
pub trait Clock {
    /// # Errors
    /// [`TimeError::OutOfRange`] when the clock shows a year that no entry can have.
    fn now(&self) -> Result<Timestamp, TimeError>;
}

impl<F: Fn() -> Timestamp> Clock for F {
    fn now(&self) -> Result<Timestamp, TimeError> {
        Ok(self())
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Result<Timestamp, TimeError> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the keeper judges windows by a clock that the engine does not hold"
        )]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| TimeError::OutOfRange)?;
        let micros = i64::try_from(since.as_micros()).map_err(|_| TimeError::OutOfRange)?;
        Timestamp::from_micros(micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_runs_forward_in_microseconds() {
        let first = WallClock.now().unwrap();
        assert!(WallClock.now().unwrap() >= first);
        assert!(first > "2020-01-01T00:00:00Z".parse().unwrap());
    }
}
