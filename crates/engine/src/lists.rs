//! The lists that people ask for, part by part. Each has one order that no later entry changes, so that parts put together are the whole.
//! A part costs what its own rows cost, whatever the list's length.

use std::collections::VecDeque;
use std::fmt::Display;
use std::ops::{Bound, Range};

use channel::api::{HeldKeyView, MemberView, Membership, Page, SessionView, View, Which};
use domain::event::{Event, SessionEnding};
use domain::state::Order as SessionOrder;
use domain::{
    AccountId, Actor, Entry, GrantId, MotionId, PersonId, Refusal, RequestId, SessionId, State, TargetId, Timestamp,
};
use sshwire::Fingerprint;
use store::{Order, SubjectKey};

use crate::engine::{Engine, unavailable};
use crate::paging::{self, part};
use crate::views::{Asker, label};

/// Which entries are asked for.
pub(crate) struct Sought {
    pub(crate) about: Option<String>,
    pub(crate) kind: Option<String>,
}

/// What the state holds, in the order of ids.
impl Engine {
    pub(crate) fn people(&self, state: &State, page: Page<PersonId>) -> Result<View, Refusal> {
        let persons = &state.people.persons;
        let from = self.after(&page, |id| persons.contains_key(id), |person| Refusal::PersonUnknown { person })?;
        let ids = persons.range((from, Bound::Unbounded)).map(|(id, _)| *id);
        Ok(View::People(part(ids, paging::limit(&page), |id| *id, |id| Some(self.person(state, &id)))))
    }

    /// A key stays with its persona and a persona with its person, so a key has one place for ever.
    pub(crate) fn keys(
        &self,
        state: &State,
        person: Option<PersonId>,
        page: Page<Fingerprint>,
    ) -> Result<View, Refusal> {
        let people = &state.people;
        if let Some(person) = person.filter(|person| !people.persons.contains_key(person)) {
            return Err(Refusal::PersonUnknown { person });
        }
        let place = |key: Fingerprint| {
            let persona = people.keys.get(&key).and_then(|found| people.personas.get(&found.persona));
            let owner = persona.map(|persona| persona.person).filter(|owner| person.is_none_or(|one| one == *owner));
            owner.map(|owner| (owner, key)).ok_or(Refusal::KeyUnknown { key })
        };
        let after = page.after.map(place).transpose()?;
        let first = after.map(|(owner, _)| owner).or(person);
        let holders = people.holdings.range((first.map_or(Bound::Unbounded, Bound::Included), Bound::Unbounded));
        let keys =
            holders.take_while(|(owner, _)| person.is_none_or(|one| one == **owner)).flat_map(|(owner, held)| {
                let seen = after.filter(|(seen, _)| seen == owner).map(|(_, key)| key);
                held.range((seen.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)).copied()
            });
        let row = |key| self.held_key(state, key);
        Ok(View::Keys(part(keys, paging::limit(&page), |key| *key, row)))
    }

    fn held_key(&self, state: &State, fingerprint: Fingerprint) -> Option<HeldKeyView> {
        let key = state.people.keys.get(&fingerprint)?;
        let persona = state.people.personas.get(&key.persona)?;
        Some(HeldKeyView {
            fingerprint,
            key: key.key.clone(),
            retired: key.retired,
            persona: key.persona,
            kind: persona.kind,
            person: persona.person,
            person_name: self.name(state, &persona.person),
        })
    }

    /// Groups stay when their last member leaves, and persons when they leave: both ends of a place among members are known for ever.
    pub(crate) fn groups(&self, state: &State, page: Page<Membership>) -> Result<View, Refusal> {
        let people = &state.people;
        if let Some(Membership { group, person }) = &page.after {
            let is_known = people.groups.contains_key(group) && people.persons.contains_key(person);
            if !is_known {
                return Err(Refusal::NotMember { group: group.clone() });
            }
        }
        let after = page.after.as_ref();
        let first = after.map_or(Bound::Unbounded, |after| Bound::Included(after.group.clone()));
        let members = people.groups.range((first, Bound::Unbounded)).flat_map(|(group, members)| {
            let seen = after.filter(|after| after.group == *group).map(|after| after.person);
            let from = seen.map_or(Bound::Unbounded, Bound::Excluded);
            let persons = members.range((from, Bound::Unbounded)).map(|(person, _)| *person);
            persons.map(move |person| Membership { group: group.clone(), person })
        });
        let row =
            |Membership { group, person }| Some(MemberView { group, person, person_name: self.name(state, &person) });
        Ok(View::Groups(part(members, paging::limit(&page), Membership::clone, row)))
    }

    pub(crate) fn targets(&self, state: &State, page: Page<TargetId>) -> Result<View, Refusal> {
        let targets = &state.estate.targets;
        let from = self.after(&page, |id| targets.contains_key(id), |target| Refusal::TargetUnknown { target })?;
        let ids = targets.range((from, Bound::Unbounded)).map(|(id, _)| *id);
        Ok(View::Targets(part(ids, paging::limit(&page), |id| *id, |id| self.target(state, &id))))
    }

    pub(crate) fn accounts(
        &self,
        state: &State,
        target: Option<TargetId>,
        page: Page<AccountId>,
        me: &Asker,
    ) -> Result<View, Refusal> {
        let accounts = &state.estate.accounts;
        let from = self.after(&page, |id| accounts.contains_key(id), |account| Refusal::AccountUnknown { account })?;
        let row = |(id, account): (&AccountId, &domain::estate::Account)| {
            let is_wanted = target.is_none_or(|target| target == account.target);
            is_wanted.then(|| self.account(state, id, me)).flatten()
        };
        let found = accounts.range((from, Bound::Unbounded));
        Ok(View::Accounts(part(found, paging::limit(&page), |(id, _)| **id, row)))
    }

    pub(crate) fn motions(&self, state: &State, page: Page<MotionId>) -> Result<View, Refusal> {
        let motions = &state.motions;
        let from = self.after(&page, |id| motions.contains_key(id), |motion| Refusal::MotionUnknown { motion })?;
        let found = motions.range((from, Bound::Unbounded));
        let row = |(_, motion)| self.motion(state, motion);
        Ok(View::Motions(part(found, paging::limit(&page), |(id, _)| **id, row)))
    }

    pub(crate) fn requests(&self, state: &State, page: Page<RequestId>, me: &Asker) -> Result<View, Refusal> {
        let requests = &state.passage.requests;
        let from = self.after(&page, |id| requests.contains_key(id), |request| Refusal::RequestUnknown { request })?;
        let found = requests.range((from, Bound::Unbounded));
        let row = |(_, request)| self.request(state, request, me);
        Ok(View::Requests(part(found, paging::limit(&page), |(id, _)| **id, row)))
    }

    pub(crate) fn grants(&self, state: &State, page: Page<GrantId>, me: &Asker) -> Result<View, Refusal> {
        let grants = &state.passage.grants;
        let from = self.after(&page, |id| grants.contains_key(id), |grant| Refusal::GrantUnknown { grant })?;
        let found = grants.range((from, Bound::Unbounded));
        let row = |(id, grant)| Some(self.grant(state, id, grant, me));
        Ok(View::Grants(part(found, paging::limit(&page), |(id, _): &(&GrantId, _)| **id, row)))
    }

    /// Where to begin. A row that was seen may be gone since: its id keeps its place, if the ledger ever named it.
    fn after<I: Copy + Display>(
        &self,
        page: &Page<I>,
        is_there: impl Fn(&I) -> bool,
        unknown: impl Fn(I) -> Refusal,
    ) -> Result<Bound<I>, Refusal> {
        match page.after {
            None => Ok(Bound::Unbounded),
            Some(id) if is_there(&id) || self.was_named(&id)? => Ok(Bound::Excluded(id)),
            Some(id) => Err(unknown(id)),
        }
    }

    fn was_named(&self, id: &impl Display) -> Result<bool, Refusal> {
        let subject = SubjectKey::new(id.to_string()).map_err(|e| unavailable("an id", &e))?;
        let first = self.reader.by_subject(&subject, 0..u64::MAX, Order::OldestFirst, 1);
        first.map(|found| !found.is_empty()).map_err(|e| unavailable("reading the ledger", &e))
    }
}

/// Sessions.
impl Engine {
    pub(crate) fn sessions(
        &self,
        state: &State,
        which: Which,
        page: Page<SessionId>,
        me: &Asker,
    ) -> Result<View, Refusal> {
        match which {
            Which::Live => self.live_sessions(state, &page, me),
            Which::Ever => self.all_sessions(state, &page, me),
        }
    }

    pub(crate) fn one_session(&self, state: &State, session: SessionId, me: &Asker) -> Result<View, Refusal> {
        let found = self.live_session(state, &session).filter(|found| me.sees_all || me.person == found.person);
        found.map(View::Session).ok_or(Refusal::SessionUnknown { session })
    }

    fn live_sessions(&self, state: &State, page: &Page<SessionId>, me: &Asker) -> Result<View, Refusal> {
        let sessions = &state.passage.sessions;
        let from = self.after(page, |id| sessions.contains_key(id), |session| Refusal::SessionUnknown { session })?;
        let row = |id: SessionId| self.live_session(state, &id);
        if me.sees_all {
            let ids = sessions.range((from, Bound::Unbounded)).map(|(id, _)| *id);
            return Ok(View::Sessions(part(ids, paging::limit(page), |id| *id, row)));
        }
        let from = match from {
            Bound::Excluded(id) => Bound::Excluded((me.person, id)),
            Bound::Included(_) | Bound::Unbounded => Bound::Included((me.person, SessionId::from_random([0; 16]))),
        };
        let own = state.passage.connected.range((from, Bound::Unbounded));
        let own = own.take_while(|(person, _)| *person == me.person).map(|(_, id)| *id);
        Ok(View::Sessions(part(own, paging::limit(page), |id| *id, row)))
    }

    fn live_session(&self, state: &State, id: &SessionId) -> Option<SessionView> {
        let session = state.passage.sessions.get(id)?;
        Some(SessionView {
            session: *id,
            grant: session.grant,
            account: self.account_text(state, &session.account),
            account_id: session.account,
            person: session.person,
            person_name: self.name(state, &session.person),
            opened: session.opened,
            ends: session.ends,
            order: session.order,
            ended: None,
        })
    }

    /// By their openings: a session that ends keeps its place.
    fn all_sessions(&self, state: &State, page: &Page<SessionId>, me: &Asker) -> Result<View, Refusal> {
        let below = page.after.map_or(Ok(state.journal.size), |seen| self.session_entry(&seen))?;
        let mine = SubjectKey::new(me.person.to_string()).map_err(|e| unavailable("an id", &e))?;
        let ask = |range, most| {
            if me.sees_all {
                self.reader.by_kind(OPENED, range, Order::NewestFirst, most)
            } else {
                self.reader.by_subject_and_kind((&mine, OPENED), range, Order::NewestFirst, most)
            }
        };
        let mut openings = Newest::new(below, ask);
        let found = openings.by_ref().filter_map(|stored| Opened::of(&stored));
        let row = |opened: Opened| {
            let is_shown = me.sees_all || me.person == opened.person;
            is_shown.then(|| self.session_once_opened(state, opened)).flatten()
        };
        let rows = part(found, paging::limit(page), |opened| opened.session, row);
        openings.whole()?;
        Ok(View::Sessions(rows))
    }

    fn session_once_opened(&self, state: &State, opened: Opened) -> Option<SessionView> {
        if let Some(live) = self.live_session(state, &opened.session) {
            return Some(live);
        }
        let (at, ending) = self.end_of(&opened)?;
        Some(SessionView {
            session: opened.session,
            grant: opened.grant,
            account: self.account_text(state, &opened.account),
            account_id: opened.account,
            person: opened.person,
            person_name: self.name(state, &opened.person),
            opened: opened.at,
            ends: at,
            order: SessionOrder::Flow,
            ended: Some((at, ending)),
        })
    }

    fn end_of(&self, opened: &Opened) -> Option<(Timestamp, SessionEnding)> {
        let is_end = |event: &Event| matches!(event, Event::SessionEnded(ended) if ended.session == opened.session);
        match self.first_about(&opened.session, &["session.ended"], is_end).ok()??.event {
            Event::SessionEnded(ended) => Some((ended.ended, ended.ending)),
            _ => None,
        }
    }
}

/// Entries.
impl Engine {
    pub(crate) fn entries(
        &self,
        state: &State,
        sought: &Sought,
        page: &Page<u64>,
        me: &Asker,
    ) -> Result<View, Refusal> {
        let head = self.reader.head().map_err(|e| unavailable("reading the ledger", &e))?.size();
        if page.after.is_some_and(|seen| seen >= head) {
            return Err(Refusal::NothingSuch { about: label("entry") });
        }
        let about = sought.about.as_ref().map(SubjectKey::new).transpose().map_err(|_| Refusal::Unreadable)?;
        let ask = |range: Range<u64>, most| match (&about, &sought.kind) {
            (Some(about), Some(kind)) => {
                self.reader.by_subject_and_kind((about, kind), range, Order::NewestFirst, most)
            }
            (Some(about), None) => self.reader.by_subject(about, range, Order::NewestFirst, most),
            (None, Some(kind)) => self.reader.by_kind(kind, range, Order::NewestFirst, most),
            (None, None) => {
                let first = range.end.saturating_sub(most as u64);
                let mut some = self.reader.read(first..range.end).collect::<store::Result<Vec<_>>>()?;
                some.reverse();
                Ok(some)
            }
        };
        let mut newest = Newest::new(page.after.unwrap_or(head), ask);
        let row = |stored: store::Entry| Some(self.entry_view(state, stored.seq, stored.bytes, me));
        let rows = part(newest.by_ref(), paging::limit(page), |stored| stored.seq, row);
        newest.whole()?;
        Ok(View::Entries(rows))
    }
}

/// An opening, from its entry.
struct Opened {
    at: Timestamp,
    session: SessionId,
    grant: GrantId,
    account: AccountId,
    person: PersonId,
}

impl Opened {
    fn of(stored: &store::Entry) -> Option<Self> {
        let Entry { time, actor, event, .. } = Entry::decode(&stored.bytes).ok()?;
        let Actor::Person { person, .. } = actor else { return None };
        let Event::SessionOpened(opened) = event else { return None };
        Some(Self { at: time, session: opened.session, grant: opened.grant, account: opened.account, person })
    }
}

/// Entries below a place, the newest first, fetched some at a time. Ends at the first error, which [`Self::whole`] then gives.
struct Newest<F> {
    ask: F,
    below: u64,
    some: VecDeque<store::Entry>,
    failed: Option<store::StoreError>,
}

impl<F: Fn(Range<u64>, usize) -> store::Result<Vec<store::Entry>>> Newest<F> {
    fn new(below: u64, ask: F) -> Self {
        Self { ask, below, some: VecDeque::new(), failed: None }
    }

    fn whole(self) -> Result<(), Refusal> {
        self.failed.map_or(Ok(()), |error| Err(unavailable("reading the ledger", &error)))
    }
}

impl<F: Fn(Range<u64>, usize) -> store::Result<Vec<store::Entry>>> Iterator for Newest<F> {
    type Item = store::Entry;

    fn next(&mut self) -> Option<store::Entry> {
        if self.some.is_empty() && self.below > 0 {
            match (self.ask)(0..self.below, AT_A_TIME) {
                Ok(some) => self.some = some.into(),
                Err(error) => self.failed = Some(error),
            }
            // Where nothing more was found, nothing is asked again.
            self.below = self.some.back().map_or(0, |last| last.seq);
        }
        self.some.pop_front()
    }
}

const OPENED: &str = "session.opened";
/// Entries held at once: a few megabytes, were each as long as an entry may be.
const AT_A_TIME: usize = 64;
