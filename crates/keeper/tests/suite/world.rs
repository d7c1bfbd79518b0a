//! A small installation, entry by entry, signed as persons sign: two founders, an operator, an approver, an auditor, one target.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use channel::keeper::{ErrandOrder, Extension, PassageOrder, ReplayOrder};
use domain::committed::{Committed, Text};
use domain::decide::{Proposal, decide};
use domain::event::{
    Decided, DeedDone, ErrandOpened, Event, Filing, Founded, Founder, Founding, GrantMade, MotionCarried, MotionFiled,
    RecoverySetup, RequestFiled, SessionOpened,
};
use domain::motion::{AccountClass, AccountName, Act, ErrandKind, Errands, Principal};
use domain::people::PersonaKind;
use domain::rule::{Channel, Policy, RecordInput, Rule, Selector};
use domain::statement::{
    Decision, DecisionFields, Deed, DeedFields, MotionFields, Possession, PossessionFields, RequestFields,
    SecondFields, Signed, Statement,
};
use domain::{
    AccountId, Actor, Entry, ErrandId, GrantId, Label, MotionId, Nonce, PersonId, PersonaId, RequestId, SessionId,
    State, SuiteKey, TargetId, Timestamp, Window,
};
use keeper::PublicKeys;
use ledger::{ConsistencyProof, Hash, InclusionProof, MemoryTree, MultiProof, TreeHead, leaf_hash};
use recorder::{Draft, Recipients};
use sshwire::{PublicKey, SoftSigner};
use tegata::{Tegata, closure, statement};

pub(crate) const ORIGIN: &str = "keeper.test/gate";

/// A persona with its key.
#[derive(Debug)]
pub(crate) struct Face {
    pub(crate) person: PersonId,
    pub(crate) persona: PersonaId,
    pub(crate) signer: SoftSigner,
}

impl Face {
    fn new(number: u8) -> Self {
        let id = [number; 16];
        Self { person: PersonId::from_random(id), persona: PersonaId::from_random(id), signer: signer(number) }
    }

    /// Another persona of the same person.
    pub(crate) fn second(&self, number: u8) -> Self {
        Self { person: self.person, ..Self::new(number) }
    }

    pub(crate) const fn actor(&self) -> Actor {
        Actor::Person { person: self.person, persona: self.persona }
    }
}

pub(crate) fn signer(number: u8) -> SoftSigner {
    SoftSigner::from_seed(&[number; 32])
}

pub(crate) fn label(text: &str) -> Label {
    text.parse().unwrap()
}

pub(crate) fn committed<T: Text>(text: &str) -> Committed<T> {
    Committed::from_hash(Hash::of(text.as_bytes()))
}

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) state: State,
    pub(crate) entries: Vec<String>,
    pub(crate) tree: MemoryTree,
    pub(crate) now: Timestamp,
    pub(crate) commander: Face,
    pub(crate) deputy: Face,
    pub(crate) operator: Face,
    pub(crate) approver: Face,
    pub(crate) auditor: Face,
    pub(crate) target: TargetId,
    pub(crate) account: AccountId,
    reading: envelope::SealingKey,
    closures: BTreeMap<GrantId, BTreeSet<u64>>,
    drawn: u64,
}

impl World {
    /// Founded with the keeper's keys, and nothing more.
    pub(crate) fn founded(keys: &PublicKeys) -> Self {
        let mut world = Self::empty(keys);
        let founding = world.founding(keys);
        world.force(founding, Actor::Founders);
        world
    }

    /// Ready for requests: persons, groups, a target with a probed clock, a root account and a rule.
    pub(crate) fn ready(keys: &PublicKeys) -> Self {
        let mut world = Self::founded(keys);
        world.settle();
        world
    }

    fn empty(keys: &PublicKeys) -> Self {
        Self {
            state: State::default(),
            entries: vec![],
            tree: MemoryTree::new(),
            now: "2026-11-23T10:00:00.25Z".parse().unwrap(),
            commander: Face::new(1),
            deputy: Face::new(2),
            operator: Face::new(3),
            approver: Face::new(4),
            auditor: Face::new(5),
            target: TargetId::from_random([6; 16]),
            account: AccountId::from_random([7; 16]),
            reading: envelope::SealingKey::from_bytes(keys.reading.bytes()).unwrap(),
            closures: BTreeMap::new(),
            drawn: 0,
        }
    }

    /// The founding entry's event, signed by both founders.
    pub(crate) fn founding(&self, keys: &PublicKeys) -> Event {
        let founder = |face: &Face, name: &str| Founder {
            person: face.person,
            persona: face.persona,
            name: committed(name),
            key: face.signer.public_key().clone(),
        };
        let founding = Founding {
            origin: ORIGIN.parse().unwrap(),
            log_key: keys.log.clone(),
            ca_key: keys.ca.clone(),
            reading_key: keys.reading.clone(),
            recovery: RecoverySetup { key: signer(99).public_key().clone(), shares: 3, threshold: 2, delay_s: 3_600 },
            founders: vec![founder(&self.commander, "commander"), founder(&self.deputy, "deputy")],
            created: self.now,
        };
        Event::Founded(self.signed_founding(founding))
    }

    pub(crate) fn signed_founding(&self, founding: Founding) -> Founded {
        let bytes = statement::founding_bytes(&founding);
        let sign = |face: &Face| face.signer.sshsig(Founding::NAME, &bytes);
        Founded { signatures: vec![sign(&self.commander), sign(&self.deputy)], founding }
    }

    fn settle(&mut self) {
        for face in [Face::new(3), Face::new(4), Face::new(5)] {
            self.add_person(&face);
        }
        let (operator, approver, auditor) = (self.operator.person, self.approver.person, self.auditor.person);
        self.carry(Act::GroupJoin { group: label("operators"), person: operator });
        self.carry(Act::GroupJoin { group: label("approvers"), person: approver });
        self.carry(Act::GroupJoin { group: label("auditors"), person: auditor });
        self.add_target();
        self.carry(Act::PolicySet { policy: policy(1) });
        self.tick(seconds(1));
        self.see_clock();
    }

    fn add_target(&mut self) {
        let host_key = signer(77).public_key().clone();
        self.carry(Act::TargetAdd {
            target: self.target,
            label: label("db1"),
            zone: label("shop"),
            tier: 0,
            address: committed("db1.shop.test:22"),
            host_keys: BTreeSet::from([host_key]),
            errands: Errands { kinds: BTreeSet::from([ErrandKind::Probe]), login: label("sekimori") },
        });
        self.carry(Act::AccountAdd {
            account: self.account,
            target: self.target,
            name: AccountName::Shared(label("root")),
            class: AccountClass::OsSuperuser,
            owner: self.commander.person,
            principal: Principal::from_random([8; 16]),
        });
    }

    pub(crate) fn add_person(&mut self, face: &Face) {
        let possession = self.possession(face);
        let (person, persona, key) = (face.person, face.persona, face.signer.public_key().clone());
        self.carry(Act::PersonAdd {
            person,
            name: committed("a name"),
            persona,
            kind: PersonaKind::Admin,
            key,
            possession,
        });
    }

    pub(crate) fn add_persona(&mut self, face: &Face) {
        let possession = self.possession(face);
        let (person, persona, key) = (face.person, face.persona, face.signer.public_key().clone());
        self.carry(Act::PersonaAdd { person, persona, kind: PersonaKind::Admin, key, possession });
    }

    fn possession(&mut self, face: &Face) -> Possession {
        let fields =
            PossessionFields { person: face.person, persona: face.persona, key: face.signer.public_key().clone() };
        let nonce = self.nonce();
        let bytes = statement::possession_bytes(&ORIGIN.parse().unwrap(), &fields, nonce);
        Possession { nonce, signature: face.signer.sshsig(PossessionFields::NAME, &bytes) }
    }

    /// Probes the target, so that its clock is known.
    fn see_clock(&mut self) {
        let opened = self.errand();
        let errand = opened.errand;
        self.record(Event::ErrandOpened(opened), Actor::Engine);
        let outcome = domain::event::ErrandOutcome::Clock { offset_ms: 20 };
        self.record(Event::ErrandEnded(domain::event::ErrandEnded { errand, outcome, recorded: None }), Actor::Engine);
    }
}

/// Entries.
impl World {
    /// Decides and appends: what an honest engine does.
    pub(crate) fn record(&mut self, event: Event, actor: Actor) -> u64 {
        let fresh = GrantId::from_random(self.random());
        self.record_making(fresh, event, actor)
    }

    /// `fresh` is the id of a grant, should the event bring one about.
    fn record_making(&mut self, fresh: GrantId, event: Event, actor: Actor) -> u64 {
        let proposal = Proposal { event, actor, at: self.now, cause: None };
        let made = decide(&self.state, proposal, fresh).unwrap();
        let first = made[0].seq;
        for entry in made {
            self.append(&entry);
        }
        first
    }

    /// Appends without deciding: what a lying engine can do.
    pub(crate) fn force(&mut self, event: Event, actor: Actor) -> u64 {
        let entry = Entry { seq: self.tree.size(), time: self.now, actor, cause: None, event };
        self.append(&entry);
        entry.seq
    }

    fn append(&mut self, entry: &Entry) {
        let text = String::from_utf8(entry.encode().unwrap()).unwrap();
        self.tree.append(leaf_hash(text.as_bytes()));
        self.entries.push(text);
        self.state.apply(entry);
        if let Event::GrantMade(made) = &entry.event
            && let Some(grant) = self.state.passage.grants.get(&made.grant)
        {
            self.closures.insert(made.grant, closure::of_grant(&self.state, grant));
        }
    }

    pub(crate) fn tick(&mut self, by: Duration) {
        self.now = self.now.plus(by);
    }

    pub(crate) fn random(&mut self) -> [u8; 16] {
        self.drawn += 1;
        *Hash::of(&self.drawn.to_be_bytes()).as_bytes().first_chunk().unwrap()
    }

    pub(crate) fn nonce(&mut self) -> Nonce {
        Nonce::from_random(self.random())
    }

    pub(crate) fn signed<S: Statement>(&mut self, signer: &SoftSigner, body: &S) -> (Signed, Hash) {
        let (nonce, expires) = (self.nonce(), self.now.plus(seconds(600)));
        let bytes = statement::bytes(&ORIGIN.parse().unwrap(), body, nonce, expires);
        let signature = signer.sshsig(S::NAME, &bytes);
        (Signed { key: signer.public_key().fingerprint(), nonce, expires, signature }, statement::hash(&bytes))
    }

    /// The commander proposes, the deputy seconds.
    pub(crate) fn carry(&mut self, act: Act) -> u64 {
        let (proposer, seconder) = (Face::new(1), Face::new(2));
        let fields = MotionFields { motion: MotionId::from_random(self.random()), proposer: proposer.persona, act };
        let motion = fields.motion;
        let (signed, statement) = self.signed(&proposer.signer, &fields);
        self.record(Event::MotionFiled(MotionFiled { fields, signed, statement }), proposer.actor());
        let fields = SecondFields { motion, statement, seconder: seconder.persona };
        let (signed, _) = self.signed(&seconder.signer, &fields);
        self.record(Event::MotionCarried(MotionCarried { fields, signed }), seconder.actor())
    }

    /// The operator asks for root@db1 for an hour from now.
    pub(crate) fn request(&mut self, channels: &[Channel]) -> RequestFiled {
        self.request_from(self.now, channels)
    }

    fn request_from(&mut self, start: Timestamp, channels: &[Channel]) -> RequestFiled {
        let operator = Face::new(3);
        let fields = RequestFields {
            request: RequestId::from_random(self.random()),
            requester: operator.persona,
            beneficiary: operator.persona,
            account: self.account,
            window: Window::new(start, start.plus(seconds(3_600))).unwrap(),
            channels: channels.iter().cloned().collect(),
            purpose: committed("rotate WAL archive, CHG-142"),
            policy: self.state.policy.as_ref().unwrap().policy.version,
        };
        let (signed, statement) = self.signed(&operator.signer, &fields);
        RequestFiled { fields, filing: Filing::Signed(signed), statement }
    }

    pub(crate) fn approval(&mut self, filed: &RequestFiled, by: &Face) -> Event {
        let fields = DecisionFields {
            request: filed.fields.request,
            statement: filed.statement,
            approver: by.persona,
            decision: Decision::Approve,
            reason: None,
            policy: filed.fields.policy,
        };
        let (signed, _) = self.signed(&by.signer, &fields);
        Event::ApprovalGiven(Decided { fields, signed })
    }

    /// Asked for, agreed to, and made.
    pub(crate) fn grant(&mut self, channels: &[Channel]) -> GrantId {
        self.grant_from(Duration::ZERO, channels)
    }

    /// For an hour that begins after `wait`.
    pub(crate) fn grant_from(&mut self, wait: Duration, channels: &[Channel]) -> GrantId {
        let id = GrantId::from_random(self.random());
        self.make_grant(id, wait, channels);
        id
    }

    /// With an id that was known before.
    pub(crate) fn grant_as(&mut self, id: GrantId, channels: &[Channel]) {
        self.make_grant(id, Duration::ZERO, channels);
    }

    fn make_grant(&mut self, id: GrantId, wait: Duration, channels: &[Channel]) {
        let filed = self.request_from(self.now.plus(wait), channels);
        self.record(Event::RequestFiled(filed.clone()), self.operator.actor());
        let approval = self.approval(&filed, &Face::new(4));
        self.record_making(id, approval, self.approver.actor());
    }

    /// What a lying engine writes: a grant by whose word it likes.
    pub(crate) fn forced_grant(&mut self, filed: &RequestFiled, approval: Option<(Event, Actor)>) -> GrantId {
        self.record(Event::RequestFiled(filed.clone()), self.operator.actor());
        if let Some((event, actor)) = approval {
            self.force(event, actor);
        }
        let grant = GrantId::from_random(self.random());
        self.force(Event::GrantMade(GrantMade { grant, request: filed.fields.request }), Actor::Engine);
        grant
    }

    pub(crate) fn deed(&mut self, by: &Face, deed: Deed) -> Event {
        let fields = DeedFields { by: by.persona, deed };
        let (signed, _) = self.signed(&by.signer, &fields);
        Event::Deed(DeedDone { fields, signed })
    }

    /// The entry by which the operator's session on `grant` opens, as it should be.
    pub(crate) fn session(&mut self, grant: &GrantId) -> SessionOpened {
        let held = &self.state.passage.grants[grant].request.fields;
        let end = held.window.until().min(self.now.plus(seconds(60)));
        let channels = held.channels.clone();
        let session = SessionId::from_random(self.random());
        SessionOpened {
            session,
            grant: *grant,
            key: self.operator.signer.public_key().fingerprint(),
            subject: self.in_memory_key(),
            account: self.account,
            principal: self.state.estate.accounts[&self.account].principal.clone(),
            serial: self.state.passage.next_serial,
            valid: Window::new(self.now.minus(seconds(30)), end).unwrap(),
            recording: self.recording(session).header_hash(),
            source: committed("192.0.2.7"),
            channels,
            record_input: RecordInput::Never,
        }
    }

    pub(crate) fn errand(&mut self) -> ErrandOpened {
        ErrandOpened {
            errand: ErrandId::from_random(self.random()),
            target: self.target,
            kind: ErrandKind::Probe,
            subject: self.in_memory_key(),
            principal: Principal::of_errands(&self.target),
            serial: self.state.passage.next_serial,
            valid: Window::new(self.now.minus(seconds(30)), self.now.plus(seconds(60))).unwrap(),
            recorded: Some(domain::event::ErrandRecording {
                session: domain::SessionId::from_random(self.random()),
                header: Hash::of(b"header of an errand's recording"),
            }),
        }
    }

    pub(crate) fn in_memory_key(&mut self) -> PublicKey {
        let seed = Hash::of(&self.random());
        SoftSigner::from_seed(seed.as_bytes()).public_key().clone()
    }

    pub(crate) fn recording(&self, session: SessionId) -> Draft {
        let recipients = Recipients::new(self.reading.clone());
        Draft::new(session.to_string(), ORIGIN.to_owned(), self.now.micros(), &recipients).unwrap()
    }
}

/// Orders, as an engine makes them.
impl World {
    pub(crate) fn head(&self) -> TreeHead {
        self.tree.head()
    }

    /// The whole tree, as what extends `last`.
    pub(crate) fn extension(&self, last: TreeHead) -> Extension {
        let TreeHead { size, root } = self.head();
        let consistency = (last.size != size).then(|| ConsistencyProof::make(&self.tree, last.size, size).unwrap());
        Extension { size, root, consistency }
    }

    pub(crate) fn tegata(&self, grant: &GrantId) -> Tegata {
        let (proof, entries) = self.proof_of(&self.closures[grant]);
        Tegata::new(*grant, String::new(), proof, entries)
    }

    pub(crate) fn passage(&self, grant: &GrantId, opened: u64, last: TreeHead) -> PassageOrder {
        PassageOrder {
            head: self.extension(last),
            tegata: self.tegata(grant),
            opened: self.text(opened),
            inclusion: InclusionProof::make(&self.tree, opened, self.tree.size()).unwrap(),
        }
    }

    pub(crate) fn errand_order(&self, opened: u64, last: TreeHead) -> ErrandOrder {
        let mut seqs = closure::of_target(&self.state, &self.target);
        seqs.insert(opened);
        let (proof, entries) = self.proof_of(&seqs);
        ErrandOrder { head: self.extension(last), entries, proof }
    }

    /// Founding, the reader's keys and membership, the session, the permit.
    pub(crate) fn replay_order(
        &self,
        reader: &Face,
        opened: u64,
        permit: u64,
        header: &[u8],
        last: TreeHead,
    ) -> ReplayOrder {
        let mut seqs = closure::of_reader(&self.state, &reader.signer.public_key().fingerprint());
        seqs.extend([opened, permit]);
        let (proof, entries) = self.proof_of(&seqs);
        ReplayOrder { head: self.extension(last), entries, proof, header: header.to_vec() }
    }

    pub(crate) fn proof_of(&self, seqs: &BTreeSet<u64>) -> (MultiProof, Vec<String>) {
        let indices: Vec<u64> = seqs.iter().copied().collect();
        let entries = indices.iter().map(|seq| self.text(*seq)).collect();
        (MultiProof::make(&self.tree, &indices, self.tree.size()).unwrap(), entries)
    }

    pub(crate) fn text(&self, seq: u64) -> String {
        self.entries[usize::try_from(seq).unwrap()].clone()
    }

    pub(crate) fn permit(&mut self, reader: &Face, session: SessionId, to: SuiteKey) -> Event {
        let deed = Deed::ReplayPermit { session, purpose: committed("check of INC-7"), reader: to };
        self.deed(reader, deed)
    }
}

pub(crate) fn policy(version: u64) -> Policy {
    let rule = Rule {
        name: label("root-of-shop"),
        requesters: label("operators"),
        accounts: Selector { zone: Some(label("shop")), ..Selector::default() },
        approvers: label("approvers"),
        approvals: 1,
        longest_s: 8 * 3_600,
        channels: ["shell", "exec", "upload", "agent", "forward:*:*", "socket:/run/x"]
            .map(|text| text.parse().expect("the constants name channels"))
            .into(),
    };
    Policy { version, rules: vec![rule], pending_limit_s: 3_600, record_input: RecordInput::Never }
}
