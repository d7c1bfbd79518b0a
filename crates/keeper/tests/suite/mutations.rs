//! Whatever is changed in a passage order, no certificate comes of it, unless the order still says the same.

use channel::keeper::{Answer, Ask, PassageOrder};
use domain::rule::Channel;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::Value;

use crate::bench::Bench;

const CASES: u32 = 1_500;

/// A change of one place in a JSON document.
#[derive(Debug, Clone)]
enum Change {
    /// One character of a text, or one digit of a number.
    Nudge {
        leaf: prop::sample::Index,
        place: prop::sample::Index,
        by: u8,
    },
    /// One leaf takes another's value.
    Copy {
        from: prop::sample::Index,
        to: prop::sample::Index,
    },
    /// One element or field goes.
    Drop {
        node: prop::sample::Index,
        child: prop::sample::Index,
    },
    /// One element stands twice.
    Double {
        node: prop::sample::Index,
        child: prop::sample::Index,
    },
    Swap {
        node: prop::sample::Index,
        one: prop::sample::Index,
        other: prop::sample::Index,
    },
    /// A null in place of a leaf.
    Null {
        leaf: prop::sample::Index,
    },
}

fn changes() -> impl Strategy<Value = Change> {
    use any as a;
    type I = prop::sample::Index;
    prop_oneof![
        4 => (a::<I>(), a::<I>(), 1..=255u8).prop_map(|(leaf, place, by)| Change::Nudge { leaf, place, by }),
        2 => (a::<I>(), a::<I>()).prop_map(|(from, to)| Change::Copy { from, to }),
        1 => (a::<I>(), a::<I>()).prop_map(|(node, child)| Change::Drop { node, child }),
        1 => (a::<I>(), a::<I>()).prop_map(|(node, child)| Change::Double { node, child }),
        1 => (a::<I>(), a::<I>(), a::<I>()).prop_map(|(node, one, other)| Change::Swap { node, one, other }),
        1 => a::<I>().prop_map(|leaf| Change::Null { leaf }),
    ]
}

#[test]
fn no_changed_order_is_certified() {
    let mut bench = Bench::ready();
    let grant = bench.world.grant(&[Channel::Shell, Channel::Exec]);
    let opened = bench.open(&grant);
    let last = bench.last();
    let genuine = serde_json::to_value(bench.world.passage(&grant, opened, last)).unwrap();
    let (mut read, mut unread) = (0, 0);
    let mut runner =
        TestRunner::new(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() });
    let bench = std::cell::RefCell::new(bench);
    let counts = std::cell::RefCell::new((&mut read, &mut unread));
    runner
        .run(&prop::collection::vec(changes(), 1..3), |changes| {
            let mut order = genuine.clone();
            changes.iter().for_each(|change| apply(change, &mut order));
            let Ok(parsed) = serde_json::from_value::<PassageOrder>(order) else {
                *counts.borrow_mut().1 += 1;
                return Ok(());
            };
            *counts.borrow_mut().0 += 1;
            if serde_json::to_value(&parsed).unwrap() != genuine {
                bench.borrow_mut().refused(Ask::Passage(parsed));
            }
            Ok(())
        })
        .unwrap();
    assert!(read > 200, "{read} of the changed orders could be read, {unread} could not");
    let whole: PassageOrder = serde_json::from_value(genuine).unwrap();
    assert!(matches!(bench.into_inner().keeper.answer(Ask::Passage(whole)), Answer::Certified { .. }));
}

fn apply(change: &Change, order: &mut Value) {
    match change {
        Change::Nudge { leaf, place, by } => nudge(leaf_at(order, leaf), place, *by),
        Change::Copy { from, to } => {
            let value = leaf_at(order, from).clone();
            *leaf_at(order, to) = value;
        }
        Change::Drop { node, child } => edit(order, node, |list| drop(list.remove(child.index(list.len())))),
        Change::Double { node, child } => edit(order, node, |list| {
            let at = child.index(list.len());
            list.insert(at, list[at].clone());
        }),
        Change::Swap { node, one, other } => edit(order, node, |list| {
            let length = list.len();
            list.swap(one.index(length), other.index(length));
        }),
        Change::Null { leaf } => *leaf_at(order, leaf) = Value::Null,
    }
}

fn nudge(leaf: &mut Value, place: &prop::sample::Index, by: u8) {
    match leaf {
        Value::String(text) if !text.is_empty() => {
            let mut chars: Vec<char> = text.chars().collect();
            let at = place.index(chars.len());
            // Within hexadecimal digits half of the time, so that what is changed can still be read.
            chars[at] = if by.is_multiple_of(2) {
                char::from_digit(u32::from(by / 16), 16).unwrap()
            } else {
                char::from(by % 95 + 32)
            };
            *text = chars.into_iter().collect();
        }
        Value::Number(number) => *leaf = Value::from(number.as_u64().unwrap_or(0).wrapping_add(u64::from(by))),
        other => *other = Value::from(by),
    }
}

fn leaf_at<'a>(order: &'a mut Value, leaf: &prop::sample::Index) -> &'a mut Value {
    let paths = paths(order, |value| !value.is_array() && !value.is_object());
    order.pointer_mut(leaf.get::<String>(paths.as_slice())).unwrap()
}

fn edit(order: &mut Value, node: &prop::sample::Index, change: impl FnOnce(&mut Vec<Value>)) {
    let paths = paths(order, |value| value.as_array().is_some_and(|list| !list.is_empty()));
    if paths.is_empty() {
        return;
    }
    change(order.pointer_mut(node.get::<String>(paths.as_slice())).unwrap().as_array_mut().unwrap());
}

fn paths(order: &Value, wanted: impl Fn(&Value) -> bool + Copy) -> Vec<String> {
    let mut found = Vec::new();
    gather(order, String::new(), wanted, &mut found);
    found
}

fn gather(value: &Value, path: String, wanted: impl Fn(&Value) -> bool + Copy, found: &mut Vec<String>) {
    if wanted(value) {
        found.push(path.clone());
    }
    match value {
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(at, item)| gather(item, format!("{path}/{at}"), wanted, found))
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(name, item)| gather(item, format!("{path}/{name}"), wanted, found))
        }
        _ => {}
    }
}
