//! Every place where a secret is taken out of its `Secret<T>` stands in a golden file, so that a new one is seen in review.

use super::{crates, product_sources, read, root};

const GOLDEN: &str = "crates/testkit/tests/repository/exposures.txt";

#[test]
fn every_exposed_secret_is_known() {
    let found = exposures();
    assert!(found.lines().count() > 10, "the search finds nothing:\n{found}");
    if asked_to_update() {
        std::fs::write(root().join(GOLDEN), &found).unwrap();
    }
    let known = read(GOLDEN);
    let new: Vec<_> = found.lines().filter(|line| !known.lines().any(|one| one == *line)).collect();
    let gone: Vec<_> = known.lines().filter(|line| !found.lines().any(|one| one == *line)).collect();
    assert!(
        found == known,
        "new places where secrets are exposed: {new:#?}\nplaces that are gone: {gone:#?}\nWhen each is right: UPDATE_GOLDENS=1 cargo test -p testkit --test repository"
    );
}

#[expect(clippy::disallowed_methods, reason = "the one switch of this test")]
fn asked_to_update() -> bool {
    std::env::var_os("UPDATE_GOLDENS").is_some()
}

fn exposures() -> String {
    let mut all = String::new();
    for name in crates() {
        for (path, source) in product_sources(&name) {
            for line in
                source.lines().map(str::trim).filter(|line| line.contains("expose()") && !line.starts_with("//"))
            {
                all += &format!("{}: {line}\n", path.display());
            }
        }
    }
    all
}
