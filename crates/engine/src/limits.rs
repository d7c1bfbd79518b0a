//! How fast one person may send commands: a bucket each, filled by boot time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::{PersonId, Refusal};

#[derive(Debug)]
pub(crate) struct Limiter {
    a_second: f64,
    burst: f64,
    buckets: Mutex<HashMap<PersonId, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Duration,
}

/// Persons whose buckets are remembered; beyond it full ones are forgotten.
const MOST_BUCKETS: usize = 50_000;

impl Limiter {
    pub(crate) fn new(a_second: f64, burst: f64) -> Self {
        Self { a_second, burst, buckets: Mutex::default() }
    }

    pub(crate) fn take(&self, person: PersonId, boot: Duration) -> Result<(), Refusal> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST_BUCKETS {
            buckets.retain(|_, bucket| bucket.left < self.burst);
        }
        let bucket = buckets.entry(person).or_insert(Bucket { left: self.burst, at: boot });
        let since = boot.saturating_sub(bucket.at).as_secs_f64();
        *bucket = Bucket { left: (bucket.left + since * self.a_second).min(self.burst), at: boot };
        if bucket.left < 1.0 {
            return Err(Refusal::TooFast { wait_s: 1 });
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let limiter = Limiter::new(2.0, 3.0);
        let person = PersonId::from_random([1; 16]);
        let at = |ms| Duration::from_millis(ms);
        for _ in 0..3 {
            assert!(limiter.take(person, at(0)).is_ok());
        }
        assert!(limiter.take(person, at(0)).is_err());
        assert!(limiter.take(person, at(500)).is_ok());
        assert!(limiter.take(person, at(500)).is_err());
        assert!(limiter.take(PersonId::from_random([2; 16]), at(500)).is_ok(), "others are unharmed");
    }
}
