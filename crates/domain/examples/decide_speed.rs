//! How long `decide` takes, signatures apart, over 100,000 accounts and 10,000 live grants: p50 and p99 of filing, approving and passing.
//!
//! `cargo run --release -p domain --example decide_speed`

#[path = "../tests/world/mod.rs"]
mod world;

use std::time::{Duration, Instant};

use domain::decide::{Proposal, actor_of, decide};
use domain::event::Event;
use domain::motion::{AccountClass, Act};
use domain::people::PersonaKind;
use domain::rule::Rule;
use domain::statement::Decision;
use domain::{AccountId, Actor, GrantId, State};
use world::{Face, FakePen, World, hours, label, rule};

const TARGETS: usize = 1_000;
const ACCOUNTS_PER_TARGET: usize = 100;
const ZONES: usize = 50;
const PERSONS: usize = 2_000;
const GRANTS: usize = 10_000;
const PENDING: usize = 2_000;
const SESSIONS: usize = 5_000;
const SAMPLES: usize = 20_000;

type W = World<FakePen>;

struct Estate {
    operators: Vec<Face>,
    leads: Vec<Face>,
    accounts: Vec<AccountId>,
}

fn main() {
    let mut world = World::founded(FakePen, 1);
    let estate = build(&mut world);
    let granted = work(&mut world, &estate);
    let state = &world.state;
    say(&format!(
        "{} accounts, {} grants, {} pending requests, {} sessions, {} persons, {} keys, {} rules, {} nonces",
        state.estate.accounts.len(),
        state.passage.grants.len(),
        state.passage.requests.len(),
        state.passage.sessions.len(),
        state.people.persons.len(),
        state.people.keys.len(),
        state.policy.as_ref().map_or(0, |p| p.policy.rules.len()),
        state.journal.nonces.len(),
    ));
    measure(&mut world, &estate, &granted);
}

fn build(world: &mut W) -> Estate {
    let operators: Vec<Face> = (0..PERSONS).map(|_| add(world)).collect();
    let leads: Vec<Face> = (0..PERSONS / 10).map(|_| add(world)).collect();
    for (place, face) in operators.iter().enumerate() {
        join(world, &format!("operators-{}", place % ZONES), face);
    }
    for face in &leads {
        join(world, "leads", face);
    }
    let accounts = (0..TARGETS).flat_map(|place| add_target(world, place)).collect();
    let rules: Vec<Rule> = (0..ZONES)
        .map(|zone| rule(&format!("zone-{zone}"), &format!("operators-{zone}"), &format!("zone-{zone}"), "leads", 1))
        .collect();
    world.set_policy(rules);
    Estate { operators, leads, accounts }
}

/// Written without being judged: building it is not what is measured.
fn enact(world: &mut W, act: Act) {
    let [one, other] = world.founders;
    let (fields, filed) = world.motion(&one, act);
    let statement = filed.statement;
    world.force_by(&one, Event::MotionFiled(filed));
    let carried = world.seconding(&other, fields.motion, statement);
    world.force_by(&other, carried);
    forget_the_ledger(world);
}

fn forget_the_ledger(world: &mut W) {
    world.entries.clear();
    world.bytes.clear();
}

fn add(world: &mut W) -> Face {
    let human = world.new_human();
    let (act, face) = world.person_add(human, PersonaKind::Admin);
    enact(world, act);
    face
}

fn join(world: &mut W, group: &str, face: &Face) {
    enact(world, Act::GroupJoin { group: label(group), person: face.person });
}

fn add_target(world: &mut W, place: usize) -> Vec<AccountId> {
    let (act, target) = world.target_add(&format!("db{place}"), &format!("zone-{}", place % ZONES), 1);
    enact(world, act);
    world.see_clock(target, 0).expect("a probe may run");
    let owner = world.founders[0].person;
    let mut accounts = vec![];
    for number in 0..ACCOUNTS_PER_TARGET {
        let (act, account) = world.account_add(target, &format!("app{number}"), AccountClass::ApplicationMaster, owner);
        enact(world, act);
        accounts.push(account);
    }
    accounts
}

/// Account `n` is in the zone of its target; operator `n` asks in zone `n`.
fn pair(estate: &Estate, n: usize) -> (Face, AccountId) {
    let operator = n % estate.operators.len();
    let target = (n / estate.operators.len() * ZONES + operator % ZONES) % TARGETS;
    (estate.operators[operator], estate.accounts[target * ACCOUNTS_PER_TARGET + n % ACCOUNTS_PER_TARGET])
}

fn work(world: &mut W, estate: &Estate) -> Vec<(Face, GrantId)> {
    let mut granted = vec![];
    for n in 0..GRANTS + PENDING {
        let (operator, account) = pair(estate, n);
        let request = world.ask(&operator, account).expect("an operator may ask");
        if n < GRANTS {
            let lead = estate.leads[n % estate.leads.len()];
            granted.push((operator, world.approve(&lead, request).expect("a lead may agree").expect("one is enough")));
        }
        if n < SESSIONS {
            let (operator, grant) = granted[n];
            world.open(&operator, grant).expect("a live grant");
        }
        forget_the_ledger(world);
    }
    granted
}

fn measure(world: &mut W, estate: &Estate, granted: &[(Face, GrantId)]) {
    let filings: Vec<Event> = (0..SAMPLES)
        .map(|n| {
            let (operator, account) = pair(estate, n * 7);
            let fields = world.request_fields(&operator, account, hours(1));
            world.filing(operator.key, fields)
        })
        .collect();
    report("filing a request", &world.state, filings);
    let pending: Vec<_> = world.state.passage.requests.keys().copied().collect();
    let approvals: Vec<Event> = (0..SAMPLES)
        .map(|n| {
            let lead = estate.leads[n % estate.leads.len()];
            let fields = world.decision_fields(&lead, pending[n % pending.len()], Decision::Approve);
            world.decision(lead.key, fields)
        })
        .collect();
    report("approving, with the grant", &world.state, approvals);
    let passages: Vec<Event> = (0..SAMPLES)
        .map(|n| {
            let (operator, grant) = granted[n % granted.len()];
            Event::SessionOpened(world.passage(&operator, grant))
        })
        .collect();
    report("opening a passage", &world.state, passages);
}

#[expect(clippy::disallowed_methods, reason = "measuring is what it is for")]
fn report(what: &str, state: &State, events: Vec<Event>) {
    let at = state.journal.time.expect("there are entries");
    let fresh = GrantId::from_random([7; 16]);
    let mut took: Vec<Duration> = vec![];
    for event in events {
        let actor = actor_of(state, &event).unwrap_or(Actor::Unproved);
        let proposal = Proposal { event, actor, at, cause: None };
        let start = Instant::now();
        let decided = decide(state, proposal, fresh);
        took.push(start.elapsed());
        decided.unwrap_or_else(|refusal| panic!("{what}: {refusal}"));
    }
    took.sort();
    let at = |per_mille: usize| took[took.len() * per_mille / 1000];
    say(&format!("{what}: p50 {:?}, p99 {:?}, most {:?} of {}", at(500), at(990), took[took.len() - 1], took.len()));
}

#[expect(clippy::print_stdout, reason = "printing is what it is for")]
fn say(line: &str) {
    println!("{line}");
}
