//! What a client of the gateway sends before anything is known of it, and what passes a terminal.

use std::time::Duration;

use crate::clock::BootTime;
use crate::first_words::understand;
use crate::login::{Login, Way};
use crate::masking::Masker;
use crate::seam::Seam;

/// Once understood, it stays understood, whatever comes after; byte by byte and at once are the same.
pub(super) fn first_words(data: &[u8]) {
    let whole = understand(data);
    let first = (0..=data.len()).find_map(|end| understand(&data[..end]));
    assert_eq!(first, whole, "it depends on how the bytes arrive");
}

pub(super) fn login(data: &[u8]) {
    let Ok(name) = std::str::from_utf8(data) else { return };
    if let Ok(Way::Passage(login)) = Way::parse(name) {
        let canonical = login.to_string();
        assert_eq!(canonical, name.replace('+', "@"), "a login has two spellings");
        assert_eq!(Way::parse(&canonical), Ok(Way::Passage(login.clone())));
        assert_eq!(Login::new(login.account(), login.target(), login.grant()), Some(login));
    }
}

pub(super) fn terminal(data: &[u8]) {
    seam(data);
    masker(data);
}

/// Words of our own go in at a clean place only, wherever the output is cut.
fn seam(data: &[u8]) {
    let mut whole = Seam::default();
    whole.follow(data);
    let mut cut = Seam::default();
    data.chunks(5).for_each(|piece| cut.follow(piece));
    assert_eq!(cut, whole, "it depends on how the output is cut");
    if !data.contains(&0x1b) {
        match std::str::from_utf8(data) {
            Ok(_) => assert!(whole.is_clean(), "plain text is not clean at its end"),
            Err(error) if error.error_len().is_none() => assert!(!whole.is_clean(), "half a character is clean"),
            Err(_) => {}
        }
    }
    // Whatever it was, a terminal's own way out of a sequence ends it.
    whole.follow(b"\x1b\\\x18");
    assert!(whole.is_clean());
}

/// What was typed is recorded byte for byte or masked, and only what has been shown since is recorded as it is.
fn masker(data: &[u8]) {
    let mut masker = Masker::default();
    let (mut typed, mut recorded, mut shown) = (Vec::new(), Vec::new(), [false; 256]);
    let mut now = BootTime::from_boot(Duration::from_secs(1));
    let mut rest = data;
    // A byte says what happens, how long after the last, and with how many bytes.
    while let Some((what, after)) = rest.split_first() {
        let (piece, later) = after.split_at(usize::from(what >> 3).min(after.len()));
        rest = later;
        now = now.plus(Duration::from_millis(u64::from(what & 0b110) * 250));
        if what & 1 == 0 {
            typed.extend_from_slice(piece);
            recorded.extend(masker.typed(piece, now));
        } else {
            piece.iter().for_each(|byte| shown[usize::from(*byte)] = true);
            recorded.extend(masker.shown(piece, now));
        }
    }
    recorded.extend(masker.rest());
    assert_eq!(recorded.len(), typed.len());
    for (kept, typed) in recorded.iter().zip(&typed) {
        let control = *typed < 0x20 || *typed == 0x7f;
        let echoed = kept == typed && (control || shown[usize::from(*typed)]);
        assert!(echoed || *kept == b'*', "{typed:#x} was recorded as {kept:#x}");
    }
}
