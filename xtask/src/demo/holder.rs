//! Holds the demo's target in the background, for as long as the demo is up. Whoever started it tells it how to go on; when they end without
//! a word, as by Ctrl-C, it ends everything and leaves nothing.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use testkit::namespaced::Place;
use testkit::process::{found, is_root, pause, user};
use testkit::{Attached, Namespaced, Server, Settings, Sshd, Target, Trouble};

use super::places::{HOLD, Places, TARGETS};
use super::read;
use crate::Stop;

/// The word that says: go on without me.
const STAY: &str = "stay\n";
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How the target is kept apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Apart {
    /// Own files, processes, network and host name.
    Namespaced,
    /// As root on this machine, and why.
    AsRoot(String),
    /// As a user without rights.
    Plain,
}

/// A target, and the account on it.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) apart: Apart,
    pub(super) login: String,
    pub(super) target: Attached,
}

/// The background process, which goes when this is dropped unless it was told to stay.
#[derive(Debug)]
pub(super) struct Holder {
    child: Child,
    line: Option<ChildStdin>,
}

impl Holder {
    pub(super) fn start(places: &Places, server: &Server) -> Result<Self, Trouble> {
        let own = std::env::current_exe().map_err(Trouble::at("this program"))?;
        let targets = places.join(TARGETS);
        fs::create_dir_all(&targets).map_err(Trouble::at(targets.display()))?;
        let log = fs::File::create(places.join("holder.log")).map_err(Trouble::at("holder.log"))?;
        let mut command = Command::new(own);
        command.arg(HOLD).arg(places.root());
        if let Server::StandIn(program) = server {
            command.arg(program);
        }
        command.env("TMPDIR", targets).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).process_group(0);
        let mut child = command.spawn().map_err(Trouble::at("the target's holder"))?;
        let line = child.stdin.take();
        Ok(Self { child, line })
    }

    /// Waits until its target stands.
    pub(super) fn target(&mut self, places: &Places) -> Result<Held, Trouble> {
        let file = places.join("target");
        let child = &mut self.child;
        let up = found("the target", || {
            let ended = child.try_wait().ok().flatten().is_some();
            (file.exists() || ended).then(|| file.exists())
        })?;
        if !up {
            return Err(Trouble(format!("the target did not start: {}", read(&places.join("holder.log"))?.trim())));
        }
        word_read(&read(&file)?)
    }

    /// Whether another run has ended this one, or is about to.
    pub(super) fn is_ended_by_another(&mut self, places: &Places) -> bool {
        places.stop_file().exists() || self.child.try_wait().ok().flatten().is_some()
    }

    /// It goes on after this program.
    pub(super) fn let_stay(mut self) -> Result<(), Trouble> {
        let Some(line) = &mut self.line else { return Ok(()) };
        line.write_all(STAY.as_bytes()).map_err(Trouble::at("the target's holder"))
    }
}

/// The background process itself: `demo-hold FOLDER [STAND-IN]`.
pub(crate) fn hold(options: &[String]) -> Result<(), Stop> {
    let (root, server) = match options {
        [root] => (root, Server::Sshd),
        [root, program] => (root, Server::StandIn(program.into())),
        _ => return Err(Stop::Usage),
    };
    let places = Places::at(Path::new(root));
    let is_alone: &AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
    let stage = places.stage_file();
    std::thread::spawn(move || {
        if !is_told_to_stay(std::io::stdin()) {
            // At once, so that no other run takes this for one that is up.
            let _not_up_yet = fs::remove_file(stage);
            is_alone.store(true, Ordering::Release);
        }
    });
    let settings = Settings { more: "ExposeAuthInfo yes\n".to_owned(), server, ..Settings::default() };
    let (held, target) = target(&settings)?;
    // Whole or not at all: the other side reads it as soon as it is there.
    let half = places.join("target.half");
    fs::write(&half, word(&held))
        .and_then(|()| fs::rename(&half, places.join("target")))
        .map_err(Trouble::at("target"))?;
    while places.root().exists() && !places.stop_file().exists() && !is_alone.load(Ordering::Acquire) {
        pause(LOOK_EVERY);
    }
    drop(target);
    // Whoever wrote `stop` does the rest.
    if is_alone.load(Ordering::Acquire) && !places.stop_file().exists() {
        places.clear()?;
    }
    Ok(())
}

/// Waits for the end of the line.
fn is_told_to_stay(mut line: impl Read) -> bool {
    let mut said = String::new();
    line.read_to_string(&mut said).is_ok() && said == STAY
}

fn target(settings: &Settings) -> Result<(Held, Box<dyn std::any::Any>), Trouble> {
    let mut apart = Apart::Plain;
    if is_root() {
        match Namespaced::start("db1", settings) {
            Ok(target) => {
                let held = held(Apart::Namespaced, "root", &target, Place::Inside(target.first()), target.log_file());
                return Ok((held, Box::new(target)));
            }
            // A container often may not; the other way is still a real server.
            Err(trouble) => apart = Apart::AsRoot(trouble.0.replace('\n', " ")),
        }
    }
    let target = Sshd::start(settings)?;
    let held = held(apart, &user()?, &target, Place::Folder(target.dir().to_owned()), target.log_file());
    Ok((held, Box::new(target)))
}

fn held(apart: Apart, login: &str, target: &impl Target, place: Place, log: PathBuf) -> Held {
    let target = Attached { port: target.port(), host_key: target.host_key().to_owned(), log, place };
    Held { apart, login: login.to_owned(), target }
}

/// One line for each thing; paths last in their lines.
fn word(held: &Held) -> String {
    let apart = match &held.apart {
        Apart::Namespaced => "namespaced".to_owned(),
        Apart::AsRoot(why) => format!("as-root {why}"),
        Apart::Plain => "plain".to_owned(),
    };
    let place = match &held.target.place {
        Place::Inside(first) => format!("inside {first}"),
        Place::Folder(folder) => format!("folder {}", folder.display()),
    };
    let Attached { port, host_key, log, .. } = &held.target;
    format!("{apart}\n{}\n{place}\n{port}\n{host_key}\n{}\n", held.login, log.display())
}

fn word_read(text: &str) -> Result<Held, Trouble> {
    let wrong = || Trouble(format!("the target's holder said: {text}"));
    let lines: Vec<&str> = text.lines().collect();
    let [apart, login, place, port, host_key, log] = lines.as_slice() else { return Err(wrong()) };
    let apart = match apart.split_once(' ') {
        Some(("as-root", why)) => Apart::AsRoot(why.to_owned()),
        None if *apart == "namespaced" => Apart::Namespaced,
        None if *apart == "plain" => Apart::Plain,
        _ => return Err(wrong()),
    };
    let place = match place.split_once(' ') {
        Some(("inside", first)) => Place::Inside(first.parse().map_err(|_| wrong())?),
        Some(("folder", folder)) => Place::Folder(folder.into()),
        _ => return Err(wrong()),
    };
    let port = port.parse().map_err(|_| wrong())?;
    let (host_key, log) = ((*host_key).to_owned(), PathBuf::from(OsStr::new(log)));
    Ok(Held { apart, login: (*login).to_owned(), target: Attached { port, host_key, log, place } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_holder_says_reads_back() {
        let places = [Place::Inside(4711), Place::Folder("/x y/target".into())];
        let aparts = [Apart::Namespaced, Apart::AsRoot("no namespaces: not permitted".into()), Apart::Plain];
        for (place, apart) in places.iter().flat_map(|place| aparts.iter().map(move |apart| (place, apart))) {
            let target = Attached {
                port: 2222,
                host_key: "ssh-ed25519 AAAA".into(),
                log: "/x y/log".into(),
                place: place.clone(),
            };
            let held = Held { apart: apart.clone(), login: "root".into(), target };
            let read = word_read(&word(&held)).unwrap();
            assert_eq!((&read.apart, &read.login, &read.target), (&held.apart, &held.login, &held.target));
        }
        assert!(word_read("namespaced\nroot\n").is_err());
        assert!(word_read("").is_err());
    }

    #[test]
    fn only_the_whole_word_makes_it_stay() {
        assert!(is_told_to_stay("stay\n".as_bytes()));
        for cut in ["", "stay", "stay\nstay\n"] {
            assert!(!is_told_to_stay(cut.as_bytes()), "{cut:?}");
        }
    }
}
