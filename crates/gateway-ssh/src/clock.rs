//! Boot time: the clock sessions end by. It runs on while the machine is suspended and no one can set it.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Time since boot, suspension included (CLOCK_BOOTTIME).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootTime(Duration);

impl BootTime {
    pub fn now() -> Self {
        let now = clock_gettime(ClockId::Boottime);
        let secs = u64::try_from(now.tv_sec).expect("boot time is never negative");
        let nanos = u32::try_from(now.tv_nsec).expect("nanoseconds stay below a second");
        Self(Duration::new(secs, nanos))
    }

    /// A moment given as the time since boot; for tests and for handing over.
    pub const fn from_boot(since: Duration) -> Self {
        Self(since)
    }

    pub const fn since_boot(self) -> Duration {
        self.0
    }

    /// Zero where `earlier` lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_time_never_goes_back() {
        let first = BootTime::now();
        assert!(BootTime::now() >= first);
    }

    #[test]
    fn a_span_before_its_start_is_zero() {
        let late = BootTime::from_boot(Duration::from_secs(9));
        assert_eq!(BootTime::from_boot(Duration::from_secs(2)).since(late), Duration::ZERO);
    }
}
