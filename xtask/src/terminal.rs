//! What the person sees while waiting, and what they are asked.

use std::io::{IsTerminal, Write};

/// Whether somebody is there to answer.
pub(crate) fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// A heading: what is done now.
pub(crate) fn heading(text: &str) {
    println!("\n── {text}");
    // Cargo writes to the other stream; what is said first must be seen first.
    let _closed = std::io::stdout().flush();
}

/// `[Y/n]`; true on Enter.
pub(crate) fn agrees(question: &str) -> bool {
    print!("{question} [Y/n] ");
    let _closed = std::io::stdout().flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer).unwrap_or(0);
    read > 0 && !answer.trim().to_lowercase().starts_with('n')
}

/// Without the escape sequences that steer a terminal: what a session wrote must not move the cursor here.
pub(crate) fn plain(line: &str) -> String {
    let mut plain = String::new();
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\u{1b}' if characters.next_if_eq(&'[').is_some() => {
                while characters.next().is_some_and(|c| !('@'..='~').contains(&c)) {}
            }
            '\u{1b}' => drop(characters.next()),
            c if c.is_control() && c != '\t' => {}
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn nothing_is_left_that_steers_a_terminal() {
        assert_eq!(plain("\u{1b}[?2004hdb1# \u{1b}7\u{1b}[999;1H\u{1b}[0;7m ends\u{1b}[0m\u{1b}8\r"), "db1#  ends");
        assert_eq!(plain("\u{1b}[32;1mSummary\u{1b}[0m [   0.3s]"), "Summary [   0.3s]");
        assert_eq!(plain("関所 \u{1b}"), "関所 ");
    }
}
