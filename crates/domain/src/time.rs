//! Instants and windows. The clock itself lives elsewhere; here `now` is always an argument.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01T00:00:00Z. Between the years 2000 and 2200, so that it stays below 2^53 and is never a typing error.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64")]
pub struct Timestamp(i64);

const EARLIEST: i64 = 946_684_800_000_000; // 2000-01-01
const LATEST: i64 = 7_258_118_400_000_000; // 2200-01-01

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    #[error("`{text}` is not a time: {why}")]
    Unreadable { text: String, why: String },
    #[error("time is outside the years 2000 to 2199")]
    OutOfRange,
    #[error("the end `{until}` is not after the start `{from}`")]
    EndNotAfterStart { from: Timestamp, until: Timestamp },
}

impl Timestamp {
    /// The earliest there is; what a machine without a clock is given.
    pub const EARLIEST: Self = Self(EARLIEST);

    pub fn from_micros(micros: i64) -> Result<Self, TimeError> {
        if (EARLIEST..LATEST).contains(&micros) { Ok(Self(micros)) } else { Err(TimeError::OutOfRange) }
    }

    pub const fn micros(self) -> i64 {
        self.0
    }

    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Later by `by`, held inside the range a timestamp may have.
    pub fn plus(self, by: Duration) -> Self {
        let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(by).min(LATEST - 1))
    }

    pub fn minus(self, by: Duration) -> Self {
        let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(by).max(EARLIEST))
    }

    /// How long after `earlier`; zero when it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl TryFrom<i64> for Timestamp {
    type Error = TimeError;

    fn try_from(micros: i64) -> Result<Self, TimeError> {
        Self::from_micros(micros)
    }
}

/// RFC 3339 in UTC, as short as it can be without losing anything.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => write!(f, "{time}"),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads RFC 3339 with an offset or `Z`. Impossible dates (2099-13-20) are refused with the reason.
impl FromStr for Timestamp {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let unreadable = |why: String| TimeError::Unreadable { text: text.chars().take(64).collect(), why };
        if text.len() > 64 {
            return Err(unreadable("it is longer than any time".to_owned()));
        }
        let time: jiff::Timestamp = text.parse().map_err(|e: jiff::Error| unreadable(e.to_string()))?;
        Self::from_micros(time.as_microsecond())
    }
}

/// From when until when. The start is inside, the end is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, try_from = "RawWindow")]
pub struct Window {
    from: Timestamp,
    until: Timestamp,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWindow {
    from: Timestamp,
    until: Timestamp,
}

impl TryFrom<RawWindow> for Window {
    type Error = TimeError;

    fn try_from(raw: RawWindow) -> Result<Self, TimeError> {
        Self::new(raw.from, raw.until)
    }
}

impl Window {
    pub fn new(from: Timestamp, until: Timestamp) -> Result<Self, TimeError> {
        if until > from { Ok(Self { from, until }) } else { Err(TimeError::EndNotAfterStart { from, until }) }
    }

    pub const fn from(&self) -> Timestamp {
        self.from
    }

    pub const fn until(&self) -> Timestamp {
        self.until
    }

    pub fn length(&self) -> Duration {
        self.until.since(self.from)
    }

    pub fn contains(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_impossible_date_is_refused_with_the_reason() {
        let error = "2099-13-20T00:00:00Z".parse::<Timestamp>().unwrap_err();
        assert!(error.to_string().contains("2099-13-20"), "{error}");
        assert!("2026-02-30T00:00:00Z".parse::<Timestamp>().is_err());
        assert!("1999-12-31T23:59:59Z".parse::<Timestamp>().is_err());
        assert!("2026-11-23 10:00".parse::<Timestamp>().is_err(), "a time without a zone is ambiguous");
    }

    #[test]
    fn a_time_reads_back_as_itself() {
        for text in ["2026-11-23T10:00:00Z", "2026-11-23T10:00:00.000001Z", "2199-12-31T23:59:59.999999Z"] {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
        }
        assert_eq!("2026-11-23T19:00:00+09:00".parse::<Timestamp>().unwrap().to_string(), "2026-11-23T10:00:00Z");
    }

    #[test]
    fn a_window_ends_after_it_starts() {
        let ten = "2026-11-23T10:00:00Z".parse().unwrap();
        let eleven = "2026-11-23T11:00:00Z".parse().unwrap();
        assert!(Window::new(eleven, ten).is_err());
        assert!(Window::new(ten, ten).is_err());
        let window = Window::new(ten, eleven).unwrap();
        assert!(window.contains(ten) && !window.contains(eleven));
        assert!(
            serde_json::from_str::<Window>(&format!("{{\"from\":{},\"until\":{}}}", eleven.micros(), ten.micros()))
                .is_err()
        );
    }
}
