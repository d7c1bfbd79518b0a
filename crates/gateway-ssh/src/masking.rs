//! Masks what was typed but not echoed (passwords, mostly) before input is recorded. A heuristic: it sees bytes and times, not intentions.
//!
//! A printable byte typed on a terminal is recorded as typed when the target sends the same byte back as the first thing it says, in the order typed,
//! within [`ECHO_WAIT`]; else it is recorded as `*`. Control bytes are recorded as they are, in order. Output that begins with anything else echoes
//! nothing, so that a password is not found again among the letters of what follows it; a line that a program draws anew with each key is masked. A
//! target that answers with just the secret does defeat it.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::BootTime;

/// How long an echo may take.
pub const ECHO_WAIT: Duration = Duration::from_millis(1500);
/// Longest run of keystrokes that waits for its echo; what is pushed out by more is masked.
const MAX_WAITING: usize = 64 * 1024;
/// What a masked byte is recorded as.
pub(crate) const MASK: u8 = b'*';

/// One terminal's keystrokes on their way to the recording.
#[derive(Debug, Default)]
pub struct Masker {
    waiting: VecDeque<Key>,
}

#[derive(Debug)]
struct Key {
    byte: u8,
    typed: BootTime,
    echoed: bool,
}

impl Masker {
    /// Takes typed bytes; returns what is ready to be recorded.
    pub fn typed(&mut self, bytes: &[u8], now: BootTime) -> Vec<u8> {
        self.waiting.extend(bytes.iter().map(|&byte| Key { byte, typed: now, echoed: !printable(byte) }));
        self.ready(now)
    }

    /// Looks for echoes in what the target sent; returns what is ready to be recorded.
    pub fn shown(&mut self, output: &[u8], now: BootTime) -> Vec<u8> {
        // Who has waited too long is masked before anything is looked for.
        let mut out = self.ready(now);
        let waiting = self.waiting.iter_mut().filter(|key| !key.echoed);
        for (key, _) in waiting.zip(output).take_while(|(key, shown)| key.byte == **shown) {
            key.echoed = true;
        }
        out.extend(self.ready(now));
        out
    }

    /// What has waited long enough.
    pub fn ready(&mut self, now: BootTime) -> Vec<u8> {
        let mut out = Vec::new();
        while let Some(key) = self.waiting.front() {
            if !key.echoed && now.since(key.typed) < ECHO_WAIT && self.waiting.len() <= MAX_WAITING {
                break;
            }
            out.extend(self.waiting.pop_front().map(Key::recorded));
        }
        out
    }

    /// Everything that is left, at the end.
    pub fn rest(&mut self) -> Vec<u8> {
        self.waiting.drain(..).map(Key::recorded).collect()
    }
}

impl Key {
    fn recorded(self) -> u8 {
        if self.echoed { self.byte } else { MASK }
    }
}

fn printable(byte: u8) -> bool {
    byte >= 0x20 && byte != 0x7f
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> BootTime {
        BootTime::from_boot(Duration::from_millis(1_000_000 + millis))
    }

    #[test]
    fn an_echoed_command_is_recorded_as_typed() {
        let mut masker = Masker::default();
        assert_eq!(masker.typed(b"ls\r", at(0)), b"");
        assert_eq!(masker.shown(b"l", at(5)), b"l");
        assert_eq!(masker.shown(b"s\r\nfile\r\n", at(9)), b"s\r");
    }

    #[test]
    fn a_password_is_masked_and_the_enter_after_it_kept() {
        let mut masker = Masker::default();
        assert_eq!(masker.typed(b"hunter2\r", at(0)), b"");
        assert_eq!(masker.shown(b"\r\n", at(10)), b"", "a line end echoes no key");
        assert_eq!(masker.ready(at(1499)), b"");
        assert_eq!(masker.ready(at(1500)), b"*******\r");
    }

    #[test]
    fn stars_shown_in_place_of_keys_reveal_nothing() {
        let mut masker = Masker::default();
        assert_eq!(masker.typed(b"pw", at(0)), b"");
        assert_eq!(masker.shown(b"**", at(3)), b"");
        assert_eq!(masker.rest(), b"**");
    }

    #[test]
    fn control_keys_need_no_echo() {
        let mut masker = Masker::default();
        assert_eq!(masker.typed(b"\x03\x04\x7f\r", at(0)), b"\x03\x04\x7f\r");
    }

    #[test]
    fn an_echo_out_of_order_is_no_echo() {
        let mut masker = Masker::default();
        assert_eq!(masker.typed(b"ab", at(0)), b"");
        assert_eq!(masker.shown(b"b", at(3)), b"");
        assert_eq!(masker.rest(), b"**");
    }

    #[test]
    fn a_late_echo_comes_too_late() {
        let mut masker = Masker::default();
        assert_eq!(masker.typed(b"x", at(0)), b"");
        assert_eq!(masker.shown(b"", at(2000)), b"*");
    }

    #[test]
    fn a_password_is_not_found_again_in_what_is_shown_after_it() {
        let mut masker = Masker::default();
        assert_eq!(masker.typed(b"sea\r", at(0)), b"");
        assert_eq!(masker.shown(b"\r\nHit:1 packages are searched\r\n", at(10)), b"");
        assert_eq!(masker.shown(b"seal", at(1600)), b"***\r", "what comes too late echoes nothing");
    }

    #[test]
    fn a_flood_without_echo_stays_bounded() {
        let mut masker = Masker::default();
        let out = masker.typed(&vec![b'x'; MAX_WAITING + 10], at(0));
        assert_eq!(out, b"**********");
    }

    proptest! {
        #[test]
        fn every_byte_typed_is_recorded_once_as_itself_or_masked(
            steps in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..20), 0u64..900), 0..30)
        ) {
            let (mut masker, mut now, mut typed, mut out) = (Masker::default(), 0, Vec::new(), Vec::new());
            for (is_input, bytes, pause) in steps {
                now += pause;
                if is_input {
                    typed.extend_from_slice(&bytes);
                    out.extend(masker.typed(&bytes, at(now)));
                } else {
                    out.extend(masker.shown(&bytes, at(now)));
                }
            }
            out.extend(masker.rest());
            prop_assert_eq!(out.len(), typed.len());
            for (recorded, typed) in out.iter().zip(&typed) {
                prop_assert!(recorded == typed || (*recorded == b'*' && printable(*typed)));
            }
        }
    }
}
