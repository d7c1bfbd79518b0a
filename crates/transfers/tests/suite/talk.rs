//! A conversation as two streams, fed piece by piece in an order that could have been.

use transfers::sftp::{Filter, Passed, Standing};
use transfers::{Fact, FileAct, Kept, Oversight, Side, Verdict};

use super::chance::Chance;

/// What one side says at once, and how much of the other side's stream must have come before.
#[derive(Debug, Clone)]
pub(crate) struct Say {
    pub(crate) by: Side,
    pub(crate) bytes: Vec<u8>,
    pub(crate) after: usize,
}

/// What came of a whole conversation.
#[derive(Debug, Default)]
pub(crate) struct Came {
    pub(crate) to_target: Vec<u8>,
    pub(crate) to_client: Vec<u8>,
    pub(crate) facts: Vec<Fact>,
    pub(crate) standing: Option<Standing>,
    pub(crate) kept: Vec<(u64, Side, u64, Vec<u8>)>,
    pub(crate) most_memory: usize,
}

/// Judges by a function and writes down what it is shown.
pub(crate) struct By<F> {
    pub(crate) judge: F,
    pub(crate) kept: Vec<(u64, Side, u64, Vec<u8>)>,
}

impl<F: FnMut(&FileAct) -> Verdict> Oversight for By<F> {
    fn judge(&mut self, act: &FileAct) -> Verdict {
        (self.judge)(act)
    }

    fn keep(&mut self, content: Kept<'_>) {
        let side = match content.direction {
            transfers::Direction::Upload => Side::Client,
            _ => Side::Target,
        };
        self.kept.push((content.file.0, side, content.offset, content.bytes.to_vec()));
    }
}

pub(crate) fn all_allowed(_: &FileAct) -> Verdict {
    Verdict::Allow
}

/// The streams with, for each byte, how much of the other one it needs.
struct Streams {
    bytes: [Vec<u8>; 2],
    marks: [Vec<(usize, usize)>; 2],
    fed: [usize; 2],
}

fn index(side: Side) -> usize {
    usize::from(side == Side::Target)
}

impl Streams {
    fn of(said: &[Say]) -> Self {
        let mut streams = Self { bytes: Default::default(), marks: Default::default(), fed: [0; 2] };
        for say in said {
            let at = index(say.by);
            streams.marks[at].push((streams.bytes[at].len(), say.after));
            streams.bytes[at].extend_from_slice(&say.bytes);
        }
        streams
    }

    /// How far a side may speak now.
    fn until(&self, side: Side) -> usize {
        let (own, other) = (index(side), 1 - index(side));
        let held = self.marks[own].iter().find(|(from, after)| *from >= self.fed[own] && *after > self.fed[other]);
        held.map_or(self.bytes[own].len(), |(from, _)| *from)
    }

    fn piece(&mut self, chance: &mut Chance, longest: usize) -> Option<(Side, Vec<u8>)> {
        let sides = if chance.one_in(2) { [Side::Client, Side::Target] } else { [Side::Target, Side::Client] };
        let side = sides.into_iter().find(|side| self.until(*side) > self.fed[index(*side)])?;
        let (from, until) = (self.fed[index(side)], self.until(side));
        let end = from + 1 + chance.below(longest.min(until - from));
        self.fed[index(side)] = end;
        Some((side, self.bytes[index(side)][from..end].to_vec()))
    }
}

/// Feeds a conversation, cut by chance, and ends it.
pub(crate) fn feed<F: FnMut(&FileAct) -> Verdict>(
    filter: &mut Filter,
    said: &[Say],
    chance: &mut Chance,
    judge: F,
) -> Came {
    let mut came = Came::default();
    let mut by = By { judge, kept: Vec::new() };
    let mut streams = Streams::of(said);
    let longest = [1, 7, 60, 5000, 100_000][chance.below(5)];
    while let Some((side, piece)) = streams.piece(chance, longest) {
        let mut rest = &piece[..];
        loop {
            let passed = match side {
                Side::Client => filter.client(rest, &mut by),
                Side::Target => filter.target(rest, &mut by),
            };
            let read = passed.read;
            came.take(passed, rest);
            came.most_memory = came.most_memory.max(filter.memory());
            rest = &rest[read..];
            if came.standing == Some(Standing::Asking) && side == Side::Client {
                let word = if chance.one_in(3) { Verdict::Refuse("no".into()) } else { Verdict::Allow };
                let passed = filter.answer(word);
                came.take(passed, &[]);
            }
            if rest.is_empty() {
                break;
            }
        }
    }
    came.facts.extend(filter.end());
    came.kept = by.kept;
    came
}

impl Came {
    fn take(&mut self, passed: Passed, input: &[u8]) {
        self.to_target.extend(passed.to_target.slices(input).flatten());
        self.to_client.extend(passed.to_client.slices(input).flatten());
        self.facts.extend(passed.facts);
        self.standing = Some(passed.standing);
    }
}
