//! Something signed comes in: signatures verified, texts checked and sealed, proposed to the writer.

use std::sync::Arc;
use std::time::Duration;

use channel::api::{Opening, Receipt, Submission};
use channel::keeper::Owner;
use domain::decide::actor_of;
use domain::event::{
    Attempt, Decided, DeedDone, Event, Filing, Founded, MotionCarried, MotionFiled, RecoveryCompleted, RecoveryStarted,
    RequestFiled,
};
use domain::motion::{AccountName, Act};
use domain::statement::{Decision, Deed, Signed};
use domain::{Actor, Entry, PersonId, RecoveryId, Refusal, SessionId, State, Timestamp};
use sshwire::Fingerprint;
use tegata::statement;

use crate::engine::{Engine, unavailable};
use crate::texts::Wanted;
use crate::writer::{Draft, Written};

/// `serve` waits this long at most before it starts a process again, and a little.
const KEEPER_STARTS_WITHIN: Duration = Duration::from_secs(15);

impl Engine {
    /// `key`: who the connection belongs to. A statement signed by another key of anybody is refused: identity is one key.
    pub async fn submit(
        self: &Arc<Self>,
        key: Fingerprint,
        what: Submission,
        openings: Vec<Opening>,
    ) -> Result<Receipt, Refusal> {
        let attempt = attempt_of(&what);
        let who = self.who(&key);
        let outcome = self.try_submit(key, what, openings, attempt, who).await;
        outcome.map(receipt)
    }

    async fn try_submit(
        self: &Arc<Self>,
        key: Fingerprint,
        what: Submission,
        openings: Vec<Opening>,
        attempt: Attempt,
        who: Actor,
    ) -> Result<Written, Refusal> {
        let prepared = self
            .prepare(key, what, openings, who)
            .await
            .inspect_err(|refusal| self.writer.refused(attempt, who, refusal))?;
        self.writer.propose(attempt, who, Box::new(move |_, _| Ok(prepared))).await
    }

    async fn prepare(
        self: &Arc<Self>,
        key: Fingerprint,
        what: Submission,
        openings: Vec<Opening>,
        who: Actor,
    ) -> Result<Draft, Refusal> {
        if let Actor::Person { person, .. } = who {
            self.limiter.take(person, self.clock.boot())?;
        }
        let state = self.state();
        if signer(&what) != key {
            return Err(Refusal::KeyUnknown { key: signer(&what) });
        }
        self.recording_exists(&what).await?;
        let event = event_of(&state, what)?;
        let actor = actor_of(&state, &event).ok_or(Refusal::KeyUnknown { key })?;
        check_signatures(&state, &event, actor, self.clock.wall())?;
        let wanted = wanted(&state, &event, actor);
        let beside = self.aside(move |engine| engine.texts.seal_all(&wanted, openings)).await?;
        Ok(Draft { event, actor, cause: None, beside })
    }

    /// A permit to look into a recording names one that there is.
    async fn recording_exists(self: &Arc<Self>, what: &Submission) -> Result<(), Refusal> {
        let Submission::Deed { fields, .. } = what else { return Ok(()) };
        let Deed::ReplayPermit { session, .. } = fields.deed else { return Ok(()) };
        self.aside(move |engine| engine.session_entry(&session).map(|_| ())).await
    }

    /// Where the session's opening stands in the ledger.
    pub(crate) fn session_entry(&self, session: &SessionId) -> Result<u64, Refusal> {
        let is_opening = |event: &Event| match event {
            Event::SessionOpened(opened) => opened.session == *session,
            Event::ErrandOpened(opened) => opened.recorded.is_some_and(|recorded| recorded.session == *session),
            _ => false,
        };
        let opened = self.first_about(session, &["session.opened", "errand.opened"], is_opening)?;
        opened.map(|entry| entry.seq).ok_or(Refusal::SessionUnknown { session: *session })
    }

    /// The founding: both founders' signatures over the keeper's own keys. The keeper is told after it is written, and again at each start.
    pub async fn init_seal(self: &Arc<Self>, founded: Founded, openings: Vec<Opening>) -> Result<Receipt, Refusal> {
        // Before anything costs something: whoever comes through the gate may ask this, too.
        if self.state().founding.is_some() {
            return Err(Refusal::AlreadyFounded);
        }
        tegata::signatures::check_founding(&founded.founding, &founded.signatures)
            .map_err(|_| Refusal::BadSignature)?;
        // A keeper that had no keys until a moment ago is only just being started again.
        let _refused_below = self.keeper_within(KEEPER_STARTS_WITHIN).await;
        let wanted: Vec<Wanted> =
            founded.founding.founders.iter().map(|f| Wanted::new(&f.name, Owner::Person(f.person))).collect();
        let beside = self.aside(move |engine| engine.texts.seal_all(&wanted, openings)).await?;
        let event = Event::Founded(founded);
        let make =
            Box::new(move |_: &State, _: Timestamp| Ok(Draft { event, actor: Actor::Founders, cause: None, beside }));
        let written = self.writer.propose(Attempt::Motion, Actor::Unproved, make).await?;
        self.aside(Self::tell_keeper_of_founding).await?;
        Ok(receipt(written))
    }

    /// Safe to run again: at each start, too.
    pub(crate) fn tell_keeper_of_founding(&self) -> Result<(), Refusal> {
        let entry = self.proofs.text(0).map_err(|e| unavailable("reading the founding", &e))?;
        self.keeper.found(entry).map_err(|e| unavailable("telling the keeper of the founding", &e))
    }

    pub async fn recover(self: &Arc<Self>, started: RecoveryStarted) -> Result<Receipt, Refusal> {
        let event = Event::RecoveryStarted(started);
        check_signatures(&self.state(), &event, Actor::Recovery, self.clock.wall())?;
        let make = Box::new(move |_: &State, _: Timestamp| {
            Ok(Draft { event, actor: Actor::Recovery, cause: None, beside: vec![] })
        });
        self.writer.propose(Attempt::Recovery, Actor::Unproved, make).await.map(receipt)
    }

    pub async fn finish_recovery(self: &Arc<Self>, recovery: RecoveryId) -> Result<Receipt, Refusal> {
        let event = Event::RecoveryCompleted(RecoveryCompleted { recovery });
        let make = Box::new(move |_: &State, _: Timestamp| {
            Ok(Draft { event, actor: Actor::Engine, cause: None, beside: vec![] })
        });
        self.writer.propose(Attempt::Recovery, Actor::Unproved, make).await.map(receipt)
    }
}

pub(crate) fn receipt(written: Written) -> Receipt {
    Receipt { seq: written.seq, leaf: written.leaf, time: written.time, grant: written.grant, note: None }
}

fn attempt_of(what: &Submission) -> Attempt {
    match what {
        Submission::Request { .. } => Attempt::Request,
        Submission::Decision { .. } => Attempt::Decision,
        Submission::Motion { .. } => Attempt::Motion,
        Submission::Second { .. } => Attempt::Second,
        Submission::Deed { .. } => Attempt::Deed,
    }
}

fn signed(what: &Submission) -> &Signed {
    match what {
        Submission::Request { signed, .. }
        | Submission::Decision { signed, .. }
        | Submission::Motion { signed, .. }
        | Submission::Second { signed, .. }
        | Submission::Deed { signed, .. } => signed,
    }
}

fn signer(what: &Submission) -> Fingerprint {
    signed(what).key
}

fn event_of(state: &State, what: Submission) -> Result<Event, Refusal> {
    let origin = &state.founding.as_ref().ok_or(Refusal::NotFounded)?.origin;
    Ok(match what {
        Submission::Request { fields, signed } => {
            let statement = statement::hash(&statement::signed_bytes(origin, &fields, &signed));
            Event::RequestFiled(RequestFiled { fields, filing: Filing::Signed(signed), statement })
        }
        Submission::Decision { fields, signed } => match fields.decision {
            Decision::Approve => Event::ApprovalGiven(Decided { fields, signed }),
            Decision::Refuse => Event::RequestRefused(Decided { fields, signed }),
        },
        Submission::Motion { fields, signed } => {
            let statement = statement::hash(&statement::signed_bytes(origin, &fields, &signed));
            Event::MotionFiled(MotionFiled { fields, signed, statement })
        }
        Submission::Second { fields, signed } => Event::MotionCarried(MotionCarried { fields, signed }),
        Submission::Deed { fields, signed } => Event::Deed(DeedDone { fields, signed }),
    })
}

fn check_signatures(state: &State, event: &Event, actor: Actor, now: Timestamp) -> Result<(), Refusal> {
    use tegata::signatures::SignatureFault;
    let entry = Entry { seq: state.journal.size, time: now, actor, cause: None, event: event.clone() };
    match tegata::signatures::check(state, &entry) {
        Ok(_) => Ok(()),
        Err(SignatureFault::UnknownKey { key }) => Err(Refusal::KeyUnknown { key }),
        Err(SignatureFault::NoPresence { .. }) => Err(Refusal::PresenceMissing),
        Err(SignatureFault::NotFounded) => Err(Refusal::NotFounded),
        Err(SignatureFault::OtherKey { .. } | SignatureFault::StatementHash | SignatureFault::Signature(_)) => {
            Err(Refusal::BadSignature)
        }
    }
}

/// The commitments in an event, and under whose key the texts are sealed: a text belongs to its author, a name to its person.
fn wanted(state: &State, event: &Event, actor: Actor) -> Vec<Wanted> {
    let author = match actor {
        Actor::Person { person, .. } => Owner::Person(person),
        Actor::Founders | Actor::Engine | Actor::Front | Actor::Recovery | Actor::Unproved => Owner::Installation,
    };
    match event {
        Event::RequestFiled(filed) => vec![Wanted::new(&filed.fields.purpose, author)],
        Event::ApprovalGiven(decided) | Event::RequestRefused(decided) => {
            decided.fields.reason.iter().map(|r| Wanted::new(r, author)).collect()
        }
        Event::MotionFiled(filed) => wanted_by_act(state, &filed.fields.act),
        Event::Deed(done) => wanted_by_deed(&done.fields.deed, author),
        _ => vec![],
    }
}

fn wanted_by_act(state: &State, act: &Act) -> Vec<Wanted> {
    match act {
        Act::PersonAdd { person, name, .. } => vec![Wanted::new(name, Owner::Person(*person))],
        Act::TargetAdd { address, .. } => vec![Wanted::new(address, Owner::Installation)],
        Act::AccountAdd { name: AccountName::Personal(login), owner, .. } => {
            vec![Wanted::new(login, known(state, owner))]
        }
        Act::AccountAdd { name: AccountName::Shared(_), .. }
        | Act::PersonaAdd { .. }
        | Act::KeyEnrol { .. }
        | Act::GroupJoin { .. }
        | Act::IdentityLink { .. }
        | Act::PersonThaw { .. }
        | Act::TargetPin { .. }
        | Act::PolicySet { .. }
        | Act::ClockConfirm { .. } => vec![],
    }
}

/// An account's owner who is nobody is refused later; no key is made for them.
fn known(state: &State, person: &PersonId) -> Owner {
    if state.people.persons.contains_key(person) { Owner::Person(*person) } else { Owner::Installation }
}

fn wanted_by_deed(deed: &Deed, author: Owner) -> Vec<Wanted> {
    match deed {
        Deed::GrantRevoke { reason, .. }
        | Deed::PersonFreeze { reason, .. }
        | Deed::SessionFreeze { reason, .. }
        | Deed::SessionKill { reason, .. } => vec![Wanted::new(reason, author)],
        Deed::ReplayPermit { purpose, .. } => vec![Wanted::new(purpose, author)],
        Deed::RequestWithdraw { .. }
        | Deed::GrantReturn { .. }
        | Deed::MotionWithdraw { .. }
        | Deed::PersonLeave { .. }
        | Deed::GroupLeave { .. }
        | Deed::KeyAdd { .. }
        | Deed::KeyRetire { .. }
        | Deed::SessionThaw { .. }
        | Deed::RecoveryObject { .. } => vec![],
    }
}
