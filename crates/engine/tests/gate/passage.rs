//! From a request to a certificate, and every way in which it must not go.

use std::time::Duration;

use channel::api::{Query, View};
use channel::front::{Anchor, ApproachAsk, EndFact, FrontAnswer, FrontAsk, ToFront};
use domain::Refusal;
use domain::committed::Reason;
use domain::event::SessionEnding;
use domain::people::PersonaKind;
use domain::state::Order;
use domain::statement::Deed;
use engine::random;
use ledger::Hash;
use sshwire::SoftSigner;
use tegata::{Tegata, Trust};

use engine::clock::Clock;

use worlds::{Db1, FakeFront, Someone, World, opening};

pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) front: FakeFront,
    pub(crate) founder: Someone,
    pub(crate) other: Someone,
    pub(crate) operator: Someone,
    pub(crate) owner: Someone,
    pub(crate) account: domain::AccountId,
}

pub(crate) async fn scene() -> Scene {
    let (world, founder, other) = World::founded().await;
    let operator = world.add_person(&founder, &other, PersonaKind::Admin, &["operators"]).await;
    let owner = world.add_person(&founder, &other, PersonaKind::Admin, &["owners"]).await;
    let host_key = SoftSigner::from_seed(&random::bytes()).public_key().clone();
    let (_, account) = world.add_db1(&founder, &other, Db1 { host_key, address: "127.0.0.1:22", login: "root" }).await;
    let mut front = FakeFront::connect(&world).await;
    front.answer_probe(12).await;
    Scene { world, front, founder, other, operator, owner, account }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_approved_by_another_person_opens_a_passage_and_proves_itself() {
    let mut s = scene().await;
    assert_eq!(s.front.open(&s.operator).await.unwrap_err(), Refusal::NoGrant, "nothing opens without a grant");
    let (request, statement) = s.world.request(&s.operator, s.account, "rotate WAL archive, CHG-142").await.unwrap();
    assert_eq!(s.front.open(&s.operator).await.unwrap_err(), Refusal::NoGrant, "a request alone opens nothing");
    let receipt = s.world.approve(&s.owner, request, statement).await.unwrap();
    let grant = receipt.grant.expect("one approval is enough here");

    let terms = s.front.open(&s.operator).await.unwrap();
    assert_eq!(
        (terms.login.as_str(), terms.target_label.as_str(), terms.purpose.as_str()),
        ("root", "db1", "rotate WAL archive, CHG-142")
    );
    let certificate = sshwire::Certificate::from_openssh(&terms.certificate).unwrap();
    let ca = s.world.engine.state().founding.as_ref().unwrap().ca_key.clone();
    let view = certificate.view();
    let spec = view.verify(&ca).unwrap();
    assert_eq!(spec.principals.iter().map(|p| p.as_str()).collect::<Vec<_>>(), [terms.principal.as_str()]);
    assert!(spec.valid_before - spec.valid_after <= 90 + 1);

    let View::Tegata { file } = s.world.view(&s.owner, Query::Tegata { grant }).await else { panic!("a tegata") };
    let founders = [&s.founder, &s.other].map(|w| w.key().fingerprint()).into_iter().collect();
    let verified = Tegata::parse(file.as_bytes()).unwrap().verify(&Trust { founders }).unwrap();
    assert_eq!(verified.verdict().requester.person, s.operator.person);
    assert_eq!(verified.verdict().approvers.iter().map(|v| v.person).collect::<Vec<_>>(), [s.owner.person]);

    let View::Replay { agrees, entries } = s.world.view(&s.founder, Query::VerifyReplay).await else {
        panic!("a replay")
    };
    assert!(agrees, "{entries} entries replay to the state, each signature and rule checked");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_passage_leads_is_told_only_while_a_grant_stands_and_writes_nothing() {
    let mut s = scene().await;
    let ask = |who: &Someone| {
        FrontAsk::Approach(Box::new(ApproachAsk {
            account: "root".into(),
            target: "db1".into(),
            key: who.key(),
            grant: None,
        }))
    };
    let told = |answer: FrontAnswer| match answer {
        FrontAnswer::Approach(terms) => terms.map(|terms| terms.address),
        other => panic!("{other:?}"),
    };
    assert_eq!(told(s.front.ask(ask(&s.operator)).await), None, "no grant");
    let (request, statement) = s.world.request(&s.operator, s.account, "rotate WAL archive, CHG-142").await.unwrap();
    let grant = s.world.approve(&s.owner, request, statement).await.unwrap().grant.unwrap();
    let size = s.world.engine.state().journal.size;
    assert_eq!(told(s.front.ask(ask(&s.operator)).await).as_deref(), Some("127.0.0.1:22"));
    assert_eq!(told(s.front.ask(ask(&s.owner)).await), None, "another's grant");
    assert_eq!(s.world.engine.state().journal.size, size);
    let (reason, text) = opening::<Reason>("the work is done elsewhere");
    s.world.deed(&s.owner, Deed::GrantRevoke { grant, reason }, vec![text]).await.unwrap();
    assert_eq!(told(s.front.ask(ask(&s.operator)).await), None, "revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_approves_their_own_request() {
    let s = scene().await;
    s.world
        .enact(
            &s.founder,
            &s.other,
            domain::motion::Act::GroupJoin { group: "owners".parse().unwrap(), person: s.operator.person },
            vec![],
        )
        .await;
    let (request, statement) = s.world.request(&s.operator, s.account, "rotate WAL archive, CHG-142").await.unwrap();
    assert_eq!(s.world.approve(&s.operator, request, statement).await.unwrap_err(), Refusal::ApproverIsRequester);
    assert_eq!(s.world.request(&s.operator, s.account, "test").await.unwrap_err(), Refusal::PurposePlaceholder);
    assert_eq!(
        s.world.request(&s.owner, s.account, "rotate WAL archive, CHG-142").await.unwrap_err(),
        Refusal::NoRule { account: s.account }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn revoking_kills_the_session_and_opens_nothing_more() {
    let mut s = scene().await;
    let (request, statement) = s.world.request(&s.operator, s.account, "rotate WAL archive, CHG-142").await.unwrap();
    let grant = s.world.approve(&s.owner, request, statement).await.unwrap().grant.unwrap();
    let terms = s.front.open(&s.operator).await.unwrap();
    let (reason, text) = opening::<Reason>("the work is done elsewhere");
    s.world.deed(&s.owner, Deed::GrantRevoke { grant, reason }, vec![text]).await.unwrap();
    let killed = async {
        loop {
            if let ToFront::Order { session, order: Order::Kill } = s.front.hear().await {
                break session;
            }
        }
    };
    let killed = tokio::time::timeout(Duration::from_secs(5), killed).await.unwrap();
    assert_eq!(killed, terms.session);
    assert_eq!(s.front.open(&s.operator).await.unwrap_err(), Refusal::GrantRevoked { grant });
    let anchor = Anchor { chunks: 1, chain: Hash::of(b"c") };
    let fact = EndFact {
        session: terms.session,
        ending: SessionEnding::Revoked,
        ended: s.world.clock.wall(),
        anchor,
        complete: true,
        bytes: 10,
    };
    assert!(matches!(s.front.ask(FrontAsk::Ended(fact.clone())).await, FrontAnswer::Noted));
    assert!(matches!(s.front.ask(FrontAsk::Ended(fact)).await, FrontAnswer::Noted), "said twice is known");
    assert!(s.world.engine.state().passage.sessions.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_engine_stands_where_it_stood() {
    let mut s = scene().await;
    let (request, statement) = s.world.request(&s.operator, s.account, "rotate WAL archive, CHG-142").await.unwrap();
    s.world.approve(&s.owner, request, statement).await.unwrap();
    let terms = s.front.open(&s.operator).await.unwrap();
    let before = s.world.engine.state();
    drop(s.front);
    s.world = s.world.restart_engine().await;
    assert_eq!(*s.world.engine.state(), *before);
    let mut front = FakeFront::connect(&s.world).await;
    assert!(matches!(front.ask(FrontAsk::Live { sessions: [terms.session].into() }).await, FrontAnswer::Noted));
    assert!(
        s.world.engine.state().passage.sessions.contains_key(&terms.session),
        "a session that front still has lives on"
    );
    front.open(&s.operator).await.unwrap();
    assert!(matches!(front.ask(FrontAsk::Live { sessions: [].into() }).await, FrontAnswer::Noted));
    assert!(s.world.engine.state().passage.sessions.is_empty(), "sessions that front lost are ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_key_of_the_same_persona_opens_what_the_first_asked_for() {
    let mut s = scene().await;
    let mut second = Someone::new();
    (second.person, second.persona) = (s.operator.person, s.operator.persona);
    let deed = Deed::KeyAdd { key: second.key(), possession: second.possession(&s.world.origin) };
    s.world.deed(&s.operator, deed, vec![]).await.unwrap();
    let (request, statement) = s.world.request(&s.operator, s.account, "rotate WAL archive, CHG-142").await.unwrap();
    s.world.approve(&s.owner, request, statement).await.unwrap();
    let terms = s.front.open(&second).await.unwrap();

    let retired = Deed::KeyRetire { key: second.key().fingerprint() };
    s.world.deed(&s.operator, retired, vec![]).await.unwrap();
    let killed = async {
        loop {
            if let ToFront::Order { session, order: Order::Kill } = s.front.hear().await {
                break session;
            }
        }
    };
    assert_eq!(
        tokio::time::timeout(Duration::from_secs(5), killed).await.unwrap(),
        terms.session,
        "a retired key's sessions are closed"
    );
    s.front.open(&s.operator).await.expect("the other key's are not");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_passages_at_once_are_all_certified() {
    let mut s = scene().await;
    let (request, statement) = s.world.request(&s.operator, s.account, "rotate WAL archive, CHG-142").await.unwrap();
    s.world.approve(&s.owner, request, statement).await.unwrap();
    assert_eq!(s.front.open_many(&s.operator, 20).await, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_administrator_cannot_remove_the_others() {
    let s = scene().await;
    let (reason, text) = opening::<Reason>("strange commands seen");
    let refused = s.world.deed(&s.founder, Deed::PersonFreeze { person: s.other.person, reason }, vec![text]).await;
    assert_eq!(refused.unwrap_err(), Refusal::LastAdministrators);
    let (reason, text) = opening::<Reason>("strange commands seen");
    s.world.deed(&s.founder, Deed::PersonFreeze { person: s.operator.person, reason }, vec![text]).await.unwrap();
}
