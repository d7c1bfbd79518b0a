//! The tegata against somebody who wants in: what verifies, what names a fault, and that history is not yet a passage.

#[path = "../../domain/tests/world/mod.rs"]
mod world;

mod real;

use std::collections::BTreeSet;

use domain::decide::still_stands;
use domain::event::{ClockDoubted, Decided, Event, Filing, GrantMade, MotionCarried, RequestFiled};
use domain::motion::Act;
use domain::people::PersonaKind;
use domain::statement::{Decision, Deed, SecondFields};
use domain::{Actor, GrantId, Refusal, RefusalCode, RequestId, SessionId, Timestamp};
use ledger::{MultiProof, leaf_hash};
use real::{HARDWARE, RealPen, UNTOUCHED, checkpoint, checkpoint_by, indices, tegata, tegata_with, text, tree, trust};
use sshwire::{KeyClass, Presence};
use tegata::signatures::SignatureFault;
use tegata::{Fault, LONGEST_TEGATA, ServersWord, Tegata, Trust, Verdict};
use world::{Face, LOG_KEY, Pen, Shop, World, hours, label, rule, seconds};

type W = World<RealPen>;

fn shop() -> (W, Shop) {
    World::shop(RealPen, 11)
}

fn verify(world: &W, grant: GrantId) -> Result<Verdict, Fault> {
    tegata(world, grant).verify(&trust(world)).map(|verified| verified.verdict().clone())
}

mod what_verifies {
    use super::*;

    #[test]
    fn the_verdict_names_who_asked_who_agreed_with_which_keys_and_what_rests_on_the_servers_word() {
        let (mut world, shop) = shop();
        let asked_at = world.at();
        let request = world.ask(&shop.operator, shop.vault.1).expect("an operator may ask");
        world.tick(seconds(30));
        world.approve(&shop.lead, request).expect("a lead may agree");
        world.tick(seconds(30));
        let granted_at = world.at();
        let grant = world.approve(&shop.officer, request).expect("a lead may agree").expect("two are enough");
        let verdict = verify(&world, grant).expect("an honest tegata");
        assert_eq!((verdict.requester.person, verdict.requester.at), (shop.operator.person, asked_at));
        assert_eq!(verdict.requester.key, world.pen.public(shop.operator.key).fingerprint());
        let approvers: Vec<_> = verdict.approvers.iter().map(|v| (v.person, v.key, v.class, v.presence)).collect();
        let expected = [shop.lead, shop.officer]
            .map(|f| (f.person, world.pen.public(f.key).fingerprint(), KeyClass::Ed25519, Presence::NotAHardwareKey));
        assert_eq!(approvers, expected);
        assert_eq!(verdict.granted, granted_at);
        let words = [
            ServersWord::NothingTakenBackSince,
            ServersWord::NoLinkLeftOut,
            ServersWord::MembershipsThen,
            ServersWord::RulesThen,
            ServersWord::Times,
        ];
        assert_eq!(verdict.words, words);
        assert_eq!(verdict.principal, world.state.estate.accounts[&shop.vault.1].principal);
        assert_eq!(verdict.founders, trust(&world).founders);
    }

    #[test]
    fn what_nobody_signed_is_said_to_rest_on_the_servers_word() {
        let (mut world, shop) = shop();
        let fields = world.request_fields(&shop.operator, shop.db1.1, hours(1));
        let (signed, statement) = world.sign(shop.operator.key, &fields);
        let filing = Filing::FiledThroughSsh {
            key: signed.key,
            session: SessionId::from_random([1; 16]),
            nonce: signed.nonce,
            expires: signed.expires,
        };
        let request = fields.request;
        world.offer(Event::RequestFiled(RequestFiled { fields, filing, statement })).expect("an operator may ask");
        let grant = world.approve(&shop.lead, request).expect("a lead may agree").expect("one is enough");
        let verdict = verify(&world, grant).expect("an honest tegata");
        assert!(verdict.words.contains(&ServersWord::RequestFiledThroughSsh));
        assert_eq!(verdict.requester.person, shop.operator.person);
    }

    #[test]
    fn a_recovered_key_is_said_to_be_one() {
        let (mut world, shop) = shop();
        let (started, lead) = world.recovery(&shop.lead, shop.lead.human);
        let recovery = started.fields.recovery;
        world.offer(Event::RecoveryStarted(started)).expect("a ceremony may begin");
        world.tick(world::RECOVERY_DELAY);
        world.offer(Event::RecoveryCompleted(domain::event::RecoveryCompleted { recovery })).expect("nobody objected");
        let grant = world.grant(&Shop { lead, ..shop });
        assert!(verify(&world, grant).expect("an honest tegata").words.contains(&ServersWord::KeyRecovered));
    }

    #[test]
    fn a_touched_hardware_key_is_shown_as_such() {
        let (mut world, shop) = shop();
        let lead = hardware(&mut world, &shop);
        let grant = world.grant(&Shop { lead, ..shop });
        let verdict = verify(&world, grant).expect("an honest tegata");
        assert_eq!(verdict.approvers[0].class, KeyClass::SkEd25519);
        assert_eq!(
            verdict.approvers[0].presence,
            Presence::HardwareKey { user_present: true, user_verified: false, counter: 1 }
        );
    }

    #[test]
    fn a_file_with_more_in_it_names_the_same_persons() {
        let (mut world, shop) = shop();
        let grant = world.grant(&shop);
        let expected = verify(&world, grant).expect("an honest tegata");
        let own = indices(&world, grant);
        // Another's request and another's approval, later and in the same file.
        world.tick(seconds(60));
        let other = world.ask(&shop.colleague, shop.db1.1).expect("an operator may ask");
        world.approve(&shop.officer, other).expect("a lead may agree");
        let all: Vec<u64> = (0..world.state.journal.size).collect();
        let verified = tegata_with(&world, grant, &all).verify(&trust(&world)).expect("the whole ledger proves it too");
        let verdict = verified.verdict();
        assert_eq!((&verdict.requester, &verdict.approvers), (&expected.requester, &expected.approvers));
        assert_eq!(verdict.granted, expected.granted);
        assert!(own.len() < all.len());
    }

    #[test]
    fn a_tegata_has_a_few_dozen_entries_however_long_the_ledger() {
        let (mut world, shop) = shop();
        for _ in 0..100 {
            world.grant(&shop);
        }
        let grant = world.grant(&shop);
        let file = tegata(&world, grant);
        assert!(file.entries.len() < 40, "{} entries", file.entries.len());
        assert!(file.to_bytes().len() < 64 << 10, "{} bytes", file.to_bytes().len());
    }

    #[test]
    fn rules_and_members_that_changed_while_it_waited_are_proved_as_they_were() {
        let (mut world, shop) = shop();
        let [one, other] = world.founders;
        world.join("administrators", &shop.colleague);
        // Who adds the second lead has left the administrators by the time of the grant.
        let (act, extra) = world.person_add(50, PersonaKind::Admin);
        world.carry([&shop.colleague, &one], act).expect("two administrators");
        world
            .carry([&shop.colleague, &other], Act::GroupJoin { group: label("leads"), person: extra.person })
            .expect("two administrators");
        world
            .deed(&one, Deed::GroupLeave { group: label("administrators"), person: shop.colleague.person })
            .expect("an administrator may");
        let request = world.ask(&shop.operator, shop.vault.1).expect("an operator may ask");
        world.approve(&extra, request).expect("a lead may agree");
        // The policy, and then the places of everybody, change between one approval and the next.
        world.set_policy(vec![rule("crown", "operators", "crown", "leads", 2)]);
        for (group, person) in [("operators", shop.operator.person), ("leads", extra.person)] {
            world.deed(&one, Deed::GroupLeave { group: label(group), person }).expect("an administrator may");
            world.carried(Act::GroupJoin { group: label(group), person });
        }
        let grant = world.approve(&shop.lead, request).expect("a lead may agree").expect("two are enough");
        verify(&world, grant).expect("the proof holds what was relied on then");
    }
}

fn hardware(world: &mut W, shop: &Shop) -> Face {
    let key = HARDWARE | 700;
    let public = world.pen.public(key);
    let possession = world.possession(shop.lead.person, shop.lead.persona, key);
    world.carried(Act::KeyEnrol { persona: shop.lead.persona, key: public, possession });
    Face { key, ..shop.lead }
}

mod the_file {
    use super::*;

    /// Every byte of the file, one at a time. What still verifies reads exactly as before.
    #[test]
    fn no_changed_byte_is_accepted_as_something_else() {
        let (mut world, shop) = shop();
        let grant = world.grant(&shop);
        let file = tegata(&world, grant);
        let (bytes, trust) = (file.to_bytes(), trust(&world));
        let mut accepted = 0;
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= [1, 2, 0x20, 0x80][place % 4];
            let Ok(parsed) = Tegata::parse(&changed) else { continue };
            if parsed.verify(&trust).is_ok() {
                assert_eq!(parsed, file, "byte {place} was changed");
                accepted += 1;
            }
        }
        assert_eq!(accepted, 0, "the file is written without anything to spare");
    }

    #[test]
    fn it_reads_back_as_it_was_written() {
        let (mut world, shop) = shop();
        let grant = world.grant(&shop);
        let file = tegata(&world, grant);
        assert_eq!(Tegata::parse(&file.to_bytes()).expect("a file of ours"), file);
    }

    #[test]
    fn a_file_that_is_too_long_of_another_form_or_with_more_members_is_refused() {
        let (mut world, shop) = shop();
        let grant = world.grant(&shop);
        let text = String::from_utf8(tegata(&world, grant).to_bytes()).expect("JSON");
        assert!(matches!(Tegata::parse(&vec![b' '; LONGEST_TEGATA + 1]), Err(Fault::TooLong { .. })));
        assert!(matches!(
            Tegata::parse(text.replace("tegata/v1", "tegata/v2").as_bytes()),
            Err(Fault::OtherForm { .. })
        ));
        assert!(matches!(Tegata::parse(text.replacen('{', "{\"more\":1,", 1).as_bytes()), Err(Fault::Unreadable(_))));
        assert!(matches!(Tegata::parse(&text.as_bytes()[..text.len() - 1]), Err(Fault::Unreadable(_))));
        assert!(matches!(Tegata::parse((text + "x").as_bytes()), Err(Fault::Unreadable(_))));
    }

    #[test]
    fn a_file_with_thousands_of_entries_is_not_looked_at() {
        let (mut world, shop) = shop();
        let grant = world.grant(&shop);
        let mut file = tegata(&world, grant);
        file.entries = vec!["x".to_owned(); 2_001];
        assert!(matches!(Tegata::parse(&file.to_bytes()), Err(Fault::TooMany { found: 2_001 })));
    }

    #[test]
    fn an_entry_left_out_of_the_file_is_missed() {
        let (mut world, shop) = shop();
        let grant = world.grant(&shop);
        let whole = tegata(&world, grant);
        for place in 0..whole.entries.len() {
            let mut file = whole.clone();
            file.entries.remove(place);
            let fault = file.verify(&trust(&world)).expect_err("an entry is missing");
            assert!(matches!(fault, Fault::Inclusion(_) | Fault::NoFounding), "{fault}");
        }
    }

    /// Whoever holds the tree can prove any set of entries: then the rules miss what was left out.
    #[test]
    fn an_entry_left_out_of_the_proof_is_missed_by_the_rules() {
        let (mut world, shop) = shop();
        let grant = world.grant(&shop);
        let whole = indices(&world, grant);
        for left_out in &whole {
            let rest: Vec<u64> = whole.iter().copied().filter(|place| place != left_out).collect();
            let fault = tegata_with(&world, grant, &rest).verify(&trust(&world)).expect_err("an entry is missing");
            let named = matches!(
                fault,
                Fault::NoFounding | Fault::Signature { .. } | Fault::Rule { .. } | Fault::NoGrant { .. }
            );
            assert!(named, "without entry {left_out}: {fault}");
        }
    }

    #[test]
    fn entries_out_of_order_are_missed() {
        let (mut world, shop) = shop();
        let grant = world.grant(&shop);
        let mut file = tegata(&world, grant);
        file.entries.swap(1, 2);
        assert!(matches!(file.verify(&trust(&world)), Err(Fault::Inclusion(_))));
        let mut file = tegata(&world, grant);
        file.proof.indices.swap(1, 2);
        assert!(matches!(file.verify(&trust(&world)), Err(Fault::Inclusion(_))));
    }

    #[test]
    fn an_entry_put_in_place_of_another_is_missed() {
        let (mut world, shop) = shop();
        let grant = world.grant(&shop);
        let request = world.ask(&shop.operator, shop.vault.1).expect("an operator may ask");
        world.approve(&shop.officer, request).expect("a lead may agree");
        let mut file = tegata(&world, grant);
        let approval = file.entries.len() - 2;
        file.entries[approval] = text(&world, world.state.journal.size - 1);
        assert!(matches!(file.verify(&trust(&world)), Err(Fault::Inclusion(_))));
    }

    #[test]
    fn a_grant_that_the_entries_do_not_make_is_named() {
        let (mut world, shop) = shop();
        let grant = world.grant(&shop);
        let mut file = tegata(&world, grant);
        file.grant = GrantId::from_random([1; 16]);
        assert!(matches!(file.verify(&trust(&world)), Err(Fault::NoGrant { .. })));
    }
}

mod whom_one_trusts {
    use super::*;

    #[test]
    fn other_founders_are_named() {
        let (mut world, shop) = shop();
        let grant = world.grant(&shop);
        let file = tegata(&world, grant);
        let mut one_more = trust(&world);
        one_more.founders.insert(world.pen.public(shop.lead.key).fingerprint());
        let one_less = Trust { founders: trust(&world).founders.into_iter().take(1).collect() };
        let nobody = Trust { founders: BTreeSet::new() };
        for other in [one_more, one_less, nobody] {
            let fault = file.verify(&other).expect_err("other founders");
            assert!(matches!(&fault, Fault::OtherFounders { found } if *found == trust(&world).founders), "{fault}");
        }
    }

    #[test]
    fn an_installation_of_ones_own_proves_nothing_to_others() {
        let (honest, _) = shop();
        let (mut own, own_shop) = shop();
        own.founders = own.founders.map(|f| Face { key: f.key + 100, ..f });
        let mut forged = World::unfounded(RealPen, 12);
        forged.founders = own.founders;
        let founded = forged.founding();
        forged.offer(Event::Founded(founded)).expect("a sound founding, of others");
        let operator = forged.add_person();
        let lead = forged.add_person();
        forged.join("operators", &operator);
        forged.join("leads", &lead);
        let db1 = forged.add_target("db1", "shop", 1);
        forged.set_policy(vec![rule("shop", "operators", "shop", "leads", 1)]);
        let grant = forged.grant(&Shop { operator, lead, db1, ..own_shop });
        assert!(forged.state.passage.grants.contains_key(&grant));
        assert!(matches!(tegata(&forged, grant).verify(&trust(&honest)), Err(Fault::OtherFounders { .. })));
        assert!(tegata(&forged, grant).verify(&trust(&forged)).is_ok(), "those who trust them may");
    }

    #[test]
    fn a_founding_that_one_founder_did_not_sign_is_none() {
        let (honest, _) = shop();
        let mut forged = World::unfounded(RealPen, 11);
        let mut founded = forged.founding();
        // Both fingerprints are the true ones; the second founder's signature is the first one's.
        founded.signatures[1] = founded.signatures[0].clone();
        forged.force(Event::Founded(founded), Actor::Founders);
        let file = Tegata::new(
            GrantId::from_random([1; 16]),
            checkpoint(&forged),
            MultiProof::make(&tree(&forged), &[0], 1).expect("one entry"),
            vec![text(&forged, 0)],
        );
        let fault = file.verify(&trust(&honest)).expect_err("one founder is missing");
        assert!(matches!(fault, Fault::Signature { seq: 0, why: SignatureFault::OtherKey { .. } }), "{fault}");
    }

    #[test]
    fn a_founding_is_the_first_entry() {
        let (honest, _) = shop();
        let mut forged = World::unfounded(RealPen, 11);
        let founded = forged.founding();
        forged.force(
            Event::RecordingAnchored(domain::event::RecordingAnchored { root: ledger::Hash::of(b""), recordings: 0 }),
            Actor::Engine,
        );
        forged.force(Event::Founded(founded), Actor::Founders);
        let proof = MultiProof::make(&tree(&forged), &[1], 2).expect("two entries");
        let file = Tegata::new(GrantId::from_random([1; 16]), checkpoint(&forged), proof, vec![text(&forged, 1)]);
        assert!(matches!(file.verify(&trust(&honest)), Err(Fault::NoFounding)));
    }

    #[test]
    fn a_checkpoint_by_another_key_is_named() {
        let (mut world, shop) = shop();
        let grant = world.grant(&shop);
        let mut file = tegata(&world, grant);
        file.checkpoint = checkpoint_by(&world, world.origin().as_str(), LOG_KEY + 1);
        assert!(matches!(file.verify(&trust(&world)), Err(Fault::Checkpoint(_))));
    }

    #[test]
    fn a_checkpoint_of_another_origin_is_named() {
        let (mut world, shop) = shop();
        let grant = world.grant(&shop);
        let mut file = tegata(&world, grant);
        file.checkpoint = checkpoint_by(&world, "gate.example/osaka", LOG_KEY);
        assert!(matches!(file.verify(&trust(&world)), Err(Fault::Checkpoint(_))));
    }

    #[test]
    fn a_checkpoint_of_another_size_is_named() {
        let (mut world, shop) = shop();
        let grant = world.grant(&shop);
        let mut file = tegata(&world, grant);
        world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
        file.checkpoint = checkpoint(&world);
        assert!(matches!(file.verify(&trust(&world)), Err(Fault::Inclusion(_))));
    }

    #[test]
    fn a_checkpoint_that_is_none_is_named() {
        let (mut world, shop) = shop();
        let grant = world.grant(&shop);
        for text in ["", "\n", "gate.example/tokyo\n1\n", "x"] {
            let mut file = tegata(&world, grant);
            text.clone_into(&mut file.checkpoint);
            assert!(matches!(file.verify(&trust(&world)), Err(Fault::Checkpoint(_))), "{text:?}");
        }
    }

    #[test]
    fn statements_of_another_installation_are_no_statements_here() {
        let (mut world, shop) = shop();
        // The same people sign the same fields for a gate of another name.
        let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
        let fields = world.decision_fields(&shop.lead, request, Decision::Approve);
        let elsewhere = "gate.example/osaka".parse().expect("an origin");
        let (nonce, expires) = (domain::Nonce::from_random([1; 16]), world.at().plus(seconds(60)));
        let (signature, _) = world.pen.sign(shop.lead.key, &elsewhere, &fields, nonce, expires);
        let signed =
            domain::statement::Signed { key: world.pen.public(shop.lead.key).fingerprint(), nonce, expires, signature };
        rogue(&mut world, &shop.lead, Event::ApprovalGiven(Decided { fields, signed }), request, signature_fault);
    }
}

/// A server that keeps no rules writes `event` and the grant after it, holds the log's true key, and makes a tegata of it.
fn rogue(world: &mut W, as_face: &Face, event: Event, request: RequestId, named: impl Fn(&Fault) -> bool) {
    world.force_by(as_face, event);
    let grant = GrantId::from_random([42; 16]);
    world.force(Event::GrantMade(GrantMade { grant, request }), Actor::Engine);
    let fault = tegata(world, grant).verify(&trust(world)).expect_err("no true approval stands behind it");
    assert!(named(&fault), "{fault}");
    let everything: Vec<u64> = (0..world.state.journal.size).collect();
    let fault = tegata_with(world, grant, &everything).verify(&trust(world)).expect_err("nor in the whole ledger");
    assert!(named(&fault), "{fault}");
}

fn signature_fault(fault: &Fault) -> bool {
    matches!(fault, Fault::Signature { .. })
}

fn rule_fault(code: RefusalCode) -> impl Fn(&Fault) -> bool {
    move |fault| matches!(fault, Fault::Rule { why, .. } if why.code() == code)
}

fn approval(world: &mut W, by: &Face, request: RequestId) -> Event {
    let fields = world.decision_fields(by, request, Decision::Approve);
    world.decision(by.key, fields)
}

mod a_server_without_rules {
    use super::*;

    #[test]
    fn cannot_do_without_an_approval() {
        let (mut world, shop) = shop();
        let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
        let grant = GrantId::from_random([42; 16]);
        world.force(Event::GrantMade(GrantMade { grant, request }), Actor::Engine);
        let fault = tegata(&world, grant).verify(&trust(&world)).expect_err("nobody approved");
        assert!(rule_fault(RefusalCode::ApprovalsMissing)(&fault), "{fault}");
    }

    #[test]
    fn cannot_use_the_requesters_second_key() {
        let (mut world, shop) = shop();
        world.join("leads", &shop.operator);
        let (deed, second) = world.key_add(&shop.operator, shop.operator.human);
        world.deed(&shop.operator, deed).expect("an own key");
        let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
        let event = approval(&mut world, &second, request);
        rogue(&mut world, &second, event, request, rule_fault(RefusalCode::ApproverIsRequester));
    }

    #[test]
    fn cannot_use_the_requesters_second_persona() {
        let (mut world, shop) = shop();
        world.join("leads", &shop.operator);
        let (act, second) = world.persona_add(shop.operator.person, shop.operator.human, PersonaKind::Admin);
        world.carried(act);
        let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
        let event = approval(&mut world, &second, request);
        rogue(&mut world, &second, event, request, rule_fault(RefusalCode::ApproverIsRequester));
    }

    #[test]
    fn cannot_use_a_record_known_to_be_the_requesters() {
        let (mut world, shop) = shop();
        let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
        world.carried(Act::IdentityLink { one: shop.lead.person, other: shop.operator.person });
        let event = approval(&mut world, &shop.lead, request);
        rogue(&mut world, &shop.lead, event, request, rule_fault(RefusalCode::ApproverIsRequester));
    }

    #[test]
    fn cannot_use_a_research_persona() {
        let (mut world, shop) = shop();
        let (act, research) = world.persona_add(shop.lead.person, shop.lead.human, PersonaKind::Research);
        world.carried(act);
        let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
        let event = approval(&mut world, &research, request);
        rogue(&mut world, &research, event, request, rule_fault(RefusalCode::ResearchPersona));
    }

    #[test]
    fn cannot_use_a_sock_puppet_that_one_person_made_alone() {
        let (mut world, shop) = shop();
        let [one, _] = world.founders;
        let (act, puppet) = world.person_add(one.human, PersonaKind::Admin);
        let motion = world.propose(&one, act).expect("an administrator may propose");
        let statement = world.state.motions[&motion].statement;
        let fields = SecondFields { motion, statement, seconder: one.persona };
        let (signed, _) = world.sign(one.key, &fields);
        world.force_by(&one, Event::MotionCarried(MotionCarried { fields, signed }));
        world.join("leads", &puppet);
        let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
        let event = approval(&mut world, &puppet, request);
        rogue(&mut world, &puppet, event, request, rule_fault(RefusalCode::SeconderIsProposer));
    }

    #[test]
    fn cannot_make_a_person_that_no_second_person_signed_for() {
        let (mut world, shop) = shop();
        let [one, other] = world.founders;
        let (act, puppet) = world.person_add(one.human, PersonaKind::Admin);
        let motion = world.propose(&one, act).expect("an administrator may propose");
        let statement = world.state.motions[&motion].statement;
        let fields = SecondFields { motion, statement, seconder: other.persona };
        // In the other founder's name, by the first one's key.
        let (mut signed, _) = world.sign(one.key, &fields);
        signed.key = world.pen.public(other.key).fingerprint();
        world.force_by(&other, Event::MotionCarried(MotionCarried { fields, signed }));
        world.join("leads", &puppet);
        let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
        let event = approval(&mut world, &puppet, request);
        rogue(&mut world, &puppet, event, request, |fault| {
            matches!(fault, Fault::Signature { why: SignatureFault::OtherKey { .. }, .. })
        });
    }

    #[test]
    fn cannot_let_a_subject_join_the_approvers_by_their_own_hand() {
        let (mut world, shop) = shop();
        let [one, other] = world.founders;
        let (filed, event) = world.motion(&one, Act::GroupJoin { group: label("leads"), person: one.person });
        world.force_by(&one, Event::MotionFiled(event));
        let statement = world.state.motions[&filed.motion].statement;
        let seconded = world.seconding(&other, filed.motion, statement);
        world.force_by(&other, seconded);
        let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
        let event = approval(&mut world, &one, request);
        rogue(&mut world, &one, event, request, rule_fault(RefusalCode::SignerIsSubject));
    }

    #[test]
    fn cannot_use_a_key_enrolled_later() {
        let (mut world, shop) = shop();
        let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
        let (deed, later) = world.key_add(&shop.lead, shop.lead.human);
        let event = approval(&mut world, &later, request);
        world.force_by(&later, event);
        world.deed(&shop.lead, deed).expect("an own key");
        let grant = GrantId::from_random([42; 16]);
        world.force(Event::GrantMade(GrantMade { grant, request }), Actor::Engine);
        let fault = tegata(&world, grant).verify(&trust(&world)).expect_err("the key was not enrolled then");
        assert!(matches!(fault, Fault::Signature { why: SignatureFault::UnknownKey { .. }, .. }), "{fault}");
    }

    #[test]
    fn cannot_use_a_key_that_was_never_enrolled() {
        let (mut world, shop) = shop();
        let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
        let stranger = Face { key: world.new_key(99), ..shop.lead };
        let event = approval(&mut world, &stranger, request);
        // The proof then lacks the person for whom the key speaks; the whole ledger has them, and not the key.
        rogue(&mut world, &stranger, event, request, |fault| {
            matches!(fault, Fault::Signature { why: SignatureFault::UnknownKey { .. }, .. })
                || rule_fault(RefusalCode::PersonUnknown)(fault)
        });
    }

    #[test]
    fn cannot_use_an_approver_of_no_group() {
        let (mut world, shop) = shop();
        let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
        let event = approval(&mut world, &shop.colleague, request);
        rogue(&mut world, &shop.colleague, event, request, rule_fault(RefusalCode::ApproverNotEligible));
    }

    #[test]
    fn cannot_use_an_approval_of_another_request() {
        let (mut world, shop) = shop();
        let approved = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
        let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
        let Event::ApprovalGiven(mut decided) = approval(&mut world, &shop.lead, approved) else {
            unreachable!("it approves")
        };
        let unchanged = decided.clone();
        // Named as of the other request, it is not what was signed; as it is, it is of another statement.
        decided.fields.request = request;
        let mut again = world.clone();
        rogue(&mut again, &shop.lead, Event::ApprovalGiven(decided), request, signature_fault);
        let mut fields = world.decision_fields(&shop.lead, approved, Decision::Approve);
        fields.request = request;
        let event = world.decision(shop.lead.key, fields);
        rogue(&mut world.clone(), &shop.lead, event, request, rule_fault(RefusalCode::StatementDiffers));
        rogue(&mut world, &shop.lead, Event::ApprovalGiven(unchanged), request, |fault| {
            rule_fault(RefusalCode::ApprovalsMissing)(fault) || rule_fault(RefusalCode::RequestUnknown)(fault)
        });
    }

    #[test]
    fn cannot_turn_a_refusal_into_an_approval() {
        let (mut world, shop) = shop();
        let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
        let fields = world.decision_fields(&shop.lead, request, Decision::Refuse);
        let (signed, _) = world.sign(shop.lead.key, &fields);
        let mut turned = fields.clone();
        turned.decision = Decision::Approve;
        let mut again = world.clone();
        rogue(
            &mut again,
            &shop.lead,
            Event::ApprovalGiven(Decided { fields: turned, signed: signed.clone() }),
            request,
            signature_fault,
        );
        rogue(
            &mut world,
            &shop.lead,
            Event::ApprovalGiven(Decided { fields, signed }),
            request,
            rule_fault(RefusalCode::Unreadable),
        );
    }

    #[test]
    fn cannot_widen_a_request_after_it_was_signed() {
        let (mut world, shop) = shop();
        let fields = world.request_fields(&shop.operator, shop.db1.1, hours(1));
        let (signed, statement) = world.sign(shop.operator.key, &fields);
        let mut wider = fields.clone();
        wider.account = shop.vault.1;
        let request = wider.request;
        world.force_by(
            &shop.operator,
            Event::RequestFiled(RequestFiled { fields: wider, filing: Filing::Signed(signed), statement }),
        );
        let event = approval(&mut world, &shop.lead, request);
        rogue(&mut world, &shop.lead, event, request, signature_fault);
    }

    #[test]
    fn cannot_give_a_request_another_statements_hash() {
        let (mut world, shop) = shop();
        let fields = world.request_fields(&shop.operator, shop.db1.1, hours(1));
        let (signed, _) = world.sign(shop.operator.key, &fields);
        let request = fields.request;
        let statement = ledger::Hash::of(b"what the approver was shown");
        world.force_by(
            &shop.operator,
            Event::RequestFiled(RequestFiled { fields, filing: Filing::Signed(signed), statement }),
        );
        let event = approval(&mut world, &shop.lead, request);
        rogue(&mut world, &shop.lead, event, request, |fault| {
            matches!(fault, Fault::Signature { why: SignatureFault::StatementHash, .. })
        });
    }

    #[test]
    fn cannot_attribute_an_approval_to_somebody_else() {
        let (mut world, shop) = shop();
        let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
        let event = approval(&mut world, &shop.lead, request);
        rogue(&mut world, &shop.officer, event, request, rule_fault(RefusalCode::NotYourPersona));
    }

    #[test]
    fn cannot_use_a_hardware_key_that_nobody_touched() {
        let (mut world, shop) = shop();
        let touched = hardware(&mut world, &shop);
        let untouched = Face { key: touched.key | UNTOUCHED, ..touched };
        let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
        let event = approval(&mut world, &untouched, request);
        rogue(&mut world, &untouched, event, request, |fault| {
            matches!(fault, Fault::Signature { why: SignatureFault::NoPresence { .. }, .. })
        });
    }

    #[test]
    fn cannot_enrol_a_key_that_its_owner_does_not_hold() {
        let (mut world, shop) = shop();
        let [one, other] = world.founders;
        let (mut act, puppet) = world.person_add(77, PersonaKind::Admin);
        if let Act::PersonAdd { possession, .. } = &mut act {
            *possession = world.possession(puppet.person, puppet.persona, shop.lead.key);
        }
        let (filed, event) = world.motion(&one, act);
        world.force_by(&one, Event::MotionFiled(event));
        let statement = world.state.motions[&filed.motion].statement;
        let seconded = world.seconding(&other, filed.motion, statement);
        world.force_by(&other, seconded);
        world.join("leads", &puppet);
        let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
        let event = approval(&mut world, &puppet, request);
        rogue(&mut world, &puppet, event, request, signature_fault);
    }

    #[test]
    fn cannot_add_or_recover_a_key_that_its_owner_does_not_hold() {
        let (mut world, shop) = shop();
        let mut recovering = world.clone();
        let (mut deed, second) = world.key_add(&shop.lead, shop.lead.human);
        if let Deed::KeyAdd { possession, .. } = &mut deed {
            *possession = world.possession(shop.lead.person, shop.lead.persona, shop.operator.key);
        }
        let event = world.deed_event(&shop.lead, deed);
        world.force_by(&shop.lead, event);
        let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
        let event = approval(&mut world, &second, request);
        rogue(&mut world, &second, event, request, signature_fault);

        let (mut started, second) = recovering.recovery(&shop.lead, shop.lead.human);
        started.fields.possession = recovering.possession(shop.lead.person, shop.lead.persona, shop.operator.key);
        let (signed, _) = recovering.sign(world::RECOVERY_KEY, &started.fields);
        (started.nonce, started.expires, started.signature) = (signed.nonce, signed.expires, signed.signature);
        let recovery = started.fields.recovery;
        recovering.force(Event::RecoveryStarted(started), Actor::Recovery);
        recovering.tick(world::RECOVERY_DELAY);
        recovering.force(Event::RecoveryCompleted(domain::event::RecoveryCompleted { recovery }), Actor::Engine);
        let request = recovering.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
        let event = approval(&mut recovering, &second, request);
        rogue(&mut recovering, &second, event, request, signature_fault);
    }

    #[test]
    fn cannot_show_the_second_person_another_motion() {
        let (mut world, shop) = shop();
        let [one, other] = world.founders;
        let (fields, mut filed) =
            world.motion(&one, Act::GroupJoin { group: label("leads"), person: shop.colleague.person });
        filed.statement = ledger::Hash::of(b"what the second person was shown");
        let shown = filed.statement;
        world.force_by(&one, Event::MotionFiled(filed));
        let seconded = world.seconding(&other, fields.motion, shown);
        world.force_by(&other, seconded);
        let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
        let event = approval(&mut world, &shop.colleague, request);
        rogue(&mut world, &shop.colleague, event, request, |fault| {
            matches!(fault, Fault::Signature { why: SignatureFault::StatementHash, .. })
        });
    }

    #[test]
    fn cannot_recover_a_key_without_the_recovery_key_or_before_its_time() {
        let (mut world, shop) = shop();
        let (mut started, lead) = world.recovery(&shop.lead, shop.lead.human);
        let recovery = started.fields.recovery;
        let honest = started.clone();
        let mut early = world.clone();
        early.offer(Event::RecoveryStarted(honest)).expect("a ceremony may begin");
        early.force(Event::RecoveryCompleted(domain::event::RecoveryCompleted { recovery }), Actor::Engine);
        let request = early.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
        let event = approval(&mut early, &lead, request);
        rogue(&mut early, &lead, event, request, rule_fault(RefusalCode::RecoveryTooEarly));

        let (signed, _) = world.sign(shop.operator.key, &started.fields);
        (started.nonce, started.expires, started.signature) = (signed.nonce, signed.expires, signed.signature);
        world.force(Event::RecoveryStarted(started), Actor::Recovery);
        world.tick(world::RECOVERY_DELAY);
        world.force(Event::RecoveryCompleted(domain::event::RecoveryCompleted { recovery }), Actor::Engine);
        let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
        let event = approval(&mut world, &lead, request);
        rogue(&mut world, &lead, event, request, signature_fault);
    }

    #[test]
    fn cannot_write_time_backwards() {
        let (mut world, shop) = shop();
        let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
        let event = approval(&mut world, &shop.lead, request);
        let mut entry = world.force_by(&shop.lead, event);
        entry.time = entry.time.minus(hours(1));
        let last = world.bytes.len() - 1;
        world.bytes[last] = entry.encode().expect("it fits");
        let grant = GrantId::from_random([42; 16]);
        world.force(Event::GrantMade(GrantMade { grant, request }), Actor::Engine);
        let fault = tegata(&world, grant).verify(&trust(&world)).expect_err("time went back");
        assert!(rule_fault(RefusalCode::TimeWentBack)(&fault), "{fault}");
    }

    #[test]
    fn cannot_give_an_entry_another_number() {
        let (mut world, shop) = shop();
        let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
        let event = approval(&mut world, &shop.lead, request);
        let mut entry = world.force_by(&shop.lead, event);
        let grant = GrantId::from_random([42; 16]);
        world.force(Event::GrantMade(GrantMade { grant, request }), Actor::Engine);
        entry.seq += 5;
        let place = world.bytes.len() - 2;
        world.bytes[place] = entry.encode().expect("it fits");
        assert!(matches!(tegata(&world, grant).verify(&trust(&world)), Err(Fault::OtherPlace { .. })));
    }
}

/// A valid tegata is history. Whether it opens anything is asked of the state at the head.
mod history_is_no_passage {
    use super::*;

    fn history_only(change: impl Fn(&mut W, &Shop, GrantId), refused: RefusalCode) {
        let (mut world, shop) = shop();
        let request = world.ask(&shop.operator, shop.vault.1).expect("an operator may ask");
        world.approve(&shop.lead, request).expect("a lead may agree");
        let grant = world.approve(&shop.officer, request).expect("a lead may agree").expect("two are enough");
        world.open(&shop.operator, grant).expect("a live grant");
        let file = tegata(&world, grant);
        change(&mut world, &shop, grant);
        file.verify(&trust(&world)).expect("history stays true");
        let outcome = still_stands(&world.state, &grant, world.at()).map(drop).expect_err("it opens nothing");
        assert_eq!(outcome.code(), refused);
        assert!(world.open(&shop.operator, grant).is_err());
    }

    fn freeze(world: &mut W, face: &Face) {
        let reason = world.dice.commit();
        let by = world.founders[0];
        world.deed(&by, Deed::PersonFreeze { person: face.person, reason }).expect("an administrator may");
    }

    #[test]
    fn of_a_revoked_grant() {
        history_only(
            |world, shop, grant| {
                let reason = world.dice.commit();
                world.deed(&shop.officer, Deed::GrantRevoke { grant, reason }).expect("an approver may");
            },
            RefusalCode::GrantRevoked,
        );
    }

    #[test]
    fn of_a_returned_grant() {
        history_only(
            |world, shop, grant| {
                world.deed(&shop.operator, Deed::GrantReturn { grant }).expect("the holder may");
            },
            RefusalCode::GrantReturned,
        );
    }

    #[test]
    fn of_somebody_frozen() {
        history_only(|world, shop, _| freeze(world, &shop.operator), RefusalCode::PersonNotActive);
    }

    #[test]
    fn of_somebody_whose_other_record_is_frozen() {
        history_only(
            |world, shop, _| {
                freeze(world, &shop.colleague);
                world.carried(Act::IdentityLink { one: shop.colleague.person, other: shop.operator.person });
            },
            RefusalCode::PersonNotActive,
        );
    }

    #[test]
    fn of_somebody_gone() {
        history_only(
            |world, shop, _| {
                let by = world.founders[0];
                world.deed(&by, Deed::PersonLeave { person: shop.operator.person }).expect("an administrator may");
            },
            RefusalCode::PersonNotActive,
        );
    }

    #[test]
    fn of_somebody_who_left_the_group_that_may_ask() {
        history_only(
            |world, shop, _| {
                world
                    .deed(&shop.operator, Deed::GroupLeave { group: label("operators"), person: shop.operator.person })
                    .expect("an own place");
            },
            RefusalCode::NoRule,
        );
    }

    #[test]
    fn by_an_approver_frozen_since() {
        history_only(|world, shop, _| freeze(world, &shop.lead), RefusalCode::ApprovalTainted);
    }

    #[test]
    fn by_an_approver_found_to_be_the_requester() {
        history_only(
            |world, shop, _| {
                world.carried(Act::IdentityLink { one: shop.lead.person, other: shop.operator.person });
            },
            RefusalCode::ApprovalTainted,
        );
    }

    #[test]
    fn by_two_approvers_found_to_be_one() {
        history_only(
            |world, shop, _| {
                world.carried(Act::IdentityLink { one: shop.lead.person, other: shop.officer.person });
            },
            RefusalCode::ApprovalsMissing,
        );
    }

    #[test]
    fn under_rules_that_permit_it_no_more() {
        history_only(|world, _, _| world.set_policy(vec![]), RefusalCode::NoRule);
    }

    #[test]
    fn under_rules_that_want_more_approvals() {
        history_only(
            |world, _, _| world.set_policy(vec![rule("crown", "operators", "crown", "leads", 3)]),
            RefusalCode::ApprovalsMissing,
        );
    }

    #[test]
    fn under_rules_that_want_other_approvers() {
        history_only(
            |world, _, _| world.set_policy(vec![rule("crown", "operators", "crown", "security", 2)]),
            RefusalCode::ApprovalsMissing,
        );
    }

    #[test]
    fn under_rules_that_allow_less_time() {
        history_only(
            |world, _, _| {
                let mut short = rule("crown", "operators", "crown", "leads", 2);
                short.longest_s = 3_600;
                world.set_policy(vec![short]);
            },
            RefusalCode::WindowTooLong,
        );
    }

    #[test]
    fn of_a_window_that_is_over() {
        history_only(|world, _, _| world.tick(hours(2)), RefusalCode::GrantOver);
    }

    #[test]
    fn of_a_window_so_long_over_that_it_is_forgotten() {
        history_only(
            |world, shop, _| {
                world.tick(hours(3));
                world.ask(&shop.colleague, shop.db1.1).expect("an operator may ask");
            },
            RefusalCode::GrantUnknown,
        );
    }

    #[test]
    fn while_the_clock_is_in_doubt() {
        history_only(
            |world, _, _| {
                let expected = world.at();
                world
                    .offer(Event::ClockDoubted(ClockDoubted { expected, found: expected.plus(hours(9)) }))
                    .expect("the engine may");
            },
            RefusalCode::ClockDoubted,
        );
    }

    #[test]
    fn of_a_window_that_has_not_begun() {
        let (mut world, shop) = shop();
        let mut fields = world.request_fields(&shop.operator, shop.db1.1, hours(1));
        let start = world.at().plus(hours(1));
        fields.window = domain::Window::new(start, start.plus(hours(1))).expect("a window");
        let request = world.file(&shop.operator, fields).expect("an operator may ask");
        let grant = world.approve(&shop.lead, request).expect("a lead may agree").expect("one is enough");
        let verified = tegata(&world, grant).verify(&trust(&world)).expect("history is true");
        assert_eq!(still_stands(&world.state, &grant, world.at()).map(drop), Err(Refusal::GrantNotYet { from: start }));
        assert_eq!(verified.would_stand(world.at()).map(drop), Err(Refusal::GrantNotYet { from: start }));
        assert!(verified.would_stand(start).is_ok());
    }

    #[test]
    fn the_keeper_sees_the_window_in_the_proof_alone() {
        let (mut world, shop) = shop();
        let grant = world.grant(&shop);
        let until: Timestamp = world.at().plus(hours(2));
        let verified = tegata(&world, grant).verify(&trust(&world)).expect("an honest tegata");
        assert_eq!(verified.would_stand(until).map(drop), Err(Refusal::GrantOver { until }));
        let head = tree(&world).head();
        assert!(tegata(&world, grant).verify_under(&head, &trust(&world)).is_ok());
        let mut other = head;
        other.root = leaf_hash(b"another");
        assert!(matches!(tegata(&world, grant).verify_under(&other, &trust(&world)), Err(Fault::Inclusion(_))));
    }
}

/// Why the verdict says whose word these things are: a server that left them out of the proof gives a file that verifies.
mod rests_on_the_servers_word {
    use super::*;

    /// The whole ledger but for these entries.
    fn without(world: &W, grant: GrantId, left_out: std::ops::Range<u64>) -> Result<(), Fault> {
        let rest: Vec<u64> = (0..world.state.journal.size).filter(|place| !left_out.contains(place)).collect();
        tegata_with(world, grant, &rest).verify(&trust(world)).map(drop)
    }

    /// Approved against the rules; the whole ledger tells, the file without what was written meanwhile does not.
    #[track_caller]
    fn only_the_left_out_entries_tell(
        world: &mut W,
        approver: &Face,
        request: RequestId,
        policy: u64,
        meanwhile: std::ops::Range<u64>,
    ) {
        let fields =
            domain::statement::DecisionFields { policy, ..world.decision_fields(approver, request, Decision::Approve) };
        let event = world.decision(approver.key, fields);
        world.force_by(approver, event);
        let grant = GrantId::from_random([42; 16]);
        world.force(Event::GrantMade(GrantMade { grant, request }), Actor::Engine);
        let told = without(world, grant, 0..0).expect_err("with everything in it the rules tell");
        assert!(matches!(told, Fault::Rule { .. }), "{told}");
        without(world, grant, meanwhile).expect("nothing in the file tells");
    }

    fn asked(world: &mut W, shop: &Shop) -> (RequestId, u64) {
        let request = world.ask(&shop.operator, shop.db1.1).expect("an operator may ask");
        (request, world.state.journal.size)
    }

    #[test]
    fn that_requester_and_approver_were_not_known_to_be_one_person() {
        let (mut world, shop) = shop();
        let (request, from) = asked(&mut world, &shop);
        world.carried(Act::IdentityLink { one: shop.operator.person, other: shop.lead.person });
        let meanwhile = from..world.state.journal.size;
        let policy = world.state.policy.as_ref().expect("there are rules").policy.version;
        only_the_left_out_entries_tell(&mut world, &shop.lead, request, policy, meanwhile);
    }

    #[test]
    fn that_the_approver_was_still_in_the_group() {
        let (mut world, shop) = shop();
        let (request, from) = asked(&mut world, &shop);
        let leave = Deed::GroupLeave { group: label("leads"), person: shop.lead.person };
        world.deed(&shop.lead, leave).expect("an own place");
        let meanwhile = from..world.state.journal.size;
        let policy = world.state.policy.as_ref().expect("there are rules").policy.version;
        only_the_left_out_entries_tell(&mut world, &shop.lead, request, policy, meanwhile);
    }

    #[test]
    fn that_the_rules_were_those_in_force() {
        let (mut world, shop) = shop();
        let (request, from) = asked(&mut world, &shop);
        let policy = world.state.policy.as_ref().expect("there are rules").policy.version;
        world.set_policy(vec![rule("shop", "operators", "shop", "security", 1)]);
        let meanwhile = from..world.state.journal.size;
        only_the_left_out_entries_tell(&mut world, &shop.lead, request, policy, meanwhile);
    }
}
