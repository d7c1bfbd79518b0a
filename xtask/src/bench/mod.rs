//! `cargo xtask bench NAME` (`ssh` takes names of parts to measure alone): us and the peer in turn, in one run; a table, and one line of JSON at the end.

mod engine;
mod figures;
mod paths;
mod procs;
mod ssh;

use std::path::PathBuf;

use crate::building::executables;
use crate::{Stop, terminal};

pub(crate) fn run(options: &[String]) -> Result<(), Stop> {
    match options {
        [name, parts @ ..] if name == "ssh" => ssh::run(parts),
        [name] if name == "engine" => engine::run(),
        _ => Err(Stop::Usage),
    }
}

/// The release build of one program of the workspace.
fn release(package: &str, name: &str) -> Result<PathBuf, Stop> {
    terminal::heading(&format!("building {name} (release)"));
    let built = executables(&["build", "--release", "--package", package, "--bin", name], package)?;
    built.into_iter().find(|path| path.ends_with(name)).ok_or_else(|| Stop::Failed(format!("no `{name}` was built")))
}
