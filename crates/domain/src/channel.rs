//! What a passage may carry, each kind named exactly. A rule may name more than one destination at a time by `*`; what is asked for and what is
//! given is the part that both name.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Channels of one rule, request or session at most.
pub const MOST_CHANNELS: usize = 64;

/// What a passage may carry. The text is what stands in policies, statements and entries.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// `shell`: a login shell with a terminal.
    Shell,
    /// `exec`: any command; whoever has it can copy files with it too.
    Exec,
    /// `download`: files from the target, by SFTP or scp.
    Download,
    /// `upload`: files to the target, and changes to files there, by SFTP or scp.
    Upload,
    /// `forward:HOST:PORT`: connections from the person's machine to what the target reaches (`-L`, `-D`).
    Forward(Destination),
    /// `listen:HOST:PORT`: the target listens, connections go to the person's machine (`-R`).
    Listen(Destination),
    /// `socket:PATH`: as `forward`, to a Unix socket on the target.
    Socket(SocketPath),
    /// `listen-socket:PATH`: as `listen`, on a Unix socket of the target.
    ListenSocket(SocketPath),
    /// `agent`: the target may ask the person's agent.
    Agent,
    /// `x11`: the target may open windows on the person's display.
    X11,
}

/// A host as the client names it to the target, and a port; `*` stands for any.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Destination {
    host: Host,
    port: Port,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Host {
    Any,
    Named(Box<str>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Port {
    Any,
    Number(u16),
}

/// An absolute path of printable ASCII without spaces, at most 107 bytes, which is what a Unix socket's address holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketPath(Box<str>);

const LONGEST_HOST: usize = 253;
const LONGEST_SOCKET_PATH: usize = 107;

/// Why a text names no channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    #[error(
        "`{0}` is no channel; there are shell, exec, download, upload, forward:HOST:PORT, listen:HOST:PORT, socket:PATH, listen-socket:PATH, agent, x11"
    )]
    Unknown(String),
    #[error("`{0}` is no HOST:PORT; write an IPv6 address in brackets, `*` for any")]
    BadDestination(String),
    #[error("`{0}` is no socket; write an absolute path of at most {LONGEST_SOCKET_PATH} bytes without spaces")]
    BadSocket(String),
}

impl Channel {
    /// Whether this names all that `asked` names.
    #[must_use]
    pub fn covers(&self, asked: &Self) -> bool {
        self.meet(asked).as_ref() == Some(asked)
    }

    /// What both name.
    fn meet(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Forward(one), Self::Forward(two)) => one.meet(two).map(Self::Forward),
            (Self::Listen(one), Self::Listen(two)) => one.meet(two).map(Self::Listen),
            _ => (self == other).then(|| self.clone()),
        }
    }
}

/// Whether each of `asked` is covered by one of `given`; else the first that is not.
pub fn first_beyond<'a>(asked: &'a BTreeSet<Channel>, given: &BTreeSet<Channel>) -> Option<&'a Channel> {
    asked.iter().find(|asked| !given.iter().any(|given| given.covers(asked)))
}

/// What both sets name, without what another of its own covers already.
#[must_use]
pub fn meet(one: &BTreeSet<Channel>, two: &BTreeSet<Channel>) -> BTreeSet<Channel> {
    let all: BTreeSet<Channel> = one.iter().flat_map(|one| two.iter().filter_map(|two| one.meet(two))).collect();
    let is_needless = |channel: &Channel| all.iter().any(|other| other != channel && other.covers(channel));
    all.iter().filter(|channel| !is_needless(channel)).cloned().collect()
}

impl Destination {
    /// A named host, lower-cased; an IPv6 address without its brackets.
    ///
    /// # Errors
    /// [`ChannelError::BadDestination`] where `host` is none that a client may name.
    pub fn new(host: &str, port: u16) -> Result<Self, ChannelError> {
        let host = Host::named(host).ok_or_else(|| ChannelError::BadDestination(host.to_owned()))?;
        Ok(Self { host, port: Port::Number(port) })
    }

    /// `None`: any.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match &self.host {
            Host::Any => None,
            Host::Named(host) => Some(host),
        }
    }

    /// `None`: any.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self.port {
            Port::Any => None,
            Port::Number(number) => Some(number),
        }
    }

    fn meet(&self, other: &Self) -> Option<Self> {
        let host = match (&self.host, &other.host) {
            (Host::Any, named) | (named, Host::Any) => named.clone(),
            (one, two) => (one == two).then(|| one.clone())?,
        };
        let port = match (self.port, other.port) {
            (Port::Any, number) | (number, Port::Any) => number,
            (one, two) => (one == two).then_some(one)?,
        };
        Some(Self { host, port })
    }
}

impl Host {
    /// Letters, digits and what addresses are written with; an asterisk is a rule's, not a client's.
    fn named(text: &str) -> Option<Self> {
        let is_fit = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'%');
        let fits = !text.is_empty() && text.len() <= LONGEST_HOST && text.bytes().all(is_fit);
        fits.then(|| Self::Named(text.to_ascii_lowercase().into()))
    }
}

impl FromStr for Destination {
    type Err = ChannelError;

    fn from_str(text: &str) -> Result<Self, ChannelError> {
        let bad = || ChannelError::BadDestination(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match (bare, host) {
            (Some(address), _) if address.contains(':') => Host::named(address),
            (None, "*") => Some(Host::Any),
            (None, name) if !name.contains(':') => Host::named(name),
            _ => None,
        };
        let port = match port {
            "*" => Some(Port::Any),
            digits if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok().map(Port::Number),
            _ => None,
        };
        let read = Self { host: host.ok_or_else(bad)?, port: port.ok_or_else(bad)? };
        // One form only: what stands in a statement is what was typed.
        if read.to_string() == text { Ok(read) } else { Err(bad()) }
    }
}

impl FromStr for SocketPath {
    type Err = ChannelError;

    fn from_str(text: &str) -> Result<Self, ChannelError> {
        let fits = text.starts_with('/') && text.len() <= LONGEST_SOCKET_PATH;
        if fits && text.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(Self(text.into()))
        } else {
            Err(ChannelError::BadSocket(text.to_owned()))
        }
    }
}

impl FromStr for Channel {
    type Err = ChannelError;

    fn from_str(text: &str) -> Result<Self, ChannelError> {
        Ok(match text {
            "shell" => Self::Shell,
            "exec" => Self::Exec,
            "download" => Self::Download,
            "upload" => Self::Upload,
            "agent" => Self::Agent,
            "x11" => Self::X11,
            _ => match text.split_once(':') {
                Some(("forward", to)) => Self::Forward(to.parse()?),
                Some(("listen", on)) => Self::Listen(on.parse()?),
                Some(("socket", path)) => Self::Socket(path.parse()?),
                Some(("listen-socket", path)) => Self::ListenSocket(path.parse()?),
                _ => return Err(ChannelError::Unknown(text.to_owned())),
            },
        })
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shell => f.write_str("shell"),
            Self::Exec => f.write_str("exec"),
            Self::Download => f.write_str("download"),
            Self::Upload => f.write_str("upload"),
            Self::Forward(to) => write!(f, "forward:{to}"),
            Self::Listen(on) => write!(f, "listen:{on}"),
            Self::Socket(path) => write!(f, "socket:{}", path.0),
            Self::ListenSocket(path) => write!(f, "listen-socket:{}", path.0),
            Self::Agent => f.write_str("agent"),
            Self::X11 => f.write_str("x11"),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Any => f.write_str("*")?,
            Host::Named(host) if host.contains(':') => write!(f, "[{host}]")?,
            Host::Named(host) => f.write_str(host)?,
        }
        match self.port {
            Port::Any => f.write_str(":*"),
            Port::Number(number) => write!(f, ":{number}"),
        }
    }
}

impl fmt::Display for SocketPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Channel {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Channel {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn channel(text: &str) -> Channel {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    fn set(texts: &[&str]) -> BTreeSet<Channel> {
        texts.iter().map(|text| channel(text)).collect()
    }

    #[test]
    fn what_is_written_reads_back() {
        for text in [
            "shell",
            "exec",
            "download",
            "upload",
            "agent",
            "x11",
            "forward:localhost:5432",
            "forward:[::1]:22",
            "forward:*:443",
            "forward:db.internal:*",
            "listen:localhost:8080",
            "socket:/run/postgresql/.s.PGSQL.5432",
            "listen-socket:/tmp/x",
        ] {
            assert_eq!(channel(text).to_string(), text);
            let json = serde_json::to_string(&channel(text)).unwrap();
            assert_eq!(json, format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<Channel>(&json).unwrap(), channel(text));
        }
    }

    #[test]
    fn what_names_nothing_is_told_so() {
        for text in [
            "",
            "Shell",
            "sftp",
            "forward",
            "forward:",
            "forward:5432",
            "forward:localhost:",
            "forward:localhost:65536",
            "forward:localhost:+1",
            "forward:localhost:022",
            "forward:LOCALHOST:22",
            "forward:::1:22",
            "forward:[localhost]:22",
            "forward:local*:22",
            "forward:a b:22",
            "socket:run/x",
            "socket:/a b",
            "listen-socket:",
        ] {
            assert!(text.parse::<Channel>().is_err(), "{text}");
        }
        assert!(format!("socket:/{}", "a".repeat(107)).parse::<Channel>().is_err());
    }

    #[test]
    fn a_star_covers_what_is_named_and_not_the_other_way() {
        let covers = |one: &str, two: &str| channel(one).covers(&channel(two));
        assert!(covers("forward:*:443", "forward:db1:443") && covers("forward:*:*", "forward:*:443"));
        assert!(!covers("forward:db1:443", "forward:*:443") && !covers("forward:*:443", "forward:db1:80"));
        assert!(!covers("forward:*:443", "listen:db1:443") && !covers("exec", "shell"));
        assert!(covers("shell", "shell") && !covers("socket:/a", "socket:/b"));
    }

    #[test]
    fn two_sets_meet_in_what_both_name() {
        let one = set(&["shell", "exec", "forward:*:443", "forward:db1:*"]);
        let two = set(&["exec", "upload", "forward:db1:443", "forward:db2:443", "forward:*:22"]);
        assert_eq!(meet(&one, &two), set(&["exec", "forward:db1:443", "forward:db2:443", "forward:db1:22"]));
        assert_eq!(first_beyond(&set(&["exec", "forward:db1:443"]), &one), None);
        assert_eq!(first_beyond(&set(&["exec", "upload"]), &one), Some(&Channel::Upload));
    }

    fn any_channel() -> impl Strategy<Value = Channel> {
        let destination =
            (prop::sample::select(vec!["*", "db1", "db2", "[::1]"]), prop::sample::select(vec!["*", "22", "443"]));
        prop_oneof![
            prop::sample::select(vec!["shell", "exec", "download", "upload", "agent", "x11", "socket:/a", "socket:/b"])
                .prop_map(channel),
            destination.clone().prop_map(|(host, port)| channel(&format!("forward:{host}:{port}"))),
            destination.prop_map(|(host, port)| channel(&format!("listen:{host}:{port}"))),
        ]
    }

    proptest! {
        /// What both sets cover, and nothing else, is what their meeting covers.
        #[test]
        fn a_meeting_covers_what_both_cover(
            one in prop::collection::btree_set(any_channel(), 0..6),
            two in prop::collection::btree_set(any_channel(), 0..6),
            asked in any_channel(),
        ) {
            let covers = |set: &BTreeSet<Channel>| set.iter().any(|channel| channel.covers(&asked));
            prop_assert_eq!(covers(&meet(&one, &two)), covers(&one) && covers(&two));
            prop_assert_eq!(meet(&one, &two), meet(&two, &one));
        }
    }
}
