//! A sheet of named values: what is shown of one thing, and what is shown before it is signed.

use unicode_width::UnicodeWidthStr;

use crate::messages::{self, Argument, Lang};
use crate::screen::harmless;
use crate::table::padded;

/// A title and lines of a label and a value. Titles and labels are message keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sheet {
    lang: Lang,
    title: String,
    rows: Vec<(String, String)>,
}

impl Sheet {
    pub(crate) fn new(lang: Lang, title: &str, arguments: &[Argument<'_>]) -> Self {
        Self { lang, title: messages::text(lang, title, arguments), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, label: &str, value: impl Into<String>) {
        self.rows.push((messages::text(self.lang, label, &[]), value.into()));
    }

    /// A line only where there is a value.
    pub(crate) fn row_if(&mut self, label: &str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.row(label, value);
        }
    }

    /// A word of ours as the value, by its key.
    pub(crate) fn word(&mut self, label: &str, key: &str) {
        self.row(label, messages::text(self.lang, key, &[]));
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.rows.extend(other.rows);
    }
}

/// Lines without a last line end. A value of several lines goes on under itself, so that no value can look like a label.
impl std::fmt::Display for Sheet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.title)?;
        let widest = self.rows.iter().map(|(label, _)| label.width()).max().unwrap_or(0);
        for (label, value) in &self.rows {
            let value = harmless(value).replace('\n', &format!("\n  {}  ", " ".repeat(widest)));
            write!(f, "\n  {}  {value}", padded(label, widest))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_several_lines_cannot_look_like_another_label() {
        let mut sheet = Sheet::new(Lang::En, "say-request", &[]);
        sheet.row("label-account", "root@db1");
        sheet.row("label-purpose", "first\naccount   root@db2\u{1b}[1A");
        let text = sheet.to_string();
        assert!(text.contains("\n           account   root@db2\\u{1b}[1A"), "{text}");
    }
}
