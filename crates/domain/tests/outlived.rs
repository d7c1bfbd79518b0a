//! What no longer holds because something it rested on has changed since, and which refusal is told where several would do.

mod world;

use std::time::Duration;

use domain::decide::still_stands;
use domain::event::{ClockDoubted, Event};
use domain::motion::Act;
use domain::statement::Deed;
use domain::{GrantId, MotionId, Refusal, RefusalCode, Timestamp};
use world::{Face, FakePen, Pen, Shop, World, hours, label, rule};

type W = World<FakePen>;

fn shop() -> (W, Shop) {
    World::shop(FakePen, 7)
}

fn retire(world: &mut W, face: &Face) {
    let key = world.pen.public(face.key).fingerprint();
    let by = world.founders[0];
    world.deed(&by, Deed::KeyRetire { key }).expect("an administrator may");
}

/// A further key of the same face, with which it speaks from now on.
fn further_key(world: &mut W, face: &Face) -> Face {
    let (deed, with_new_key) = world.key_add(face, face.human);
    world.deed(face, deed).expect("an own key");
    with_new_key
}

mod an_approval_by_a_key_retired_since {
    use super::*;

    #[test]
    fn no_longer_counts_towards_a_grant() {
        let (mut world, shop) = shop();
        let request = world.ask(&shop.operator, shop.vault.1).expect("an operator may ask");
        assert_eq!(world.approve(&shop.lead, request).expect("a lead may agree"), None, "the vault needs two");
        retire(&mut world, &shop.lead);
        assert_eq!(world.approve(&shop.officer, request).expect("a lead may agree"), None, "one word of two is left");
        assert!(world.state.passage.grants.is_empty());
    }

    #[test]
    fn may_be_given_again_by_the_same_person_with_another_key() {
        let (mut world, shop) = shop();
        let request = world.ask(&shop.operator, shop.vault.1).expect("an operator may ask");
        world.approve(&shop.lead, request).expect("a lead may agree");
        let again = world.approve(&shop.lead, request).expect_err("once is enough");
        assert_eq!(again.code(), RefusalCode::ApprovedAlready);
        let renewed = further_key(&mut world, &shop.lead);
        retire(&mut world, &shop.lead);
        assert_eq!(world.approve(&renewed, request).expect("the first word is gone"), None);
        world.approve(&shop.officer, request).expect("a lead may agree").expect("two words by keys that stand");
    }

    /// One who approved and whose key is then found to be lost must not keep a grant out of reach that others approved.
    #[test]
    fn takes_nothing_from_the_approvals_of_others() {
        let (mut world, shop) = shop();
        let third = world.add_person();
        world.join("leads", &third);
        let request = world.ask(&shop.operator, shop.vault.1).expect("an operator may ask");
        world.approve(&shop.lead, request).expect("a lead may agree");
        retire(&mut world, &shop.lead);
        world.approve(&third, request).expect("a lead may agree");
        world.approve(&shop.officer, request).expect("a lead may agree").expect("two others agreed");
    }
}

mod a_proposal_lapses_when {
    use super::*;

    fn propose(world: &mut W, act: Act) -> MotionId {
        let by = world.founders[0];
        world.propose(&by, act).expect("an administrator may")
    }

    /// What the second person is told: it is no longer there to be carried.
    #[track_caller]
    fn has_lapsed(world: &mut W, motion: MotionId) {
        assert!(!world.state.motions.contains_key(&motion), "it still waits");
        let by = world.founders[1];
        let event = world.seconding(&by, motion, ledger::Hash::of(b"whatever it said"));
        assert_eq!(world.offer(event).expect_err("it is gone").code(), RefusalCode::MotionUnknown);
    }

    fn pin(world: &mut W, shop: &Shop) -> Act {
        let human = world.new_human();
        let key = world.new_key(human);
        Act::TargetPin { target: shop.db1.0, host_keys: [world.pen.public(key)].into() }
    }

    #[test]
    fn other_host_keys_were_pinned_to_the_same_target() {
        let (mut world, shop) = shop();
        let (older, newer) = (pin(&mut world, &shop), pin(&mut world, &shop));
        let older = propose(&mut world, older);
        world.carried(newer);
        has_lapsed(&mut world, older);
    }

    #[test]
    fn but_not_when_another_target_got_its_keys() {
        let (mut world, shop) = shop();
        let (older, mut newer) = (pin(&mut world, &shop), pin(&mut world, &shop));
        if let Act::TargetPin { target, .. } = &mut newer {
            *target = shop.vault.0;
        }
        let older = propose(&mut world, older);
        world.carried(newer);
        assert!(world.state.motions.contains_key(&older));
    }

    #[test]
    fn other_rules_came_into_force() {
        let (mut world, _) = shop();
        let policy = world.next_policy(vec![rule("shop", "operators", "shop", "leads", 2)]);
        let older = propose(&mut world, Act::PolicySet { policy });
        world.set_policy(vec![rule("shop", "operators", "shop", "security", 1)]);
        has_lapsed(&mut world, older);
    }

    fn freeze(world: &mut W, face: &Face) {
        let reason = world.dice.commit();
        let by = world.founders[0];
        world.deed(&by, Deed::PersonFreeze { person: face.person, reason }).expect("an administrator may");
    }

    #[test]
    fn the_person_was_thawed_by_another_one() {
        let (mut world, shop) = shop();
        freeze(&mut world, &shop.operator);
        let older = propose(&mut world, Act::PersonThaw { person: shop.operator.person });
        world.carried(Act::PersonThaw { person: shop.operator.person });
        has_lapsed(&mut world, older);
    }

    #[test]
    fn the_person_whom_it_favours_was_frozen() {
        let (mut world, shop) = shop();
        let older = propose(&mut world, Act::GroupJoin { group: label("security"), person: shop.lead.person });
        freeze(&mut world, &shop.lead);
        has_lapsed(&mut world, older);
    }

    /// A thaw proposed before a second freeze was about the first.
    #[test]
    fn the_person_whom_it_would_thaw_was_frozen_again() {
        let (mut world, shop) = shop();
        freeze(&mut world, &shop.operator);
        let older = propose(&mut world, Act::PersonThaw { person: shop.operator.person });
        freeze(&mut world, &shop.operator);
        has_lapsed(&mut world, older);
    }

    #[test]
    fn the_person_whom_it_favours_has_left() {
        let (mut world, shop) = shop();
        let older = propose(&mut world, Act::GroupJoin { group: label("security"), person: shop.lead.person });
        let by = world.founders[0];
        world.deed(&by, Deed::PersonLeave { person: shop.lead.person }).expect("an administrator may");
        has_lapsed(&mut world, older);
    }

    /// Proposed twice, joined by the one: the other must not bring back who was taken out.
    #[test]
    fn the_person_was_taken_out_of_the_group_that_it_would_add_them_to() {
        let (mut world, shop) = shop();
        let join = Act::GroupJoin { group: label("security"), person: shop.lead.person };
        let older = propose(&mut world, join.clone());
        world.carried(join);
        let by = world.founders[0];
        let (group, person) = (label("security"), shop.lead.person);
        world.deed(&by, Deed::GroupLeave { group, person }).expect("an administrator may");
        has_lapsed(&mut world, older);
    }

    #[test]
    fn but_an_accusation_stays_though_the_accused_was_frozen() {
        let (mut world, shop) = shop();
        let link = Act::IdentityLink { one: shop.operator.person, other: shop.lead.person };
        let older = propose(&mut world, link);
        freeze(&mut world, &shop.lead);
        let by = world.founders[1];
        world.second(&by, older).expect("a link accuses; the freeze is no reason against it");
    }

    #[test]
    fn but_nothing_else_does_when_somebody_unconcerned_is_frozen() {
        let (mut world, shop) = shop();
        let older = propose(&mut world, Act::GroupJoin { group: label("security"), person: shop.lead.person });
        freeze(&mut world, &shop.colleague);
        let by = world.founders[1];
        world.second(&by, older).expect("it is about somebody else");
    }
}

/// Before, within and after a grant's window: whoever asks gets the reason that will still be one at any other time.
mod the_window_is_judged_last {
    use super::*;

    fn outside(world: &W, grant: &GrantId) -> [Timestamp; 2] {
        let window = world.state.passage.grants.get(grant).expect("it was made").request.fields.window;
        [window.from().minus(Duration::from_secs(1)), window.until().plus(Duration::from_secs(1))]
    }

    #[track_caller]
    fn says(world: &W, grant: &GrantId, code: RefusalCode) {
        for at in outside(world, grant) {
            assert_eq!(still_stands(&world.state, grant, at).expect_err("it does not stand").code(), code);
        }
    }

    fn granted() -> (W, Shop, GrantId) {
        let (mut world, shop) = shop();
        let grant = world.grant(&shop);
        let [before, after] = outside(&world, &grant);
        assert!(matches!(still_stands(&world.state, &grant, before), Err(Refusal::GrantNotYet { .. })));
        assert!(matches!(still_stands(&world.state, &grant, after), Err(Refusal::GrantOver { .. })));
        (world, shop, grant)
    }

    #[test]
    fn after_what_was_revoked() {
        let (mut world, shop, grant) = granted();
        let reason = world.dice.commit();
        world.deed(&shop.lead, Deed::GrantRevoke { grant, reason }).expect("taking away is easy");
        says(&world, &grant, RefusalCode::GrantRevoked);
    }

    #[test]
    fn after_a_person_who_may_act_no_more() {
        let (mut world, shop, grant) = granted();
        let by = world.founders[0];
        world.deed(&by, Deed::PersonLeave { person: shop.operator.person }).expect("an administrator may");
        says(&world, &grant, RefusalCode::PersonNotActive);
    }

    #[test]
    fn after_an_approver_who_is_suspected() {
        let (mut world, shop, grant) = granted();
        let reason = world.dice.commit();
        let by = world.founders[0];
        world.deed(&by, Deed::PersonFreeze { person: shop.lead.person, reason }).expect("an administrator may");
        says(&world, &grant, RefusalCode::ApprovalTainted);
    }

    #[test]
    fn after_rules_that_no_longer_allow_it() {
        let (mut world, _, grant) = granted();
        world.set_policy(vec![rule("crown", "operators", "crown", "leads", 2)]);
        says(&world, &grant, RefusalCode::NoRule);
    }

    #[test]
    fn after_approvals_that_the_rules_of_today_miss() {
        let (mut world, _, grant) = granted();
        world.set_policy(vec![rule("shop", "operators", "shop", "leads", 2)]);
        says(&world, &grant, RefusalCode::ApprovalsMissing);
    }

    #[test]
    fn after_a_length_that_the_rules_of_today_forbid() {
        let (mut world, _, grant) = granted();
        let mut short = rule("shop", "operators", "shop", "leads", 1);
        short.longest_s = 60;
        world.set_policy(vec![short]);
        says(&world, &grant, RefusalCode::WindowTooLong);
    }

    #[test]
    fn after_a_clock_that_is_in_doubt() {
        let (mut world, _, grant) = granted();
        let expected = world.at();
        let found = expected.plus(hours(24));
        world.offer(Event::ClockDoubted(ClockDoubted { expected, found })).expect("the engine may doubt the clock");
        says(&world, &grant, RefusalCode::ClockDoubted);
    }
}
