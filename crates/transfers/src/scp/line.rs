//! One line of the side that sends.

use super::lost::WhyLost;
use crate::facts::Oddity;
use crate::path::RawPath;

/// A line, read as OpenSSH's scp reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    File {
        mode: u32,
        size: u64,
        name: RawPath,
    },
    Directory {
        mode: u32,
        name: RawPath,
    },
    Up,
    Times {
        changed: u64,
        read: u64,
    },
    /// A sentence about what could not be read; it gets no answer.
    Complaint(RawPath),
    /// One after which the sender is gone.
    Farewell(RawPath),
}

/// Reads a line without its end.
pub(super) fn read(line: &[u8]) -> Result<Line, WhyLost> {
    let (kind, rest) = line.split_first().ok_or(WhyLost::NoSuchLine)?;
    match kind {
        b'C' => entry(rest).map(|(mode, size, name)| Line::File { mode, size, name }),
        b'D' => entry(rest).map(|(mode, _, name)| Line::Directory { mode, name }),
        b'E' => Ok(Line::Up),
        b'T' => times(rest).ok_or(WhyLost::UnreadableLine),
        1 => Ok(Line::Complaint(rest.into())),
        2 => Ok(Line::Farewell(rest.into())),
        _ => Err(WhyLost::NoSuchLine),
    }
}

/// `0644 123 name`: four octal digits, a decimal number, the rest.
fn entry(rest: &[u8]) -> Result<(u32, u64, RawPath), WhyLost> {
    let read = || {
        let (mode, rest) = rest.split_first_chunk::<4>()?;
        let mode = mode.iter().try_fold(0_u32, |mode, digit| match digit {
            b'0'..=b'7' => Some(mode << 3 | u32::from(digit - b'0')),
            _ => None,
        })?;
        let (size, name) = number(rest.strip_prefix(b" ")?)?;
        Some((mode, size, name.strip_prefix(b" ")?.into()))
    };
    let entry: (u32, u64, RawPath) = read().ok_or(WhyLost::UnreadableLine)?;
    // OpenSSH takes no size beyond a signed number.
    if i64::try_from(entry.1).is_err() { Err(WhyLost::UnreadableLine) } else { Ok(entry) }
}

/// `seconds microseconds seconds microseconds`: of the last change, of the last reading.
fn times(rest: &[u8]) -> Option<Line> {
    let (changed, rest) = number(rest)?;
    let (_, rest) = number(rest.strip_prefix(b" ")?)?;
    let (read, rest) = number(rest.strip_prefix(b" ")?)?;
    let (_, rest) = number(rest.strip_prefix(b" ")?)?;
    rest.is_empty().then_some(Line::Times { changed, read })
}

fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(digits)?;
    if digits.is_empty() {
        return None;
    }
    let value =
        digits.iter().try_fold(0_u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')))?;
    Some((value, rest))
}

/// What is wrong with a name.
pub(super) fn oddities(name: &RawPath) -> Vec<Oddity> {
    let bytes = name.as_bytes();
    let dotdot = bytes.split(|byte| *byte == b'/').any(|part| part == b"..");
    let found = [
        (Oddity::Empty, bytes.is_empty()),
        (Oddity::Slash, bytes.contains(&b'/')),
        (Oddity::Dot, bytes == b"."),
        (Oddity::DotDot, dotdot),
        (Oddity::Control, bytes.iter().any(|byte| *byte < 32 || *byte == 127)),
    ];
    found.into_iter().filter_map(|(oddity, is)| is.then_some(oddity)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_openssh_reads_them() {
        assert_eq!(read(b"C0644 12 a b"), Ok(Line::File { mode: 0o644, size: 12, name: "a b".into() }));
        assert_eq!(read(b"C0644 0 "), Ok(Line::File { mode: 0o644, size: 0, name: "".into() }));
        assert_eq!(read(b"D0755 0 d"), Ok(Line::Directory { mode: 0o755, name: "d".into() }));
        assert_eq!(read(b"T1 0 2 0"), Ok(Line::Times { changed: 1, read: 2 }));
        assert_eq!(read(b"E"), Ok(Line::Up));
        assert_eq!(read(b"\x01scp: no"), Ok(Line::Complaint("scp: no".into())));
        for line in [
            "C644 1 a",
            "C0648 1 a",
            "C0644 -1 a",
            "C0644 1",
            "C0644 9223372036854775808 a",
            "C0644 99999999999999999999 a",
            "T1 0 2",
            "T1 0 2 0 ",
        ] {
            assert_eq!(read(line.as_bytes()), Err(WhyLost::UnreadableLine), "{line}");
        }
        for line in ["", "X", " C0644 1 a", "Welcome"] {
            assert_eq!(read(line.as_bytes()), Err(WhyLost::NoSuchLine), "{line}");
        }
    }

    #[test]
    fn hostile_names_are_flagged() {
        for (name, oddity) in [
            ("", Oddity::Empty),
            ("../x", Oddity::DotDot),
            ("/x", Oddity::Slash),
            (".", Oddity::Dot),
            ("a\x1bb", Oddity::Control),
        ] {
            assert!(oddities(&name.into()).contains(&oddity), "{name:?}");
        }
        assert_eq!(oddities(&"..x".into()), vec![]);
    }
}
