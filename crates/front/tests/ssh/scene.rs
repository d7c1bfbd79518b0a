//! An installation with a real target behind it and a real client before it.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use channel::front::SessionTerms;
use domain::people::PersonaKind;
use domain::{AccountId, GrantId, Refusal};
use front::{Config, Phrases};
use gateway_ssh::gate::Language;
use gateway_ssh::server::Ciphers;
use russh::keys::PrivateKey;
use russh::keys::ssh_key::{LineEnding, private::Ed25519Keypair};
use testkit::{Settings, SshClient, Sshd, Target};
use tokio::sync::watch;
use worlds::{Db1, Someone, World};

pub(crate) struct Scene {
    pub(crate) world: World,
    _sshd: Sshd,
    pub(crate) client: SshClient,
    pub(crate) user: String,
    pub(crate) gate: u16,
    pub(crate) operator: Someone,
    pub(crate) owner: Someone,
    pub(crate) account: AccountId,
    identity: PathBuf,
    pub(crate) stop: watch::Sender<bool>,
}

struct Plain;

impl Phrases for Plain {
    fn refusal(&self, refusal: &Refusal, _: Language) -> (String, Option<String>) {
        (refusal.to_string(), None)
    }

    fn notice(&self, terms: &SessionTerms, _: Language) -> Vec<String> {
        vec![format!("this session is recorded: {}", terms.purpose)]
    }
}

impl Scene {
    pub(crate) async fn set() -> Self {
        let (world, founder, other) = World::founded().await;
        let operator = world.add_person(&founder, &other, PersonaKind::Admin, &["operators"]).await;
        let owner = world.add_person(&founder, &other, PersonaKind::Admin, &["owners"]).await;
        let (sshd, user) = (Sshd::start(&Settings::default()).unwrap(), testkit::process::user().unwrap());
        let at = Db1 {
            host_key: sshd.host_key().parse().unwrap(),
            address: &format!("127.0.0.1:{}", sshd.port()),
            login: &user,
        };
        let (target, account) = world.add_db1(&founder, &other, at).await;
        let state = world.engine.state();
        sshd.trust(&state.founding.as_ref().unwrap().ca_key.to_openssh()).unwrap();
        let (person, errand) = (
            state.estate.accounts.get(&account).unwrap().principal.clone(),
            domain::motion::Principal::of_errands(&target),
        );
        sshd.admit(&user, &[person.as_str(), errand.as_str()]).unwrap();
        let (gate, stop) = start_front(&world).await;
        let client = SshClient::new(world.dir.path(), "").unwrap();
        let host_key = std::fs::read_to_string(world.dir.path().join("front/ssh_host_ed25519_key.pub")).unwrap();
        client.know(gate.port(), host_key.trim()).unwrap();
        let identity = write_key(&world, &operator, "operator");
        let scene =
            Self { world, _sshd: sshd, client, user, gate: gate.port(), operator, owner, account, identity, stop };
        scene.wait_for_probe(target).await;
        scene
    }

    async fn wait_for_probe(&self, target: domain::TargetId) {
        let mut sizes = self.world.engine_sizes();
        let seen = async {
            while self.world.engine.state().estate.targets.get(&target).unwrap().clock_offset_ms.is_none() {
                sizes.changed().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(30), seen).await.expect("the target's clock is looked at");
    }

    pub(crate) async fn grant(&self, length: Duration) -> GrantId {
        let (request, statement) =
            self.world.request_for(&self.operator, self.account, "rotate WAL archive, CHG-142", length).await.unwrap();
        self.world.approve(&self.owner, request, statement).await.unwrap().grant.unwrap()
    }

    /// `ssh USER@db1@gate …` as the operator.
    pub(crate) fn ssh(&self) -> Command {
        self.client.to(&format!("{}@db1", self.user), self.gate, &self.identity)
    }

    pub(crate) async fn run(&self, mut command: Command, limit: Duration) -> Output {
        tokio::task::spawn_blocking(move || testkit::process::output_within(&mut command, limit).unwrap())
            .await
            .unwrap()
    }

    pub(crate) fn recordings(&self, sub: &str) -> usize {
        let files = std::fs::read_dir(self.world.dir.path().join("recordings").join(sub)).unwrap();
        files.filter(|f| f.as_ref().unwrap().path().extension().is_some_and(|e| e == "skmrec")).count()
    }

    pub(crate) fn identity_of(&self, who: &Someone, name: &str) -> PathBuf {
        write_key(&self.world, who, name)
    }
}

async fn start_front(world: &World) -> (SocketAddr, watch::Sender<bool>) {
    let dir = world.dir.path();
    let config = Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        engine_socket: dir.join("front.sock"),
        api_socket: dir.join("api.sock"),
        own: dir.join("front"),
        live: dir.join("recordings/live"),
        language: Language::English,
        ciphers: Ciphers::Fast,
        ends: dir.join("front.ends"),
        reserve: 1 << 20,
    };
    let (stop, stopped) = watch::channel(false);
    let (ready, listening) = tokio::sync::oneshot::channel();
    let run = front::run(config, Arc::new(Plain), stopped, move |address| {
        let _gone = ready.send(address);
    });
    tokio::spawn(async move { run.await.unwrap() });
    (listening.await.unwrap(), stop)
}

fn write_key(world: &World, who: &Someone, name: &str) -> PathBuf {
    let path = world.dir.path().join(format!("{name}.key"));
    let key = PrivateKey::from(Ed25519Keypair::from_seed(&who.seed));
    std::fs::write(&path, key.to_openssh(LineEnding::LF).unwrap().as_bytes()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}
