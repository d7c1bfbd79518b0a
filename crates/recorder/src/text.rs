//! A channel's output as plain text, safe to print: what a program sent to steer a terminal is left out.
//!
//! This is not a terminal: a line that was drawn over twice appears twice. Use [`crate::asciicast`] to see it as it was.

use std::io::{Read, Write};

use crate::{Direction, Error, Frame, Kind, Reader, Result};

/// Whether bytes that the gateway injected are shown with the target's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notices {
    Shown,
    LeftOut,
}

impl Notices {
    /// Whether the frame is output as the person saw it, or as the target sent it.
    pub(crate) fn take(self, frame: &Frame<'_>) -> bool {
        let kind = frame.kind();
        let wanted = kind == Some(Kind::Data) || (kind == Some(Kind::Notice) && self == Self::Shown);
        wanted && matches!(frame.direction, Direction::Out | Direction::Err)
    }
}

/// Writes the output of `channel` as UTF-8 text: escape sequences and control characters removed, line ends as `\n`,
/// bytes that are no UTF-8 as U+FFFD.
///
/// # Errors
/// What [`Reader::next_frame`] finds wrong, [`Error::Export`]. What was written before the error stands.
pub fn export<R: Read>(reader: &mut Reader<R>, channel: u32, notices: Notices, out: &mut impl Write) -> Result<()> {
    let mut plain = Plain::default();
    let mut text = String::new();
    while let Some(frame) = reader.next_frame()? {
        if frame.channel == channel && notices.take(&frame) {
            plain.feed(frame.bytes, &mut text);
            out.write_all(text.as_bytes()).map_err(Error::Export)?;
            text.clear();
        }
    }
    plain.finish(&mut text);
    out.write_all(text.as_bytes()).map_err(Error::Export)
}

/// Writes the bytes that flowed one way through `channel`, exactly, as far as the recording goes.
///
/// # Errors
/// As [`export`].
pub fn raw<R: Read>(reader: &mut Reader<R>, channel: u32, direction: Direction, out: &mut impl Write) -> Result<()> {
    while let Some(frame) = reader.next_frame()? {
        if frame.channel == channel && frame.direction == direction && frame.kind() == Some(Kind::Data) {
            out.write_all(frame.bytes).map_err(Error::Export)?;
        }
    }
    Ok(())
}

/// UTF-8 that arrives in pieces cut anywhere.
#[derive(Debug, Default)]
pub(crate) struct Utf8 {
    /// The beginning of a character whose rest has not come.
    partial: Vec<u8>,
}

impl Utf8 {
    /// Appends what is complete; what can never become a character becomes U+FFFD.
    pub(crate) fn feed(&mut self, bytes: &[u8], text: &mut String) {
        let joined;
        let bytes = if self.partial.is_empty() {
            bytes
        } else {
            joined = [&std::mem::take(&mut self.partial), bytes].concat();
            &joined
        };
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            let invalid = chunk.invalid();
            let unfinished =
                chunks.peek().is_none() && str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
            if unfinished && !invalid.is_empty() {
                self.partial = invalid.to_vec();
            } else if !invalid.is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
    }

    /// What is still open will not be completed.
    pub(crate) fn finish(&mut self, text: &mut String) {
        if !std::mem::take(&mut self.partial).is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

/// Takes terminal control out of text. The states are those of ECMA-48's sequences.
#[derive(Debug, Default)]
struct Plain {
    utf8: Utf8,
    state: State,
    /// A carriage return whose next character decides whether it ends the line.
    pending_return: bool,
    decoded: String,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// After ESC: one final character, or the start of a sequence.
    Escape,
    /// After ESC and an intermediate (0x20–0x2F): more of them, then a final.
    Intermediate,
    /// In a control sequence (CSI) until its final character (0x40–0x7E).
    Control,
    /// In a control string (OSC, DCS, SOS, PM, APC) until BEL or ST.
    String,
    /// ESC within a control string: `\` ends it.
    StringEscape,
}

impl Plain {
    fn feed(&mut self, bytes: &[u8], text: &mut String) {
        let mut decoded = std::mem::take(&mut self.decoded);
        self.utf8.feed(bytes, &mut decoded);
        decoded.drain(..).for_each(|c| self.step(c, text));
        self.decoded = decoded;
    }

    fn finish(&mut self, text: &mut String) {
        let mut decoded = String::new();
        self.utf8.finish(&mut decoded);
        decoded.chars().for_each(|c| self.step(c, text));
        if std::mem::take(&mut self.pending_return) {
            text.push('\n');
        }
    }

    fn step(&mut self, c: char, text: &mut String) {
        self.state = match (self.state, c) {
            // CAN and SUB abort any sequence.
            (_, '\u{18}' | '\u{1a}') => State::Text,
            (State::Text, '\u{1b}') => State::Escape,
            (State::Text, '\u{9b}') => State::Control,
            (State::Text, '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}') => State::String,
            (State::Text, c) => {
                self.show(c, text);
                State::Text
            }
            (State::Escape, '[') => State::Control,
            (State::Escape, ']' | 'P' | 'X' | '^' | '_') => State::String,
            (State::Escape | State::Intermediate, ' '..='/') => State::Intermediate,
            (State::String, '\u{7}' | '\u{9c}') => State::Text,
            (State::String | State::StringEscape, '\u{1b}') => State::StringEscape,
            (State::String, _) => State::String,
            (State::StringEscape, '\\') => State::Text,
            // ESC ended the string and begins something of its own.
            (State::StringEscape, c) => {
                self.state = State::Escape;
                return self.step(c, text);
            }
            (State::Escape | State::Intermediate | State::Control, '\u{1b}') => State::Escape,
            (State::Control, '\u{40}'..='\u{7e}') => State::Text,
            (State::Control, _) => State::Control,
            (State::Escape | State::Intermediate, _) => State::Text,
        };
    }

    /// `\r\n` is one line end, and so is a lone `\r`, after which programs draw the line anew.
    fn show(&mut self, c: char, text: &mut String) {
        if std::mem::take(&mut self.pending_return) {
            text.push('\n');
            if c == '\n' {
                return;
            }
        }
        match c {
            '\r' => self.pending_return = true,
            '\n' | '\t' => text.push(c),
            c if c.is_control() => {}
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    fn plain(pieces: &[&[u8]]) -> String {
        let (mut plain, mut text) = (Plain::default(), String::new());
        for piece in pieces {
            plain.feed(piece, &mut text);
        }
        plain.finish(&mut text);
        text
    }

    fn check(input: &str, expected: Expect) {
        expected.assert_debug_eq(&plain(&[input.as_bytes()]));
    }

    #[test]
    fn terminal_control_is_left_out() {
        check(
            "\x1b[1;31mred\x1b[0m\r\nline\r\n",
            expect![[r#"
            "red\nline\n"
        "#]],
        );
        check(
            "\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b\x1bP1$r0m\x1b\\c",
            expect![[r#"
            "abc"
        "#]],
        );
        check(
            "a\x1b(Bb\x1b=c\x1b#8d\u{9b}31me\u{9d}t\u{9c}f",
            expect![[r#"
            "abcdef"
        "#]],
        );
        check(
            "10%\r20%\r\rdone\x08\x07\0",
            expect![[r#"
            "10%\n20%\n\ndone"
        "#]],
        );
        check(
            "\x1b[3\x18a\x1b]unended \x1b[1mb\x1b[",
            expect![[r#"
            "ab"
        "#]],
        );
        check(
            "日本語\t関守\x7f\u{85}",
            expect![[r#"
            "日本語\t関守"
        "#]],
        );
    }

    #[test]
    fn characters_survive_any_cut_and_broken_ones_are_replaced() {
        let text = "関守 ✓ é";
        for cut in 0..=text.len() {
            let (one, two) = text.as_bytes().split_at(cut);
            assert_eq!(plain(&[one, b"", two]), text);
        }
        assert_eq!(plain(&[b"a\xffb\xe9\x96", b"c"]), "a\u{fffd}b\u{fffd}c");
        assert_eq!(plain(&[b"a\xe9\x96"]), "a\u{fffd}");
    }

    proptest! {
        #[test]
        fn nothing_that_steers_a_terminal_comes_through(pieces: Vec<Vec<u8>>) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let text = plain(&pieces);
            prop_assert!(text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\t')));
            prop_assert_eq!(plain(&[&pieces.concat()]), text, "the cuts do not matter");
        }
    }
}
