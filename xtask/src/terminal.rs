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
