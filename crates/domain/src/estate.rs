//! Targets and the privileged accounts on them.

use std::collections::BTreeSet;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};
use sshwire::PublicKey;

use crate::committed::{Address, Committed};
use crate::id::{AccountId, PersonId, TargetId};
use crate::label::Label;
use crate::motion::{AccountClass, AccountName, Errands, Principal};
use crate::state::Origin;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    pub label: Label,
    pub zone: Label,
    pub tier: u8,
    pub address: Committed<Address>,
    pub host_keys: BTreeSet<PublicKey>,
    pub errands: Errands,
    /// How far the target's clock was ahead of ours when last looked at, in milliseconds.
    pub clock_offset_ms: Option<i64>,
    pub origin: Origin,
    /// Where the host keys were last pinned.
    pub pinned: Origin,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    pub target: TargetId,
    pub name: AccountName,
    pub class: AccountClass,
    pub owner: PersonId,
    pub principal: Principal,
    pub origin: Origin,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estate {
    pub targets: OrdMap<TargetId, Target>,
    pub by_label: OrdMap<Label, TargetId>,
    pub accounts: OrdMap<AccountId, Account>,
    /// Each principal names one account for ever.
    pub principals: OrdMap<Principal, AccountId>,
    /// Shared account names per target, for the gateway's login names.
    pub shared: OrdMap<TargetId, OrdMap<Label, AccountId>>,
}

impl Estate {
    pub fn target(&self, label: &Label) -> Option<(TargetId, &Target)> {
        let id = self.by_label.get(label)?;
        self.targets.get(id).map(|target| (*id, target))
    }

    pub fn shared_account(&self, target: &TargetId, name: &Label) -> Option<AccountId> {
        self.shared.get(target)?.get(name).copied()
    }
}

/// A clock further off than this is refused: the end of a certificate would not be the end on the target.
pub const FARTHEST_CLOCK_MS: u64 = 30_000;
