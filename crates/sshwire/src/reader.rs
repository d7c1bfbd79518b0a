//! Reads SSH wire data (RFC 4251 section 5) strictly: borrows, never guesses, leaves nothing over.

use thiserror::Error;

/// Why wire data was refused, and in which field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WireError {
    #[error("`{field}` is cut short")]
    CutShort { field: &'static str },
    #[error("{count} bytes follow the end of `{field}`")]
    TrailingBytes { field: &'static str, count: usize },
    #[error("`{field}` is not {expected} bytes long")]
    WrongLength { field: &'static str, expected: usize },
    #[error("`{field}` is not a positive number in its shortest form")]
    NotCanonicalMpint { field: &'static str },
    #[error("`{field}` is not plain text")]
    NotText { field: &'static str },
}

/// A cursor over wire data. Each method names the field it reads, so that a refusal can name it too.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte. The caller has limited the length: the reader allocates nothing.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// One byte.
    pub fn byte(&mut self, field: &'static str) -> Result<u8, WireError> {
        self.array::<1>(field).map(|[byte]| *byte)
    }

    /// A `uint32`.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, WireError> {
        self.array(field).map(|bytes| u32::from_be_bytes(*bytes))
    }

    /// A `uint64`.
    pub fn u64(&mut self, field: &'static str) -> Result<u64, WireError> {
        self.array(field).map(|bytes| u64::from_be_bytes(*bytes))
    }

    /// `byte[N]`: N bytes without a length before them.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<&'a [u8; N], WireError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(WireError::CutShort { field })?;
        self.rest = rest;
        Ok(head)
    }

    /// A `string`: a length and as many bytes.
    pub fn string(&mut self, field: &'static str) -> Result<&'a [u8], WireError> {
        let len = usize::try_from(self.u32(field)?).map_err(|_| WireError::CutShort { field })?;
        let (head, rest) = self.rest.split_at_checked(len).ok_or(WireError::CutShort { field })?;
        self.rest = rest;
        Ok(head)
    }

    /// A `string` of exactly N bytes.
    pub fn string_of<const N: usize>(&mut self, field: &'static str) -> Result<&'a [u8; N], WireError> {
        self.string(field)?.try_into().map_err(|_| WireError::WrongLength { field, expected: N })
    }

    /// A `string` of UTF-8 without control characters, so that it can be shown on a terminal.
    pub fn text(&mut self, field: &'static str) -> Result<&'a str, WireError> {
        let text = std::str::from_utf8(self.string(field)?).map_err(|_| WireError::NotText { field })?;
        if text.chars().any(char::is_control) { Err(WireError::NotText { field }) } else { Ok(text) }
    }

    /// A positive `mpint`: its magnitude, big-endian, without the leading zero. Zero, negative numbers and needless
    /// leading zeros are refused, because each number must have one encoding.
    pub fn mpint(&mut self, field: &'static str) -> Result<&'a [u8], WireError> {
        match self.string(field)? {
            magnitude @ [0x01..=0x7f, ..] => Ok(magnitude),
            [0, magnitude @ ..] if matches!(magnitude, [0x80..=0xff, ..]) => Ok(magnitude),
            _ => Err(WireError::NotCanonicalMpint { field }),
        }
    }

    /// Whether everything has been read.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Ends reading; refuses what is left over. `field` names the whole.
    pub fn finish(self, field: &'static str) -> Result<(), WireError> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(WireError::TrailingBytes { field, count }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mpint(bytes: &[u8]) -> Result<Vec<u8>, WireError> {
        let mut framed = u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
        framed.extend_from_slice(bytes);
        Reader::new(&framed).mpint("n").map(<[u8]>::to_vec)
    }

    #[test]
    fn a_number_has_one_encoding() {
        assert_eq!(mpint(&[0x7f]), Ok(vec![0x7f]));
        assert_eq!(mpint(&[0x00, 0x80]), Ok(vec![0x80]));
        assert_eq!(mpint(&[0x01, 0x00]), Ok(vec![0x01, 0x00]));
        for refused in [&[][..], &[0x00], &[0x00, 0x7f], &[0x00, 0x00, 0x80], &[0x80], &[0xff, 0x01]] {
            assert_eq!(mpint(refused), Err(WireError::NotCanonicalMpint { field: "n" }), "{refused:?}");
        }
    }

    #[test]
    fn a_length_beyond_the_end_is_refused_whatever_it_promises() {
        for len in [1, 5, 0x7fff_ffff, u32::MAX] {
            let bytes = len.to_be_bytes();
            assert_eq!(Reader::new(&bytes).string("s"), Err(WireError::CutShort { field: "s" }));
        }
        assert_eq!(Reader::new(&[0, 0, 0]).string("s"), Err(WireError::CutShort { field: "s" }));
    }

    #[test]
    fn text_that_could_move_a_cursor_is_refused() {
        let framed = |text: &str| [&u32::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat();
        assert_eq!(Reader::new(&framed("申請 file")).text("t"), Ok("申請 file"));
        for refused in ["\u{1b}[2J", "a\0b", "a\nb", "\u{9b}2J"] {
            assert_eq!(Reader::new(&framed(refused)).text("t"), Err(WireError::NotText { field: "t" }));
        }
        assert_eq!(Reader::new(&[0, 0, 0, 1, 0xff]).text("t"), Err(WireError::NotText { field: "t" }));
    }

    #[test]
    fn what_is_left_over_is_counted() {
        assert_eq!(Reader::new(&[1, 2]).finish("blob"), Err(WireError::TrailingBytes { field: "blob", count: 2 }));
        assert_eq!(Reader::new(&[]).finish("blob"), Ok(()));
    }
}
