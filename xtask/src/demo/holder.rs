//! Holds the demo's target in the background, for as long as the demo is up: `cargo xtask demo` starts it, `--stop` ends it.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use testkit::namespaced::Place;
use testkit::process::{found, is_root, pause, user};
use testkit::{Attached, KeyPair, Namespaced, Settings, Sshd, Target, Trouble};

use super::places::Places;
use super::read;
use crate::Stop;

/// What kind of target it became.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Own files, processes, network and host name.
    Namespaced,
    /// A second sshd of the user's own.
    PlainUser,
}

/// A target, and the account on it.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) kind: Kind,
    pub(super) login: String,
    pub(super) target: Attached,
}

/// Starts the holder and waits until its target stands.
pub(super) fn start(places: &Places) -> Result<Held, Stop> {
    let own = std::env::current_exe().map_err(Trouble::at("this program"))?;
    let log = fs::File::create(places.join("holder.log")).map_err(Trouble::at("holder.log"))?;
    let mut command = Command::new(own);
    command.arg("demo-hold").arg(places.root()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).process_group(0);
    let mut child = command.spawn().map_err(Trouble::at("the target's holder"))?;
    fs::write(places.join("holder.pid"), child.id().to_string()).map_err(Trouble::at("holder.pid"))?;
    let file = places.join("target");
    let up =
        found("the target", || (file.exists() || child.try_wait().ok().flatten().is_some()).then(|| file.exists()))?;
    if !up {
        return Err(Stop::Failed(format!("the target did not start: {}", read(&places.join("holder.log"))?.trim())));
    }
    let text = read(&file)?;
    let mut lines = text.lines().map(str::to_owned);
    let mut line = || lines.next().ok_or_else(|| Trouble("the holder's word is cut short".to_owned()));
    let (kind, login, place) = (line()?, line()?, line()?);
    let (kind, place) = match kind.as_str() {
        "namespaced" => {
            (Kind::Namespaced, Place::Inside(place.parse().map_err(Trouble::at("the target's first process"))?))
        }
        _ => (Kind::PlainUser, Place::Folder(place.into())),
    };
    let port = line()?.parse().map_err(Trouble::at("the target's port"))?;
    Ok(Held { kind, login, target: Attached { port, host_key: line()?, log: PathBuf::from(line()?), place } })
}

/// The background process itself; ends when the folder says so or is gone.
pub(crate) fn hold(options: &[String]) -> Result<(), Stop> {
    let [root] = options else { return Err(Stop::Usage) };
    let root = Path::new(root);
    let settings = Settings { authorized_keys: String::new(), ..Settings::default() };
    let (word, _target) = target(&settings)?;
    // Whole or not at all: the other side reads it as soon as it is there.
    let half = root.join("target.half");
    fs::write(&half, word).and_then(|()| fs::rename(&half, root.join("target"))).map_err(Trouble::at("target"))?;
    while root.join("target").exists() && !root.join("stop").exists() {
        pause(Duration::from_millis(200));
    }
    Ok(())
}

fn target(settings: &Settings) -> Result<(String, Box<dyn std::any::Any>), Trouble> {
    if is_root() {
        match Namespaced::start("db1", settings) {
            Ok(target) => {
                let word = format!(
                    "namespaced\nroot\n{}\n{}\n{}\n{}\n",
                    target.first(),
                    target.port(),
                    target.host_key(),
                    target.log_file().display()
                );
                return Ok((word, Box::new(target)));
            }
            // A container often may not; the plain way is still a real sshd.
            Err(trouble) => eprintln!("{trouble}"),
        }
    }
    let target = Sshd::start(settings)?;
    let word = format!(
        "plain\n{}\n{}\n{}\n{}\n{}\n",
        user()?,
        target.dir().display(),
        target.port(),
        target.host_key(),
        target.log_file().display()
    );
    Ok((word, Box::new(target)))
}

/// Nobody's key may log in on the target by itself.
pub(super) fn is_refused_directly(held: &Held, places: &Places, key: &KeyPair) -> Result<(bool, String), Trouble> {
    let mut command = Command::new("ssh");
    command.arg("-F").arg(places.join("ssh_config")).arg("-i").arg(&key.private).args([
        "-l",
        &held.login,
        "db1-itself",
        "true",
    ]);
    let output = testkit::process::output_within(command.env_remove("SSH_AUTH_SOCK"), testkit::process::PATIENCE)?;
    Ok((!output.status.success(), String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}
