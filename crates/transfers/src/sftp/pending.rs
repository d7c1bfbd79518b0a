//! Requests that wait for the target's answer.

use std::collections::HashMap;

use super::limits::WAITING_COST;
use super::request::Answer;
use super::wire;
use crate::act::FileAct;
use crate::facts::{FileId, Refusal};

/// What an answer will mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nothing beyond its own outcome.
    Plain(Answer),
    /// A file, or a directory, is open.
    Opened,
    /// A size the target tells, of the path in the act or of an open file.
    Size(Option<FileId>),
    /// Content arrives.
    Content {
        file: FileId,
        offset: u64,
        asked: u32,
    },
    /// Content is confirmed.
    Written {
        file: FileId,
        length: u32,
    },
    Closed {
        file: FileId,
    },
    Resized {
        file: FileId,
        size: u64,
    },
    /// The target copied into the file.
    Copied {
        file: FileId,
    },
}

impl Meaning {
    /// Does an answer of this type fit? A status always does.
    pub(super) fn fits(&self, packet: u8) -> bool {
        let wanted = match self {
            Self::Plain(Answer::Anything) => return true,
            Self::Plain(Answer::Names) => wire::NAME,
            Self::Plain(Answer::Extended) => wire::EXTENDED_REPLY,
            Self::Plain(Answer::Attributes) | Self::Size(_) => wire::ATTRS,
            Self::Plain(Answer::Handle) | Self::Opened => wire::HANDLE,
            Self::Content { .. } => wire::DATA,
            Self::Plain(Answer::Status)
            | Self::Written { .. }
            | Self::Closed { .. }
            | Self::Resized { .. }
            | Self::Copied { .. } => wire::STATUS,
        };
        packet == wanted || packet == wire::STATUS
    }

    /// The file whose end waits for this answer.
    pub(super) fn file(&self) -> Option<FileId> {
        match self {
            Self::Plain(_) | Self::Opened | Self::Size(None) => None,
            Self::Size(Some(file))
            | Self::Content { file, .. }
            | Self::Written { file, .. }
            | Self::Closed { file }
            | Self::Resized { file, .. }
            | Self::Copied { file } => Some(*file),
        }
    }
}

/// A request that went to the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) meaning: Meaning,
    /// What was judged, where something was.
    pub(super) act: Option<FileAct>,
    /// A further file whose end waits for this answer: the one a copy is read from.
    pub(super) also: Option<FileId>,
    serial: u64,
}

/// All of them, by the number the client gave.
#[derive(Debug, Default)]
pub(super) struct Pending {
    waiting: HashMap<u32, Waiting>,
    openings: usize,
    text: usize,
    asked: u64,
}

impl Pending {
    pub(super) fn waits(&self, id: u32) -> bool {
        self.waiting.contains_key(&id)
    }

    pub(super) fn get(&self, id: u32) -> Option<&Waiting> {
        self.waiting.get(&id)
    }

    /// How many files the target may open by answers that are still to come.
    pub(super) fn openings(&self) -> usize {
        self.openings
    }

    pub(super) fn text(&self) -> usize {
        self.text
    }

    pub(super) fn memory(&self) -> usize {
        self.waiting.len() * WAITING_COST + self.text
    }

    pub(super) fn place(&self, limit: usize) -> Result<(), Refusal> {
        if self.waiting.len() >= limit { Err(Refusal::TooManyWaiting { limit }) } else { Ok(()) }
    }

    /// INVARIANT: nothing with this number waits; the caller has looked.
    pub(super) fn add(&mut self, id: u32, meaning: Meaning, act: Option<FileAct>, also: Option<FileId>) {
        self.openings += usize::from(meaning == Meaning::Opened);
        self.text += act.as_ref().map_or(0, FileAct::weight);
        self.asked += 1;
        let before = self.waiting.insert(id, Waiting { meaning, act, also, serial: self.asked });
        debug_assert!(before.is_none(), "two requests wait under one number");
    }

    pub(super) fn answered(&mut self, id: u32) -> Option<Waiting> {
        let waiting = self.waiting.remove(&id)?;
        self.openings -= usize::from(waiting.meaning == Meaning::Opened);
        self.text -= waiting.act.as_ref().map_or(0, FileAct::weight);
        Some(waiting)
    }

    /// Takes out all that was never answered, in the order in which it was asked.
    pub(super) fn unanswered(&mut self) -> Vec<Waiting> {
        let mut all: Vec<_> = std::mem::take(self).waiting.into_values().collect();
        all.sort_by_key(|waiting| waiting.serial);
        all
    }
}
