//! The two commands of the README exist, as it writes them.

use super::read;

#[test]
fn the_two_commands_are_there_and_shown() {
    let readme = read("README.md");
    let main = read("xtask/src/main.rs");
    for verb in ["demo", "test"] {
        assert!(
            readme.lines().any(|line| line.trim() == format!("cargo xtask {verb}")),
            "README does not show `cargo xtask {verb}` on a line of its own"
        );
        assert!(main.contains(&format!("\"{verb}\" =>")), "xtask has no `{verb}`");
    }
    assert!(read(".cargo/config.toml").contains("xtask = "));
}

#[test]
fn the_checks_of_a_change_are_the_tests() {
    assert!(read(".ci/run").contains("cargo xtask test --all --yes"));
}

/// A page that is named is there.
#[test]
fn links_lead_somewhere() {
    for page in ["README.md", "CHANGELOG.md"] {
        let text = read(page);
        for link in
            text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|link| !link.contains("://"))
        {
            let path = link.split('#').next().unwrap_or_default();
            assert!(super::root().join(path).exists(), "{page} links to `{link}`, which is not there");
        }
    }
}
