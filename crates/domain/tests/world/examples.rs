//! A ledger in which every kind of entry stands, and every act and deed: what the goldens are made from.

use std::collections::{BTreeMap, BTreeSet};

use domain::event::{
    Attempt, ClockDoubted, EngineStarted, ErrandEnded, ErrandOutcome, Event, Filing, RecordingAnchored,
    RecoveryCompleted, RefusalRecorded, RefusalsOverflowed, RequestFiled, SessionEnded, SessionEnding, SnapshotTaken,
    Subject,
};
use domain::motion::{AccountClass, AccountName, Act};
use domain::people::PersonaKind;
use domain::rule::{Channel, Selector};
use domain::statement::Deed;
use domain::{Actor, RefusalCode, SessionId, SuiteKey};

use super::{FakePen, RECOVERY_DELAY, Shop, World, label, rule};

type W = World<FakePen>;

pub fn ledger() -> W {
    let (mut world, shop) = World::shop(FakePen, 2026);
    people_change(&mut world, &shop);
    the_estate_changes(&mut world, &shop);
    rules_change(&mut world, &shop);
    somebody_works(&mut world, &shop);
    things_are_taken_back(&mut world, &shop);
    a_key_is_recovered(&mut world, &shop);
    the_server_speaks(&mut world, &shop);
    world
}

fn people_change(world: &mut W, shop: &Shop) {
    let (act, _) = world.key_enrol(&shop.colleague, shop.colleague.human);
    world.carried(act);
    let (deed, second) = world.key_add(&shop.operator, shop.operator.human);
    world.deed(&shop.operator, deed).expect("an own key");
    let key = world
        .holders
        .iter()
        .find(|(key, _)| **key == sshwire_fingerprint(second.key))
        .map(|(key, _)| *key)
        .expect("it is held");
    world.deed(&shop.operator, Deed::KeyRetire { key }).expect("an own key");
    let (act, twin) = world.person_add(shop.colleague.human, PersonaKind::Admin);
    world.carried(act);
    world.carried(Act::IdentityLink { one: shop.colleague.person, other: twin.person });
    let reason = world.dice.commit();
    world
        .deed(&world.founders[0].clone(), Deed::PersonFreeze { person: twin.person, reason })
        .expect("an administrator may");
    world.carried(Act::PersonThaw { person: twin.person });
    world.deed(&world.founders[0].clone(), Deed::PersonLeave { person: twin.person }).expect("an administrator may");
    world.join("auditors", &shop.officer);
    world
        .deed(&shop.officer, Deed::GroupLeave { group: label("auditors"), person: shop.officer.person })
        .expect("an own place");
    let by = world.founders[0];
    let motion = world
        .propose(&by, Act::GroupJoin { group: label("auditors"), person: shop.lead.person })
        .expect("an administrator may");
    world.deed(&by, Deed::MotionWithdraw { motion }).expect("an own motion");
}

fn sshwire_fingerprint(key: u32) -> sshwire::Fingerprint {
    use super::Pen;
    FakePen.public(key).fingerprint()
}

fn the_estate_changes(world: &mut W, shop: &Shop) {
    use super::Pen;
    let host_keys = BTreeSet::from([world.pen.public(400), world.pen.public(401)]);
    world.carried(Act::TargetPin { target: shop.vault.0, host_keys });
    world.see_clock(shop.vault.0, -250).expect("a probe may run");
    for (outcome, class) in [
        (ErrandOutcome::Unreachable, AccountClass::DatabaseAdmin),
        (ErrandOutcome::Refused, AccountClass::ApplicationMaster),
        (ErrandOutcome::Unreadable, AccountClass::NetworkDevice),
        (ErrandOutcome::NotPinned, AccountClass::CloudAdmin),
    ] {
        let (act, target) = world.target_add(&format!("more-{}", world.state.estate.targets.len()), "shop", 2);
        world.carried(act);
        let errand = world.errand(target);
        let id = errand.errand;
        world.offer(Event::ErrandOpened(errand)).expect("a probe may run");
        world.offer(Event::ErrandEnded(ErrandEnded { errand: id, outcome, recorded: None })).expect("it ends");
        let (mut act, _) = world.account_add(target, "x", class, shop.lead.person);
        if let Act::AccountAdd { name, .. } = &mut act {
            *name = AccountName::Personal(world.dice.commit());
        }
        world.carried(act);
    }
}

fn rules_change(world: &mut W, shop: &Shop) {
    let mut named = rule("named", "operators", "shop", "leads", 1);
    named.accounts = Selector {
        accounts: BTreeSet::from([shop.vault.1]),
        tier: Some(0),
        class: Some(AccountClass::OsSuperuser),
        ..Selector::default()
    };
    let mut rules =
        vec![rule("shop", "operators", "shop", "leads", 1), rule("crown", "operators", "crown", "leads", 2), named];
    rules[0].channels = BTreeSet::from([Channel::Exec, Channel::Shell]);
    let mut policy = world.next_policy(rules);
    policy.record_input = domain::rule::RecordInput::Masked;
    world.carried(Act::PolicySet { policy: policy.clone() });
    policy.version += 1;
    policy.record_input = domain::rule::RecordInput::Never;
    world.carried(Act::PolicySet { policy });
}

fn somebody_works(world: &mut W, shop: &Shop) {
    let fields = world.request_fields(&shop.operator, shop.db1.1, super::hours(1));
    let (signed, statement) = world.sign(shop.operator.key, &fields);
    let filing = Filing::FiledThroughSsh {
        key: signed.key,
        session: SessionId::from_random([5; 16]),
        nonce: signed.nonce,
        expires: signed.expires,
    };
    let typed = fields.request;
    world.offer(Event::RequestFiled(RequestFiled { fields, filing, statement })).expect("an operator may ask");
    let mut refusal = world.decision_fields(&shop.lead, typed, domain::statement::Decision::Refuse);
    refusal.reason = Some(world.dice.commit());
    let event = world.decision(shop.lead.key, refusal);
    world.offer(event).expect("a lead may refuse");
    let withdrawn = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
    world.deed(&shop.operator, Deed::RequestWithdraw { request: withdrawn }).expect("an own request");
    let grant = world.grant(shop);
    let session = world.open(&shop.operator, grant).expect("a live grant");
    let (reason, purpose) = (world.dice.commit(), world.dice.commit());
    world.deed(&shop.lead, Deed::SessionFreeze { session, reason }).expect("an approver may");
    world.deed(&world.founders[0].clone(), Deed::SessionThaw { session }).expect("an administrator may");
    world
        .deed(&shop.lead, Deed::SessionKill { session, reason: world.dice.clone().commit() })
        .expect("an approver may");
    let reader = SuiteKey::new(&[1; 33]).expect("33 bytes");
    world
        .deed(&world.founders[1].clone(), Deed::ReplayPermit { session, purpose, reader })
        .expect("an administrator may");
    let (ended, chain) = (world.at(), world.dice.hash());
    let ended = SessionEnded {
        session,
        ending: SessionEnding::Killed,
        ended,
        chunks: 12,
        chain,
        complete: true,
        bytes: 34_567,
    };
    world.offer(Event::SessionEnded(ended)).expect("it ends");
}

fn things_are_taken_back(world: &mut W, shop: &Shop) {
    let grant = world.grant(shop);
    world.deed(&shop.operator, Deed::GrantReturn { grant }).expect("the holder may");
    let grant = world.grant(shop);
    let reason = world.dice.commit();
    world.deed(&shop.lead, Deed::GrantRevoke { grant, reason }).expect("an approver may");
}

fn a_key_is_recovered(world: &mut W, shop: &Shop) {
    let (started, _) = world.recovery(&shop.lead, shop.lead.human);
    let objected = started.fields.recovery;
    world.offer(Event::RecoveryStarted(started)).expect("a ceremony may begin");
    world.deed(&shop.operator, Deed::RecoveryObject { recovery: objected }).expect("anybody may object");
    let (started, _) = world.recovery(&shop.colleague, shop.colleague.human);
    let recovery = started.fields.recovery;
    world.offer(Event::RecoveryStarted(started)).expect("a ceremony may begin");
    world.tick(RECOVERY_DELAY);
    world.offer(Event::RecoveryCompleted(RecoveryCompleted { recovery })).expect("nobody objected");
}

fn the_server_speaks(world: &mut W, shop: &Shop) {
    let root = world.dice.hash();
    world.offer(Event::RecordingAnchored(RecordingAnchored { root, recordings: 3 })).expect("the engine may");
    let about = [
        None,
        Some(Subject::Person(shop.lead.person)),
        Some(Subject::Target(shop.db1.0)),
        Some(Subject::Account(shop.db1.1)),
        Some(Subject::Motion(domain::MotionId::from_random([1; 16]))),
        Some(Subject::Request(domain::RequestId::from_random([2; 16]))),
        Some(Subject::Grant(domain::GrantId::from_random([3; 16]))),
        Some(Subject::Session(SessionId::from_random([4; 16]))),
        Some(Subject::Errand(domain::ErrandId::from_random([5; 16]))),
        Some(Subject::Recovery(domain::RecoveryId::from_random([6; 16]))),
    ];
    for about in about {
        let refusal = RefusalRecorded { code: RefusalCode::NoRule, attempt: Attempt::Request, about };
        world.offer_as(Event::RefusalRecorded(refusal), Actor::Unproved).expect("there is room");
    }
    let counts = BTreeMap::from([(Attempt::Request, 3), (Attempt::Passage, 400)]);
    world.offer(Event::RefusalsOverflowed(RefusalsOverflowed { counts })).expect("the engine may");
    let size = world.state.journal.size;
    world.offer(Event::EngineStarted(EngineStarted { fold: 1 })).expect("the engine may");
    let hash = world.dice.hash();
    world.offer(Event::SnapshotTaken(SnapshotTaken { fold: 1, size, hash })).expect("the engine may");
    let expected = world.at();
    world
        .offer(Event::ClockDoubted(ClockDoubted { expected, found: expected.plus(super::hours(1)) }))
        .expect("the engine may");
    let time = world.at();
    world.carried(Act::ClockConfirm { time });
}
