//! Sentences for people in Japanese and English, from one set of keys. Knows no terminal.

use std::sync::LazyLock;

use domain::Refusal;
use domain::rule::PolicyFault;
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

use crate::failure::Failure;

/// A language that every message exists in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Lang {
    Ja,
    En,
}

impl Lang {
    /// From a POSIX locale name such as `ja_JP.UTF-8`; `C`, `POSIX` and every other language read English.
    pub(crate) fn of_locale(locale: &str) -> Self {
        let language = locale.split(['_', '.', '@', '-']).next().unwrap_or_default();
        if language.eq_ignore_ascii_case("ja") { Self::Ja } else { Self::En }
    }
}

/// A value in a sentence, by name.
pub(crate) type Argument<'a> = (&'a str, FluentValue<'a>);

/// The sentence under `key`. A key that is not there gives the key itself: better an odd word than none.
pub(crate) fn text(lang: Lang, key: &str, arguments: &[Argument<'_>]) -> String {
    find(lang, key, None, arguments).unwrap_or_else(|| key.to_owned())
}

/// As [`text`], for keys that another program chose.
pub(crate) fn text_if_known(lang: Lang, key: &str, arguments: &[Argument<'_>]) -> Option<String> {
    find(lang, key, None, arguments)
}

/// The sentence of a refusal, and what to do next.
pub(crate) fn refusal(refusal: &Refusal, lang: Lang) -> (String, String) {
    let owned = refusal_arguments(refusal, lang);
    sentence_and_hint(lang, &format!("refusal-{}", refusal.code()), &owned)
}

/// The sentence of a failure, and what to do next.
pub(crate) fn failure(failure: &Failure, lang: Lang) -> (String, String) {
    match failure {
        Failure::Refused(refused) => refusal(refused, lang),
        own => sentence_and_hint(lang, &format!("failure-{}", own.code()), &own.arguments()),
    }
}

/// A length of time as people say it, in whole seconds: `1 h 30 min`.
pub(crate) fn span(length: std::time::Duration, lang: Lang) -> String {
    let mut left = length.as_secs();
    let mut parts = Vec::new();
    for (key, seconds) in [("span-days", 86_400), ("span-hours", 3_600), ("span-minutes", 60), ("span-seconds", 1)] {
        let count = left / seconds;
        left %= seconds;
        if count > 0 || (seconds == 1 && parts.is_empty()) {
            parts.push(text(lang, key, &[("count", count.into())]));
        }
    }
    let between = match lang {
        Lang::Ja => "",
        Lang::En => " ",
    };
    parts.join(between)
}

/// As the refusal gives them, with lengths of time and faults of a policy in words.
fn refusal_arguments(refusal: &Refusal, lang: Lang) -> Vec<(&'static str, String)> {
    let mut arguments = refusal.arguments();
    for (name, value) in &mut arguments {
        if let Some(seconds) = value.parse().ok().filter(|_| name.ends_with("_s")) {
            *value = span(std::time::Duration::from_secs(seconds), lang);
        }
    }
    if let Refusal::PolicyFaulty { fault } = refusal {
        arguments = vec![("fault", policy_fault(fault, lang))];
    }
    arguments
}

/// What is wrong with a policy.
pub(crate) fn policy_fault(fault: &PolicyFault, lang: Lang) -> String {
    let (key, rule) = match fault {
        PolicyFault::NoApproval { rule } => ("fault-no-approval", Some(rule)),
        PolicyFault::BadLength { rule } => ("fault-bad-length", Some(rule)),
        PolicyFault::SelectsNothing { rule } => ("fault-selects-nothing", Some(rule)),
        PolicyFault::NoChannel { rule } => ("fault-no-channel", Some(rule)),
        PolicyFault::TooManyChannels { rule } => ("fault-too-many-channels", Some(rule)),
        PolicyFault::Twice { rule } => ("fault-twice", Some(rule)),
        PolicyFault::TooMany => ("fault-too-many", None),
        PolicyFault::PendingTooLong => ("fault-pending-too-long", None),
    };
    let arguments: Vec<Argument<'_>> = rule.map(|rule| ("rule", rule.as_str().into())).into_iter().collect();
    text(lang, key, &arguments)
}

fn sentence_and_hint(lang: Lang, key: &str, owned: &[(&'static str, String)]) -> (String, String) {
    let arguments: Vec<Argument<'_>> = owned.iter().map(|(name, value)| (*name, value.as_str().into())).collect();
    let sentence = find(lang, key, None, &arguments).unwrap_or_else(|| key.to_owned());
    (sentence, find(lang, key, Some("hint"), &arguments).unwrap_or_default())
}

fn find(lang: Lang, key: &str, attribute: Option<&str>, arguments: &[Argument<'_>]) -> Option<String> {
    let bundle: &FluentBundle<FluentResource> = match lang {
        Lang::Ja => &JAPANESE,
        Lang::En => &ENGLISH,
    };
    let message = bundle.get_message(key)?;
    let pattern = match attribute {
        Some(name) => message.get_attribute(name)?.value(),
        None => message.value()?,
    };
    let arguments: FluentArgs<'_> = arguments.iter().map(|(name, value)| (*name, value.clone())).collect();
    let mut errors = Vec::new();
    Some(bundle.format_pattern(pattern, Some(&arguments), &mut errors).into_owned())
}

static ENGLISH: LazyLock<FluentBundle<FluentResource>> = LazyLock::new(|| bundle(Lang::En));
static JAPANESE: LazyLock<FluentBundle<FluentResource>> = LazyLock::new(|| bundle(Lang::Ja));

fn bundle(lang: Lang) -> FluentBundle<FluentResource> {
    let tag = match lang {
        Lang::Ja => "ja",
        Lang::En => "en",
    };
    let tag: LanguageIdentifier = tag.parse().expect("both tags are well formed");
    let mut bundle = FluentBundle::new_concurrent(vec![tag]);
    // Marks of direction around values would stand in every copied id.
    bundle.set_use_isolating(false);
    for source in sources(lang) {
        let resource = FluentResource::try_new(source.to_owned()).expect("a test reads every message file");
        bundle.add_resource(resource).expect("a test finds keys that stand twice");
    }
    bundle
}

const fn sources(lang: Lang) -> [&'static str; 4] {
    match lang {
        Lang::Ja => [
            include_str!("../locales/ja/refusals.ftl"),
            include_str!("../locales/ja/failures.ftl"),
            include_str!("../locales/ja/checks.ftl"),
            include_str!("../locales/ja/screens.ftl"),
        ],
        Lang::En => [
            include_str!("../locales/en/refusals.ftl"),
            include_str!("../locales/en/failures.ftl"),
            include_str!("../locales/en/checks.ftl"),
            include_str!("../locales/en/screens.ftl"),
        ],
    }
}

#[cfg(test)]
mod tests;
