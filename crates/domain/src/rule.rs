//! Rules of access: who may ask for what, who approves, how many, how long, by which channels. One typed, versioned policy entry.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::channel::{self, MOST_CHANNELS};
use crate::estate::{Account, Target};
use crate::id::AccountId;
use crate::label::Label;
use crate::motion::AccountClass;

pub use crate::channel::Channel;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Greater than the version before; the first is 1.
    pub version: u64,
    pub rules: Vec<Rule>,
    /// A pending request dies this long after its start, in seconds.
    pub pending_limit_s: u32,
    /// Whether keystrokes are kept in recordings as well.
    pub record_input: RecordInput,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordInput {
    Never,
    /// Kept, with what was not echoed soon after masked: a heuristic.
    Masked,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub name: Label,
    /// The group whose members may ask.
    pub requesters: Label,
    pub accounts: Selector,
    /// The group whose members may approve.
    pub approvers: Label,
    /// How many of them, all different natural persons; at least one.
    pub approvals: u8,
    /// The longest window, in seconds.
    pub longest_s: u32,
    pub channels: BTreeSet<Channel>,
}

/// Which accounts a rule is about. Every field given must agree; one that names nothing at all selects nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selector {
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub accounts: BTreeSet<AccountId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Label>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<AccountClass>,
}

/// Why a policy cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum PolicyFault {
    #[error("rule {rule} asks for no approval; at least one is needed")]
    NoApproval { rule: Label },
    #[error("rule {rule} allows no time; the longest window must be 1 second to 7 days")]
    BadLength { rule: Label },
    #[error("rule {rule} selects nothing; name accounts, a zone, a tier or a class")]
    SelectsNothing { rule: Label },
    #[error("rule {rule} allows no channel")]
    NoChannel { rule: Label },
    #[error("rule {rule} names more than {MOST_CHANNELS} channels")]
    TooManyChannels { rule: Label },
    #[error("rule {rule} stands twice")]
    Twice { rule: Label },
    #[error("a policy holds at most 200 rules")]
    TooMany,
    #[error("a pending request may wait at most 7 days after its start")]
    PendingTooLong,
}

const MOST_RULES: usize = 200;
const LONGEST_WINDOW_S: u32 = 7 * 24 * 3600;

impl Policy {
    pub fn check(&self) -> Result<(), PolicyFault> {
        if self.rules.len() > MOST_RULES {
            return Err(PolicyFault::TooMany);
        }
        if self.pending_limit_s > LONGEST_WINDOW_S {
            return Err(PolicyFault::PendingTooLong);
        }
        let mut names = BTreeSet::new();
        for rule in &self.rules {
            rule.check()?;
            if !names.insert(&rule.name) {
                return Err(PolicyFault::Twice { rule: rule.name.clone() });
            }
        }
        Ok(())
    }

    pub fn pending_limit(&self) -> Duration {
        Duration::from_secs(self.pending_limit_s.into())
    }
}

impl Rule {
    fn check(&self) -> Result<(), PolicyFault> {
        let rule = || self.name.clone();
        if self.approvals == 0 {
            return Err(PolicyFault::NoApproval { rule: rule() });
        }
        if self.longest_s == 0 || self.longest_s > LONGEST_WINDOW_S {
            return Err(PolicyFault::BadLength { rule: rule() });
        }
        if self.accounts == Selector::default() {
            return Err(PolicyFault::SelectsNothing { rule: rule() });
        }
        if self.channels.is_empty() {
            return Err(PolicyFault::NoChannel { rule: rule() });
        }
        if self.channels.len() > MOST_CHANNELS {
            return Err(PolicyFault::TooManyChannels { rule: rule() });
        }
        Ok(())
    }
}

impl Selector {
    pub fn selects(&self, id: &AccountId, account: &Account, target: &Target) -> bool {
        *self != Self::default()
            && (self.accounts.is_empty() || self.accounts.contains(id))
            && self.zone.as_ref().is_none_or(|zone| *zone == target.zone)
            && self.tier.is_none_or(|tier| tier == target.tier)
            && self.class.is_none_or(|class| class == account.class)
    }
}

/// What a request must meet: the strictest of all rules that let the person ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub struct Obligations {
    /// For each rule: the approvers' group, and how many natural persons of it.
    pub stages: Vec<Stage>,
    pub longest: Duration,
    pub channels: BTreeSet<Channel>,
    pub record_input: RecordInput,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    pub rule: Label,
    pub approvers: Label,
    pub approvals: u8,
}

/// The one place that says what the rules ask of a request for `account`. `permitted`: whether a group's members may ask for this
/// holder, as who asks is one; `bound`: whether the holder is one. No rule permits: `None`. Otherwise the strictest of all that permit or bind.
pub fn obligations(
    policy: &Policy,
    id: &AccountId,
    account: &Account,
    target: &Target,
    permitted: impl Fn(&Label) -> bool,
    bound: impl Fn(&Label) -> bool,
) -> Option<Obligations> {
    let about: Vec<&Rule> = policy.rules.iter().filter(|rule| rule.accounts.selects(id, account, target)).collect();
    if !about.iter().any(|rule| permitted(&rule.requesters)) {
        return None;
    }
    let mut met: Option<Obligations> = None;
    for rule in about.into_iter().filter(|rule| permitted(&rule.requesters) || bound(&rule.requesters)) {
        met = Some(match met {
            None => Obligations::of(rule, policy.record_input),
            Some(so_far) => so_far.and(rule),
        });
    }
    met
}

impl Obligations {
    fn of(rule: &Rule, record_input: RecordInput) -> Self {
        Self {
            stages: vec![Stage::of(rule)],
            longest: Duration::from_secs(rule.longest_s.into()),
            channels: rule.channels.clone(),
            record_input,
        }
    }

    fn and(mut self, rule: &Rule) -> Self {
        self.stages.push(Stage::of(rule));
        self.longest = self.longest.min(Duration::from_secs(rule.longest_s.into()));
        self.channels = channel::meet(&self.channels, &rule.channels);
        self
    }
}

impl Stage {
    fn of(rule: &Rule) -> Self {
        Self { rule: rule.name.clone(), approvers: rule.approvers.clone(), approvals: rule.approvals.max(1) }
    }
}
