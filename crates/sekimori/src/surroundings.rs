//! Everything outside a command that it may touch: terminal, keys, clock, time zone and randomness. Tests bring their own.

use std::time::Duration;

use domain::Timestamp;
use jiff::tz::TimeZone;

use crate::environment::Environment;
use crate::keyring::{Keyring, SystemKeyring};
use crate::screen::Screen;
use crate::zone;

/// Fills a buffer with random bytes.
pub(crate) type Random = Box<dyn FnMut(&mut [u8])>;

pub(crate) struct Surroundings {
    /// The command line as it was typed, for saying how to go on.
    pub(crate) words: Vec<String>,
    pub(crate) environment: Environment,
    pub(crate) screen: Screen,
    pub(crate) keyring: Box<dyn Keyring>,
    pub(crate) zone: TimeZone,
    pub(crate) random: Random,
    /// This machine's clock: for what is made without a server, else the server's time counts.
    pub(crate) clock: Box<dyn Fn() -> Timestamp>,
    /// Waits. The server has no way yet to tell the CLI that something changed.
    pub(crate) pause: Box<dyn FnMut(Duration)>,
}

impl Surroundings {
    pub(crate) fn of_process() -> Self {
        let environment = Environment::read();
        let screen = Screen::of_process();
        Self {
            words: Vec::new(),
            keyring: Box::new(SystemKeyring::of(&environment, screen.attended)),
            zone: zone::local(environment.zone.as_deref()),
            environment,
            screen,
            random: Box::new(|bytes| aws_lc_rs::rand::fill(bytes).expect("the operating system gives random bytes")),
            clock: Box::new(now),
            pause: Box::new(pause),
        }
    }
}

impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").field("environment", &self.environment).finish_non_exhaustive()
    }
}

#[expect(clippy::disallowed_methods, reason = "the CLI's own clock; the processes have theirs in `engine::clock`")]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(micros).unwrap_or(Timestamp::EARLIEST)
}

#[expect(clippy::disallowed_methods, reason = "polling and replaying wait for nothing but time")]
fn pause(length: Duration) {
    std::thread::sleep(length);
}
