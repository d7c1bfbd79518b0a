//! One file's content in one direction: counted, put in order within a bounded window, hashed, shown.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{Context, SHA256};

use crate::facts::{self, Digest, Undigested};

/// What a piece that waits costs beside its bytes: its entry in the tree and the allocation.
const PIECE_COST: usize = 128;

/// Memory for content that waits for what comes before it, shared by all files of a channel.
#[derive(Debug)]
pub(crate) struct Room {
    used: usize,
    each: usize,
    all: usize,
}

impl Room {
    pub(crate) fn new(each: usize, all: usize) -> Self {
        Self { used: 0, each, all }
    }

    pub(crate) fn used(&self) -> usize {
        self.used
    }
}

/// Where a piece of content ended up.
#[derive(Debug)]
enum Order {
    /// `0..next` is hashed; what is ahead of it waits.
    Following(Box<Following>),
    Given(Undigested),
}

#[derive(Debug)]
struct Following {
    next: u64,
    hash: Hash,
    /// Disjoint pieces by their offset, each beyond `next`: at most one for each packet.
    ahead: BTreeMap<u64, Vec<u8>>,
    cost: usize,
}

fn cost_of(piece: &Vec<u8>) -> usize {
    piece.capacity().saturating_add(PIECE_COST)
}

struct Hash(Context);

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sha256")
    }
}

#[derive(Debug)]
pub(crate) struct Flow {
    bytes: u64,
    confirmed: u64,
    end: u64,
    order: Order,
}

impl Flow {
    pub(crate) fn new() -> Self {
        let following = Following { next: 0, hash: Hash(Context::new(&SHA256)), ahead: BTreeMap::new(), cost: 0 };
        Self { bytes: 0, confirmed: 0, end: 0, order: Order::Following(Box::new(following)) }
    }

    /// One whose digest is given up from the start.
    pub(crate) fn without_digest(why: Undigested) -> Self {
        Self { bytes: 0, confirmed: 0, end: 0, order: Order::Given(why) }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Content passes, of whose packet `more` bytes are still to come. `offset + bytes.len() + more` is at most `u64::MAX`; the caller has checked that.
    pub(crate) fn take(&mut self, offset: u64, bytes: &[u8], more: usize, room: &mut Room) {
        if bytes.is_empty() {
            return;
        }
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        self.end = self.end.max(offset.saturating_add(bytes.len() as u64));
        let Order::Following(following) = &mut self.order else { return };
        if let Err(why) = following.take(offset, bytes, more, room) {
            self.give_up(why, room);
        }
    }

    /// The target confirmed this many bytes.
    pub(crate) fn confirm(&mut self, bytes: u64) {
        self.confirmed = self.confirmed.saturating_add(bytes);
    }

    /// There will be no digest; the first reason stands.
    pub(crate) fn give_up(&mut self, why: Undigested, room: &mut Room) {
        if let Order::Following(following) = &mut self.order {
            following.free(room);
            self.order = Order::Given(why);
        }
    }

    /// Ends the flow, of which `ends` is why it might not be the whole file.
    pub(crate) fn finish(mut self, ends: Result<(), Undigested>, room: &mut Room) -> facts::Flow {
        let Self { bytes, confirmed, end, .. } = self;
        if let Order::Following(following) = &self.order
            && following.next < end
        {
            self.give_up(Undigested::Gaps, room);
        }
        if let Err(why) = ends {
            self.give_up(why, room);
        }
        let digest = match self.order {
            Order::Following(following) => Ok(following.hash.finish()),
            Order::Given(why) => Err(why),
        };
        facts::Flow { bytes, confirmed, end, digest }
    }
}

impl Hash {
    fn finish(self) -> Digest {
        Digest(self.0.finish().as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

impl Following {
    fn take(&mut self, offset: u64, bytes: &[u8], more: usize, room: &mut Room) -> Result<(), Undigested> {
        let end = offset.saturating_add(bytes.len() as u64);
        self.refuse_overlap(offset, end)?;
        if offset > self.next {
            return self.wait(offset, bytes, more, room);
        }
        self.hash.0.update(bytes);
        self.next = end;
        self.catch_up(room);
        Ok(())
    }

    fn refuse_overlap(&self, offset: u64, end: u64) -> Result<(), Undigested> {
        let before = self.ahead.range(..end).next_back();
        let meets_waiting = before.is_some_and(|(at, piece)| at.saturating_add(piece.len() as u64) > offset);
        if offset < self.next || meets_waiting { Err(Undigested::Overlapping) } else { Ok(()) }
    }

    /// Keeps a piece until what comes before it has passed. The first piece of a packet makes room for all of it, so that a packet costs its length and
    /// not the double that a growing vector takes.
    fn wait(&mut self, offset: u64, bytes: &[u8], more: usize, room: &mut Room) -> Result<(), Undigested> {
        if let Some((at, piece)) = self.ahead.range_mut(..offset).next_back()
            && at.saturating_add(piece.len() as u64) == offset
            && piece.capacity() - piece.len() >= bytes.len()
        {
            piece.extend_from_slice(bytes);
            return Ok(());
        }
        let whole = bytes.len().saturating_add(more);
        let cost = whole.saturating_add(PIECE_COST);
        if self.cost.saturating_add(cost) > room.each || room.used.saturating_add(cost) > room.all {
            return Err(Undigested::TooFarOutOfOrder);
        }
        let mut piece = Vec::with_capacity(whole);
        piece.extend_from_slice(bytes);
        let cost = cost_of(&piece);
        self.cost = self.cost.saturating_add(cost);
        room.used = room.used.saturating_add(cost);
        self.ahead.insert(offset, piece);
        Ok(())
    }

    /// Hashes what waited for `next`. The rest of a packet whose first part was hashed here finds `next` where it stands.
    fn catch_up(&mut self, room: &mut Room) {
        while let Some(first) = self.ahead.first_entry().filter(|first| *first.key() == self.next) {
            let piece = first.remove();
            self.hash.0.update(&piece);
            self.next = self.next.saturating_add(piece.len() as u64);
            self.cost = self.cost.saturating_sub(cost_of(&piece));
            room.used = room.used.saturating_sub(cost_of(&piece));
        }
    }

    fn free(&mut self, room: &mut Room) {
        self.ahead.clear();
        room.used = room.used.saturating_sub(self.cost);
        self.cost = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room() -> Room {
        Room::new(1 << 10, 2 << 10)
    }

    fn sha256(bytes: &[u8]) -> Digest {
        Hash({
            let mut hash = Context::new(&SHA256);
            hash.update(bytes);
            hash
        })
        .finish()
    }

    fn run(pieces: &[(u64, &[u8])], room: &mut Room) -> facts::Flow {
        let mut flow = Flow::new();
        for (offset, bytes) in pieces {
            flow.take(*offset, bytes, 0, room);
        }
        flow.finish(Ok(()), room)
    }

    #[test]
    fn pieces_in_any_order_have_the_digest_of_the_whole() {
        for pieces in [
            [(0, &b"ab"[..]), (2, b"cd"), (4, b"ef")],
            [(4, b"ef"), (2, b"cd"), (0, b"ab")],
            [(2, b"cd"), (0, b"ab"), (4, b"ef")],
            [(4, b"ef"), (0, b"ab"), (2, b"cd")],
        ] {
            let mut room = room();
            let flow = run(&pieces, &mut room);
            assert_eq!((flow.bytes, flow.end, flow.digest), (6, 6, Ok(sha256(b"abcdef"))));
            assert_eq!(room.used(), 0);
        }
    }

    #[test]
    fn what_passed_twice_or_not_at_all_has_no_digest() {
        for (pieces, why) in [
            (vec![(0, &b"ab"[..]), (1, b"b")], Undigested::Overlapping),
            (vec![(0, b"ab"), (0, b"ab")], Undigested::Overlapping),
            (vec![(4, b"ef"), (5, b"fg")], Undigested::Overlapping),
            (vec![(4, b"ef"), (3, b"de")], Undigested::Overlapping),
            (vec![(4, b"ef"), (2, b"cdefgh")], Undigested::Overlapping),
            (vec![(4, b"ef"), (0, b"abcdef")], Undigested::Overlapping),
            (vec![(1, b"b")], Undigested::Gaps),
            (vec![(0, b"a"), (2, b"c")], Undigested::Gaps),
        ] {
            let mut room = room();
            assert_eq!(run(&pieces, &mut room).digest, Err(why), "{pieces:?}");
            assert_eq!(room.used(), 0);
        }
    }

    #[test]
    fn what_waits_is_limited_for_each_file_and_for_all() {
        let mut room = room();
        let mut flows: Vec<_> = (0..3).map(|_| Flow::new()).collect();
        for flow in &mut flows {
            flow.take(1, &[7; 800], 0, &mut room);
        }
        assert!(room.used() <= 2 << 10);
        let [first, second, third]: [Flow; 3] = flows.try_into().unwrap();
        assert_eq!(third.finish(Ok(()), &mut room).digest, Err(Undigested::TooFarOutOfOrder));
        let mut first = first;
        first.take(2000, &[7; 800], 0, &mut room);
        assert_eq!(first.finish(Ok(()), &mut room).digest, Err(Undigested::TooFarOutOfOrder));
        assert_eq!(second.finish(Ok(()), &mut room).digest, Err(Undigested::Gaps));
        assert_eq!(room.used(), 0);
    }

    #[test]
    fn a_transfer_that_stays_out_of_order_holds_only_what_waits() {
        let mut room = room();
        let mut flow = Flow::new();
        for pair in 0..1000_u64 {
            flow.take(pair * 200 + 100, &[2; 100], 0, &mut room);
            flow.take(pair * 200, &[1; 100], 0, &mut room);
        }
        assert_eq!(flow.finish(Ok(()), &mut room).digest.map(|_| ()), Ok(()));
        assert_eq!(room.used(), 0);
    }

    #[test]
    fn a_packet_that_waits_in_pieces_is_one_piece() {
        let mut room = room();
        let mut flow = Flow::new();
        for at in 0..500 {
            flow.take(1 + at, &[9], 499 - at as usize, &mut room);
        }
        assert!(room.used() < 500 + 2 * PIECE_COST, "{}", room.used());
        flow.take(0, &[9], 0, &mut room);
        assert_eq!(flow.finish(Ok(()), &mut room).digest, Ok(sha256(&[9; 501])));
    }
}
