//! Each hard rule as a sentence, with what it refuses. Together with the list at the end they name every refusal code there is.

mod world;

use std::collections::BTreeSet;

use domain::decide::{PROBE_REACH, Proposal, decide, errand_fits, still_stands};
use domain::event::{
    ClockDoubted, ErrandEnded, ErrandOutcome, Event, Filing, GrantMade, RecoveryCompleted, RequestFiled, SessionEnded,
    SessionEnding,
};
use domain::motion::{AccountClass, AccountName, Act, Principal};
use domain::people::PersonaKind;
use domain::purpose::{PurposeText, check_text};
use domain::rule::{Channel, Selector};
use domain::statement::{Decision, Deed};
use domain::{
    Actor, GrantId, MotionId, PersonId, PersonaId, RecoveryId, Refusal, RefusalCode, RequestId, SessionId, TargetId,
    Window,
};
use ledger::Hash;
use world::{FakePen, Pen, RECOVERY_DELAY, Shop, World, hours, label, rule, seconds, shell};

type W = World<FakePen>;

/// A sentence is a test; the table of codes that they cover is made beside them.
macro_rules! rules {
    ($($sentence:ident: $code:ident = |$world:ident, $shop:ident| $body:expr;)*) => {
        $(
            #[test]
            fn $sentence() {
                let ($world, $shop) = &mut World::shop(FakePen, 7);
                let outcome: Result<_, Refusal> = $body;
                let refusal = outcome.map(drop).expect_err("the rule refuses");
                assert_eq!(refusal.code(), RefusalCode::$code, "{refusal}");
            }
        )*

        const COVERED: &[RefusalCode] = &[$(RefusalCode::$code),*];
    };
}

fn file_with(
    world: &mut W,
    shop: &Shop,
    change: impl Fn(&mut domain::statement::RequestFields),
) -> Result<RequestId, Refusal> {
    let mut fields = world.request_fields(&shop.operator, shop.db1.1, hours(2));
    change(&mut fields);
    world.file(&shop.operator, fields)
}

fn open_with(world: &mut W, shop: &Shop, change: impl Fn(&mut domain::event::SessionOpened)) -> Result<(), Refusal> {
    let grant = world.grant(shop);
    let mut opened = world.passage(&shop.operator, grant);
    change(&mut opened);
    world.offer(Event::SessionOpened(opened)).map(drop)
}

fn unknown_grant() -> GrantId {
    GrantId::from_random([1; 16])
}

fn founders(world: &W) -> [world::Face; 2] {
    world.founders
}

fn doubted(world: &mut W) {
    let expected = world.at();
    world
        .offer(Event::ClockDoubted(ClockDoubted { expected, found: expected.plus(hours(24)) }))
        .expect("the engine may doubt the clock");
}

// Founding and the clock.
rules! {
    nothing_happens_before_the_founding: NotFounded = |world, shop| {
        let mut empty = World::unfounded(FakePen, 1);
        let fields = world.request_fields(&shop.operator, shop.db1.1, hours(1));
        let event = world.filing(shop.operator.key, fields);
        empty.offer(event)
    };
    an_installation_is_founded_once: AlreadyFounded = |world, _shop| {
        let founded = world.founding();
        world.offer(Event::Founded(founded))
    };
    two_different_persons_found_an_installation: FoundingMalformed = |_world, _shop| {
        let mut empty = World::unfounded(FakePen, 1);
        let mut founded = empty.founding();
        founded.founding.founders[1].person = founded.founding.founders[0].person;
        empty.offer(Event::Founded(founded))
    };
    nothing_opens_with_fewer_than_three_persons_able_to_act: NotReady = |world, shop| {
        let grant = world.grant(shop);
        world.join("administrators", &shop.operator);
        for gone in [shop.colleague, shop.lead, shop.officer, founders(world)[1]] {
            world.deed(&founders(world)[0], Deed::PersonLeave { person: gone.person }).expect("an administrator may");
        }
        world.open(&shop.operator, grant)
    };
    one_person_alone_leaves_two_administrators: LastAdministrators = |world, _shop| {
        world.deed(&founders(world)[0], Deed::PersonLeave { person: founders(world)[1].person })
    };
    not_even_by_taking_away_their_last_key: LastAdministrators = |world, _shop| {
        let key = world.pen.public(founders(world)[1].key).fingerprint();
        world.deed(&founders(world)[0], Deed::KeyRetire { key })
    };
    a_statement_of_before_is_no_statement_while_the_clock_is_in_doubt: StatementExpired = |world, shop| {
        let reason = world.dice.commit();
        let event = world.deed_event(&founders(world)[0], Deed::PersonFreeze { person: shop.operator.person, reason });
        world.offer(event.clone()).expect("an administrator may");
        world.tick(hours(1));
        world.carried(Act::PersonThaw { person: shop.operator.person });
        doubted(world);
        world.offer(event)
    };
    nothing_is_given_while_the_clock_is_in_doubt: ClockDoubted = |world, shop| {
        doubted(world);
        let (deed, _) = world.key_add(&shop.operator, shop.operator.human);
        world.deed(&shop.operator, deed)
    };
    while_the_clock_is_in_doubt_only_the_time_is_written: ClockDoubted = |world, shop| {
        doubted(world);
        world.ask(&shop.operator, shop.db1.1)
    };
    the_time_is_confirmed_only_when_it_is_in_doubt: ClockNotDoubted = |world, _shop| {
        let time = world.at();
        world.propose(&founders(world)[0], Act::ClockConfirm { time })
    };
    the_confirmed_time_is_near_the_clock: ClockFarFromConfirmed = |world, _shop| {
        doubted(world);
        let time = world.at().plus(seconds(301));
        let motion = world.propose(&founders(world)[0], Act::ClockConfirm { time }).expect("whether it is right is seen later");
        world.second(&founders(world)[1], motion)
    };
    time_in_the_ledger_never_goes_back: TimeWentBack = |world, _shop| {
        let at = world.at().minus(seconds(1));
        let event = Event::RecordingAnchored(domain::event::RecordingAnchored { root: Hash::of(b""), recordings: 1 });
        decide(&world.state, Proposal { event, actor: Actor::Engine, at, cause: None }, unknown_grant())
    };
}

mod signing {
    use super::*;

    rules! {
        an_unknown_key_says_nothing: KeyUnknown = |world, shop| {
            let stranger = world.new_key(99);
            let fields = world.request_fields(&shop.operator, shop.db1.1, hours(1));
            let event = world.filing(stranger, fields);
            world.offer(event)
        };
        a_retired_key_says_nothing: KeyUnknown = |world, shop| {
            let (deed, second) = world.key_add(&shop.operator, 2);
            world.deed(&shop.operator, deed).expect("an own key");
            let old = world.pen.public(shop.operator.key).fingerprint();
            world.deed(&second, Deed::KeyRetire { key: old }).expect("an own key");
            world.ask(&shop.operator, shop.db1.1)
        };
        a_key_belongs_to_one_persona_for_ever_even_when_retired: KeyTaken = |world, shop| {
            let old = world.pen.public(shop.colleague.key);
            world.deed(&founders(world)[0], Deed::KeyRetire { key: old.fingerprint() }).expect("an administrator may");
            let (mut act, _) = world.person_add(77, PersonaKind::Admin);
            if let Act::PersonAdd { key, .. } = &mut act {
                *key = old;
            }
            world.propose(&founders(world)[0], act)
        };
        an_own_key_of_the_installation_is_nobodys: KeyTaken = |world, _shop| {
            let (mut act, _) = world.person_add(77, PersonaKind::Admin);
            if let Act::PersonAdd { key, .. } = &mut act {
                *key = world.pen.public(world::CA_KEY);
            }
            world.propose(&founders(world)[0], act)
        };
        a_key_speaks_for_its_own_persona_alone: NotYourPersona = |world, shop| {
            let fields = world.request_fields(&shop.operator, shop.db1.1, hours(1));
            let event = world.filing(shop.lead.key, fields);
            world.offer(event)
        };
        an_entry_names_the_person_who_signed: NotYourPersona = |world, shop| {
            let fields = world.request_fields(&shop.operator, shop.db1.1, hours(1));
            let event = world.filing(shop.operator.key, fields);
            world.offer_as(event, Actor::Person { person: shop.lead.person, persona: shop.lead.persona })
        };
        an_expired_statement_is_not_filed: StatementExpired = |world, shop| {
            let fields = world.request_fields(&shop.operator, shop.db1.1, hours(1));
            let expires = world.at();
            let (signed, statement) = world.sign_until(shop.operator.key, &fields, expires);
            world.offer(Event::RequestFiled(RequestFiled { fields, filing: Filing::Signed(signed), statement }))
        };
        a_statement_waits_at_most_a_quarter_of_an_hour: StatementLivesTooLong = |world, shop| {
            let fields = world.request_fields(&shop.operator, shop.db1.1, hours(1));
            let expires = world.at().plus(seconds(901));
            let (signed, statement) = world.sign_until(shop.operator.key, &fields, expires);
            world.offer(Event::RequestFiled(RequestFiled { fields, filing: Filing::Signed(signed), statement }))
        };
        a_statement_is_used_once: NonceUsed = |world, shop| {
            let fields = world.request_fields(&shop.operator, shop.db1.1, hours(1));
            let request = fields.request;
            let event = world.filing(shop.operator.key, fields);
            world.offer(event.clone()).expect("a first time");
            world.deed(&shop.operator, Deed::RequestWithdraw { request }).expect("an own request");
            world.offer(event)
        };
        what_came_through_a_terminal_is_used_once_too: NonceUsed = |world, shop| {
            let fields = world.request_fields(&shop.operator, shop.db1.1, hours(1));
            let (signed, statement) = world.sign(shop.operator.key, &fields);
            let session = SessionId::from_random([5; 16]);
            let filing = Filing::FiledThroughSsh { key: signed.key, session, nonce: signed.nonce, expires: signed.expires };
            let event = Event::RequestFiled(RequestFiled { fields: fields.clone(), filing, statement });
            world.offer(event.clone()).expect("a first time");
            world.deed(&shop.operator, Deed::RequestWithdraw { request: fields.request }).expect("an own request");
            world.offer(event)
        };
        a_research_persona_asks_for_nothing: ResearchPersona = |world, shop| {
            let fields = world.request_fields(&shop.research, shop.db1.1, hours(1));
            world.file(&shop.research, fields)
        };
        a_research_persona_holds_nothing: ResearchPersona = |world, shop| {
            file_with(world, shop, |fields| fields.beneficiary = shop.research.persona)
        };
        a_research_persona_leaves_no_group: ResearchPersona = |world, shop| {
            world.deed(&shop.research, Deed::GroupLeave { group: label("operators"), person: shop.operator.person })
        };
        a_research_persona_approves_nothing: ResearchPersona = |world, shop| {
            let (act, face) = world.persona_add(shop.lead.person, shop.lead.human, PersonaKind::Research);
            world.carried(act);
            let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
            world.approve(&face, request)
        };
        only_administrators_move_something: NotAdministrator = |world, shop| {
            world.propose(&shop.lead, Act::PersonThaw { person: shop.operator.person })
        };
        a_person_makes_no_grant: NotAllowed = |world, shop| {
            let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
            let actor = Actor::Person { person: shop.operator.person, persona: shop.operator.persona };
            world.offer_as(Event::GrantMade(GrantMade { grant: unknown_grant(), request }), actor)
        };
        a_request_is_withdrawn_by_its_own_persons: NotAllowed = |world, shop| {
            let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
            world.deed(&shop.colleague, Deed::RequestWithdraw { request })
        };
        a_recording_is_opened_by_auditors_and_administrators: NotAllowed = |world, shop| {
            let purpose = world.dice.commit();
            let reader = domain::SuiteKey::new(&[1; 33]).expect("33 bytes");
            world.deed(&shop.operator, Deed::ReplayPermit { session: SessionId::from_random([1; 16]), purpose, reader })
        };
    }

    pub(super) const CODES: &[RefusalCode] = COVERED;
}

mod people {
    use super::*;

    rules! {
        an_unknown_person_joins_nothing: PersonUnknown = |world, _shop| {
            world.propose(&founders(world)[0], Act::GroupJoin { group: label("leads"), person: PersonId::from_random([1; 16]) })
        };
        a_person_is_not_overwritten: PersonExists = |world, shop| {
            let (mut act, _) = world.person_add(77, PersonaKind::Admin);
            if let Act::PersonAdd { person, .. } = &mut act {
                *person = shop.lead.person;
            }
            world.propose(&founders(world)[0], act)
        };
        somebody_frozen_says_nothing: PersonNotActive = |world, shop| {
            let reason = world.dice.commit();
            world.deed(&founders(world)[0], Deed::PersonFreeze { person: shop.operator.person, reason }).expect("an administrator may");
            world.ask(&shop.operator, shop.db1.1)
        };
        somebody_gone_says_nothing: PersonNotActive = |world, shop| {
            world.deed(&founders(world)[0], Deed::PersonLeave { person: shop.operator.person }).expect("an administrator may");
            world.ask(&shop.operator, shop.db1.1)
        };
        who_is_frozen_under_one_record_is_frozen_under_all: PersonNotActive = |world, shop| {
            world.carried(Act::IdentityLink { one: shop.operator.person, other: shop.colleague.person });
            let reason = world.dice.commit();
            world.deed(&founders(world)[0], Deed::PersonFreeze { person: shop.operator.person, reason }).expect("an administrator may");
            world.ask(&shop.colleague, shop.db1.1)
        };
        leaving_thaws_nobody: PersonNotActive = |world, shop| {
            world.carried(Act::IdentityLink { one: shop.operator.person, other: shop.colleague.person });
            let reason = world.dice.commit();
            world.deed(&founders(world)[0], Deed::PersonFreeze { person: shop.operator.person, reason }).expect("an administrator may");
            world.deed(&founders(world)[0], Deed::PersonLeave { person: shop.operator.person }).expect("an administrator may");
            world.ask(&shop.colleague, shop.db1.1)
        };
        thawing_brings_back_nobody_who_left: PersonNotActive = |world, shop| {
            world.deed(&founders(world)[0], Deed::PersonLeave { person: shop.operator.person }).expect("an administrator may");
            let reason = world.dice.commit();
            world.deed(&founders(world)[0], Deed::PersonFreeze { person: shop.operator.person, reason }).expect("an administrator may");
            world.carried(Act::PersonThaw { person: shop.operator.person });
            world.ask(&shop.operator, shop.db1.1)
        };
        a_motion_dies_with_its_proposers_standing: PersonNotActive = |world, shop| {
            world.join("administrators", &shop.lead);
            let motion = world.propose(&shop.lead, Act::PersonThaw { person: shop.operator.person }).err();
            assert_eq!(motion.map(|r| r.code()), Some(RefusalCode::PersonNotFrozen));
            let motion = world.propose(&shop.lead, Act::GroupJoin { group: label("leads"), person: shop.operator.person }).expect("an administrator may");
            let reason = world.dice.commit();
            world.deed(&founders(world)[0], Deed::PersonFreeze { person: shop.lead.person, reason }).expect("an administrator may");
            world.second(&founders(world)[0], motion)
        };
        a_motion_dies_with_its_proposers_membership: NotAdministrator = |world, shop| {
            world.join("administrators", &shop.lead);
            let motion = world.propose(&shop.lead, Act::GroupJoin { group: label("leads"), person: shop.operator.person }).expect("an administrator may");
            world.deed(&founders(world)[0], Deed::GroupLeave { group: label("administrators"), person: shop.lead.person }).expect("an administrator may");
            world.second(&founders(world)[0], motion)
        };
        nobody_is_thawed_who_is_not_frozen: PersonNotFrozen = |world, shop| {
            world.propose(&founders(world)[0], Act::PersonThaw { person: shop.operator.person })
        };
        an_unknown_persona_holds_nothing: PersonaUnknown = |world, shop| {
            file_with(world, shop, |fields| fields.beneficiary = PersonaId::from_random([1; 16]))
        };
        a_persona_is_not_overwritten: PersonaExists = |world, shop| {
            let (mut act, _) = world.persona_add(shop.lead.person, 77, PersonaKind::Admin);
            if let Act::PersonaAdd { persona, .. } = &mut act {
                *persona = shop.operator.persona;
            }
            world.propose(&founders(world)[0], act)
        };
        nobody_joins_a_group_twice: AlreadyMember = |world, shop| {
            world.propose(&founders(world)[0], Act::GroupJoin { group: label("leads"), person: shop.lead.person })
        };
        nobody_leaves_a_group_they_are_not_in: NotMember = |world, shop| {
            world.deed(&shop.operator, Deed::GroupLeave { group: label("leads"), person: shop.operator.person })
        };
        two_records_are_linked_once: AlreadyLinked = |world, shop| {
            world.carried(Act::IdentityLink { one: shop.operator.person, other: shop.colleague.person });
            world.propose(&founders(world)[0], Act::IdentityLink { one: shop.colleague.person, other: shop.operator.person })
        };
        an_unknown_motion_is_not_carried: MotionUnknown = |world, _shop| {
            world.second(&founders(world)[1], MotionId::from_random([1; 16]))
        };
        a_pending_motion_is_not_altered: MotionExists = |world, shop| {
            let group = label("leads");
            let first = world.propose(&founders(world)[0], Act::GroupJoin { group: group.clone(), person: shop.operator.person }).expect("an administrator may");
            let (mut fields, _) = world.motion(&founders(world)[0], Act::GroupJoin { group, person: shop.colleague.person });
            fields.motion = first;
            let (signed, statement) = world.sign(founders(world)[0].key, &fields);
            world.offer(Event::MotionFiled(domain::event::MotionFiled { fields, signed, statement }))
        };
        a_motion_waits_a_week_at_most: MotionOver = |world, shop| {
            let motion = world.propose(&founders(world)[0], Act::GroupJoin { group: label("leads"), person: shop.operator.person }).expect("an administrator may");
            world.tick(hours(7 * 24));
            world.second(&founders(world)[1], motion)
        };
        nobody_proposes_what_is_about_themself: SignerIsSubject = |world, _shop| {
            world.propose(&founders(world)[0], Act::GroupJoin { group: label("leads"), person: founders(world)[0].person })
        };
        nobody_seconds_what_is_about_themself: SignerIsSubject = |world, _shop| {
            let motion = world.propose(&founders(world)[0], Act::GroupJoin { group: label("leads"), person: founders(world)[1].person }).expect("an administrator may");
            world.second(&founders(world)[1], motion)
        };
        a_further_record_of_the_subject_is_the_subject: SignerIsSubject = |world, shop| {
            world.join("administrators", &shop.lead);
            world.carried(Act::IdentityLink { one: shop.lead.person, other: shop.operator.person });
            world.propose(&shop.lead, Act::GroupJoin { group: label("leads"), person: shop.operator.person })
        };
        who_is_found_to_be_the_subject_later_carries_nothing: SignerIsSubject = |world, shop| {
            world.join("administrators", &shop.lead);
            let motion = world.propose(&shop.lead, Act::GroupJoin { group: label("security"), person: shop.operator.person }).expect("an administrator may");
            world.carried(Act::IdentityLink { one: shop.lead.person, other: shop.operator.person });
            world.second(&founders(world)[0], motion)
        };
        one_person_alone_carries_nothing: SeconderIsProposer = |world, shop| {
            let motion = world.propose(&founders(world)[0], Act::GroupJoin { group: label("leads"), person: shop.operator.person }).expect("an administrator may");
            world.second(&founders(world)[0], motion)
        };
        one_natural_person_under_two_records_carries_nothing: SeconderIsProposer = |world, shop| {
            world.join("administrators", &shop.lead);
            world.join("administrators", &shop.officer);
            world.carried(Act::IdentityLink { one: shop.lead.person, other: shop.officer.person });
            let motion = world.propose(&shop.lead, Act::GroupJoin { group: label("leads"), person: shop.operator.person }).expect("an administrator may");
            world.second(&shop.officer, motion)
        };
        a_second_person_signs_what_the_first_signed: StatementDiffers = |world, shop| {
            let motion = world.propose(&founders(world)[0], Act::GroupJoin { group: label("leads"), person: shop.operator.person }).expect("an administrator may");
            let event = world.seconding(&founders(world)[1], motion, Hash::of(b"something else"));
            world.offer(event)
        };
    }

    pub(super) const CODES: &[RefusalCode] = COVERED;
}

mod estate {
    use super::*;

    rules! {
        an_unknown_target_has_no_accounts: TargetUnknown = |world, shop| {
            let (act, _) = world.account_add(TargetId::from_random([1; 16]), "root", AccountClass::OsSuperuser, shop.lead.person);
            world.propose(&founders(world)[0], act)
        };
        a_target_is_not_overwritten: TargetExists = |world, shop| {
            let (mut act, _) = world.target_add("db9", "shop", 1);
            if let Act::TargetAdd { target, .. } = &mut act {
                *target = shop.db1.0;
            }
            world.propose(&founders(world)[0], act)
        };
        two_targets_do_not_share_a_label: LabelTaken = |world, _shop| {
            let (act, _) = world.target_add("db1", "shop", 1);
            world.propose(&founders(world)[0], act)
        };
        two_accounts_of_a_target_do_not_share_a_name: LabelTaken = |world, shop| {
            let (act, _) = world.account_add(shop.db1.0, "root", AccountClass::OsSuperuser, shop.lead.person);
            world.propose(&founders(world)[0], act)
        };
        a_target_has_a_pinned_host_key: NoHostKey = |world, _shop| {
            let (mut act, _) = world.target_add("db9", "shop", 1);
            if let Act::TargetAdd { host_keys, .. } = &mut act {
                host_keys.clear();
            }
            world.propose(&founders(world)[0], act)
        };
        an_unknown_account_is_not_asked_for: AccountUnknown = |world, shop| {
            file_with(world, shop, |fields| fields.account = domain::AccountId::from_random([1; 16]))
        };
        an_account_is_not_overwritten: AccountExists = |world, shop| {
            let (mut act, _) = world.account_add(shop.db1.0, "app", AccountClass::DatabaseAdmin, shop.lead.person);
            if let Act::AccountAdd { account, .. } = &mut act {
                *account = shop.vault.1;
            }
            world.propose(&founders(world)[0], act)
        };
        a_principal_names_one_account_for_ever: PrincipalTaken = |world, shop| {
            let taken = world.state.estate.accounts[&shop.vault.1].principal.clone();
            let (mut act, _) = world.account_add(shop.db1.0, "app", AccountClass::DatabaseAdmin, shop.lead.person);
            if let Act::AccountAdd { principal, .. } = &mut act {
                *principal = taken;
            }
            world.propose(&founders(world)[0], act)
        };
        no_person_gets_the_principal_of_errands: PrincipalTaken = |world, shop| {
            let (mut act, _) = world.account_add(shop.db1.0, "app", AccountClass::DatabaseAdmin, shop.lead.person);
            if let Act::AccountAdd { principal, .. } = &mut act {
                *principal = Principal::of_errands(&shop.db1.0);
            }
            world.propose(&founders(world)[0], act)
        };
        nobody_passes_to_a_target_whose_clock_was_never_seen: ClockUnseen = |world, shop| {
            let (act, target) = world.target_add("db2", "shop", 1);
            world.carried(act);
            let (act, account) = world.account_add(target, "root", AccountClass::OsSuperuser, shop.lead.person);
            world.carried(act);
            let request = world.ask(&shop.operator, account).expect("an operator may ask");
            let grant = world.approve(&shop.lead, request).expect("a lead may agree").expect("one is enough");
            world.open(&shop.operator, grant)
        };
        newly_pinned_host_keys_make_the_clock_unseen: ClockUnseen = |world, shop| {
            let host_keys = BTreeSet::from([world.pen.public(500)]);
            world.carried(Act::TargetPin { target: shop.db1.0, host_keys });
            open_with(world, shop, |_| {})
        };
        nobody_passes_to_a_target_whose_clock_is_far_ahead: ClockFar = |world, shop| {
            world.see_clock(shop.db1.0, 30_001).expect("a probe may run");
            open_with(world, shop, |_| {})
        };
        nobody_passes_to_a_target_whose_clock_is_absurdly_far_behind: ClockFar = |world, shop| {
            world.see_clock(shop.db1.0, i64::MIN).expect("a probe may run");
            open_with(world, shop, |_| {})
        };
        an_errand_is_one_that_two_persons_agreed_to: ErrandNotAllowed = |world, _shop| {
            let (mut act, target) = world.target_add("db2", "shop", 1);
            if let Act::TargetAdd { errands, .. } = &mut act {
                errands.kinds.clear();
            }
            world.carried(act);
            let errand = world.errand(target);
            world.offer(Event::ErrandOpened(errand))
        };
        an_errand_has_its_own_principal: SessionMalformed = |world, shop| {
            let mut errand = world.errand(shop.db1.0);
            errand.principal = world.state.estate.accounts[&shop.db1.1].principal.clone();
            world.offer(Event::ErrandOpened(errand))
        };
        a_probe_reaches_a_day_and_no_further: SessionMalformed = |world, shop| {
            let (at, mut errand) = (world.at(), world.errand(shop.db1.0));
            errand.valid = Window::new(at.minus(PROBE_REACH), at.plus(PROBE_REACH)).expect("two days");
            assert_eq!(errand_fits(&world.state, &errand, at), Ok(()));
            errand.valid = Window::new(at, at.plus(PROBE_REACH + seconds(1))).expect("a day and a second");
            world.offer(Event::ErrandOpened(errand))
        };
        a_persons_key_runs_no_errand: SessionMalformed = |world, shop| {
            let mut errand = world.errand(shop.db1.0);
            errand.subject = world.pen.public(shop.operator.key);
            let refused = errand_fits(&world.state, &errand, world.at()).expect_err("the keeper asks the same");
            assert_eq!(refused.code(), RefusalCode::SessionMalformed);
            world.offer(Event::ErrandOpened(errand))
        };
        an_errand_ends_once: OutOfOrder = |world, shop| {
            let errand = world.errand(shop.db1.0);
            let id = errand.errand;
            world.offer(Event::ErrandOpened(errand)).expect("a probe may run");
            world.offer(Event::ErrandEnded(ErrandEnded { errand: id, outcome: ErrandOutcome::Unreachable, recorded: None })).expect("it ends");
            world.offer(Event::ErrandEnded(ErrandEnded { errand: id, outcome: ErrandOutcome::Clock { offset_ms: 0 }, recorded: None }))
        };
    }

    pub(super) const CODES: &[RefusalCode] = COVERED;
}

mod rules_of_access {
    use super::*;

    rules! {
        without_a_policy_nothing_is_asked_for: NoPolicy = |_world, shop| {
            let mut bare = World::founded(FakePen, 3);
            let by = founders(&bare)[0];
            let fields = bare.request_fields(&by, shop.db1.1, hours(1));
            bare.file(&by, fields)
        };
        an_older_policy_does_not_come_back: PolicyVersion = |world, _shop| {
            let mut policy = world.next_policy(vec![]);
            policy.version -= 1;
            world.propose(&founders(world)[0], Act::PolicySet { policy })
        };
        who_asks_was_shown_the_policy_in_force: PolicyMoved = |world, shop| {
            file_with(world, shop, |fields| fields.policy = 0)
        };
        who_agrees_was_shown_the_policy_in_force: PolicyMoved = |world, shop| {
            let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
            let mut fields = world.decision_fields(&shop.lead, request, Decision::Approve);
            fields.policy += 1;
            let event = world.decision(shop.lead.key, fields);
            world.offer(event)
        };
        no_policy_switches_the_approval_off: PolicyFaulty = |world, _shop| {
            let policy = world.next_policy(vec![rule("shop", "operators", "shop", "leads", 0)]);
            world.propose(&founders(world)[0], Act::PolicySet { policy })
        };
        a_rule_that_selects_nothing_is_no_rule: PolicyFaulty = |world, _shop| {
            let mut all = rule("shop", "operators", "shop", "leads", 1);
            all.accounts = Selector::default();
            let policy = world.next_policy(vec![all]);
            world.propose(&founders(world)[0], Act::PolicySet { policy })
        };
        what_no_rule_permits_is_refused: NoRule = |world, shop| {
            let fields = world.request_fields(&shop.lead, shop.db1.1, hours(1));
            world.file(&shop.lead, fields)
        };
        nobody_asks_for_a_holder_whom_no_rule_permits: NoRule = |world, shop| {
            file_with(world, shop, |fields| fields.beneficiary = shop.lead.persona)
        };
        only_allowed_channels_are_asked_for: ChannelNotAllowed = |world, shop| {
            let mut only_shell = rule("shop", "operators", "shop", "leads", 1);
            only_shell.channels = shell();
            world.set_policy(vec![only_shell]);
            file_with(world, shop, |fields| fields.channels = BTreeSet::from([Channel::Exec]))
        };
        a_destination_is_asked_for_only_where_the_rules_name_it: ChannelNotAllowed = |world, shop| {
            let mut ways = rule("shop", "operators", "shop", "leads", 1);
            ways.channels = ["forward:*:5432", "forward:web1:443"].iter().map(|text| text.parse().expect("a channel")).collect();
            world.set_policy(vec![ways]);
            let ask = |world: &mut W, channel: &str| {
                let channel: Channel = channel.parse().expect("a channel");
                file_with(world, shop, |fields| fields.channels = BTreeSet::from([channel.clone()]))
            };
            for named in ["forward:db1:5432", "forward:web1:443", "forward:*:5432"] {
                ask(world, named).expect("named by the rules");
            }
            ask(world, "forward:web2:443")
        };
        channels_without_number_are_not_asked_for: TooManyChannels = |world, shop| {
            let many: BTreeSet<Channel> = (1..=65).map(|port| format!("forward:db1:{port}").parse().expect("a channel")).collect();
            file_with(world, shop, |fields| fields.channels = many.clone())
        };
        a_rule_names_channels_one_can_read: PolicyFaulty = |world, _shop| {
            let mut wide = rule("shop", "operators", "shop", "leads", 1);
            wide.channels = (1..=65).map(|port| format!("forward:db1:{port}").parse().expect("a channel")).collect();
            let policy = world.next_policy(vec![wide]);
            world.propose(&founders(world)[0], Act::PolicySet { policy })
        };
        a_request_names_a_channel: NoChannel = |world, shop| file_with(world, shop, |fields| fields.channels.clear());
        a_blank_purpose_is_none: PurposeMissing = |_world, _shop| PurposeText::parse("  --- ");
        a_placeholder_is_no_purpose: PurposePlaceholder = |_world, _shop| PurposeText::parse("作業");
        a_purpose_has_an_end: TextTooLong = |_world, _shop| PurposeText::parse(&"restore the shop database ".repeat(100));
        a_reason_reads_as_it_is: TextUnreadable = |_world, _shop| check_text::<domain::committed::Reason>("stolen\u{202e} key");
        a_window_has_not_passed: WindowInPast = |world, shop| {
            let now = world.at();
            file_with(world, shop, |fields| fields.window = Window::new(now.minus(hours(2)), now).expect("a window"))
        };
        a_window_begins_now_or_later: StartInPast = |world, shop| {
            let now = world.at();
            file_with(world, shop, |fields| fields.window = Window::new(now.minus(seconds(301)), now.plus(hours(1))).expect("a window"))
        };
        a_window_begins_within_ninety_days: StartTooFar = |world, shop| {
            let start = world.at().plus(hours(90 * 24)).plus(seconds(1));
            file_with(world, shop, |fields| fields.window = Window::new(start, start.plus(hours(1))).expect("a window"))
        };
        a_window_is_no_longer_than_the_rules_allow: WindowTooLong = |world, shop| {
            let now = world.at();
            file_with(world, shop, |fields| fields.window = Window::new(now, now.plus(hours(8)).plus(seconds(1))).expect("a window"))
        };
        having_somebody_else_ask_spares_nobody_a_stricter_rule: WindowTooLong = |world, shop| {
            world.join("contractors", &shop.operator);
            let mut strict = rule("contractors", "contractors", "shop", "security", 1);
            strict.longest_s = 3600;
            world.set_policy(vec![rule("shop", "operators", "shop", "leads", 1), strict]);
            let mut fields = world.request_fields(&shop.colleague, shop.db1.1, hours(2));
            fields.beneficiary = shop.operator.persona;
            world.file(&shop.colleague, fields)
        };
        a_further_record_spares_nobody_a_stricter_rule: WindowTooLong = |world, shop| {
            world.join("contractors", &shop.operator);
            world.carried(Act::IdentityLink { one: shop.operator.person, other: shop.colleague.person });
            let mut strict = rule("contractors", "contractors", "shop", "security", 1);
            strict.longest_s = 3600;
            world.set_policy(vec![rule("shop", "operators", "shop", "leads", 1), strict]);
            let fields = world.request_fields(&shop.colleague, shop.db1.1, hours(2));
            world.file(&shop.colleague, fields)
        };
    }

    pub(super) const CODES: &[RefusalCode] = COVERED;
}

mod asking_and_agreeing {
    use super::*;

    rules! {
        an_unknown_request_is_not_approved: RequestUnknown = |world, shop| world.approve(&shop.lead, RequestId::from_random([1; 16]));
        a_filed_request_is_not_altered: RequestExists = |world, shop| {
            let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
            file_with(world, shop, |fields| fields.request = request)
        };
        a_granted_request_is_not_filed_again: RequestExists = |world, shop| {
            // More of them than anybody would look through.
            for _ in 0..70 {
                world.grant(shop);
            }
            let granted = *world.state.passage.granted.keys().next().expect("seventy");
            file_with(world, shop, |fields| fields.request = granted)
        };
        a_request_that_waited_too_long_is_dead: RequestDead = |world, shop| {
            let fields = world.request_fields(&shop.operator, shop.db1.1, hours(8));
            let request = world.file(&shop.operator, fields).expect("an operator may ask");
            world.tick(hours(4));
            world.approve(&shop.lead, request)
        };
        a_request_is_dead_when_its_window_is_over: RequestDead = |world, shop| {
            let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
            world.tick(hours(2));
            world.approve(&shop.lead, request)
        };
        one_person_does_not_flood_the_approvers: TooManyPending = |world, shop| {
            (0..201).map(|_| world.ask(&shop.operator, shop.db1.1)).collect::<Result<Vec<_>, _>>()
        };
        a_further_record_does_not_flood_them_either: TooManyPending = |world, shop| {
            world.carried(Act::IdentityLink { one: shop.operator.person, other: shop.colleague.person });
            (0..201).map(|n| world.ask(if n % 2 == 0 { &shop.operator } else { &shop.colleague }, shop.db1.1)).collect::<Result<Vec<_>, _>>()
        };
        approver_cannot_approve_own_request: ApproverIsRequester = |world, shop| {
            world.join("leads", &shop.operator);
            let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
            world.approve(&shop.operator, request)
        };
        nor_through_a_second_key: ApproverIsRequester = |world, shop| {
            world.join("leads", &shop.operator);
            let (deed, second) = world.key_add(&shop.operator, shop.operator.human);
            world.deed(&shop.operator, deed).expect("an own key");
            let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
            world.approve(&second, request)
        };
        nor_through_a_second_persona: ApproverIsRequester = |world, shop| {
            world.join("leads", &shop.operator);
            let (act, second) = world.persona_add(shop.operator.person, shop.operator.human, PersonaKind::Admin);
            world.carried(act);
            let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
            world.approve(&second, request)
        };
        nor_through_a_second_record_once_it_is_known_as_one: ApproverIsRequester = |world, shop| {
            let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
            world.carried(Act::IdentityLink { one: shop.lead.person, other: shop.operator.person });
            world.approve(&shop.lead, request)
        };
        who_will_hold_the_privilege_does_not_approve_it: ApproverIsBeneficiary = |world, shop| {
            world.join("leads", &shop.colleague);
            let request = file_with(world, shop, |fields| fields.beneficiary = shop.colleague.persona).expect("an operator may ask for another");
            world.approve(&shop.colleague, request)
        };
        who_is_in_no_approvers_group_does_not_approve: ApproverNotEligible = |world, shop| {
            let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
            world.approve(&shop.colleague, request)
        };
        the_group_of_a_further_record_lends_itself_to_nobody: ApproverNotEligible = |world, shop| {
            let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
            world.carried(Act::IdentityLink { one: shop.lead.person, other: shop.colleague.person });
            world.approve(&shop.colleague, request)
        };
        one_person_approves_once: ApprovedAlready = |world, shop| {
            let request = world.ask(&shop.operator, shop.vault.1).expect("an operator may ask");
            world.approve(&shop.lead, request).expect("a lead may agree");
            world.approve(&shop.lead, request)
        };
        one_person_approves_once_through_all_personas: ApprovedAlready = |world, shop| {
            let (act, second) = world.persona_add(shop.lead.person, shop.lead.human, PersonaKind::Admin);
            world.carried(act);
            let request = world.ask(&shop.operator, shop.vault.1).expect("an operator may ask");
            world.approve(&shop.lead, request).expect("a lead may agree");
            world.approve(&second, request)
        };
        a_grant_needs_all_its_approvals: ApprovalsMissing = |world, shop| {
            let request = world.ask(&shop.operator, shop.vault.1).expect("an operator may ask");
            world.approve(&shop.lead, request).expect("a lead may agree");
            world.offer(Event::GrantMade(GrantMade { grant: unknown_grant(), request }))
        };
        an_approver_who_left_the_group_meanwhile_does_not_count: ApprovalsMissing = |world, shop| {
            let request = world.ask(&shop.operator, shop.vault.1).expect("an operator may ask");
            world.approve(&shop.lead, request).expect("a lead may agree");
            world.deed(&shop.lead, Deed::GroupLeave { group: label("leads"), person: shop.lead.person }).expect("an own place");
            assert_eq!(world.approve(&shop.officer, request), Ok(None));
            world.offer(Event::GrantMade(GrantMade { grant: unknown_grant(), request }))
        };
        an_approver_frozen_meanwhile_does_not_count: ApprovalsMissing = |world, shop| {
            let request = world.ask(&shop.operator, shop.vault.1).expect("an operator may ask");
            world.approve(&shop.lead, request).expect("a lead may agree");
            let reason = world.dice.commit();
            world.deed(&founders(world)[0], Deed::PersonFreeze { person: shop.lead.person, reason }).expect("an administrator may");
            assert_eq!(world.approve(&shop.officer, request), Ok(None));
            world.offer(Event::GrantMade(GrantMade { grant: unknown_grant(), request }))
        };
        two_records_of_one_person_are_one_approval: ApprovalsMissing = |world, shop| {
            let request = world.ask(&shop.operator, shop.vault.1).expect("an operator may ask");
            world.approve(&shop.lead, request).expect("a lead may agree");
            let (act, extra) = world.person_add(99, PersonaKind::Admin);
            world.carried(act);
            world.join("leads", &extra);
            world.carried(Act::IdentityLink { one: shop.lead.person, other: extra.person });
            assert_eq!(world.approve(&extra, request), Err(Refusal::ApprovedAlready));
            world.offer(Event::GrantMade(GrantMade { grant: unknown_grant(), request }))
        };
        an_approval_is_of_the_request_as_it_was_shown: StatementDiffers = |world, shop| {
            let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
            let other = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
            let mut fields = world.decision_fields(&shop.lead, other, Decision::Approve);
            fields.request = request;
            let event = world.decision(shop.lead.key, fields);
            world.offer(event)
        };
        a_refusal_does_not_pass_for_an_approval: Unreadable = |world, shop| {
            let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
            let fields = world.decision_fields(&shop.lead, request, Decision::Refuse);
            let (signed, _) = world.sign(shop.lead.key, &fields);
            world.offer(Event::ApprovalGiven(domain::event::Decided { fields, signed }))
        };
        who_was_refused_is_not_granted: RequestUnknown = |world, shop| {
            let request = world.ask(&shop.operator, shop.vault.1).expect("an operator may ask");
            world.approve(&shop.lead, request).expect("a lead may agree");
            world.refuse(&shop.officer, request).expect("a lead may refuse");
            world.offer(Event::GrantMade(GrantMade { grant: unknown_grant(), request }))
        };
    }

    pub(super) const CODES: &[RefusalCode] = COVERED;
}

mod passing {
    use super::*;

    rules! {
        without_a_grant_nobody_passes: GrantUnknown = |world, shop| world.open(&shop.operator, unknown_grant());
        a_grant_is_made_once: GrantExists = |world, shop| {
            let grant = world.grant(shop);
            let request = world.ask(&shop.operator, shop.vault.1).expect("an operator may ask");
            world.offer(Event::GrantMade(GrantMade { grant, request }))
        };
        nobody_passes_before_the_start: GrantNotYet = |world, shop| {
            let start = world.at().plus(hours(1));
            let request = file_with(world, shop, |fields| fields.window = Window::new(start, start.plus(hours(1))).expect("a window")).expect("an operator may ask");
            let grant = world.approve(&shop.lead, request).expect("a lead may agree").expect("one is enough");
            world.open(&shop.operator, grant)
        };
        the_end_is_the_end: GrantOver = |world, shop| {
            let grant = world.grant(shop);
            world.tick(hours(2));
            world.open(&shop.operator, grant)
        };
        a_revoked_grant_opens_nothing: GrantRevoked = |world, shop| {
            let grant = world.grant(shop);
            let reason = world.dice.commit();
            world.deed(&shop.lead, Deed::GrantRevoke { grant, reason }).expect("an approver may");
            world.open(&shop.operator, grant)
        };
        a_returned_grant_opens_nothing: GrantReturned = |world, shop| {
            let grant = world.grant(shop);
            world.deed(&shop.operator, Deed::GrantReturn { grant }).expect("the holder may");
            world.open(&shop.operator, grant)
        };
        an_approval_of_somebody_frozen_since_opens_nothing: ApprovalTainted = |world, shop| {
            let grant = world.grant(shop);
            let reason = world.dice.commit();
            world.deed(&founders(world)[0], Deed::PersonFreeze { person: shop.lead.person, reason }).expect("an administrator may");
            world.open(&shop.operator, grant)
        };
        leaving_does_not_clear_the_approvals_of_somebody_frozen: ApprovalTainted = |world, shop| {
            let grant = world.grant(shop);
            let reason = world.dice.commit();
            world.deed(&founders(world)[0], Deed::PersonFreeze { person: shop.lead.person, reason }).expect("an administrator may");
            world.deed(&founders(world)[0], Deed::PersonLeave { person: shop.lead.person }).expect("an administrator may");
            world.open(&shop.operator, grant)
        };
        an_approver_found_to_be_the_requester_opens_nothing: ApprovalTainted = |world, shop| {
            let grant = world.grant(shop);
            world.carried(Act::IdentityLink { one: shop.lead.person, other: shop.operator.person });
            world.open(&shop.operator, grant)
        };
        a_grant_of_somebody_frozen_since_opens_nothing: PersonNotActive = |world, shop| {
            let grant = world.grant(shop);
            let reason = world.dice.commit();
            world.deed(&founders(world)[0], Deed::PersonFreeze { person: shop.operator.person, reason }).expect("an administrator may");
            world.open(&shop.operator, grant)
        };
        rules_that_changed_since_are_asked_again: ApprovalsMissing = |world, shop| {
            let grant = world.grant(shop);
            world.set_policy(vec![rule("shop", "operators", "shop", "leads", 2)]);
            world.open(&shop.operator, grant)
        };
        other_approvers_wanted_since_are_not_replaced_by_those_of_then: ApprovalsMissing = |world, shop| {
            let grant = world.grant(shop);
            world.set_policy(vec![rule("shop", "operators", "shop", "security", 1)]);
            world.open(&shop.operator, grant)
        };
        two_approvers_found_to_be_one_are_one: ApprovalsMissing = |world, shop| {
            let request = world.ask(&shop.operator, shop.vault.1).expect("an operator may ask");
            world.approve(&shop.lead, request).expect("a lead may agree");
            let grant = world.approve(&shop.officer, request).expect("a lead may agree").expect("two are enough");
            world.carried(Act::IdentityLink { one: shop.lead.person, other: shop.officer.person });
            world.open(&shop.operator, grant)
        };
        who_left_the_group_that_may_ask_passes_no_more: NoRule = |world, shop| {
            let grant = world.grant(shop);
            world.deed(&shop.operator, Deed::GroupLeave { group: label("operators"), person: shop.operator.person }).expect("an own place");
            world.open(&shop.operator, grant)
        };
        only_the_holder_passes: GrantNotYours = |world, shop| {
            let grant = world.grant(shop);
            world.open(&shop.colleague, grant)
        };
        not_even_the_holders_other_persona: GrantNotYours = |world, shop| {
            let (act, second) = world.persona_add(shop.operator.person, shop.operator.human, PersonaKind::Admin);
            world.carried(act);
            let grant = world.grant(shop);
            world.open(&second, grant)
        };
        not_with_a_research_key: GrantNotYours = |world, shop| {
            let grant = world.grant(shop);
            world.open(&shop.research, grant)
        };
        a_passage_names_the_person_whose_key_was_proved: NotAllowed = |world, shop| {
            let grant = world.grant(shop);
            let opened = world.passage(&shop.operator, grant);
            world.offer_as(Event::SessionOpened(opened), Actor::Engine)
        };
        a_passage_is_to_the_granted_account: SessionMalformed = |world, shop| open_with(world, shop, |opened| opened.account = shop.vault.1);
        a_passage_has_the_granted_channels: SessionMalformed = |world, shop| open_with(world, shop, |opened| opened.channels.extend([Channel::Exec]));
        a_passage_leads_to_no_more_than_was_granted: SessionMalformed = |world, shop| {
            let mut ways = rule("shop", "operators", "shop", "leads", 1);
            ways.channels = BTreeSet::from(["forward:*:*".parse().expect("a channel")]);
            world.set_policy(vec![ways]);
            let channels = |text: &str| BTreeSet::from([text.parse().expect("a channel")]);
            let mut fields = world.request_fields(&shop.operator, shop.db1.1, hours(1));
            fields.channels = channels("forward:db1:5432");
            let request = world.file(&shop.operator, fields).expect("named by the rules");
            let grant = world.approve(&shop.lead, request).expect("a lead may agree").expect("one approval is enough");
            let mut opened = world.passage(&shop.operator, grant);
            assert_eq!(opened.channels, channels("forward:db1:5432"), "what was asked for, not what the rules allow");
            opened.channels = channels("forward:*:5432");
            world.offer(Event::SessionOpened(opened))
        };
        a_serial_is_used_once: SessionMalformed = |world, shop| open_with(world, shop, |opened| opened.serial -= 1);
        a_certificate_lives_a_minute: SessionMalformed = |world, shop| {
            let now = world.at();
            open_with(world, shop, |opened| opened.valid = Window::new(now, now.plus(seconds(61))).expect("a window"))
        };
        a_certificate_does_not_outlive_its_grant: SessionMalformed = |world, shop| {
            let grant = world.grant(shop);
            world.tick(hours(2).checked_sub(seconds(30)).expect("longer"));
            let mut opened = world.passage(&shop.operator, grant);
            opened.valid = Window::new(world.at(), world.at().plus(seconds(31))).expect("a window");
            world.offer(Event::SessionOpened(opened))
        };
        a_certificate_is_for_a_key_made_in_memory: SessionMalformed = |world, shop| {
            let own = world.pen.public(shop.operator.key);
            open_with(world, shop, |opened| opened.subject = own.clone())
        };
        a_certificate_is_never_for_an_own_key_of_the_installation: SessionMalformed = |world, shop| {
            let own = world.pen.public(world::CA_KEY);
            open_with(world, shop, |opened| opened.subject = own.clone())
        };
        an_unknown_session_does_not_end: SessionUnknown = |world, _shop| {
            let ended = world.at();
            let session = SessionId::from_random([1; 16]);
            world.offer(Event::SessionEnded(SessionEnded { session, ending: SessionEnding::ClientLeft, ended, chunks: 0, chain: Hash::of(b""), complete: true, bytes: 0 }))
        };
        a_live_session_is_not_opened_again: SessionExists = |world, shop| {
            let grant = world.grant(shop);
            let session = world.open(&shop.operator, grant).expect("a live grant");
            let mut opened = world.passage(&shop.operator, grant);
            opened.session = session;
            world.offer(Event::SessionOpened(opened))
        };
        a_killed_session_stays_killed: SessionOver = |world, shop| {
            let grant = world.grant(shop);
            let session = world.open(&shop.operator, grant).expect("a live grant");
            let reason = world.dice.commit();
            world.deed(&shop.lead, Deed::SessionKill { session, reason }).expect("an approver may");
            world.deed(&founders(world)[0], Deed::SessionThaw { session })
        };
        nobody_thaws_their_own_session: SignerIsSubject = |world, shop| {
            world.join("administrators", &shop.operator);
            let grant = world.grant(shop);
            let session = world.open(&shop.operator, grant).expect("a live grant");
            world.deed(&shop.operator, Deed::SessionThaw { session })
        };
        one_person_has_a_thousand_sessions_at_most: TooManySessions = |world, shop| {
            let grant = world.grant(shop);
            (0..1_001).map(|_| world.open(&shop.operator, grant)).collect::<Result<Vec<_>, _>>()
        };
    }

    pub(super) const CODES: &[RefusalCode] = COVERED;
}

mod recovering {
    use super::*;

    rules! {
        an_unknown_recovery_is_not_completed: RecoveryUnknown = |world, _shop| {
            world.offer(Event::RecoveryCompleted(RecoveryCompleted { recovery: RecoveryId::from_random([1; 16]) }))
        };
        a_persona_has_one_recovery_at_a_time: RecoveryExists = |world, shop| {
            let (started, _) = world.recovery(&shop.lead, shop.lead.human);
            world.offer(Event::RecoveryStarted(started)).expect("a ceremony may begin");
            let (started, _) = world.recovery(&shop.lead, shop.lead.human);
            world.offer(Event::RecoveryStarted(started))
        };
        a_recovery_waits_so_that_somebody_can_object: RecoveryTooEarly = |world, shop| {
            let (started, _) = world.recovery(&shop.lead, shop.lead.human);
            let recovery = started.fields.recovery;
            world.offer(Event::RecoveryStarted(started)).expect("a ceremony may begin");
            world.tick(RECOVERY_DELAY.checked_sub(seconds(1)).expect("an hour"));
            world.offer(Event::RecoveryCompleted(RecoveryCompleted { recovery }))
        };
        an_objection_ends_a_recovery: RecoveryUnknown = |world, shop| {
            let (started, _) = world.recovery(&shop.lead, shop.lead.human);
            let recovery = started.fields.recovery;
            world.offer(Event::RecoveryStarted(started)).expect("a ceremony may begin");
            world.deed(&shop.operator, Deed::RecoveryObject { recovery }).expect("anybody may object");
            world.tick(RECOVERY_DELAY);
            world.offer(Event::RecoveryCompleted(RecoveryCompleted { recovery }))
        };
        nobody_frozen_meanwhile_gets_a_recovered_key: PersonNotActive = |world, shop| {
            let (started, _) = world.recovery(&shop.lead, shop.lead.human);
            let recovery = started.fields.recovery;
            world.offer(Event::RecoveryStarted(started)).expect("a ceremony may begin");
            let reason = world.dice.commit();
            world.deed(&founders(world)[0], Deed::PersonFreeze { person: shop.lead.person, reason }).expect("an administrator may");
            world.tick(RECOVERY_DELAY);
            world.offer(Event::RecoveryCompleted(RecoveryCompleted { recovery }))
        };
        the_recovered_keys_predecessors_say_nothing: KeyUnknown = |world, shop| {
            let (started, _) = world.recovery(&shop.operator, shop.operator.human);
            let recovery = started.fields.recovery;
            world.offer(Event::RecoveryStarted(started)).expect("a ceremony may begin");
            world.tick(RECOVERY_DELAY);
            world.offer(Event::RecoveryCompleted(RecoveryCompleted { recovery })).expect("nobody objected");
            world.ask(&shop.operator, shop.db1.1)
        };
        refusals_are_written_one_by_one_only_so_often: TooFast = |world, _shop| {
            let refusal = domain::event::RefusalRecorded { code: RefusalCode::NoRule, attempt: domain::event::Attempt::Request, about: None };
            (0..101).map(|_| world.offer_as(Event::RefusalRecorded(refusal.clone()), Actor::Unproved)).collect::<Result<Vec<_>, _>>()
        };
    }

    pub(super) const CODES: &[RefusalCode] = COVERED;
}

/// Codes for what happens before a command reaches `decide`, and where.
const ELSEWHERE: &[RefusalCode] = &[
    // A text is not what its commitment says: engine, on opening it.
    RefusalCode::OpeningDiffers,
    // Login names at the gateway.
    RefusalCode::NoGrant,
    RefusalCode::SeveralGrants,
    RefusalCode::LoginUnknown,
    // Reading commands.
    RefusalCode::TooLarge,
    RefusalCode::NothingSuch,
    RefusalCode::AmbiguousId,
    // Signatures, verified before.
    RefusalCode::BadSignature,
    RefusalCode::PresenceMissing,
    // The engine itself.
    RefusalCode::RestsOnDead,
    RefusalCode::Unavailable,
];

#[test]
fn every_refusal_code_has_a_sentence_or_is_made_elsewhere() {
    let tested = [
        COVERED,
        signing::CODES,
        people::CODES,
        estate::CODES,
        rules_of_access::CODES,
        asking_and_agreeing::CODES,
        passing::CODES,
        recovering::CODES,
    ];
    let tested: BTreeSet<RefusalCode> = tested.concat().into_iter().collect();
    let elsewhere: BTreeSet<RefusalCode> = ELSEWHERE.iter().copied().collect();
    let untested: Vec<&RefusalCode> =
        RefusalCode::ALL.iter().filter(|code| !tested.contains(code) && !elsewhere.contains(code)).collect();
    assert!(untested.is_empty(), "no sentence produces {untested:?}");
    let needless: Vec<&RefusalCode> = elsewhere.intersection(&tested).collect();
    assert!(needless.is_empty(), "{needless:?} are made here after all");
}

/// What must go on working, so that the sentences above do not pass because everything is refused.
mod allowed {
    use super::*;

    #[test]
    fn an_approved_grant_opens_a_passage_until_its_end() {
        let (mut world, shop) = World::shop(FakePen, 7);
        let grant = world.grant(&shop);
        world.open(&shop.operator, grant).expect("a live grant");
        world.tick(hours(2).checked_sub(seconds(1)).expect("longer"));
        world.open(&shop.operator, grant).expect("a live grant to its last second");
    }

    #[test]
    fn an_approver_who_moves_on_leaves_the_grant_standing() {
        let (mut world, shop) = World::shop(FakePen, 7);
        let grant = world.grant(&shop);
        world
            .deed(&shop.lead, Deed::GroupLeave { group: label("leads"), person: shop.lead.person })
            .expect("an own place");
        world.open(&shop.operator, grant).expect("the approval was good when it was given");
    }

    #[test]
    fn a_policy_that_changes_elsewhere_leaves_the_grant_standing() {
        let (mut world, shop) = World::shop(FakePen, 7);
        let grant = world.grant(&shop);
        world.set_policy(vec![
            rule("shop", "operators", "shop", "leads", 1),
            rule("crown", "operators", "crown", "security", 1),
        ]);
        world.open(&shop.operator, grant).expect("its own rules are as they were");
    }

    #[test]
    fn a_thawed_person_goes_on() {
        let (mut world, shop) = World::shop(FakePen, 7);
        let grant = world.grant(&shop);
        let reason = world.dice.commit();
        world
            .deed(&founders(&world)[0], Deed::PersonFreeze { person: shop.operator.person, reason })
            .expect("an administrator may");
        world.carried(Act::PersonThaw { person: shop.operator.person });
        world.open(&shop.operator, grant).expect("two persons thawed them");
    }

    #[test]
    fn a_personal_account_hides_its_name() {
        let (mut world, shop) = World::shop(FakePen, 7);
        let (mut act, account) = world.account_add(shop.db1.0, "x", AccountClass::OsSuperuser, shop.lead.person);
        if let Act::AccountAdd { name, .. } = &mut act {
            *name = AccountName::Personal(world.dice.commit());
        }
        world.carried(act);
        world.ask(&shop.operator, account).expect("it can be asked for");
    }

    #[test]
    fn an_old_id_that_comes_back_lives_its_own_life() {
        let (mut world, shop) = World::shop(FakePen, 7);
        let fields = world.request_fields(&shop.operator, shop.db1.1, hours(8));
        let request = world.file(&shop.operator, fields).expect("an operator may ask");
        world.deed(&shop.operator, Deed::RequestWithdraw { request }).expect("an own request");
        world.tick(hours(3));
        let mut fields = world.request_fields(&shop.operator, shop.db1.1, hours(8));
        fields.request = request;
        world.file(&shop.operator, fields).expect("the old one is gone");
        // The withdrawn one would have died by now.
        world.tick(hours(2));
        world.approve(&shop.lead, request).expect("a lead may agree").expect("one is enough");
    }

    #[test]
    fn a_doubted_clock_ends_nothing() {
        let (mut world, shop) = World::shop(FakePen, 7);
        let grant = world.grant(&shop);
        let before = world.at();
        world.tick(hours(24 * 365));
        doubted(&mut world);
        assert_eq!(world.state.journal.time, Some(before), "the doubt is written at the last time that was in none");
        assert!(world.state.passage.grants.contains_key(&grant));
        assert_eq!(still_stands(&world.state, &grant, before), Err(Refusal::ClockDoubted));
        // The clock is set right again and two persons say so.
        world.now = before.plus(seconds(60));
        let time = world.at();
        world.carried(Act::ClockConfirm { time });
        world.open(&shop.operator, grant).expect("the grant went on");
    }

    #[test]
    fn a_stolen_privilege_is_stopped_whatever_the_clock_says() {
        let (mut world, shop) = World::shop(FakePen, 7);
        let grant = world.grant(&shop);
        let before = world.at();
        doubted(&mut world);
        world.tick(hours(24 * 30));
        let reason = world.dice.commit();
        world.deed(&shop.lead, Deed::GrantRevoke { grant, reason }).expect("taking away needs no time");
        assert_eq!(world.state.journal.time, Some(before), "the ledger's time stands still");
        assert_eq!(still_stands(&world.state, &grant, before), Err(Refusal::GrantRevoked { grant }));
    }

    #[test]
    fn two_persons_word_on_the_time_is_good_once() {
        let (mut world, _) = World::shop(FakePen, 7);
        doubted(&mut world);
        let [one, other] = founders(&world);
        // Long after the ledger's last entry: the word is worth something although it lives longer than any other.
        world.tick(hours(24 * 8));
        let (fields, filed) = world.motion(&one, Act::ClockConfirm { time: world.now });
        world.offer(Event::MotionFiled(filed.clone())).expect("one person");
        world.second(&other, fields.motion).expect("two persons");
        assert_eq!(world.state.journal.time, Some(world.now));
        world.tick(seconds(200));
        doubted(&mut world);
        assert_eq!(world.offer(Event::MotionFiled(filed)).map(drop), Err(Refusal::NonceUsed));
    }
}
