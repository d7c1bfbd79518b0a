//! What must stay true of the repository itself: the arrows between crates, the purity of the pure ones, and what no file may hold.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod arrows;
mod events;
mod exposures;
mod hygiene;
mod purity;
mod readme;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository's first folder.
fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).expect("this crate lies in crates/").to_owned()
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file under a folder of the repository, as paths from its root; not what is built, nor git's own.
fn files(under: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(&root().join(under), &mut found);
    assert!(!found.is_empty(), "no file under `{under}`");
    let mut relative: Vec<_> = found.iter().map(|path| path.strip_prefix(root()).unwrap().to_owned()).collect();
    relative.sort();
    relative
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_symlink() {
            continue;
        }
        if !path.is_dir() {
            found.push(path);
        } else if !["target", ".git", "state", "node_modules"].contains(&name.as_str()) {
            walk(&path, found);
        }
    }
}

/// Rust sources of a crate, without what stands below `#[cfg(test)]`, where tests are kept at the bottom.
fn product_sources(crate_name: &str) -> Vec<(PathBuf, String)> {
    let sources = files(&format!("crates/{crate_name}/src"))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "rs"));
    sources.map(|path| (path.clone(), before_tests(&read(&path)))).collect()
}

fn before_tests(source: &str) -> String {
    let kept = source.lines().scan(false, |tests, line| {
        *tests |= line.trim_start().starts_with("#[cfg(test)]");
        (!*tests).then_some(line)
    });
    kept.collect::<Vec<_>>().join("\n")
}

/// The names of the crates in `crates/`.
fn crates() -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(root().join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.retain(|name| root().join("crates").join(name).join("Cargo.toml").exists());
    names.sort();
    assert!(names.len() > 10, "{names:?}");
    names
}

/// `cargo tree` of a crate's normal dependencies, one name a line.
fn tree(arguments: &[&str]) -> Vec<String> {
    let mut command = Command::new(env!("CARGO"));
    command
        .current_dir(root())
        .args(["tree", "--offline", "--edges", "normal", "--prefix", "none", "--no-dedupe", "--format", "{p}"])
        .args(arguments);
    let output = command.output().expect("cargo runs this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut names: Vec<_> = text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}
