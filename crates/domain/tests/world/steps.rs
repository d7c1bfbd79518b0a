//! Random command sequences by random actors, honest and not. Each step is a few bytes, so that a failing sequence shrinks to its core.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses the part it needs")]

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};

use domain::decide::still_stands;
use domain::event::{
    ClockDoubted, EngineStarted, ErrandEnded, ErrandOutcome, Event, Filing, GrantMade, MotionFiled, RecordingAnchored,
    RecoveryCompleted, RequestFiled, SessionEnded, SessionEnding,
};
use domain::motion::{AccountClass, Act};
use domain::people::PersonaKind;
use domain::rule::{Channel, Policy, Selector};
use domain::statement::{Decision, DecisionFields, Deed, DeedFields, MotionFields, SecondFields, Signed, Statement};
use domain::{
    AccountId, Actor, Entry, ErrandId, GrantId, MotionId, RecoveryId, Refusal, RefusalCode, RequestId, SessionId,
    State, SuiteKey, TargetId, Window,
};
use ledger::Hash;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use crate::world::oracle::{Broken, Oracle};
use crate::world::{Face, Pen, Shop, World, hours, label, rule, seconds};

/// What is done, by whom, with what, and how it is twisted: all picked by bytes from what there is.
#[derive(Clone, Copy)]
pub struct Step {
    verb: u8,
    who: u8,
    a: u8,
    b: u8,
    c: u8,
    twist: u8,
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { verb, who, a, b, c, twist } = self;
        write!(f, "Step {{ verb: {verb}, who: {who}, a: {a}, b: {b}, c: {c}, twist: {twist} }}")
    }
}

/// A runner of at least `cases` cases (more by `PROPTEST_CASES`), with its seed for the failure message (again by `PROPTEST_RNG_SEED`).
pub fn runner(cases: u32) -> (TestRunner, String) {
    let wanted = Config::default();
    let seed = match wanted.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => RandomState::new().hash_one("seed"),
    };
    let config =
        Config { cases: wanted.cases.max(cases), rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..wanted };
    let size = format!("{} cases, PROPTEST_RNG_SEED={seed}", config.cases);
    (TestRunner::new(config), size)
}

pub fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = any::<[u8; 6]>().prop_map(|[verb, who, a, b, c, twist]| Step { verb, who, a, b, c, twist });
    prop::collection::vec(step, 1..most)
}

/// A world being played, with the oracle looking on.
#[derive(Debug, Clone)]
pub struct Play<P: Pen> {
    pub world: World<P>,
    pub oracle: Oracle,
    shop: Shop,
    /// The state made from the entries' bytes alone.
    mirror: State,
    faces: Vec<Face>,
    accounts: Vec<AccountId>,
    targets: Vec<TargetId>,
    motions: Vec<(MotionId, Hash)>,
    requests: Vec<(RequestId, Hash)>,
    grants: Vec<GrantId>,
    sessions: Vec<SessionId>,
    errands: Vec<ErrandId>,
    recoveries: Vec<RecoveryId>,
    past: Vec<(Event, Actor)>,
    nonces: Vec<domain::Nonce>,
    pub refused: BTreeMap<RefusalCode, u64>,
}

const GROUPS: &[&str] = &["operators", "leads", "security", "administrators", "auditors"];

fn pick<T: Clone>(from: &[T], by: u8) -> Option<T> {
    from.get(usize::from(by).checked_rem(from.len())?).cloned()
}

impl<P: Pen> Play<P> {
    pub fn new(pen: P, seed: u64) -> Result<Self, Broken> {
        let (mut world, shop) = World::shop(pen, seed);
        world.join("administrators", &shop.lead);
        world.join("administrators", &shop.officer);
        world.join("operators", &shop.officer);
        let faces =
            [world.founders.as_slice(), &[shop.operator, shop.colleague, shop.lead, shop.officer, shop.research]]
                .concat();
        let mut play = Self {
            oracle: Oracle::default(),
            mirror: State::default(),
            faces,
            accounts: vec![shop.db1.1, shop.vault.1],
            targets: vec![shop.db1.0, shop.vault.0],
            motions: vec![],
            requests: vec![],
            grants: vec![],
            sessions: vec![],
            errands: vec![],
            recoveries: vec![],
            past: vec![],
            nonces: vec![],
            refused: BTreeMap::new(),
            shop,
            world,
        };
        for place in 0..play.world.entries.len() {
            let entry = play.world.entries[place].clone();
            play.look_at(&entry, place)?;
        }
        play.compare()?;
        Ok(play)
    }

    pub fn run(&mut self, steps: &[Step]) -> Result<(), Broken> {
        self.run_watched(steps, |_, _| Ok(()))
    }

    /// As [`Play::run`]; `watch` looks at the world whenever a grant has been made.
    pub fn run_watched(
        &mut self,
        steps: &[Step],
        watch: impl Fn(&World<P>, GrantId) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        for step in steps {
            let before = self.grants.len();
            self.step(step)?;
            self.oracle_agrees_on_what_stands()?;
            for grant in self.grants.get(before..).unwrap_or_default() {
                watch(&self.world, *grant)?;
            }
        }
        self.fold_again()
    }

    fn step(&mut self, step: &Step) -> Result<(), Broken> {
        match step.verb {
            0..=19 => self.pass_time(step),
            20..=39 => self.file(step),
            40..=69 => self.decide(step),
            70..=89 => self.open(step),
            90..=109 => self.propose(step),
            110..=129 => self.second(step),
            130..=159 => self.carry(step),
            160..=184 => self.deed(step),
            185..=229 => self.honest_passage(step),
            230..=235 => self.replay(step),
            236..=241 => self.recover(step),
            242..=244 => self.errand(step),
            245..=246 => self.doubt(step),
            247..=249 => self.end_session(step),
            250..=251 => self.make_grant(step),
            252 => self.own_entry(step),
            253..=255 => self.snapshot(),
        }
    }
}

/// Looking on.
impl<P: Pen> Play<P> {
    fn look_at(&mut self, entry: &Entry, place: usize) -> Result<(), Broken> {
        self.oracle.holders.clone_from(&self.world.holders);
        self.oracle.admit(entry)?;
        let decoded =
            Entry::decode(&self.world.bytes[place]).map_err(|why| format!("an entry does not decode: {why}"))?;
        if decoded != *entry {
            return Err(format!("an entry reads back as another: {entry:?}"));
        }
        self.mirror.apply(&decoded);
        Ok(())
    }

    fn compare(&self) -> Result<(), Broken> {
        if self.mirror == self.world.state {
            Ok(())
        } else {
            Err("the fold of the entries' bytes is another state".to_owned())
        }
    }

    fn oracle_agrees_on_what_stands(&self) -> Result<(), Broken> {
        let at = self.world.at();
        for grant in self.oracle.grants() {
            let (ours, theirs) = (self.oracle.stands(grant, at), still_stands(&self.world.state, grant, at));
            let agree = match (&ours, &theirs) {
                (Ok(channels), Ok(standing)) => *channels == standing.channels,
                (Err(_), Err(_)) => true,
                _ => false,
            };
            if !agree {
                return Err(format!("grant {grant}: the rules say {ours:?}, the domain says {theirs:?}"));
            }
        }
        Ok(())
    }

    /// P5: the whole ledger, from its bytes, folds to the state.
    fn fold_again(&self) -> Result<(), Broken> {
        let mut state = State::default();
        for bytes in &self.world.bytes {
            state.apply(&Entry::decode(bytes).map_err(|why| why.to_string())?);
        }
        if state == self.world.state { Ok(()) } else { Err("the fold of the whole ledger is another state".to_owned()) }
    }

    fn snapshot(&mut self) -> Result<(), Broken> {
        let json =
            serde_json::to_string(&self.world.state).map_err(|why| format!("a state does not serialise: {why}"))?;
        let restored: State =
            serde_json::from_str(&json).map_err(|why| format!("a snapshot does not read back: {why}"))?;
        if restored != self.world.state {
            return Err("a snapshot reads back as another state".to_owned());
        }
        self.world.state = restored;
        Ok(())
    }

    fn offer(&mut self, event: Event) -> Result<Option<Vec<Entry>>, Broken> {
        let actor = domain::decide::actor_of(&self.world.state, &event).unwrap_or(Actor::Unproved);
        self.offer_as(event, actor)
    }

    fn offer_as(&mut self, event: Event, actor: Actor) -> Result<Option<Vec<Entry>>, Broken> {
        let place = self.world.entries.len();
        match self.world.offer_as(event.clone(), actor) {
            Ok(entries) => {
                for (offset, entry) in entries.iter().enumerate() {
                    self.look_at(entry, place + offset)?;
                    if let Event::GrantMade(made) = &entry.event {
                        self.grants.push(made.grant);
                    }
                }
                self.compare()?;
                self.past.push((event, actor));
                Ok(Some(entries))
            }
            Err(refusal) => {
                *self.refused.entry(refusal.code()).or_default() += 1;
                Ok(None)
            }
        }
    }
}

/// Signing, well or ill.
impl<P: Pen> Play<P> {
    /// The persona that a statement names: the signer's own, mostly.
    fn persona(&self, face: &Face, step: &Step) -> domain::PersonaId {
        match step.twist {
            186..=195 => pick(&self.faces, step.c).map_or(face.persona, |other| other.persona),
            _ => face.persona,
        }
    }

    fn sign<S: Statement>(&mut self, key: u32, body: &S, step: &Step) -> (Signed, Hash) {
        let at = self.world.at();
        let (signed, hash) = match step.twist {
            196..=203 => self.world.sign_until(key, body, at.minus(seconds(u64::from(step.c)))),
            204..=209 => self.world.sign_until(key, body, at.plus(seconds(901 + u64::from(step.c)))),
            210..=217 => match pick(&self.nonces, step.c) {
                Some(nonce) => self.world.sign_with(key, body, nonce, at.plus(seconds(300))),
                None => self.world.sign(key, body),
            },
            _ => self.world.sign(key, body),
        };
        self.nonces.push(signed.nonce);
        (signed, hash)
    }

    fn offer_twisted(&mut self, event: Event, step: &Step) -> Result<Option<Vec<Entry>>, Broken> {
        match (step.twist, pick(&self.faces, step.c)) {
            (218..=222, Some(other)) => {
                self.offer_as(event, Actor::Person { person: other.person, persona: other.persona })
            }
            (223, _) => self.offer_as(event, Actor::Engine),
            _ => self.offer(event),
        }
    }

    fn who(&self, step: &Step) -> Face {
        pick(&self.faces, step.who).expect("there are always people")
    }
}

/// The verbs.
impl<P: Pen> Play<P> {
    fn pass_time(&mut self, step: &Step) -> Result<(), Broken> {
        const MINUTE: u64 = 60;
        let by = match step.a {
            0..=59 => 1 + u64::from(step.b),
            60..=119 => MINUTE * (1 + u64::from(step.b) % 16),
            120..=169 => 30 * MINUTE,
            170..=209 => 2 * 60 * MINUTE,
            210..=234 => 9 * 60 * MINUTE,
            235..=249 => 26 * 60 * MINUTE,
            250..=255 => 8 * 24 * 60 * MINUTE,
        };
        self.world.tick(seconds(by));
        if step.twist > 240 {
            // A clock that goes back must change nothing.
            self.world.now = self.world.now.minus(hours(30));
        }
        Ok(())
    }

    fn request(&mut self, step: &Step) -> (u32, domain::statement::RequestFields) {
        let face = self.who(step);
        let account = pick(&self.accounts, step.a).expect("there are always accounts");
        let length = seconds(match step.b % 6 {
            0..=2 => 7_200,
            3 => 60,
            4 => 8 * 3600,
            _ => 8 * 3600 + 1,
        });
        let mut fields = self.world.request_fields(&face, account, length);
        fields.requester = self.persona(&face, step);
        if step.b > 170 {
            let other = if step.c < 100 { Some(self.shop.officer) } else { pick(&self.faces, step.c) };
            fields.beneficiary = other.map_or(face.persona, |f| f.persona);
        }
        if step.b % 5 == 4 {
            fields.channels = BTreeSet::from([Channel::Exec]);
        }
        let now = self.world.at();
        match step.twist {
            224..=229 => fields.window = Window::new(now.plus(hours(1)), now.plus(hours(3))).expect("later"),
            230..=232 => fields.window = Window::new(now.minus(hours(3)), now.plus(hours(1))).expect("begun"),
            233..=235 => fields.window = Window::new(now.minus(hours(3)), now.minus(hours(1))).expect("over"),
            236..=238 => fields.policy = fields.policy.wrapping_sub(1),
            239..=243 => fields.request = pick(&self.requests, step.c).map_or(fields.request, |(id, _)| id),
            244..=245 => fields.channels.clear(),
            246 => fields.account = AccountId::from_random([9; 16]),
            247 => fields.window = Window::new(now.plus(hours(24 * 100)), now.plus(hours(24 * 100 + 1))).expect("far"),
            _ => {}
        }
        (face.key, fields)
    }

    fn file(&mut self, step: &Step) -> Result<(), Broken> {
        let (key, fields) = self.request(step);
        let (signed, statement) = self.sign(key, &fields, step);
        let filing = match step.twist {
            248..=252 => {
                let session = SessionId::from_random(self.world.dice.bytes());
                Filing::FiledThroughSsh { key: signed.key, session, nonce: signed.nonce, expires: signed.expires }
            }
            _ => Filing::Signed(signed),
        };
        let request = fields.request;
        if self.offer_twisted(Event::RequestFiled(RequestFiled { fields, filing, statement }), step)?.is_some() {
            self.requests.push((request, statement));
        }
        Ok(())
    }

    fn decide(&mut self, step: &Step) -> Result<(), Broken> {
        let face = self.who(step);
        // Mostly one of the last few, which may still be pending.
        let newest: Vec<_> = self.requests.iter().rev().take(4).copied().collect();
        let pool = if step.b < 230 { &newest } else { &self.requests };
        let Some((request, statement)) = pick(pool, step.a) else { return Ok(()) };
        let mut fields = DecisionFields {
            request,
            statement,
            approver: self.persona(&face, step),
            decision: if step.b % 8 == 7 { Decision::Refuse } else { Decision::Approve },
            reason: None,
            policy: self.world.state.policy.as_ref().map_or(1, |p| p.policy.version),
        };
        match step.twist {
            224..=232 => fields.statement = pick(&self.requests, step.c).map_or(statement, |(_, other)| other),
            233..=238 => fields.policy = fields.policy.wrapping_sub(1),
            239..=241 => fields.request = RequestId::from_random([3; 16]),
            _ => {}
        }
        let (signed, _) = self.sign(face.key, &fields, step);
        let decided = domain::event::Decided { fields, signed };
        let as_said = decided.fields.decision == Decision::Approve;
        let event =
            if as_said == (step.twist < 253) { Event::ApprovalGiven(decided) } else { Event::RequestRefused(decided) };
        self.offer_twisted(event, step).map(drop)
    }

    fn open(&mut self, step: &Step) -> Result<(), Broken> {
        let newest: Vec<_> = self.grants.iter().rev().take(4).copied().collect();
        let Some(grant) = pick(&newest, step.a) else { return Ok(()) };
        let holder = self.world.state.passage.grants.get(&grant).map(|g| g.request.fields.beneficiary);
        let holders: Vec<Face> = self.faces.iter().filter(|f| Some(f.persona) == holder).copied().collect();
        let face = if step.b < 200 { pick(&holders, step.who).unwrap_or(self.who(step)) } else { self.who(step) };
        self.open_as(&face, grant, step)
    }

    fn open_as(&mut self, face: &Face, grant: GrantId, step: &Step) -> Result<(), Broken> {
        let mut opened = self.world.passage(face, grant);
        if let Ok(standing) = still_stands(&self.world.state, &grant, self.world.at()) {
            opened.channels = standing.channels;
            opened.record_input = standing.record_input;
        }
        let now = self.world.at();
        match step.twist {
            224..=226 => opened.serial = opened.serial.wrapping_sub(1),
            227..=229 => opened.valid = Window::new(now, now.plus(seconds(61))).expect("too long"),
            230..=232 => opened.account = pick(&self.accounts, step.c).unwrap_or(opened.account),
            233..=234 => opened.channels = BTreeSet::from([Channel::Shell, Channel::Exec]),
            235..=236 => opened.principal = domain::motion::Principal::of_errands(&self.targets[0]),
            237..=238 => opened.subject = self.world.pen.public(face.key),
            239..=240 => opened.session = pick(&self.sessions, step.c).unwrap_or(opened.session),
            241 => opened.subject = self.world.pen.public(crate::world::CA_KEY),
            242 => opened.grant = GrantId::from_random([4; 16]),
            _ => {}
        }
        let session = opened.session;
        if self.offer_twisted(Event::SessionOpened(opened), step)?.is_some() {
            self.sessions.push(session);
        }
        Ok(())
    }

    /// As the product is used, so that the rest happens to something.
    fn honest_passage(&mut self, step: &Step) -> Result<(), Broken> {
        let asker = if step.who.is_multiple_of(2) { self.shop.operator } else { self.shop.colleague };
        let account = pick(&self.accounts, step.a).expect("there are always accounts");
        let mut fields = self.world.request_fields(&asker, account, hours(1 + u64::from(step.b % 4)));
        let holder = if step.who < 200 { asker } else { self.shop.officer };
        fields.beneficiary = holder.persona;
        let (signed, statement) = self.world.sign(asker.key, &fields);
        let request = fields.request;
        if self
            .offer(Event::RequestFiled(RequestFiled { fields, filing: Filing::Signed(signed), statement }))?
            .is_none()
        {
            return Ok(());
        }
        self.requests.push((request, statement));
        let before = self.grants.len();
        for approver in [self.shop.lead, self.shop.officer] {
            if approver == self.shop.officer {
                match step.c {
                    0..=39 => break,
                    40..=69 => self.something_happens_to(self.shop.lead, step.c)?,
                    _ => {}
                }
            }
            let fields = self.world.decision_fields(&approver, request, Decision::Approve);
            let event = self.world.decision(approver.key, fields);
            self.offer(event)?;
        }
        match self.grants.get(before).copied() {
            Some(grant) if step.twist < 200 => self.open_as(&holder, grant, &Step { twist: 0, ..*step }),
            _ => Ok(()),
        }
    }

    fn something_happens_to(&mut self, face: Face, what: u8) -> Result<(), Broken> {
        let reason = self.world.dice.commit();
        let deed = match what % 3 {
            0 => Deed::PersonFreeze { person: face.person, reason },
            1 => Deed::PersonLeave { person: face.person },
            _ => Deed::GroupLeave { group: label("leads"), person: face.person },
        };
        let event = self.world.deed_event(&self.world.founders[1].clone(), deed);
        self.offer(event).map(drop)
    }

    fn end_session(&mut self, step: &Step) -> Result<(), Broken> {
        let Some(session) = pick(&self.sessions, step.a) else { return Ok(()) };
        let (ended, chain) = (self.world.at(), self.world.dice.hash());
        let ended = SessionEnded {
            session,
            ending: SessionEnding::ClientLeft,
            ended,
            chunks: 3,
            chain,
            complete: true,
            bytes: 1_000,
        };
        self.offer_twisted(Event::SessionEnded(ended), step).map(drop)
    }

    fn make_grant(&mut self, step: &Step) -> Result<(), Broken> {
        let Some((request, _)) = pick(&self.requests, step.a) else { return Ok(()) };
        let grant = match pick(&self.grants, step.b) {
            Some(old) if step.twist > 200 => old,
            _ => GrantId::from_random(self.world.dice.bytes()),
        };
        self.offer_twisted(Event::GrantMade(GrantMade { grant, request }), step).map(drop)
    }

    fn own_entry(&mut self, step: &Step) -> Result<(), Broken> {
        let event = match step.a % 3 {
            0 => Event::EngineStarted(EngineStarted { fold: 1 }),
            1 => Event::RecordingAnchored(RecordingAnchored { root: self.world.dice.hash(), recordings: 2 }),
            _ => Event::RefusalRecorded(domain::event::RefusalRecorded {
                code: RefusalCode::NoRule,
                attempt: domain::event::Attempt::Request,
                about: None,
            }),
        };
        self.offer_twisted(event, step).map(drop)
    }

    fn errand(&mut self, step: &Step) -> Result<(), Broken> {
        let target = pick(&self.targets, step.a).expect("there are always targets");
        let mut errand = self.world.errand(target);
        match step.twist {
            230..=239 => {
                errand.principal =
                    self.world.state.estate.accounts.values().next().map_or(errand.principal, |a| a.principal.clone())
            }
            240..=249 => errand.subject = self.world.pen.public(self.shop.operator.key),
            _ => {}
        }
        let id = errand.errand;
        if self.offer_twisted(Event::ErrandOpened(errand), step)?.is_some() {
            self.errands.push(id);
        }
        let outcome = match step.b {
            0..=180 => ErrandOutcome::Clock { offset_ms: i64::from(step.c) },
            181..=210 => ErrandOutcome::Clock { offset_ms: i64::MIN },
            211..=230 => ErrandOutcome::NotPinned,
            _ => ErrandOutcome::Unreachable,
        };
        let Some(errand) = pick(&self.errands, step.c) else { return Ok(()) };
        self.offer(Event::ErrandEnded(ErrandEnded { errand, outcome, recorded: None })).map(drop)
    }

    fn doubt(&mut self, step: &Step) -> Result<(), Broken> {
        let expected = self.world.at();
        self.offer(Event::ClockDoubted(ClockDoubted { expected, found: expected.plus(hours(24)) }))?;
        if step.twist < 220 {
            let time = self.world.at().plus(seconds(u64::from(step.b) * 2));
            self.carry_by(self.shop.lead, self.shop.officer, Act::ClockConfirm { time }, &Step { twist: 0, ..*step })?;
            let [one, other] = self.world.founders;
            let time = self.world.at();
            self.carry_by(one, other, Act::ClockConfirm { time }, &Step { twist: 0, ..*step })?;
        }
        Ok(())
    }

    fn replay(&mut self, step: &Step) -> Result<(), Broken> {
        let place = usize::from(step.a) * 256 + usize::from(step.b);
        let Some((event, actor)) = self.past.get(place.checked_rem(self.past.len()).unwrap_or(0)).cloned() else {
            return Ok(());
        };
        self.offer_as(event, actor).map(drop)
    }

    fn recover(&mut self, step: &Step) -> Result<(), Broken> {
        match step.b {
            0..=120 => {
                let face = pick(&self.faces, step.a).expect("there are always people");
                self.recoveries.retain(|known| self.world.state.recoveries.contains_key(known));
                let human =
                    if step.c < 128 { face.human } else { pick(&self.faces, step.c).map_or(face.human, |f| f.human) };
                let (started, new) = self.world.recovery(&face, human);
                let recovery = started.fields.recovery;
                if self.offer_twisted(Event::RecoveryStarted(started), step)?.is_some() {
                    self.recoveries.push(recovery);
                    self.faces.push(new);
                }
                Ok(())
            }
            121..=180 => {
                let Some(recovery) = pick(&self.recoveries, step.a) else { return Ok(()) };
                let face = self.who(step);
                self.sign_deed(&face, Deed::RecoveryObject { recovery }, step)
            }
            _ => {
                let Some(recovery) = self.recoveries.last().copied() else { return Ok(()) };
                if step.c > 60 {
                    self.world.tick(hours(2));
                }
                self.offer_twisted(Event::RecoveryCompleted(RecoveryCompleted { recovery }), step).map(drop)
            }
        }
    }
}

/// Acts of two.
impl<P: Pen> Play<P> {
    fn act(&mut self, step: &Step) -> (Act, Option<Face>) {
        let face = pick(&self.faces, step.b).expect("there are always people");
        let other = pick(&self.faces, step.c).expect("there are always people");
        match step.a {
            0..=15 => {
                let human = self.world.new_human();
                with_face(self.world.person_add(human, PersonaKind::Admin))
            }
            // A sock puppet: a new record for a human who has one.
            16..=45 => with_face(self.world.person_add(face.human, PersonaKind::Admin)),
            46..=65 => {
                let kind = if step.c.is_multiple_of(4) { PersonaKind::Research } else { PersonaKind::Admin };
                let human = if step.c % 5 == 4 { other.human } else { face.human };
                with_face(self.world.persona_add(face.person, human, kind))
            }
            66..=80 => {
                let human = if step.c % 5 == 4 { other.human } else { face.human };
                with_face(self.world.key_enrol(&face, human))
            }
            81..=135 => {
                (Act::GroupJoin { group: label(GROUPS[usize::from(step.c) % GROUPS.len()]), person: face.person }, None)
            }
            136..=155 => (Act::IdentityLink { one: face.person, other: other.person }, None),
            156..=185 => (Act::PersonThaw { person: face.person }, None),
            186..=190 => {
                let zone = if step.b < 128 { "shop" } else { "crown" };
                (self.world.target_add(&format!("t{}", step.c), zone, step.b % 3).0, None)
            }
            191..=195 => {
                let host_keys = BTreeSet::from([self.world.pen.public(face.key)]);
                (Act::TargetPin { target: pick(&self.targets, step.c).expect("there are targets"), host_keys }, None)
            }
            196..=205 => {
                let target = pick(&self.targets, step.b).expect("there are targets");
                (
                    self.world
                        .account_add(
                            target,
                            &format!("app{}", step.c % 4),
                            AccountClass::ApplicationMaster,
                            face.person,
                        )
                        .0,
                    None,
                )
            }
            206..=240 => (Act::PolicySet { policy: self.policy(step) }, None),
            241..=245 => (Act::ClockConfirm { time: self.world.at() }, None),
            // Somebody's key again, for somebody else.
            246..=250 => {
                let (mut act, _) = self.world.person_add(face.human, PersonaKind::Admin);
                if let Act::PersonAdd { key, .. } = &mut act {
                    *key = self.world.pen.public(other.key);
                }
                (act, None)
            }
            251..=255 => {
                let (mut act, _) = self.world.person_add(face.human, PersonaKind::Admin);
                if let Act::PersonAdd { person, .. } = &mut act {
                    *person = other.person;
                }
                (act, None)
            }
        }
    }

    fn policy(&mut self, step: &Step) -> Policy {
        let shop = rule("shop", "operators", "shop", "leads", 1);
        let crown = rule("crown", "operators", "crown", "leads", 2);
        let mut rules = vec![shop, crown];
        match step.b % 16 {
            0..=3 => {}
            4 => rules[0].approvals = 2,
            5 => rules[0].approvers = label("security"),
            6 => rules[0].longest_s = 3_600,
            7 => rules[0].channels = BTreeSet::from([Channel::Exec]),
            8 => rules.push(rule("strict", "leads", "shop", "security", 1)),
            9 => rules[0].accounts = Selector::default(),
            10 => rules[0].approvals = 0,
            11 => rules.truncate(1),
            12 => {
                rules[1].accounts =
                    Selector { tier: Some(0), class: Some(AccountClass::OsSuperuser), ..Selector::default() }
            }
            13 => {
                rules[1].accounts =
                    Selector { accounts: self.accounts.iter().copied().collect(), ..Selector::default() }
            }
            14 => rules.push(rule("all", "administrators", "shop", "administrators", 1)),
            _ => rules.clear(),
        }
        let mut policy = self.world.next_policy(rules);
        match step.twist {
            240..=245 => policy.version = policy.version.saturating_sub(1),
            246..=250 => policy.version += u64::from(step.c),
            _ => {}
        }
        policy
    }

    fn move_motion(&mut self, by: &Face, act: Act, step: &Step) -> Result<Option<(MotionId, Hash)>, Broken> {
        let mut fields = MotionFields {
            motion: MotionId::from_random(self.world.dice.bytes()),
            proposer: self.persona(by, step),
            act,
        };
        if (224..=228).contains(&step.twist) {
            fields.motion = pick(&self.motions, step.c).map_or(fields.motion, |(id, _)| id);
        }
        let (signed, statement) = self.sign(by.key, &fields, step);
        let motion = fields.motion;
        let written = self.offer_twisted(Event::MotionFiled(MotionFiled { fields, signed, statement }), step)?;
        Ok(written.map(|_| {
            self.motions.push((motion, statement));
            (motion, statement)
        }))
    }

    fn propose(&mut self, step: &Step) -> Result<(), Broken> {
        let (act, face) = self.act(step);
        let by = self.who(step);
        if self.move_motion(&by, act, step)?.is_some() {
            self.faces.extend(face);
        }
        Ok(())
    }

    fn second(&mut self, step: &Step) -> Result<(), Broken> {
        let newest: Vec<_> = self.motions.iter().rev().take(6).copied().collect();
        let Some(motion) = pick(&newest, step.a) else { return Ok(()) };
        let by = self.who(step);
        self.second_by(&by, motion, step)
    }

    fn second_by(&mut self, by: &Face, (motion, statement): (MotionId, Hash), step: &Step) -> Result<(), Broken> {
        let mut fields = SecondFields { motion, statement, seconder: self.persona(by, step) };
        if (224..=228).contains(&step.twist) {
            fields.statement = pick(&self.motions, step.c).map_or(statement, |(_, other)| other);
        }
        let (signed, _) = self.sign(by.key, &fields, step);
        let event = Event::MotionCarried(domain::event::MotionCarried { fields, signed });
        let Some(_) = self.offer_twisted(event, step)? else { return Ok(()) };
        self.accounts = self.world.state.estate.accounts.keys().copied().collect();
        self.targets = self.world.state.estate.targets.keys().copied().collect();
        Ok(())
    }

    fn carry_by(&mut self, one: Face, other: Face, act: Act, step: &Step) -> Result<(), Broken> {
        match self.move_motion(&one, act, step)? {
            Some(motion) => self.second_by(&other, motion, step),
            None => Ok(()),
        }
    }

    /// Proposed and seconded at once by two of the administrators, or by two faces of one human.
    fn carry(&mut self, step: &Step) -> Result<(), Broken> {
        let [one, other] = self.world.founders;
        let pool = [one, other, self.shop.lead, self.shop.officer];
        let first = pick(&pool, step.who).expect("four administrators");
        let second = pick(&pool, step.who / 4 + step.who % 4 + 1).expect("four administrators");
        let alone: Vec<Face> =
            self.faces.iter().filter(|f| f.human == first.human && f.key != first.key).copied().collect();
        let (act, face) = self.act(step);
        let second = if step.who > 200 { pick(&alone, step.c).unwrap_or(second) } else { second };
        self.faces.extend(face);
        self.carry_by(first, second, act, step)
    }
}

fn with_face((act, face): (Act, Face)) -> (Act, Option<Face>) {
    (act, Some(face))
}

/// Acts of one.
impl<P: Pen> Play<P> {
    fn deed(&mut self, step: &Step) -> Result<(), Broken> {
        let by = self.who(step);
        let about = pick(&self.faces, step.b).expect("there are always people");
        let grant = pick(&self.grants, step.b).unwrap_or(GrantId::from_random([1; 16]));
        let session = pick(&self.sessions, step.b).unwrap_or(SessionId::from_random([1; 16]));
        let reason = self.world.dice.commit();
        let deed = match step.a {
            0..=14 => Deed::RequestWithdraw {
                request: pick(&self.requests, step.b).map_or(RequestId::from_random([1; 16]), |(id, _)| id),
            },
            15..=29 => Deed::GrantReturn { grant },
            30..=59 => Deed::GrantRevoke { grant, reason },
            60..=69 => Deed::MotionWithdraw {
                motion: pick(&self.motions, step.b).map_or(MotionId::from_random([1; 16]), |(id, _)| id),
            },
            70..=99 => Deed::PersonFreeze { person: about.person, reason },
            100..=109 => {
                let frozen = self.faces.iter().find(|f| self.world.state.people.is_suspect(&f.person));
                Deed::PersonLeave {
                    person: if step.twist < 90 { frozen.map_or(about.person, |f| f.person) } else { about.person },
                }
            }
            110..=149 => {
                Deed::GroupLeave { group: label(GROUPS[usize::from(step.c) % GROUPS.len()]), person: about.person }
            }
            150..=169 => {
                let human = if step.c % 4 == 3 { about.human } else { by.human };
                let (deed, face) = self.world.key_add(&by, human);
                self.faces.push(face);
                deed
            }
            170..=184 => Deed::KeyRetire { key: self.world.pen.public(about.key).fingerprint() },
            185..=199 => Deed::SessionFreeze { session, reason },
            200..=214 => Deed::SessionThaw { session },
            215..=229 => Deed::SessionKill { session, reason },
            230..=244 => Deed::ReplayPermit {
                session,
                purpose: self.world.dice.commit(),
                reader: SuiteKey::new(&[1; 33]).expect("33 bytes"),
            },
            245..=255 => Deed::RecoveryObject {
                recovery: pick(&self.recoveries, step.b).unwrap_or(RecoveryId::from_random([1; 16])),
            },
        };
        self.sign_deed(&by, deed, step)
    }

    fn sign_deed(&mut self, by: &Face, deed: Deed, step: &Step) -> Result<(), Broken> {
        let fields = DeedFields { by: self.persona(by, step), deed };
        let (signed, _) = self.sign(by.key, &fields, step);
        self.offer_twisted(Event::Deed(domain::event::DeedDone { fields, signed }), step).map(drop)
    }
}

/// Keeps the compiler from forgetting that a refusal is a value.
pub fn code(outcome: Result<impl Sized, Refusal>) -> Option<RefusalCode> {
    outcome.err().map(|refusal| refusal.code())
}
