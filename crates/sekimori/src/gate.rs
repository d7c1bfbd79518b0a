//! The name of a gate on another machine: `[USER@]HOST[:PORT]`.

use std::fmt;
use std::str::FromStr;

use crate::failure::Failure;

/// Where `ssh` is to go. Checked, so that no part of it can be read as an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gate {
    pub(crate) user: Option<String>,
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
}

impl FromStr for Gate {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        read(text).ok_or_else(|| Failure::GateUnreadable { text: text.chars().take(64).collect() })
    }
}

fn read(text: &str) -> Option<Gate> {
    let (user, place) = match text.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, text),
    };
    let (host, port) = host_and_port(place)?;
    let sound =
        |part: &str| !part.is_empty() && part.len() <= 255 && !part.starts_with('-') && part.chars().all(is_plain);
    let port =
        port.map(|port| port.parse().ok().filter(|port| *port != 0)).map_or(Some(None), |port| port.map(Some))?;
    (sound(host) && user.is_none_or(sound)).then(|| Gate { user: user.map(str::to_owned), host: host.to_owned(), port })
}

/// An IPv6 address stands in brackets where a port follows.
fn host_and_port(place: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = place.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        return if port.is_empty() { Some((host, None)) } else { Some((host, Some(port.strip_prefix(':')?))) };
    }
    match place.split_once(':') {
        Some((host, port)) if !port.contains(':') => Some((host, Some(port))),
        _ => Some((place, None)),
    }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%')
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match self.port {
            Some(port) if self.host.contains(':') => write!(f, "[{}]:{port}", self.host),
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_is_read_and_written_back() {
        for text in ["gate", "gate.example:2222", "me@gate", "me@10.0.0.1:22", "[::1]:2222", "fe80::1%eth0"] {
            assert_eq!(text.parse::<Gate>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_ssh_could_read_as_an_option_or_a_command_is_no_gate() {
        for text in [
            "",
            "-oProxyCommand=x",
            "me@-x",
            "-l@gate",
            "@gate",
            "gate:",
            "gate:0",
            "gate:99999",
            "gate:22x",
            "ga te",
            "gate;ls",
            "[::1",
            "[::1]x",
        ] {
            assert_eq!(text.parse::<Gate>().unwrap_err().code(), "gate-unreadable", "{text:?}");
        }
    }
}
