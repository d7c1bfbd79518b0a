//! A target like another machine: own files (an overlay, gone afterwards), processes, network and host name. Needs root; the tester's
//! machine is not touched. Its sshd is started for each connection by this process, so nothing listens inside and no port is guessed.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Target;
use crate::keys::KeyPair;
use crate::process::{self, Tame, Trouble};
use crate::scratch::Scratch;
use crate::sshd::{self, Server, Settings};

/// Where the target's own sshd files lie, inside.
const INSIDE: &str = "/etc/sekimori-target";

/// A running target; it goes away on drop with everything that was done on it.
#[derive(Debug)]
pub struct Namespaced {
    port: u16,
    host_key: KeyPair,
    room: Arc<Room>,
    closing: Arc<AtomicBool>,
    receiver: Option<std::thread::JoinHandle<()>>,
}

/// The namespaces, held open by their first process.
#[derive(Debug)]
struct Room {
    /// `unshare`, which takes the first process inside with it.
    holder: Tame,
    /// The first process inside, as seen from outside.
    first: u32,
    dir: Scratch,
    /// What serves a connection, as a command line inside.
    server: Vec<OsString>,
}

impl Namespaced {
    /// Starts a target whose host name is `name`.
    ///
    /// # Errors
    /// When this process is not root, the kernel refuses namespaces or overlays, or openssh-server is not installed.
    pub fn start(name: &str, settings: &Settings) -> Result<Self, Trouble> {
        let dir = Scratch::new("target")?;
        let host_key = KeyPair::make(&dir.join("host_key"))?;
        sshd::write_files(dir.path(), settings)?;
        fs::write(dir.join("sshd_config"), sshd::config(Path::new(INSIDE), settings, sshd::Way::EachConnection))
            .map_err(Trouble::at("sshd_config"))?;
        let room = Arc::new(Room::open(name, dir, &settings.server)?);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Trouble::at("a port for the target"))?;
        let port = listener.local_addr().map_err(Trouble::at("a port for the target"))?.port();
        let closing = Arc::new(AtomicBool::new(false));
        let receiver = std::thread::spawn({
            let (room, closing) = (room.clone(), closing.clone());
            move || receive(&listener, &room, &closing)
        });
        Ok(Self { port, host_key, room, closing, receiver: Some(receiver) })
    }

    /// The first process inside, by which another program finds its way in; see [`Attached`].
    pub fn first(&self) -> u32 {
        self.room.first
    }

    pub fn log_file(&self) -> std::path::PathBuf {
        self.room.dir.join("log")
    }

    /// A command line on the target, outside of any SSH: what its own administrator would type.
    pub fn shell(&self, script: &str) -> Command {
        let mut command = self.room.enter();
        command.args(["sh", "-c", script]);
        command
    }

    /// Writes a file on the target.
    ///
    /// # Errors
    /// When its folder is not there.
    pub fn write(&self, path: &str, text: &str) -> Result<(), Trouble> {
        write(self.room.enter(), path, text)
    }
}

impl Target for Namespaced {
    fn port(&self) -> u16 {
        self.port
    }

    fn host_key(&self) -> &str {
        &self.host_key.public
    }

    fn trust(&self, authority: &str) -> Result<(), Trouble> {
        self.write(&format!("{INSIDE}/authorities"), &format!("{authority}\n"))
    }

    fn admit(&self, user: &str, principals: &[&str]) -> Result<(), Trouble> {
        self.write(&format!("{INSIDE}/principals/{user}"), &sshd::lines(principals))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.room.dir.join("log")).unwrap_or_default()
    }
}

impl Drop for Namespaced {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Release);
        // Wakes the thread that waits for connections, and waits for it: a program that ended before it would leave the room behind.
        let _woken = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        let _ended = self.receiver.take().map(std::thread::JoinHandle::join);
    }
}

/// One sshd for each connection, as inetd would.
fn receive(listener: &TcpListener, room: &Room, closing: &AtomicBool) {
    for stream in listener.incoming() {
        if closing.load(Ordering::Acquire) {
            return;
        }
        // A connection that cannot be served is closed; its client sees that.
        let _closed = stream.map_err(Trouble::at("accepting")).and_then(|stream| room.serve(stream));
    }
}

impl Room {
    fn open(name: &str, dir: Scratch, server: &Server) -> Result<Self, Trouble> {
        let program = server.program()?;
        let line: Vec<OsString> = match server {
            Server::Sshd => {
                vec![
                    program.clone().into(),
                    "-i".into(),
                    "-e".into(),
                    "-f".into(),
                    format!("{INSIDE}/sshd_config").into(),
                ]
            }
            Server::StandIn(_) => {
                // What is built may lie on a disk that is not seen inside.
                let copy = dir.join("stand-in");
                fs::copy(&program, copy).map_err(Trouble::at(program.display()))?;
                [&format!("{INSIDE}/stand-in"), "connection", INSIDE, "root", "/root"].map(OsString::from).into()
            }
        };
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "--pid",
            "--net",
            "--uts",
            "--ipc",
            "--fork",
            "--kill-child",
            "sh",
            "-c",
            BUILD,
            "sh",
        ]);
        command.arg(dir.path()).arg(name).arg(INSIDE);
        // The room ends when this pipe closes, so also when we are killed.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut holder = command.spawn().map(Tame).map_err(Trouble::at("unshare"))?;
        let mut said = String::new();
        if let Some(stdout) = holder.0.stdout.take() {
            BufReader::new(stdout).read_line(&mut said).map_err(Trouble::at("the target's first word"))?;
        }
        if said.trim() != "ready" {
            let mut why = String::new();
            if let Some(mut stderr) = holder.0.stderr.take() {
                let _cut_short = std::io::Read::read_to_string(&mut stderr, &mut why);
            }
            return Err(Trouble(format!("namespaces for the target: {}", why.trim())));
        }
        let first = process::found("the target's first process", || only_child(holder.id()))?;
        Ok(Self { holder, first, dir, server: line })
    }

    fn enter(&self) -> Command {
        enter(self.first)
    }

    fn serve(&self, stream: TcpStream) -> Result<(), Trouble> {
        let again = stream.try_clone().map_err(Trouble::at("a connection"))?;
        let log = fs::File::options()
            .append(true)
            .create(true)
            .open(self.dir.join("log"))
            .map_err(Trouble::at("the target's log"))?;
        let mut command = self.enter();
        command.args(&self.server);
        command
            .stdin(Stdio::from(OwnedFd::from(stream)))
            .stdout(Stdio::from(OwnedFd::from(again)))
            .stderr(Stdio::from(log));
        let mut child = command.spawn().map_err(Trouble::at("sshd on the target"))?;
        std::thread::spawn(move || child.wait());
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // Killing the first process inside ends all others there; `unshare` does it when it is killed itself.
        let _gone = self.holder.0.kill();
    }
}

fn enter(first: u32) -> Command {
    let mut command = Command::new("nsenter");
    command.arg("--target").arg(first.to_string());
    command.args(["--mount", "--pid", "--net", "--uts", "--ipc", "--root", "--wd", "--"]);
    command.args(["env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]);
    command
}

fn write(mut inside: Command, path: &str, text: &str) -> Result<(), Trouble> {
    inside.args(["sh", "-c", "cat > \"$1\"", "sh", path]).stdin(Stdio::piped());
    let mut child = inside.spawn().map_err(Trouble::at("writing on the target"))?;
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(text.as_bytes()).map_err(Trouble::at(path))?;
    }
    let status = child.wait().map_err(Trouble::at(path))?;
    status.success().then_some(()).ok_or_else(|| Trouble(format!("`{path}` was not written on the target")))
}

/// A target that another process holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    pub port: u16,
    pub host_key: String,
    pub log: std::path::PathBuf,
    pub place: Place,
}

/// How its files are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the namespaces of this process.
    Inside(u32),
    /// In a folder of this machine.
    Folder(std::path::PathBuf),
}

impl Attached {
    fn put(&self, name: &str, text: &str) -> Result<(), Trouble> {
        match &self.place {
            Place::Inside(first) => write(enter(*first), &format!("{INSIDE}/{name}"), text),
            Place::Folder(folder) => fs::write(folder.join(name), text).map_err(Trouble::at(name)),
        }
    }
}

impl Target for Attached {
    fn port(&self) -> u16 {
        self.port
    }

    fn host_key(&self) -> &str {
        &self.host_key
    }

    fn trust(&self, authority: &str) -> Result<(), Trouble> {
        self.put("authorities", &format!("{authority}\n"))
    }

    fn admit(&self, user: &str, principals: &[&str]) -> Result<(), Trouble> {
        self.put(&format!("principals/{user}"), &sshd::lines(principals))
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// The only child of a process, once it has one.
fn only_child(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

/// Builds the target's files over those of this machine, says so, and then holds the room, reaping orphans, until its input ends.
const BUILD: &str = r#"
set -eu
dir=$1 name=$2 inside=$3
umask 022
mount --make-rprivate /
mkdir "$dir/over"
mount -t tmpfs -o mode=0755 over "$dir/over"
mkdir "$dir/over/upper" "$dir/over/work" "$dir/over/root"
root=$dir/over/root
mount -t overlay over -o "lowerdir=/,upperdir=$dir/over/upper,workdir=$dir/over/work" "$root"
mkdir -p "$root/proc" "$root/dev" "$root/tmp" "$root/run" "$root/root" "$root/home" "$root$inside"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=0755 dev "$root/dev"
for node in null zero full random urandom tty; do : > "$root/dev/$node"; mount --bind "/dev/$node" "$root/dev/$node"; done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
# Homes of its own: what the tester's shell reads at its start is not this machine's business.
mount -t tmpfs -o mode=0700 root "$root/root"
mount -t tmpfs -o mode=0755 home "$root/home"
mount -t tmpfs -o mode=0755 run "$root/run"
mkdir -m 0755 "$root/run/sshd"
cp -r "$dir/host_key" "$dir/sshd_config" "$dir/authorities" "$dir/principals" "$dir/authorized_keys" "$root$inside/"
[ ! -e "$dir/stand-in" ] || cp "$dir/stand-in" "$root$inside/"
chmod 0600 "$root$inside/host_key"
hostname "$name"
printf '127.0.0.1 localhost %s\n' "$name" > "$root/etc/hosts"
printf '%s\n' "$name" > "$root/etc/hostname"
echo ready
exec chroot "$root" sh -c 'exec 3<&0 > /dev/null 2>&1; cat <&3 & exec 3<&-; wait $!'
"#;
