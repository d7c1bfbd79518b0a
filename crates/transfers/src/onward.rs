//! What goes on to one side: told as ranges of what came in, so that content is not copied.

use std::ops::Range;

/// One piece of what goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// These bytes of the input of this very call.
    Input(Range<usize>),
    /// Bytes held back from earlier input until they were decided, or the gate's own.
    Own(Vec<u8>),
}

/// What goes on to one side, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Onward {
    pieces: Vec<Piece>,
}

impl Onward {
    /// The pieces, in order. Ranges that touch are one piece.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The bytes, in order. `input` is what was given to the call that returned this; with other input the bytes are others, or missing.
    pub fn slices<'a>(&'a self, input: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.pieces.iter().map(|piece| match piece {
            Piece::Input(range) => input.get(range.clone()).unwrap_or_default(),
            Piece::Own(bytes) => bytes.as_slice(),
        })
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub(crate) fn input(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        match self.pieces.last_mut() {
            Some(Piece::Input(last)) if last.end == range.start => last.end = range.end,
            _ => self.pieces.push(Piece::Input(range)),
        }
    }

    pub(crate) fn own(&mut self, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self.pieces.last_mut() {
            Some(Piece::Own(last)) => last.extend_from_slice(&bytes),
            _ => self.pieces.push(Piece::Own(bytes)),
        }
    }
}
