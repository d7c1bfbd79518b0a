//! What is shown of commands and of a session, and how a session is typed into.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use testkit::process::{Tame, now, pause};
use testkit::{Trouble, process};

use crate::terminal::plain;

/// Headings whose fields were shown already.
#[derive(Debug, Default)]
pub(super) struct Sheets(BTreeSet<String>);

impl Sheets {
    /// A command's words, line by line; fields below a heading that was shown before are passed over.
    pub(super) fn shorten(&mut self, said: &str, instead: &str) -> Vec<String> {
        let lines: Vec<String> = said.lines().map(|line| plain(line).trim_end().to_owned()).collect();
        let mut shown: Vec<String> = Vec::new();
        let mut passing_over = false;
        for (at, line) in lines.iter().enumerate() {
            if line.starts_with("  ") && passing_over {
                continue;
            }
            shown.push(line.clone());
            let heads = !line.starts_with("  ") && lines.get(at + 1).is_some_and(|next| next.starts_with("  "));
            passing_over = heads && !self.0.insert(line.clone());
            if passing_over {
                shown.push(format!("  {instead}"));
            }
        }
        shown
    }
}

/// As a shell takes it.
pub(super) fn command_line(words: &[&str]) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_@%+=:,./-…".contains(c);
    let quoted = words.iter().map(|word| {
        if !word.is_empty() && word.chars().all(is_plain) {
            (*word).to_owned()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// A session that somebody types into; what it says is shown line by line.
#[derive(Debug)]
pub(super) struct Live {
    ssh: Tame,
    to: ChildStdin,
    seen: Arc<Mutex<String>>,
}

/// A shell may have a prompt that is not known for one; then it is typed into after this.
const PROMPT: Duration = Duration::from_secs(5);

impl Live {
    pub(super) fn open(command: &mut Command) -> Result<Self, Trouble> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut ssh = command.spawn().map(Tame).map_err(Trouble::at("ssh"))?;
        let missing = || Trouble("ssh has no pipes".to_owned());
        let (to, from) = (ssh.0.stdin.take().ok_or_else(missing)?, ssh.0.stdout.take().ok_or_else(missing)?);
        let seen = Arc::new(Mutex::new(String::new()));
        std::thread::spawn({
            let seen = seen.clone();
            move || show(from, &seen)
        });
        Ok(Self { ssh, to, seen })
    }

    /// All that it said so far.
    pub(super) fn seen(&self) -> String {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn is_open(&mut self) -> bool {
        self.ssh.ended().is_none()
    }

    /// Waits for the shell's first word.
    pub(super) fn prompt(&mut self) -> Result<(), Trouble> {
        process::until("the session", || !self.seen().is_empty() || !self.is_open())?;
        self.prompted_after(0);
        if self.is_open() { Ok(()) } else { Err(Trouble(format!("the session did not open: {}", self.seen()))) }
    }

    /// Types a line, and waits for what comes of it.
    pub(super) fn type_line(&mut self, line: &str) -> Result<(), Trouble> {
        let before = self.seen().len();
        writeln!(self.to, "{line}").and_then(|()| self.to.flush()).map_err(Trouble::at("typing"))?;
        self.prompted_after(before + line.len());
        Ok(())
    }

    fn prompted_after(&mut self, before: usize) {
        let begun = now();
        while self.is_open() && begun.elapsed() < PROMPT {
            let seen = self.seen();
            if seen.get(before..).is_some_and(ends_with_prompt) {
                return;
            }
            pause(Duration::from_millis(20));
        }
    }
}

fn ends_with_prompt(text: &str) -> bool {
    let last = text.rsplit('\n').next().map(plain).unwrap_or_default();
    ["#", "$", "%", ">"].iter().any(|sign| last.trim_end().ends_with(sign))
}

/// How every word of the gate's own begins.
const GATE: &[u8] = b"sekimori: ";

/// Line by line, and what is left at the end.
fn show(mut from: impl Read, seen: &Mutex<String>) {
    let (mut portion, mut line, mut is_shown) = ([0; 4096], Vec::new(), false);
    while let Ok(count @ 1..) = from.read(&mut portion) {
        let Some(bytes) = portion.get(..count) else { return };
        seen.lock().unwrap_or_else(PoisonError::into_inner).push_str(&String::from_utf8_lossy(bytes));
        for byte in bytes {
            if *byte == b'\n' {
                let text = plain(&String::from_utf8_lossy(&line));
                if !(is_shown && text.is_empty()) {
                    println!("   │ {}", text.trim_end());
                }
                line.clear();
                is_shown = false;
            } else {
                line.push(*byte);
            }
        }
        // The gate's own warnings stand on a line that does not end.
        if line.windows(GATE.len()).any(|part| part == GATE) {
            println!("   │ {}", plain(&String::from_utf8_lossy(&line)).trim_end());
            line.clear();
            is_shown = true;
        }
    }
    let rest = plain(&String::from_utf8_lossy(&line));
    if !rest.trim().is_empty() {
        println!("   │ {}", rest.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_shown_once() {
        let said = "you approve\n  request  req_1\n  until  10:00\nerror: no\nhint: ask another\n";
        let mut sheets = Sheets::default();
        assert_eq!(sheets.shorten(said, "…"), said.lines().collect::<Vec<_>>());
        assert_eq!(sheets.shorten(said, "…"), ["you approve", "  …", "error: no", "hint: ask another"]);
        assert_eq!(sheets.shorten("you ask\n  request  req_2\n", "…"), ["you ask", "  request  req_2"]);
        assert_eq!(sheets.shorten("one\ntwo\none\ntwo\n", "…"), ["one", "two", "one", "two"], "lines without fields");
    }

    #[test]
    fn what_is_shown_can_be_typed() {
        assert_eq!(
            command_line(&["target/demo/as", "auditor", "ssh", "root@db1@gate"]),
            "target/demo/as auditor ssh root@db1@gate"
        );
        for words in [&["printf", "%s|", "a b", "", "it's", r#"cut -d" " "$X""#, " "][..], &["printf", "%s", "*;&"]] {
            let said = process::run(Command::new("sh").args(["-c", &command_line(words)])).unwrap();
            let direct = process::run(Command::new(words[0]).args(&words[1..])).unwrap();
            assert_eq!(said, direct);
        }
    }

    #[test]
    fn prompts_are_known() {
        for text in ["root@db1:~# ", "notice\r\n$ ", "\u{1b}[?2004hdb1# ", "host% "] {
            assert!(ends_with_prompt(text), "{text:?}");
        }
        for text in ["", "root\r\n", "# root\r\n"] {
            assert!(!ends_with_prompt(text), "{text:?}");
        }
    }

    #[test]
    fn a_session_is_typed_into_and_ends() {
        let mut live =
            Live::open(Command::new("sh").args(["-c", "printf '$ '; read line; echo \"said $line\"; exec cat"]))
                .unwrap();
        live.prompt().unwrap();
        live.type_line("one").unwrap();
        assert!(live.seen().contains("said one"), "{}", live.seen());
        assert!(live.is_open());
    }
}
