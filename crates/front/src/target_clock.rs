//! What a target's `date` answers. Pure: the fuzzers take this file as it is.

/// Seconds and nanoseconds as `date` prints them, in microseconds. Strict: a hostile target's answer is only ever this.
pub(crate) fn read_clock(output: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(output).ok()?.trim_end();
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |t: &str| !t.is_empty() && t.len() <= 12 && t.bytes().all(|b| b.is_ascii_digit());
    // Some systems' `date` knows no %N and prints the letter.
    let fraction = if fraction == "N" { "0" } else { fraction };
    if !digits(seconds) || !digits(fraction) {
        return None;
    }
    let micros: String = fraction.chars().chain("000000".chars()).take(6).collect();
    Some(seconds.parse::<i64>().ok()?.checked_mul(1_000_000)? + micros.parse::<i64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_read_strictly() {
        assert_eq!(read_clock(b"1763892000.123456789\n"), Some(1_763_892_000_123_456));
        assert_eq!(read_clock(b"1763892000.N\n"), Some(1_763_892_000_000_000));
        assert_eq!(read_clock(b"1763892000\n"), Some(1_763_892_000_000_000));
        for bad in [b"".as_slice(), b"now", b"-5.0", b"1.2.3", b"1763892000.12 x", b"99999999999999.1", &[0xff, 0x30]] {
            assert_eq!(read_clock(bad), None, "{bad:?}");
        }
    }
}
