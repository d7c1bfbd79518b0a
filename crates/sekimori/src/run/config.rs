//! The operator's one file, `sekimori.toml`. Absent, everything has a default; a field it does not know is an error with its line.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use crate::places::Places;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Where the SSH gateway listens.
    pub(crate) listen: SocketAddr,
    /// Language of what the gateway says: `en` or `ja`.
    pub(crate) language: Tongue,
    /// Addresses from which targets see the gateway (CIDR); certificates are bound to them. Empty: not bound.
    pub(crate) source_addresses: Vec<String>,
    /// `age1…` recipients of an outside auditor, who can read every recording.
    pub(crate) age_recipients: Vec<String>,
    /// `fast` or `only-aes-gcm`.
    pub(crate) ciphers: CipherChoice,
    /// Disk space kept back for ending recordings, in MiB.
    pub(crate) reserve_mib: u64,
    /// Commands of one person in a second, and how many may come at once.
    pub(crate) commands_a_second: f64,
    pub(crate) burst: f64,
    /// Files and folders that every process may read besides its own: what a module of the system's needs that we do not know of.
    pub(crate) also_read: Vec<PathBuf>,
    /// A file whose first line opens the keeper's keys.
    pub(crate) passphrase_file: Option<PathBuf>,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub(crate) log: String,
    /// Started as root, `serve` runs all three processes as root instead of each as its own user. For trying things out.
    pub(crate) one_user: bool,
    pub(crate) users: UserNames,
}

/// Names of the system's users that the processes run as, when `serve` is started as root.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct UserNames {
    pub(crate) keeper: String,
    pub(crate) engine: String,
    pub(crate) front: String,
}

impl Default for UserNames {
    fn default() -> Self {
        let named = |process| format!("sekimori-{process}");
        Self { keeper: named("keeper"), engine: named("engine"), front: named("front") }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tongue {
    En,
    Ja,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CipherChoice {
    /// AES-GCM with every client that knows it, others as they can.
    Fast,
    /// A client that does not know AES-GCM is turned away.
    OnlyAesGcm,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 2222)),
            language: Tongue::En,
            source_addresses: vec![],
            age_recipients: vec![],
            ciphers: CipherChoice::Fast,
            reserve_mib: 64,
            commands_a_second: 50.0,
            burst: 200.0,
            also_read: vec![],
            passphrase_file: None,
            log: "info".to_owned(),
            one_user: false,
            users: UserNames::default(),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("`{path}` cannot be read: {why}")]
    Unreadable { path: PathBuf, why: std::io::Error },
    #[error("`{path}` is not right: {why}")]
    Wrong { path: PathBuf, why: toml::de::Error },
}

impl Config {
    pub(crate) fn read(places: &Places) -> Result<Self, ConfigError> {
        let path = places.config.join("sekimori.toml");
        match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).map_err(|why| ConfigError::Wrong { path, why }),
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(why) => Err(ConfigError::Unreadable { path, why }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_field_is_named() {
        let error = toml::from_str::<Config>("lisen = \"127.0.0.1:1\"").unwrap_err().to_string();
        assert!(error.contains("lisen"), "{error}");
    }

    #[test]
    fn every_field_has_a_default() {
        assert_eq!(toml::from_str::<Config>("").unwrap().listen.port(), 2222);
        assert_eq!(toml::from_str::<Config>("language = \"ja\"").unwrap().language, Tongue::Ja);
        let users = toml::from_str::<Config>("[users]\nfront = \"gate-front\"").unwrap().users;
        assert_eq!((users.front.as_str(), users.keeper.as_str()), ("gate-front", "sekimori-keeper"));
    }
}
