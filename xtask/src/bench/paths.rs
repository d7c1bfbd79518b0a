//! The ways to one target that are compared: direct, through a jump host, and through the gate.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use testkit::process::{Tame, now, output_within};
use testkit::{Trouble, ssh::SshClient};

/// As named in the client's own configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Direct,
    Jump,
    /// The jump host with AES-GCM forced on both legs.
    JumpGcm,
    Gate,
}

impl Way {
    pub(crate) const ALL: [Self; 4] = [Self::Direct, Self::Jump, Self::JumpGcm, Self::Gate];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Jump => "jump",
            Self::JumpGcm => "jump-gcm",
            Self::Gate => "gate",
        }
    }
}

/// Where each server listens, and who logs in.
#[derive(Debug)]
pub(crate) struct Ports<'a> {
    pub(crate) target: u16,
    pub(crate) jump: u16,
    pub(crate) gate: u16,
    pub(crate) user: &'a str,
    pub(crate) gate_login: &'a str,
    pub(crate) identity: &'a Path,
}

/// A client that knows all ways by name.
#[derive(Debug)]
pub(crate) struct Ways {
    client: SshClient,
    identity: PathBuf,
}

/// Nothing that is measured takes longer, unless it stands still.
const LIMIT: Duration = Duration::from_secs(300);

impl Ways {
    pub(crate) fn new(dir: &Path, ports: &Ports<'_>) -> Result<Self, Trouble> {
        let host = |name: &str, port: u16, user: &str, more: &str| {
            format!(
                "Host {name}\n  HostName 127.0.0.1\n  Port {port}\n  User {user}\n  IdentityFile {}\n{more}",
                ports.identity.display()
            )
        };
        let gcm = "  Ciphers aes256-gcm@openssh.com\n";
        let config = [
            // The same key exchange for everybody: what is compared is the way, not the mathematics.
            "Host *\n  KexAlgorithms curve25519-sha256\n  Compression no\n  ServerAliveInterval 0\n".to_owned(),
            host("direct", ports.target, ports.user, ""),
            host("hop", ports.jump, ports.user, ""),
            host("hop-gcm", ports.jump, ports.user, gcm),
            host("jump", ports.target, ports.user, "  ProxyJump hop\n"),
            host("jump-gcm", ports.target, ports.user, &format!("  ProxyJump hop-gcm\n{gcm}")),
            host("gate", ports.gate, ports.gate_login, ""),
        ];
        Ok(Self { client: SshClient::new(dir, &config.concat())?, identity: ports.identity.to_owned() })
    }

    pub(crate) fn know(&self, port: u16, host_key: &str) -> Result<(), Trouble> {
        self.client.know(port, host_key)
    }

    fn command(&self, way: Way, options: &[&str]) -> Command {
        let mut command = self.client.options("ssh", &self.identity);
        command.args(options).arg(way.name());
        command
    }

    /// From nothing to the end of a command that does nothing, in milliseconds.
    pub(crate) fn set_up(&self, way: Way) -> Result<f64, Trouble> {
        let begun = now();
        let output = output_within(self.command(way, &["-T"]).arg("true"), LIMIT)?;
        let took = begun.elapsed().as_secs_f64() * 1e3;
        if output.status.success() {
            Ok(took)
        } else {
            Err(Trouble(format!("{}: {}", way.name(), String::from_utf8_lossy(&output.stderr))))
        }
    }

    /// One byte there and back on a terminal, so many times: each in microseconds.
    pub(crate) fn echoes(&self, way: Way, times: usize) -> Result<Vec<f64>, Trouble> {
        let mut command = self.command(way, &["-tt"]);
        let mut child =
            spawn(command.arg("stty raw -echo; printf ready; exec cat").stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let guard = Watchdog::over(&child);
        let (mut to, mut from) = (child.0.stdin.take().ok_or_else(closed)?, child.0.stdout.take().ok_or_else(closed)?);
        read_until(&mut from, b"ready")?;
        let mut all = Vec::with_capacity(times);
        let mut byte = [b'x'];
        for turn in 0..times + WARM_UP {
            let begun = now();
            to.write_all(b"x").and_then(|()| from.read_exact(&mut byte)).map_err(Trouble::at(way.name()))?;
            if turn >= WARM_UP {
                all.push(begun.elapsed().as_secs_f64() * 1e6);
            }
        }
        drop(guard);
        Ok(all)
    }

    /// MiB a second that come out of a remote command.
    pub(crate) fn download(&self, way: Way, script: &str, bytes: u64) -> Result<f64, Trouble> {
        let mut command = self.command(way, &["-T"]);
        let begun = now();
        let mut child = spawn(command.arg(script).stdin(Stdio::null()).stdout(Stdio::piped()))?;
        let mut from = child.0.stdout.take().ok_or_else(closed)?;
        let guard = Watchdog::over(&child);
        let got = swallow(&mut from)?;
        ended_well(&mut child, way)?;
        drop(guard);
        if got == bytes {
            Ok(rate(bytes, begun.elapsed()))
        } else {
            Err(Trouble(format!("{}: {got} of {bytes} bytes came", way.name())))
        }
    }

    /// MiB a second that a remote command takes.
    pub(crate) fn upload(&self, way: Way, file: &Path, bytes: u64) -> Result<f64, Trouble> {
        let source = File::open(file).map_err(Trouble::at(file.display()))?;
        let mut command = self.command(way, &["-T"]);
        let begun = now();
        let mut child = spawn(command.arg("wc -c").stdin(Stdio::from(source)).stdout(Stdio::piped()))?;
        let guard = Watchdog::over(&child);
        let mut said = String::new();
        child.0.stdout.take().ok_or_else(closed)?.read_to_string(&mut said).map_err(Trouble::at(way.name()))?;
        ended_well(&mut child, way)?;
        drop(guard);
        if said.trim() == bytes.to_string() {
            Ok(rate(bytes, begun.elapsed()))
        } else {
            Err(Trouble(format!("{}: {} of {bytes} bytes arrived", way.name(), said.trim())))
        }
    }

    /// Sends a file through `cat` on the target, both directions at once, and says whether it came back whole.
    pub(crate) fn comes_back_whole(&self, way: Way, file: &Path) -> Result<bool, Trouble> {
        let source = File::open(file).map_err(Trouble::at(file.display()))?;
        let mut child = spawn(self.command(way, &["-T"]).arg("cat").stdin(Stdio::from(source)).stdout(Stdio::piped()))?;
        let guard = Watchdog::over(&child);
        let from = child.0.stdout.take().ok_or_else(closed)?;
        let same = is_same(from, File::open(file).map_err(Trouble::at(file.display()))?)?;
        ended_well(&mut child, way)?;
        drop(guard);
        Ok(same)
    }

    /// A session on a terminal where nothing happens; it is open when this returns.
    pub(crate) fn idle(&self, way: Way) -> Result<Tame, Trouble> {
        let mut command = self.command(way, &["-tt"]);
        let mut child =
            spawn(command.arg("printf ready; exec sleep 3600").stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let mut from = child.0.stdout.take().ok_or_else(closed)?;
        read_until(&mut from, b"ready")?;
        // Put back: a client whose output nobody takes would end.
        child.0.stdout = Some(from);
        Ok(child)
    }

    /// A command on the target that reads nothing, while zeros are sent to it without end.
    pub(crate) fn stalled_upload(&self, way: Way, bytes: u64) -> Result<Tame, Trouble> {
        let mut child =
            spawn(self.command(way, &["-T"]).arg("exec sleep 3600").stdin(Stdio::piped()).stdout(Stdio::null()))?;
        let mut to = child.0.stdin.take().ok_or_else(closed)?;
        std::thread::spawn(move || {
            let block = vec![0; 1 << 20];
            for _ in 0..bytes >> 20 {
                if to.write_all(&block).is_err() {
                    return;
                }
            }
        });
        Ok(child)
    }
}

/// Round trips that are not counted: the first ones find cold caches.
const WARM_UP: usize = 50;

fn spawn(command: &mut Command) -> Result<Tame, Trouble> {
    command.stderr(Stdio::null()).spawn().map(Tame).map_err(Trouble::at("ssh"))
}

fn closed() -> Trouble {
    Trouble("ssh has no pipe".to_owned())
}

fn ended_well(child: &mut Tame, way: Way) -> Result<(), Trouble> {
    let status = child.0.wait().map_err(Trouble::at(way.name()))?;
    if status.success() { Ok(()) } else { Err(Trouble(format!("{}: {status}", way.name()))) }
}

/// Ends a transfer that stands still: its reader then sees the end.
struct Watchdog {
    _alive: std::sync::mpsc::Sender<()>,
}

impl Watchdog {
    fn over(child: &Tame) -> Self {
        let pid = child.id();
        let (alive, done) = std::sync::mpsc::channel::<()>();
        std::thread::spawn(move || {
            if done.recv_timeout(LIMIT) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                let _gone = testkit::process::signal(pid, testkit::process::Signal::Kill);
            }
        });
        Self { _alive: alive }
    }
}

fn read_until(from: &mut impl Read, mark: &[u8]) -> Result<(), Trouble> {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(mark) {
        from.read_exact(&mut byte).map_err(|why| {
            Trouble(format!("before it was ready: {why}; it said {}", String::from_utf8_lossy(&seen)))
        })?;
        seen.push(byte[0]);
    }
    Ok(())
}

fn swallow(from: &mut impl Read) -> Result<u64, Trouble> {
    let mut block = vec![0; 1 << 17];
    let mut all = 0;
    loop {
        match from.read(&mut block).map_err(Trouble::at("a download"))? {
            0 => return Ok(all),
            count => all += count as u64,
        }
    }
}

fn is_same(mut one: impl Read, mut other: impl Read) -> Result<bool, Trouble> {
    let (mut left, mut right) = (vec![0; 1 << 17], vec![0; 1 << 17]);
    loop {
        let count = one.read(&mut left).map_err(Trouble::at("a stream"))?;
        if count == 0 {
            return Ok(other.read(&mut right).map_err(Trouble::at("a file"))? == 0);
        }
        if other.read_exact(&mut right[..count]).is_err() || left[..count] != right[..count] {
            return Ok(false);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "bytes of one transfer are far below 2^53")]
fn rate(bytes: u64, time: Duration) -> f64 {
    bytes as f64 / f64::from(1 << 20) / time.as_secs_f64()
}

/// Random bytes, made before anything is measured.
pub(crate) fn random_file(path: &Path, bytes: u64) -> Result<(), Trouble> {
    let source = File::open("/dev/urandom").map_err(Trouble::at("/dev/urandom"))?;
    let mut to = File::create(path).map_err(Trouble::at(path.display()))?;
    std::io::copy(&mut source.take(bytes), &mut to).map_err(Trouble::at(path.display()))?;
    Ok(())
}

pub(crate) fn zero_file(path: &Path, bytes: u64) -> Result<(), Trouble> {
    // Written out: a sparse file would be read without the disk's cache.
    let mut to = File::create(path).map_err(Trouble::at(path.display()))?;
    std::io::copy(&mut std::io::repeat(0).take(bytes), &mut to).map_err(Trouble::at(path.display()))?;
    fs::metadata(path).map(drop).map_err(Trouble::at(path.display()))
}
