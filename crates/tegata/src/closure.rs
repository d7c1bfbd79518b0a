//! Which entries a grant's proof needs: the request, its approvals, and everything by which the keys, groups, rules and account became what they are.

use std::collections::BTreeSet;

use domain::state::{Grant, Origin};
use domain::{PersonId, PersonaId, State};
use sshwire::Fingerprint;

/// The sequence numbers, ascending, at the state in which the grant has just been made or a later one that still knows it. A later one adds
/// what was learnt since of who is one natural person.
pub fn of_grant(state: &State, grant: &Grant) -> BTreeSet<u64> {
    let mut found = Found {
        state,
        seqs: BTreeSet::from([0, grant.request.filed, grant.made]),
        keys: BTreeSet::new(),
        persons: BTreeSet::new(),
    };
    let request = &grant.request;
    found.key(&request.key);
    found.persona(&request.fields.requester);
    found.persona(&request.fields.beneficiary);
    for approval in &request.approvals {
        found.seqs.insert(approval.seq);
        found.key(&approval.key);
    }
    request.relied.iter().for_each(|origin| found.origin(origin));
    found.account(&request.fields.account);
    found.seqs
}

/// What an errand's proof needs: by whose word the target is what it is.
pub fn of_target(state: &State, target: &domain::TargetId) -> BTreeSet<u64> {
    let mut found = Found { state, seqs: BTreeSet::from([0]), keys: BTreeSet::new(), persons: BTreeSet::new() };
    found.target(target);
    found.seqs
}

/// What shows whose a key is: for a person who connects with another key than the one that asked.
pub fn of_key(state: &State, key: &Fingerprint) -> BTreeSet<u64> {
    let mut found = Found { state, seqs: BTreeSet::from([0]), keys: BTreeSet::new(), persons: BTreeSet::new() };
    found.key(key);
    found.seqs
}

/// What shows that a key belongs to somebody who may read recordings: its origin and the person's memberships.
pub fn of_reader(state: &State, key: &Fingerprint) -> BTreeSet<u64> {
    let mut found = Found { state, seqs: BTreeSet::from([0]), keys: BTreeSet::new(), persons: BTreeSet::new() };
    found.key(key);
    let person = found.person_of(key);
    let readers = [domain::people::ADMINISTRATORS, domain::people::AUDITORS];
    let groups = state.people.groups.iter().filter(|(label, _)| readers.contains(&label.as_str()));
    let origins: Vec<Origin> =
        groups.filter_map(|(_, members)| person.and_then(|p| members.get(&p)).copied()).collect();
    origins.iter().for_each(|origin| found.origin(origin));
    found.seqs
}

struct Found<'a> {
    state: &'a State,
    seqs: BTreeSet<u64>,
    keys: BTreeSet<Fingerprint>,
    persons: BTreeSet<PersonId>,
}

impl Found<'_> {
    fn origin(&mut self, origin: &Origin) {
        let new = self.seqs.insert(origin.filed) | self.seqs.insert(origin.carried);
        if new {
            for signer in origin.signers.iter().flatten() {
                self.signer(signer);
            }
        }
    }

    /// A key that signed a motion: its own origin, and that its person was an administrator.
    fn signer(&mut self, key: &Fingerprint) {
        self.key(key);
        let Some(person) = self.person_of(key) else { return };
        // All of them: it may have left and come back between one signature and the next.
        let origins: Vec<Origin> = self.state.people.appointed.get(&person).into_iter().flatten().copied().collect();
        origins.iter().for_each(|origin| self.origin(origin));
    }

    fn key(&mut self, key: &Fingerprint) {
        if !self.keys.insert(*key) {
            return;
        }
        let Some(found) = self.state.people.keys.get(key) else { return };
        let (origin, persona) = (found.origin, found.persona);
        self.origin(&origin);
        self.persona(&persona);
    }

    fn persona(&mut self, persona: &PersonaId) {
        let Some(found) = self.state.people.personas.get(persona) else { return };
        let (origin, person) = (found.origin, found.person);
        self.origin(&origin);
        self.person(&person);
    }

    fn person(&mut self, person: &PersonId) {
        if !self.persons.insert(*person) {
            return;
        }
        if let Some(found) = self.state.people.persons.get(person) {
            let origin = found.origin;
            self.origin(&origin);
        }
        // What is known of being one natural person with somebody belongs to the proof: it only makes the verdict stricter.
        let twins: Vec<PersonId> = self.state.people.same_natural(person).collect();
        for twin in twins {
            let origins: Vec<Origin> = self.state.people.links.get(&twin).into_iter().flatten().copied().collect();
            origins.iter().for_each(|origin| self.origin(origin));
            self.person(&twin);
        }
    }

    fn person_of(&self, key: &Fingerprint) -> Option<PersonId> {
        let key = self.state.people.keys.get(key)?;
        self.state.people.personas.get(&key.persona).map(|p| p.person)
    }

    fn account(&mut self, account: &domain::AccountId) {
        let Some(found) = self.state.estate.accounts.get(account) else { return };
        let (origin, owner, target) = (found.origin, found.owner, found.target);
        self.origin(&origin);
        self.person(&owner);
        self.target(&target);
    }

    fn target(&mut self, target: &domain::TargetId) {
        let Some(found) = self.state.estate.targets.get(target) else { return };
        let (added, pinned) = (found.origin, found.pinned);
        self.origin(&added);
        self.origin(&pinned);
    }
}
