//! The bytes of the memory: a beginning with the founding in it, then records of one length, each checksum over the one before.
//!
//! Beginning: `SKMKEEP1` ‖ u32be length of the founding ‖ last ‖ zeros to 96 ‖ checksum, then the founding with zeros up to a
//! multiple of 128. Record: last ‖ zeros to 96 ‖ checksum. Last: u64be size ‖ root ‖ u8 whether a serial follows ‖ u64be
//! serial. A checksum is SHA-256 over `sekimori/keeper-memory/v1`, the checksum before it (for the beginning the founding's
//! leaf hash) and the 96 bytes. A record lies within one 512-byte sector.

use ledger::{Hash, TreeHead, leaf_hash};

use super::Last;

pub(super) const RECORD_LEN: usize = 128;
const CONTENT_LEN: usize = RECORD_LEN - Hash::SIZE;
const MAGIC: &[u8; 8] = b"SKMKEEP1";
const LABEL: &[u8] = b"sekimori/keeper-memory/v1";
const LAST_LEN: usize = 8 + Hash::SIZE + 1 + 8;

/// What a whole file says.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) founding: String,
    pub(super) last: Last,
    pub(super) chain: Hash,
    pub(super) records: u64,
    /// The end holds a record that was being written when the power went.
    pub(super) torn: bool,
}

/// A record, and the checksum that the next one continues.
pub(super) fn encode(last: &Last, chain: Hash) -> (Vec<u8>, Hash) {
    closed(&last_bytes(last), chain)
}

/// A file without records.
pub(super) fn begin(founding: &str, last: &Last) -> (Vec<u8>, Hash) {
    let length = u32::try_from(founding.len()).expect("an entry has at most 65,535 bytes");
    let content = [&MAGIC[..], &length.to_be_bytes(), &last_bytes(last)].concat();
    let (mut bytes, chain) = closed(&content, leaf_hash(founding.as_bytes()));
    bytes.extend_from_slice(founding.as_bytes());
    bytes.resize(bytes.len().next_multiple_of(RECORD_LEN), 0);
    (bytes, chain)
}

impl Image {
    /// Reads a file; the error says what is wrong with it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let (start, rest) = bytes.split_at_checked(RECORD_LEN).ok_or("it is too short")?;
        let length = start.strip_prefix(MAGIC).and_then(|rest| rest.first_chunk()).ok_or("it is no keeper's memory")?;
        let length = usize::try_from(u32::from_be_bytes(*length)).expect("a 32-bit length");
        let padded = length.checked_next_multiple_of(RECORD_LEN).ok_or("its founding is cut off")?;
        let (founding, records) = rest.split_at_checked(padded).ok_or("its founding is cut off")?;
        let (founding, zeros) = founding.split_at(length);
        let chain = checksum(content_of(start), leaf_hash(founding));
        if checksum_of(start) != chain.as_bytes() || !is_zero(zeros) {
            return Err("the checksum of its beginning does not fit");
        }
        let last = read_last(&content_of(start)[MAGIC.len() + 4..]).ok_or("its beginning is malformed")?;
        let founding = std::str::from_utf8(founding).map_err(|_| "its founding is no text")?.to_owned();
        Self { founding, last, chain, records: 0, torn: false }.read_on(records)
    }

    fn read_on(mut self, records: &[u8]) -> Result<Self, &'static str> {
        let mut rest = records;
        while let Some((record, after)) = rest.split_at_checked(RECORD_LEN) {
            let chain = checksum(content_of(record), self.chain);
            if checksum_of(record) != chain.as_bytes() {
                break;
            }
            self.last = read_last(content_of(record)).ok_or("a record is malformed")?;
            (self.chain, self.records, rest) = (chain, self.records + 1, after);
        }
        self.torn = !rest.is_empty();
        if self.torn && !is_torn(rest, self.chain) { Err("the checksum of a record does not fit") } else { Ok(self) }
    }
}

/// Whether this is what a cut leaves of one write: some first part of a record and nothing, or zeros, after it. A record that
/// was whole and changed later is told from that by its checksum: it stands there, and does not fit.
fn is_torn(rest: &[u8], chain: Hash) -> bool {
    let (record, after) = rest.split_at(rest.len().min(RECORD_LEN));
    let mut whole = [0; RECORD_LEN];
    whole[..record.len()].copy_from_slice(record);
    let expected = checksum(content_of(&whole), chain);
    let found = checksum_of(&whole);
    let agreeing = found.iter().zip(expected.as_bytes()).take_while(|(found, expected)| found == expected).count();
    is_zero(after) && (is_zero(found) || is_zero(&found[agreeing..]))
}

fn closed(content: &[u8], chain: Hash) -> (Vec<u8>, Hash) {
    let mut bytes = content.to_vec();
    bytes.resize(CONTENT_LEN, 0);
    let chain = checksum(&bytes, chain);
    bytes.extend_from_slice(chain.as_bytes());
    (bytes, chain)
}

fn checksum(content: &[u8], chain: Hash) -> Hash {
    Hash::of(&[LABEL, chain.as_bytes(), content].concat())
}

fn last_bytes(last: &Last) -> [u8; LAST_LEN] {
    let mut bytes = [0; LAST_LEN];
    bytes[..8].copy_from_slice(&last.head.size.to_be_bytes());
    bytes[8..40].copy_from_slice(last.head.root.as_bytes());
    bytes[40] = u8::from(last.serial.is_some());
    bytes[41..].copy_from_slice(&last.serial.unwrap_or(0).to_be_bytes());
    bytes
}

fn read_last(bytes: &[u8]) -> Option<Last> {
    let (size, rest) = bytes.split_first_chunk()?;
    let (root, rest) = rest.split_first_chunk()?;
    let (there, rest) = rest.split_first()?;
    let (serial, zeros) = rest.split_first_chunk()?;
    let last = Last {
        head: TreeHead { size: u64::from_be_bytes(*size), root: Hash::from_bytes(*root) },
        serial: (*there == 1).then_some(u64::from_be_bytes(*serial)),
    };
    (*there <= 1 && is_zero(zeros)).then_some(last)
}

fn content_of(record: &[u8]) -> &[u8] {
    &record[..CONTENT_LEN]
}

fn checksum_of(record: &[u8]) -> &[u8] {
    &record[CONTENT_LEN..]
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(size: u64, serial: Option<u64>) -> Last {
        Last { head: TreeHead { size, root: Hash::of(&size.to_be_bytes()) }, serial }
    }

    /// A file with two records, and where the last one begins.
    fn file() -> (Vec<u8>, usize) {
        let (mut bytes, chain) = begin("the founding", &last(1, None));
        let (first, chain) = encode(&last(7, None), chain);
        let (second, _) = encode(&last(9, Some(3)), chain);
        bytes.extend(first);
        let place = bytes.len();
        bytes.extend(second);
        (bytes, place)
    }

    #[test]
    fn a_file_reads_back() {
        let (bytes, _) = file();
        let image = Image::parse(&bytes).unwrap();
        assert_eq!((image.founding.as_str(), image.last, image.records), ("the founding", last(9, Some(3)), 2));
        assert!(!image.torn);
    }

    #[test]
    fn a_last_record_cut_anywhere_is_dropped() {
        let (bytes, place) = file();
        for end in place + 1..bytes.len() {
            let image = Image::parse(&bytes[..end]).unwrap();
            assert_eq!((image.last, image.torn), (last(7, None), true), "cut to {end} bytes");
            let mut zeroed = bytes[..end].to_vec();
            zeroed.resize(bytes.len() + 512, 0);
            // Where the bytes that were cut off are zeros themselves, nothing was lost.
            let kept = if bytes[end..].iter().all(|b| *b == 0) { last(9, Some(3)) } else { last(7, None) };
            assert_eq!(Image::parse(&zeroed).unwrap().last, kept, "zeros from {end}");
        }
        assert!(!Image::parse(&bytes[..place]).unwrap().torn);
    }

    #[test]
    fn a_bit_changed_anywhere_is_damage_and_never_an_older_memory() {
        let (bytes, _) = file();
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[place] ^= 1 << bit;
                let read = Image::parse(&changed);
                // Only the very last byte can look cut off: it must then have become zero.
                let looks_cut = place == bytes.len() - 1 && changed[place] == 0;
                assert!(read.is_err() || looks_cut, "bit {bit} of byte {place}");
            }
        }
    }

    #[test]
    fn records_moved_dropped_or_followed_by_something_are_damage() {
        let (bytes, place) = file();
        let without_the_first = [&bytes[..place - RECORD_LEN], &bytes[place..]].concat();
        assert!(Image::parse(&without_the_first).is_err());
        let twice = [&bytes[..], &bytes[place..]].concat();
        assert!(Image::parse(&twice).is_err());
        let gap = [&bytes[..place], &[0; RECORD_LEN], &bytes[place..]].concat();
        assert!(Image::parse(&gap).is_err());
        let garbage = [&bytes[..], &[0xa5; RECORD_LEN]].concat();
        assert!(Image::parse(&garbage).is_err());
    }

    #[test]
    fn a_beginning_cut_off_is_damage() {
        let (bytes, _) = begin("the founding", &last(1, None));
        for end in 0..bytes.len() {
            assert!(Image::parse(&bytes[..end]).is_err(), "cut to {end} bytes");
        }
        assert!(Image::parse(&bytes).is_ok());
    }
}
