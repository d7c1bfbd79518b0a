//! The one function every channel, request and forward passes. Deny by default: what is not named in the terms is refused.

use std::collections::BTreeSet;

/// What a session's terms may allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChannelKind {
    /// A login shell.
    Shell,
    /// A command given on the client's command line.
    Exec,
    /// A pseudo-terminal for a shell or a command.
    Terminal,
}

/// What a session may do; nothing until a passage has been opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms {
    pub channels: BTreeSet<ChannelKind>,
    /// Environment names, or prefixes that end in `*`.
    pub env_allow: Vec<String>,
}

/// What a client or a target asks of the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask<'a> {
    OpenSession,
    OpenDirectTcp,
    OpenStreamLocal,
    OpenX11,
    /// Any channel a target opens towards the client.
    OpenFromTarget,
    Terminal,
    Shell,
    Exec,
    Subsystem(&'a str),
    Env(&'a str),
    Signal,
    WindowChange,
    ForwardAgent,
    ForwardX11,
    ListenTcp,
    ListenStreamLocal,
}

/// The judgement, with the reason a person is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a decision nobody reads is no decision"]
pub enum Verdict {
    Allow,
    Refuse(Why),
}

/// Why something is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    NotInTerms,
    NoForwarding,
    NoAgent,
    NoX11,
    NoSubsystems,
    EnvNotListed,
}

impl Why {
    /// The stable code, and the key of the message in each language.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotInTerms => "channel-not-in-terms",
            Self::NoForwarding => "forwarding-refused",
            Self::NoAgent => "agent-forwarding-refused",
            Self::NoX11 => "x11-forwarding-refused",
            Self::NoSubsystems => "subsystem-refused",
            Self::EnvNotListed => "environment-not-listed",
        }
    }
}

/// Judges one ask under the terms.
pub fn authorise(terms: &Terms, ask: Ask<'_>) -> Verdict {
    match ask {
        Ask::OpenSession if terms.channels.is_empty() => Verdict::Refuse(Why::NotInTerms),
        Ask::OpenSession | Ask::Signal | Ask::WindowChange => Verdict::Allow,
        Ask::Shell => needs(terms, ChannelKind::Shell),
        Ask::Exec => needs(terms, ChannelKind::Exec),
        Ask::Terminal => needs(terms, ChannelKind::Terminal),
        Ask::Env(name) if env_listed(&terms.env_allow, name) => Verdict::Allow,
        Ask::Env(_) => Verdict::Refuse(Why::EnvNotListed),
        Ask::Subsystem(_) => Verdict::Refuse(Why::NoSubsystems),
        Ask::ForwardAgent => Verdict::Refuse(Why::NoAgent),
        Ask::OpenX11 | Ask::ForwardX11 => Verdict::Refuse(Why::NoX11),
        Ask::OpenDirectTcp | Ask::OpenStreamLocal | Ask::OpenFromTarget | Ask::ListenTcp | Ask::ListenStreamLocal => {
            Verdict::Refuse(Why::NoForwarding)
        }
    }
}

fn needs(terms: &Terms, kind: ChannelKind) -> Verdict {
    if terms.channels.contains(&kind) { Verdict::Allow } else { Verdict::Refuse(Why::NotInTerms) }
}

fn env_listed(allowed: &[String], name: &str) -> bool {
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    plain
        && allowed.iter().any(|entry| match entry.strip_suffix('*') {
            Some(prefix) => !prefix.is_empty() && name.starts_with(prefix),
            None => entry == name,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYTHING: [Ask<'static>; 16] = [
        Ask::OpenSession,
        Ask::OpenDirectTcp,
        Ask::OpenStreamLocal,
        Ask::OpenX11,
        Ask::OpenFromTarget,
        Ask::Terminal,
        Ask::Shell,
        Ask::Exec,
        Ask::Subsystem("sftp"),
        Ask::Env("LANG"),
        Ask::Signal,
        Ask::WindowChange,
        Ask::ForwardAgent,
        Ask::ForwardX11,
        Ask::ListenTcp,
        Ask::ListenStreamLocal,
    ];

    fn widest() -> Terms {
        Terms {
            channels: [ChannelKind::Shell, ChannelKind::Exec, ChannelKind::Terminal].into(),
            env_allow: vec!["LANG".into(), "LC_*".into()],
        }
    }

    #[test]
    fn without_terms_nothing_opens_or_starts() {
        let allowed: Vec<_> =
            EVERYTHING.into_iter().filter(|&ask| authorise(&Terms::default(), ask) == Verdict::Allow).collect();
        assert_eq!(allowed, [Ask::Signal, Ask::WindowChange], "these do nothing without a channel");
    }

    #[test]
    fn even_the_widest_terms_forward_nothing() {
        let refused: Vec<_> = EVERYTHING.into_iter().filter(|&a| authorise(&widest(), a) != Verdict::Allow).collect();
        assert_eq!(
            refused,
            [
                Ask::OpenDirectTcp,
                Ask::OpenStreamLocal,
                Ask::OpenX11,
                Ask::OpenFromTarget,
                Ask::Subsystem("sftp"),
                Ask::ForwardAgent,
                Ask::ForwardX11,
                Ask::ListenTcp,
                Ask::ListenStreamLocal
            ]
        );
    }

    #[test]
    fn a_shell_is_not_an_exec() {
        let terms = Terms { channels: [ChannelKind::Exec].into(), ..Terms::default() };
        assert_eq!(authorise(&terms, Ask::Exec), Verdict::Allow);
        assert_eq!(authorise(&terms, Ask::Shell), Verdict::Refuse(Why::NotInTerms));
        assert_eq!(authorise(&terms, Ask::Terminal), Verdict::Refuse(Why::NotInTerms));
    }

    #[test]
    fn environment_names_are_listed_or_prefixed() {
        for (name, verdict) in [
            ("LANG", Verdict::Allow),
            ("LC_ALL", Verdict::Allow),
            ("LD_PRELOAD", Verdict::Refuse(Why::EnvNotListed)),
            ("LANGUAGE", Verdict::Refuse(Why::EnvNotListed)),
            ("LC_ALL=x\nLD_PRELOAD", Verdict::Refuse(Why::EnvNotListed)),
            ("", Verdict::Refuse(Why::EnvNotListed)),
        ] {
            assert_eq!(authorise(&widest(), Ask::Env(name)), verdict, "{name:?}");
        }
    }

    #[test]
    fn a_lone_star_lists_nothing() {
        let terms = Terms { env_allow: vec!["*".into()], ..widest() };
        assert_eq!(authorise(&terms, Ask::Env("PATH")), Verdict::Refuse(Why::EnvNotListed));
    }
}
