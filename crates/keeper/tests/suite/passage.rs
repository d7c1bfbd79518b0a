//! Passages: the certificate that a true proof brings, and the refusal that each false one meets.

use channel::keeper::{Answer, Ask, KeeperRefusal, PassageOrder};
use domain::event::Event;
use domain::motion::{Act, Principal};
use domain::rule::Channel;
use domain::statement::{Deed, Possession, PossessionFields, Statement};
use domain::{Actor, GrantId, Window};
use keeper::{Config, KeySet};
use ledger::{Hash, MultiProof};
use sshwire::Permit;
use tegata::{Tegata, statement};

use crate::bench::{Bench, fork_of, listed};
use crate::world::{Face, ORIGIN, World, committed, label, policy, seconds, signer};

const BOTH: &[Channel] = &[Channel::Shell, Channel::Exec];

/// A grant and an opened session on it, ready to be certified.
fn opened(bench: &mut Bench) -> (GrantId, u64) {
    let grant = bench.world.grant(BOTH);
    let opened = bench.open(&grant);
    (grant, opened)
}

fn order(ask: Ask) -> PassageOrder {
    match ask {
        Ask::Passage(order) => order,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_no_proof(refusal: &KeeperRefusal, because: &str) {
    assert!(matches!(refusal, KeeperRefusal::NoProof { why } if why.contains(because)), "{refusal:?}");
}

#[track_caller]
fn assert_differs(refusal: &KeeperRefusal, because: &str) {
    assert!(matches!(refusal, KeeperRefusal::EntryDiffers { why } if why.contains(because)), "{refusal:?}");
}

#[track_caller]
fn assert_not_standing(refusal: &KeeperRefusal, because: &str) {
    assert!(matches!(refusal, KeeperRefusal::NotStanding { why } if why.contains(because)), "{refusal:?}");
}

#[test]
fn a_passage_is_certified_as_its_entry_says_and_openssh_reads_it() {
    let sources = vec!["10.0.0.0/8".parse().unwrap(), "192.0.2.7/32".parse().unwrap()];
    let mut bench = Bench::with(Config::new(sources).unwrap());
    let (grant, seq) = opened(&mut bench);
    let Event::SessionOpened(entry) = domain::Entry::decode(bench.world.text(seq).as_bytes()).unwrap().event else {
        panic!()
    };
    let ask = bench.passage(&grant, seq);
    let mut tegata = order(ask.clone()).tegata;
    let (note, view) = bench.certified(ask);

    let spec = view.spec();
    assert_eq!((&spec.key, spec.serial), (&entry.subject, entry.serial));
    assert_eq!(spec.principals.iter().map(sshwire::Principal::as_str).collect::<Vec<_>>(), [entry.principal.as_str()]);
    // The world's clock stands at a quarter past a second: both ends lose that quarter.
    assert_eq!((spec.valid_after, spec.valid_before), (1_795_428_001 - 30, 1_795_428_001 + 60));
    tegata.checkpoint = note;
    let hash =
        spec.private_extensions.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect::<Vec<_>>();
    assert_eq!(hash, [("tegata-hash@sekimori", Hash::of(&tegata.to_bytes()).to_string().as_bytes())]);
    assert_eq!(bench.status().last_serial, Some(entry.serial));
    assert_eq!(bench.last(), bench.world.head());

    let certificate = view_text(&mut bench, &grant);
    let listed = listed(&certificate);
    let operator = bench.world.operator.person;
    for line in [
        "Type: ssh-ed25519-cert-v01@openssh.com user certificate",
        "Serial: 2",
        "Valid: from 2026-11-23T09:59:31 to 2026-11-23T10:01:01",
        entry.principal.as_str(),
        "source-address 10.0.0.0/8,192.0.2.7/32",
        "permit-pty",
        "tegata-hash@sekimori",
        &format!("grt={grant},per={operator}\""),
    ] {
        assert!(listed.contains(line), "`{line}` is not in\n{listed}");
    }
    assert!(!listed.contains("forwarding") && !listed.contains("permit-user-rc"), "{listed}");
}

/// Another session on the same grant, as OpenSSH's line.
fn view_text(bench: &mut Bench, grant: &GrantId) -> String {
    let seq = bench.open(grant);
    let ask = bench.passage(grant, seq);
    match bench.keeper.answer(ask) {
        Answer::Certified { certificate, .. } => certificate,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_terminal_is_permitted_only_with_a_shell() {
    for (channels, pty) in [(BOTH, true), (&[Channel::Shell], true), (&[Channel::Exec], false)] {
        let mut bench = Bench::ready();
        let grant = bench.world.grant(channels);
        let seq = bench.open(&grant);
        let ask = bench.passage(&grant, seq);
        let (_, view) = bench.certified(ask);
        assert_eq!(
            view.spec().permits.iter().copied().collect::<Vec<_>>(),
            if pty { vec![Permit::Pty] } else { vec![] }
        );
        assert_eq!((view.spec().source_address.as_ref(), view.spec().force_command.as_ref()), (None, None));
    }
}

#[test]
fn a_certificate_permits_forwarding_only_where_a_destination_was_granted() {
    let channel = |text: &str| text.parse::<Channel>().unwrap();
    for (channels, permits) in [
        (vec![Channel::Exec, Channel::Upload], vec![]),
        (vec![channel("forward:db1:5432")], vec![Permit::PortForwarding]),
        (vec![Channel::Shell, channel("socket:/run/x")], vec![Permit::PortForwarding, Permit::Pty]),
        (vec![Channel::Agent], vec![Permit::AgentForwarding]),
    ] {
        let mut bench = Bench::ready();
        let grant = bench.world.grant(&channels);
        let seq = bench.open(&grant);
        let ask = bench.passage(&grant, seq);
        let (_, view) = bench.certified(ask);
        assert_eq!(view.spec().permits.iter().copied().collect::<Vec<_>>(), permits, "{channels:?}");
    }
}

#[test]
fn the_finished_tegata_verifies_under_the_note_that_came_with_the_certificate() {
    let mut bench = Bench::ready();
    let (grant, seq) = opened(&mut bench);
    let ask = bench.passage(&grant, seq);
    let mut tegata = order(ask.clone()).tegata;
    tegata.checkpoint = bench.certified(ask).0;
    let founders = [&bench.world.commander, &bench.world.deputy].map(|face| face.signer.public_key().fingerprint());
    let trust = tegata::Trust { founders: founders.into_iter().collect() };
    assert_eq!(Tegata::parse(&tegata.to_bytes()).unwrap().verify(&trust).unwrap().grant_id(), grant);
}

#[test]
fn a_certificate_never_outlives_the_grant_not_even_by_a_fraction_of_a_second() {
    let mut bench = Bench::ready();
    let grant = bench.world.grant(BOTH);
    bench.tick(3_600 - 20);
    let seq = bench.open(&grant);
    let end = bench.world.state.passage.grants[&grant].request.fields.window.until();
    let ask = bench.passage(&grant, seq);
    let (_, view) = bench.certified(ask);
    assert!(end.micros() % 1_000_000 != 0);
    assert_eq!(view.spec().valid_before, u64::try_from(end.seconds()).unwrap());
}

#[test]
fn in_the_last_fraction_of_a_second_there_is_nothing_left_to_certify() {
    let mut bench = Bench::ready();
    let grant = bench.world.grant(BOTH);
    bench.tick(3_600);
    bench.world.now = bench.world.now.minus(std::time::Duration::from_millis(100));
    bench.set_clock(bench.world.now);
    let seq = bench.open(&grant);
    let ask = bench.passage(&grant, seq);
    assert_not_standing(&bench.refused(ask), "valid from");
}

#[test]
fn a_grant_that_nobody_approved_opens_nothing() {
    let mut bench = Bench::ready();
    let filed = bench.world.request(BOTH);
    let grant = bench.world.forced_grant(&filed, None);
    let seq = bench.open_forged(&grant, |_| {});
    let ask = bench.passage(&grant, seq);
    assert_no_proof(&bench.refused(ask), "approvals-missing");
}

#[test]
fn the_requesters_own_second_persona_does_not_approve() {
    let mut bench = Bench::ready();
    let world = &mut bench.world;
    let second = world.operator.second(33);
    world.add_persona(&second);
    world.carry(Act::GroupJoin { group: label("approvers"), person: second.person });
    let filed = world.request(BOTH);
    let approval = world.approval(&filed, &second);
    let grant = world.forced_grant(&filed, Some((approval, second.actor())));
    let seq = bench.open_forged(&grant, |_| {});
    let ask = bench.passage(&grant, seq);
    assert_no_proof(&bench.refused(ask), "approver-is-requester");
}

#[test]
fn a_sock_puppet_known_to_be_the_requester_does_not_approve() {
    let mut bench = Bench::ready();
    let world = &mut bench.world;
    let puppet = Face { person: domain::PersonId::from_random([34; 16]), ..world.operator.second(34) };
    world.add_person(&puppet);
    world.carry(Act::GroupJoin { group: label("approvers"), person: puppet.person });
    world.carry(Act::IdentityLink { one: world.operator.person, other: puppet.person });
    let filed = world.request(BOTH);
    let approval = world.approval(&filed, &puppet);
    let grant = world.forced_grant(&filed, Some((approval, puppet.actor())));
    let seq = bench.open_forged(&grant, |_| {});
    let ask = bench.passage(&grant, seq);
    assert_no_proof(&bench.refused(ask), "approver-is-requester");
}

#[test]
fn an_approval_that_the_approver_did_not_sign_is_none() {
    let mut bench = Bench::ready();
    let world = &mut bench.world;
    let filed = world.request(BOTH);
    let mut approval = world.approval(&filed, &world.approver.second(4));
    let Event::ApprovalGiven(decided) = &mut approval else { panic!() };
    // By the operator's key over the approver's fields, in the approver's name.
    let (forged, _) = world.signed(&signer(3), &decided.fields);
    decided.signed.signature = forged.signature;
    let actor = world.approver.actor();
    let grant = world.forced_grant(&filed, Some((approval, actor)));
    let seq = bench.open_forged(&grant, |_| {});
    let ask = bench.passage(&grant, seq);
    assert_no_proof(&bench.refused(ask), "not signed as it says");
}

#[test]
fn an_approval_for_another_request_is_none() {
    let mut bench = Bench::ready();
    let world = &mut bench.world;
    let other = world.request(&[Channel::Exec]);
    let filed = world.request(BOTH);
    let mut approval = world.approval(&other, &world.approver.second(4));
    let Event::ApprovalGiven(decided) = &mut approval else { panic!() };
    decided.fields.request = filed.fields.request;
    let actor = world.approver.actor();
    let grant = world.forced_grant(&filed, Some((approval, actor)));
    let seq = bench.open_forged(&grant, |_| {});
    let ask = bench.passage(&grant, seq);
    assert_no_proof(&bench.refused(ask), "not signed as it says");
}

/// Documented: "not revoked" is the engine's word, for no proof can show that nothing follows.
#[test]
fn a_revocation_after_the_proofs_entries_is_the_engines_to_see() {
    let mut bench = Bench::ready();
    let grant = bench.world.grant(BOTH);
    let (by, actor) = (Face { ..bench.world.commander.second(1) }, bench.world.commander.actor());
    let revoked = bench.world.deed(&by, Deed::GrantRevoke { grant, reason: committed("a reason") });
    let revoked = bench.world.record(revoked, actor);
    let seq = bench.open_forged(&grant, |_| {});
    let last = bench.last();
    let blind = bench.world.passage(&grant, seq, last);

    let mut shown = blind.clone();
    let mut seqs: std::collections::BTreeSet<u64> = shown.tegata.proof.indices.iter().copied().collect();
    seqs.insert(revoked);
    let (proof, entries) = bench.world.proof_of(&seqs);
    shown.tegata = Tegata::new(grant, String::new(), proof, entries);
    assert_not_standing(&bench.refused(Ask::Passage(shown)), "grant-revoked");

    bench.certified(Ask::Passage(blind));
}

#[test]
fn another_founding_of_the_same_founders_is_not_ours() {
    let mut bench = Bench::ready();
    let elsewhere = World::ready(&KeySet::generate().public());
    bench.world = elsewhere;
    let (grant, seq) = opened(&mut bench);
    let ask = bench.passage_from_scratch(&grant, seq);
    assert!(matches!(bench.refused(ask), KeeperRefusal::DoesNotExtend { last: 1, .. }));
}

#[test]
fn a_tegata_that_begins_with_another_founding_is_refused_under_our_own_head() {
    let mut bench = Bench::ready();
    let (grant, seq) = opened(&mut bench);
    let ask = bench.passage(&grant, seq);
    let mut order = order(ask);
    let founding = bench.world.founding(&KeySet::generate().public());
    let entry = domain::Entry { seq: 0, time: bench.world.now, actor: Actor::Founders, cause: None, event: founding };
    order.tegata.entries[0] = String::from_utf8(entry.encode().unwrap()).unwrap();
    assert_no_proof(&bench.refused(Ask::Passage(order)), "another founding");
}

#[test]
fn a_head_that_forks_or_rolls_back_is_refused() {
    let mut bench = Bench::ready();
    let (grant, seq) = opened(&mut bench);
    let early = order(bench.passage(&grant, seq));
    let fresh = order(bench.passage(&grant, seq));
    let later = bench.open(&grant);
    let ask = bench.passage(&grant, later);
    bench.certified(ask);

    assert!(matches!(bench.refused(Ask::Passage(early)), KeeperRefusal::DoesNotExtend { .. }), "rolled back");
    let mut forked = order(bench.passage(&grant, later));
    forked.head.root = fork_of(bench.world.head());
    assert!(
        matches!(bench.refused(Ask::Passage(forked)), KeeperRefusal::DoesNotExtend { .. }),
        "another root of the same size"
    );
    bench.open(&grant);
    let mut unproved = order(bench.passage(&grant, later));
    unproved.head.consistency = None;
    assert!(matches!(bench.refused(Ask::Passage(unproved)), KeeperRefusal::DoesNotExtend { .. }), "no proof");
    let mut falsely = order(bench.passage(&grant, later));
    falsely.head.consistency = fresh.head.consistency;
    assert!(
        matches!(bench.refused(Ask::Passage(falsely)), KeeperRefusal::DoesNotExtend { .. }),
        "a proof of something else"
    );
}

#[test]
fn a_serial_is_used_once() {
    let mut bench = Bench::ready();
    let (grant, seq) = opened(&mut bench);
    let first = bench.passage(&grant, seq);
    bench.certified(first);
    let again = bench.passage(&grant, seq);
    assert_eq!(bench.refused(again), KeeperRefusal::SerialUsed { asked: 1, last: 1 });
    let older = bench.open_forged(&grant, |opened| opened.serial = 0);
    let ask = bench.passage(&grant, older);
    assert_eq!(bench.refused(ask), KeeperRefusal::SerialUsed { asked: 0, last: 1 });
}

#[test]
fn the_keepers_own_clock_says_when_a_grant_and_a_certificate_are_over() {
    let mut bench = Bench::ready();
    let (grant, seq) = opened(&mut bench);
    let start = bench.world.now;
    let ask = |bench: &mut Bench| bench.passage(&grant, seq);
    for (clock, because) in [
        (start.plus(seconds(3_601)), "grant-over"),
        (start.minus(seconds(1)), "grant-not-yet"),
        (start.plus(seconds(60)), "valid from"),
        (start.plus(seconds(61)), "valid from"),
    ] {
        bench.set_clock(clock);
        let ask = ask(&mut bench);
        assert_not_standing(&bench.refused(ask), because);
    }
    bench.set_clock(start.plus(seconds(59)));
    let ask = ask(&mut bench);
    bench.certified(ask);
}

#[test]
fn an_engine_whose_clock_runs_ahead_gets_no_certificate_for_later() {
    let mut bench = Bench::ready();
    let grant = bench.world.grant(BOTH);
    bench.world.tick(seconds(20));
    let seq = bench.open(&grant);
    let ask = bench.passage(&grant, seq);
    assert_not_standing(&bench.refused(ask.clone()), "valid from");
    bench.set_clock(bench.world.now);
    bench.certified(ask);
}

#[test]
fn a_moment_between_the_entry_and_the_certificate_is_no_clock_skew() {
    for late in [1, 700, 59_000] {
        let mut bench = Bench::ready();
        let (grant, seq) = opened(&mut bench);
        bench.set_clock(bench.world.now.plus(std::time::Duration::from_millis(late)));
        let ask = bench.passage(&grant, seq);
        bench.certified(ask);
    }
}

#[test]
fn an_entry_dated_ahead_to_make_its_window_later_is_refused() {
    let mut bench = Bench::ready();
    let grant = bench.world.grant(BOTH);
    bench.world.tick(seconds(40));
    let seq = bench.open(&grant);
    let ask = bench.passage(&grant, seq);
    assert_not_standing(&bench.refused(ask), "valid from");
}

#[test]
fn a_window_wider_than_a_certificate_may_have_is_refused() {
    let mut bench = Bench::ready();
    let grant = bench.world.grant(BOTH);
    let now = bench.world.now;
    for (from, until) in [(30, 61), (30, 3_600), (31, 60), (3_600, 60)] {
        let valid = Window::new(now.minus(seconds(from)), now.plus(seconds(until))).unwrap();
        let seq = bench.open_forged(&grant, |opened| opened.valid = valid);
        let ask = bench.passage(&grant, seq);
        assert_differs(&bench.refused(ask), "session-malformed");
    }
}

#[test]
fn a_session_that_says_more_or_other_than_the_grant_is_refused() {
    type Forge = fn(&mut domain::event::SessionOpened);
    let forgeries: [(&str, Forge, &str); 8] = [
        ("another account's principal", |o| o.principal = Principal::from_random([9; 16]), "session-malformed"),
        (
            "the principal of errands",
            |o| o.principal = Principal::of_errands(&domain::TargetId::from_random([6; 16])),
            "not one for persons",
        ),
        ("another account", |o| o.account = domain::AccountId::from_random([9; 16]), "session-malformed"),
        (
            "a channel more",
            |o| {
                o.channels.insert(Channel::Shell);
            },
            "session-malformed",
        ),
        ("another's key", |o| o.key = signer(4).public_key().fingerprint(), "grant-not-yours"),
        ("a key nobody owns", |o| o.key = signer(88).public_key().fingerprint(), "key-unknown"),
        ("a person's key certified", |o| o.subject = signer(3).public_key().clone(), "session-malformed"),
        ("another grant", |o| o.grant = GrantId::from_random([9; 16]), "session-malformed"),
    ];
    for (what, forge, because) in forgeries {
        let mut bench = Bench::ready();
        let grant = bench.world.grant(&[Channel::Exec]);
        let seq = bench.open_forged(&grant, forge);
        let ask = bench.passage(&grant, seq);
        let refusal = bench.refused(ask);
        assert!(
            matches!(&refusal, KeeperRefusal::EntryDiffers { why } if why.contains(because)),
            "{what}: {refusal:?}"
        );
    }
}

#[test]
fn the_keepers_own_keys_are_never_certified() {
    let mut bench = Bench::ready();
    let status = bench.status();
    let grant = bench.world.grant(BOTH);
    for own in [status.log_key, status.ca_key] {
        let seq = bench.open_forged(&grant, |opened| opened.subject = own);
        let ask = bench.passage(&grant, seq);
        assert_differs(&bench.refused(ask), "session-malformed");
    }
}

#[test]
fn a_session_opened_in_anothers_name_is_refused() {
    let mut bench = Bench::ready();
    let grant = bench.world.grant(BOTH);
    for actor in [bench.world.approver.actor(), Actor::Engine, Actor::Unproved] {
        let seq = bench.open_forged_by(&grant, actor, |_| {});
        let ask = bench.passage(&grant, seq);
        assert_differs(&bench.refused(ask), "not-allowed");
    }
}

#[test]
fn a_session_written_before_its_grant_was_made_or_began_is_refused() {
    let mut bench = Bench::ready();
    let earlier = bench.world.grant(BOTH);
    let mut opened = bench.world.session(&earlier);
    let grant = GrantId::from_random([9; 16]);
    opened.grant = grant;
    let actor = bench.world.operator.actor();
    let seq = bench.world.force(Event::SessionOpened(opened), actor);
    bench.world.grant_as(grant, BOTH);
    let ask = bench.passage(&grant, seq);
    assert_differs(&bench.refused(ask), "before its grant was made");

    let mut bench = Bench::ready();
    let grant = bench.world.grant_from(seconds(30), BOTH);
    let seq = bench.open_forged(&grant, |_| {});
    bench.set_clock(bench.world.now.plus(seconds(31)));
    let ask = bench.passage(&grant, seq);
    assert_not_standing(&bench.refused(ask), "grant-not-yet");
}

#[test]
fn an_entry_that_is_not_under_the_head_or_not_the_sessions_is_refused() {
    let mut bench = Bench::ready();
    let (grant, seq) = opened(&mut bench);
    let genuine = order(bench.passage(&grant, seq));

    let mut altered = genuine.clone();
    altered.opened = altered.opened.replace("\"serial\":1", "\"serial\":7");
    assert_ne!(altered.opened, genuine.opened);
    assert_no_proof(&bench.refused(Ask::Passage(altered)), "another root");

    let mut elsewhere = genuine.clone();
    elsewhere.inclusion.index -= 1;
    assert!(matches!(bench.refused(Ask::Passage(elsewhere)), KeeperRefusal::NoProof { .. }));

    let mut smaller = genuine.clone();
    smaller.inclusion.size -= 1;
    assert_no_proof(&bench.refused(Ask::Passage(smaller)), "another tree size");

    let mut other_kind = genuine.clone();
    let last = bench.last();
    let other = bench.world.passage(&grant, seq - 1, last);
    (other_kind.opened, other_kind.inclusion) = (other.opened, other.inclusion);
    assert_differs(&bench.refused(Ask::Passage(other_kind)), "not `session.opened`");

    bench.certified(Ask::Passage(genuine));
}

#[test]
fn entries_of_the_tegata_swapped_dropped_doubled_or_altered_are_refused() {
    let mut bench = Bench::ready();
    let (grant, seq) = opened(&mut bench);
    let genuine = order(bench.passage(&grant, seq));
    let count = genuine.tegata.entries.len();
    assert!(count > 15, "{count} entries");

    for place in 1..count {
        let mut swapped = genuine.clone();
        swapped.tegata.entries.swap(place - 1, place);
        assert!(matches!(bench.refused(Ask::Passage(swapped)), KeeperRefusal::NoProof { .. }), "swapped {place}");

        let mut dropped = genuine.clone();
        dropped.tegata.entries.remove(place);
        assert!(matches!(bench.refused(Ask::Passage(dropped)), KeeperRefusal::NoProof { .. }), "dropped {place}");

        let mut doubled = genuine.clone();
        let entry = doubled.tegata.entries[place].clone();
        doubled.tegata.entries.insert(place, entry);
        assert!(matches!(bench.refused(Ask::Passage(doubled)), KeeperRefusal::NoProof { .. }), "doubled {place}");
    }
    bench.certified(Ask::Passage(genuine));
}

/// An engine that leaves out what it likes, with a sound proof for the rest, gets a certificate for no smaller set.
#[test]
fn no_entry_of_the_proof_can_be_left_out() {
    let mut bench = Bench::ready();
    let (grant, seq) = opened(&mut bench);
    let genuine = order(bench.passage(&grant, seq));
    let all: Vec<u64> = genuine.tegata.proof.indices.clone();
    for left_out in &all {
        let seqs = all.iter().copied().filter(|seq| seq != left_out).collect();
        let (proof, entries) = bench.world.proof_of(&seqs);
        let mut order = genuine.clone();
        order.tegata = Tegata::new(grant, String::new(), proof, entries);
        let refusal = bench.refused(Ask::Passage(order));
        assert!(matches!(refusal, KeeperRefusal::NoProof { .. }), "without {left_out}: {refusal:?}");
    }
    bench.certified(Ask::Passage(genuine));
}

#[test]
fn a_tegata_of_another_grant_or_with_something_nobody_reads_is_refused() {
    let mut bench = Bench::ready();
    let (grant, seq) = opened(&mut bench);
    let genuine = order(bench.passage(&grant, seq));

    let mut other = genuine.clone();
    other.tegata.grant = GrantId::from_random([9; 16]);
    assert_no_proof(&bench.refused(Ask::Passage(other)), "do not make grant");

    let mut noted = genuine.clone();
    noted.tegata.checkpoint = "a note".to_owned();
    assert!(matches!(bench.refused(Ask::Passage(noted)), KeeperRefusal::Malformed { .. }));

    let json = serde_json::to_string(&genuine.tegata).unwrap();
    let mut other_form = genuine.clone();
    other_form.tegata = serde_json::from_str(&json.replace("sekimori-tegata/v1", "sekimori-tegata/v2")).unwrap();
    assert!(matches!(bench.refused(Ask::Passage(other_form)), KeeperRefusal::Malformed { .. }));

    let mut empty = genuine.clone();
    empty.tegata = Tegata::new(grant, String::new(), MultiProof { size: 1, indices: vec![], nodes: vec![] }, vec![]);
    assert_no_proof(&bench.refused(Ask::Passage(empty)), "another founding");
    bench.certified(Ask::Passage(genuine));
}

#[test]
fn a_grant_stays_what_it_was_when_the_rules_and_the_members_change() {
    let mut bench = Bench::ready();
    let grant = bench.world.grant(BOTH);
    bench.world.carry(Act::PolicySet { policy: policy(2) });
    let seq = bench.open(&grant);
    let ask = bench.passage(&grant, seq);
    bench.certified(ask);
}

#[test]
fn a_key_added_after_the_grant_passes_only_with_its_own_entry_in_the_proof() {
    let mut bench = Bench::ready();
    let grant = bench.world.grant(BOTH);
    let added = add_key(&mut bench.world, 44);
    let key = signer(44).public_key().fingerprint();
    let mut opened = bench.world.session(&grant);
    opened.key = key;
    let actor = bench.world.operator.actor();
    let seq = bench.world.record(Event::SessionOpened(opened), actor);

    let ask = bench.passage(&grant, seq);
    assert_differs(&bench.refused(ask.clone()), "key-unknown");

    let mut order = order(ask);
    let mut seqs: std::collections::BTreeSet<u64> = order.tegata.proof.indices.iter().copied().collect();
    seqs.insert(added);
    let (proof, entries) = bench.world.proof_of(&seqs);
    order.tegata = Tegata::new(grant, String::new(), proof, entries);
    bench.certified(Ask::Passage(order));
}

fn add_key(world: &mut World, number: u8) -> u64 {
    let (operator, new) = (world.operator.second(3), signer(number));
    let fields = PossessionFields { person: operator.person, persona: operator.persona, key: new.public_key().clone() };
    let nonce = world.nonce();
    let bytes = statement::possession_bytes(&ORIGIN.parse().unwrap(), &fields, nonce);
    let possession = Possession { nonce, signature: new.sshsig(PossessionFields::NAME, &bytes) };
    let deed = world.deed(&operator, Deed::KeyAdd { key: new.public_key().clone(), possession });
    world.record(deed, operator.actor())
}

/// What was verified once is known again; nothing else is let in by that.
#[test]
fn a_history_known_from_before_lets_no_altered_one_pass() {
    let mut bench = Bench::ready();
    let (grant, seq) = opened(&mut bench);
    let ask = bench.passage(&grant, seq);
    bench.certified(ask);
    let seq = bench.open(&grant);
    let genuine = order(bench.passage(&grant, seq));
    for place in 1..genuine.tegata.entries.len() {
        let mut altered = genuine.clone();
        altered.tegata.entries[place].push(' ');
        assert!(matches!(bench.refused(Ask::Passage(altered)), KeeperRefusal::NoProof { .. }), "entry {place}");
    }
    let mut elsewhere = genuine.clone();
    elsewhere.tegata.proof.nodes[0] = Hash::of(b"another tree");
    assert_no_proof(&bench.refused(Ask::Passage(elsewhere)), "another root");
    let mut other_grant = genuine.clone();
    other_grant.tegata.grant = GrantId::from_random([9; 16]);
    assert_no_proof(&bench.refused(Ask::Passage(other_grant)), "do not make grant");
    bench.set_clock(bench.world.now.plus(seconds(3_601)));
    assert_not_standing(&bench.refused(Ask::Passage(genuine.clone())), "grant-over");
    bench.set_clock(bench.world.now);
    bench.certified(Ask::Passage(genuine));
}

#[test]
fn before_the_founding_nothing_is_certified() {
    let keys = KeySet::generate();
    let world = World::ready(&keys.public());
    let mut bench = Bench::unfounded(keys, world, Config::default());
    let (grant, seq) = opened(&mut bench);
    let ask = bench.passage_from_scratch(&grant, seq);
    assert_eq!(bench.refused(ask), KeeperRefusal::NotFounded);
}
