//! What a person typed as a purpose: something another person can judge, or it is not a request.

use crate::committed::{Purpose, Text};
use crate::refusal::Refusal;

/// A purpose that says something: not blank, not a placeholder, not too long, without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurposeText(String);

/// Words that fill the field without saying anything.
const PLACEHOLDERS: &[&str] = &[
    "test",
    "testing",
    "tests",
    "asdf",
    "qwerty",
    "foo",
    "bar",
    "none",
    "na",
    "tbd",
    "todo",
    "work",
    "admin",
    "root",
    "access",
    "login",
    "maintenance",
    "misc",
    "other",
    "stuff",
    "same",
    "same as above",
    "as discussed",
    "urgent",
    "need access",
    "please",
    "purpose",
    "xxx",
    "なし",
    "無し",
    "特になし",
    "テスト",
    "作業",
    "作業のため",
    "業務",
    "業務のため",
    "同上",
    "その他",
    "いろいろ",
    "メンテナンス",
    "メンテ",
    "ログイン",
    "至急",
    "よろしくお願いします",
    "未定",
    "目的",
];

/// Fewest letters and digits a purpose has; Japanese says more in fewer characters.
const FEWEST_LATIN: usize = 8;
const FEWEST_OTHER: usize = 4;

impl PurposeText {
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text.len() > Purpose::LONGEST {
            return Err(Refusal::too_long::<Purpose>());
        }
        let trimmed = text.trim();
        if trimmed.chars().any(|c| c.is_control() && c != '\n' && c != '\t') || trimmed.chars().any(is_invisible) {
            return Err(Refusal::TextUnreadable);
        }
        let letters: Vec<char> = trimmed.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        if letters.is_empty() {
            return Err(Refusal::PurposeMissing);
        }
        if is_placeholder(trimmed, &letters) { Err(Refusal::PurposePlaceholder) } else { Ok(Self(trimmed.to_owned())) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_placeholder(trimmed: &str, letters: &[char]) -> bool {
    let words = trimmed.to_lowercase();
    let bare: String = words.chars().filter(|c| c.is_alphanumeric() || *c == ' ').collect();
    let is_known = PLACEHOLDERS.iter().any(|p| bare.trim() == *p);
    let mut distinct: Vec<char> = letters.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let fewest = if letters.iter().all(char::is_ascii) { FEWEST_LATIN } else { FEWEST_OTHER };
    is_known || distinct.len() < 3 || letters.len() < fewest
}

/// Zero-width and direction-changing characters make a text read other than it is.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{00ad}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}')
}

/// Any other text that a person typed: readable, and no longer than its kind allows.
pub fn check_text<T: Text>(text: &str) -> Result<(), Refusal> {
    if text.len() > T::LONGEST {
        return Err(Refusal::too_long::<T>());
    }
    let readable =
        !text.trim().is_empty() && !text.chars().any(|c| (c.is_control() && c != '\n' && c != '\t') || is_invisible(c));
    if readable { Ok(()) } else { Err(Refusal::TextUnreadable) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_purposes_are_refused() {
        for blank in ["", " ", "\t\n", "　", "---", "…", "\u{3164}"] {
            assert!(PurposeText::parse(blank).is_err(), "{blank:?}");
        }
    }

    #[test]
    fn placeholders_are_refused_in_both_languages() {
        for bad in [
            "test",
            "TEST",
            " test. ",
            "asdf",
            "aaaaaaaaaaaa",
            "xx",
            "n/a",
            "N/A",
            "tbd",
            "作業",
            "特になし",
            "同上。",
            "テスト",
            "12121212121",
        ] {
            assert_eq!(PurposeText::parse(bad), Err(Refusal::PurposePlaceholder), "{bad:?}");
        }
    }

    #[test]
    fn purposes_that_say_something_pass() {
        for good in [
            "rotate WAL archive, CHG-142",
            "脆弱性調査 #12",
            "障害対応 INC-7",
            "ディスク増設",
            "restore backup of shop db",
        ] {
            assert_eq!(PurposeText::parse(good).as_ref().map(PurposeText::as_str), Ok(good));
        }
    }

    #[test]
    fn what_reads_other_than_it_is_is_refused() {
        assert_eq!(PurposeText::parse("rotate \u{202e}keys of db1"), Err(Refusal::TextUnreadable));
        assert_eq!(PurposeText::parse("rotate\u{1b}[2J keys of db1"), Err(Refusal::TextUnreadable));
        assert!(PurposeText::parse(&"a long purpose ".repeat(500)).is_err());
    }
}
