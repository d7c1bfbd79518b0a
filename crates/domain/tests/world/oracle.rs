//! The rules of design.md once more, written from its words and over the bare list of facts: slow, plain, and sharing no code with the domain.
//!
//! It also knows what the domain cannot: which human holds which key.

use std::collections::{BTreeMap, BTreeSet};

use domain::event::{ErrandOutcome, Event, Filing, RequestFiled, SessionOpened};
use domain::motion::{AccountClass, Act, Principal};
use domain::people::PersonaKind;
use domain::rule::{Channel, Policy};
use domain::statement::{Deed, MotionFields, RecoveryFields};
use domain::{
    AccountId, Actor, Entry, ErrandId, GrantId, Label, MotionId, Nonce, PersonId, PersonaId, RecoveryId, RequestId,
    SessionId, TargetId, Timestamp, Window,
};
use ledger::Hash;
use sshwire::Fingerprint;

/// A broken promise, as a sentence.
pub type Broken = String;

#[derive(Debug, Clone, Default)]
pub struct Oracle {
    pub holders: BTreeMap<Fingerprint, u32>,
    size: u64,
    time: Option<Timestamp>,
    doubt: bool,
    recovery_delay: u64,
    frozen: BTreeSet<PersonId>,
    left: BTreeSet<PersonId>,
    persons: BTreeSet<PersonId>,
    personas: BTreeMap<PersonaId, (PersonId, PersonaKind)>,
    keys: BTreeMap<Fingerprint, (PersonaId, Vec<u8>)>,
    retired: BTreeSet<Fingerprint>,
    members: BTreeSet<(Label, PersonId)>,
    links: Vec<(PersonId, PersonId)>,
    policy: Option<Policy>,
    targets: BTreeMap<TargetId, (Label, u8, Option<i64>)>,
    accounts: BTreeMap<AccountId, (TargetId, AccountClass, Principal)>,
    motions: BTreeMap<MotionId, Moved>,
    recoveries: BTreeMap<RecoveryId, (RecoveryFields, Timestamp)>,
    requests: BTreeMap<RequestId, Asked>,
    grants: BTreeMap<GrantId, Granted>,
    sessions: BTreeSet<SessionId>,
    errands: BTreeMap<ErrandId, TargetId>,
    serials: BTreeSet<u64>,
    /// Every statement ever accepted: its nonce and what it said.
    accepted: BTreeSet<(Nonce, String)>,
    /// Humans who got a second recorded identity, with another human's help or by recovery.
    helped: BTreeSet<u32>,
    pub seen: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Clone)]
struct Moved {
    fields: MotionFields,
    key: Fingerprint,
    at: Timestamp,
    statement: Hash,
}

#[derive(Debug, Clone)]
struct Asked {
    filed: RequestFiled,
    key: Fingerprint,
    at: Timestamp,
    pending_limit_s: u32,
    approvals: Vec<(PersonId, Fingerprint)>,
}

#[derive(Debug, Clone)]
struct Granted {
    asked: Asked,
    /// Which approvers counted for which group when it was made.
    counted: BTreeSet<(Label, PersonId)>,
    taken_back: bool,
}

/// Each approvers' group with how many of it, the longest time in seconds, the channels.
type Terms = (Vec<(Label, u8)>, u32, BTreeSet<Channel>);

fn must(holds: bool, sentence: &str) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(sentence.to_owned()) }
}

fn known<T>(found: Option<T>, what: &str) -> Result<T, Broken> {
    found.ok_or_else(|| format!("{what} is unknown"))
}

const MINUTE: i64 = 60_000_000;

/// Asking the facts.
impl Oracle {
    /// Whether two records are one natural person, as far as links say so.
    fn same(&self, one: &PersonId, other: &PersonId) -> bool {
        let mut reached = BTreeSet::from([*one]);
        loop {
            let more: Vec<PersonId> = self
                .links
                .iter()
                .flat_map(|(a, b)| [(*a, *b), (*b, *a)])
                .filter(|(a, b)| reached.contains(a) && !reached.contains(b))
                .map(|(_, b)| b)
                .collect();
            if more.is_empty() {
                return reached.contains(other);
            }
            reached.extend(more);
        }
    }

    /// What was proposed for somebody who is trusted no more.
    fn forget_favours(&mut self, person: &PersonId) {
        let favours = |act: &Act| match act {
            Act::PersonAdd { person, .. }
            | Act::PersonaAdd { person, .. }
            | Act::GroupJoin { person, .. }
            | Act::PersonThaw { person } => Some(*person),
            Act::KeyEnrol { persona, .. } => self.personas.get(persona).map(|(person, _)| *person),
            _ => None,
        };
        let stale =
            self.motions.iter().filter(|(_, moved)| favours(&moved.fields.act).is_some_and(|p| self.same(&p, person)));
        for motion in stale.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.motions.remove(&motion);
        }
    }

    fn suspect(&self, person: &PersonId) -> bool {
        self.frozen.iter().any(|frozen| self.same(frozen, person))
    }

    fn active(&self, person: &PersonId) -> bool {
        self.persons.contains(person) && !self.left.contains(person) && !self.suspect(person)
    }

    fn naturals<'a>(&self, persons: impl IntoIterator<Item = &'a PersonId>) -> usize {
        let mut kept: Vec<PersonId> = vec![];
        for person in persons {
            if !kept.iter().any(|k| self.same(k, person)) {
                kept.push(*person);
            }
        }
        kept.len()
    }

    fn is_member(&self, group: &str, person: &PersonId) -> bool {
        self.members.iter().any(|(g, p)| g.as_str() == group && p == person)
    }

    /// Persona and person behind a key that may speak.
    fn speaker(&self, key: &Fingerprint) -> Result<(PersonaId, PersonId, PersonaKind), Broken> {
        must(!self.retired.contains(key), "a retired key spoke")?;
        let (persona, _) = known(self.keys.get(key), "the key that spoke")?;
        let (person, kind) = known(self.personas.get(persona), "the persona that spoke")?;
        must(self.active(person), "someone frozen or gone spoke")?;
        Ok((*persona, *person, *kind))
    }

    fn able_administrators(&self) -> usize {
        let signers = self.keys.keys().filter_map(|key| self.speaker(key).ok());
        let able =
            signers.filter(|(_, person, kind)| *kind == PersonaKind::Admin && self.is_member("administrators", person));
        self.naturals(&able.map(|(_, person, _)| person).collect::<Vec<_>>())
    }

    fn human(&self, key: &Fingerprint) -> Option<u32> {
        self.holders.get(key).copied()
    }

    /// What the rules ask. None permits: nothing.
    fn terms(&self, asked: &RequestFiled) -> Option<Terms> {
        let policy = self.policy.as_ref()?;
        let (target, class, _) = self.accounts.get(&asked.fields.account)?;
        let (zone, tier, _) = self.targets.get(target)?;
        let requester = self.personas.get(&asked.fields.requester)?.0;
        let holder = self.personas.get(&asked.fields.beneficiary)?.0;
        let about: Vec<_> = policy
            .rules
            .iter()
            .filter(|rule| {
                let s = &rule.accounts;
                let says_something =
                    !s.accounts.is_empty() || s.zone.is_some() || s.tier.is_some() || s.class.is_some();
                says_something
                    && (s.accounts.is_empty() || s.accounts.contains(&asked.fields.account))
                    && s.zone.as_ref().is_none_or(|z| z == zone)
                    && s.tier.is_none_or(|t| t == *tier)
                    && s.class.is_none_or(|c| c == *class)
            })
            .collect();
        let permits =
            |group: &Label| self.is_member(group.as_str(), &requester) && self.is_member(group.as_str(), &holder);
        let binds = |group: &Label| self.members.iter().any(|(g, p)| g == group && self.same(p, &holder));
        if !about.iter().any(|rule| permits(&rule.requesters)) {
            return None;
        }
        let determining: Vec<_> = about.into_iter().filter(|rule| binds(&rule.requesters)).collect();
        let stages = determining.iter().map(|rule| (rule.approvers.clone(), rule.approvals)).collect();
        let longest = determining.iter().map(|rule| rule.longest_s).min()?;
        let channels = [Channel::Shell, Channel::Exec]
            .into_iter()
            .filter(|c| determining.iter().all(|rule| rule.channels.contains(c)))
            .collect();
        Some((stages, longest, channels))
    }

    fn persons_of(&self, asked: &Asked) -> Result<(PersonId, PersonId), Broken> {
        let requester = known(self.personas.get(&asked.filed.fields.requester), "the requester")?.0;
        let holder = known(self.personas.get(&asked.filed.fields.beneficiary), "the beneficiary")?.0;
        Ok((requester, holder))
    }

    /// Whether the grant may open something now.
    pub fn stands(&self, grant: &GrantId, at: Timestamp) -> Result<BTreeSet<Channel>, Broken> {
        let granted = known(self.grants.get(grant), "the grant")?;
        let asked = &granted.asked;
        let fields = &asked.filed.fields;
        must(!self.doubt, "the clock is in doubt")?;
        must(!granted.taken_back, "the grant was revoked or returned")?;
        must(fields.window.from() <= at && at < fields.window.until(), "now is outside the window")?;
        let (requester, holder) = self.persons_of(asked)?;
        must(self.active(&requester) && self.active(&holder), "requester or beneficiary is frozen or gone")?;
        must(!asked.approvals.is_empty(), "nobody approved")?;
        for (approver, _) in &asked.approvals {
            must(
                !self.same(approver, &requester) && !self.same(approver, &holder),
                "an approver is the requester or the beneficiary",
            )?;
            must(!self.suspect(approver), "an approver is frozen")?;
        }
        let (stages, longest, channels) = known(self.terms(&asked.filed), "a rule that permits")?;
        must(seconds(&fields.window) <= i64::from(longest) * 1_000_000, "the window is longer than the rules allow")?;
        for (group, approvals) in &stages {
            let now =
                |p: &PersonId, key: &Fingerprint| !self.retired.contains(key) && self.is_member(group.as_str(), p);
            let then = |p: &PersonId| granted.counted.contains(&(group.clone(), *p));
            let counts = |(p, key): &&(PersonId, Fingerprint)| then(p) || (now(p, key) && self.active(p));
            let counted = asked.approvals.iter().filter(counts).map(|(p, _)| p);
            must(self.naturals(counted) >= usize::from(*approvals).max(1), "a stage lacks approvals")?;
        }
        let allowed: BTreeSet<Channel> = fields.channels.intersection(&channels).cloned().collect();
        must(!allowed.is_empty(), "no channel is left")?;
        Ok(allowed)
    }

    pub fn grants(&self) -> impl Iterator<Item = &GrantId> {
        self.grants.keys()
    }
}

fn seconds(window: &Window) -> i64 {
    window.until().micros() - window.from().micros()
}

/// Admitting facts.
impl Oracle {
    /// Checks `entry` against everything before it, then notes it.
    pub fn admit(&mut self, entry: &Entry) -> Result<(), Broken> {
        must(entry.seq == self.size, "numbers follow each other")?;
        must(self.time.is_none_or(|last| entry.time >= last), "time never goes back")?;
        self.check(entry).map_err(|why| format!("{why}: {entry:?}"))?;
        let before = self.able_administrators();
        self.note(entry);
        let alone = matches!(entry.event, Event::Deed(_));
        must(!alone || before < 2 || self.able_administrators() >= 2, "one person left fewer than two administrators")?;
        self.size += 1;
        self.time = Some(entry.time);
        *self.seen.entry(entry.event.kind()).or_default() += 1;
        Ok(())
    }

    fn check(&mut self, entry: &Entry) -> Result<(), Broken> {
        let at = entry.time;
        if self.doubt {
            let confirms = match &entry.event {
                Event::MotionFiled(filed) => matches!(filed.fields.act, Act::ClockConfirm { .. }),
                Event::MotionCarried(c) => {
                    self.motions.get(&c.fields.motion).is_some_and(|m| matches!(m.fields.act, Act::ClockConfirm { .. }))
                }
                Event::Deed(done) => !matches!(
                    done.fields.deed,
                    Deed::KeyAdd { .. } | Deed::SessionThaw { .. } | Deed::ReplayPermit { .. }
                ),
                _ => false,
            };
            must(confirms, "something was given while the clock was in doubt")?;
            let moves = matches!(entry.event, Event::MotionCarried(_));
            must(moves || self.time == Some(at), "the ledger's time went on while the clock was in doubt")?;
        }
        match &entry.event {
            Event::Founded(_) => must(self.size == 0, "an installation was founded twice"),
            Event::MotionFiled(filed) => {
                let timeless = matches!(filed.fields.act, Act::ClockConfirm { .. });
                self.signed(entry, &filed.signed, &filed.fields.proposer, json(&filed.fields), timeless)?;
                let pending = self
                    .motions
                    .get(&filed.fields.motion)
                    .is_some_and(|old| at.micros() < old.at.micros() + 7 * 24 * 60 * MINUTE);
                must(!pending, "a pending motion was altered")?;
                self.two_person_signer(&filed.signed.key, &filed.fields.act)
            }
            Event::MotionCarried(carried) => {
                let moved = known(self.motions.get(&carried.fields.motion), "the motion")?.clone();
                let timeless = matches!(moved.fields.act, Act::ClockConfirm { .. });
                self.signed(entry, &carried.signed, &carried.fields.seconder, json(&carried.fields), timeless)?;
                must(carried.fields.statement == moved.statement, "a seconder signed something else")?;
                let young = at.micros() < moved.at.micros() + 7 * 24 * 60 * MINUTE;
                must(young || timeless, "an old motion took effect")?;
                self.two_person_signer(&moved.key, &moved.fields.act)?;
                self.two_person_signer(&carried.signed.key, &moved.fields.act)?;
                let (_, proposer, _) = self.speaker(&moved.key)?;
                let (_, seconder, _) = self.speaker(&carried.signed.key)?;
                must(!self.same(&proposer, &seconder), "one natural person proposed and seconded")?;
                let humans = [moved.key, carried.signed.key].map(|key| self.human(&key));
                self.act_is_free(&moved.fields.act)?;
                self.identity_needs_help(&moved.fields.act, &humans)
            }
            Event::RequestFiled(filed) => self.check_request(entry, filed),
            Event::ApprovalGiven(decided) => {
                self.signed(entry, &decided.signed, &decided.fields.approver, json(&decided.fields), false)?;
                let (_, approver, kind) = self.speaker(&decided.signed.key)?;
                let asked = known(self.requests.get(&decided.fields.request), "the request")?.clone();
                must(kind == PersonaKind::Admin, "a research persona approved")?;
                must(decided.fields.statement == asked.filed.statement, "an approval of another statement counted")?;
                must(
                    self.policy.as_ref().is_some_and(|p| p.version == decided.fields.policy),
                    "an approval under another policy",
                )?;
                must(at < dies(&asked), "a dead request was approved")?;
                let (requester, holder) = self.persons_of(&asked)?;
                must(!self.same(&approver, &requester), "the requester approved")?;
                must(!self.same(&approver, &holder), "the beneficiary approved")?;
                must(
                    !asked.approvals.iter().any(|(p, key)| self.same(p, &approver) && !self.retired.contains(key)),
                    "one natural person approved twice",
                )?;
                let (stages, ..) = known(self.terms(&asked.filed), "a rule that permits")?;
                must(
                    stages.iter().any(|(group, _)| self.is_member(group.as_str(), &approver)),
                    "an approver belonged to no approvers' group",
                )
            }
            Event::RequestRefused(decided) => {
                self.signed(entry, &decided.signed, &decided.fields.approver, json(&decided.fields), false)?;
                must(self.requests.contains_key(&decided.fields.request), "an unknown request was refused")
            }
            Event::GrantMade(made) => {
                must(entry.actor == Actor::Engine || entry.actor == Actor::Front, "a person made a grant")?;
                must(!self.grants.contains_key(&made.grant), "a grant was made twice")?;
                let asked = known(self.requests.get(&made.request), "the request")?.clone();
                must(at < dies(&asked), "a dead request was granted")?;
                let (requester, holder) = self.persons_of(&asked)?;
                must(self.active(&requester) && self.active(&holder), "someone frozen or gone was granted something")?;
                let (stages, longest, _) = known(self.terms(&asked.filed), "a rule that permits")?;
                must(
                    seconds(&asked.filed.fields.window) <= i64::from(longest) * 1_000_000,
                    "a grant is longer than the rules allow",
                )?;
                must(!stages.is_empty(), "a grant without approvals")?;
                for (group, approvals) in &stages {
                    must(
                        self.naturals(self.counting(&asked, group).iter()) >= usize::from(*approvals).max(1),
                        "a grant lacks approvals",
                    )?;
                }
                Ok(())
            }
            Event::Deed(done) => self.check_deed(entry, done),
            Event::SessionOpened(opened) => self.check_passage(entry, opened),
            Event::SessionEnded(ended) => must(self.sessions.contains(&ended.session), "an unknown session ended"),
            Event::ErrandOpened(opened) => {
                must(self.serials.insert(opened.serial), "a serial was used twice")?;
                must(
                    !self.accounts.values().any(|(_, _, p)| *p == opened.principal),
                    "an errand got a person's principal",
                )
            }
            Event::RecoveryStarted(started) => {
                must(self.accepted.insert((started.nonce, json(&started.fields))), "a statement was accepted twice")?;
                must(started.expires > at, "an expired statement was accepted")?;
                let (person, _) = known(self.personas.get(&started.fields.persona), "the persona")?;
                must(self.active(person), "a recovery for someone frozen or gone")?;
                self.key_is_new(&started.fields.key)
            }
            Event::RecoveryCompleted(completed) => {
                let (fields, started) = known(self.recoveries.get(&completed.recovery), "the recovery")?.clone();
                let ready = started.micros() + self.recovery_delay as i64 * 1_000_000;
                must(at.micros() >= ready, "a recovery did not wait")?;
                must(at.micros() < ready + 7 * 24 * 60 * MINUTE, "a recovery waited for ever")?;
                let (person, _) = known(self.personas.get(&fields.persona), "the persona")?;
                must(self.active(person), "a recovery for someone frozen or gone came into force")?;
                self.key_is_new(&fields.key)?;
                self.helped.extend(self.human(&fields.key.fingerprint()));
                Ok(())
            }
            Event::ErrandEnded(_)
            | Event::RecordingAnchored(_)
            | Event::RefusalRecorded(_)
            | Event::RefusalsOverflowed(_)
            | Event::ClockDoubted(_)
            | Event::SnapshotTaken(_)
            | Event::EngineStarted(_) => Ok(()),
        }
    }

    fn signed(
        &mut self,
        entry: &Entry,
        signed: &domain::statement::Signed,
        persona: &PersonaId,
        said: String,
        timeless: bool,
    ) -> Result<(), Broken> {
        let (spoke, person, _) = self.speaker(&signed.key)?;
        must(spoke == *persona, "a key spoke for another persona")?;
        must(entry.actor == Actor::Person { person, persona: spoke }, "the entry names another actor")?;
        if !timeless {
            must(signed.expires > entry.time, "an expired statement was accepted")?;
            let short = signed.expires.micros() <= entry.time.micros() + 15 * MINUTE;
            must(short || self.doubt, "a statement lived too long")?;
        }
        must(self.accepted.insert((signed.nonce, said)), "a statement was accepted twice")
    }

    fn two_person_signer(&self, key: &Fingerprint, act: &Act) -> Result<(), Broken> {
        let (_, person, kind) = self.speaker(key)?;
        must(kind == PersonaKind::Admin, "a research persona moved something")?;
        must(self.is_member("administrators", &person), "someone who is no administrator moved something")?;
        let subjects: Vec<PersonId> = match act {
            Act::PersonAdd { person, .. }
            | Act::PersonaAdd { person, .. }
            | Act::GroupJoin { person, .. }
            | Act::PersonThaw { person } => vec![*person],
            Act::KeyEnrol { persona, .. } => self.personas.get(persona).map(|(p, _)| *p).into_iter().collect(),
            Act::IdentityLink { one, other } => vec![*one, *other],
            _ => vec![],
        };
        must(!subjects.iter().any(|subject| self.same(subject, &person)), "a subject signed an act about themself")
    }

    fn key_is_new(&self, key: &sshwire::PublicKey) -> Result<(), Broken> {
        let point = key.ed25519_point().expect("the world has Ed25519 keys").to_vec();
        must(!self.keys.values().any(|(_, p)| *p == point), "a public key was enrolled twice")
    }

    fn act_is_free(&self, act: &Act) -> Result<(), Broken> {
        match act {
            Act::PersonAdd { person, persona, key, .. } => {
                must(
                    !self.persons.contains(person) && !self.personas.contains_key(persona),
                    "a person was overwritten",
                )?;
                self.key_is_new(key)
            }
            Act::PersonaAdd { persona, key, .. } => {
                must(!self.personas.contains_key(persona), "a persona was overwritten")?;
                self.key_is_new(key)
            }
            Act::KeyEnrol { key, .. } => self.key_is_new(key),
            Act::GroupJoin { person, .. } => must(self.active(person), "someone frozen or gone joined a group"),
            Act::TargetAdd { target, .. } => must(!self.targets.contains_key(target), "a target was overwritten"),
            Act::AccountAdd { account, principal, .. } => {
                must(!self.accounts.contains_key(account), "an account was overwritten")?;
                must(!self.accounts.values().any(|(_, _, p)| p == principal), "two accounts share a principal")
            }
            Act::PolicySet { policy } => {
                must(self.policy.as_ref().is_none_or(|p| policy.version > p.version), "an older policy came back")?;
                must(policy.rules.iter().all(|rule| rule.approvals >= 1), "a policy asks for no approval")
            }
            _ => Ok(()),
        }
    }

    /// A human who holds one identity gets a second only with another human's hand in it.
    fn identity_needs_help(&mut self, act: &Act, humans: &[Option<u32>]) -> Result<(), Broken> {
        let (key, person) = match act {
            Act::PersonAdd { key, person, .. } | Act::PersonaAdd { key, person, .. } => (key, *person),
            Act::KeyEnrol { key, persona, .. } => (key, known(self.personas.get(persona), "the persona")?.0),
            _ => return Ok(()),
        };
        let Some(human) = self.human(&key.fingerprint()) else { return Ok(()) };
        let mine: Vec<PersonId> = self.identities(human);
        let new = !mine.is_empty() && !mine.iter().any(|p| self.same(p, &person));
        if new {
            let alone = humans.iter().all(|h| *h == Some(human));
            must(!alone || self.helped.contains(&human), "a human gave themself a second identity alone")?;
            self.helped.insert(human);
        }
        Ok(())
    }

    fn identities(&self, human: u32) -> Vec<PersonId> {
        let held = self.keys.iter().filter(|(key, _)| self.human(key) == Some(human));
        held.filter_map(|(_, (persona, _))| self.personas.get(persona).map(|(p, _)| *p)).collect()
    }

    fn check_request(&mut self, entry: &Entry, filed: &RequestFiled) -> Result<(), Broken> {
        let fields = &filed.fields;
        let key = match &filed.filing {
            Filing::Signed(signed) => {
                self.signed(entry, signed, &fields.requester, json(fields), false)?;
                signed.key
            }
            Filing::FiledThroughSsh { key, .. } => *key,
        };
        let (persona, _, kind) = self.speaker(&key)?;
        must(persona == fields.requester, "a key asked for another persona")?;
        must(kind == PersonaKind::Admin, "a research persona asked")?;
        let (holder, holder_kind) = known(self.personas.get(&fields.beneficiary), "the beneficiary")?;
        must(*holder_kind == PersonaKind::Admin, "a research persona would hold privilege")?;
        must(self.active(holder), "someone frozen or gone would hold privilege")?;
        must(
            self.requests.get(&fields.request).is_none_or(|old| entry.time >= dies(old)),
            "a filed request was altered",
        )?;
        must(
            !self.grants.values().any(|g| {
                g.asked.filed.fields.request == fields.request && entry.time < g.asked.filed.fields.window.until()
            }),
            "a granted request was filed again",
        )?;
        let (_, longest, channels) = known(self.terms(filed), "a rule that permits")?;
        must(fields.window.until() > entry.time, "a request for the past")?;
        must(seconds(&fields.window) <= i64::from(longest) * 1_000_000, "a request longer than the rules allow")?;
        must(!fields.channels.is_empty() && fields.channels.is_subset(&channels), "a request for other channels")
    }

    fn counting(&self, asked: &Asked, group: &Label) -> Vec<PersonId> {
        let Ok((requester, holder)) = self.persons_of(asked) else { return vec![] };
        let lasting = asked.approvals.iter().filter(|(_, key)| !self.retired.contains(key)).map(|(p, _)| *p);
        let others = lasting.filter(|p| !self.same(p, &requester) && !self.same(p, &holder));
        others.filter(|p| self.active(p) && self.is_member(group.as_str(), p)).collect()
    }

    fn check_deed(&mut self, entry: &Entry, done: &domain::event::DeedDone) -> Result<(), Broken> {
        self.signed(entry, &done.signed, &done.fields.by, json(&done.fields), false)?;
        let (_, me, kind) = self.speaker(&done.signed.key)?;
        let administrator = kind == PersonaKind::Admin && self.is_member("administrators", &me);
        match &done.fields.deed {
            Deed::KeyAdd { key, .. } => {
                self.key_is_new(key)?;
                let humans = (self.human(&done.signed.key), self.human(&key.fingerprint()));
                if let (Some(giver), Some(taker)) = humans
                    && giver != taker
                {
                    self.helped.insert(taker);
                }
                Ok(())
            }
            Deed::PersonFreeze { .. } | Deed::PersonLeave { .. } => {
                must(administrator, "someone who is no administrator froze or removed a person")
            }
            Deed::GroupLeave { person, .. } => {
                must(administrator || self.same(person, &me), "someone removed another from a group")
            }
            Deed::SessionThaw { .. } => must(administrator, "someone who is no administrator thawed a session"),
            Deed::RequestWithdraw { request } => {
                let asked = known(self.requests.get(request), "the request")?;
                let (requester, holder) = self.persons_of(asked)?;
                must(self.same(&me, &requester) || self.same(&me, &holder), "another's request was withdrawn")
            }
            Deed::GrantReturn { grant } => {
                let granted = known(self.grants.get(grant), "the grant")?;
                let (requester, holder) = self.persons_of(&granted.asked)?;
                must(self.same(&me, &requester) || self.same(&me, &holder), "another's grant was returned")
            }
            Deed::GrantRevoke { .. }
            | Deed::MotionWithdraw { .. }
            | Deed::KeyRetire { .. }
            | Deed::SessionFreeze { .. }
            | Deed::SessionKill { .. }
            | Deed::ReplayPermit { .. }
            | Deed::RecoveryObject { .. } => Ok(()),
        }
    }

    /// P1: a passage opens only on a grant that another person approved and that stands now.
    fn check_passage(&mut self, entry: &Entry, opened: &SessionOpened) -> Result<(), Broken> {
        let at = entry.time;
        let granted = known(self.grants.get(&opened.grant), "the grant")?.clone();
        let fields = &granted.asked.filed.fields;
        let channels = self.stands(&opened.grant, at)?;
        let (persona, person, kind) = self.speaker(&opened.key)?;
        must(persona == fields.beneficiary, "another persona passed")?;
        must(kind == PersonaKind::Admin, "a research persona passed")?;
        must(entry.actor == Actor::Person { person, persona }, "the entry names another actor")?;
        let (target, _, principal) = known(self.accounts.get(&opened.account), "the account")?.clone();
        must(opened.account == fields.account && opened.principal == principal, "a passage to another account")?;
        must(opened.channels == channels, "a passage for other channels")?;
        must(self.serials.insert(opened.serial), "a serial was used twice")?;
        must(opened.valid.until() <= fields.window.until(), "a certificate outlives its grant")?;
        must(opened.valid.until().micros() <= at.micros() + MINUTE, "a certificate lives too long")?;
        must(!self.sessions.contains(&opened.session), "a live session was opened again")?;
        let offset = self.targets.get(&target).and_then(|(_, _, offset)| *offset);
        must(
            offset.is_some_and(|ms| ms.unsigned_abs() <= 30_000),
            "a passage to a target whose clock is unknown or far",
        )?;
        let ready = self
            .keys
            .iter()
            .filter(|(key, _)| !self.retired.contains(key))
            .filter_map(|(_, (persona, _))| self.personas.get(persona));
        let able: Vec<PersonId> =
            ready.filter(|(p, kind)| *kind == PersonaKind::Admin && self.active(p)).map(|(p, _)| *p).collect();
        must(self.naturals(able.iter()) >= 3, "a passage with fewer than three persons able to act")?;
        self.another_human_or_a_helped_puppet(&granted, &opened.key)
    }

    /// What the records cannot show: who approved may be a sock puppet of who passes, but then another human helped to make it.
    fn another_human_or_a_helped_puppet(&self, granted: &Granted, key: &Fingerprint) -> Result<(), Broken> {
        let passes = self.human(key);
        let alone = granted.asked.approvals.iter().all(|(_, key)| self.human(key) == passes)
            && self.human(&granted.asked.key) == passes;
        must(
            !alone || passes.is_some_and(|human| self.helped.contains(&human)),
            "one human asked, approved and passed without anybody's help",
        )
    }
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("statements are plain data")
}

fn dies(asked: &Asked) -> Timestamp {
    let window = asked.filed.fields.window;
    window.from().max(asked.at).plus(std::time::Duration::from_secs(asked.pending_limit_s.into())).min(window.until())
}

/// Noting facts.
impl Oracle {
    fn note(&mut self, entry: &Entry) {
        match &entry.event {
            Event::Founded(founded) => {
                self.recovery_delay = founded.founding.recovery.delay_s.into();
                for founder in &founded.founding.founders {
                    self.add_person(founder.person, founder.persona, PersonaKind::Admin, &founder.key);
                    self.members.insert(("administrators".parse().expect("a label"), founder.person));
                }
            }
            Event::MotionFiled(filed) => {
                let moved = Moved {
                    fields: filed.fields.clone(),
                    key: filed.signed.key,
                    at: entry.time,
                    statement: filed.statement,
                };
                self.motions.insert(filed.fields.motion, moved);
            }
            Event::MotionCarried(carried) => {
                let moved = self.motions.remove(&carried.fields.motion).expect("checked");
                self.enact(&moved.fields.act);
                // Two persons' word on the same thing is not repeated from an older paper.
                let same = |older: &Act| match (&moved.fields.act, older) {
                    (Act::PersonThaw { person: a }, Act::PersonThaw { person: b }) => a == b,
                    (Act::TargetPin { target: a, .. }, Act::TargetPin { target: b, .. }) => a == b,
                    (Act::PolicySet { .. }, Act::PolicySet { .. }) => true,
                    _ => false,
                };
                self.motions.retain(|_, other| !same(&other.fields.act));
            }
            Event::RequestFiled(filed) => {
                let key = match &filed.filing {
                    Filing::Signed(signed) => signed.key,
                    Filing::FiledThroughSsh { key, .. } => *key,
                };
                let limit = self.policy.as_ref().map_or(0, |p| p.pending_limit_s);
                let asked =
                    Asked { filed: filed.clone(), key, at: entry.time, pending_limit_s: limit, approvals: vec![] };
                self.requests.insert(filed.fields.request, asked);
            }
            Event::ApprovalGiven(decided) => {
                let person = self.personas[&decided.fields.approver].0;
                self.requests
                    .get_mut(&decided.fields.request)
                    .expect("checked")
                    .approvals
                    .push((person, decided.signed.key));
            }
            Event::RequestRefused(decided) => drop(self.requests.remove(&decided.fields.request)),
            Event::GrantMade(made) => {
                let asked = self.requests[&made.request].clone();
                let stages = self.terms(&asked.filed).map(|(stages, ..)| stages).unwrap_or_default();
                let counted = stages
                    .iter()
                    .flat_map(|(group, _)| {
                        self.counting(&asked, group).into_iter().map(|p| (group.clone(), p)).collect::<Vec<_>>()
                    })
                    .collect();
                self.requests.remove(&made.request);
                self.grants.insert(made.grant, Granted { asked, counted, taken_back: false });
            }
            Event::Deed(done) => self.do_deed(&done.fields.deed, &done.fields.by),
            Event::SessionOpened(opened) => drop(self.sessions.insert(opened.session)),
            Event::ErrandOpened(opened) => drop(self.errands.insert(opened.errand, opened.target)),
            Event::ErrandEnded(ended) => {
                let target = self.errands.get(&ended.errand).and_then(|target| self.targets.get_mut(target));
                match (target, &ended.outcome) {
                    (Some(target), ErrandOutcome::Clock { offset_ms }) => target.2 = Some(*offset_ms),
                    (Some(target), ErrandOutcome::NotPinned) => target.2 = None,
                    _ => {}
                }
            }
            Event::RecoveryStarted(started) => {
                drop(self.recoveries.insert(started.fields.recovery, (started.fields.clone(), entry.time)))
            }
            Event::RecoveryCompleted(completed) => {
                let (fields, _) = self.recoveries.remove(&completed.recovery).expect("checked");
                let lost = self.keys.iter().filter(|(_, (persona, _))| *persona == fields.persona).map(|(key, _)| *key);
                self.retired.extend(lost);
                self.add_key(&fields.key, fields.persona);
            }
            Event::ClockDoubted(_) => self.doubt = true,
            Event::SessionEnded(ended) => drop(self.sessions.remove(&ended.session)),
            Event::RecordingAnchored(_)
            | Event::RefusalRecorded(_)
            | Event::RefusalsOverflowed(_)
            | Event::SnapshotTaken(_)
            | Event::EngineStarted(_) => {}
        }
    }

    fn add_person(&mut self, person: PersonId, persona: PersonaId, kind: PersonaKind, key: &sshwire::PublicKey) {
        self.persons.insert(person);
        self.personas.insert(persona, (person, kind));
        self.add_key(key, persona);
    }

    fn add_key(&mut self, key: &sshwire::PublicKey, persona: PersonaId) {
        let point = key.ed25519_point().expect("the world has Ed25519 keys").to_vec();
        self.keys.insert(key.fingerprint(), (persona, point));
    }

    fn enact(&mut self, act: &Act) {
        match act {
            Act::PersonAdd { person, persona, kind, key, .. } | Act::PersonaAdd { person, persona, kind, key, .. } => {
                self.add_person(*person, *persona, *kind, key);
            }
            Act::KeyEnrol { persona, key, .. } => self.add_key(key, *persona),
            Act::GroupJoin { group, person } => drop(self.members.insert((group.clone(), *person))),
            Act::IdentityLink { one, other } => self.links.push((*one, *other)),
            Act::PersonThaw { person } => drop(self.frozen.remove(person)),
            Act::TargetAdd { target, zone, tier, .. } => {
                drop(self.targets.insert(*target, (zone.clone(), *tier, None)))
            }
            Act::TargetPin { target, .. } => self.targets.get_mut(target).expect("checked").2 = None,
            Act::AccountAdd { account, target, class, principal, .. } => {
                self.accounts.insert(*account, (*target, *class, principal.clone()));
            }
            Act::PolicySet { policy } => self.policy = Some(policy.clone()),
            Act::ClockConfirm { .. } => self.doubt = false,
        }
    }

    fn do_deed(&mut self, deed: &Deed, by: &PersonaId) {
        match deed {
            Deed::RequestWithdraw { request } => drop(self.requests.remove(request)),
            Deed::GrantReturn { grant } | Deed::GrantRevoke { grant, .. } => {
                self.grants.get_mut(grant).expect("known").taken_back = true
            }
            Deed::MotionWithdraw { motion } => drop(self.motions.remove(motion)),
            Deed::PersonFreeze { person, .. } => {
                self.frozen.insert(*person);
                self.forget_favours(person);
            }
            Deed::PersonLeave { person } => {
                self.left.insert(*person);
                self.forget_favours(person);
            }
            Deed::GroupLeave { group, person } => {
                self.members.remove(&(group.clone(), *person));
                let rejoins =
                    |act: &Act| matches!(act, Act::GroupJoin { group: g, person: p } if g == group && p == person);
                self.motions.retain(|_, moved| !rejoins(&moved.fields.act));
            }
            Deed::KeyAdd { key, .. } => self.add_key(key, *by),
            Deed::KeyRetire { key } => drop(self.retired.insert(*key)),
            Deed::RecoveryObject { recovery } => drop(self.recoveries.remove(recovery)),
            Deed::SessionFreeze { .. }
            | Deed::SessionThaw { .. }
            | Deed::SessionKill { .. }
            | Deed::ReplayPermit { .. } => {}
        }
    }
}
