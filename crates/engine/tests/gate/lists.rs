//! Lists in parts: put together they are the whole, whatever comes or goes meanwhile, and what never was is refused.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::collections::BTreeSet;
use std::fmt::Debug;

use channel::api::{ApiAnswer, ApiAsk, Membership, Page, Query, Rows, Submission, View, Which};
use channel::front::{Anchor, EndFact, FrontAnswer, FrontAsk};
use domain::committed::Purpose;
use domain::event::SessionEnding;
use domain::people::PersonaKind;
use domain::statement::{Deed, DeedFields};
use domain::{AccountId, GrantId, MotionId, PersonId, Refusal, RequestId, SessionId, SuiteKey, TargetId};
use ledger::Hash;
use worlds::{Client, Someone, World, opening};

use crate::passage::{Scene, scene};

/// A client that has proved its key once, for many questions.
struct Asking(Client);

impl Asking {
    async fn of(world: &World, who: &Someone) -> Self {
        Self(world.client(who).await)
    }

    async fn read(&mut self, query: Query) -> Result<View, Refusal> {
        match self.0.ask(ApiAsk::Read(query)).await {
            ApiAnswer::View(view) => Ok(view),
            ApiAnswer::Refused(refusal) => Err(refusal),
            other => panic!("{other:?}"),
        }
    }

    /// One list by parts of `limit`; the rows' own names, in the order they came.
    async fn all(&mut self, list: List, limit: u32) -> Vec<String> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let (rows, next) = names(self.read(list.query(after, limit)).await.unwrap());
            assert!(rows.len() <= limit as usize, "{list:?}");
            found.extend(rows);
            if next.is_none() {
                return found;
            }
            assert_ne!(next, after_of(&found, &next), "{list:?} goes nowhere");
            after = next;
        }
    }
}

/// Nothing but what tells a part that gives its own beginning again.
fn after_of(found: &[String], next: &Option<String>) -> Option<String> {
    if found.is_empty() { next.clone() } else { None }
}

#[derive(Debug, Clone, Copy)]
enum List {
    People,
    Keys,
    Groups,
    Targets,
    Accounts,
    Motions,
    Requests,
    Grants,
    Live,
    Ever,
    Entries,
}

const LISTS: [List; 11] = [
    List::People,
    List::Keys,
    List::Groups,
    List::Targets,
    List::Accounts,
    List::Motions,
    List::Requests,
    List::Grants,
    List::Live,
    List::Ever,
    List::Entries,
];

fn page<C: std::str::FromStr<Err: Debug>>(after: Option<String>, limit: u32) -> Page<C> {
    Page { after: after.map(|text| text.parse().unwrap()), limit }
}

impl List {
    fn query(self, after: Option<String>, limit: u32) -> Query {
        match self {
            Self::People => Query::People { page: page(after, limit) },
            Self::Keys => Query::Keys { person: None, page: page(after, limit) },
            Self::Groups => Query::Groups { page: page(after, limit) },
            Self::Targets => Query::Targets { page: page(after, limit) },
            Self::Accounts => Query::Accounts { target: None, page: page(after, limit) },
            Self::Motions => Query::Motions { page: page(after, limit) },
            Self::Requests => Query::Requests { page: page(after, limit) },
            Self::Grants => Query::Grants { page: page(after, limit) },
            Self::Live => Query::Sessions { which: Which::Live, page: page(after, limit) },
            Self::Ever => Query::Sessions { which: Which::Ever, page: page(after, limit) },
            Self::Entries => Query::Entries { about: None, kind: None, page: page(after, limit) },
        }
    }

    /// The name of something that never was.
    fn nothing(self) -> String {
        let id = [7; 16];
        match self {
            Self::People => PersonId::from_random(id).to_string(),
            Self::Keys => worlds::Someone::new().key().fingerprint().to_string(),
            Self::Groups => format!("strangers/{}", PersonId::from_random(id)),
            Self::Targets => TargetId::from_random(id).to_string(),
            Self::Accounts => AccountId::from_random(id).to_string(),
            Self::Motions => MotionId::from_random(id).to_string(),
            Self::Requests => RequestId::from_random(id).to_string(),
            Self::Grants => GrantId::from_random(id).to_string(),
            Self::Live | Self::Ever => SessionId::from_random(id).to_string(),
            Self::Entries => "1000000".to_owned(),
        }
    }
}

fn names(view: View) -> (Vec<String>, Option<String>) {
    fn of<R, C: ToString>(part: Rows<R, C>, name: impl Fn(&R) -> String) -> (Vec<String>, Option<String>) {
        (part.rows.iter().map(name).collect(), part.next.map(|next| next.to_string()))
    }
    match view {
        View::People(part) => of(part, |row| row.person.to_string()),
        View::Keys(part) => of(part, |row| row.fingerprint.to_string()),
        View::Groups(part) => of(part, |row| Membership { group: row.group.clone(), person: row.person }.to_string()),
        View::Targets(part) => of(part, |row| row.target.to_string()),
        View::Accounts(part) => of(part, |row| row.account.to_string()),
        View::Motions(part) => of(part, |row| row.motion.to_string()),
        View::Requests(part) => of(part, |row| row.request.to_string()),
        View::Grants(part) => of(part, |row| row.grant.to_string()),
        View::Sessions(part) => of(part, |row| row.session.to_string()),
        View::Entries(part) => of(part, |row| row.seq.to_string()),
        other => panic!("{other:?}"),
    }
}

/// Several rows in each list but targets and accounts, of which there is one.
async fn filled() -> Scene {
    let s = scene().await;
    for _ in 0..3 {
        s.world.add_person(&s.founder, &s.other, PersonaKind::Admin, &["operators", "watchers"]).await;
    }
    for purpose in ["rotate WAL archive, CHG-142", "look into slow queries, INC-7"] {
        let (request, statement) = s.world.request(&s.operator, s.account, purpose).await.unwrap();
        let made = s.world.approve(&s.owner, request, statement).await.unwrap();
        made.grant.expect("one approval is enough here");
        s.world.request(&s.operator, s.account, purpose).await.unwrap();
        propose(&s).await;
    }
    s
}

/// Something that waits for a second person.
async fn propose(s: &Scene) {
    use domain::motion::Act;
    use domain::statement::MotionFields;
    let fields = MotionFields {
        motion: MotionId::from_random(engine::random::bytes()),
        proposer: s.founder.persona,
        act: Act::GroupJoin { group: "watchers".parse().unwrap(), person: s.operator.person },
    };
    let signed = s.world.sign(&s.founder, &fields);
    s.world.client(&s.founder).await.submit(Submission::Motion { fields, signed }, vec![]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parts_of_every_list_are_the_whole_of_it_whatever_their_size() {
    let s = filled().await;
    let mut founder = Asking::of(&s.world, &s.founder).await;
    for list in LISTS {
        let whole = founder.all(list, 500).await;
        let is_empty = matches!(list, List::Live | List::Ever);
        assert_eq!(whole.is_empty(), is_empty, "{list:?}");
        for limit in (1..=whole.len() + 1).rev().take(12).chain(1..4) {
            assert_eq!(founder.all(list, u32::try_from(limit).unwrap()).await, whole, "{list:?} by {limit}");
        }
    }
    let keys = s.world.engine.state().people.keys.len();
    assert_eq!(founder.all(List::Keys, 2).await.len(), keys);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_in_a_list_that_never_was_is_refused() {
    let s = filled().await;
    let mut founder = Asking::of(&s.world, &s.founder).await;
    for list in LISTS {
        let refused = founder.read(list.query(Some(list.nothing()), 10)).await;
        assert!(refused.is_err(), "{list:?}: {refused:?}");
    }
    let of_other = Query::Keys {
        person: Some(s.operator.person),
        page: Page { after: Some(s.founder.key().fingerprint()), limit: 10 },
    };
    let refused: Result<View, Refusal> = founder.read(of_other).await;
    assert!(matches!(refused, Err(Refusal::KeyUnknown { .. })), "another person's key: {refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_ended_between_two_parts_still_says_where_to_go_on() {
    let s = filled().await;
    let mut founder = Asking::of(&s.world, &s.founder).await;
    let whole = founder.all(List::Requests, 500).await;
    let (first, next) = names(founder.read(List::Requests.query(None, 1)).await.unwrap());
    let gone: RequestId = first[0].parse().unwrap();
    s.world.deed(&s.operator, Deed::RequestWithdraw { request: gone }, vec![]).await.unwrap();
    let (rest, _) = names(founder.read(List::Requests.query(next, 500)).await.unwrap());
    assert_eq!(rest, whole[1..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_written_between_two_parts_neither_hide_nor_repeat_older_ones() {
    let s = filled().await;
    let mut founder = Asking::of(&s.world, &s.founder).await;
    let before = founder.all(List::Entries, 500).await;
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let (rows, next) = names(founder.read(List::Entries.query(after, 3)).await.unwrap());
        found.extend(rows);
        let Some(next) = next else { break };
        after = Some(next);
        propose(&s).await;
    }
    assert_eq!(found, before);
}

/// Opened one after the other; the first one has ended.
async fn sessions(s: &mut Scene) -> Vec<SessionId> {
    let (request, statement) = s.world.request(&s.operator, s.account, "rotate WAL archive, CHG-142").await.unwrap();
    s.world.approve(&s.owner, request, statement).await.unwrap();
    for _ in 0..3 {
        s.front.open(&s.operator).await.unwrap();
    }
    let state = s.world.engine.state();
    let mut opened: Vec<(u64, SessionId)> = state.passage.sessions.iter().map(|(id, one)| (one.seq, *id)).collect();
    opened.sort_unstable();
    let opened: Vec<SessionId> = opened.into_iter().map(|(_, id)| id).collect();
    end(s, opened[0]).await;
    opened
}

async fn end(s: &mut Scene, session: SessionId) {
    let fact = EndFact {
        session,
        ending: SessionEnding::ClientLeft,
        ended: engine::clock::Clock::wall(&s.world.clock),
        anchor: Anchor { chunks: 1, chain: Hash::of(b"chain") },
        complete: true,
        bytes: 1,
    };
    assert!(matches!(s.front.ask(FrontAsk::Ended(fact)).await, FrontAnswer::Noted));
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_end_keep_their_place_and_each_person_sees_their_own() {
    let mut s = scene().await;
    let opened = sessions(&mut s).await;
    let newest: Vec<String> = opened.iter().rev().map(ToString::to_string).collect();
    let mut founder = Asking::of(&s.world, &s.founder).await;
    for limit in 1..5 {
        assert_eq!(founder.all(List::Ever, limit).await, newest, "by {limit}");
    }
    let (_, next) = names(founder.read(List::Ever.query(None, 1)).await.unwrap());
    end(&mut s, opened[2]).await;
    end(&mut s, opened[1]).await;
    let (rest, _) = names(founder.read(List::Ever.query(next, 10)).await.unwrap());
    assert_eq!(rest, newest[1..], "those that ended meanwhile are still listed once");
    assert!(founder.all(List::Live, 10).await.is_empty());
    assert_eq!(Asking::of(&s.world, &s.operator).await.all(List::Ever, 1).await, newest, "the person's own");
    assert!(Asking::of(&s.world, &s.owner).await.all(List::Ever, 1).await.is_empty(), "nobody else's");
}

/// However much was written about a session since, its opening and its end are found, each by one question.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_by_its_kind_is_found_whatever_its_age() {
    let mut s = scene().await;
    let opened = sessions(&mut s).await;
    let mut founder = Asking::of(&s.world, &s.founder).await;
    for _ in 0..=store::MAX_PAGE {
        let (purpose, text) = opening::<Purpose>("look into incident INC-7");
        let reader = SuiteKey::new(&[1; 1_216]).unwrap();
        let deed = Deed::ReplayPermit { session: opened[0], purpose, reader };
        let fields = DeedFields { by: s.founder.persona, deed };
        let signed = s.world.sign(&s.founder, &fields);
        founder.0.submit(Submission::Deed { fields, signed }, vec![text]).await.unwrap();
    }
    for kind in ["session.opened", "session.ended"] {
        let (about, kind) = (Some(opened[0].to_string()), Some(kind.to_owned()));
        let query = Query::Entries { about, kind, page: Page { after: None, limit: 16 } };
        let (found, next) = names(founder.read(query).await.unwrap());
        assert_eq!((found.len(), next), (1, None));
    }
    let ever = founder.all(List::Ever, 1).await;
    assert_eq!(ever.last(), Some(&opened[0].to_string()), "listed as ended, with its end from that entry");
    let View::Sessions(part) = founder.read(List::Ever.query(None, 500)).await.unwrap() else { panic!("sessions") };
    assert!(part.rows.last().unwrap().ended.is_some());
}

/// The membership of the state's two indices is one: who is in a group is in the person's list of groups, and nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_shown_with_the_groups_that_list_them() {
    let s = filled().await;
    let group: domain::Label = "operators".parse().unwrap();
    s.world.deed(&s.operator, Deed::GroupLeave { group, person: s.operator.person }, vec![]).await.unwrap();
    let mut founder = Asking::of(&s.world, &s.founder).await;
    let members: BTreeSet<String> = founder.all(List::Groups, 500).await.into_iter().collect();
    let View::People(people) = founder.read(List::People.query(None, 500)).await.unwrap() else { panic!("people") };
    let shown: BTreeSet<String> = people
        .rows
        .iter()
        .flat_map(|row| row.groups.iter().map(|g| Membership { group: g.clone(), person: row.person }.to_string()))
        .collect();
    assert_eq!(shown, members);
}
