//! Times as people type and read them. The clock and the time zone come as arguments.

use std::time::Duration;

use domain::{Timestamp, Window};
use jiff::civil;
use jiff::tz::TimeZone;

use crate::failure::{Failure, Outcome};

/// The moment and the place at which a command is read.
#[derive(Debug, Clone)]
pub(crate) struct Here {
    /// The server's time, so that a wrong clock on this machine shifts nothing.
    pub(crate) now: Timestamp,
    pub(crate) zone: TimeZone,
}

/// What was typed for a window.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
pub(crate) struct WindowArgs {
    /// Start: RFC 3339 (2026-11-23T10:00+09:00), HH:MM today, or `now` (the default)
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// End: RFC 3339, or HH:MM today
    #[arg(long, value_name = "TIME", conflicts_with = "length")]
    pub(crate) until: Option<String>,
    /// Length, such as 30m, 1h30m or 2d
    #[arg(long = "for", value_name = "LENGTH", id = "length")]
    pub(crate) length: Option<String>,
}

impl WindowArgs {
    /// The window meant: from `--from` or now, for `--for` or until `--until`.
    pub(crate) fn window(&self, here: &Here) -> Outcome<Window> {
        let from = instant(self.from.as_deref().unwrap_or("now"), here)?;
        let until = match (&self.until, &self.length) {
            (Some(until), _) => instant(until, here)?,
            (None, Some(length)) => from.plus(duration(length)?),
            (None, None) => return Err(Failure::WindowMissing),
        };
        let not_after =
            |_| Failure::EndNotAfterStart { from: moment(from, &here.zone), until: moment(until, &here.zone) };
        let window = Window::new(from, until).map_err(not_after)?;
        if until <= here.now { Err(domain::Refusal::WindowInPast { until }.into()) } else { Ok(window) }
    }
}

/// `now`, `HH:MM` today in the local zone, or RFC 3339 with an offset.
pub(crate) fn instant(text: &str, here: &Here) -> Outcome<Timestamp> {
    match text {
        "now" => Ok(whole_second(here.now)),
        _ if is_time_of_day(text) => today_at(text, here),
        _ => match text.parse::<civil::DateTime>() {
            Ok(local) if text.parse::<jiff::Timestamp>().is_err() => Err(without_zone(text, local, here)),
            _ => rfc3339(text),
        },
    }
}

/// One or more of `2d`, `4h`, `30m`, `90s`, largest first, each at most once: `1h30m`.
pub(crate) fn duration(text: &str) -> Outcome<Duration> {
    let unreadable = || Failure::DurationUnreadable { text: text.chars().take(64).collect() };
    let mut seconds: u64 = 0;
    let mut rest = text;
    let mut units = [('d', 86_400_u64), ('h', 3_600), ('m', 60), ('s', 1)].into_iter();
    while !rest.is_empty() {
        let digits =
            rest.find(|c: char| !c.is_ascii_digit()).filter(|at| (1..=9).contains(at)).ok_or_else(unreadable)?;
        let (number, tail) = rest.split_at(digits);
        let unit = tail.chars().next().ok_or_else(unreadable)?;
        let (_, scale) = units.find(|(name, _)| *name == unit).ok_or_else(unreadable)?;
        let number: u64 = number.parse().map_err(|_| unreadable())?;
        seconds = number.checked_mul(scale).and_then(|part| seconds.checked_add(part)).ok_or_else(unreadable)?;
        rest = tail.strip_prefix(unit).unwrap_or_default();
    }
    if (1..=LONGEST_DURATION_S).contains(&seconds) { Ok(Duration::from_secs(seconds)) } else { Err(unreadable()) }
}

/// The form that [`duration`] reads, as short as it can be.
pub(crate) fn written(length: Duration) -> String {
    let mut left = length.as_secs();
    let mut out = String::new();
    for (unit, seconds) in [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)] {
        if left >= seconds {
            out.push_str(&format!("{}{unit}", left / seconds));
            left %= seconds;
        }
    }
    out
}

/// A moment in the local zone and in UTC: `2026-11-23 19:00:00 JST (2026-11-23T10:00:00Z)`.
pub(crate) fn moment(at: Timestamp, zone: &TimeZone) -> String {
    let local = local(at, zone);
    if is_utc(at, zone) { local } else { format!("{local} ({at})") }
}

/// A moment in the local zone alone, for tables.
pub(crate) fn local(at: Timestamp, zone: &TimeZone) -> String {
    match jiff::Timestamp::from_microsecond(at.micros()) {
        Ok(time) => time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string(),
        Err(_) => at.to_string(),
    }
}

fn is_utc(at: Timestamp, zone: &TimeZone) -> bool {
    jiff::Timestamp::from_microsecond(at.micros()).is_ok_and(|time| zone.to_offset_info(time).abbreviation() == "UTC")
}

/// Microseconds of `now` would only make a statement harder to read.
fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_micros(at.seconds() * 1_000_000).unwrap_or(at)
}

fn is_time_of_day(text: &str) -> bool {
    matches!(text.as_bytes(), [h1, h2, b':', m1, m2] if [h1, h2, m1, m2].iter().all(|c| c.is_ascii_digit()))
}

fn today_at(text: &str, here: &Here) -> Outcome<Timestamp> {
    let unreadable = |why: jiff::Error| Failure::TimeUnreadable { text: text.to_owned(), why: why.to_string() };
    let number = |part: &str| part.parse().unwrap_or(i8::MAX);
    let (hour, minute) =
        text.split_once(':').map_or((i8::MAX, i8::MAX), |(hour, minute)| (number(hour), number(minute)));
    let time = civil::Time::new(hour, minute, 0, 0).map_err(unreadable)?;
    let now = jiff::Timestamp::from_microsecond(here.now.micros()).map_err(unreadable)?;
    let date = now.to_zoned(here.zone.clone()).date();
    let at = here.zone.to_ambiguous_timestamp(date.to_datetime(time)).unambiguous();
    let not_once = |_| Failure::TimeNotOnce { text: format!("{date} {text}"), zone: zone_name(now, &here.zone) };
    from_jiff(text, at.map_err(not_once)?)
}

fn rfc3339(text: &str) -> Outcome<Timestamp> {
    let unreadable = |why: domain::time::TimeError| match why {
        domain::time::TimeError::Unreadable { text, why } => Failure::TimeUnreadable { text, why },
        other => Failure::TimeUnreadable { text: text.chars().take(64).collect(), why: other.to_string() },
    };
    text.parse::<Timestamp>().map_err(unreadable)
}

/// Says how the time would be written with the offset of this machine.
fn without_zone(text: &str, local: civil::DateTime, here: &Here) -> Failure {
    let zoned = here.zone.to_ambiguous_zoned(local).compatible();
    let suggestion =
        zoned.map_or_else(|_| format!("{local}Z"), |zoned| zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string());
    Failure::TimeWithoutZone { text: text.chars().take(64).collect(), suggestion }
}

fn from_jiff(text: &str, at: jiff::Timestamp) -> Outcome<Timestamp> {
    let out_of_range =
        |why: domain::time::TimeError| Failure::TimeUnreadable { text: text.to_owned(), why: why.to_string() };
    Timestamp::from_micros(at.as_microsecond()).map_err(out_of_range)
}

fn zone_name(at: jiff::Timestamp, zone: &TimeZone) -> String {
    zone.to_offset_info(at).abbreviation().to_owned()
}

/// Longer than any rule allows.
const LONGEST_DURATION_S: u64 = 366 * 86_400;

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;
    use crate::messages::{self, Lang};

    fn here() -> Here {
        Here { now: "2026-11-23T01:20:30.5Z".parse().unwrap(), zone: TimeZone::posix("JST-9").unwrap() }
    }

    fn new_york() -> Here {
        let zone = TimeZone::posix("EST5EDT,M3.2.0,M11.1.0").unwrap();
        Here { now: "2026-03-08T06:30:00Z".parse().unwrap(), zone }
    }

    fn said(failure: &Failure) -> String {
        let (sentence, hint) = messages::failure(failure, Lang::En);
        format!("{}: {sentence}; {hint}", failure.code())
    }

    fn check_instants(here: &Here, texts: &[&str], expected: &Expect) {
        let line = |text: &&str| match instant(text, here) {
            Ok(at) => format!("{text:?} is {at}\n"),
            Err(failure) => format!("{text:?} is refused: {}\n", said(&failure)),
        };
        expected.assert_eq(&texts.iter().map(line).collect::<String>());
    }

    #[test]
    fn instants_are_read_as_typed() {
        let texts = ["now", "10:30", "00:00", "23:59", "2026-11-23T10:00:00Z", "2026-11-23T19:00+09:00"];
        check_instants(
            &here(),
            &texts,
            &expect![[r#"
            "now" is 2026-11-23T01:20:30Z
            "10:30" is 2026-11-23T01:30:00Z
            "00:00" is 2026-11-22T15:00:00Z
            "23:59" is 2026-11-23T14:59:00Z
            "2026-11-23T10:00:00Z" is 2026-11-23T10:00:00Z
            "2026-11-23T19:00+09:00" is 2026-11-23T10:00:00Z
        "#]],
        );
    }

    #[test]
    fn what_is_no_instant_is_named() {
        let texts = [
            "",
            "tomorrow",
            "2099-13-20T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "25:00",
            "10:60",
            "9:30",
            "2026-11-23 10:00",
            "2026-11-23T10:00",
            "2026-11-23",
            "1999-12-31T23:59:59Z",
            "2200-01-01T00:00:00Z",
            "1763860000",
            "１０:３０",
        ];
        check_instants(
            &here(),
            &texts,
            &expect![[r#"
            "" is refused: time-unreadable: `` is not a time: expected four digit year (or leading sign for six digit year), but found end of input; write 2026-11-23T10:00+09:00, or 10:00 for today, or `now`
            "tomorrow" is refused: time-unreadable: `tomorrow` is not a time: failed to parse four digit integer as year: invalid digit, expected 0-9 but got t; write 2026-11-23T10:00+09:00, or 10:00 for today, or `now`
            "2099-13-20T00:00:00Z" is refused: time-unreadable: `2099-13-20T00:00:00Z` is not a time: failed to parse two digit integer as month: parameter 'month' is not in the required range of 1..=12; write 2026-11-23T10:00+09:00, or 10:00 for today, or `now`
            "2026-02-30T00:00:00Z" is refused: time-unreadable: `2026-02-30T00:00:00Z` is not a time: parsed date is not valid: parameter 'day' for `2026-02` is invalid, must be in range `1..=28`; write 2026-11-23T10:00+09:00, or 10:00 for today, or `now`
            "25:00" is refused: time-unreadable: `25:00` is not a time: parameter 'hour' is not in the required range of 0..=23; write 2026-11-23T10:00+09:00, or 10:00 for today, or `now`
            "10:60" is refused: time-unreadable: `10:60` is not a time: parameter 'minute' is not in the required range of 0..=59; write 2026-11-23T10:00+09:00, or 10:00 for today, or `now`
            "9:30" is refused: time-unreadable: `9:30` is not a time: failed to parse four digit integer as year: invalid digit, expected 0-9 but got :; write 2026-11-23T10:00+09:00, or 10:00 for today, or `now`
            "2026-11-23 10:00" is refused: time-without-zone: `2026-11-23 10:00` has no time zone, so it could mean many moments; write 2026-11-23T10:00:00+09:00
            "2026-11-23T10:00" is refused: time-without-zone: `2026-11-23T10:00` has no time zone, so it could mean many moments; write 2026-11-23T10:00:00+09:00
            "2026-11-23" is refused: time-without-zone: `2026-11-23` has no time zone, so it could mean many moments; write 2026-11-23T00:00:00+09:00
            "1999-12-31T23:59:59Z" is refused: time-unreadable: `1999-12-31T23:59:59Z` is not a time: time is outside the years 2000 to 2199; write 2026-11-23T10:00+09:00, or 10:00 for today, or `now`
            "2200-01-01T00:00:00Z" is refused: time-unreadable: `2200-01-01T00:00:00Z` is not a time: time is outside the years 2000 to 2199; write 2026-11-23T10:00+09:00, or 10:00 for today, or `now`
            "1763860000" is refused: time-unreadable: `1763860000` is not a time: failed to parse two digit integer as month: parameter 'month' is not in the required range of 1..=12; write 2026-11-23T10:00+09:00, or 10:00 for today, or `now`
            "１０:３０" is refused: time-unreadable: `１０:３０` is not a time: failed to parse four digit integer as year: invalid digit, expected 0-9 but got \xEF; write 2026-11-23T10:00+09:00, or 10:00 for today, or `now`
        "#]],
        );
    }

    #[test]
    fn an_hour_that_is_not_or_that_is_twice_is_named() {
        check_instants(
            &new_york(),
            &["01:30", "02:30", "03:30"],
            &expect![[r#"
            "01:30" is 2026-03-08T06:30:00Z
            "02:30" is refused: time-not-once: 2026-03-08 02:30 is not exactly one moment in EST: the clocks are put forward or back then; write it with its offset, such as 2026-03-08T02:30-05:00
            "03:30" is 2026-03-08T07:30:00Z
        "#]],
        );
    }

    #[test]
    fn durations_are_read_largest_first() {
        for (text, seconds) in
            [("90s", 90), ("30m", 1_800), ("1h30m", 5_400), ("2d", 172_800), ("1d1s", 86_401), ("0h5m", 300)]
        {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "0s",
            "30",
            "m",
            "30 m",
            "1h1h",
            "30m1h",
            "-5m",
            "1.5h",
            "5min",
            "５m",
            "99999999999h",
            "400d",
            "1h30",
            "h1",
        ] {
            assert_eq!(duration(text), Err(Failure::DurationUnreadable { text: text.into() }), "{text}");
        }
    }

    #[test]
    fn a_window_needs_an_end_after_its_start_and_after_now() {
        let read = |from: Option<&str>, until: Option<&str>, length: Option<&str>| {
            WindowArgs { from: from.map(Into::into), until: until.map(Into::into), length: length.map(Into::into) }
                .window(&here())
        };
        let hour = read(None, None, Some("1h")).unwrap();
        assert_eq!(
            (hour.from().to_string(), hour.length()),
            ("2026-11-23T01:20:30Z".to_owned(), Duration::from_secs(3_600))
        );
        let later = read(Some("11:00"), Some("12:30"), None).unwrap();
        assert_eq!(later.length(), Duration::from_secs(5_400));
        assert_eq!(read(None, None, None), Err(Failure::WindowMissing));
        assert_eq!(read(Some("12:00"), Some("11:00"), None).unwrap_err().code(), "end-not-after-start");
        assert_eq!(read(Some("12:00"), Some("12:00"), None).unwrap_err().code(), "end-not-after-start");
        assert_eq!(read(Some("08:00"), Some("09:00"), None).unwrap_err().code(), "window-in-past");
        assert_eq!(read(Some("2099-13-20"), None, Some("1h")).unwrap_err().code(), "time-unreadable");
    }

    #[test]
    fn moments_are_shown_in_both_zones() {
        let at = "2026-11-23T10:00:00Z".parse().unwrap();
        assert_eq!(moment(at, &here().zone), "2026-11-23 19:00:00 JST (2026-11-23T10:00:00Z)");
        assert_eq!(moment(at, &TimeZone::UTC), "2026-11-23 10:00:00 UTC");
    }

    proptest! {
        #[test]
        fn a_written_duration_reads_back(seconds in 1..LONGEST_DURATION_S) {
            let length = Duration::from_secs(seconds);
            prop_assert_eq!(duration(&written(length)), Ok(length));
        }

        #[test]
        fn no_text_makes_the_readers_panic(text in "\\PC{0,80}") {
            let _instant = instant(&text, &here());
            let _duration = duration(&text);
        }
    }
}
