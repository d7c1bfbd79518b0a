//! A shell or command, on a terminal of its own or on pipes, and its bytes from and to the channel.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use russh::server::Msg;
use russh::{ChannelWriteHalf, Sig};
use rustix::process::{Pid, Signal};
use rustix::pty::{self, OpenptFlags};
use rustix::termios::Winsize;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::runtime::Handle;

/// The word by which this program becomes the first process on a terminal.
pub(crate) const ON_TERMINAL: &str = "on-terminal";
/// What a program may leave unread; then its channel is closed, because waiting would hold up the whole connection.
const MAX_UNREAD: usize = 64 << 20;
/// Read and sent at once.
const PORTION: usize = 32 << 10;
/// A program that is left behind may hold the terminal open; its shell's last words come within this.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What is to be run.
#[derive(Debug)]
pub(crate) struct Line {
    /// For `/bin/sh -c`; without one, a login shell.
    pub(crate) command: Option<Vec<u8>>,
    pub(crate) home: PathBuf,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) terminal: Option<Size>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) columns: u32,
    pub(crate) rows: u32,
}

impl Size {
    fn on_terminal(self) -> Winsize {
        let short = |number| u16::try_from(number).unwrap_or(u16::MAX);
        Winsize { ws_row: short(self.rows), ws_col: short(self.columns), ws_xpixel: 0, ws_ypixel: 0 }
    }
}

/// Something that runs for a channel; it is hung up on drop.
#[derive(Debug)]
pub(crate) struct Running {
    group: Pid,
    ended: Arc<AtomicBool>,
    /// None after the other side's end of input.
    input: Option<mpsc::Sender<Vec<u8>>>,
    unread: Arc<AtomicUsize>,
    terminal: Option<File>,
}

impl Running {
    /// Starts it; what it says goes to the channel, which is closed after its end.
    pub(crate) fn start(line: Line, to: ChannelWriteHalf<Msg>) -> io::Result<Self> {
        let terminal = line.terminal.map(open_terminal).transpose()?;
        let mut command = line.command_line()?;
        let mut child = match &terminal {
            Some((_, slave)) => command.stdin(slave.try_clone()?).stdout(slave.try_clone()?).stderr(slave.try_clone()?),
            None => command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0),
        }
        .spawn()?;
        // Nobody but the program holds its terminal's inner side from here on, or its end would not be seen.
        drop(command);
        let terminal = terminal.map(|(master, _slave)| master);
        let group = Pid::from_child(&child);
        let runtime = Handle::current();
        let mut pumps = Vec::new();
        let input: Box<dyn Write + Send> = if let Some(master) = &terminal {
            pumps.push(pump(master.try_clone()?, to.make_writer(), runtime.clone()));
            Box::new(master.try_clone()?)
        } else {
            let missing = || io::Error::other("the program has no pipes");
            pumps.push(pump(child.stdout.take().ok_or_else(missing)?, to.make_writer(), runtime.clone()));
            let errors = to.make_writer_ext(Some(STDERR));
            pumps.push(pump(child.stderr.take().ok_or_else(missing)?, errors, runtime.clone()));
            Box::new(child.stdin.take().ok_or_else(missing)?)
        };
        let unread = Arc::new(AtomicUsize::new(0));
        let (sender, receiver) = mpsc::channel();
        thread::spawn({
            let unread = unread.clone();
            move || write_all(input, &receiver, &unread)
        });
        let ended = Arc::new(AtomicBool::new(false));
        let patience = terminal.as_ref().map(|_| LAST_WORDS);
        thread::spawn({
            let ended = ended.clone();
            move || see_off(child, &ended, pumps, patience, &to, &runtime)
        });
        Ok(Self { group, ended, input: Some(sender), unread, terminal })
    }

    /// Hands bytes over without waiting.
    ///
    /// # Errors
    /// When more than [`MAX_UNREAD`] wait.
    pub(crate) fn give(&self, bytes: &[u8]) -> Result<(), ()> {
        let Some(input) = &self.input else { return Ok(()) };
        if self.unread.fetch_add(bytes.len(), Ordering::AcqRel) > MAX_UNREAD {
            return Err(());
        }
        // A program that has closed its input is told nothing more.
        let _closed = input.send(bytes.to_owned());
        Ok(())
    }

    pub(crate) fn give_no_more(&mut self) {
        self.input = None;
    }

    pub(crate) fn resize(&self, size: Size) {
        if let Some(terminal) = &self.terminal {
            let _ended = rustix::termios::tcsetwinsize(terminal, size.on_terminal());
        }
    }

    pub(crate) fn signal(&self, signal: &Sig) {
        let signal = match signal {
            Sig::HUP => Signal::HUP,
            Sig::INT => Signal::INT,
            Sig::QUIT => Signal::QUIT,
            Sig::KILL => Signal::KILL,
            Sig::TERM => Signal::TERM,
            Sig::USR1 => Signal::USR1,
            _ => return,
        };
        self.send(signal);
    }

    fn send(&self, signal: Signal) {
        // Its number may be another's once it has been waited for.
        if !self.ended.load(Ordering::Acquire) {
            let _ended_just_now = rustix::process::kill_process_group(self.group, signal);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.send(Signal::HUP);
    }
}

/// Of extended data (RFC 4254 section 5.2).
const STDERR: u32 = 1;

impl Line {
    fn command_line(&self) -> io::Result<Command> {
        let mut line: Vec<OsString> = vec!["/bin/sh".into()];
        match &self.command {
            Some(command) => line.extend(["-c".into(), OsString::from_vec(command.clone())]),
            None => line.push("-l".into()),
        }
        let mut command = if self.terminal.is_some() {
            let mut command = Command::new(std::env::current_exe()?);
            command.arg(ON_TERMINAL);
            command
        } else {
            Command::new(line.remove(0))
        };
        command.args(line).env_clear().envs(&self.variables).env("HOME", &self.home).current_dir(&self.home);
        Ok(command)
    }
}

/// Leads a session of its own on the terminal that is standard input, and becomes the program. Comes back only when that failed.
pub(crate) fn become_shell(line: &[OsString]) -> io::Error {
    let [program, arguments @ ..] = line else { return io::Error::other("nothing to become") };
    let led = rustix::process::setsid().and_then(|_| rustix::process::ioctl_tiocsctty(io::stdin()));
    match led {
        Ok(()) => Command::new(program).args(arguments).exec(),
        Err(error) => error.into(),
    }
}

/// The outer and the inner side.
fn open_terminal(size: Size) -> io::Result<(File, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = pty::openpt(flags)?;
    pty::grantpt(&master)?;
    pty::unlockpt(&master)?;
    // Not by its name, which another mount namespace may not know.
    let slave = pty::ioctl_tiocgptpeer(&master, flags)?;
    rustix::termios::tcsetwinsize(&master, size.on_terminal())?;
    Ok((master.into(), slave))
}

/// Sends what is read until there is no more; a terminal whose last program is gone ends with an error.
fn pump(mut from: impl Read + Send + 'static, to: impl AsyncWrite + Send + 'static, runtime: Handle) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut to = Box::pin(to);
        let mut portion = vec![0; PORTION];
        while let Ok(count @ 1..) = from.read(&mut portion) {
            let Some(bytes) = portion.get(..count) else { return };
            if runtime.block_on(async { to.write_all(bytes).await }).is_err() {
                return;
            }
        }
    })
}

fn write_all(mut to: impl Write, from: &mpsc::Receiver<Vec<u8>>, unread: &AtomicUsize) {
    while let Ok(bytes) = from.recv() {
        if to.write_all(&bytes).and_then(|()| to.flush()).is_err() {
            return;
        }
        unread.fetch_sub(bytes.len(), Ordering::AcqRel);
    }
}

/// Waits for the end, lets the last words go out, tells how it ended, and closes the channel.
fn see_off(
    mut child: Child,
    ended: &AtomicBool,
    pumps: Vec<JoinHandle<()>>,
    patience: Option<Duration>,
    to: &ChannelWriteHalf<Msg>,
    runtime: &Handle,
) {
    let status = child.wait();
    ended.store(true, Ordering::Release);
    let (done, all_said) = mpsc::channel::<()>();
    thread::spawn(move || {
        pumps.into_iter().for_each(|pump| drop(pump.join()));
        drop(done);
    });
    // Nothing is ever sent: the other end is dropped, or it takes too long.
    let _either = match patience {
        Some(patience) => all_said.recv_timeout(patience).is_ok(),
        None => all_said.recv().is_ok(),
    };
    let code = status.map_or(255, exit_code);
    runtime.block_on(async {
        let _gone = to.eof().await;
        let _gone = to.exit_status(code).await;
        let _gone = to.close().await;
    });
}

/// As a shell gives it: 128 and more for a signal.
fn exit_code(status: ExitStatus) -> u32 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(255);
    u32::try_from(code).unwrap_or(255)
}
