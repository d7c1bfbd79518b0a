//! Conversations of the model, cut anyhow: what goes on, and which facts come out.

use std::collections::BTreeMap;

use proptest::prelude::*;
use transfers::sftp::{Filter, Limits, Standing};
use transfers::{Fact, FileAct, FileFact, Outcome, Side, Status, Verdict};

use super::chance::Chance;
use super::model::{Conversation, FileModel, Model, digest_of};
use super::packets;
use super::talk::{Came, all_allowed, feed};

/// The act without what the model does not say.
fn text(act: &FileAct) -> String {
    act.to_string()
}

fn refuses_no(text: &str) -> bool {
    text.contains("no") && !text.contains("unknown") || text.contains("x-no")
}

fn by_name(act: &FileAct) -> Verdict {
    if refuses_no(&text(act)) { Verdict::Refuse("not today".into()) } else { Verdict::Allow }
}

fn said(conversation: &Conversation, side: Side) -> Vec<u8> {
    conversation.said.iter().filter(|say| say.by == side).flat_map(|say| say.bytes.clone()).collect()
}

fn code(outcome: &Outcome) -> Option<u32> {
    match outcome {
        Outcome::Done => Some(0),
        Outcome::Failed(Status(code)) => Some(*code),
        Outcome::Complained { .. } | Outcome::Refused(_) | Outcome::Unanswered => None,
    }
}

/// The facts are the model's: acts in the order of their answers, files in the order in which they were opened.
fn facts_are_the_models(came: &Came, model: &Conversation) {
    let acts: Vec<_> = came
        .facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::Act(act) => Some(act),
            _ => None,
        })
        .collect();
    let answered: Vec<_> = acts.iter().filter_map(|act| Some((text(&act.act), code(&act.outcome)?))).collect();
    assert_eq!(answered, model.answered);
    let with = |outcome: fn(&Outcome) -> bool| -> Vec<_> {
        acts.iter().filter(|act| outcome(&act.outcome)).map(|act| text(&act.act)).collect()
    };
    assert_eq!(with(|outcome| matches!(outcome, Outcome::Refused(_))), model.refused);
    assert_eq!(with(|outcome| *outcome == Outcome::Unanswered), model.unanswered);
    let mut files: Vec<_> = came
        .facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::File(file) => Some(file),
            _ => None,
        })
        .collect();
    files.sort_by_key(|file| file.file);
    assert_eq!(files.len(), model.opened.len());
    for (file, which) in files.into_iter().zip(&model.opened) {
        file_is_the_models(file, &model.files[*which]);
    }
    assert_eq!(came.facts.len(), acts.len() + model.opened.len(), "{:?}", came.facts);
}

fn file_is_the_models(fact: &FileFact, model: &FileModel) {
    assert_eq!(fact.path.to_string(), model.path);
    assert_eq!((fact.uploaded.is_some(), fact.downloaded.is_some()), (model.writes, model.reads));
    if let Some(up) = &fact.uploaded {
        assert_eq!((up.bytes, up.confirmed), (model.up_bytes, model.up_confirmed));
        assert_eq!(up.end, model.up.keys().next_back().map_or(0, |last| last + 1));
        let expected = digest_of(&model.up).filter(|_| !model.failed && model.close_asked);
        assert_eq!(up.digest.ok().map(|digest| digest.0), expected, "{fact:?}");
    }
    if let Some(down) = &fact.downloaded {
        assert_eq!((down.bytes, down.confirmed), (model.down_bytes, model.down_bytes));
        let whole = down.end == model.content.len() as u64;
        if let Ok(digest) = down.digest {
            assert!(whole, "a digest of a part: {fact:?}");
            assert_eq!(Some(digest.0), digest_of(&model.down));
        }
        assert!(down.digest.is_ok() || !model.read_properly, "{fact:?}");
    }
}

/// What the sink was shown is what passed.
fn kept_is_what_passed(came: &Came, model: &Conversation) {
    let mut shown: BTreeMap<(u64, Side), u64> = BTreeMap::new();
    for (file, side, _, bytes) in &came.kept {
        *shown.entry((*file, *side)).or_default() += bytes.len() as u64;
    }
    let up: u64 = shown.iter().filter(|((_, side), _)| *side == Side::Client).map(|(_, count)| count).sum();
    let down: u64 = shown.iter().filter(|((_, side), _)| *side == Side::Target).map(|(_, count)| count).sum();
    let limited = |bytes: fn(&FileModel) -> u64| -> u64 {
        model.opened.iter().map(|file| bytes(&model.files[*file]).min(KEEP)).sum()
    };
    assert_eq!((up, down), (limited(|file| file.up_bytes), limited(|file| file.down_bytes)));
}

const KEEP: u64 = 1000;

fn filter() -> Filter {
    Filter::new(Limits { keep_per_file: KEEP, ..Limits::default() })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_allowed_passes_as_it_is_and_the_facts_are_true(seed in any::<u64>(), steps in 1..120_usize) {
        let mut chance = Chance::new(seed);
        let model = Model::run(&mut chance, steps, |_| false);
        let mut filter = filter();
        let came = feed(&mut filter, &model.said, &mut chance, all_allowed);
        assert_eq!(came.standing, Some(Standing::Running));
        assert!(came.to_target == said(&model, Side::Client), "the target gets other bytes");
        assert!(came.to_client == said(&model, Side::Target), "the client gets other bytes");
        facts_are_the_models(&came, &model);
        kept_is_what_passed(&came, &model);
        assert!(came.most_memory <= Limits::default().memory());
    }

    #[test]
    fn what_is_refused_never_reaches_the_target_and_each_request_has_one_answer(seed in any::<u64>(), steps in 1..120_usize) {
        let mut chance = Chance::new(seed);
        let model = Model::run(&mut chance, steps, refuses_no);
        let came = feed(&mut filter(), &model.said, &mut chance, by_name);
        assert_eq!(came.standing, Some(Standing::Running));
        assert!(came.to_target == model.forwarded, "the target gets something else than what is allowed");
        facts_are_the_models(&came, &model);
        answers_are_complete(&came, &model);
    }

    #[test]
    fn what_somebody_is_asked_about_waits_and_then_goes_or_does_not(seed in any::<u64>(), steps in 1..80_usize) {
        let mut chance = Chance::new(seed);
        let model = Model::run(&mut chance, steps, |_| false);
        let came = feed(&mut filter(), &model.said, &mut chance, |act| match act {
            FileAct::Remove { .. } | FileAct::Rename { .. } => Verdict::Ask,
            _ => Verdict::Allow,
        });
        let refused = came.facts.iter().filter(|fact| matches!(fact, Fact::Act(act) if matches!(act.outcome, Outcome::Refused(_)))).count();
        let requests = packets::split(&said(&model, Side::Client)).len();
        // The model answers what was refused too, which no honest target does: there the channel ends.
        match came.standing {
            Some(Standing::Running) => assert_eq!(packets::split(&came.to_target).len() + refused, requests),
            other => assert!(refused > 0, "{other:?}"),
        }
    }
}

/// The client gets the target's packets whole and in order, and between them one of the gate's for each request refused.
fn answers_are_complete(came: &Came, model: &Conversation) {
    let requests: Vec<u32> =
        packets::split(&said(model, Side::Client))[1..].iter().map(|packet| packets::id(packet)).collect();
    let received = packets::split(&came.to_client);
    let (own, theirs): (Vec<&[u8]>, Vec<&[u8]>) = received[1..].iter().copied().partition(|packet| {
        packets::kind(packet) == 101 && packet.ends_with(b"\x00\x00\x00\x09not today\x00\x00\x00\x02en")
    });
    let their_stream = said(model, Side::Target);
    assert_eq!(theirs, packets::split(&their_stream)[1..]);
    assert_eq!(own.len(), model.refused.len());
    let mut answered: Vec<u32> = received[1..].iter().map(|packet| packets::id(packet)).collect();
    answered.sort_unstable();
    let mut expected: Vec<u32> = requests
        .into_iter()
        .filter(|id| model.requests.contains(id) || own.iter().any(|packet| packets::id(packet) == *id))
        .collect();
    expected.sort_unstable();
    assert_eq!(answered, expected);
}
