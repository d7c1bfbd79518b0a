//! How the tour speaks: in English or Japanese, a sentence before each step, at the newcomer's pace.

use std::io::Write;

use crate::terminal;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lang {
    En,
    Ja,
}

impl Lang {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "en" => Some(Self::En),
            "ja" => Some(Self::Ja),
            _ => None,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the one place where the demo asks for the user's language")]
    pub(super) fn of_environment() -> Self {
        let set = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .filter_map(|name| std::env::var(name).ok())
            .find(|value| !value.is_empty());
        if set.is_some_and(|value| value.starts_with("ja")) { Self::Ja } else { Self::En }
    }

    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Ja => "ja",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// Waits for Enter before each step.
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
    pub(super) const fn say<'a>(&self, en: &'a str, ja: &'a str) -> &'a str {
        match self.lang {
            Lang::En => en,
            Lang::Ja => ja,
        }
    }

    /// A step begins: its number, what it shows, and Enter.
    pub(super) fn step(&self, number: usize, en: &str, ja: &str) {
        terminal::heading(&format!("{number}. {}", self.say(en, ja)));
        if self.pace == Pace::Enter {
            print!("   [{}] ", self.say("Enter", "Enter で進む"));
            let _closed = std::io::stdout().flush();
            let _nobody = std::io::stdin().read_line(&mut String::new());
        }
    }

    /// A sentence on what was just seen.
    pub(super) fn remark(&self, en: &str, ja: &str) {
        println!("   → {}", self.say(en, ja));
    }
}
