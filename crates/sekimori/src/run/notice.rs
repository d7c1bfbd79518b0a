//! What is shown before the first byte of a session: that it is recorded, for what purpose, until when.

use channel::front::SessionTerms;

use crate::messages::{Lang, text};

pub(super) fn recorded(terms: &SessionTerms, lang: Lang) -> Vec<String> {
    let purpose: String =
        terms.purpose.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_PURPOSE).collect();
    let until = terms.until.to_string();
    vec![
        text(lang, "notice-recorded", &[("session", terms.session.to_string().into())]),
        text(
            lang,
            "notice-purpose",
            &[("account", format!("{}@{}", terms.login, terms.target_label).into()), ("purpose", purpose.into())],
        ),
        text(lang, "notice-until", &[("until", until.into())]),
    ]
}

/// A long purpose is cut: the whole of it stands in the request.
const LONGEST_PURPOSE: usize = 200;
