//! Lists in parts: how much is asked for, from where, and how a person gets the part that follows.

use std::str::FromStr;

use channel::api::{MOST_ROWS, Page};
use domain::RefusalCode;

use crate::connection::Connection;
use crate::desk::Desk;
use crate::failure::{Failure, Outcome};
use crate::ids::{self, Named};

/// Options of every command that lists.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PageArgs {
    /// At most so many rows
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_ROWS)))]
    limit: u32,
    /// Only the rows after this one: the `next` of the part before
    #[arg(long, value_name = "ID")]
    after: Option<String>,
}

impl PageArgs {
    /// The part after a row that goes by an id, or by the beginning of it.
    pub(crate) fn by_id<I: Named>(&self, connection: &mut Connection) -> Outcome<Page<I>> {
        let after = self.after.as_deref().map(|text| ids::resolve(connection, text)).transpose()?;
        Ok(Page { after, limit: self.limit })
    }

    /// The part after a row that goes by something else. `wanted`: what that looks like.
    pub(crate) fn by<C: FromStr>(&self, wanted: &str) -> Outcome<Page<C>> {
        let unreadable =
            |text: &String| Failure::AfterUnreadable { text: text.chars().take(128).collect(), wanted: wanted.into() };
        let after = self.after.as_ref().map(|text| text.parse().map_err(|_| unreadable(text))).transpose()?;
        Ok(Page { after, limit: self.limit })
    }

    /// Where the server does not know the row after which it was asked, it is `--after` that is wrong.
    pub(crate) fn blame(&self, failure: Failure) -> Failure {
        match (&self.after, failure) {
            (Some(text), Failure::Refused(refusal)) if UNKNOWN.contains(&refusal.code()) => {
                Failure::AfterUnknown { text: text.clone() }
            }
            (_, failure) => failure,
        }
    }
}

/// What the server says of a row that never was.
const UNKNOWN: &[RefusalCode] = &[
    RefusalCode::PersonUnknown,
    RefusalCode::KeyUnknown,
    RefusalCode::NotMember,
    RefusalCode::TargetUnknown,
    RefusalCode::AccountUnknown,
    RefusalCode::MotionUnknown,
    RefusalCode::RequestUnknown,
    RefusalCode::GrantUnknown,
    RefusalCode::SessionUnknown,
    RefusalCode::NothingSuch,
];

/// The part of a list that `args` ask for: `part!(args, connection, Query::People { page } => People)`.
macro_rules! part {
    ($args:expr, $connection:expr, $query:expr => $variant:ident) => {
        match $connection.read($query).map_err(|failure| $args.blame(failure))? {
            channel::api::View::$variant(part) => part,
            _ => return Err($crate::failure::Failure::AnswerUnexpected { wanted: stringify!($variant).to_lowercase() }),
        }
    };
}
pub(crate) use part;

/// Every part of a list that has to be known whole, as it is asked for page by page.
pub(crate) fn every<R, C>(
    desk: &mut Desk<'_>,
    mut ask: impl FnMut(Page<C>) -> Outcome<channel::api::Rows<R, C>>,
    mut take: impl FnMut(R),
) -> Outcome<()>
where
    C: Clone + PartialEq,
{
    let mut after = None;
    loop {
        let part = patiently(desk, || ask(Page { after: after.clone(), limit: MOST_ROWS }))?;
        part.rows.into_iter().for_each(&mut take);
        match part.next {
            None => return Ok(()),
            // A server that gives the same place again would never end.
            Some(next) if Some(&next) == after.as_ref() => {
                return Err(Failure::AnswerUnexpected { wanted: "next".into() });
            }
            Some(next) => after = Some(next),
        }
    }
}

/// Asks again, where the server says that it was asked too fast.
pub(crate) fn patiently<T>(desk: &mut Desk<'_>, mut ask: impl FnMut() -> Outcome<T>) -> Outcome<T> {
    for _ in 0..MOST_WAITS {
        match ask() {
            Err(Failure::Refused(refusal)) => match *refusal {
                domain::Refusal::TooFast { wait_s } => desk.pause(std::time::Duration::from_secs(wait_s.min(10))),
                other => return Err(other.into()),
            },
            other => return other,
        }
    }
    ask()
}

/// The same command line for the part after `next`, ready for a shell.
pub(crate) fn command_after(words: &[String], next: &str) -> String {
    let mut kept = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            AFTER => _ = rest.next(),
            word if word.starts_with("--after=") => {}
            word => kept.push(quoted(word)),
        }
    }
    kept.extend([AFTER.to_owned(), quoted(next)]);
    kept.join(" ")
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

const AFTER: &str = "--after";
const MOST_WAITS: u32 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_for_the_next_part_is_the_typed_one_with_another_place() {
        for (typed, next) in [
            ("sekimori person list", "sekimori person list --after per_2"),
            (
                "sekimori --lang ja person list --after per_1 --limit 5",
                "sekimori --lang ja person list --limit 5 --after per_2",
            ),
            ("sekimori person list --after=per_1", "sekimori person list --after per_2"),
            (
                "/opt/bin/sekimori --gate root@gate:22 key list",
                "/opt/bin/sekimori --gate root@gate:22 key list --after per_2",
            ),
        ] {
            let typed: Vec<String> = typed.split(' ').map(str::to_owned).collect();
            assert_eq!(command_after(&typed, "per_2"), next);
        }
    }

    #[test]
    fn words_that_a_shell_would_read_otherwise_are_quoted() {
        let typed = ["sekimori", "--root", "/my gate's", "--key", "$HOME/k", "person", "list"].map(str::to_owned);
        let command = command_after(&typed, "per_2");
        assert_eq!(command, r"sekimori --root '/my gate'\''s' --key '$HOME/k' person list --after per_2");
    }
}
