//! The clock: the one owner of wall time and boot time. Everything else takes `now` as an argument.

use std::time::Duration;

use domain::Timestamp;

pub trait Clock: std::fmt::Debug + Send + Sync + 'static {
    /// What the machine believes the time to be.
    fn wall(&self) -> Timestamp;
    /// Time since boot, suspended time included; nobody sets it.
    fn boot(&self) -> Duration;
}

#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this file owns the clock")]
    fn wall(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(micros).unwrap_or(Timestamp::EARLIEST)
    }

    fn boot(&self) -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
    }
}

/// Farther apart than this, wall and boot time disagree: somebody set the clock.
pub const LONGEST_JUMP: Duration = Duration::from_secs(5 * 60);
/// A ledger at rest for longer needs two persons' word on the time.
pub const LONGEST_REST: Duration = Duration::from_secs(7 * 24 * 3600);

/// Watches wall time against boot time.
#[derive(Debug)]
pub struct ClockWatch {
    wall: Timestamp,
    boot: Duration,
}

/// What the watch says of the wall clock now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    Trusted(Timestamp),
    Doubted { expected: Timestamp, found: Timestamp },
}

impl ClockWatch {
    pub fn new(wall: Timestamp, boot: Duration) -> Self {
        Self { wall, boot }
    }

    /// At start: a clock behind the last entry, or far after it, is in doubt.
    pub fn at_start(last: Option<Timestamp>, wall: Timestamp) -> Reading {
        match last {
            Some(last) if last.since(wall) > LONGEST_JUMP || wall.since(last) > LONGEST_REST => {
                Reading::Doubted { expected: last, found: wall }
            }
            _ => Reading::Trusted(wall),
        }
    }

    pub fn read(&self, wall: Timestamp, boot: Duration) -> Reading {
        let expected = self.wall.plus(boot.saturating_sub(self.boot));
        let off = expected.since(wall).max(wall.since(expected));
        // The anchor stays where it was trusted: many small steps are one large one.
        if off > LONGEST_JUMP { Reading::Doubted { expected, found: wall } } else { Reading::Trusted(wall) }
    }

    /// Two persons confirmed the wall clock.
    pub fn trust(&mut self, wall: Timestamp, boot: Duration) {
        *self = Self::new(wall, boot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_step_of_an_hour_is_doubted_and_a_slew_is_not() {
        let watch = ClockWatch::new(at("2026-11-23T10:00:00Z"), Duration::from_secs(100));
        assert!(matches!(watch.read(at("2026-11-23T10:01:03Z"), Duration::from_secs(160)), Reading::Trusted(_)));
        assert!(matches!(watch.read(at("2026-11-23T11:01:03Z"), Duration::from_secs(161)), Reading::Doubted { .. }));
        assert!(matches!(watch.read(at("2026-11-23T09:00:00Z"), Duration::from_secs(162)), Reading::Doubted { .. }));
        assert!(matches!(watch.read(at("2026-11-23T10:01:06Z"), Duration::from_secs(163)), Reading::Trusted(_)));
    }

    #[test]
    fn many_small_steps_are_one_large_one() {
        let watch = ClockWatch::new(at("2026-11-23T10:00:00Z"), Duration::from_secs(100));
        assert!(matches!(watch.read(at("2026-11-23T09:56:10Z"), Duration::from_secs(110)), Reading::Trusted(_)));
        assert!(matches!(watch.read(at("2026-11-23T09:53:20Z"), Duration::from_secs(120)), Reading::Doubted { .. }));
    }

    #[test]
    fn a_long_rest_or_a_clock_behind_the_ledger_is_doubted_at_start() {
        let last = Some(at("2026-11-23T10:00:00Z"));
        assert!(matches!(ClockWatch::at_start(last, at("2026-11-30T09:59:00Z")), Reading::Trusted(_)));
        assert!(matches!(ClockWatch::at_start(last, at("2026-12-01T10:00:00Z")), Reading::Doubted { .. }));
        assert!(matches!(ClockWatch::at_start(last, at("2026-11-23T09:00:00Z")), Reading::Doubted { .. }));
        assert!(matches!(ClockWatch::at_start(None, at("2026-11-23T09:00:00Z")), Reading::Trusted(_)));
    }
}
