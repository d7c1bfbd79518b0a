//! The system's sshd on a free port of loopback, as the user who runs it, with everything it needs in one folder.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::clock::SetClock;
use crate::keys::KeyPair;
use crate::process::{self, Tame, Trouble};
use crate::scratch::Scratch;
use crate::{Target, process::found};

/// Where distributions put it; a user's own PATH often leaves these places out.
const PLACES: &[&str] = &["/usr/sbin/sshd", "/sbin/sshd", "/usr/local/sbin/sshd"];
/// Another program may take the port between its choice and its use; so often another is chosen.
const TRIES: usize = 20;

/// What a server is to be like.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Further lines of `sshd_config`.
    pub more: String,
    /// Public keys that may log in without a certificate, as `authorized_keys` lines.
    pub authorized_keys: String,
    pub server: Server,
    /// The clock that the server and whatever is run on it go by; the machine's own unless given.
    pub clock: Option<SetClock>,
}

/// Which program serves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Server {
    /// The system's own.
    #[default]
    Sshd,
    /// The built `demo-target`, for machines without sshd. It takes certificates only; of [`Settings`] it heeds nothing else.
    StandIn(PathBuf),
}

impl Server {
    /// # Errors
    /// When it is not installed.
    pub(crate) fn program(&self) -> Result<PathBuf, Trouble> {
        match self {
            Self::Sshd => program().ok_or_else(|| Trouble("openssh-server is not installed".to_owned())),
            Self::StandIn(path) => Ok(path.clone()),
        }
    }
}

/// The system's sshd, if it is installed. sshd wants to be started by its whole path.
pub fn program() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "where programs lie is for the environment to say")]
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own = std::env::split_paths(&path).filter(|folder| folder.is_absolute()).map(|folder| folder.join("sshd"));
    PLACES.iter().map(PathBuf::from).chain(own).find(|path| path.is_file())
}

/// A running server; it and its folder go away on drop.
#[derive(Debug)]
pub struct Sshd {
    child: Tame,
    port: u16,
    host_key: KeyPair,
    dir: Scratch,
}

impl Sshd {
    /// Starts one and waits until it listens.
    ///
    /// # Errors
    /// When openssh-server is not installed, or the server does not start; with its log.
    pub fn start(settings: &Settings) -> Result<Self, Trouble> {
        if process::is_root() && settings.server == Server::Sshd {
            // sshd wants its privilege separation folder; Debian's service would make it.
            fs::create_dir_all("/run/sshd").map_err(Trouble::at("/run/sshd"))?;
        }
        let dir = Scratch::new("sshd")?;
        let host_key = KeyPair::make(&dir.join("host_key"))?;
        write_files(dir.path(), settings)?;
        for _ in 0..TRIES {
            let port = free_port()?;
            fs::write(dir.join("sshd_config"), config(dir.path(), settings, Way::Listening(port)))
                .map_err(Trouble::at("sshd_config"))?;
            if let Some(child) = listening(dir.path(), settings, port)? {
                return Ok(Self { child, port, host_key, dir });
            }
        }
        Err(Trouble(format!("sshd found no free port in {TRIES} tries")))
    }

    /// The process that listens; each connection is a child of it.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log_file(&self) -> PathBuf {
        self.dir.join("log")
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

impl Target for Sshd {
    fn port(&self) -> u16 {
        self.port
    }

    fn host_key(&self) -> &str {
        &self.host_key.public
    }

    fn trust(&self, authority: &str) -> Result<(), Trouble> {
        fs::write(self.dir.join("authorities"), format!("{authority}\n")).map_err(Trouble::at("authorities"))
    }

    fn admit(&self, user: &str, principals: &[&str]) -> Result<(), Trouble> {
        fs::write(self.dir.join("principals").join(user), lines(principals)).map_err(Trouble::at("principals"))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }
}

pub(crate) fn lines(all: &[&str]) -> String {
    all.iter().flat_map(|line| [line, "\n"]).collect()
}

/// What stands beside `sshd_config`: whom it trusts and lets in, nobody at first.
pub(crate) fn write_files(dir: &Path, settings: &Settings) -> Result<(), Trouble> {
    for folder in ["principals", "home"] {
        fs::create_dir_all(dir.join(folder)).map_err(Trouble::at(folder))?;
    }
    // A zsh that finds none asks its user questions first.
    fs::write(dir.join("home/.zshrc"), "").map_err(Trouble::at(".zshrc"))?;
    fs::write(dir.join("authorities"), "").map_err(Trouble::at("authorities"))?;
    fs::write(dir.join("authorized_keys"), &settings.authorized_keys).map_err(Trouble::at("authorized_keys"))
}

/// How a server is run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    /// On this port, as whoever runs the test; a shell finds an empty home there instead of the tester's own.
    Listening(u16),
    /// Started for each connection, inside namespaces.
    EachConnection,
}

pub(crate) fn config(dir: &Path, settings: &Settings, way: Way) -> String {
    let listen = match way {
        Way::Listening(port) => {
            let clock: String = environment(settings).map(|(name, value)| format!(" {name}={value}")).collect();
            format!("Port {port}\nListenAddress 127.0.0.1\nSetEnv \"HOME={}/home\"{clock}\n", dir.display())
        }
        Way::EachConnection => String::new(),
    };
    // `more` first: sshd takes the first value it reads of each setting.
    format!(
        "{more}\n{listen}HostKey \"{dir}/host_key\"\nPidFile none\nTrustedUserCAKeys \"{dir}/authorities\"\n\
         AuthorizedPrincipalsFile \"{dir}/principals/%u\"\nAuthorizedKeysFile \"{dir}/authorized_keys\"\nPasswordAuthentication no\n\
         KbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\nPermitRootLogin yes\nAcceptEnv LANG LC_*\nPrintMotd no\n\
         PrintLastLog no\nMaxStartups 2000\nMaxSessions 1000\nSubsystem sftp internal-sftp\nUseDNS no\nLogLevel VERBOSE\n",
        more = settings.more,
        dir = dir.display(),
    )
}

fn environment(settings: &Settings) -> impl Iterator<Item = (&'static str, String)> {
    settings.clock.iter().flat_map(SetClock::environment)
}

fn free_port() -> Result<u16, Trouble> {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| l.local_addr());
    free.map(|address| address.port()).map_err(Trouble::at("a free port"))
}

/// Starts the server and waits until it says that it listens; `None` when somebody else had taken the port.
fn listening(dir: &Path, settings: &Settings, port: u16) -> Result<Option<Tame>, Trouble> {
    let log: PathBuf = dir.join("log");
    let file = fs::File::create(&log).map_err(Trouble::at("sshd's log"))?;
    let mut command = Command::new(settings.server.program()?);
    match &settings.server {
        Server::Sshd => {
            command.arg("-D").arg("-f").arg(dir.join("sshd_config")).arg("-E").arg(&log).envs(environment(settings))
        }
        Server::StandIn(_) => command
            .arg("listen")
            .args([dir, Path::new(&process::user()?), &dir.join("home")])
            .arg(port.to_string())
            .stdout(Stdio::null())
            .stderr(file),
    };
    let mut child = Tame::start(&mut command)?;
    let said = || fs::read_to_string(&log).unwrap_or_default();
    let ended = found("sshd to listen", || {
        let listens = said().contains("Server listening on");
        (listens || child.ended().is_some()).then_some(!listens)
    })?;
    match (ended, said()) {
        (false, _) => Ok(Some(child)),
        (true, log) if log.contains("Address already in use") => Ok(None),
        (true, log) => Err(Trouble(format!("sshd did not start: {}", log.trim()))),
    }
}
