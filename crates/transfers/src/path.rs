//! A path as a peer sent it.

use std::fmt;

/// Bytes that a peer calls a path or a name: any bytes, not necessarily text. Shown with everything but printable ASCII escaped, so that it can go to
/// a terminal or a log.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RawPath(Vec<u8>);

impl RawPath {
    /// The bytes as they were sent.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// `self/name`; `name` alone where `self` is empty.
    #[must_use]
    pub(crate) fn join(&self, name: &Self) -> Self {
        let mut joined = self.0.clone();
        if !joined.is_empty() && !joined.ends_with(b"/") {
            joined.push(b'/');
        }
        joined.extend_from_slice(&name.0);
        Self(joined)
    }

    /// What stands after the last `/`, where trailing ones do not count.
    #[must_use]
    pub(crate) fn last(&self) -> Self {
        let mut parts = self.0.split(|byte| *byte == b'/').rev();
        Self(parts.find(|part| !part.is_empty()).unwrap_or_default().to_vec())
    }

    /// What stands before the last component; empty where there is nothing.
    #[must_use]
    pub(crate) fn folder(&self) -> Self {
        let end = self.0.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
        let trimmed = self.0.get(..end).unwrap_or_default();
        match trimmed.iter().rposition(|byte| *byte == b'/') {
            None => Self::default(),
            Some(0) => Self(b"/".to_vec()),
            Some(slash) => Self(trimmed.get(..slash).unwrap_or_default().to_vec()),
        }
    }
}

impl From<&[u8]> for RawPath {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<&str> for RawPath {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl From<Vec<u8>> for RawPath {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for RawPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for RawPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_without_anything_a_terminal_obeys() {
        assert_eq!(RawPath::from(&b"a\n\x1b[2J\xff"[..]).to_string(), r"a\n\x1b[2J\xff");
    }

    #[test]
    fn folder_and_last_component() {
        for (path, folder, last) in [
            ("/etc/passwd", "/etc", "passwd"),
            ("/etc", "/", "etc"),
            ("etc", "", "etc"),
            ("a/b//", "a", "b"),
            ("/", "", ""),
            ("", "", ""),
        ] {
            assert_eq!(RawPath::from(path).folder(), folder.into(), "{path}");
            assert_eq!(RawPath::from(path).last(), last.into(), "{path}");
        }
    }

    #[test]
    fn joining_adds_one_slash() {
        assert_eq!(RawPath::from("/").join(&"a".into()), "/a".into());
        assert_eq!(RawPath::from("a").join(&"b".into()), "a/b".into());
        assert_eq!(RawPath::from("").join(&"b".into()), "b".into());
    }
}
