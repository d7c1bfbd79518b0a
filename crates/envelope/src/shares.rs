//! A 32-byte key in k of n printed shares: Shamir's scheme over GF(2^8), and a text form that tells mistypings.
//!
//! Each byte of the secret is the constant term of a polynomial of degree k − 1 over GF(2^8) (x^8 + x^4 + x^3 + x + 1) with
//! random coefficients; share i holds its value at x = i. Fewer than k shares say nothing of the secret, whatever it is.
//!
//! ```text
//! share = version 1 ‖ set (4) ‖ threshold ‖ index ‖ value (32) ‖ commitment (16) ‖ checksum (4)       59 bytes
//! commitment = first 16 of SHA-256("sekimori/share/v1" ‖ set ‖ threshold ‖ secret)
//! checksum   = first 4 of SHA-256(all before it)
//! ```
//! On paper: the 59 bytes as 95 digits of Crockford's base32, five lines of 19 digits and one check digit, in groups of five.
//! The check digit is a sum over GF(2^5) with a weight per place, so that every single mistyped digit, every two exchanged
//! digits and every two exchanged lines are told, with the line.

use std::{collections::BTreeSet, fmt};

use aws_lc_rs::digest::{self, SHA256};

use crate::Secret;

/// The most shares of one set: a ceremony of people with printed sheets.
pub const MAX_SHARES: u8 = 16;
/// One share that restores everything would be a copy, not a share.
pub const MIN_THRESHOLD: u8 = 2;

const VERSION: u8 = 1;
const SHARE_LEN: usize = 59;
const BODY_LEN: usize = SHARE_LEN - 4;
const LINES: usize = 5;
const DIGITS_PER_LINE: usize = 19;
const TYPED_PER_LINE: usize = DIGITS_PER_LINE + 1;
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Why shares were not made, not read or did not restore the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    #[error("{threshold} of {count} cannot be: it takes 2 or more of at most {MAX_SHARES} shares")]
    ImpossibleSplit { threshold: u8, count: u8 },
    #[error("line {line} holds `{found}`, which no share contains")]
    ForeignCharacter { line: usize, found: char },
    #[error("the share has {found} characters, it should have {expected}", expected = LINES * TYPED_PER_LINE)]
    WrongLength { found: usize },
    #[error("line {line} is mistyped")]
    Mistyped { line: usize },
    #[error("the share was written by version {found}, this one reads version {VERSION}")]
    UnknownVersion { found: u8 },
    #[error("the share is damaged: its checksum does not fit")]
    Damaged,
    #[error("{have} shares are too few, it takes {need}")]
    TooFew { have: usize, need: u8 },
    #[error("{have} shares are more than a set can have")]
    TooMany { have: usize },
    #[error("share {index} is of another set than the first share")]
    Foreign { index: u8 },
    #[error("share {index} was given twice")]
    Repeated { index: u8 },
    #[error("these shares are false, the others restore the secret: {indexes:?}")]
    False { indexes: Vec<u8> },
    #[error(
        "the shares do not restore the secret: at least one of them is false, and one more share is needed to tell which"
    )]
    DoNotRestore,
}

/// One share of a set. Its text is a secret; `Debug` shows which share it is, not what it holds.
pub struct Share {
    set: [u8; 4],
    threshold: u8,
    index: u8,
    value: Secret<[u8; 32]>,
    commitment: [u8; 16],
}

/// Splits `secret` into `count` shares of which any `threshold` restore it. `fill` gives random bytes; with anything less
/// than uniform bytes from a cryptographic generator, fewer shares than the threshold would say something.
///
/// The secret must be a random key: the shares carry a hash of it.
///
/// # Errors
/// [`ShareError::ImpossibleSplit`].
pub fn split(
    secret: &Secret<[u8; 32]>,
    threshold: u8,
    count: u8,
    mut fill: impl FnMut(&mut [u8]),
) -> Result<Vec<Share>, ShareError> {
    if threshold < MIN_THRESHOLD || count < threshold || count > MAX_SHARES {
        return Err(ShareError::ImpossibleSplit { threshold, count });
    }
    let mut set = [0; 4];
    fill(&mut set);
    let coefficients = Secret::filled(|coefficients: &mut Vec<u8>| {
        coefficients.resize(32 * usize::from(threshold - 1), 0);
        fill(coefficients);
    });
    let commitment = commitment(set, threshold, secret);
    let share = |index| Share { set, threshold, index, value: value_at(index, secret, &coefficients), commitment };
    Ok((1..=count).map(share).collect())
}

/// Restores the secret from the threshold of shares or more, and names the share that does not belong.
///
/// # Errors
/// [`ShareError::TooFew`], [`ShareError::TooMany`], [`ShareError::Foreign`], [`ShareError::Repeated`]; [`ShareError::False`]
/// when more than the threshold were given and some of them contradict those that restore the secret;
/// [`ShareError::DoNotRestore`] when no choice of them does.
pub fn combine(shares: &[Share]) -> Result<Secret<[u8; 32]>, ShareError> {
    let threshold = check_set(shares)?;
    let mut fewest: Option<Vec<u8>> = None;
    for choice in choices(shares.len(), usize::from(threshold)) {
        let chosen: Vec<&Share> = choice.iter().map(|&at| &shares[at]).collect();
        let secret = interpolate(&chosen, 0);
        if commitment(shares[0].set, threshold, &secret) != shares[0].commitment {
            continue;
        }
        let contradicting = contradicting(shares, &chosen);
        if contradicting.is_empty() {
            return Ok(secret);
        }
        // Errors of two shares can cancel at x = 0: the true shares are those that most others agree with.
        if fewest.as_ref().is_none_or(|fewest| contradicting.len() < fewest.len()) {
            fewest = Some(contradicting);
        }
    }
    Err(fewest.map_or(ShareError::DoNotRestore, |indexes| ShareError::False { indexes }))
}

impl Share {
    /// Which share this is: 1, 2, 3 …
    #[must_use]
    pub const fn index(&self) -> u8 {
        self.index
    }

    /// How many shares of the set restore the secret.
    #[must_use]
    pub const fn threshold(&self) -> u8 {
        self.threshold
    }

    /// What all shares of one splitting have in common, to be printed beside each.
    #[must_use]
    pub fn set_name(&self) -> String {
        self.set.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The text to print: five lines of four groups of five characters.
    #[must_use]
    pub fn printed(&self) -> Secret<String> {
        let digits = Secret::filled(|digits: &mut Vec<u8>| *digits = to_digits(self.to_bytes().expose()));
        Secret::filled(|text: &mut String| {
            text.reserve_exact(LINES * (TYPED_PER_LINE + 4));
            for (line, digits) in digits.expose().chunks(DIGITS_PER_LINE).enumerate() {
                let check = check_digit(line, digits);
                for (at, digit) in digits.iter().chain([&check]).enumerate() {
                    if at % 5 == 0 && at > 0 {
                        text.push(' ');
                    }
                    text.push(char::from(ALPHABET[usize::from(*digit)]));
                }
                text.push('\n');
            }
        })
    }

    /// Reads what a person typed: either case, any spacing and hyphens, `O` for `0`, `I` and `L` for `1`.
    ///
    /// # Errors
    /// [`ShareError::ForeignCharacter`], [`ShareError::WrongLength`], [`ShareError::Mistyped`],
    /// [`ShareError::UnknownVersion`], [`ShareError::Damaged`].
    pub fn parse(typed: &str) -> Result<Self, ShareError> {
        let digits = typed_digits(typed)?;
        let lines: Vec<&[u8]> = digits.expose().chunks_exact(TYPED_PER_LINE).collect();
        for (line, typed) in lines.iter().enumerate() {
            let (check, digits) = typed.split_last().expect("lines have twenty digits");
            if check_digit(line, digits) != *check {
                return Err(ShareError::Mistyped { line: line + 1 });
            }
        }
        let digits = lines.iter().flat_map(|typed| &typed[..DIGITS_PER_LINE]).copied();
        let bytes = Secret::filled(|bytes: &mut Vec<u8>| *bytes = from_digits(digits));
        Self::from_bytes(bytes.expose())
    }

    fn to_bytes(&self) -> Secret<Vec<u8>> {
        Secret::filled(|bytes: &mut Vec<u8>| {
            bytes.reserve_exact(SHARE_LEN);
            bytes.push(VERSION);
            bytes.extend(self.set);
            bytes.extend([self.threshold, self.index]);
            bytes.extend_from_slice(self.value.expose());
            bytes.extend(self.commitment);
            bytes.extend(checksum(bytes));
        })
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, ShareError> {
        // 95 digits hold 475 bits: a sixtieth byte, if any, is the three bits of padding.
        let (bytes, padding) = bytes.split_at_checked(SHARE_LEN).ok_or(ShareError::Damaged)?;
        let (body, sum) = bytes.split_at(BODY_LEN);
        if padding.iter().any(|&bits| bits != 0) || checksum(body) != sum {
            return Err(ShareError::Damaged);
        }
        if body[0] != VERSION {
            return Err(ShareError::UnknownVersion { found: body[0] });
        }
        let share = Self {
            set: body[1..5].try_into().expect("four bytes"),
            threshold: body[5],
            index: body[6],
            value: Secret::filled(|value: &mut [u8; 32]| value.copy_from_slice(&body[7..39])),
            commitment: body[39..].try_into().expect("sixteen bytes"),
        };
        let possible =
            (MIN_THRESHOLD..=MAX_SHARES).contains(&share.threshold) && (1..=MAX_SHARES).contains(&share.index);
        if possible { Ok(share) } else { Err(ShareError::Damaged) }
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Share({} of set {}, any {} restore)", self.index, self.set_name(), self.threshold)
    }
}

/// The threshold, when the shares are one set's and enough.
fn check_set(shares: &[Share]) -> Result<u8, ShareError> {
    let first = shares.first().ok_or(ShareError::TooFew { have: 0, need: MIN_THRESHOLD })?;
    if shares.len() > usize::from(MAX_SHARES) {
        return Err(ShareError::TooMany { have: shares.len() });
    }
    let of = |share: &Share| (share.set, share.threshold, share.commitment);
    if let Some(foreign) = shares.iter().find(|share| of(share) != of(first)) {
        return Err(ShareError::Foreign { index: foreign.index });
    }
    let mut seen = BTreeSet::new();
    if let Some(again) = shares.iter().find(|share| !seen.insert(share.index)) {
        return Err(ShareError::Repeated { index: again.index });
    }
    if shares.len() < usize::from(first.threshold) {
        return Err(ShareError::TooFew { have: shares.len(), need: first.threshold });
    }
    Ok(first.threshold)
}

/// The shares that do not lie on the polynomials through `chosen`.
fn contradicting(shares: &[Share], chosen: &[&Share]) -> Vec<u8> {
    let contradicts = |share: &&Share| interpolate(chosen, share.index).expose() != share.value.expose();
    shares.iter().filter(contradicts).map(Share::index).collect()
}

/// Every choice of `k` of the places 0..n, in lexical order; at most 12,870 of them for sixteen shares.
fn choices(n: usize, k: usize) -> impl Iterator<Item = Vec<usize>> {
    let mut next = Some((0..k).collect::<Vec<_>>());
    std::iter::from_fn(move || {
        let current = next.take()?;
        if let Some(at) = (0..k).rev().find(|&at| current[at] < n - k + at) {
            let mut following = current.clone();
            let first = current[at] + 1;
            following.splice(at.., first..first + (k - at));
            next = Some(following);
        }
        Some(current)
    })
}

/// The polynomials' values at `index`: the secret's byte first, then `coefficients` in rows of 32, by Horner's rule.
fn value_at(index: u8, secret: &Secret<[u8; 32]>, coefficients: &Secret<Vec<u8>>) -> Secret<[u8; 32]> {
    Secret::filled(|value: &mut [u8; 32]| {
        for row in coefficients.expose().chunks_exact(32).rev().chain([secret.expose().as_slice()]) {
            for (byte, coefficient) in value.iter_mut().zip(row) {
                *byte = multiply(*byte, index) ^ coefficient;
            }
        }
    })
}

/// Lagrange interpolation of the shares' polynomials at `x`.
fn interpolate(shares: &[&Share], x: u8) -> Secret<[u8; 32]> {
    Secret::filled(|value: &mut [u8; 32]| {
        for share in shares {
            let weight = lagrange_weight(shares, share.index, x);
            for (byte, y) in value.iter_mut().zip(share.value.expose()) {
                *byte ^= multiply(*y, weight);
            }
        }
    })
}

/// Subtraction is xor; the indexes differ from each other, so no denominator is zero.
fn lagrange_weight(shares: &[&Share], own: u8, x: u8) -> u8 {
    let others = shares.iter().map(|share| share.index).filter(|&other| other != own);
    others.fold(1, |weight, other| multiply(weight, multiply(x ^ other, inverse(own ^ other))))
}

/// Product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1; no branch and no table depends on the values.
fn multiply(mut a: u8, b: u8) -> u8 {
    let mut product = 0;
    for bit in 0..8 {
        product ^= a & (b >> bit & 1).wrapping_neg();
        a = a << 1 ^ (0x1b & (a >> 7).wrapping_neg());
    }
    product
}

/// a^254, which is 1/a for every a but zero.
fn inverse(a: u8) -> u8 {
    let squares = std::iter::successors(Some(multiply(a, a)), |&power| Some(multiply(power, power)));
    squares.take(7).fold(1, multiply)
}

fn commitment(set: [u8; 4], threshold: u8, secret: &Secret<[u8; 32]>) -> [u8; 16] {
    let mut hash = digest::Context::new(&SHA256);
    hash.update(b"sekimori/share/v1");
    hash.update(&set);
    hash.update(&[threshold]);
    hash.update(secret.expose());
    *hash.finish().as_ref().first_chunk().expect("16 of 32 bytes")
}

fn checksum(bytes: &[u8]) -> [u8; 4] {
    *digest::digest(&SHA256, bytes).as_ref().first_chunk().expect("4 of 32 bytes")
}

/// Eight bits in, five bits out, most significant first, zero bits at the end.
fn to_digits(bytes: &[u8]) -> Vec<u8> {
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    let digit = |at: usize| (0..5).fold(0, |digit, offset| digit << 1 | bit(at * 5 + offset));
    (0..(bytes.len() * 8).div_ceil(5)).map(digit).collect()
}

fn from_digits(digits: impl Iterator<Item = u8>) -> Vec<u8> {
    let bits: Vec<u8> = digits.flat_map(|digit| (0..5).rev().map(move |bit| digit >> bit & 1)).collect();
    let byte = |bits: &[u8]| bits.iter().fold(0, |byte, bit| byte << 1 | bit) << (8 - bits.len());
    bits.chunks(8).map(byte).collect()
}

fn typed_digits(typed: &str) -> Result<Secret<Vec<u8>>, ShareError> {
    let mut foreign = None;
    let digits = Secret::filled(|digits: &mut Vec<u8>| {
        digits.reserve_exact(LINES * TYPED_PER_LINE + 1);
        for typed in typed.chars().filter(|c| !c.is_whitespace() && *c != '-') {
            match digit_of(typed) {
                Some(digit) if digits.len() <= LINES * TYPED_PER_LINE => digits.push(digit),
                Some(_) => break,
                None => {
                    foreign = Some((digits.len() / TYPED_PER_LINE + 1, typed));
                    break;
                }
            }
        }
    });
    match (foreign, digits.expose().len()) {
        (Some((line, found)), _) => Err(ShareError::ForeignCharacter { line, found }),
        (None, found) if found != LINES * TYPED_PER_LINE => Err(ShareError::WrongLength { found }),
        _ => Ok(digits),
    }
}

fn digit_of(typed: char) -> Option<u8> {
    let canonical = match typed.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    (0u8..32).find(|&digit| char::from(ALPHABET[usize::from(digit)]) == canonical)
}

/// line + Σ 2^(place) · digit over GF(2^5): the weights of all places differ, so two exchanged digits show.
fn check_digit(line: usize, digits: &[u8]) -> u8 {
    let number = u8::try_from(line).expect("five lines");
    let sum = digits.iter().rev().fold(0, |sum, digit| double(sum ^ digit));
    sum ^ number
}

/// Times x in GF(2^5) modulo x^5 + x^2 + 1, where x generates all 31 non-zero elements.
fn double(a: u8) -> u8 {
    (a << 1 & 0x1f) ^ (0b00101 * (a >> 4))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secret(byte: u8) -> Secret<[u8; 32]> {
        Secret::filled(|bytes: &mut [u8; 32]| *bytes = std::array::from_fn(|i| byte.wrapping_mul(31) ^ i as u8))
    }

    /// Not random, but without a pattern that the arithmetic could hide.
    fn fill(seed: u32) -> impl FnMut(&mut [u8]) {
        let mut state = seed.wrapping_mul(2_654_435_761).max(1);
        move |bytes| {
            for byte in bytes {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                *byte = state as u8;
            }
        }
    }

    fn shares(threshold: u8, count: u8) -> Vec<Share> {
        split(&secret(5), threshold, count, fill(42)).unwrap()
    }

    fn copy(share: &Share) -> Share {
        Share::parse(share.printed().expose()).unwrap()
    }

    /// School multiplication of polynomials over GF(2), then division by the modulus: written another way than `multiply`.
    fn product_by_long_division(a: u8, b: u8) -> u8 {
        let mut product = (0..8).filter(|bit| b >> bit & 1 == 1).fold(0u16, |sum, bit| sum ^ u16::from(a) << bit);
        while product > 0xff {
            let degree = 15 - product.leading_zeros();
            product ^= 0x11b << (degree - 8);
        }
        product as u8
    }

    #[test]
    fn every_product_is_right() {
        for a in 0..=255 {
            for b in 0..=255 {
                assert_eq!(multiply(a, b), product_by_long_division(a, b), "{a} × {b}");
            }
        }
        assert_eq!(multiply(0x57, 0x83), 0xc1, "the example of FIPS 197, section 4.2");
    }

    #[test]
    fn the_field_axioms_hold_for_every_element() {
        for a in 0..=255u8 {
            assert_eq!(multiply(a, 1), a);
            assert_eq!(multiply(a, 0), 0);
            assert!(a == 0 || multiply(a, inverse(a)) == 1, "{a} has no inverse");
            for b in 0..=255u8 {
                let ab = multiply(a, b);
                assert_eq!(ab, multiply(b, a));
                for c in 0..=255u8 {
                    assert_eq!(multiply(ab, c), multiply(a, multiply(b, c)));
                    assert_eq!(multiply(a, b ^ c), ab ^ multiply(a, c));
                }
            }
        }
    }

    /// For k = 2, each value of a share comes from exactly one coefficient, whatever the secret: one share says nothing.
    #[test]
    fn one_share_of_two_is_uniform_for_every_secret() {
        for secret_byte in 0..=255u8 {
            let secret = Secret::new([secret_byte; 32]);
            for index in 1..=MAX_SHARES {
                let value = |c: u8| value_at(index, &secret, &Secret::new(vec![c; 32])).expose()[0];
                let values: BTreeSet<u8> = (0..=255).map(value).collect();
                assert_eq!(values.len(), 256, "share {index} of {secret_byte} prefers values");
            }
        }
    }

    /// For k = 3, any two shares together take each of the 65,536 pairs exactly once.
    #[test]
    fn two_shares_of_three_are_uniform_together() {
        for (one, two) in [(1, 2), (2, 16), (7, 9)] {
            let mut seen = vec![false; 1 << 16];
            for coefficients in 0..=u16::MAX {
                let rows: Vec<u8> = coefficients.to_be_bytes().iter().flat_map(|&c| [c; 32]).collect();
                let rows = Secret::new(rows);
                let value = |index| usize::from(value_at(index, &Secret::new([0x5a; 32]), &rows).expose()[0]);
                seen[value(one) << 8 | value(two)] = true;
            }
            assert!(seen.iter().all(|&seen| seen), "shares {one} and {two} prefer values");
        }
    }

    /// The leading coefficient may be zero: drawing it from 1..=255 would make shares say what the secret is not.
    #[test]
    fn coefficients_are_taken_as_they_are_drawn() {
        let mut calls = Vec::new();
        let made = split(&secret(1), 3, 3, |bytes| {
            calls.push(bytes.len());
            bytes.fill(0);
        });
        assert_eq!(calls, [4, 64], "four bytes of set name, then two rows of coefficients, nothing drawn again");
        assert!(made.unwrap().iter().all(|share| share.value.expose() == secret(1).expose()));
    }

    #[test]
    fn every_choice_of_enough_shares_restores_and_fewer_are_told() {
        for count in 2..=6u8 {
            for threshold in 2..=count {
                let all = shares(threshold, count);
                for chosen in 1..1u32 << count {
                    let some: Vec<Share> = all.iter().filter(|s| chosen >> (s.index - 1) & 1 == 1).map(copy).collect();
                    match combine(&some) {
                        Ok(restored) => {
                            assert!(some.len() >= usize::from(threshold));
                            assert_eq!(restored.expose(), secret(5).expose());
                        }
                        Err(refused) => {
                            let too_few = ShareError::TooFew { have: some.len(), need: threshold };
                            assert_eq!(refused, too_few);
                            assert!(some.len() < usize::from(threshold));
                        }
                    }
                }
            }
        }
        assert_eq!(combine(&[]).unwrap_err(), ShareError::TooFew { have: 0, need: 2 });
    }

    #[test]
    fn the_largest_set_restores_in_any_order() {
        let mut all = shares(16, 16);
        all.reverse();
        assert_eq!(combine(&all).unwrap().expose(), secret(5).expose());
    }

    #[test]
    fn impossible_splits_are_refused() {
        for (threshold, count) in [(0, 0), (0, 3), (1, 3), (4, 3), (2, 17), (17, 17), (255, 255)] {
            let refused = split(&secret(1), threshold, count, |_| ()).unwrap_err();
            assert_eq!(refused, ShareError::ImpossibleSplit { threshold, count });
        }
    }

    #[test]
    fn a_share_of_another_set_is_named() {
        let mut mixed = shares(2, 3);
        mixed[2] = split(&secret(5), 2, 3, fill(43)).unwrap().pop().unwrap();
        assert_eq!(combine(&mixed).unwrap_err(), ShareError::Foreign { index: 3 });
    }

    #[test]
    fn a_share_given_twice_is_named() {
        let mut all = shares(3, 3);
        all[2] = copy(&all[0]);
        assert_eq!(combine(&all).unwrap_err(), ShareError::Repeated { index: 1 });
    }

    #[test]
    fn false_shares_are_named_when_there_are_enough_true_ones() {
        let mut all = shares(3, 6);
        for at in [0, 4] {
            let value = Secret::new(all[at].value.expose().map(|byte| byte ^ 1));
            all[at].value = value;
        }
        assert_eq!(combine(&all).unwrap_err(), ShareError::False { indexes: vec![1, 5] });
        all.truncate(3);
        assert_eq!(combine(&all).unwrap_err(), ShareError::DoNotRestore);
    }

    #[test]
    fn the_choices_are_all_and_each_once() {
        let all: BTreeSet<Vec<usize>> = choices(16, 8).collect();
        assert_eq!((all.len(), choices(16, 8).count()), (12_870, 12_870));
        assert!(all.iter().all(|choice| choice.is_sorted() && choice.iter().all(|&at| at < 16)));
        assert_eq!(choices(2, 2).collect::<Vec<_>>(), [[0, 1]]);
    }

    #[test]
    fn a_share_prints_as_five_lines_and_reads_back() {
        let share = shares(2, 2).remove(1);
        let text = share.printed();
        let lines: Vec<&str> = text.expose().lines().collect();
        assert_eq!(lines.len(), 5);
        for line in &lines {
            assert!(line.split(' ').map(str::len).eq([5; 4]), "{line}");
        }
        let read = Share::parse(text.expose()).unwrap();
        assert_eq!(read.to_bytes().expose(), share.to_bytes().expose());
        assert_eq!(format!("{read:?}"), format!("Share(2 of set {}, any 2 restore)", share.set_name()));
    }

    #[test]
    fn typing_habits_are_tolerated() {
        let share = shares(2, 2).remove(0);
        let text = share.printed().expose().clone();
        let sloppy = text.to_lowercase().replace('0', "o").replacen('1', "l", 2).replace('1', "I").replace(' ', " - ");
        for typed in [sloppy, text.replace(['\n', ' '], ""), format!("\r\n\t{}", text.replace('\n', "\r\n"))] {
            assert_eq!(Share::parse(&typed).unwrap().to_bytes().expose(), share.to_bytes().expose());
        }
    }

    #[test]
    fn every_mistyped_digit_is_told_with_its_line() {
        let text = shares(2, 2).remove(0).printed().expose().replace([' ', '\n'], "");
        for at in 0..text.len() {
            for digit in ALPHABET {
                let mut typed = text.clone().into_bytes();
                if typed[at] != *digit {
                    typed[at] = *digit;
                    let refused = Share::parse(str::from_utf8(&typed).unwrap()).unwrap_err();
                    assert_eq!(refused, ShareError::Mistyped { line: at / TYPED_PER_LINE + 1 });
                }
            }
        }
    }

    #[test]
    fn exchanged_digits_and_lines_are_told() {
        let text = shares(2, 2).remove(0).printed().expose().replace([' ', '\n'], "").into_bytes();
        for line in 0..LINES {
            for one in 0..TYPED_PER_LINE {
                for two in 0..one {
                    let mut typed = text.clone();
                    typed.swap(line * TYPED_PER_LINE + one, line * TYPED_PER_LINE + two);
                    let refused = Share::parse(str::from_utf8(&typed).unwrap()).err();
                    let expected = (typed != text).then_some(ShareError::Mistyped { line: line + 1 });
                    assert_eq!(refused, expected);
                }
            }
        }
        for (one, two) in [(0, 1), (1, 4), (2, 3)] {
            let mut lines: Vec<&[u8]> = text.chunks(TYPED_PER_LINE).collect();
            lines.swap(one, two);
            let refused = Share::parse(str::from_utf8(&lines.concat()).unwrap()).unwrap_err();
            assert_eq!(refused, ShareError::Mistyped { line: one + 1 });
        }
    }

    #[test]
    fn wrong_lengths_and_characters_are_named() {
        let text = shares(2, 2).remove(0).printed().expose().clone();
        assert_eq!(Share::parse("").unwrap_err(), ShareError::WrongLength { found: 0 });
        assert_eq!(Share::parse(&text[1..]).unwrap_err(), ShareError::WrongLength { found: 99 });
        assert_eq!(Share::parse(&text.repeat(50)).unwrap_err(), ShareError::WrongLength { found: 101 });
        for found in ['U', '!', '関', '\0'] {
            let typed = text.replacen('\n', &format!("\n{found}"), 1);
            assert_eq!(Share::parse(&typed).unwrap_err(), ShareError::ForeignCharacter { line: 2, found });
        }
    }

    #[test]
    fn impossible_shares_are_refused_even_with_a_right_checksum() {
        let forge = |change: fn(&mut Vec<u8>)| {
            let mut bytes = shares(2, 2)[0].to_bytes().expose()[..BODY_LEN].to_vec();
            change(&mut bytes);
            bytes.extend(checksum(&bytes));
            Share::from_bytes(&bytes).unwrap_err()
        };
        assert_eq!(forge(|bytes| bytes[0] = 2), ShareError::UnknownVersion { found: 2 });
        assert_eq!(forge(|bytes| bytes[5] = 1), ShareError::Damaged);
        assert_eq!(forge(|bytes| bytes[5] = 17), ShareError::Damaged);
        assert_eq!(forge(|bytes| bytes[6] = 0), ShareError::Damaged);
        assert_eq!(forge(|bytes| bytes[6] = 17), ShareError::Damaged);
    }

    proptest! {
        #[test]
        fn any_secret_comes_back(bytes: [u8; 32], seed: u32, threshold in 2..=16u8, more in 0..=14u8) {
            let count = (threshold + more).min(16);
            let mut all = split(&Secret::new(bytes), threshold, count, fill(seed)).unwrap();
            all.rotate_left(usize::from(more % count));
            all.truncate(usize::from(threshold));
            let restored = combine(&all).unwrap();
            prop_assert_eq!(restored.expose(), &bytes);
        }

        #[test]
        fn arbitrary_text_is_no_share(typed: String, digits in "[0-9A-HJKMNP-TV-Z]{90,110}") {
            prop_assert!(Share::parse(&typed).is_err());
            prop_assert!(Share::parse(&digits).is_err());
        }
    }
}
