//! Where words of our own may be put into a terminal's output. Pure: the fuzzers take this file as it is.

/// Follows a terminal's output to tell where words of our own may be put in: never inside an escape sequence or a character.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seam(At);

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum At {
    #[default]
    Ground,
    Character(u8),
    Escape,
    /// Between ESC and its final byte (`ESC ( B`).
    Intermediate,
    Control,
    /// OSC, DCS, APC, PM, SOS: until BEL or ESC `\`.
    Text,
    TextEscape,
}

impl Seam {
    /// May bytes be put in here?
    pub(crate) fn is_clean(self) -> bool {
        self.0 == At::Ground
    }

    pub(crate) fn follow(&mut self, output: &[u8]) {
        let mut left = output;
        while let Some((&byte, rest)) = left.split_first() {
            self.0 = step(self.0, byte);
            left = if self.is_clean() { skip_plain(rest) } else { rest };
        }
    }
}

/// Plain text is most of what terminals show, and changes nothing.
fn skip_plain(output: &[u8]) -> &[u8] {
    let plain = output.iter().take_while(|&&byte| byte < 0x80 && byte != 0x1b).count();
    output.get(plain..).unwrap_or_default()
}

fn step(at: At, byte: u8) -> At {
    match (at, byte) {
        (At::Text, 0x1b) => At::TextEscape,
        (At::Text, 0x07) | (At::TextEscape, b'\\') => At::Ground,
        (At::Text, _) => At::Text,
        (At::TextEscape, _) => step(At::Escape, byte),
        (_, 0x1b) => At::Escape,
        (_, 0x18 | 0x1a) => At::Ground,
        (At::Escape, b'[') => At::Control,
        (At::Escape, b']' | b'P' | b'X' | b'^' | b'_') => At::Text,
        (At::Escape | At::Intermediate, 0x20..=0x2f) => At::Intermediate,
        (At::Control, 0x20..=0x3f) => At::Control,
        (At::Control | At::Escape | At::Intermediate, 0x00..=0x1f) => at,
        (At::Control | At::Escape | At::Intermediate, _) => At::Ground,
        (At::Character(left), 0x80..=0xbf) if left > 1 => At::Character(left - 1),
        (At::Character(_), 0x80..=0xbf) => At::Ground,
        (At::Ground | At::Character(_), 0xc2..=0xdf) => At::Character(1),
        (At::Ground | At::Character(_), 0xe0..=0xef) => At::Character(2),
        (At::Ground | At::Character(_), 0xf0..=0xf4) => At::Character(3),
        (At::Ground | At::Character(_), _) => At::Ground,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_seam_is_clean_only_between_sequences_and_characters() {
        for (output, clean) in [
            (&b"plain text\r\n"[..], true),
            (b"\x1b", false),
            (b"\x1b[31", false),
            (b"\x1b[31m", true),
            (b"\x1b]0;title", false),
            (b"\x1b]0;title\x07", true),
            (b"\x1b]0;title\x1b\\", true),
            (b"\x1b(", false),
            (b"\x1b(B", true),
            ("関".as_bytes(), true),
            (&"関".as_bytes()[..2], false),
            (&"🚪".as_bytes()[..3], false),
            ("🚪".as_bytes(), true),
            (b"\x1b[3\x1b[0m", true),
            (b"\xff\xfe", true),
        ] {
            let mut seam = Seam::default();
            seam.follow(output);
            assert_eq!(seam.is_clean(), clean, "{output:?}");
        }
    }

    proptest! {
        #[test]
        fn the_seam_does_not_depend_on_how_output_is_cut(output in proptest::collection::vec(any::<u8>(), 0..60), cut in 0usize..60) {
            let cut = cut.min(output.len());
            let (mut whole, mut parts) = (Seam::default(), Seam::default());
            whole.follow(&output);
            parts.follow(&output[..cut]);
            parts.follow(&output[cut..]);
            prop_assert_eq!(whole, parts);
        }

        #[test]
        fn whole_characters_and_colours_leave_a_clean_seam(text in "(\\x1b\\[[0-9;]{0,5}m|[あ-ん]|[a-z]){0,30}") {
            let mut seam = Seam::default();
            seam.follow(text.as_bytes());
            prop_assert!(seam.is_clean());
        }
    }
}
