//! The fold of the ledger: what `decide` needs to know now. Ended things leave it; history lives in the ledger.

use std::collections::{BTreeMap, BTreeSet};

use imbl::{OrdMap, OrdSet};
use ledger::Hash;
use serde::{Deserialize, Serialize};
use sshwire::Fingerprint;

use crate::bytes::Nonce;
use crate::estate::Estate;
use crate::event::{Attempt, Founding, RecoveryStarted};
use crate::id::{
    AccountId, ErrandId, GrantId, MotionId, PersonId, PersonaId, RecoveryId, RequestId, SessionId, TargetId,
};
use crate::label::Label;
use crate::motion::{ErrandKind, Motion};
use crate::people::{People, PersonaKind};
use crate::rule::{Channel, Obligations, Policy};
use crate::statement::RequestFields;
use crate::time::{Timestamp, Window};

/// Changes when the same entries fold to another state; a snapshot of another version is not used.
pub const FOLD_VERSION: u32 = 3;

/// Where something came from: the entries that brought it about, for proofs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    pub filed: u64,
    pub carried: u64,
    /// The keys that signed those entries; none where founders or recovery shares stand behind it.
    pub signers: Option<[Fingerprint; 2]>,
}

impl Origin {
    pub const fn at(seq: u64) -> Self {
        Self { filed: seq, carried: seq, signers: None }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    pub journal: Journal,
    pub founding: Option<Founding>,
    pub people: People,
    pub estate: Estate,
    pub policy: Option<InForce>,
    pub motions: OrdMap<MotionId, Motion>,
    pub passage: Passage,
    pub recoveries: OrdMap<RecoveryId, Recovery>,
}

/// Requests, grants, sessions and errands that are not over.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passage {
    pub requests: OrdMap<RequestId, Request>,
    /// The same by who asked.
    pub asked: OrdSet<(PersonId, RequestId)>,
    pub grants: OrdMap<GrantId, Grant>,
    /// What each granted request became.
    pub granted: OrdMap<RequestId, GrantId>,
    /// Grants by who may use them on which account.
    pub held: OrdSet<(PersonaId, AccountId, GrantId)>,
    pub sessions: OrdMap<SessionId, Session>,
    /// The same by who is connected.
    pub connected: OrdSet<(PersonId, SessionId)>,
    pub errands: OrdMap<ErrandId, Errand>,
    /// Serial of the next certificate.
    pub next_serial: u64,
}

/// The ledger's own bookkeeping.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// How many entries are folded in.
    pub size: u64,
    pub time: Option<Timestamp>,
    /// Set while the clock is in doubt; then only two persons' word on the time is written.
    pub clock_doubt: Option<Timestamp>,
    pub nonces: OrdSet<Nonce>,
    /// What leaves the state when its time has passed.
    pub deadlines: OrdSet<(Timestamp, Deadline)>,
    /// Refusals written in the current minute.
    pub refusals: RefusalMinute,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusalMinute {
    pub minute: i64,
    pub written: u32,
}

/// At most so many refusals are written one by one in a minute.
pub const REFUSALS_A_MINUTE: u32 = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deadline {
    Nonce(Nonce),
    Request(RequestId),
    Grant(GrantId),
    Motion(MotionId),
    Errand(ErrandId),
}

/// The policy in force and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InForce {
    pub policy: std::sync::Arc<Policy>,
    pub origin: Origin,
}

/// A request that awaits its approvals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    pub fields: RequestFields,
    pub statement: Hash,
    pub requester: PersonId,
    pub beneficiary: PersonId,
    /// The key that asked.
    pub key: Fingerprint,
    pub filed: u64,
    pub filed_at: Timestamp,
    pub dies: Timestamp,
    pub approvals: Vec<Approval>,
    /// By which entries its persons came under the rules when it was filed, approved and granted. Rules and members change meanwhile; a
    /// proof needs those of then.
    pub relied: BTreeSet<Origin>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    pub person: PersonId,
    pub key: Fingerprint,
    pub seq: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    pub request: Request,
    pub made: u64,
    pub standing: GrantStanding,
    /// Whose approvals counted for each approvers' group when it was made.
    pub counted: BTreeMap<Label, BTreeSet<PersonId>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantStanding {
    Standing,
    Returned,
    Revoked,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    pub grant: GrantId,
    pub account: AccountId,
    pub target: TargetId,
    pub person: PersonId,
    pub key: Fingerprint,
    pub serial: u64,
    pub opened: Timestamp,
    pub seq: u64,
    /// The grant's end.
    pub ends: Timestamp,
    pub recording: Hash,
    pub order: Order,
    pub channels: BTreeSet<Channel>,
}

/// What the gateway was last told to do with a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    Flow,
    Freeze,
    Kill,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Errand {
    pub target: TargetId,
    pub kind: ErrandKind,
    pub seq: u64,
    pub valid: Window,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    pub started: RecoveryStarted,
    pub seq: u64,
    /// Not before this.
    pub after: Timestamp,
}

/// How long ended grants and used nonces are kept beyond their end, so that a late question still gets the right answer.
pub const AFTERLIFE: std::time::Duration = std::time::Duration::from_secs(120);

/// Persons with a working key that production needs: one to ask, one to approve, one to stand in.
pub const FEWEST_PERSONS: usize = 3;

/// What is missing before anything opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    Founding,
    Persons { have: usize, need: usize },
    Policy,
    Account,
    ClockConfirmed,
}

impl State {
    /// The moment at which things are judged: never before the last entry, and standing still while the clock is in doubt.
    pub fn judged_at(&self, wall: Timestamp) -> Timestamp {
        match (self.journal.time, self.journal.clock_doubt) {
            (Some(last), Some(_)) => last,
            (Some(last), None) => last.max(wall),
            (None, _) => wall,
        }
    }

    /// What `doctor` lists; while anything is listed nothing opens.
    pub fn missing(&self) -> Vec<Missing> {
        let mut missing = Vec::new();
        if self.founding.is_none() {
            missing.push(Missing::Founding);
        }
        let have = self.active_naturals();
        if have < FEWEST_PERSONS {
            missing.push(Missing::Persons { have, need: FEWEST_PERSONS });
        }
        if self.policy.is_none() {
            missing.push(Missing::Policy);
        }
        if self.estate.accounts.is_empty() {
            missing.push(Missing::Account);
        }
        if self.journal.clock_doubt.is_some() {
            missing.push(Missing::ClockConfirmed);
        }
        missing
    }

    /// Natural persons who stand active with a working admin key, counted no further than needed.
    fn active_naturals(&self) -> usize {
        let mut seen = BTreeSet::new();
        let signers = self.people.keys.keys().filter_map(|key| self.people.active(key));
        for signer in signers.filter(|signer| signer.kind == PersonaKind::Admin) {
            seen.insert(self.people.natural(&signer.person));
            if seen.len() >= FEWEST_PERSONS {
                break;
            }
        }
        seen.len()
    }

    /// What the rules ask, at this state, of a request for `account` that `requester` files for `beneficiary`.
    /// It is permitted where both belong to a rule's group; every rule that binds who will hold the privilege, under any record, then
    /// asks what it asks: nobody is spared a rule by having somebody else ask.
    pub fn obligations(
        &self,
        account: &AccountId,
        requester: &PersonId,
        beneficiary: &PersonId,
    ) -> Option<Obligations> {
        let policy = &self.policy.as_ref()?.policy;
        let found = self.estate.accounts.get(account)?;
        let target = self.estate.targets.get(&found.target)?;
        let permitted =
            |group: &_| self.people.is_member(group, requester) && self.people.is_member(group, beneficiary);
        let bound =
            |group: &_| self.people.same_natural(beneficiary).any(|record| self.people.is_member(group, &record));
        crate::rule::obligations(policy, account, found, target, permitted, bound)
    }

    /// By which entries the rules speak of `request` now: the policy, and the places of its persons in the groups that its rules name.
    pub(crate) fn relied_on(&self, request: &Request) -> BTreeSet<Origin> {
        let Some(in_force) = &self.policy else { return BTreeSet::new() };
        let account = self.estate.accounts.get(&request.fields.account);
        let target = account.and_then(|a| self.estate.targets.get(&a.target));
        let (Some(account), Some(target)) = (account, target) else { return BTreeSet::new() };
        let rules =
            in_force.policy.rules.iter().filter(|rule| rule.accounts.selects(&request.fields.account, account, target));
        let askers: Vec<PersonId> = self.people.same_natural(&request.beneficiary).chain([request.requester]).collect();
        let approvers: Vec<PersonId> = request.approvals.iter().map(|a| a.person).collect();
        let place = |group: &Label, person: &PersonId| self.people.groups.get(group)?.get(person).copied();
        let mut relied = BTreeSet::from([in_force.origin]);
        for rule in rules {
            relied.extend(askers.iter().filter_map(|person| place(&rule.requesters, person)));
            relied.extend(approvers.iter().filter_map(|person| place(&rule.approvers, person)));
        }
        relied
    }

    /// What expires when is kept in one index.
    pub(crate) fn remember(&mut self, until: Timestamp, what: Deadline) {
        self.journal.deadlines.insert((until.plus(AFTERLIFE), what));
    }
}

impl RefusalMinute {
    /// Whether one more refusal may be written one by one at `at`.
    pub fn has_room(&self, at: Timestamp) -> bool {
        self.minute != minute_of(at) || self.written < REFUSALS_A_MINUTE
    }

    pub(crate) fn count(&mut self, at: Timestamp) {
        let minute = minute_of(at);
        if self.minute != minute {
            *self = Self { minute, written: 0 };
        }
        self.written += 1;
    }
}

fn minute_of(at: Timestamp) -> i64 {
    at.seconds().div_euclid(60)
}

/// What was counted instead of written.
pub type Overflow = std::collections::BTreeMap<Attempt, u64>;
