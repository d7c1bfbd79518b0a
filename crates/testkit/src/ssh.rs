//! The system's own `ssh`, with nothing of the user's own configuration, keys, agent or known hosts.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process::Trouble;

/// Keeps a configuration and known hosts of its own in one folder.
#[derive(Debug, Clone)]
pub struct SshClient {
    config: PathBuf,
    known_hosts: PathBuf,
}

impl SshClient {
    /// Writes `ssh_config` and `known_hosts` into `dir`. `more` are further lines for every host.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn new(dir: &Path, more: &str) -> Result<Self, Trouble> {
        let client = Self { config: dir.join("ssh_config"), known_hosts: dir.join("known_hosts") };
        let text = format!(
            "{more}\nHost *\n  UserKnownHostsFile \"{known}\"\n  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n  BatchMode yes\n  \
             IdentitiesOnly yes\n  IdentityAgent none\n  PreferredAuthentications publickey\n  UpdateHostKeys no\n  ConnectTimeout 20\n  \
             ControlPath none\n  ForwardAgent no\n  LogLevel ERROR\n",
            known = client.known_hosts.display()
        );
        fs::write(&client.config, text).map_err(Trouble::at(client.config.display()))?;
        fs::write(&client.known_hosts, "").map_err(Trouble::at(client.known_hosts.display()))?;
        Ok(client)
    }

    /// To be handed to a program that starts `ssh` itself.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// From now on this host key is expected there. `host_key` is `ssh-ed25519 AAAA…`.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub fn know(&self, port: u16, host_key: &str) -> Result<(), Trouble> {
        let at = || Trouble::at::<std::io::Error>(self.known_hosts.display());
        let mut file = fs::File::options().append(true).open(&self.known_hosts).map_err(at())?;
        writeln!(file, "[127.0.0.1]:{port} {host_key}").map_err(at())
    }

    /// `ssh … LOGIN@127.0.0.1`; arguments for the far side follow.
    pub fn to(&self, login: &str, port: u16, identity: &Path) -> Command {
        let mut command = self.options("ssh", identity);
        command.arg("-p").arg(port.to_string()).arg("-l").arg(login).arg("127.0.0.1");
        command
    }

    /// The options alone, for `scp`, `sftp`, or for arguments that come before the host.
    pub fn options(&self, program: &str, identity: &Path) -> Command {
        let mut command = Command::new(program);
        command.arg("-F").arg(&self.config).arg("-i").arg(identity);
        command.env_remove("SSH_AUTH_SOCK").env_remove("LANG").env_remove("LC_ALL").stdin(Stdio::null());
        command
    }
}
