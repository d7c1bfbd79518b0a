//! Child processes that end with whoever started them, and waiting with a limit.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// Enough for anything on a machine that is busy with other things.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How often something is looked at that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What did not work, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble(pub String);

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Trouble {}

impl Trouble {
    /// `what` says what was tried.
    pub fn at<E: std::fmt::Display>(what: impl std::fmt::Display) -> impl FnOnce(E) -> Self {
        move |why| Self(format!("{what}: {why}"))
    }
}

/// A child that does not outlive its owner.
#[derive(Debug)]
pub struct Tame(pub Child);

impl Tame {
    /// Starts it without a terminal to read from.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(command: &mut Command) -> Result<Self, Trouble> {
        let named = format!("{:?}", command.get_program());
        command.stdin(Stdio::null()).spawn().map(Self).map_err(Trouble::at(named))
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// It goes on after this program.
    pub fn let_go(self) {
        #[expect(clippy::mem_forget, reason = "dropping it would end the child; the handle holds nothing else")]
        std::mem::forget(self);
    }

    /// Whether it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().ok().flatten()
    }
}

impl Drop for Tame {
    fn drop(&mut self) {
        let _gone_already = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// What a process can be told without being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Kill,
    Stop,
    Continue,
    Terminate,
}

/// Sends a signal to one process.
///
/// # Errors
/// When there is no such process, or it is not ours.
pub fn signal(pid: u32, signal: Signal) -> Result<(), Trouble> {
    let name = match signal {
        Signal::Kill => "KILL",
        Signal::Stop => "STOP",
        Signal::Continue => "CONT",
        Signal::Terminate => "TERM",
    };
    run(Command::new("sh").args(["-c", "kill -s \"$1\" \"$2\"", "kill", name, &pid.to_string()])).map(drop)
}

/// Runs it to its end and gives its standard output.
///
/// # Errors
/// When it cannot be started or does not succeed; with what it said.
pub fn run(command: &mut Command) -> Result<String, Trouble> {
    let output = output_within(command, PATIENCE)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Trouble(format!("{command:?}: {}: {}", output.status, said.trim())))
}

/// Runs it to its end, or kills it after `limit`.
///
/// # Errors
/// When it cannot be started, or did not end in time.
pub fn output_within(command: &mut Command, limit: Duration) -> Result<Output, Trouble> {
    let named = format!("{command:?}");
    let mut child = Tame::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let stdout = drain(child.0.stdout.take());
    let stderr = drain(child.0.stderr.take());
    let begun = now();
    while child.ended().is_none() {
        if begun.elapsed() > limit {
            drop(child);
            let said = stderr.join().unwrap_or_default();
            return Err(Trouble(format!(
                "{named}: not done within {limit:?}; it said: {}",
                String::from_utf8_lossy(&said)
            )));
        }
        pause(LOOK_EVERY);
    }
    let status = child.0.wait().map_err(Trouble::at(&named))?;
    Ok(Output { status, stdout: stdout.join().unwrap_or_default(), stderr: stderr.join().unwrap_or_default() })
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        if let Some(mut pipe) = pipe {
            // What came before an error is still worth reading.
            let _broken_off = pipe.read_to_end(&mut all);
        }
        all
    })
}

/// Looks again and again until it is so.
///
/// # Errors
/// When it is not so within [`PATIENCE`]; `what` completes "waited for …".
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) -> Result<(), Trouble> {
    found(what, || is_so().then_some(()))
}

/// Looks again and again until something is found.
///
/// # Errors
/// When nothing is found within [`PATIENCE`]; `what` completes "waited for …".
pub fn found<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T, Trouble> {
    let begun = now();
    loop {
        if let Some(thing) = look() {
            return Ok(thing);
        }
        if begun.elapsed() > PATIENCE {
            return Err(Trouble(format!("waited for {what} for {PATIENCE:?}, in vain")));
        }
        pause(LOOK_EVERY);
    }
}

/// The instant, for limits and for measuring.
#[expect(
    clippy::disallowed_methods,
    reason = "tests, benches and the demo measure and wait here, the product does not"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// Waits where there is nothing to wait on.
#[expect(clippy::disallowed_methods, reason = "the one place where tests, benches and the demo sleep")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Whether this process may do everything on this machine.
pub fn is_root() -> bool {
    run(Command::new("id").arg("-u")).is_ok_and(|uid| uid.trim() == "0")
}

/// The login name of whoever runs this.
///
/// # Errors
/// When the system has no name for this user id.
pub fn user() -> Result<String, Trouble> {
    run(Command::new("id").arg("-un")).map(|name| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_end_is_killed_at_the_limit() {
        let error = output_within(
            Command::new("sh").args(["-c", "echo on my way >&2; exec sleep 600"]),
            Duration::from_millis(300),
        );
        let error = error.unwrap_err().to_string();
        assert!(error.contains("not done") && error.contains("on my way"), "{error}");
    }

    #[test]
    fn a_failure_says_what_the_program_said() {
        let error = run(Command::new("sh").args(["-c", "echo no such luck >&2; exit 3"])).unwrap_err().to_string();
        assert!(error.contains("no such luck") && error.contains('3'), "{error}");
    }

    #[test]
    fn a_child_ends_with_its_owner() {
        let child = Tame::start(Command::new("sleep").arg("600")).unwrap();
        let pid = child.id();
        drop(child);
        assert!(signal(pid, Signal::Continue).is_err(), "{pid} still runs");
    }
}
