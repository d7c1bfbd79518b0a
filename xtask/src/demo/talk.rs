//! How the tour speaks: in one language, a sentence before each step, at the newcomer's pace.

use std::fmt::Display;
use std::io::Write;

use super::words::ENTER;
use crate::lang::{Lang, Words};
use crate::terminal;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// Waits for Enter before each command.
    Enter,
    /// No terminal: goes through without waiting, and leaves the servers up.
    Still,
    /// `--auto`: goes through without waiting, and ends the servers.
    Auto,
}

impl Pace {
    pub(super) fn of_terminal() -> Self {
        if terminal::is_interactive() { Self::Enter } else { Self::Still }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Talk {
    pub(super) lang: Lang,
    pub(super) pace: Pace,
}

impl Talk {
    pub(super) fn say(&self, words: Words) {
        println!("{}", words.of(self.lang));
    }

    pub(super) fn heading(&self, words: Words) {
        terminal::heading(words.of(self.lang));
    }

    /// A step begins: its number, and what it shows.
    pub(super) fn step(&self, number: usize, words: Words) {
        terminal::heading(&format!("{number}. {}", words.of(self.lang)));
    }

    /// A sentence on what is seen.
    pub(super) fn remark(&self, words: Words) {
        self.remark_with(words, &[]);
    }

    pub(super) fn remark_with(&self, words: Words, values: &[&dyn Display]) {
        println!("   → {}", words.with(self.lang, values));
    }

    /// At a newcomer's pace, waits for Enter; somebody who has closed the input is not waited for.
    pub(super) fn wait(&self) {
        if self.pace == Pace::Enter {
            print!("   [{}] ", ENTER.of(self.lang));
            let _closed = std::io::stdout().flush();
            let _nobody = std::io::stdin().read_line(&mut String::new());
        }
    }
}
