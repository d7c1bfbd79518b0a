//! A small world from a seed: people with keys, what they sign, and the ledger it makes. How keys sign is the pen's affair.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses the part it needs")]

pub mod examples;
pub mod oracle;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::committed::Text;
use domain::decide::{Proposal, actor_of, decide, judge};
use domain::event::{
    Decided, DeedDone, ErrandEnded, ErrandOpened, ErrandOutcome, Event, Filing, Founded, Founder, Founding, GrantMade,
    MotionCarried, MotionFiled, OriginName, RecoverySetup, RecoveryStarted, RequestFiled, SessionOpened,
};
use domain::motion::{AccountClass, AccountName, Act, ErrandKind, Errands, Principal};
use domain::people::PersonaKind;
use domain::rule::{Channel, Policy, RecordInput, Rule, Selector};
use domain::statement::{
    Decision, DecisionFields, Deed, DeedFields, MotionFields, Possession, PossessionFields, RecoveryFields,
    RequestFields, SecondFields, Signed, Statement,
};
use domain::{
    AccountId, Actor, Committed, Entry, ErrandId, GrantId, Label, MotionId, Nonce, PersonId, PersonaId, RecoveryId,
    Refusal, RequestId, SessionId, State, SuiteKey, TargetId, Timestamp, Window,
};
use ledger::Hash;
use sshwire::{Fingerprint, PublicKey, Signature};

/// How statements become signatures. Key `n` is always the same key.
pub trait Pen: Clone {
    fn public(&self, key: u32) -> PublicKey;
    /// The signature of `key` over `body`, and the statement's hash.
    fn sign<S: Statement>(
        &self,
        key: u32,
        origin: &OriginName,
        body: &S,
        nonce: Nonce,
        expires: Timestamp,
    ) -> (Signature, Hash);
    fn possess(&self, key: u32, origin: &OriginName, body: &PossessionFields, nonce: Nonce) -> Signature;
    fn sign_founding(&self, key: u32, founding: &Founding) -> Signature;
    /// What stands before `decide` in the product: every signature in the entry is what it says.
    fn accepts(&self, state: &State, entry: &Entry) -> bool;
}

/// Pseudo-random numbers from a seed (splitmix64).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn bytes(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.next().to_be_bytes());
        bytes[8..].copy_from_slice(&self.next().to_be_bytes());
        bytes
    }

    pub fn hash(&mut self) -> Hash {
        Hash::of(&self.bytes())
    }

    pub fn commit<T: Text>(&mut self) -> Committed<T> {
        Committed::from_hash(self.hash())
    }
}

/// A persona with one of its keys, and the human who holds that key. The domain knows nothing of humans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Face {
    pub human: u32,
    pub person: PersonId,
    pub persona: PersonaId,
    pub key: u32,
    pub kind: PersonaKind,
}

#[derive(Debug, Clone)]
pub struct World<P: Pen> {
    pub pen: P,
    pub state: State,
    pub entries: Vec<Entry>,
    pub bytes: Vec<Vec<u8>>,
    pub now: Timestamp,
    pub dice: Dice,
    pub founders: [Face; 2],
    /// Who really holds a key.
    pub holders: BTreeMap<Fingerprint, u32>,
    pub next_key: u32,
    pub next_human: u32,
}

pub const LOG_KEY: u32 = 1;
pub const CA_KEY: u32 = 2;
pub const RECOVERY_KEY: u32 = 3;
pub const FIRST_KEY: u32 = 10;
pub const RECOVERY_DELAY: Duration = Duration::from_secs(3600);

pub fn label(text: &str) -> Label {
    text.parse().expect("a label")
}

pub fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub fn hours(count: u64) -> Duration {
    Duration::from_secs(count * 3600)
}

pub fn shell() -> BTreeSet<Channel> {
    BTreeSet::from([Channel::Shell])
}

/// Founding.
impl<P: Pen> World<P> {
    pub fn founded(pen: P, seed: u64) -> Self {
        let mut world = Self::unfounded(pen, seed);
        let founded = world.founding();
        world.offer(Event::Founded(founded)).expect("a sound founding");
        world
    }

    pub fn unfounded(pen: P, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut face = |human: u32| Face {
            human,
            person: PersonId::from_random(dice.bytes()),
            persona: PersonaId::from_random(dice.bytes()),
            key: FIRST_KEY + human,
            kind: PersonaKind::Admin,
        };
        let founders = [face(0), face(1)];
        let holders = founders.iter().map(|f| (pen.public(f.key).fingerprint(), f.human)).collect();
        Self {
            pen,
            state: State::default(),
            entries: vec![],
            bytes: vec![],
            now: "2026-11-23T10:00:00Z".parse().expect("a time"),
            dice,
            founders,
            holders,
            next_key: FIRST_KEY + 2,
            next_human: 2,
        }
    }

    pub fn founding(&mut self) -> Founded {
        let founders = self.founders.map(|f| Founder {
            person: f.person,
            persona: f.persona,
            name: self.dice.commit(),
            key: self.pen.public(f.key),
        });
        let recovery = RecoverySetup {
            key: self.pen.public(RECOVERY_KEY),
            shares: 5,
            threshold: 3,
            delay_s: RECOVERY_DELAY.as_secs() as u32,
        };
        let founding = Founding {
            origin: self.origin(),
            log_key: self.pen.public(LOG_KEY),
            ca_key: self.pen.public(CA_KEY),
            reading_key: SuiteKey::new(&[1; 33]).expect("33 bytes"),
            recovery,
            founders: founders.to_vec(),
            created: self.now,
        };
        self.sign_founding(founding)
    }

    pub fn sign_founding(&self, founding: Founding) -> Founded {
        let signatures = self.founders.iter().map(|f| self.pen.sign_founding(f.key, &founding)).collect();
        Founded { founding, signatures }
    }

    pub fn origin(&self) -> OriginName {
        self.state
            .founding
            .as_ref()
            .map_or_else(|| "gate.example/tokyo".parse().expect("an origin"), |f| f.origin.clone())
    }
}

/// The ledger.
impl<P: Pen> World<P> {
    pub fn at(&self) -> Timestamp {
        self.state.journal.time.map_or(self.now, |last| last.max(self.now))
    }

    pub fn tick(&mut self, by: Duration) {
        self.now = self.now.plus(by);
    }

    /// Proposes `event` as whoever its key says.
    pub fn offer(&mut self, event: Event) -> Result<Vec<Entry>, Refusal> {
        let actor = actor_of(&self.state, &event).unwrap_or(Actor::Unproved);
        self.offer_as(event, actor)
    }

    pub fn offer_as(&mut self, event: Event, actor: Actor) -> Result<Vec<Entry>, Refusal> {
        let proposal = Proposal { event, actor, at: self.at(), cause: None };
        let shown = Entry {
            seq: self.state.journal.size,
            time: proposal.at,
            actor,
            cause: None,
            event: proposal.event.clone(),
        };
        if !self.pen.accepts(&self.state, &shown) {
            return Err(Refusal::BadSignature);
        }
        let fresh = GrantId::from_random(self.dice.bytes());
        let entries = decide(&self.state, proposal, fresh)?;
        for entry in &entries {
            judge(&self.state, entry).expect("what was decided is judged the same");
            self.write(entry);
        }
        Ok(entries)
    }

    /// As a server that keeps no rules would: whatever is given stands in the ledger.
    pub fn force(&mut self, event: Event, actor: Actor) -> Entry {
        let entry = Entry { seq: self.state.journal.size, time: self.at(), actor, cause: None, event };
        self.write(&entry);
        entry
    }

    pub fn force_by(&mut self, face: &Face, event: Event) -> Entry {
        self.force(event, Actor::Person { person: face.person, persona: face.persona })
    }

    fn write(&mut self, entry: &Entry) {
        let bytes = entry.encode().expect("an entry fits");
        self.state.apply(entry);
        self.bytes.push(bytes);
        self.entries.push(entry.clone());
    }
}

/// What persons sign.
impl<P: Pen> World<P> {
    pub fn sign<S: Statement>(&mut self, key: u32, body: &S) -> (Signed, Hash) {
        let expires = self.at().plus(seconds(300));
        self.sign_until(key, body, expires)
    }

    pub fn sign_until<S: Statement>(&mut self, key: u32, body: &S, expires: Timestamp) -> (Signed, Hash) {
        let nonce = Nonce::from_random(self.dice.bytes());
        self.sign_with(key, body, nonce, expires)
    }

    pub fn sign_with<S: Statement>(&mut self, key: u32, body: &S, nonce: Nonce, expires: Timestamp) -> (Signed, Hash) {
        let (signature, hash) = self.pen.sign(key, &self.origin(), body, nonce, expires);
        (Signed { key: self.pen.public(key).fingerprint(), nonce, expires, signature }, hash)
    }

    pub fn possession(&mut self, person: PersonId, persona: PersonaId, key: u32) -> Possession {
        let nonce = Nonce::from_random(self.dice.bytes());
        let fields = PossessionFields { person, persona, key: self.pen.public(key) };
        Possession { nonce, signature: self.pen.possess(key, &self.origin(), &fields, nonce) }
    }

    pub fn new_key(&mut self, human: u32) -> u32 {
        let key = self.next_key;
        self.next_key += 1;
        self.holders.insert(self.pen.public(key).fingerprint(), human);
        key
    }

    pub fn new_human(&mut self) -> u32 {
        self.next_human += 1;
        self.next_human - 1
    }

    pub fn motion(&mut self, by: &Face, act: Act) -> (MotionFields, MotionFiled) {
        let fields = MotionFields { motion: MotionId::from_random(self.dice.bytes()), proposer: by.persona, act };
        let (signed, statement) = self.sign(by.key, &fields);
        (fields.clone(), MotionFiled { fields, signed, statement })
    }

    pub fn propose(&mut self, by: &Face, act: Act) -> Result<MotionId, Refusal> {
        let (fields, filed) = self.motion(by, act);
        self.offer(Event::MotionFiled(filed)).map(|_| fields.motion)
    }

    pub fn seconding(&mut self, by: &Face, motion: MotionId, statement: Hash) -> Event {
        let fields = SecondFields { motion, statement, seconder: by.persona };
        let (signed, _) = self.sign(by.key, &fields);
        Event::MotionCarried(MotionCarried { fields, signed })
    }

    pub fn second(&mut self, by: &Face, motion: MotionId) -> Result<(), Refusal> {
        let statement = self.state.motions.get(&motion).map_or(Hash::of(b"unknown"), |m| m.statement);
        let event = self.seconding(by, motion, statement);
        self.offer(event).map(drop)
    }

    /// Two persons together.
    pub fn carry(&mut self, by: [&Face; 2], act: Act) -> Result<(), Refusal> {
        let motion = self.propose(by[0], act)?;
        self.second(by[1], motion)
    }

    /// By the founders.
    pub fn carried(&mut self, act: Act) {
        let [one, other] = self.founders;
        self.carry([&one, &other], act).expect("two founders agree");
    }

    pub fn deed(&mut self, by: &Face, deed: Deed) -> Result<Vec<Entry>, Refusal> {
        let event = self.deed_event(by, deed);
        self.offer(event)
    }

    pub fn deed_event(&mut self, by: &Face, deed: Deed) -> Event {
        let fields = DeedFields { by: by.persona, deed };
        let (signed, _) = self.sign(by.key, &fields);
        Event::Deed(DeedDone { fields, signed })
    }
}

/// People.
impl<P: Pen> World<P> {
    /// The act that would add a person whose key `human` holds, and the face it makes.
    pub fn person_add(&mut self, human: u32, kind: PersonaKind) -> (Act, Face) {
        let key = self.new_key(human);
        let face = Face {
            human,
            person: PersonId::from_random(self.dice.bytes()),
            persona: PersonaId::from_random(self.dice.bytes()),
            key,
            kind,
        };
        let possession = self.possession(face.person, face.persona, key);
        let name = self.dice.commit();
        (
            Act::PersonAdd {
                person: face.person,
                name,
                persona: face.persona,
                kind,
                key: self.pen.public(key),
                possession,
            },
            face,
        )
    }

    pub fn persona_add(&mut self, of: PersonId, human: u32, kind: PersonaKind) -> (Act, Face) {
        let key = self.new_key(human);
        let face = Face { human, person: of, persona: PersonaId::from_random(self.dice.bytes()), key, kind };
        let possession = self.possession(of, face.persona, key);
        (Act::PersonaAdd { person: of, persona: face.persona, kind, key: self.pen.public(key), possession }, face)
    }

    /// A replacement key for the persona of `face`, held by `human`.
    pub fn key_enrol(&mut self, face: &Face, human: u32) -> (Act, Face) {
        let key = self.new_key(human);
        let possession = self.possession(face.person, face.persona, key);
        (Act::KeyEnrol { persona: face.persona, key: self.pen.public(key), possession }, Face { key, human, ..*face })
    }

    /// A further key for the persona of `face`, held by `human`.
    pub fn key_add(&mut self, face: &Face, human: u32) -> (Deed, Face) {
        let key = self.new_key(human);
        let possession = self.possession(face.person, face.persona, key);
        (Deed::KeyAdd { key: self.pen.public(key), possession }, Face { key, human, ..*face })
    }

    pub fn add_person(&mut self) -> Face {
        let human = self.new_human();
        let (act, face) = self.person_add(human, PersonaKind::Admin);
        self.carried(act);
        face
    }

    pub fn join(&mut self, group: &str, face: &Face) {
        let [one, other] = self.founders;
        let others: Vec<Face> = self.administrators().into_iter().filter(|f| f.person != face.person).collect();
        let pair =
            if [one.person, other.person].contains(&face.person) { [others[0], others[1]] } else { [one, other] };
        self.carry([&pair[0], &pair[1]], Act::GroupJoin { group: label(group), person: face.person })
            .expect("two administrators agree");
    }

    fn administrators(&self) -> Vec<Face> {
        self.founders.to_vec()
    }

    pub fn recovery(&mut self, face: &Face, human: u32) -> (RecoveryStarted, Face) {
        let key = self.new_key(human);
        let possession = self.possession(face.person, face.persona, key);
        let fields = RecoveryFields {
            recovery: RecoveryId::from_random(self.dice.bytes()),
            persona: face.persona,
            key: self.pen.public(key),
            possession,
        };
        let (signed, _) = self.sign(RECOVERY_KEY, &fields);
        (
            RecoveryStarted { fields, nonce: signed.nonce, expires: signed.expires, signature: signed.signature },
            Face { key, human, ..*face },
        )
    }
}

/// Targets, accounts and rules.
impl<P: Pen> World<P> {
    pub fn target_add(&mut self, name: &str, zone: &str, tier: u8) -> (Act, TargetId) {
        let target = TargetId::from_random(self.dice.bytes());
        let host_key = self.new_key(u32::MAX);
        let host_keys = BTreeSet::from([self.pen.public(host_key)]);
        let address = self.dice.commit();
        let errands = Errands { kinds: BTreeSet::from([ErrandKind::Probe]), login: label("sekimori") };
        let act = Act::TargetAdd { target, label: label(name), zone: label(zone), tier, address, host_keys, errands };
        (act, target)
    }

    pub fn account_add(
        &mut self,
        target: TargetId,
        name: &str,
        class: AccountClass,
        owner: PersonId,
    ) -> (Act, AccountId) {
        let account = AccountId::from_random(self.dice.bytes());
        let principal = Principal::from_random(self.dice.bytes());
        (Act::AccountAdd { account, target, name: AccountName::Shared(label(name)), class, owner, principal }, account)
    }

    /// A target with a clock that was looked at, and `root` on it.
    pub fn add_target(&mut self, name: &str, zone: &str, tier: u8) -> (TargetId, AccountId) {
        let (act, target) = self.target_add(name, zone, tier);
        self.carried(act);
        self.see_clock(target, 0).expect("a probe may run");
        let owner = self.founders[0].person;
        let (act, account) = self.account_add(target, "root", AccountClass::OsSuperuser, owner);
        self.carried(act);
        (target, account)
    }

    pub fn see_clock(&mut self, target: TargetId, offset_ms: i64) -> Result<(), Refusal> {
        let errand = self.errand(target);
        self.offer(Event::ErrandOpened(errand.clone()))?;
        self.offer(Event::ErrandEnded(ErrandEnded {
            errand: errand.errand,
            outcome: ErrandOutcome::Clock { offset_ms },
            recorded: None,
        }))
        .map(drop)
    }

    pub fn errand(&mut self, target: TargetId) -> ErrandOpened {
        let key = self.new_key(u32::MAX);
        ErrandOpened {
            errand: ErrandId::from_random(self.dice.bytes()),
            target,
            kind: ErrandKind::Probe,
            subject: self.pen.public(key),
            principal: Principal::of_errands(&target),
            serial: self.state.passage.next_serial,
            valid: Window::new(self.at().minus(seconds(30)), self.at().plus(seconds(60))).expect("a minute and a half"),
            recorded: None,
        }
    }

    pub fn next_policy(&self, rules: Vec<Rule>) -> Policy {
        let version = self.state.policy.as_ref().map_or(1, |p| p.policy.version + 1);
        Policy { version, rules, pending_limit_s: 4 * 3600, record_input: RecordInput::Never }
    }

    pub fn set_policy(&mut self, rules: Vec<Rule>) {
        let policy = self.next_policy(rules);
        self.carried(Act::PolicySet { policy });
    }
}

pub fn rule(name: &str, requesters: &str, zone: &str, approvers: &str, approvals: u8) -> Rule {
    Rule {
        name: label(name),
        requesters: label(requesters),
        accounts: Selector { zone: Some(label(zone)), ..Selector::default() },
        approvers: label(approvers),
        approvals,
        longest_s: 8 * 3600,
        channels: BTreeSet::from([Channel::Shell, Channel::Exec]),
    }
}

/// Asking, agreeing, passing.
impl<P: Pen> World<P> {
    pub fn request_fields(&mut self, by: &Face, account: AccountId, length: Duration) -> RequestFields {
        RequestFields {
            request: RequestId::from_random(self.dice.bytes()),
            requester: by.persona,
            beneficiary: by.persona,
            account,
            window: Window::new(self.at(), self.at().plus(length)).expect("a window"),
            channels: shell(),
            purpose: self.dice.commit(),
            policy: self.state.policy.as_ref().map_or(1, |p| p.policy.version),
        }
    }

    pub fn filing(&mut self, key: u32, fields: RequestFields) -> Event {
        let (signed, statement) = self.sign(key, &fields);
        Event::RequestFiled(RequestFiled { fields, filing: Filing::Signed(signed), statement })
    }

    pub fn file(&mut self, by: &Face, fields: RequestFields) -> Result<RequestId, Refusal> {
        let request = fields.request;
        let event = self.filing(by.key, fields);
        self.offer(event).map(|_| request)
    }

    pub fn ask(&mut self, by: &Face, account: AccountId) -> Result<RequestId, Refusal> {
        let fields = self.request_fields(by, account, hours(2));
        self.file(by, fields)
    }

    pub fn decision_fields(&self, by: &Face, request: RequestId, decision: Decision) -> DecisionFields {
        let statement = self.state.passage.requests.get(&request).map_or(Hash::of(b"unknown"), |r| r.statement);
        DecisionFields {
            request,
            statement,
            approver: by.persona,
            decision,
            reason: None,
            policy: self.state.policy.as_ref().map_or(1, |p| p.policy.version),
        }
    }

    pub fn decision(&mut self, key: u32, fields: DecisionFields) -> Event {
        let (signed, _) = self.sign(key, &fields);
        let decision = fields.decision;
        let decided = Decided { fields, signed };
        match decision {
            Decision::Approve => Event::ApprovalGiven(decided),
            Decision::Refuse => Event::RequestRefused(decided),
        }
    }

    /// The grant, if this approval was the last one needed.
    pub fn approve(&mut self, by: &Face, request: RequestId) -> Result<Option<GrantId>, Refusal> {
        let fields = self.decision_fields(by, request, Decision::Approve);
        let event = self.decision(by.key, fields);
        let entries = self.offer(event)?;
        Ok(entries
            .iter()
            .find_map(|e| if let Event::GrantMade(GrantMade { grant, .. }) = e.event { Some(grant) } else { None }))
    }

    pub fn refuse(&mut self, by: &Face, request: RequestId) -> Result<(), Refusal> {
        let fields = self.decision_fields(by, request, Decision::Refuse);
        let event = self.decision(by.key, fields);
        self.offer(event).map(drop)
    }

    pub fn passage(&mut self, by: &Face, grant: GrantId) -> SessionOpened {
        let found = self.state.passage.grants.get(&grant).map(|g| g.request.fields.clone());
        let account = found.as_ref().map_or(AccountId::from_random([0; 16]), |f| f.account);
        let until = found.as_ref().map_or(self.at(), |f| f.window.until());
        let principal =
            self.state.estate.accounts.get(&account).map_or(Principal::from_random([0; 16]), |a| a.principal.clone());
        let from = self.at().minus(seconds(5));
        let subject = self.new_key(u32::MAX);
        SessionOpened {
            session: SessionId::from_random(self.dice.bytes()),
            grant,
            key: self.pen.public(by.key).fingerprint(),
            subject: self.pen.public(subject),
            account,
            principal,
            serial: self.state.passage.next_serial,
            valid: Window::new(from, self.at().plus(seconds(60)).min(until).max(from.plus(seconds(1))))
                .expect("about a minute"),
            recording: self.dice.hash(),
            source: self.dice.commit(),
            channels: found.map_or_else(shell, |f| f.channels),
            record_input: RecordInput::Never,
        }
    }

    pub fn open(&mut self, by: &Face, grant: GrantId) -> Result<SessionId, Refusal> {
        let opened = self.passage(by, grant);
        let session = opened.session;
        self.offer(Event::SessionOpened(opened)).map(|_| session)
    }
}

/// A founded installation at work: who asks, who agrees, what there is to reach.
#[derive(Debug, Clone)]
pub struct Shop {
    /// Asks; member of `operators`.
    pub operator: Face,
    /// Another who may ask.
    pub colleague: Face,
    /// Agrees; member of `leads`.
    pub lead: Face,
    /// Agrees; member of `leads` and of `security`.
    pub officer: Face,
    /// A research persona of the operator.
    pub research: Face,
    pub db1: (TargetId, AccountId),
    /// Needs two leads.
    pub vault: (TargetId, AccountId),
}

impl<P: Pen> World<P> {
    pub fn shop(pen: P, seed: u64) -> (Self, Shop) {
        let mut world = Self::founded(pen, seed);
        let operator = world.add_person();
        let colleague = world.add_person();
        let lead = world.add_person();
        let officer = world.add_person();
        for (group, face) in [
            ("operators", &operator),
            ("operators", &colleague),
            ("leads", &lead),
            ("leads", &officer),
            ("security", &officer),
        ] {
            world.join(group, face);
        }
        let (act, research) = world.persona_add(operator.person, operator.human, PersonaKind::Research);
        world.carried(act);
        let db1 = world.add_target("db1", "shop", 1);
        let vault = world.add_target("vault", "crown", 0);
        world.set_policy(vec![
            rule("shop", "operators", "shop", "leads", 1),
            rule("crown", "operators", "crown", "leads", 2),
        ]);
        (world, Shop { operator, colleague, lead, officer, research, db1, vault })
    }

    /// A grant of `root@db1` for the operator, approved by the lead.
    pub fn grant(&mut self, shop: &Shop) -> GrantId {
        let request = self.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
        self.approve(&shop.lead, request).expect("a lead may agree").expect("one approval is enough")
    }
}

/// Signatures of the right shape that prove nothing: for long sequences of rules alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct FakePen;

impl Pen for FakePen {
    fn public(&self, key: u32) -> PublicKey {
        let mut point = *Hash::of(&key.to_be_bytes()).as_bytes();
        point[31] &= 0x3f;
        PublicKey::ed25519(point).expect("a canonical encoding")
    }

    fn sign<S: Statement>(
        &self,
        key: u32,
        origin: &OriginName,
        body: &S,
        nonce: Nonce,
        expires: Timestamp,
    ) -> (Signature, Hash) {
        let text = serde_json::to_string(&(S::NAME, origin, body, nonce, expires)).expect("statements are plain data");
        (self.mark(key, S::NAME), Hash::of(text.as_bytes()))
    }

    fn possess(&self, key: u32, _: &OriginName, _: &PossessionFields, _: Nonce) -> Signature {
        self.mark(key, PossessionFields::NAME)
    }

    fn sign_founding(&self, key: u32, _: &Founding) -> Signature {
        self.mark(key, Founding::NAME)
    }

    fn accepts(&self, _: &State, _: &Entry) -> bool {
        true
    }
}

impl FakePen {
    fn mark(self, key: u32, namespace: &str) -> Signature {
        let blob = sshwire::Writer::new().string("ssh-ed25519").string([7; 64]).into_bytes();
        Signature::assemble(&self.public(key), namespace, sshwire::HashAlgorithm::Sha512, &blob)
            .expect("it has the right shape")
    }
}
