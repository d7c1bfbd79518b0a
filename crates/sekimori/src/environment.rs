//! The process environment: every variable that this program reads is named here, and read nowhere else.

use std::path::PathBuf;

/// What the environment says. Empty variables count as absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Environment {
    /// `HOME`
    pub(crate) home: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`
    pub(crate) config_home: Option<PathBuf>,
    /// `XDG_STATE_HOME`
    pub(crate) state_home: Option<PathBuf>,
    /// The first of `LC_ALL`, `LC_MESSAGES` and `LANG` that is set, as POSIX orders them.
    pub(crate) language: Option<String>,
    /// `TZ`
    pub(crate) zone: Option<String>,
    /// `SSH_AUTH_SOCK`: whether an agent is there; `ssh-keygen` and `ssh-add` talk to it themselves.
    pub(crate) agent: Option<PathBuf>,
    /// `SEKIMORI_KEY`
    pub(crate) key: Option<PathBuf>,
    /// `SEKIMORI_SOCKET`
    pub(crate) socket: Option<PathBuf>,
    /// `SEKIMORI_GATE`
    pub(crate) gate: Option<String>,
    /// `SEKIMORI_TRUST`
    pub(crate) trust: Option<PathBuf>,
    /// `SEKIMORI_ROOT`
    pub(crate) root: Option<PathBuf>,
    /// `SEKIMORI_SSH_CONFIG`
    pub(crate) ssh_config: Option<PathBuf>,
}

impl Environment {
    pub(crate) fn read() -> Self {
        let path = |name| value(name).map(PathBuf::from);
        let text = |name| value(name).and_then(|value| value.into_string().ok());
        Self {
            home: path("HOME"),
            config_home: path("XDG_CONFIG_HOME"),
            state_home: path("XDG_STATE_HOME"),
            language: ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(text),
            zone: text("TZ"),
            agent: path("SSH_AUTH_SOCK"),
            key: path("SEKIMORI_KEY"),
            socket: path("SEKIMORI_SOCKET"),
            gate: text("SEKIMORI_GATE"),
            trust: path("SEKIMORI_TRUST"),
            root: path("SEKIMORI_ROOT"),
            ssh_config: path("SEKIMORI_SSH_CONFIG"),
        }
    }

    /// `$XDG_CONFIG_HOME/sekimori`, or where that is by default.
    pub(crate) fn config_dir(&self) -> Option<PathBuf> {
        let base = self.config_home.clone().or_else(|| Some(self.home.as_ref()?.join(".config")))?;
        Some(base.join("sekimori"))
    }

    /// `$XDG_STATE_HOME/sekimori`, or where that is by default.
    pub(crate) fn state_dir(&self) -> Option<PathBuf> {
        let base = self.state_home.clone().or_else(|| Some(self.home.as_ref()?.join(".local/state")))?;
        Some(base.join("sekimori"))
    }
}

#[expect(clippy::disallowed_methods, reason = "this file owns the environment")]
fn value(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
