//! Founded installations in a temporary folder, for tests and benches: keeper on its own thread, engine serving, persons with software keys.
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "support for tests: what fails here fails the test"
)]

use std::collections::BTreeSet;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener as StdListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use channel::api::{ApiAnswer, ApiAsk, Challenge, Opening, Query, Receipt, Submission, View};
use channel::front::{ErrandTerms, FromFront, FrontAnswer, FrontAsk, OpenAsk, Setup, ToFront};
use channel::{Greeting, Role, frame};
use domain::committed::{Address, Committed, PersonName, Purpose, Text};
use domain::event::{ErrandOutcome, Founded, Founder, Founding, RecoverySetup};
use domain::motion::{AccountClass, AccountName, Act, ErrandKind, Errands, Principal};
use domain::people::PersonaKind;
use domain::rule::{Channel, Policy, RecordInput, Rule, Selector};
use domain::statement::{
    Decision, DecisionFields, Deed, DeedFields, HelloFields, MotionFields, Possession, PossessionFields, RequestFields,
    SecondFields, Signed, Statement,
};
use domain::time::TimeError;
use domain::{
    AccountId, MotionId, Nonce, PersonId, PersonaId, Refusal, RequestId, SessionId, SuiteKey, TargetId, Timestamp,
    Window,
};
use engine::clock::{Clock, SystemClock};
use engine::{Config, Engine, Local, Places, random};
use envelope::Salt;
use keeper::{Keeper, KeySet, Memory, Protection};
use ledger::Hash;
use sshwire::{PublicKey, SoftSigner};
use tempfile::TempDir;
use tokio::net::{UnixListener, UnixStream};

/// A clock that a test sets: real time, and what was added to wall and boot time.
#[derive(Debug, Clone, Default)]
pub struct SetClock {
    wall_s: Arc<AtomicI64>,
    boot_s: Arc<AtomicI64>,
}

impl SetClock {
    /// Time passes: wall and boot together.
    pub fn pass(&self, seconds: i64) {
        self.set_wall(seconds);
        self.boot_s.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Somebody sets the wall clock.
    pub fn set_wall(&self, seconds: i64) {
        self.wall_s.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn wall(&self) -> Timestamp {
        let micros = SystemClock.wall().micros() + self.wall_s.load(Ordering::SeqCst) * 1_000_000;
        Timestamp::from_micros(micros).unwrap()
    }

    fn boot(&self) -> Duration {
        SystemClock.boot() + Duration::from_secs(u64::try_from(self.boot_s.load(Ordering::SeqCst)).unwrap())
    }
}

impl keeper::Clock for SetClock {
    fn now(&self) -> Result<Timestamp, TimeError> {
        Ok(self.wall())
    }
}

#[derive(Debug)]
pub struct World {
    pub clock: SetClock,
    pub dir: TempDir,
    pub engine: Arc<Engine>,
    pub origin: domain::event::OriginName,
    serving: tokio::task::JoinHandle<()>,
}

/// Where db1 is, and the account on it.
#[derive(Debug)]
pub struct Db1<'a> {
    pub host_key: PublicKey,
    pub address: &'a str,
    pub login: &'a str,
}

/// A person with one key.
#[derive(Debug)]
pub struct Someone {
    pub person: PersonId,
    pub persona: PersonaId,
    pub signer: SoftSigner,
    /// Of the key, for those who write it to a file.
    pub seed: [u8; 32],
}

impl Default for Someone {
    fn default() -> Self {
        Self::new()
    }
}

impl Someone {
    pub fn new() -> Self {
        let seed = random::bytes();
        Self {
            person: PersonId::from_random(random::bytes()),
            persona: PersonaId::from_random(random::bytes()),
            signer: SoftSigner::from_seed(&seed),
            seed,
        }
    }

    pub fn key(&self) -> PublicKey {
        self.signer.public_key().clone()
    }

    pub fn possession(&self, origin: &domain::event::OriginName) -> Possession {
        let nonce = Nonce::from_random(random::bytes());
        let fields = PossessionFields { person: self.person, persona: self.persona, key: self.key() };
        let bytes = tegata::statement::possession_bytes(origin, &fields, nonce);
        Possession { nonce, signature: self.signer.sshsig(PossessionFields::NAME, &bytes) }
    }
}

pub fn opening<T: Text>(value: &str) -> (Committed<T>, Opening) {
    let salt = Salt::random();
    let hash = Hash::from_bytes(envelope::commit(T::KIND, &salt, value.as_bytes()));
    (Committed::from_hash(hash), Opening { kind: T::KIND.to_owned(), salt, value: value.to_owned() })
}

impl World {
    /// Keeper and engine, founded by two persons.
    pub async fn founded() -> (Self, Someone, Someone) {
        let _already = tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_test_writer().try_init();
        let dir = tempfile::tempdir().unwrap();
        let keys = KeySet::generate();
        let public = keys.public();
        std::fs::DirBuilder::new().mode(0o700).create(dir.path().join("keeper")).unwrap();
        keys.store(&dir.path().join("keeper"), Protection::Plain).unwrap();
        let clock = SetClock::default();
        start_keeper(dir.path(), clock.clone());
        let origin: domain::event::OriginName = "gate.example/test".parse().unwrap();
        let (engine, serving) = start_engine(dir.path(), &clock);
        let world = Self { clock, dir, engine, origin: origin.clone(), serving };
        let (one, two) = (Someone::new(), Someone::new());
        let named = |who: &Someone, name: &str| {
            let (committed, opening) = opening::<PersonName>(name);
            (Founder { person: who.person, persona: who.persona, name: committed, key: who.key() }, opening)
        };
        let ((first, a), (second, b)) = (named(&one, "founder one"), named(&two, "founder two"));
        let recovery = RecoverySetup {
            key: SoftSigner::from_seed(&random::bytes()).public_key().clone(),
            shares: 5,
            threshold: 3,
            delay_s: 3600,
        };
        let reading_key = SuiteKey::new(public.reading.bytes()).unwrap();
        let clock_now = world.clock.wall();
        let founding = Founding {
            origin,
            log_key: public.log.clone(),
            ca_key: public.ca.clone(),
            reading_key,
            recovery,
            founders: vec![first, second],
            created: clock_now,
        };
        let bytes = tegata::statement::founding_bytes(&founding);
        let signatures = [&one, &two].map(|who| who.signer.sshsig(Founding::NAME, &bytes)).to_vec();
        let mut anybody = Client::connect(&world).await;
        let sealed =
            anybody.ask(ApiAsk::InitSeal { founded: Founded { founding, signatures }, openings: vec![a, b] }).await;
        assert!(matches!(sealed, ApiAnswer::Receipt(_)), "{sealed:?}");
        (world, one, two)
    }

    /// Told of every new size of the ledger.
    pub fn engine_sizes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.engine.sizes()
    }

    pub async fn client(&self, who: &Someone) -> Client {
        let mut client = Client::connect(self).await;
        let expires = client.challenge.now.plus(Duration::from_secs(300));
        let fields = HelloFields { challenge: client.challenge.nonce, key: who.key() };
        let bytes = tegata::statement::bytes(&self.origin, &fields, client.challenge.nonce, expires);
        let signature = who.signer.sshsig(HelloFields::NAME, &bytes);
        let answer = client.ask(ApiAsk::Hello { key: who.key(), expires, signature }).await;
        assert!(matches!(answer, ApiAnswer::Welcome(_)), "{answer:?}");
        client
    }

    pub fn sign<S: Statement>(&self, who: &Someone, fields: &S) -> Signed {
        let (nonce, expires) = (Nonce::from_random(random::bytes()), self.clock.wall().plus(Duration::from_secs(600)));
        let bytes = tegata::statement::bytes(&self.origin, fields, nonce, expires);
        Signed { key: who.key().fingerprint(), nonce, expires, signature: who.signer.sshsig(S::NAME, &bytes) }
    }

    /// Proposed by one, seconded by the other.
    pub async fn enact(&self, one: &Someone, two: &Someone, act: Act, openings: Vec<Opening>) {
        let fields = MotionFields { motion: MotionId::from_random(random::bytes()), proposer: one.persona, act };
        let signed = self.sign(one, &fields);
        let statement = tegata::statement::hash(&tegata::statement::signed_bytes(&self.origin, &fields, &signed));
        let motion = fields.motion;
        self.client(one).await.submit(Submission::Motion { fields, signed }, openings).await.unwrap();
        let fields = SecondFields { motion, statement, seconder: two.persona };
        let signed = self.sign(two, &fields);
        self.client(two).await.submit(Submission::Second { fields, signed }, vec![]).await.unwrap();
    }

    pub async fn add_person(&self, one: &Someone, two: &Someone, kind: PersonaKind, groups: &[&str]) -> Someone {
        let who = Someone::new();
        let (name, text) = opening::<PersonName>("somebody in a role");
        let act = Act::PersonAdd {
            person: who.person,
            name,
            persona: who.persona,
            kind,
            key: who.key(),
            possession: who.possession(&self.origin),
        };
        self.enact(one, two, act, vec![text]).await;
        for group in groups {
            self.enact(one, two, Act::GroupJoin { group: group.parse().unwrap(), person: who.person }, vec![]).await;
        }
        who
    }

    /// `login@db1`, which operators ask for and owners approve; errands use the same account.
    pub async fn add_db1(&self, one: &Someone, two: &Someone, at: Db1<'_>) -> (TargetId, AccountId) {
        let Db1 { host_key, address, login } = at;
        let (target, account) = (TargetId::from_random(random::bytes()), AccountId::from_random(random::bytes()));
        let (address, text) = opening::<Address>(address);
        let errands = Errands { kinds: BTreeSet::from([ErrandKind::Probe]), login: login.parse().unwrap() };
        let act = Act::TargetAdd {
            target,
            label: "db1".parse().unwrap(),
            zone: "server".parse().unwrap(),
            tier: 0,
            address,
            host_keys: BTreeSet::from([host_key]),
            errands,
        };
        self.enact(one, two, act, vec![text]).await;
        let principal = Principal::from_random(random::bytes());
        let act = Act::AccountAdd {
            account,
            target,
            name: AccountName::Shared(login.parse().unwrap()),
            class: AccountClass::OsSuperuser,
            owner: one.person,
            principal,
        };
        self.enact(one, two, act, vec![]).await;
        let rule = Rule {
            name: "db".parse().unwrap(),
            requesters: "operators".parse().unwrap(),
            accounts: Selector { zone: Some("server".parse().unwrap()), ..Selector::default() },
            approvers: "owners".parse().unwrap(),
            approvals: 1,
            longest_s: 3600,
            channels: BTreeSet::from([Channel::Shell, Channel::Exec]),
        };
        let policy = Policy { version: 1, rules: vec![rule], pending_limit_s: 3600, record_input: RecordInput::Never };
        self.enact(one, two, Act::PolicySet { policy }, vec![]).await;
        (target, account)
    }

    pub async fn request(
        &self,
        who: &Someone,
        account: AccountId,
        purpose: &str,
    ) -> Result<(RequestId, Hash), Refusal> {
        self.request_for(who, account, purpose, Duration::from_secs(600)).await
    }

    pub async fn request_for(
        &self,
        who: &Someone,
        account: AccountId,
        purpose: &str,
        length: Duration,
    ) -> Result<(RequestId, Hash), Refusal> {
        let (committed, text) = opening::<Purpose>(purpose);
        let from = self.clock.wall();
        let fields = RequestFields {
            request: RequestId::from_random(random::bytes()),
            requester: who.persona,
            beneficiary: who.persona,
            account,
            window: Window::new(from, from.plus(length)).unwrap(),
            channels: BTreeSet::from([Channel::Shell, Channel::Exec]),
            purpose: committed,
            policy: 1,
        };
        let signed = self.sign(who, &fields);
        let statement = tegata::statement::hash(&tegata::statement::signed_bytes(&self.origin, &fields, &signed));
        let request = fields.request;
        self.client(who)
            .await
            .submit(Submission::Request { fields, signed }, vec![text])
            .await
            .map(|_| (request, statement))
    }

    pub async fn approve(&self, who: &Someone, request: RequestId, statement: Hash) -> Result<Receipt, Refusal> {
        let fields = DecisionFields {
            request,
            statement,
            approver: who.persona,
            decision: Decision::Approve,
            reason: None,
            policy: 1,
        };
        let signed = self.sign(who, &fields);
        self.client(who).await.submit(Submission::Decision { fields, signed }, vec![]).await
    }

    pub async fn deed(&self, who: &Someone, deed: Deed, openings: Vec<Opening>) -> Result<Receipt, Refusal> {
        let fields = DeedFields { by: who.persona, deed };
        let signed = self.sign(who, &fields);
        self.client(who).await.submit(Submission::Deed { fields, signed }, openings).await
    }

    pub async fn view(&self, who: &Someone, query: Query) -> View {
        match self.client(who).await.ask(ApiAsk::Read(query)).await {
            ApiAnswer::View(view) => view,
            other => panic!("{other:?}"),
        }
    }

    /// Stops engine, as a restart would.
    pub async fn restart_engine(self) -> Self {
        self.restart_engine_after(|_| ()).await
    }

    /// As [`World::restart_engine`]; what `meanwhile` does to the clock no running engine sees.
    pub async fn restart_engine_after(mut self, meanwhile: impl FnOnce(&SetClock)) -> Self {
        self.serving.abort();
        self.engine.stop().await;
        meanwhile(&self.clock);
        let path = self.dir.path().to_owned();
        drop(self.engine);
        for attempt in 0..200 {
            match try_start_engine(&path, &self.clock) {
                Ok((engine, serving)) => {
                    self.engine = engine;
                    self.serving = serving;
                    return self;
                }
                Err(error) if attempt == 199 => panic!("{error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        unreachable!("the loop returns or panics")
    }
}

fn start_keeper(dir: &std::path::Path, clock: SetClock) {
    let keys = keeper::KeyFile::read(&dir.join("keeper")).unwrap().open(None).unwrap();
    let memory = Memory::open(&dir.join("keeper")).unwrap();
    let mut keeper = Keeper::new(keys, memory, keeper::Config::default(), clock).unwrap();
    let listener = StdListener::bind(dir.join("keeper.sock")).unwrap();
    let uid = rustix::process::getuid().as_raw();
    std::thread::spawn(move || keeper::serve(&listener, &mut keeper, uid));
}

fn start_engine(dir: &std::path::Path, clock: &SetClock) -> (Arc<Engine>, tokio::task::JoinHandle<()>) {
    try_start_engine(dir, clock).unwrap()
}

fn try_start_engine(
    dir: &std::path::Path,
    clock: &SetClock,
) -> Result<(Arc<Engine>, tokio::task::JoinHandle<()>), engine::StartError> {
    let recordings = dir.join("recordings");
    for sub in ["live", "closed"] {
        std::fs::create_dir_all(recordings.join(sub)).unwrap();
    }
    let config = Config {
        recordings,
        age_recipients: vec![],
        commands_a_second: 10_000.0,
        burst: 10_000.0,
        local: Local::one_user(),
    };
    let engine = Engine::start(
        &Places { ledger: dir.join("ledger"), keeper_socket: dir.join("keeper.sock") },
        config,
        Arc::new(clock.clone()),
    )?;
    for name in ["api.sock", "front.sock"] {
        let _absent = std::fs::remove_file(dir.join(name));
    }
    let (api, front) =
        (UnixListener::bind(dir.join("api.sock")).unwrap(), UnixListener::bind(dir.join("front.sock")).unwrap());
    let serving = engine.clone();
    let serving = tokio::spawn(async move {
        let _ended = serving.serve(api, front).await;
    });
    Ok((engine, serving))
}

#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    pub challenge: Challenge,
}

impl Client {
    pub async fn connect(world: &World) -> Self {
        let mut stream = UnixStream::connect(world.dir.path().join("api.sock")).await.unwrap();
        frame::send(&mut stream, &Greeting::of(Role::Cli)).await.unwrap();
        let greeting: Greeting = frame::receive(&mut stream).await.unwrap();
        greeting.expect(Role::Engine).unwrap();
        let challenge = frame::receive(&mut stream).await.unwrap();
        Self { stream, challenge }
    }

    pub async fn ask(&mut self, ask: ApiAsk) -> ApiAnswer {
        frame::send(&mut self.stream, &ask).await.unwrap();
        frame::receive(&mut self.stream).await.unwrap()
    }

    pub async fn submit(&mut self, what: Submission, openings: Vec<Opening>) -> Result<Receipt, Refusal> {
        match self.ask(ApiAsk::Submit { what, openings }).await {
            ApiAnswer::Receipt(receipt) => Ok(receipt),
            ApiAnswer::Refused(refusal) => Err(refusal),
            other => panic!("{other:?}"),
        }
    }
}

/// A front that asks and obeys, without sockets to the world.
#[derive(Debug)]
pub struct FakeFront {
    stream: UnixStream,
    next: u64,
    pub setup: Option<Setup>,
    pub heard: Vec<ToFront>,
}

impl FakeFront {
    pub async fn connect(world: &World) -> Self {
        let mut stream = UnixStream::connect(world.dir.path().join("front.sock")).await.unwrap();
        frame::send(&mut stream, &Greeting::of(Role::Front)).await.unwrap();
        let _greeting: Greeting = frame::receive(&mut stream).await.unwrap();
        Self { stream, next: 0, setup: None, heard: vec![] }
    }

    pub async fn hear(&mut self) -> ToFront {
        let message: ToFront = tokio::time::timeout(Duration::from_secs(20), frame::receive(&mut self.stream))
            .await
            .expect("engine speaks")
            .unwrap();
        if let ToFront::Setup(setup) = &message {
            self.setup = Some(setup.clone());
        }
        message
    }

    pub async fn ask(&mut self, body: FrontAsk) -> FrontAnswer {
        self.next += 1;
        let id = self.next;
        frame::send(&mut self.stream, &FromFront { id, body }).await.unwrap();
        loop {
            match self.hear().await {
                ToFront::Answer { id: of, body } if of == id => return body,
                other => self.heard.push(other),
            }
        }
    }

    /// Waits for the probe of a target and answers with this offset.
    pub async fn answer_probe(&mut self, offset_ms: i64) {
        self.run_probe(ErrandOutcome::Clock { offset_ms }).await;
    }

    /// Waits for the probe of a target, which then cannot be reached.
    pub async fn fail_probe(&mut self) {
        self.run_probe(ErrandOutcome::Unreachable).await;
    }

    async fn run_probe(&mut self, outcome: ErrandOutcome) {
        let sent = tokio::time::timeout(Duration::from_secs(30), self.sent_errand()).await;
        let terms = sent.expect("engine looks at the target's clock");
        let subject = SoftSigner::from_seed(&random::bytes()).public_key().clone();
        let (errand, recording) = (terms.errand, Hash::of(b"header of an errand's recording"));
        let answer = self.ask(FrontAsk::ErrandReady { errand, subject, recording }).await;
        assert!(matches!(answer, FrontAnswer::ErrandCertified(Ok(_))), "{answer:?}");
        let ended = FrontAsk::ErrandEnded { errand, outcome, recorded: None };
        assert!(matches!(self.ask(ended).await, FrontAnswer::Noted));
    }

    async fn sent_errand(&mut self) -> ErrandTerms {
        loop {
            let earlier = self.heard.iter().position(|m| matches!(m, ToFront::Errand(_)));
            let message = match earlier {
                Some(at) => self.heard.remove(at),
                None => self.hear().await,
            };
            if let ToFront::Errand(terms) = message {
                return *terms;
            }
        }
    }

    /// So many openings asked for before the first answer is read; gives how many opened.
    pub async fn open_many(&mut self, who: &Someone, count: u64) -> u64 {
        let first = self.next + 1;
        for id in first..first + count {
            let body = FrontAsk::Open(Box::new(Self::opening_of(who)));
            frame::send(&mut self.stream, &FromFront { id, body }).await.unwrap();
        }
        self.next += count;
        let (mut answered, mut opened) = (0, 0);
        while answered < count {
            if let ToFront::Answer { body: FrontAnswer::Opened(outcome), .. } = self.hear().await {
                answered += 1;
                opened += u64::from(outcome.is_ok());
            }
        }
        opened
    }

    pub async fn open(&mut self, who: &Someone) -> Result<Box<channel::front::SessionTerms>, Refusal> {
        match self.ask(FrontAsk::Open(Box::new(Self::opening_of(who)))).await {
            FrontAnswer::Opened(outcome) => outcome,
            other => panic!("{other:?}"),
        }
    }

    fn opening_of(who: &Someone) -> OpenAsk {
        OpenAsk {
            session: SessionId::from_random(random::bytes()),
            account: "root".into(),
            target: "db1".into(),
            key: who.key(),
            source: "127.0.0.1".parse().unwrap(),
            subject: SoftSigner::from_seed(&random::bytes()).public_key().clone(),
            recording: Hash::of(b"header"),
            grant: None,
        }
    }
}
