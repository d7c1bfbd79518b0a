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
    /// Files from the target.
    Download,
    /// Files to the target, and changes to files there.
    Upload,
}

impl ChannelKind {
    pub(crate) const fn is_of_files(self) -> bool {
        matches!(self, Self::Download | Self::Upload)
    }
}

/// What a session may do; nothing until a passage has been opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms {
    pub channels: BTreeSet<ChannelKind>,
    /// Environment names, or prefixes that end in `*`.
    pub env_allow: Vec<String>,
    /// Where connections of the client may be led to.
    pub forwards: Vec<Reach>,
    /// Unix sockets of the target that connections of the client may be led to.
    pub sockets: Vec<String>,
}

/// Hosts and ports, as a client names them to the target; `None` is any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    pub host: Option<String>,
    pub port: Option<u16>,
}

impl Reach {
    /// A name is another than the address it stands for: what it leads to is the target's matter.
    fn holds(&self, host: &str, port: u32) -> bool {
        self.host.as_ref().is_none_or(|named| named.eq_ignore_ascii_case(host))
            && self.port.is_none_or(|named| u32::from(named) == port)
    }
}

/// What a client or a target asks of the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask<'a> {
    OpenSession,
    OpenDirectTcp {
        host: &'a str,
        port: u32,
    },
    OpenStreamLocal(&'a str),
    /// What only a server opens.
    OpenForwarded,
    OpenX11,
    /// Any channel a target opens towards the client.
    OpenFromTarget,
    Terminal,
    Shell,
    Exec,
    /// Files from the target: by SFTP, or by an exec line that is one scp and nothing else.
    Download,
    /// The other way.
    Upload,
    Subsystem(&'a str),
    Env(&'a str),
    Signal,
    WindowChange,
    ForwardAgent,
    ForwardX11,
    ListenTcp {
        host: &'a str,
        port: u32,
    },
    ListenStreamLocal(&'a str),
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
    /// The terms name destinations, and this is none of them.
    ForwardElsewhere,
    NoAgent,
    NoX11,
    NoSubsystems,
    /// What came on an SFTP channel does not read as SFTP.
    NotSftp,
    EnvNotListed,
}

impl Why {
    /// The stable code, and the key of the message in each language.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotInTerms => "channel-not-in-terms",
            Self::NoForwarding => "forwarding-refused",
            Self::ForwardElsewhere => "forwarding-elsewhere",
            Self::NoAgent => "agent-forwarding-refused",
            Self::NoX11 => "x11-forwarding-refused",
            Self::NoSubsystems => "subsystem-refused",
            Self::NotSftp => "not-sftp",
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
        Ask::Download => needs_any(terms, [ChannelKind::Download, ChannelKind::Exec]),
        Ask::Upload => needs_any(terms, [ChannelKind::Upload, ChannelKind::Exec]),
        Ask::Terminal => needs(terms, ChannelKind::Terminal),
        Ask::Env(name) if env_listed(&terms.env_allow, name) => Verdict::Allow,
        Ask::Env(_) => Verdict::Refuse(Why::EnvNotListed),
        Ask::Subsystem("sftp") => needs_any(terms, [ChannelKind::Download, ChannelKind::Upload]),
        Ask::Subsystem(_) => Verdict::Refuse(Why::NoSubsystems),
        Ask::ForwardAgent => Verdict::Refuse(Why::NoAgent),
        Ask::OpenX11 | Ask::ForwardX11 => Verdict::Refuse(Why::NoX11),
        Ask::OpenDirectTcp { host, port } => {
            leads(terms.forwards.is_empty(), terms.forwards.iter().any(|reach| reach.holds(host, port)))
        }
        Ask::OpenStreamLocal(path) => leads(terms.sockets.is_empty(), terms.sockets.iter().any(|named| named == path)),
        Ask::OpenForwarded | Ask::OpenFromTarget | Ask::ListenTcp { .. } | Ask::ListenStreamLocal(_) => {
            Verdict::Refuse(Why::NoForwarding)
        }
    }
}

fn leads(names_nothing: bool, is_named: bool) -> Verdict {
    match (is_named, names_nothing) {
        (true, _) => Verdict::Allow,
        (false, true) => Verdict::Refuse(Why::NoForwarding),
        (false, false) => Verdict::Refuse(Why::ForwardElsewhere),
    }
}

fn needs_any<const N: usize>(terms: &Terms, kinds: [ChannelKind; N]) -> Verdict {
    if kinds.iter().any(|kind| terms.channels.contains(kind)) {
        Verdict::Allow
    } else {
        Verdict::Refuse(Why::NotInTerms)
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

    const DIRECT: Ask<'static> = Ask::OpenDirectTcp { host: "localhost", port: 5432 };
    const LISTEN: Ask<'static> = Ask::ListenTcp { host: "localhost", port: 8080 };
    const EVERYTHING: [Ask<'static>; 19] = [
        Ask::OpenSession,
        DIRECT,
        Ask::OpenStreamLocal("/run/x"),
        Ask::OpenForwarded,
        Ask::OpenX11,
        Ask::OpenFromTarget,
        Ask::Terminal,
        Ask::Shell,
        Ask::Exec,
        Ask::Download,
        Ask::Upload,
        Ask::Subsystem("sftp"),
        Ask::Env("LANG"),
        Ask::Signal,
        Ask::WindowChange,
        Ask::ForwardAgent,
        Ask::ForwardX11,
        LISTEN,
        Ask::ListenStreamLocal("/run/x"),
    ];

    fn usual() -> Terms {
        Terms {
            channels: [ChannelKind::Shell, ChannelKind::Exec, ChannelKind::Terminal].into(),
            env_allow: vec!["LANG".into(), "LC_*".into()],
            ..Terms::default()
        }
    }

    #[test]
    fn without_terms_nothing_opens_or_starts() {
        let allowed: Vec<_> =
            EVERYTHING.into_iter().filter(|&ask| authorise(&Terms::default(), ask) == Verdict::Allow).collect();
        assert_eq!(allowed, [Ask::Signal, Ask::WindowChange], "these do nothing without a channel");
    }

    #[test]
    fn the_usual_terms_forward_nothing_and_move_no_files() {
        let refused: Vec<_> = EVERYTHING.into_iter().filter(|&a| authorise(&usual(), a) != Verdict::Allow).collect();
        assert_eq!(
            refused,
            [
                DIRECT,
                Ask::OpenStreamLocal("/run/x"),
                Ask::OpenForwarded,
                Ask::OpenX11,
                Ask::OpenFromTarget,
                Ask::Subsystem("sftp"),
                Ask::ForwardAgent,
                Ask::ForwardX11,
                LISTEN,
                Ask::ListenStreamLocal("/run/x")
            ]
        );
    }

    #[test]
    fn a_forward_leads_to_what_the_terms_name_and_nowhere_else() {
        let reach = |host: Option<&str>, port| Reach { host: host.map(str::to_owned), port };
        let forwards = vec![reach(Some("localhost"), Some(5432)), reach(None, Some(443)), reach(Some("db2"), None)];
        let terms = Terms { forwards, sockets: vec!["/run/x".into()], ..Terms::default() };
        let to = |host, port| authorise(&terms, Ask::OpenDirectTcp { host, port });
        for (host, port) in [("localhost", 5432), ("LocalHost", 5432), ("10.0.0.9", 443), ("db2", 1)] {
            assert_eq!(to(host, port), Verdict::Allow, "{host}:{port}");
        }
        for (host, port) in [("localhost", 22), ("127.0.0.1", 5432), ("db22", 1), ("x", 443 + 65_536), ("", 0)] {
            assert_eq!(to(host, port), Verdict::Refuse(Why::ForwardElsewhere), "{host}:{port}");
        }
        assert_eq!(authorise(&terms, Ask::OpenStreamLocal("/run/x")), Verdict::Allow);
        assert_eq!(authorise(&terms, Ask::OpenStreamLocal("/run/y")), Verdict::Refuse(Why::ForwardElsewhere));
        assert_eq!(authorise(&terms, Ask::OpenSession), Verdict::Refuse(Why::NotInTerms), "forwards are no session");
    }

    #[test]
    fn sftp_needs_a_direction_and_other_subsystems_are_refused() {
        for kind in [ChannelKind::Download, ChannelKind::Upload] {
            let terms = Terms { channels: [kind].into(), ..Terms::default() };
            assert_eq!(authorise(&terms, Ask::Subsystem("sftp")), Verdict::Allow);
            assert_eq!(authorise(&terms, Ask::Subsystem("netconf")), Verdict::Refuse(Why::NoSubsystems));
            assert_eq!(authorise(&terms, Ask::Exec), Verdict::Refuse(Why::NotInTerms));
        }
        let terms = Terms { channels: [ChannelKind::Download].into(), ..Terms::default() };
        assert_eq!(authorise(&terms, Ask::Download), Verdict::Allow);
        assert_eq!(authorise(&terms, Ask::Upload), Verdict::Refuse(Why::NotInTerms));
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
            assert_eq!(authorise(&usual(), Ask::Env(name)), verdict, "{name:?}");
        }
    }

    #[test]
    fn a_lone_star_lists_nothing() {
        let terms = Terms { env_allow: vec!["*".into()], ..usual() };
        assert_eq!(authorise(&terms, Ask::Env("PATH")), Verdict::Refuse(Why::EnvNotListed));
    }
}
