//! What is written to the terminal and read from it. Nothing that others typed can steer the terminal from here.

use std::io::{BufRead, ErrorKind, Write};

use crate::failure::{Failure, Outcome};

/// Whether somebody sits at the terminal who can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attended {
    ByAPerson,
    ByNobody,
}

pub(crate) struct Screen {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    input: Box<dyn BufRead>,
    pub(crate) attended: Attended,
    /// Columns of the terminal that standard output is; none for a file or pipe.
    pub(crate) width: Option<usize>,
    lost: Option<std::io::Error>,
}

impl Screen {
    pub(crate) fn new(
        out: Box<dyn Write>,
        err: Box<dyn Write>,
        input: Box<dyn BufRead>,
        attended: Attended,
        width: Option<usize>,
    ) -> Self {
        Self { out, err, input, attended, width, lost: None }
    }

    /// The process's own terminal, pipes or files.
    pub(crate) fn of_process() -> Self {
        let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
        let is_terminal = rustix::termios::isatty(&stdin) && rustix::termios::isatty(&stderr);
        let attended = if is_terminal { Attended::ByAPerson } else { Attended::ByNobody };
        let width = rustix::termios::tcgetwinsize(&stdout).ok().map(|size| usize::from(size.ws_col)).filter(|w| *w > 0);
        Self::new(Box::new(stdout), Box::new(stderr), Box::new(stdin.lock()), attended, width)
    }

    /// One or more lines of the answer.
    pub(crate) fn line(&mut self, text: &str) {
        let written = writeln!(self.out, "{}", harmless(text));
        self.keep(written);
    }

    /// One or more lines beside the answer.
    pub(crate) fn note(&mut self, text: &str) {
        let _nobody_listens = writeln!(self.err, "{}", harmless(text));
    }

    /// Bytes exactly as they are: files and replays, which a person asked to have as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let written = self.out.write_all(bytes).and_then(|()| self.out.flush());
        self.keep(written);
    }

    /// Asks, and reads one line of answer.
    pub(crate) fn ask(&mut self, question: &str) -> Outcome<String> {
        let asked = write!(self.err, "{} ", harmless(question)).and_then(|()| self.err.flush());
        let mut answer = String::new();
        let heard = asked.and_then(|()| std::io::Read::take(&mut self.input, LONGEST_ANSWER).read_line(&mut answer));
        heard.map_err(|error| Failure::OutputLost { why: error.to_string() })?;
        Ok(answer.trim().to_owned())
    }

    /// Everything typed, up to `limit` bytes.
    pub(crate) fn read_all(&mut self, limit: u64) -> Outcome<String> {
        let mut text = String::new();
        let read = std::io::Read::read_to_string(&mut std::io::Read::take(&mut self.input, limit + 1), &mut text);
        let unreadable = |why: String| Failure::FileUnreadable { path: "-".into(), why };
        read.map_err(|error| unreadable(error.to_string()))?;
        if text.len() as u64 > limit {
            Err(Failure::FileTooLong { path: "-".into(), limit: limit.to_string() })
        } else {
            Ok(text)
        }
    }

    /// Whether all of the answer was written. A reader that closed its end has seen enough.
    pub(crate) fn finish(&mut self) -> Outcome<()> {
        let flushed = self.out.flush();
        self.keep(flushed);
        match self.lost.take() {
            Some(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::OutputLost { why: error.to_string() }),
            _ => Ok(()),
        }
    }

    fn keep(&mut self, written: std::io::Result<()>) {
        if let (Err(error), None) = (written, &self.lost) {
            self.lost = Some(error);
        }
    }
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Screen").field("attended", &self.attended).field("width", &self.width).finish_non_exhaustive()
    }
}

/// Without what a terminal would obey or what makes a text read other than it is; such characters are shown by their code.
pub(crate) fn harmless(text: &str) -> String {
    let shown = |c: char| if steers(c) { c.escape_unicode().collect::<String>() } else { c.to_string() };
    text.chars().map(shown).collect()
}

fn steers(c: char) -> bool {
    let is_invisible =
        matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    (c.is_control() && c != '\n') || is_invisible
}

/// Longest answer to a question, in bytes: a share or a fingerprint fits.
const LONGEST_ANSWER: u64 = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_steer_a_terminal_is_shown_by_its_code() {
        assert_eq!(harmless("rotate\u{1b}[2J keys\u{202e}\r"), "rotate\\u{1b}[2J keys\\u{202e}\\u{d}");
        assert_eq!(harmless("関守\nsecond line"), "関守\nsecond line");
    }
}
