//! The ledger's entries as a reader of `--json` has them.

use std::time::Duration;

use e2e::World;
use serde_json::Value;
use testkit::Target;

/// One entry.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) seq: u64,
    /// Microseconds since 1970.
    pub(crate) time: i64,
    pub(crate) kind: String,
    pub(crate) body: Value,
}

impl Entry {
    fn of(view: &Value) -> Self {
        let entry: Value = serde_json::from_str(view["bytes"].as_str().unwrap()).unwrap();
        Self {
            seq: entry["seq"].as_u64().unwrap(),
            time: entry["time"].as_i64().unwrap(),
            kind: entry["kind"].as_str().unwrap().to_owned(),
            body: entry["body"].clone(),
        }
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.body[name].as_str().unwrap_or_else(|| panic!("no `{name}` in {self:?}")).to_owned()
    }
}

/// The entries that name an id, the oldest first.
pub(crate) fn about<T: Target>(world: &World<T>, id: &str) -> Vec<Entry> {
    let said = world.gate.json(&world.auditor.key, &["ledger", "list", "--about", id, "--limit", "500"]).unwrap();
    let views: Value = serde_json::from_str(&said).unwrap();
    let mut entries: Vec<Entry> = views["rows"].as_array().unwrap().iter().map(Entry::of).collect();
    entries.sort_by_key(|entry| entry.seq);
    entries
}

pub(crate) fn of_kind<'a>(entries: &'a [Entry], kind: &str) -> Vec<&'a Entry> {
    entries.iter().filter(|entry| entry.kind == kind).collect()
}

/// The only entry of that kind.
#[track_caller]
pub(crate) fn only<'a>(entries: &'a [Entry], kind: &str) -> &'a Entry {
    let found = of_kind(entries, kind);
    assert_eq!(found.len(), 1, "one `{kind}` is meant in {entries:#?}");
    found[0]
}

/// How long after `earlier` a moment of the ledger was; nothing when it came before.
pub(crate) fn after(earlier: i64, later: i64) -> Duration {
    Duration::from_micros(u64::try_from(later - earlier).unwrap_or(0))
}

/// The ids of sessions that live now.
pub(crate) fn live<T: Target>(world: &World<T>) -> Vec<String> {
    let said = world.gate.json(&world.auditor.key, &["session", "list"]).unwrap();
    let sessions: Value = serde_json::from_str(&said).unwrap();
    sessions["rows"].as_array().unwrap().iter().map(|session| session["session"].as_str().unwrap().to_owned()).collect()
}

/// Whether folding the ledger anew, every signature checked, gives the state that the engine decides by.
#[track_caller]
pub(crate) fn replays<T: Target>(world: &World<T>) {
    let said = world.gate.json(&world.auditor.key, &["verify", "--replay"]).unwrap();
    assert!(said.contains("\"agrees\": true"), "{said}");
}
