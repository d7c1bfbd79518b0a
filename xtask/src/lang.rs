//! What is said to people, in English and Japanese: each sentence once, in both, under one name.

use std::fmt::Display;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lang {
    En,
    Ja,
}

impl Lang {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "en" => Some(Self::En),
            "ja" => Some(Self::Ja),
            _ => None,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that asks for the user's language")]
    pub(crate) fn of_environment() -> Self {
        let set = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .filter_map(|name| std::env::var(name).ok())
            .find(|value| !value.is_empty());
        if set.is_some_and(|value| value.starts_with("ja")) { Self::Ja } else { Self::En }
    }

    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Ja => "ja",
        }
    }
}

/// One sentence; each `{}` stands for a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) en: &'static str,
    pub(crate) ja: &'static str,
}

impl Words {
    pub(crate) const fn of(self, lang: Lang) -> &'static str {
        match lang {
            Lang::En => self.en,
            Lang::Ja => self.ja,
        }
    }

    /// With its values, in their order.
    pub(crate) fn with(self, lang: Lang, values: &[&dyn Display]) -> String {
        let mut parts = self.of(lang).split("{}");
        let mut text = parts.next().unwrap_or_default().to_owned();
        let mut values = values.iter();
        for part in parts {
            if let Some(value) = values.next() {
                text += &value.to_string();
            }
            text += part;
        }
        text
    }
}

/// `NAME: "english", "japanese";` for each; tests go through all of them.
macro_rules! words {
    ($($name:ident: $en:literal, $ja:literal;)+) => {
        $(pub(crate) const $name: $crate::lang::Words = $crate::lang::Words { en: $en, ja: $ja };)+
        #[cfg(test)]
        pub(crate) const ALL: &[(&str, $crate::lang::Words)] = &[$((stringify!($name), $name)),+];
    };
}
pub(crate) use words;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn is_japanese(c: char) -> bool {
        matches!(c, '\u{3040}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}')
    }

    /// What must be typed as it stands: options and what is between backquotes.
    fn literals(text: &str) -> BTreeSet<&str> {
        let quoted = text.split('`').skip(1).step_by(2);
        let options =
            text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').filter(|word| word.starts_with("--"));
        quoted.chain(options).collect()
    }

    #[test]
    fn every_sentence_is_there_in_both_languages() {
        let all: Vec<_> = crate::demo::ALL_WORDS.iter().chain(crate::packages::ALL).collect();
        assert!(all.len() > 40, "{}", all.len());
        for (name, words) in all {
            assert!(!words.en.trim().is_empty() && !words.en.chars().any(is_japanese), "{name}: {}", words.en);
            assert!(words.ja.chars().any(is_japanese), "{name} is not Japanese: {}", words.ja);
            assert_eq!(words.en.matches("{}").count(), words.ja.matches("{}").count(), "{name}: other values");
            assert_eq!(literals(words.en), literals(words.ja), "{name}: other things to type");
        }
    }

    #[test]
    fn values_stand_where_the_sentence_wants_them() {
        let words = Words { en: "{} of {}", ja: "{} / {} 件" };
        assert_eq!(words.with(Lang::En, &[&1, &"two"]), "1 of two");
        assert_eq!(words.with(Lang::Ja, &[&1, &2]), "1 / 2 件");
        assert_eq!(words.with(Lang::En, &[&"{}", &2]), "{} of 2", "a value is no template");
    }
}
