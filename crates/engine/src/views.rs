//! What may be seen, by whom, as it stands at the head. Reading changes nothing; looking into a recording is a deed and has its entry.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use channel::api::{
    AccountView, Check, DoctorView, EntryView, GrantView, Health, KeyView, MotionView, Opening, PersonView,
    PersonaView, Query, RequestView, TargetView, View, WhoView,
};
use channel::keeper::{Ask, ReplayOrder};
use domain::committed::{Committed, Text};
use domain::decide::{Proposal, decide, still_stands};
use domain::event::{Decided, Event, Filing};
use domain::motion::{AccountName, Act, Motion};
use domain::people::{AUDITORS, PersonaKind};
use domain::state::{Grant, Request};
use domain::statement::{Decision, DecisionFields, Deed, Signed};
use domain::{
    AccountId, Actor, Entry, GrantId, Label, MotionId, Nonce, PersonId, Refusal, RequestId, SessionId, State, TargetId,
};
use ledger::InclusionProof;
use sshwire::Fingerprint;

use crate::engine::{Engine, Fence, Users, unavailable};
use crate::keeper_link::KeeperError;

/// Bytes of a recording, or of entries, after which an answer ends.
const PAGE: usize = 1 << 20;
/// A target's clock is waited for this long.
const LONGEST_PROBE: Duration = Duration::from_secs(15);

impl Engine {
    pub(crate) async fn read(self: &Arc<Self>, key: Option<Fingerprint>, query: Query) -> Result<View, Refusal> {
        self.aside(move |engine| engine.view(key, query)).await
    }

    fn view(&self, key: Option<Fingerprint>, query: Query) -> Result<View, Refusal> {
        let state = self.state();
        let Some(key) = key else {
            return match query {
                Query::Doctor => Ok(View::Doctor(self.doctor(&state, About::Health))),
                _ => Err(Refusal::NotAllowed),
            };
        };
        let me = Asker::of(&state, &key)?;
        self.limiter.take(me.person, self.clock.boot())?;
        if me.kind == PersonaKind::Research && !matches!(query, Query::Doctor | Query::Whoami | Query::Rules) {
            return Err(Refusal::ResearchPersona { persona: me.persona });
        }
        match query {
            Query::Doctor => Ok(View::Doctor(self.doctor(&state, About::Everything))),
            Query::Whoami => self.who_view(&key).map(View::Who),
            Query::People { page } => self.people(&state, page),
            Query::Person { person } => self.one_person(&state, person),
            Query::PersonOf { persona } => self.person_of(&state, persona),
            Query::Keys { person, page } => self.keys(&state, person, page),
            Query::Groups { page } => self.groups(&state, page),
            Query::Targets { page } => self.targets(&state, page),
            Query::Target { target } => self.one_target(&state, &target),
            Query::TargetNamed { label } => {
                let (target, _) = state.estate.target(&label).ok_or(Refusal::NothingSuch { about: label })?;
                self.one_target(&state, &target)
            }
            Query::Accounts { target, page } => self.accounts(&state, target, page, &me),
            Query::Account { account } => {
                self.account(&state, &account, &me).map(View::Account).ok_or(Refusal::AccountUnknown { account })
            }
            Query::AccountNamed { account, target } => {
                self.account_named(&state, &account, &target, &me).map(View::Account)
            }
            Query::Rules => Ok(View::Rules(state.policy.as_ref().map(|p| (*p.policy).clone()))),
            Query::Motions { page } => self.motions(&state, page),
            Query::Motion { motion } => self.one_motion(&state, &motion),
            Query::Requests { page } => self.requests(&state, page, &me),
            Query::Request { request } => self.one_request(&state, &request, &me),
            Query::Grants { page } => self.grants(&state, page, &me),
            Query::Grant { grant } => {
                let found = state.passage.grants.get(&grant).ok_or(Refusal::GrantUnknown { grant })?;
                Ok(View::Grant(Some(Box::new(self.grant(&state, &grant, found, &me)))))
            }
            Query::GrantOf { request } => Ok(View::Grant(self.grant_of(&state, &request, &me).map(Box::new))),
            Query::Sessions { which, page } => self.sessions(&state, which, page, &me),
            Query::Session { session } => self.one_session(&state, session, &me),
            Query::Entries { about, kind, page } => {
                self.entries(&state, &crate::lists::Sought { about, kind }, &page, &me)
            }
            Query::Entry { seq } => self.entry(seq),
            Query::LedgerPage { from, below } => self.ledger_page(from..below),
            Query::Tegata { grant } => self.tegata(&grant),
            Query::Checkpoint => self.checkpoint(),
            Query::Resolve { prefix } => self.resolve(&prefix),
            Query::Recording { session, permit } => self.recording(&session, permit, &key),
            Query::RecordingBytes { session, permit, offset } => self.recording_bytes(&session, permit, offset, &key),
            Query::Anchors { session, permit, from } => self.anchors_of(&session, permit, from, &key),
            Query::VerifyReplay if !me.sees_all => Err(Refusal::NotAllowed),
            Query::VerifyReplay => self.verify_replay(&state),
        }
    }

    pub(crate) fn may_administer(&self, key: &Fingerprint) -> Result<(), Refusal> {
        let state = self.state();
        let signer = state.people.active(key).ok_or(Refusal::KeyUnknown { key: *key })?;
        let may = signer.kind == PersonaKind::Admin && state.people.is_administrator(&signer.person);
        if may { Ok(()) } else { Err(Refusal::NotAdministrator) }
    }

    pub(crate) async fn probe_and_wait(self: &Arc<Self>, target: TargetId) -> Result<View, Refusal> {
        let before = self.clock.boot();
        self.aside(move |engine| engine.probe_now(target)).await?;
        let mut sizes = self.writer.sizes();
        loop {
            let left = LONGEST_PROBE.saturating_sub(self.clock.boot().saturating_sub(before));
            let changed = tokio::time::timeout(left, sizes.changed()).await;
            let done = self.front.is_idle(&target);
            if changed.is_err() || done {
                let state = self.state();
                return self.one_target(&state, &target);
            }
        }
    }

    pub(crate) fn name(&self, state: &State, person: &PersonId) -> Option<String> {
        state.people.persons.get(person).and_then(|p| self.texts.text(&p.name))
    }

    pub(crate) fn who_view(&self, key: &Fingerprint) -> Result<WhoView, Refusal> {
        let state = self.state();
        let signer = state.people.active(key).ok_or(Refusal::KeyUnknown { key: *key })?;
        let groups = groups_of(&state, &signer.person);
        Ok(WhoView {
            person: signer.person,
            persona: signer.persona,
            kind: signer.kind,
            name: self.name(&state, &signer.person),
            key: *key,
            groups,
        })
    }

    pub(crate) fn person(&self, state: &State, id: &PersonId) -> PersonView {
        let people = &state.people;
        let keys_of = |persona| {
            people
                .keys_of(persona)
                .map(|(fingerprint, k)| KeyView { fingerprint: *fingerprint, key: k.key.clone(), retired: k.retired })
                .collect()
        };
        // Whoever has a persona has a key for it, were it a retired one.
        let held = people.holdings.get(id).into_iter().flatten().filter_map(|key| people.keys.get(key));
        let personas: BTreeSet<domain::PersonaId> = held.map(|key| key.persona).collect();
        let personas = personas.iter().filter_map(|persona| people.personas.get_key_value(persona));
        PersonView {
            person: *id,
            name: self.name(state, id),
            standing: people.persons.get(id).map_or(domain::people::Standing::Left, |p| p.standing),
            personas: personas
                .map(|(persona, p)| PersonaView { persona: *persona, kind: p.kind, keys: keys_of(persona) })
                .collect(),
            groups: groups_of(state, id),
            same_as: people.linked.get(id).copied(),
        }
    }

    pub(crate) fn target(&self, state: &State, id: &TargetId) -> Option<TargetView> {
        let target = state.estate.targets.get(id)?;
        Some(TargetView {
            target: *id,
            label: target.label.clone(),
            zone: target.zone.clone(),
            tier: target.tier,
            address: self.texts.text(&target.address),
            host_keys: target.host_keys.iter().map(sshwire::PublicKey::fingerprint).collect(),
            clock_offset_ms: target.clock_offset_ms,
        })
    }

    pub(crate) fn account(&self, state: &State, id: &AccountId, me: &Asker) -> Option<AccountView> {
        let account = state.estate.accounts.get(id)?;
        let target = state.estate.targets.get(&account.target)?;
        Some(AccountView {
            account: *id,
            target: account.target,
            target_label: target.label.clone(),
            name: self.login(&account.name),
            class: account.class,
            owner: account.owner,
            principal: account.principal.as_str().to_owned(),
            terms: state.obligations(id, &me.person, &me.person),
        })
    }

    fn login(&self, name: &AccountName) -> Option<String> {
        match name {
            AccountName::Shared(label) => Some(label.to_string()),
            AccountName::Personal(committed) => self.texts.text(committed),
        }
    }

    fn account_named(
        &self,
        state: &State,
        account: &Label,
        target: &Label,
        me: &Asker,
    ) -> Result<AccountView, Refusal> {
        let (target, _) = state.estate.target(target).ok_or(Refusal::LoginUnknown)?;
        let id = state.estate.shared_account(&target, account).ok_or(Refusal::LoginUnknown)?;
        self.account(state, &id, me).ok_or(Refusal::LoginUnknown)
    }

    /// `root@db1`, as people say it.
    pub(crate) fn account_text(&self, state: &State, id: &AccountId) -> String {
        let Some(account) = state.estate.accounts.get(id) else { return id.to_string() };
        let target = state
            .estate
            .targets
            .get(&account.target)
            .map_or_else(|| account.target.to_string(), |t| t.label.to_string());
        format!("{}@{target}", self.login(&account.name).unwrap_or_else(|| id.to_string()))
    }

    fn one_person(&self, state: &State, person: PersonId) -> Result<View, Refusal> {
        let known = state.people.persons.contains_key(&person);
        if known { Ok(View::Person(self.person(state, &person))) } else { Err(Refusal::PersonUnknown { person }) }
    }

    fn person_of(&self, state: &State, persona: domain::PersonaId) -> Result<View, Refusal> {
        let found = state.people.personas.get(&persona).ok_or(Refusal::PersonaUnknown { persona })?;
        self.one_person(state, found.person)
    }

    fn one_target(&self, state: &State, target: &TargetId) -> Result<View, Refusal> {
        self.target(state, target).map(View::Target).ok_or(Refusal::TargetUnknown { target: *target })
    }

    fn grant_of(&self, state: &State, request: &RequestId, me: &Asker) -> Option<GrantView> {
        let id = state.passage.granted.get(request)?;
        state.passage.grants.get(id).map(|grant| self.grant(state, id, grant, me))
    }

    fn one_motion(&self, state: &State, id: &MotionId) -> Result<View, Refusal> {
        let unknown = Refusal::MotionUnknown { motion: *id };
        let Some(motion) = state.motions.get(id) else { return Err(unknown) };
        self.motion(state, motion).map(|view| View::Motion(Box::new(view))).ok_or(Refusal::Unavailable)
    }

    pub(crate) fn motion(&self, state: &State, motion: &Motion) -> Option<MotionView> {
        let entry = self.decoded(motion.filed)?;
        let Event::MotionFiled(filed) = entry.event else { return None };
        Some(MotionView {
            motion: motion.fields.motion,
            act: motion.fields.act.clone(),
            proposer: motion.proposer,
            proposer_name: self.name(state, &motion.proposer),
            statement: motion.statement,
            fields: motion.fields.clone(),
            nonce: filed.signed.nonce,
            expires: filed.signed.expires,
            filed_at: motion.filed_at,
            openings: self.openings_of(&motion.fields.act),
        })
    }

    fn openings_of(&self, act: &Act) -> Vec<Opening> {
        let opening = match act {
            Act::PersonAdd { name, .. } => self.texts.opening(name),
            Act::TargetAdd { address, .. } => self.texts.opening(address),
            Act::AccountAdd { name: AccountName::Personal(login), .. } => self.texts.opening(login),
            _ => None,
        };
        opening.into_iter().collect()
    }

    pub(crate) fn decoded(&self, seq: u64) -> Option<Entry> {
        let stored = self.reader.entry(seq).ok()??;
        Entry::decode(&stored.bytes).ok()
    }

    fn one_request(&self, state: &State, id: &RequestId, me: &Asker) -> Result<View, Refusal> {
        let unknown = Refusal::RequestUnknown { request: *id };
        let Some(request) = state.passage.requests.get(id) else { return Err(unknown) };
        self.request(state, request, me).map(|view| View::Request(Box::new(view))).ok_or(Refusal::Unavailable)
    }

    pub(crate) fn request(&self, state: &State, request: &Request, me: &Asker) -> Option<RequestView> {
        let entry = self.decoded(request.filed)?;
        let Event::RequestFiled(filed) = entry.event else { return None };
        let (nonce, expires) = match filed.filing {
            Filing::Signed(signed) => (signed.nonce, signed.expires),
            Filing::FiledThroughSsh { nonce, expires, .. } => (nonce, expires),
        };
        Some(RequestView {
            request: request.fields.request,
            fields: request.fields.clone(),
            statement: request.statement,
            nonce,
            expires,
            account: self.account_text(state, &request.fields.account),
            requester: request.requester,
            requester_name: self.name(state, &request.requester),
            beneficiary: request.beneficiary,
            beneficiary_name: self.name(state, &request.beneficiary),
            filed_at: request.filed_at,
            dies: request.dies,
            openings: self.readable(state, request, me, &request.fields.purpose).into_iter().collect(),
            approvals: request.approvals.iter().map(|a| a.person).collect(),
            needs: state.obligations(&request.fields.account, &request.requester, &request.beneficiary),
            may_decide: self.may_decide(state, request, me),
        })
    }

    /// Who asks, benefits or may decide reads the purpose; so do administrators and auditors.
    fn readable<T: Text>(
        &self,
        state: &State,
        request: &Request,
        me: &Asker,
        committed: &Committed<T>,
    ) -> Option<Opening> {
        let concerned = me.person == request.requester
            || me.person == request.beneficiary
            || me.sees_all
            || self.is_approver(state, request, me);
        concerned.then(|| self.texts.opening(committed)).flatten()
    }

    fn is_approver(&self, state: &State, request: &Request, me: &Asker) -> bool {
        let needs = state.obligations(&request.fields.account, &request.requester, &request.beneficiary);
        needs.is_some_and(|needs| needs.stages.iter().any(|stage| state.people.is_member(&stage.approvers, &me.person)))
    }

    /// What `decide` itself would say to this person's approval.
    fn may_decide(&self, state: &State, request: &Request, me: &Asker) -> Result<(), Refusal> {
        let now = state.judged_at(self.clock.wall());
        let policy = state.policy.as_ref().map_or(0, |p| p.policy.version);
        let fields = DecisionFields {
            request: request.fields.request,
            statement: request.statement,
            approver: me.persona,
            decision: Decision::Approve,
            reason: None,
            policy,
        };
        let unsigned = Signed {
            key: me.key,
            nonce: Nonce::from_random(crate::random::bytes()),
            expires: now.plus(Duration::from_secs(60)),
            signature: me.nothing.clone(),
        };
        let event = Event::ApprovalGiven(Decided { fields, signed: unsigned });
        let actor = Actor::Person { person: me.person, persona: me.persona };
        decide(state, Proposal { event, actor, at: now, cause: None }, GrantId::from_random([0; 16])).map(|_| ())
    }

    pub(crate) fn grant(&self, state: &State, id: &GrantId, grant: &Grant, me: &Asker) -> GrantView {
        let request = &grant.request;
        let now = state.judged_at(self.clock.wall());
        GrantView {
            grant: *id,
            request: request.fields.request,
            account: self.account_text(state, &request.fields.account),
            account_id: request.fields.account,
            person: request.beneficiary,
            person_name: self.name(state, &request.beneficiary),
            window: request.fields.window,
            channels: request.fields.channels.clone(),
            purpose: self.readable(state, request, me, &request.fields.purpose).map(|o| o.value),
            approvers: request.approvals.iter().map(|a| a.person).collect(),
            standing: grant.standing,
            stands: still_stands(state, id, now).map(|_| ()),
        }
    }

    pub(crate) fn entry_view(&self, state: &State, seq: u64, bytes: Vec<u8>, me: &Asker) -> EntryView {
        let text = String::from_utf8(bytes).unwrap_or_default();
        let mut names = BTreeMap::new();
        if me.sees_all || me.kind == PersonaKind::Admin {
            let ids = text.split('"').filter_map(|word| word.parse::<PersonId>().ok());
            names = ids.filter_map(|id| self.name(state, &id).map(|name| (id, name))).collect();
        }
        EntryView { seq, bytes: text, names }
    }

    fn entry(&self, seq: u64) -> Result<View, Refusal> {
        let covering = self
            .reader
            .checkpoint_at_least(seq.saturating_add(1))
            .map_err(|e| unavailable("reading checkpoints", &e))?;
        let note = match covering {
            Some(note) => note,
            None => self.keeper.sign_head().map_err(|e| unavailable("signing the head", &e))?,
        };
        let size = note.claimed().size;
        if seq >= size {
            return Err(Refusal::NothingSuch { about: label("entry") });
        }
        let bytes = self.proofs.text(seq).map_err(|e| unavailable("reading the ledger", &e))?;
        let proof: InclusionProof =
            self.reader.inclusion(seq, size).map_err(|e| unavailable("proving an entry", &e))?;
        Ok(View::Entry { bytes, proof, checkpoint: note.to_string() })
    }

    /// For an export: the entries byte for byte. Whoever may list entries may take them all.
    fn ledger_page(&self, range: std::ops::Range<u64>) -> Result<View, Refusal> {
        let reading = |e: store::StoreError| unavailable("reading the ledger", &e);
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for stored in self.reader.read(range.clone()).take(store::MAX_PAGE) {
            let stored = stored.map_err(reading)?;
            bytes += stored.bytes.len();
            entries.push(String::from_utf8(stored.bytes).map_err(|e| unavailable("reading the ledger", &e))?);
            if bytes >= PAGE {
                break;
            }
        }
        let reached = range.start.saturating_add(entries.len() as u64);
        let notes = self.reader.checkpoints(range.start.saturating_add(1)..reached.saturating_add(1), store::MAX_PAGE);
        let checkpoints = notes.map_err(reading)?.iter().map(ToString::to_string).collect();
        Ok(View::LedgerPage { entries, checkpoints })
    }

    fn tegata(&self, grant: &GrantId) -> Result<View, Refusal> {
        let known = |e: crate::proofs::ProofError| match e {
            crate::proofs::ProofError::NoClosure(grant) => Refusal::GrantUnknown { grant },
            other => unavailable("proving a grant", &other),
        };
        let signed = match self.proofs.signed(grant).map_err(known)? {
            Some(signed) => signed,
            None => {
                let note = self.keeper.sign_head().map_err(|e| unavailable("signing the head", &e))?;
                let size = note.claimed().size;
                self.proofs.with_checkpoint(grant, size, note.to_string()).map_err(known)?
            }
        };
        let file = String::from_utf8(signed.to_bytes()).map_err(|e| unavailable("writing a tegata", &e))?;
        Ok(View::Tegata { file })
    }

    fn checkpoint(&self) -> Result<View, Refusal> {
        let note = self.keeper.sign_head().map_err(|e| unavailable("signing the head", &e))?;
        self.writer.checkpoint(note.clone());
        Ok(View::Checkpoint { note: note.to_string() })
    }

    /// Ids are public among those who are known; a prefix alone tells nothing else.
    fn resolve(&self, prefix: &str) -> Result<View, Refusal> {
        if prefix.len() < store::MIN_PREFIX || prefix.len() > 30 {
            return Err(Refusal::Unreadable);
        }
        let found =
            self.reader.find_prefix(prefix.as_bytes(), 10).map_err(|e| unavailable("reading the ledger", &e))?;
        Ok(View::Ids(found.iter().filter_map(|key| String::from_utf8(key.as_bytes().to_vec()).ok()).collect()))
    }

    /// The permit's entry must be the caller's own, for this session.
    pub(crate) fn permitted(&self, session: &SessionId, permit: u64, key: &Fingerprint) -> Result<(), Refusal> {
        let entry = self.decoded(permit).ok_or(Refusal::NotAllowed)?;
        let Event::Deed(done) = entry.event else { return Err(Refusal::NotAllowed) };
        let mine = done.signed.key == *key
            && matches!(done.fields.deed, Deed::ReplayPermit { session: s, .. } if s == *session);
        if mine { Ok(()) } else { Err(Refusal::NotAllowed) }
    }

    fn recording(&self, session: &SessionId, permit: u64, key: &Fingerprint) -> Result<View, Refusal> {
        self.permitted(session, permit, key)?;
        let state = self.state();
        let mut file = self.recordings.open(session).map_err(|e| unavailable("opening a recording's file", &e))?;
        let header = recorder::Header::read(&mut file).map_err(|e| unavailable("reading a recording's header", &e))?;
        let header = header.bytes().to_vec();
        let opened = self.session_entry(session)?;
        let order = |head: channel::keeper::Extension| {
            let mut seqs = tegata::closure::of_reader(&state, key);
            seqs.extend([opened, permit]);
            let seqs: Vec<u64> = seqs.into_iter().collect();
            let (entries, proof) =
                self.proofs.entries(&seqs, head.size).map_err(|e| KeeperError::Malformed(e.to_string()))?;
            Ok(Ask::Replay(ReplayOrder { head, entries, proof, header: header.clone() }))
        };
        let sealed = self.keeper.reseal(order).map_err(|e| unavailable("opening a recording", &e))?;
        let size = file.metadata().map_err(|e| unavailable("reading a recording", &e))?.len();
        let header = header.iter().map(|b| format!("{b:02x}")).collect();
        Ok(View::Recording { header, sealed, size })
    }

    fn recording_bytes(
        &self,
        session: &SessionId,
        permit: u64,
        offset: u64,
        key: &Fingerprint,
    ) -> Result<View, Refusal> {
        use std::io::{Read, Seek, SeekFrom};
        self.permitted(session, permit, key)?;
        let reading = |e: std::io::Error| unavailable("reading a recording", &e);
        let mut file = self.recordings.open(session).map_err(reading)?;
        file.seek(SeekFrom::Start(offset)).map_err(reading)?;
        let mut page = Vec::with_capacity(PAGE);
        file.take(PAGE as u64).read_to_end(&mut page).map_err(reading)?;
        let last = page.len() < PAGE;
        Ok(View::Bytes { bytes: base64::engine::general_purpose::STANDARD.encode(&page), last })
    }

    fn verify_replay(&self, state: &State) -> Result<View, Refusal> {
        // A full fold with every signature takes a core for as long as it takes: one at a time.
        let Ok(_turn) = self.replaying.try_lock() else { return Err(Refusal::TooFast { wait_s: 10 }) };
        let entries = state.journal.size;
        let folded = crate::fold::verified(&self.reader, entries);
        if let Err(error) = &folded {
            tracing::error!(%error, "the ledger does not replay");
        }
        let agrees = folded.is_ok_and(|folded| folded == *state) && self.stands_under_its_heads();
        Ok(View::Replay { entries, agrees })
    }

    /// Every entry's bytes are those under the tree and under every head that the keeper signed: what the fold does not look at is looked at here.
    fn stands_under_its_heads(&self) -> bool {
        match self.reader.verify_all(&mut |_, _| ()) {
            Ok(store::Verdict::Sound(_)) => true,
            Ok(store::Verdict::Broken(fault)) => {
                tracing::error!(%fault, "the ledger is not what was signed");
                false
            }
            Err(error) => {
                tracing::error!(%error, "the ledger could not be checked");
                false
            }
        }
    }

    fn doctor(&self, state: &State, about: About) -> DoctorView {
        let mut checks = vec![self.keeper_check(), self.checkpoint_check(state), self.front_check()];
        checks.extend([users_check(self.config.local.users), fence_check(self.config.local.fence)]);
        checks.extend(administrators_check(state));
        if about == About::Everything {
            checks.extend(state.estate.targets.values().map(clock_check));
        }
        DoctorView { origin: state.founding.as_ref().map(|f| f.origin.to_string()), missing: state.missing(), checks }
    }

    fn keeper_check(&self) -> Check {
        match self.keeper.status() {
            Ok(_) => check("doctor-keeper-answers", Health::Well, []),
            Err(error) => check("doctor-keeper-away", Health::Failing, [("why", error.to_string())]),
        }
    }

    /// Entries are exposed until a checkpoint has left the machine; how far the signed one reaches is shown.
    fn checkpoint_check(&self, state: &State) -> Check {
        let signed = self.reader.latest_checkpoint().ok().flatten().map_or(0, |note| note.claimed().size);
        let size = state.journal.size;
        // A head follows each batch within moments; entries that none covers for long are exposed.
        let health = if size.saturating_sub(signed) <= MOST_UNCOVERED { Health::Well } else { Health::Warning };
        check("doctor-checkpoint", health, [("signed", signed.to_string()), ("size", size.to_string())])
    }

    fn front_check(&self) -> Check {
        if self.front.is_connected() {
            check("doctor-front-connected", Health::Well, [])
        } else {
            check("doctor-front-away", Health::Failing, [])
        }
    }
}

/// Entries that no signed head need cover yet.
const MOST_UNCOVERED: u64 = 1_000;

/// Whoever has proved no key learns whether the gate is well, and nothing of what is behind it.
#[derive(PartialEq, Eq)]
enum About {
    Health,
    Everything,
}

fn users_check(users: Users) -> Check {
    match users {
        Users::Apart => check("doctor-users-apart", Health::Well, []),
        Users::One => check("doctor-users-one", Health::Warning, []),
    }
}

fn fence_check(fence: Fence) -> Check {
    match fence {
        Fence::Whole => check("doctor-fence-whole", Health::Well, []),
        Fence::Partly => check("doctor-fence-partly", Health::Warning, []),
        Fence::Absent => check("doctor-fence-absent", Health::Warning, []),
    }
}

/// Two can decide; only with a third can one of two be frozen, or a lost key be replaced (decision 0005).
fn administrators_check(state: &State) -> Option<Check> {
    let have = state.founding.as_ref().map(|_| state.people.able_administrators())?;
    let key = if have < ADVISED_ADMINISTRATORS { "doctor-administrators-few" } else { "doctor-administrators" };
    let health = if have < ADVISED_ADMINISTRATORS { Health::Warning } else { Health::Well };
    Some(check(key, health, [("have", have.to_string()), ("advised", ADVISED_ADMINISTRATORS.to_string())]))
}

const ADVISED_ADMINISTRATORS: usize = 3;

fn clock_check(target: &domain::estate::Target) -> Check {
    let label = ("target", target.label.to_string());
    match target.clock_offset_ms {
        None => check("doctor-clock-unseen", Health::Warning, [label]),
        Some(ms) if ms.unsigned_abs() > domain::estate::FARTHEST_CLOCK_MS => {
            check("doctor-clock-far", Health::Failing, [label, ("offset", ms.to_string())])
        }
        Some(ms) => check("doctor-clock-near", Health::Well, [label, ("offset", ms.to_string())]),
    }
}

fn check<const N: usize>(key: &str, health: Health, arguments: [(&str, String); N]) -> Check {
    Check {
        key: key.to_owned(),
        arguments: arguments.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        health,
    }
}

pub(crate) fn label(text: &str) -> Label {
    text.parse().expect("a word of ours is a label")
}

fn groups_of(state: &State, person: &PersonId) -> BTreeSet<Label> {
    state.people.memberships.get(person).into_iter().flatten().cloned().collect()
}

/// Who asks.
pub(crate) struct Asker {
    pub(crate) person: PersonId,
    persona: domain::PersonaId,
    kind: PersonaKind,
    key: Fingerprint,
    pub(crate) sees_all: bool,
    /// A signature that is none, for asking `decide` what it would say.
    nothing: sshwire::Signature,
}

impl Asker {
    fn of(state: &State, key: &Fingerprint) -> Result<Self, Refusal> {
        let signer = state.people.active(key).ok_or(Refusal::KeyUnknown { key: *key })?;
        let sees_all = signer.kind == PersonaKind::Admin
            && (state.people.is_administrator(&signer.person)
                || state.people.is_member(&label(AUDITORS), &signer.person));
        Ok(Self {
            person: signer.person,
            persona: signer.persona,
            kind: signer.kind,
            key: *key,
            sees_all,
            nothing: placeholder(),
        })
    }
}

/// `decide` looks at fields, not at signatures: those are verified before. This one is never verified nor written.
fn placeholder() -> sshwire::Signature {
    static ONE: std::sync::OnceLock<sshwire::Signature> = std::sync::OnceLock::new();
    ONE.get_or_init(|| sshwire::SoftSigner::from_seed(&[0; 32]).sshsig("sekimori-nothing", b"")).clone()
}
