//! Folding one entry into the state. Never refuses: what stands in the ledger happened. Upgrades of old entries happen here, never on disk.

use std::borrow::Cow;
use std::collections::BTreeSet;

use imbl::{OrdMap, OrdSet};
use sshwire::PublicKey;

use crate::entry::Entry;
use crate::estate::{Account, Target};
use crate::event::{
    Decided, DeedDone, ErrandEnded, ErrandOpened, ErrandOutcome, Event, Filing, Founded, GrantMade, MotionCarried,
    MotionFiled, RecoveryStarted, RequestFiled, SessionOpened,
};
use crate::id::{GrantId, PersonId, PersonaId, RecoveryId, RequestId};
use crate::label::Label;
use crate::motion::{Act, MOTION_LIFE, Motion};
use crate::people::{ADMINISTRATORS, Key, People, Person, Persona, PersonaKind, Standing};
use crate::state::{
    AFTERLIFE, Approval, Deadline, Errand, Grant, GrantStanding, InForce, Order, Origin, Recovery, Request, Session,
    State,
};
use crate::statement::{Deed, Signed};
use crate::time::Timestamp;

impl State {
    /// The state after `entry`. Entries come in the order of their sequence numbers.
    pub fn apply(&mut self, entry: &Entry) {
        self.journal.size = entry.seq.saturating_add(1);
        self.journal.time = Some(entry.time);
        self.forget_what_is_over(entry.time);
        self.apply_event(entry);
    }

    /// The state as `at` finds it: without what is over by then. Whether that was forgotten yet must not change any judgement, or the few
    /// entries of a proof would be judged otherwise than the whole ledger was.
    pub(crate) fn as_of(&self, at: Timestamp) -> Cow<'_, Self> {
        if !self.has_something_over(at) {
            return Cow::Borrowed(self);
        }
        let mut state = self.clone();
        state.forget_what_is_over(at);
        Cow::Owned(state)
    }

    fn apply_event(&mut self, entry: &Entry) {
        let (seq, time) = (entry.seq, entry.time);
        match &entry.event {
            Event::Founded(founded) => self.found(founded, seq),
            Event::MotionFiled(filed) => self.file_motion(filed, seq, time),
            Event::MotionCarried(carried) => self.carry_motion(carried, seq),
            Event::RequestFiled(filed) => self.file_request(filed, seq, time),
            Event::RequestRefused(decided) => self.refuse_request(decided),
            Event::ApprovalGiven(decided) => self.add_approval(decided, seq),
            Event::GrantMade(made) => self.make_grant(made, seq),
            Event::Deed(done) => self.do_deed(done, seq),
            Event::SessionOpened(opened) => self.open_session(opened, seq, time),
            Event::SessionEnded(ended) => {
                if let Some(gone) = self.passage.sessions.remove(&ended.session) {
                    self.passage.connected.remove(&(gone.person, ended.session));
                }
            }
            Event::ErrandOpened(opened) => self.open_errand(opened, seq),
            Event::ErrandEnded(ended) => self.end_errand(ended),
            Event::RefusalRecorded(_) => self.journal.refusals.count(time),
            Event::RecoveryStarted(started) => self.start_recovery(started, seq, time),
            Event::RecoveryCompleted(completed) => self.complete_recovery(&completed.recovery, seq),
            Event::ClockDoubted(doubted) => self.journal.clock_doubt = Some(doubted.found),
            Event::RecordingAnchored(_)
            | Event::RefusalsOverflowed(_)
            | Event::EngineStarted(_)
            | Event::SnapshotTaken(_) => {}
        }
    }

    fn found(&mut self, founded: &Founded, seq: u64) {
        let origin = Origin::at(seq);
        let administrators: Label = ADMINISTRATORS.parse().expect("the constant is a label");
        let mut members = OrdMap::new();
        for founder in &founded.founding.founders {
            self.people
                .persons
                .insert(founder.person, Person { name: founder.name, standing: Standing::Active, origin });
            self.people
                .personas
                .insert(founder.persona, Persona { person: founder.person, kind: PersonaKind::Admin, origin });
            self.add_key(&founder.key, founder.persona, origin);
            members.insert(founder.person, origin);
            self.people.memberships.entry(founder.person).or_default().insert(administrators.clone());
            self.people.appointed.entry(founder.person).or_default().insert(origin);
        }
        self.people.groups.insert(administrators, members);
        self.founding = Some(founded.founding.clone());
    }

    fn add_key(&mut self, key: &PublicKey, persona: PersonaId, origin: Origin) {
        let fingerprint = key.fingerprint();
        self.people.material.insert(key.key_material_id(), fingerprint);
        self.people.keys.insert(fingerprint, Key { key: key.clone(), persona, retired: false, origin });
        if let Some(owner) = self.people.personas.get(&persona) {
            self.people.holdings.entry(owner.person).or_default().insert(fingerprint);
        }
    }

    fn file_motion(&mut self, filed: &MotionFiled, seq: u64, time: Timestamp) {
        self.use_nonce(&filed.signed);
        let Some(proposer) = self.people.personas.get(&filed.fields.proposer).map(|p| p.person) else { return };
        let id = filed.fields.motion;
        let motion = Motion {
            fields: filed.fields.clone(),
            proposer,
            key: filed.signed.key,
            statement: filed.statement,
            filed: seq,
            filed_at: time,
        };
        self.motions.insert(id, motion);
        self.remember(time.plus(MOTION_LIFE), Deadline::Motion(id));
    }

    fn carry_motion(&mut self, carried: &MotionCarried, seq: u64) {
        self.use_nonce(&carried.signed);
        if let Some(motion) = self.motions.remove(&carried.fields.motion) {
            let origin = Origin { filed: motion.filed, carried: seq, signers: Some([motion.key, carried.signed.key]) };
            self.enact(&motion.fields.act, origin);
            self.drop_motions_like(&motion.fields.act);
        }
    }

    /// What two persons decided once is not decided again by an older proposal of the same.
    fn drop_motions_like(&mut self, done: &Act) {
        self.drop_motions(|_, act| match (act, done) {
            (Act::TargetPin { target, .. }, Act::TargetPin { target: pinned, .. }) => target == pinned,
            (Act::PolicySet { .. }, Act::PolicySet { .. }) => true,
            (Act::PersonThaw { person }, Act::PersonThaw { person: thawed }) => person == thawed,
            _ => false,
        });
    }

    /// Whoever is frozen or has left: what was proposed in their favour before was proposed of somebody trusted. A link of records stays, for it
    /// accuses.
    fn drop_motions_for(&mut self, person: &PersonId) {
        self.drop_motions(|people, act| {
            let owner_of = |persona: &PersonaId| people.personas.get(persona).map(|p| p.person);
            let me = people.natural(person);
            let is_about = act.subjects(owner_of).iter().any(|subject| people.natural(subject) == me);
            is_about && !matches!(act, Act::IdentityLink { .. })
        });
    }

    fn drop_motions_to_join(&mut self, left: &Label, person: &PersonId) {
        self.drop_motions(
            |_, act| matches!(act, Act::GroupJoin { group, person: joining } if group == left && joining == person),
        );
    }

    fn drop_motions(&mut self, is_stale: impl Fn(&People, &Act) -> bool) {
        let stale = self.motions.iter().filter(|(_, motion)| is_stale(&self.people, &motion.fields.act));
        for id in stale.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.motions.remove(&id);
        }
    }

    fn enact(&mut self, act: &Act, origin: Origin) {
        match act {
            Act::PersonAdd { person, name, persona, kind, key, .. } => {
                self.people.persons.insert(*person, Person { name: *name, standing: Standing::Active, origin });
                self.people.personas.insert(*persona, Persona { person: *person, kind: *kind, origin });
                self.add_key(key, *persona, origin);
            }
            Act::PersonaAdd { person, persona, kind, key, .. } => {
                self.people.personas.insert(*persona, Persona { person: *person, kind: *kind, origin });
                self.add_key(key, *persona, origin);
            }
            Act::KeyEnrol { persona, key, .. } => self.add_key(key, *persona, origin),
            Act::GroupJoin { group, person } => {
                self.people.groups.entry(group.clone()).or_default().insert(*person, origin);
                self.people.memberships.entry(*person).or_default().insert(group.clone());
                if group.as_str() == ADMINISTRATORS {
                    self.people.appointed.entry(*person).or_default().insert(origin);
                }
            }
            Act::IdentityLink { one, other } => self.link(one, other, origin),
            Act::PersonThaw { person } => self.set_standing(person, Standing::thawed),
            Act::TargetAdd { target, label, zone, tier, address, host_keys, errands } => {
                let added = Target {
                    label: label.clone(),
                    zone: zone.clone(),
                    tier: *tier,
                    address: *address,
                    host_keys: host_keys.clone(),
                    errands: errands.clone(),
                    clock_offset_ms: None,
                    origin,
                    pinned: origin,
                };
                self.estate.by_label.insert(label.clone(), *target);
                self.estate.targets.insert(*target, added);
            }
            Act::TargetPin { target, host_keys } => {
                if let Some(found) = self.estate.targets.get_mut(target) {
                    found.host_keys.clone_from(host_keys);
                    found.pinned = origin;
                    found.clock_offset_ms = None;
                }
            }
            Act::AccountAdd { account, target, name, class, owner, principal } => {
                let added = Account {
                    target: *target,
                    name: name.clone(),
                    class: *class,
                    owner: *owner,
                    principal: principal.clone(),
                    origin,
                };
                self.estate.principals.insert(principal.clone(), *account);
                if let crate::motion::AccountName::Shared(label) = name {
                    self.estate.shared.entry(*target).or_default().insert(label.clone(), *account);
                }
                self.estate.accounts.insert(*account, added);
            }
            Act::PolicySet { policy } => {
                self.policy = Some(InForce { policy: std::sync::Arc::new(policy.clone()), origin })
            }
            Act::ClockConfirm { .. } => self.journal.clock_doubt = None,
        }
    }

    fn link(&mut self, one: &PersonId, other: &PersonId, origin: Origin) {
        let root = *self.people.linked.get(one).unwrap_or(one);
        let gone = *self.people.linked.get(other).unwrap_or(other);
        let mut records: OrdSet<PersonId> = self.people.same_natural(one).chain([root]).collect();
        let joining: Vec<PersonId> = self.people.same_natural(other).filter(|record| *record != root).collect();
        for moved in joining {
            records.insert(moved);
            self.people.linked.insert(moved, root);
        }
        self.people.twins.remove(&gone);
        self.people.twins.insert(root, records);
        for person in [one, other] {
            self.people.links.entry(*person).or_default().insert(origin);
        }
    }

    fn set_standing(&mut self, person: &PersonId, changed: impl Fn(Standing) -> Standing) {
        if let Some(found) = self.people.persons.get_mut(person) {
            found.standing = changed(found.standing);
        }
    }

    fn file_request(&mut self, filed: &RequestFiled, seq: u64, time: Timestamp) {
        let key = match &filed.filing {
            Filing::Signed(signed) => {
                self.use_nonce(signed);
                signed.key
            }
            Filing::FiledThroughSsh { key, nonce, expires, .. } => {
                self.use_nonce_until(*nonce, *expires);
                *key
            }
        };
        let person_of = |persona| self.people.personas.get(persona).map(|p| p.person);
        let (Some(requester), Some(beneficiary)) =
            (person_of(&filed.fields.requester), person_of(&filed.fields.beneficiary))
        else {
            return;
        };
        let limit = self.policy.as_ref().map(|p| p.policy.pending_limit()).unwrap_or_default();
        let window = filed.fields.window;
        let dies = window.from().max(time).plus(limit).min(window.until());
        let id = filed.fields.request;
        let mut request = Request {
            fields: filed.fields.clone(),
            statement: filed.statement,
            requester,
            beneficiary,
            key,
            filed: seq,
            filed_at: time,
            dies,
            approvals: vec![],
            relied: BTreeSet::new(),
        };
        request.relied = self.relied_on(&request);
        self.remember(dies, Deadline::Request(id));
        self.passage.asked.insert((requester, id));
        self.passage.requests.insert(id, request);
    }

    fn refuse_request(&mut self, decided: &Decided) {
        self.use_nonce(&decided.signed);
        self.take_request(&decided.fields.request);
    }

    fn add_approval(&mut self, decided: &Decided, seq: u64) {
        self.use_nonce(&decided.signed);
        if let Some(mut request) = self.approved(decided, seq) {
            request.relied.extend(self.relied_on(&request));
            self.passage.requests.insert(decided.fields.request, request);
        }
    }

    /// The request that `decided` approves, with that approval.
    pub(crate) fn approved(&self, decided: &Decided, seq: u64) -> Option<Request> {
        let person = self.people.personas.get(&decided.fields.approver)?.person;
        let mut request = self.passage.requests.get(&decided.fields.request)?.clone();
        request.approvals.push(Approval { person, key: decided.signed.key, seq });
        Some(request)
    }

    fn make_grant(&mut self, made: &GrantMade, seq: u64) {
        let Some(mut request) = self.take_request(&made.request) else { return };
        request.relied.extend(self.relied_on(&request));
        let counted = crate::decide::counted_now(self, &request);
        self.remember(request.fields.window.until(), Deadline::Grant(made.grant));
        self.passage.held.insert((request.fields.beneficiary, request.fields.account, made.grant));
        self.passage.granted.insert(made.request, made.grant);
        self.passage
            .grants
            .insert(made.grant, Grant { request, made: seq, standing: GrantStanding::Standing, counted });
    }

    fn take_request(&mut self, id: &RequestId) -> Option<Request> {
        let gone = self.passage.requests.remove(id)?;
        self.passage.asked.remove(&(gone.requester, *id));
        Some(gone)
    }

    fn do_deed(&mut self, done: &DeedDone, seq: u64) {
        self.use_nonce(&done.signed);
        match &done.fields.deed {
            Deed::RequestWithdraw { request } => {
                self.take_request(request);
            }
            Deed::GrantReturn { grant } => self.set_grant(grant, GrantStanding::Returned),
            Deed::GrantRevoke { grant, .. } => self.set_grant(grant, GrantStanding::Revoked),
            Deed::MotionWithdraw { motion } => {
                self.motions.remove(motion);
            }
            Deed::PersonFreeze { person, .. } => {
                self.set_standing(person, Standing::frozen);
                self.drop_motions_for(person);
            }
            Deed::PersonLeave { person } => {
                self.set_standing(person, Standing::left);
                self.drop_motions_for(person);
            }
            Deed::GroupLeave { group, person } => {
                if let Some(members) = self.people.groups.get_mut(group) {
                    members.remove(person);
                }
                if let Some(groups) = self.people.memberships.get_mut(person) {
                    groups.remove(group);
                }
                self.drop_motions_to_join(group, person);
            }
            Deed::KeyAdd { key, .. } => {
                let origin = Origin { filed: seq, carried: seq, signers: Some([done.signed.key, done.signed.key]) };
                self.add_key(key, done.fields.by, origin);
            }
            Deed::KeyRetire { key } => self.retire_key(key),
            Deed::SessionFreeze { session, .. } => self.order(session, Order::Freeze),
            Deed::SessionThaw { session } => self.order(session, Order::Flow),
            Deed::SessionKill { session, .. } => self.order(session, Order::Kill),
            Deed::ReplayPermit { .. } => {}
            Deed::RecoveryObject { recovery } => {
                self.recoveries.remove(recovery);
            }
        }
    }

    fn set_grant(&mut self, grant: &crate::id::GrantId, standing: GrantStanding) {
        if let Some(found) = self.passage.grants.get_mut(grant) {
            found.standing = standing;
        }
    }

    fn retire_key(&mut self, key: &sshwire::Fingerprint) {
        if let Some(found) = self.people.keys.get_mut(key) {
            found.retired = true;
        }
    }

    /// A killed session stays killed.
    fn order(&mut self, session: &crate::id::SessionId, order: Order) {
        if let Some(found) = self.passage.sessions.get_mut(session)
            && found.order != Order::Kill
        {
            found.order = order;
        }
    }

    fn open_session(&mut self, opened: &SessionOpened, seq: u64, time: Timestamp) {
        self.passage.next_serial = opened.serial.saturating_add(1);
        let Some(grant) = self.passage.grants.get(&opened.grant) else { return };
        let Some(account) = self.estate.accounts.get(&opened.account) else { return };
        let session = Session {
            grant: opened.grant,
            account: opened.account,
            target: account.target,
            person: grant.request.beneficiary,
            key: opened.key,
            serial: opened.serial,
            opened: time,
            seq,
            ends: grant.request.fields.window.until(),
            recording: opened.recording,
            order: Order::Flow,
            channels: opened.channels.clone(),
        };
        self.passage.connected.insert((session.person, opened.session));
        self.passage.sessions.insert(opened.session, session);
    }

    fn open_errand(&mut self, opened: &ErrandOpened, seq: u64) {
        self.passage.next_serial = opened.serial.saturating_add(1);
        self.remember(opened.valid.until(), Deadline::Errand(opened.errand));
        self.passage
            .errands
            .insert(opened.errand, Errand { target: opened.target, kind: opened.kind, seq, valid: opened.valid });
    }

    fn end_errand(&mut self, ended: &ErrandEnded) {
        let Some(errand) = self.passage.errands.remove(&ended.errand) else { return };
        let Some(target) = self.estate.targets.get_mut(&errand.target) else { return };
        match ended.outcome {
            ErrandOutcome::Clock { offset_ms } => target.clock_offset_ms = Some(offset_ms),
            // An answer from a host that is not the pinned one says nothing about the target's clock.
            ErrandOutcome::NotPinned => target.clock_offset_ms = None,
            ErrandOutcome::Unreachable
            | ErrandOutcome::Refused
            | ErrandOutcome::Unreadable
            | ErrandOutcome::RecordingFailed => {}
        }
    }

    fn start_recovery(&mut self, started: &RecoveryStarted, seq: u64, time: Timestamp) {
        self.use_nonce_until(started.nonce, started.expires);
        let delay = self.founding.as_ref().map_or(u32::MAX, |f| f.recovery.delay_s);
        let after = time.plus(std::time::Duration::from_secs(delay.into()));
        self.recoveries.insert(started.fields.recovery, Recovery { started: started.clone(), seq, after });
    }

    /// The persona's lost keys are retired as its new one comes into force.
    fn complete_recovery(&mut self, recovery: &RecoveryId, seq: u64) {
        let Some(found) = self.recoveries.remove(recovery) else { return };
        let persona = found.started.fields.persona;
        let lost: Vec<_> = self.people.keys_of(&persona).map(|(fingerprint, _)| *fingerprint).collect();
        lost.iter().for_each(|fingerprint| self.retire_key(fingerprint));
        self.add_key(&found.started.fields.key, persona, Origin { filed: found.seq, carried: seq, signers: None });
    }

    fn use_nonce(&mut self, signed: &Signed) {
        self.use_nonce_until(signed.nonce, signed.expires);
    }

    /// INVARIANT: a statement is never accepted after it expires, whatever else is asked of it; so its nonce may be forgotten then.
    fn use_nonce_until(&mut self, nonce: crate::bytes::Nonce, expires: Timestamp) {
        self.journal.nonces.insert(nonce);
        self.remember(expires, Deadline::Nonce(nonce));
    }

    /// A clock in doubt ends nothing.
    fn has_something_over(&self, now: Timestamp) -> bool {
        self.journal.clock_doubt.is_none() && self.journal.deadlines.get_min().is_some_and(|(when, _)| *when <= now)
    }

    fn forget_what_is_over(&mut self, now: Timestamp) {
        while self.has_something_over(now) {
            let Some((when, what)) = self.journal.deadlines.remove_min() else { return };
            self.forget(&what, when);
        }
    }

    /// An id may have come back for something that ends later; that has a deadline of its own.
    fn forget(&mut self, what: &Deadline, when: Timestamp) {
        let over = |end: Timestamp| end.plus(AFTERLIFE) <= when;
        match what {
            Deadline::Nonce(nonce) => {
                self.journal.nonces.remove(nonce);
            }
            Deadline::Request(request) if self.passage.requests.get(request).is_some_and(|r| over(r.dies)) => {
                self.take_request(request);
            }
            Deadline::Motion(motion)
                if self.motions.get(motion).is_some_and(|m| over(m.filed_at.plus(MOTION_LIFE))) =>
            {
                self.motions.remove(motion);
            }
            Deadline::Errand(errand) if self.passage.errands.get(errand).is_some_and(|e| over(e.valid.until())) => {
                self.passage.errands.remove(errand);
            }
            Deadline::Grant(grant) => self.forget_grant(grant),
            Deadline::Request(_) | Deadline::Motion(_) | Deadline::Errand(_) => {}
        }
    }

    fn forget_grant(&mut self, grant: &GrantId) {
        let Some(gone) = self.passage.grants.remove(grant) else { return };
        let fields = &gone.request.fields;
        self.passage.held.remove(&(fields.beneficiary, fields.account, *grant));
        self.passage.granted.remove(&fields.request);
    }
}
