//! Acknowledged means durable, for many people at once: engine is killed at random moments while they ask and approve.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use channel::ChannelError;
use channel::api::{EntryView, Page, Query, Submission, View};
use domain::committed::Purpose;
use domain::rule::Channel;
use domain::statement::{Decision, DecisionFields, RequestFields};
use domain::{AccountId, GrantId, Refusal, RequestId, Timestamp, Window};
use e2e::{PURPOSE, World};
use engine::clock::{Clock, SystemClock};
use engine::random;
use ledger::{Hash, leaf_hash};
use testkit::Installation;
use testkit::installation::Process;
use testkit::process::{Signal, Tame, now, pause, signal, until};
use worlds::opening;

use crate::caller::{Caller, Signer};

/// Of which the first come through `serve`, whose pauses grow; then engine is started here, at once, so that many fit into the time.
const KILLS: u64 = 100;
const KILLS_UNDER_SERVE: u64 = 5;
/// No further kill after this.
const LONGEST: Duration = Duration::from_secs(240);
/// Pairs of persons who work at the same time.
const PAIRS: usize = 4;
/// Of the moments at which it is killed.
const SEED: u64 = 20_261_201;

/// What was answered with a receipt.
#[derive(Debug, Clone, Copy)]
struct Acknowledged {
    seq: u64,
    leaf: Hash,
    request: RequestId,
    what: What,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Request,
    Approval(Option<GrantId>),
}

#[test]
fn whatever_several_clients_were_told_survives_a_hundred_kills_long() {
    let world = World::new();
    let by = (&world.founders.0, &world.founders.1);
    let people: Vec<_> = (0..2 * PAIRS)
        .map(|n| world.gate.add_person(by, &format!("worker-{n}"), &["operators", "system-owners"]).unwrap())
        .map(|person| Signer::of(&person))
        .collect();
    let people = Arc::new(people);
    let auditor = Signer::of(&world.auditor);
    let account = account(&world, &auditor);
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let workers: Vec<_> = (0..PAIRS)
        .map(|pair| {
            let worker = Worker { socket: socket(&world.gate), people: people.clone(), pair, account };
            let (stop, answered) = (stop.clone(), answered.clone());
            std::thread::spawn(move || worker.work(&stop, &answered))
        })
        .collect();
    let kills = kill_again_and_again(&world, &answered);
    stop.store(true, Ordering::SeqCst);
    let acknowledged: Vec<_> = workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
    check(&world, &auditor, &acknowledged);
    let granted = acknowledged.iter().filter(|a| matches!(a.what, What::Approval(Some(_)))).count();
    println!("{kills} kills; {} receipts, {granted} grants, all in the ledger", acknowledged.len());
    assert!(kills >= KILLS / 4, "only {kills} kills in {LONGEST:?}");
    assert!(granted as u64 >= kills / 2, "only {granted} grants over {kills} kills");
}

fn socket(gate: &Installation) -> PathBuf {
    gate.root().join("run/engine/api.sock")
}

fn account(world: &World, asker: &Signer) -> AccountId {
    let mut caller = Caller::connect(&socket(&world.gate), asker).unwrap();
    match caller.read(Query::Accounts { target: None, page: Page { after: None, limit: 1 } }).unwrap() {
        View::Accounts(accounts) => accounts.rows[0].account,
        other => panic!("{other:?}"),
    }
}

/// Gives how often it was killed. Engine runs afterwards.
fn kill_again_and_again(world: &World, answered: &AtomicU64) -> u64 {
    let begun = now();
    let mut dice = Dice(SEED);
    for _ in 0..KILLS_UNDER_SERVE {
        let pid = world.gate.pid(Process::Engine).unwrap();
        wait_for_answers(answered, 1);
        pause(dice.up_to(120));
        signal(pid, Signal::Kill).unwrap();
        until("`serve` to start engine again", || world.gate.pid(Process::Engine).is_ok_and(|next| next != pid))
            .unwrap();
    }
    let watcher = world.gate.watcher().unwrap();
    wait_for_answers(answered, 1);
    signal(watcher, Signal::Stop).unwrap();
    world.gate.signal(Process::Engine, Signal::Kill).unwrap();
    let mut kills = KILLS_UNDER_SERVE + 1;
    while kills < KILLS && begun.elapsed() < LONGEST {
        // Killed when dropped, as by `kill -9`.
        let engine = Tame::start(world.gate.command(&["engine"]).stdout(Stdio::null()).stderr(Stdio::null())).unwrap();
        // One in five dies while it starts, or just after.
        if kills.is_multiple_of(5) {
            pause(dice.up_to(400));
        } else {
            wait_for_answers(answered, 1 + dice.next() % 8);
            pause(dice.up_to(40));
        }
        drop(engine);
        kills += 1;
    }
    signal(watcher, Signal::Continue).unwrap();
    kills
}

fn wait_for_answers(answered: &AtomicU64, more: u64) {
    let before = answered.load(Ordering::SeqCst);
    until("people to be answered", || answered.load(Ordering::SeqCst) >= before + more).unwrap();
}

/// One asks, the other approves, again and again.
struct Worker {
    socket: PathBuf,
    people: Arc<Vec<Signer>>,
    pair: usize,
    account: AccountId,
}

impl Worker {
    fn work(&self, stop: &AtomicBool, answered: &AtomicU64) -> Vec<Acknowledged> {
        let mut acknowledged = Vec::new();
        while !stop.load(Ordering::SeqCst) {
            // A broken line is what this test is about: what was not answered is not counted, and the two begin anew.
            let _line_broke = self.until_the_line_breaks(stop, answered, &mut acknowledged);
            pause(Duration::from_millis(10));
        }
        acknowledged
    }

    fn until_the_line_breaks(
        &self,
        stop: &AtomicBool,
        answered: &AtomicU64,
        acknowledged: &mut Vec<Acknowledged>,
    ) -> Result<(), ChannelError> {
        let (requester, approver) = (&self.people[2 * self.pair], &self.people[2 * self.pair + 1]);
        let mut asking = Caller::connect(&self.socket, requester)?;
        let mut approving = Caller::connect(&self.socket, approver)?;
        let mut note = |one: Acknowledged| {
            acknowledged.push(one);
            answered.fetch_add(1, Ordering::SeqCst);
        };
        while !stop.load(Ordering::SeqCst) {
            let Some((filed, statement)) = self.request(&mut asking, requester)? else { continue };
            note(filed);
            let fields = DecisionFields {
                request: filed.request,
                statement,
                approver: approver.persona,
                decision: Decision::Approve,
                reason: None,
                policy: 1,
            };
            let signed = approving.sign(&fields);
            let receipt = approving.submit(Submission::Decision { fields, signed }, vec![])?;
            let Some(receipt) = unless_busy(receipt) else { continue };
            let what = What::Approval(receipt.grant);
            note(Acknowledged { seq: receipt.seq, leaf: receipt.leaf, request: filed.request, what });
        }
        Ok(())
    }

    /// A short window, so that what is granted leaves the state again.
    fn request(&self, asking: &mut Caller<'_>, who: &Signer) -> Result<Option<(Acknowledged, Hash)>, ChannelError> {
        let (purpose, text) = opening::<Purpose>(PURPOSE);
        let from: Timestamp = SystemClock.wall();
        let fields = RequestFields {
            request: RequestId::from_random(random::bytes()),
            requester: who.persona,
            beneficiary: who.persona,
            account: self.account,
            window: Window::new(from, from.plus(Duration::from_secs(60))).unwrap(),
            channels: BTreeSet::from([Channel::Shell]),
            purpose,
            policy: 1,
        };
        let signed = asking.sign(&fields);
        let statement = tegata::statement::hash(&tegata::statement::signed_bytes(&asking.origin(), &fields, &signed));
        let request = fields.request;
        let receipt = asking.submit(Submission::Request { fields, signed }, vec![text])?;
        Ok(unless_busy(receipt)
            .map(|r| (Acknowledged { seq: r.seq, leaf: r.leaf, request, what: What::Request }, statement)))
    }
}

/// `None`: it was told to come back in a moment.
fn unless_busy<T>(outcome: Result<T, Refusal>) -> Option<T> {
    match outcome {
        Ok(done) => Some(done),
        Err(Refusal::TooFast { .. } | Refusal::Unavailable) => {
            pause(Duration::from_millis(100));
            None
        }
        Err(other) => panic!("{other:?}"),
    }
}

/// Every receipt names an entry that is there, and that entry says what was acknowledged.
fn check(world: &World, auditor: &Signer, acknowledged: &[Acknowledged]) {
    until("engine to answer", || Caller::connect(&socket(&world.gate), auditor).is_ok()).unwrap();
    let entries = all_entries(world, auditor);
    let newest = *entries.keys().next_back().unwrap();
    assert_eq!(entries.len() as u64, newest + 1, "the ledger has gaps");
    let made: BTreeSet<_> = entries.values().filter(|entry| entry.contains("\"grant.made\"")).collect();
    for one in acknowledged {
        let entry = entries.get(&one.seq).unwrap_or_else(|| panic!("{one:?} is lost"));
        assert_eq!(leaf_hash(entry.as_bytes()), one.leaf, "{one:?}: another entry stands there: {entry}");
        let kind = match one.what {
            What::Request => "\"request.filed\"",
            What::Approval(_) => "\"approval.given\"",
        };
        assert!(entry.contains(kind) && entry.contains(&one.request.to_string()), "{one:?}: {entry}");
        if let What::Approval(Some(grant)) = one.what {
            let (grant, request) = (grant.to_string(), one.request.to_string());
            assert!(made.iter().any(|entry| entry.contains(&grant) && entry.contains(&request)), "{grant} is lost");
        }
    }
    let said = world.gate.json(&world.auditor.key, &["verify", "--replay"]).unwrap();
    assert!(said.contains("\"agrees\": true"), "{said}");
}

fn all_entries(world: &World, auditor: &Signer) -> BTreeMap<u64, String> {
    let mut caller = Caller::connect(&socket(&world.gate), auditor).unwrap();
    let (mut all, mut after) = (BTreeMap::new(), None);
    loop {
        let page = Page { after, limit: 200 };
        let View::Entries(part) = caller.read(Query::Entries { about: None, kind: None, page }).unwrap() else {
            panic!("entries were asked for")
        };
        all.extend(part.rows.into_iter().map(|EntryView { seq, bytes, .. }| (seq, bytes)));
        after = part.next;
        if after.is_none() {
            return all;
        }
    }
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn up_to(&mut self, milliseconds: u64) -> Duration {
        Duration::from_millis(self.next() % milliseconds)
    }
}
