//! A person knocks at the gate: which grant, does it stand, write it down, have it signed, hand out the terms.

use std::sync::Arc;

use channel::front::{ApproachAsk, ApproachTerms, OpenAsk, SessionTerms};
use channel::keeper::{Ask, Owner, PassageOrder};
use domain::decide::still_stands;
use domain::event::{Attempt, Event, SessionEnded, SessionEnding};
use domain::motion::AccountName;
use domain::{AccountId, Actor, GrantId, Label, PersonaId, Refusal, SessionId, State, Timestamp};
use ledger::Hash;

use crate::engine::{Engine, unavailable};
use crate::keeper_link::KeeperError;
use crate::live::{Bearer, LiveGrant, session_opened};
use crate::writer::{Draft, Written};

impl Engine {
    pub async fn open(self: &Arc<Self>, ask: OpenAsk) -> Result<SessionTerms, Refusal> {
        let who = self.who(&ask.key.fingerprint());
        let state = self.state();
        let wanted = Wanted { account: &ask.account, target: &ask.target, key: &ask.key, grant: ask.grant };
        let chosen = choose(&state, &wanted, self.now(&state))
            .and_then(|grant| self.is_awake_for(&state, grant))
            .inspect_err(|refusal| self.writer.refused(Attempt::Passage, who, refusal))?;
        // Where it leads is known before anything is written, so that a keeper who is away leaves no trace of a passage.
        let place = self.aside(move |engine| engine.place(&engine.state(), &chosen)).await?;
        let certified = {
            // INVARIANT: certificates are asked for in the order of their serials; the keeper takes each serial once, rising.
            let _turn = self.certifying.lock().await;
            let written = self.write_opening(&ask, chosen, who).await?;
            self.certify(&ask, chosen, written.seq).await
        };
        let terms = match certified {
            Ok(certificate) => self.terms(&ask, chosen, certificate, place),
            Err(refusal) => Err(refusal),
        };
        if terms.is_err() {
            self.write_not_certified(ask.session).await;
        }
        terms
    }

    /// Where a grant that stands now leads. Nothing is opened and nothing written by it; a refusal is told, and written, when front asks to open.
    pub async fn approach(self: &Arc<Self>, ask: ApproachAsk) -> Option<ApproachTerms> {
        let state = self.state();
        let wanted = Wanted { account: &ask.account, target: &ask.target, key: &ask.key, grant: ask.grant };
        let chosen = choose(&state, &wanted, self.now(&state)).ok()?;
        self.aside(move |engine| {
            let state = engine.state();
            let standing = still_stands(&state, &chosen, engine.now(&state))?;
            let target = state.estate.targets.get(&standing.target);
            let target = target.ok_or(Refusal::TargetUnknown { target: standing.target })?;
            let address = engine.texts.text(&target.address).ok_or(Refusal::Unavailable)?;
            Ok(ApproachTerms { address, host_keys: target.host_keys.clone() })
        })
        .await
        .ok()
    }

    /// The grant, where nothing of what is known of its target is from before a long stop.
    fn is_awake_for(&self, state: &State, grant: GrantId) -> Result<GrantId, Refusal> {
        let found = state.passage.grants.get(&grant).ok_or(Refusal::GrantUnknown { grant })?;
        let account = found.request.fields.account;
        let target = state.estate.accounts.get(&account).ok_or(Refusal::AccountUnknown { account })?.target;
        self.waking.may_lead_to(target).map(|()| grant)
    }

    fn now(&self, state: &State) -> Timestamp {
        state.judged_at(self.clock.wall())
    }

    /// The fact comes first: entry before signature. The grant is decided again at the writer's own state.
    async fn write_opening(self: &Arc<Self>, ask: &OpenAsk, grant: GrantId, who: Actor) -> Result<Written, Refusal> {
        let person = match who {
            Actor::Person { person, .. } => Owner::Person(person),
            Actor::Founders | Actor::Engine | Actor::Front | Actor::Recovery | Actor::Unproved => {
                return Err(Refusal::KeyUnknown { key: ask.key.fingerprint() });
            }
        };
        let source = ask.source.to_string();
        let (history, (source, beside)) = self
            .aside(move |engine| {
                let history =
                    engine.proofs.history(&engine.state(), &grant).map_err(|e| unavailable("proving a grant", &e))?;
                Ok((history, engine.texts.commit::<domain::committed::Source>(person, &source)?))
            })
            .await?;
        let bearer = Bearer {
            session: ask.session,
            key: ask.key.fingerprint(),
            subject: ask.subject.clone(),
            recording: ask.recording,
            source,
        };
        let make = Box::new(move |state: &State, at: Timestamp| {
            let live = LiveGrant::decide(&history, state, at)?;
            let opened = session_opened(&live, bearer, state.passage.next_serial, at)?;
            Ok(Draft { event: Event::SessionOpened(opened), actor: who, cause: Some(history.grant().made), beside })
        });
        self.writer.propose(Attempt::Passage, who, make).await
    }

    /// The keeper checks proof and entry again and signs head and certificate in one call.
    async fn certify(self: &Arc<Self>, ask: &OpenAsk, grant: GrantId, seq: u64) -> Result<String, Refusal> {
        let (session, key) = (ask.session, ask.key.fingerprint());
        self.aside(move |engine| {
            let state = engine.state();
            let order = |head: channel::keeper::Extension| {
                let tegata = engine.proofs.for_keeper(&state, &grant, &key, &head).map_err(malformed)?;
                let opened = engine.proofs.text(seq).map_err(malformed)?;
                let inclusion = engine.reader.inclusion(seq, head.size)?;
                Ok(Ask::Passage(PassageOrder { head, tegata, opened, inclusion }))
            };
            let (note, certificate) = engine.keeper.certify(order).map_err(|error| {
                tracing::error!(%session, %error, "no certificate for a session");
                Refusal::Unavailable
            })?;
            engine.writer.checkpoint(note);
            Ok(certificate)
        })
        .await
    }

    async fn write_not_certified(self: &Arc<Self>, session: SessionId) {
        let now = self.clock.wall();
        let ended = SessionEnded {
            session,
            ending: SessionEnding::NotCertified,
            ended: now,
            chunks: 0,
            chain: Hash::of(b""),
            complete: false,
            bytes: 0,
        };
        let make = Box::new(move |_: &State, _: Timestamp| {
            Ok(Draft { event: Event::SessionEnded(ended), actor: Actor::Engine, cause: None, beside: vec![] })
        });
        let _unwritten = self.writer.propose(Attempt::Passage, Actor::Engine, make).await;
    }

    fn place(&self, state: &State, grant: &GrantId) -> Result<Place, Refusal> {
        let request = &state.passage.grants.get(grant).ok_or(Refusal::GrantUnknown { grant: *grant })?.request;
        let account = state
            .estate
            .accounts
            .get(&request.fields.account)
            .ok_or(Refusal::AccountUnknown { account: request.fields.account })?;
        let target =
            state.estate.targets.get(&account.target).ok_or(Refusal::TargetUnknown { target: account.target })?;
        let login = match &account.name {
            AccountName::Shared(label) => Some(label.to_string()),
            AccountName::Personal(committed) => self.texts.text(committed),
        };
        Ok(Place {
            label: target.label.to_string(),
            address: self.texts.text(&target.address).ok_or(Refusal::Unavailable)?,
            login: login.ok_or(Refusal::Unavailable)?,
            purpose: self.texts.text(&request.fields.purpose).unwrap_or_default(),
        })
    }

    fn terms(&self, ask: &OpenAsk, grant: GrantId, certificate: String, place: Place) -> Result<SessionTerms, Refusal> {
        let state = self.state();
        let now = self.now(&state);
        let standing = still_stands(&state, &grant, now)?;
        let target =
            state.estate.targets.get(&standing.target).ok_or(Refusal::TargetUnknown { target: standing.target })?;
        Ok(SessionTerms {
            session: ask.session,
            grant,
            person: standing.person,
            target_label: place.label,
            address: place.address,
            host_keys: target.host_keys.clone(),
            login: place.login,
            principal: standing.principal,
            certificate,
            channels: standing.channels,
            record_input: standing.record_input,
            ends_in_ms: u64::try_from(standing.window.until().since(now).as_millis()).unwrap_or(u64::MAX),
            until: standing.window.until(),
            purpose: place.purpose,
        })
    }
}

/// Where a passage leads, in texts that only the directory knows.
struct Place {
    label: String,
    address: String,
    login: String,
    purpose: String,
}

fn malformed(error: crate::proofs::ProofError) -> KeeperError {
    KeeperError::Malformed(error.to_string())
}

/// What a login name asks for, and whose key was proved.
struct Wanted<'a> {
    account: &'a str,
    target: &'a str,
    key: &'a sshwire::PublicKey,
    grant: Option<GrantId>,
}

/// Which grant is meant. Of several that stand none is guessed.
fn choose(state: &State, ask: &Wanted<'_>, now: Timestamp) -> Result<GrantId, Refusal> {
    let signer =
        state.people.active(&ask.key.fingerprint()).ok_or(Refusal::KeyUnknown { key: ask.key.fingerprint() })?;
    let account = account(state, ask.account, ask.target)?;
    if let Some(grant) = ask.grant {
        // A grant that is named must be for the account that was typed: the wrong machine is worse than none.
        let fits = state.passage.held.contains(&(signer.persona, account, grant));
        return if fits { Ok(grant) } else { Err(Refusal::GrantNotYours { grant }) };
    }
    let held: Vec<GrantId> = held(state, signer.persona, account).collect();
    let standing: Vec<GrantId> = held.iter().filter(|grant| still_stands(state, grant, now).is_ok()).copied().collect();
    match (standing.as_slice(), held.as_slice()) {
        ([one], _) => Ok(*one),
        ([], [.., last]) => Err(still_stands(state, last, now).err().unwrap_or(Refusal::NoGrant)),
        ([], []) => Err(Refusal::NoGrant),
        _ => Err(Refusal::SeveralGrants),
    }
}

fn held(state: &State, persona: PersonaId, account: AccountId) -> impl Iterator<Item = GrantId> {
    let first = (persona, account, GrantId::from_random([0; 16]));
    let last = (persona, account, GrantId::from_random([0xff; 16]));
    state.passage.held.range(first..=last).map(|(.., grant)| *grant)
}

/// `root` on `db1`, or an account's id in place of its name.
fn account(state: &State, account: &str, target: &str) -> Result<AccountId, Refusal> {
    let label: Label = target.parse().map_err(|_| Refusal::LoginUnknown)?;
    let (target, _) = state.estate.target(&label).ok_or(Refusal::LoginUnknown)?;
    if let Ok(id) = account.parse::<AccountId>() {
        let here = state.estate.accounts.get(&id).is_some_and(|a| a.target == target);
        return if here { Ok(id) } else { Err(Refusal::LoginUnknown) };
    }
    let name: Label = account.parse().map_err(|_| Refusal::LoginUnknown)?;
    state.estate.shared_account(&target, &name).ok_or(Refusal::LoginUnknown)
}
