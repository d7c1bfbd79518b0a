//! No event holds free text: every type that can be reached from `Event` is an id, enum, number, time, label, hash, commitment, key or signature.

use std::collections::{BTreeMap, BTreeSet};

use super::product_sources;

/// Types from elsewhere, and those of `domain` that check what they hold; each of a fixed grammar, none able to carry what a person typed.
const LEAVES: &[&str] = &[
    // numbers and shapes
    "bool",
    "u8",
    "u16",
    "u32",
    "u64",
    "i64",
    "Option",
    "Vec",
    "BTreeSet",
    "BTreeMap",
    "Box",
    "Result",
    // ledger and sshwire
    "Hash",
    "PublicKey",
    "Signature",
    "Fingerprint",
    // domain: 128 bits, or a grammar that is checked on reading
    "AccountId",
    "ErrandId",
    "GrantId",
    "MotionId",
    "PersonId",
    "PersonaId",
    "RecoveryId",
    "RequestId",
    "SessionId",
    "TargetId",
    "Label",
    "OriginName",
    // what the rules name (decision 0013)
    "Destination",
    "SocketPath",
    "Nonce",
    "SuiteKey",
    "Timestamp",
    // a salted hash, and the kinds of what it hides
    "Committed",
    "PersonName",
    "Source",
    "Purpose",
    "Reason",
    "Address",
    "LoginName",
    // a code of our own, never its arguments
    "RefusalCode",
];

#[test]
fn no_event_holds_free_text() {
    let types = types_of_domain();
    let reached = reach("Event", &types);
    for must in ["RequestFields", "Act", "Deed", "SessionOpened", "Rule", "RecoverySetup"] {
        assert!(reached.contains(must), "the search does not reach `{must}`; it reaches {reached:?}");
    }
}

#[test]
fn a_string_anywhere_below_an_event_is_found() {
    for field in [
        "note: String",
        "note: Option<String>",
        "note: std::borrow::Cow<'static, str>",
        "note: Box<str>",
        "note: Vec<char>",
        "note: serde_json::Value",
    ] {
        let mut types = types_of_domain();
        types.get_mut("RequestFields").unwrap().extend(words(field.split(": ").nth(1).unwrap()));
        let found = std::panic::catch_unwind(|| reach("Event", &types));
        assert!(found.is_err(), "`{field}` passes");
    }
}

/// Every type below `from`; panics at one that is neither ours nor a known leaf.
fn reach(from: &str, types: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut waiting = vec![from.to_owned()];
    while let Some(name) = waiting.pop() {
        if LEAVES.contains(&name.as_str()) || !reached.insert(name.clone()) {
            continue;
        }
        let parts = types.get(&name).unwrap_or_else(|| panic!("`{name}` stands in an event and is no id, enum, number, time, label, hash, commitment, key or signature"));
        waiting.extend(parts.iter().cloned());
    }
    reached
}

/// Each struct and enum of `domain`, with the names of the types in its fields.
fn types_of_domain() -> BTreeMap<String, BTreeSet<String>> {
    let mut types = BTreeMap::new();
    for (_, source) in product_sources("domain") {
        let source = without_comments_and_attributes(&source);
        for keyword in ["pub struct ", "pub enum "] {
            for definition in source.split(keyword).skip(1) {
                let (name, body) = name_and_body(definition);
                types.insert(name, field_types(keyword, body));
            }
        }
        types.extend(event_macro(&source).map(|parts| ("Event".to_owned(), parts)));
    }
    types
}

fn without_comments_and_attributes(source: &str) -> String {
    let kept = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut text = String::new();
    for line in kept {
        let mut line = line;
        while let Some((before, after)) = line.split_once("#[") {
            text += before;
            line = after.split_once(")]").or_else(|| after.split_once(']')).map_or("", |(_, rest)| rest);
        }
        text += line;
        text.push('\n');
    }
    text
}

/// The definition's name and what stands between its outermost brackets.
fn name_and_body(definition: &str) -> (String, &str) {
    let name: String = definition.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let Some(open) = definition.find(['{', '(', ';']) else { return (name, "") };
    let mut depth = 0_usize;
    for (at, c) in definition[open..].char_indices() {
        match c {
            '{' | '(' => depth += 1,
            '}' | ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return (name, &definition[open..open + at]);
        }
    }
    (name, "")
}

/// Names of types among a body's words. In an enum a variant's own name is followed by its fields or by a comma.
fn field_types(keyword: &str, body: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if keyword == "pub struct " {
        found.extend(words(body).into_iter().filter(|word| is_type(word)));
        return found;
    }
    let mut depth = 0_usize;
    let mut word = String::new();
    for c in body.chars().chain([' ']) {
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        // Depth 1 holds the variants' names, deeper stand their fields.
        if depth > 1 && is_type(&word) {
            found.insert(std::mem::take(&mut word));
        }
        word.clear();
        match c {
            '{' | '(' => depth += 1,
            '}' | ')' => depth -= 1,
            _ => {}
        }
    }
    found
}

fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Types of our own begin with a capital; of the language's, those that hold numbers or text do not.
fn is_type(word: &str) -> bool {
    let own = word.chars().next().is_some_and(char::is_uppercase) && word.chars().any(char::is_lowercase);
    own || [
        "str", "char", "u8", "u16", "u32", "u64", "i64", "bool", "usize", "f64", "i8", "i16", "i32", "u128", "i128",
        "f32", "isize",
    ]
    .contains(&word)
}

/// `Variant(Body) = "kind";` of the macro that makes `Event`, and the one variant that stands in the macro itself.
fn event_macro(source: &str) -> Option<BTreeSet<String>> {
    let body = source.split("\nevents! {").nth(1)?.split("\n}").next()?;
    let mut bodies: BTreeSet<_> =
        body.lines().filter_map(|line| line.split(['(', ')']).nth(1)).map(str::to_owned).collect();
    assert!(bodies.len() > 10, "{bodies:?}");
    bodies.insert("DeedDone".to_owned());
    Some(bodies)
}
