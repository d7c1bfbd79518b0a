//! The watcher: makes the folders, starts keeper, engine and front, starts again what ended, stops them in order.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::fs::Mode;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::users::{self, Account, Crew};
use super::{Config, RunError, folders};
use crate::places::Places;

/// A process that ended is started again after this; one that keeps ending, ever later.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Having run for this long, a process is taken to be well.
const WELL_AFTER: Duration = Duration::from_secs(20);
/// Each process may take this long to stop.
const LONGEST_STOP: Duration = Duration::from_secs(15);

pub(super) fn run(root: Option<&Path>, places: &Places, config: &Config) -> Result<(), RunError> {
    let own = rustix::process::getuid().as_raw();
    let crew = users::decide(config, own, &users::look_up)?;
    // What is made is for the processes to pass through; their own folders say who else may.
    let _before = rustix::process::umask(Mode::from_raw_mode(0o022));
    folders::make(places, &crew)?;
    match &crew {
        Crew::OneUser => tracing::info!(listen = %config.listen, uid = own, "starting, all as one user"),
        Crew::Apart(_) => tracing::info!(listen = %config.listen, "starting, each process as its own user"),
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| RunError::new("runtime", e))?;
    runtime.block_on(watch_all(root, places, &crew))
}

/// A socket left over by a process that was killed is in the way.
pub(super) fn clear_socket(path: &Path) -> Result<(), RunError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(RunError::new("an old socket", error)),
    }
}

async fn watch_all(root: Option<&Path>, places: &Places, crew: &Crew) -> Result<(), RunError> {
    let program = std::env::current_exe().map_err(|e| RunError::new("finding this program", e))?;
    let root = root.map(std::path::absolute).transpose().map_err(|e| RunError::new("finding the folder", e))?;
    let (stop, stopped) = watch::channel(None::<usize>);
    let children: Vec<_> = ORDER
        .iter()
        .enumerate()
        .map(|(rank, process)| {
            let post = Post {
                process,
                command: command(&program, process, root.as_deref(), crew),
                pid_file: places.run.join(format!("{process}.pid")),
                // The other two hold nothing that must end in time.
                ends: (*process == FRONT).then(|| places.front_ends()),
                rank,
            };
            tokio::spawn(keep_running(post, stopped.clone()))
        })
        .collect();
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| RunError::new("signals", e))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| RunError::new("signals", e))?;
    tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    // Front first: its sessions end and engine still writes their ends; the keeper last.
    for (rank, child) in children.into_iter().enumerate().rev() {
        stop.send_replace(Some(rank));
        let _ended = child.await;
    }
    Ok(())
}

fn command(program: &Path, process: &str, root: Option<&Path>, crew: &Crew) -> Command {
    let mut command = Command::new(program);
    command.arg(process).stdin(Stdio::null()).kill_on_drop(true);
    if let Some(root) = root {
        command.arg("--root").arg(root);
    }
    if let Crew::Apart(three) = crew {
        for (name, account) in [("keeper", &three.keeper), ("engine", &three.engine), ("front", &three.front)] {
            command.arg(format!("--{name}-uid")).arg(account.uid.to_string());
            if name == process {
                become_user(&mut command, account);
            }
        }
    }
    command
}

/// With a user and no groups named, the standard library also gives up the further groups that we have.
fn become_user(command: &mut Command, account: &Account) {
    command.uid(account.uid).gid(account.gid);
}

/// Returns when a front that somebody stopped must be ended: it lets nothing flow, but neither ends its sessions. The earliest end is noted by
/// front itself; all that a front which lies about it brings about is its own end, or that it is left stopped.
async fn must_end(ends: Option<&Path>, pid: Option<Pid>) {
    let (Some(ends), Some(pid)) = (ends, pid) else { return std::future::pending().await };
    let mut tick = tokio::time::interval(LOOK_EVERY);
    loop {
        tick.tick().await;
        let is_over = read_number(ends).is_some_and(|ends| ends <= boot_time_ms());
        if is_over && is_stopped(pid) {
            return;
        }
    }
}

fn read_number(path: &Path) -> Option<u128> {
    folders::read_hint(path, LONGEST_NUMBER)?.trim().parse().ok()
}

/// Milliseconds for longer than any machine runs.
const LONGEST_NUMBER: u64 = 20;

fn boot_time_ms() -> u128 {
    gateway_ssh::clock::BootTime::now().since_boot().as_millis()
}

/// The state after the command's name in `/proc/PID/stat`: `T` for stopped, `t` for traced.
fn is_stopped(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    matches!(state, Some('T' | 't'))
}

const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Started in this order, stopped in the other.
const ORDER: [&str; 3] = ["keeper", "engine", FRONT];
const FRONT: &str = "front";

/// One process and how it is watched.
struct Post {
    process: &'static str,
    command: Command,
    /// Which process is which, for operators. Nothing reads it again: what is killed is our own child.
    pid_file: PathBuf,
    /// Where front notes when it must have ended something.
    ends: Option<PathBuf>,
    rank: usize,
}

/// `serve` never ends one process for another's sake.
async fn keep_running(mut post: Post, mut stopped: watch::Receiver<Option<usize>>) {
    let process = post.process;
    let mut pause = FIRST_PAUSE;
    loop {
        let began = tokio::time::Instant::now();
        match post.command.spawn() {
            Ok(mut child) => {
                post.note_pid(&child);
                let pid = pid_of(&child);
                tokio::select! {
                    ended = child.wait() => tracing::warn!(process, ?ended, "ended; it is started again"),
                    () = must_end(post.ends.as_deref(), pid) => {
                        tracing::warn!("front is stopped and a session's end has come; front is ended");
                        let _gone = child.kill().await;
                    }
                    () = told_to_stop(&mut stopped, post.rank) => return stop_child(process, child).await,
                }
            }
            Err(error) => tracing::error!(process, %error, "could not be started; it is tried again"),
        }
        pause = if began.elapsed() > WELL_AFTER { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = told_to_stop(&mut stopped, post.rank) => return,
        }
    }
}

impl Post {
    fn note_pid(&self, child: &Child) {
        if let Some(pid) = child.id() {
            let _for_people = folders::replace(&self.pid_file, &format!("{pid}\n"));
        }
    }
}

/// Until it is waited for, no other process gets this number.
fn pid_of(child: &Child) -> Option<Pid> {
    child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?))
}

async fn told_to_stop(stopped: &mut watch::Receiver<Option<usize>>, rank: usize) {
    let _watcher_gone = stopped.wait_for(|at| at.is_some_and(|at| at <= rank)).await.is_err();
}

async fn stop_child(process: &str, mut child: Child) {
    if let Some(pid) = pid_of(&child) {
        let _gone = kill_process(pid, Signal::TERM);
    }
    if tokio::time::timeout(LONGEST_STOP, child.wait()).await.is_err() {
        tracing::warn!(process, "did not stop in time and is ended");
        let _gone = child.kill().await;
    }
}
