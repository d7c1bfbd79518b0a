//! The watcher: makes the folders, starts keeper, engine and front, starts again what ended, stops them in order.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::{Config, RunError};
use crate::places::Places;

/// A process that ended is started again after this; one that keeps ending, ever later.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Having run for this long, a process is taken to be well.
const WELL_AFTER: Duration = Duration::from_secs(20);
/// Each process may take this long to stop.
const LONGEST_STOP: Duration = Duration::from_secs(15);

pub(super) fn run(root: Option<&Path>, places: &Places, config: &Config) -> Result<(), RunError> {
    make_folders(places)?;
    tracing::info!(listen = %config.listen, "starting");
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| RunError::new("runtime", e))?;
    runtime.block_on(watch_all(root, places))
}

/// Sockets are reached through `run`; everything else is its owner's alone.
fn make_folders(places: &Places) -> Result<(), RunError> {
    let recordings = places.recordings();
    let private =
        [places.ledger(), places.keeper(), places.front(), recordings.join("live"), recordings.join("closed")];
    let make = |path: &Path, mode: u32| {
        let made = fs::DirBuilder::new().recursive(true).mode(mode).create(path);
        made.map_err(|e| RunError::new("making folders", format!("`{}`: {e}", path.display())))
    };
    make(&places.run, 0o755)?;
    private.iter().try_for_each(|path| make(path, 0o700))
}

/// A socket left over by a process that was killed is in the way.
pub(super) fn clear_socket(path: &Path) -> Result<(), RunError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(RunError::new("an old socket", error)),
    }
}

async fn watch_all(root: Option<&Path>, places: &Places) -> Result<(), RunError> {
    let program = std::env::current_exe().map_err(|e| RunError::new("finding this program", e))?;
    let (stop, stopped) = watch::channel(None::<usize>);
    let children: Vec<_> = ORDER
        .iter()
        .enumerate()
        .map(|(rank, process)| {
            let mut command = Command::new(&program);
            command.arg(process).stdin(Stdio::null()).kill_on_drop(true);
            if let Some(root) = root {
                command.arg("--root").arg(root);
            }
            tokio::spawn(keep_running(process, command, places.run.clone(), rank, stopped.clone()))
        })
        .collect();
    tokio::spawn(end_stopped_front(places.clone()));
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

/// A front that somebody stopped lets nothing flow, but neither ends its sessions: at the earliest end it is ended itself.
async fn end_stopped_front(places: Places) {
    let mut tick = tokio::time::interval(LOOK_EVERY);
    loop {
        tick.tick().await;
        let Some(pid) = read_number::<i32>(&places.run.join("front.pid")).and_then(Pid::from_raw) else { continue };
        let is_over = read_number::<u128>(&places.front_ends()).is_some_and(|ends| ends <= boot_time_ms());
        if is_over && is_stopped(pid) {
            tracing::warn!("front is stopped and a session's end has come; front is ended");
            let _gone = kill_process(pid, Signal::KILL);
        }
    }
}

fn read_number<T: std::str::FromStr>(path: &Path) -> Option<T> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

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
const ORDER: [&str; 3] = ["keeper", "engine", "front"];

/// `serve` never ends one process for another's sake.
async fn keep_running(
    process: &'static str,
    mut command: Command,
    run: std::path::PathBuf,
    rank: usize,
    mut stopped: watch::Receiver<Option<usize>>,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                tracing::error!(process, %error, "could not be started");
                return;
            }
        };
        note_pid(&run, process, &child);
        let began = tokio::time::Instant::now();
        tokio::select! {
            ended = child.wait() => tracing::warn!(process, ?ended, "ended; it is started again"),
            () = told_to_stop(&mut stopped, rank) => return stop_child(process, child).await,
        }
        pause = if began.elapsed() > WELL_AFTER { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = told_to_stop(&mut stopped, rank) => return,
        }
    }
}

async fn told_to_stop(stopped: &mut watch::Receiver<Option<usize>>, rank: usize) {
    let _watcher_gone = stopped.wait_for(|at| at.is_some_and(|at| at <= rank)).await.is_err();
}

/// For operators and `doctor`: which process is which.
fn note_pid(run: &Path, process: &str, child: &Child) {
    if let Some(pid) = child.id() {
        let _for_people = fs::write(run.join(format!("{process}.pid")), format!("{pid}\n"));
    }
}

async fn stop_child(process: &str, mut child: Child) {
    if let Some(pid) = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)) {
        let _gone = kill_process(pid, Signal::TERM);
    }
    if tokio::time::timeout(LONGEST_STOP, child.wait()).await.is_err() {
        tracing::warn!(process, "did not stop in time and is ended");
        let _gone = child.kill().await;
    }
}
