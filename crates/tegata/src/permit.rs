//! The tegata (手形): a grant with its proof in one file. Verifying needs the founders' fingerprints and nothing else: no network, no clock, no server.

use std::collections::{BTreeMap, BTreeSet};

use domain::decide::{Standing, still_stands};
use domain::event::{Event, Filing, RequestFiled};
use domain::state::Grant;
use domain::{Entry, GrantId, State, Timestamp};
use ledger::{MultiProof, SignedCheckpoint, TreeHead, VerifierKey, leaf_hash};
use serde::{Deserialize, Serialize};
use sshwire::{Fingerprint, KeyClass, Presence};

use crate::replay::{self, StepFault};
use crate::signatures::{self, SignatureFault};

/// The form of the file.
const FORM: &str = "sekimori-tegata/v1";
/// A tegata is a few dozen entries; one longer than this is not read.
pub const LONGEST_TEGATA: usize = 4 << 20;
const MOST_ENTRIES: usize = 2_000;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tegata {
    form: String,
    pub grant: GrantId,
    /// A C2SP signed note.
    pub checkpoint: String,
    pub proof: MultiProof,
    /// The entries' exact bytes, in order; `proof` says which places they have.
    pub entries: Vec<String>,
}

/// Whom a verifier trusts: the two founders, by the fingerprints they confirmed to each other outside the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    pub founders: BTreeSet<Fingerprint>,
}

impl Trust {
    /// Whether the founding is by exactly the founders one trusts; if not, by whom it is.
    pub(crate) fn is_of(&self, founding: &domain::event::Founding) -> Result<(), BTreeSet<Fingerprint>> {
        let found: BTreeSet<Fingerprint> = founding.founders.iter().map(|f| f.key.fingerprint()).collect();
        if found == self.founders { Ok(()) } else { Err(found) }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("tegata is {length} bytes long; at most {LONGEST_TEGATA} are read")]
    TooLong { length: usize },
    #[error("tegata is not readable: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("file is of form `{found}`, not `{FORM}`")]
    OtherForm { found: String },
    #[error("tegata has {found} entries; at most {MOST_ENTRIES} are read")]
    TooMany { found: usize },
    #[error("entry at place {place} is not readable: {why}")]
    Entry { place: u64, why: domain::entry::EntryError },
    #[error("entry says it is number {said} but stands at place {place}")]
    OtherPlace { place: u64, said: u64 },
    #[error("the first entry is not a founding")]
    NoFounding,
    #[error("the founders are not those you trust: found {}", list(.found))]
    OtherFounders { found: BTreeSet<Fingerprint> },
    #[error("checkpoint does not verify: {0}")]
    Checkpoint(ledger::Error),
    #[error("the entries are not those of the checkpoint: {0}")]
    Inclusion(ledger::Error),
    #[error("entry {seq} is not signed as it says: {why}")]
    Signature { seq: u64, why: SignatureFault },
    #[error("entry {seq} breaks a rule: {why}")]
    Rule { seq: u64, why: domain::Refusal },
    #[error("the entries do not make grant `{grant}`")]
    NoGrant { grant: GrantId },
}

impl From<StepFault> for Fault {
    fn from(fault: StepFault) -> Self {
        match fault {
            StepFault::Signature { seq, why } => Self::Signature { seq, why },
            StepFault::Rule { seq, why } => Self::Rule { seq, why },
        }
    }
}

fn list(fingerprints: &BTreeSet<Fingerprint>) -> String {
    fingerprints.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A tegata whose every signature, rule and proof was checked. It proves history, not that the grant still stands.
#[derive(Debug, Clone)]
pub struct VerifiedTegata {
    state: State,
    grant: GrantId,
    verdict: Verdict,
}

/// What was proved, and what rests on the server's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub origin: String,
    pub size: u64,
    pub founders: BTreeSet<Fingerprint>,
    pub grant: GrantId,
    pub request: domain::statement::RequestFields,
    pub principal: domain::motion::Principal,
    pub requester: Voice,
    pub approvers: Vec<Voice>,
    pub granted: Timestamp,
    pub words: Vec<ServersWord>,
}

/// Whose key spoke, and how strongly the key is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voice {
    pub person: domain::PersonId,
    pub key: Fingerprint,
    pub class: KeyClass,
    pub presence: Presence,
    pub at: Timestamp,
}

/// What no offline proof can show, and who therefore vouches for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServersWord {
    /// That no younger entry revoked the grant, or froze or removed a person, key or member.
    NothingTakenBackSince,
    /// That no two of the persons were known to be one: a link that two persons signed is proved where it is in the proof, its absence is not.
    NoLinkLeftOut,
    /// That the persons were still in their groups, and their keys not retired, when they asked and agreed: how they came in is proved, that no entry
    /// outside the proof took them out before is not.
    MembershipsThen,
    /// That the rules in the proof were those in force then: that two administrators signed them is proved, that no newer ones were left out is not.
    RulesThen,
    /// The times in entries.
    Times,
    /// That the requester typed this request: it came through an SSH terminal, without the requester's signature over it.
    RequestFiledThroughSsh,
    /// A key was replaced by recovery shares; who held them is not proved.
    KeyRecovered,
    /// What the server wrote by itself: sessions, errands, refusals, anchors.
    OwnEntries,
    /// That everything that happened was written down.
    NothingLeftOut,
    /// That nobody was shown another ledger under the same key: the policy asks for no witness.
    OneLedger,
}

impl Tegata {
    pub fn new(grant: GrantId, checkpoint: String, proof: MultiProof, entries: Vec<String>) -> Self {
        Self { form: FORM.to_owned(), grant, checkpoint, proof, entries }
    }

    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.len() > LONGEST_TEGATA {
            return Err(Fault::TooLong { length: bytes.len() });
        }
        let parsed: Self = serde_json::from_slice(bytes)?;
        if parsed.form != FORM {
            return Err(Fault::OtherForm { found: parsed.form.chars().take(64).collect() });
        }
        if parsed.entries.len() > MOST_ENTRIES {
            return Err(Fault::TooMany { found: parsed.entries.len() });
        }
        Ok(parsed)
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a tegata is text and numbers")
    }

    /// Checks everything that can be checked without the server.
    pub fn verify(&self, trust: &Trust) -> Result<VerifiedTegata, Fault> {
        let founding = self.founding(trust)?;
        let key = log_verifier(&founding).map_err(Fault::Checkpoint)?;
        let note = SignedCheckpoint::parse(self.checkpoint.as_bytes())
            .and_then(|note| note.verify(&key))
            .map_err(Fault::Checkpoint)?;
        self.verify_under(&note.head(), trust)
    }

    /// As [`Tegata::verify`], under a head that the caller knows by other means than the file's checkpoint: the keeper, about to sign it.
    pub fn verify_under(&self, head: &TreeHead, trust: &Trust) -> Result<VerifiedTegata, Fault> {
        self.founding(trust)?;
        let leaves: Vec<_> = self.entries.iter().map(|entry| leaf_hash(entry.as_bytes())).collect();
        self.proof.verify(&leaves, head).map_err(Fault::Inclusion)?;
        let replay = self.replay()?;
        let verdict = replay.verdict(self, head.size)?;
        Ok(VerifiedTegata { state: replay.state, grant: self.grant, verdict })
    }

    /// The log key stands in the founding, and the founding is the founders'.
    fn founding(&self, trust: &Trust) -> Result<domain::event::Founding, Fault> {
        let first = self.entries.first().ok_or(Fault::NoFounding)?;
        let entry = Entry::decode(first.as_bytes()).map_err(|why| Fault::Entry { place: 0, why })?;
        let Event::Founded(founded) = &entry.event else { return Err(Fault::NoFounding) };
        if entry.seq != 0 {
            return Err(Fault::NoFounding);
        }
        trust.is_of(&founded.founding).map_err(|found| Fault::OtherFounders { found })?;
        signatures::check_founding(&founded.founding, &founded.signatures)
            .map_err(|why| Fault::Signature { seq: 0, why })?;
        Ok(founded.founding.clone())
    }

    fn replay(&self) -> Result<Replay, Fault> {
        let mut replay = Replay::default();
        for (text, place) in self.entries.iter().zip(&self.proof.indices) {
            let entry = Entry::decode(text.as_bytes()).map_err(|why| Fault::Entry { place: *place, why })?;
            if entry.seq != *place {
                return Err(Fault::OtherPlace { place: *place, said: entry.seq });
            }
            replay.step(&entry)?;
        }
        Ok(replay)
    }
}

/// The verifier key of an installation's checkpoints, from its founding.
pub fn log_verifier(founding: &domain::event::Founding) -> ledger::Result<VerifierKey> {
    let malformed = ledger::Error::Malformed { what: "log key", why: "it is not an Ed25519 key" };
    let point = founding.log_key.ed25519_point().ok_or(malformed)?;
    Ok(VerifierKey::new(founding.origin.as_str().parse()?, *point))
}

/// INVARIANT: the verdict names who spoke about this grant's own request, by the entries that the state says made it: a file may hold more.
#[derive(Default)]
struct Replay {
    state: State,
    /// Who signed, or is said to have typed, the entry of this number.
    voices: BTreeMap<u64, Voice>,
    granted: BTreeMap<GrantId, Timestamp>,
    /// Requests that nobody signed.
    typed: BTreeSet<u64>,
    recovered: bool,
}

impl Replay {
    fn step(&mut self, entry: &Entry) -> Result<(), Fault> {
        let proofs = replay::step(&mut self.state, entry)?;
        self.listen(entry, proofs.into_iter().next());
        Ok(())
    }

    fn listen(&mut self, entry: &Entry, proof: Option<signatures::Proof>) {
        match &entry.event {
            Event::RequestFiled(RequestFiled { filing: Filing::FiledThroughSsh { key, .. }, .. }) => {
                self.typed.insert(entry.seq);
                if let Some(known) = self.state.people.keys.get(key).map(|k| k.key.clone()) {
                    self.hear(entry, &known, Presence::NotAHardwareKey);
                }
            }
            Event::GrantMade(made) => {
                self.granted.insert(made.grant, entry.time);
            }
            Event::RecoveryCompleted(_) => self.recovered = true,
            _ => {
                if let Some(proof) = proof {
                    self.hear(entry, &proof.key, proof.presence);
                }
            }
        }
    }

    fn hear(&mut self, entry: &Entry, key: &sshwire::PublicKey, presence: Presence) {
        if let domain::Actor::Person { person, .. } = entry.actor {
            let voice = Voice { person, key: key.fingerprint(), class: key.class(), presence, at: entry.time };
            self.voices.insert(entry.seq, voice);
        }
    }

    fn verdict(&self, tegata: &Tegata, size: u64) -> Result<Verdict, Fault> {
        let missing = || Fault::NoGrant { grant: tegata.grant };
        let grant = self.state.passage.grants.get(&tegata.grant).ok_or_else(missing)?;
        let founding = self.state.founding.as_ref().ok_or(Fault::NoFounding)?;
        let account = self.state.estate.accounts.get(&grant.request.fields.account).ok_or_else(missing)?;
        let voice = |seq: u64| self.voices.get(&seq).cloned().ok_or_else(missing);
        Ok(Verdict {
            origin: founding.origin.to_string(),
            size,
            founders: founding.founders.iter().map(|f| f.key.fingerprint()).collect(),
            grant: tegata.grant,
            request: grant.request.fields.clone(),
            principal: account.principal.clone(),
            requester: voice(grant.request.filed)?,
            approvers: grant.request.approvals.iter().map(|approval| voice(approval.seq)).collect::<Result<_, _>>()?,
            granted: *self.granted.get(&tegata.grant).ok_or_else(missing)?,
            words: self.words(grant),
        })
    }

    fn words(&self, grant: &Grant) -> Vec<ServersWord> {
        let typed = self.typed.contains(&grant.request.filed).then_some(ServersWord::RequestFiledThroughSsh);
        let recovered = self.recovered.then_some(ServersWord::KeyRecovered);
        let always = [
            ServersWord::NothingTakenBackSince,
            ServersWord::NoLinkLeftOut,
            ServersWord::MembershipsThen,
            ServersWord::RulesThen,
            ServersWord::Times,
        ];
        always.into_iter().chain(typed).chain(recovered).collect()
    }
}

impl VerifiedTegata {
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    pub fn grant_id(&self) -> GrantId {
        self.grant
    }

    /// The grant as the proof's entries make it.
    pub fn grant(&self) -> &Grant {
        self.state.passage.grants.get(&self.grant).expect("verification found it")
    }

    /// What the proof's own entries say of the grant at `at`: window, persons, rules. Not what was taken back later.
    pub fn would_stand(&self, at: Timestamp) -> Result<Standing, domain::Refusal> {
        still_stands(&self.state, &self.grant, at)
    }

    /// The state that the proof's own entries make.
    pub fn state(&self) -> &State {
        &self.state
    }

    pub fn founding(&self) -> &domain::event::Founding {
        self.state.founding.as_ref().expect("verification began with it")
    }
}
