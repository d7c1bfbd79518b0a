//! What an act of two persons says, line by line: the same for the one who proposes and the one who seconds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use channel::api::{PersonView, TargetView};
use domain::motion::{AccountName, Act};
use domain::rule::{Policy, Rule, Selector};
use domain::{PersonId, PersonaId, TargetId};
use sshwire::PublicKey;

use crate::connection::Connection;
use crate::desk::Desk;
use crate::failure::{Failure, Outcome};
use crate::ids;
use crate::proof::{ADDRESS, LOGIN, NAME, Texts};
use crate::sheet::Sheet;
use crate::words;

/// What the server says of the people and targets that an act names by id. It makes the sheet readable; the ids are what is signed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    names: BTreeMap<PersonId, String>,
    owners: BTreeMap<PersonaId, PersonId>,
    targets: BTreeMap<TargetId, TargetView>,
}

impl Known {
    pub(crate) fn of(people: &[PersonView], targets: Vec<TargetView>) -> Self {
        let names = people.iter().filter_map(|view| Some((view.person, view.name.clone()?))).collect();
        let personas =
            people.iter().flat_map(|view| view.personas.iter().map(|persona| (persona.persona, view.person)));
        Self {
            names,
            owners: personas.collect(),
            targets: targets.into_iter().map(|view| (view.target, view)).collect(),
        }
    }

    pub(crate) fn owner_of(&self, persona: &PersonaId) -> Option<PersonId> {
        self.owners.get(persona).copied()
    }

    /// The id, and the name where it may be read.
    pub(crate) fn person(&self, person: &PersonId) -> String {
        named(person, self.names.get(person).map(String::as_str))
    }

    fn target(&self, target: &TargetId) -> String {
        named(target, self.targets.get(target).map(|view| view.label.as_str()))
    }

    fn target_label(&self, target: &TargetId) -> &str {
        self.targets.get(target).map_or("?", |view| view.label.as_str())
    }
}

/// Asks the server about those that an act names by id.
pub(crate) fn known(connection: &mut Connection, act: &Act) -> Outcome<Known> {
    let (mut people, mut targets) = (Vec::new(), Vec::new());
    for person in persons_of(act) {
        people.extend(if_there(ids::person_of(connection, person))?);
    }
    if let Act::KeyEnrol { persona, .. } = act {
        people.extend(if_there(ids::owner_of(connection, *persona))?);
    }
    if let Act::TargetPin { target, .. } | Act::AccountAdd { target, .. } = act {
        targets.extend(if_there(ids::target_of(connection, *target))?);
    }
    Ok(Known::of(&people, targets))
}

/// What the server knows nothing of is shown by its id alone.
fn if_there<T>(asked: Outcome<T>) -> Outcome<Option<T>> {
    match asked {
        Ok(found) => Ok(Some(found)),
        Err(Failure::NothingNamed { .. }) => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn persons_of(act: &Act) -> Vec<PersonId> {
    match act {
        Act::PersonaAdd { person, .. } | Act::GroupJoin { person, .. } | Act::PersonThaw { person } => vec![*person],
        Act::IdentityLink { one, other } => vec![*one, *other],
        Act::AccountAdd { owner, .. } => vec![*owner],
        Act::PersonAdd { .. }
        | Act::KeyEnrol { .. }
        | Act::TargetAdd { .. }
        | Act::TargetPin { .. }
        | Act::PolicySet { .. }
        | Act::ClockConfirm { .. } => vec![],
    }
}

/// `per_… (name)`.
pub(crate) fn named(id: impl std::fmt::Display, name: Option<&str>) -> String {
    name.map_or_else(|| id.to_string(), |name| format!("{id} ({name})"))
}

/// Title and lines of an act.
pub(crate) fn sheet(desk: &Desk<'_>, act: &Act, texts: &Texts, known: &Known) -> Sheet {
    let mut sheet = desk.sheet(title(act), &[]);
    let text = |kind: &str| texts.get(kind).cloned().unwrap_or_else(|| "?".into());
    match act {
        Act::PersonAdd { person, persona, kind, key, .. } => {
            sheet.row("label-person", named(person, Some(&text(NAME))));
            new_key(&mut sheet, persona, Some(words::kind(*kind)), key);
        }
        Act::PersonaAdd { person, persona, kind, key, .. } => {
            sheet.row("label-person", known.person(person));
            new_key(&mut sheet, persona, Some(words::kind(*kind)), key);
        }
        Act::KeyEnrol { persona, key, .. } => {
            sheet.row_if("label-person", known.owner_of(persona).map(|owner| known.person(&owner)));
            new_key(&mut sheet, persona, None, key);
        }
        Act::GroupJoin { group, person } => {
            sheet.row("label-group", group.to_string());
            sheet.row("label-person", known.person(person));
        }
        Act::IdentityLink { one, other } => {
            sheet.row("label-person", known.person(one));
            sheet.row("label-same-as", known.person(other));
        }
        Act::PersonThaw { person } => sheet.row("label-person", known.person(person)),
        Act::TargetAdd { target, label, zone, tier, host_keys, errands, .. } => {
            sheet.row("label-target", named(target, Some(label.as_str())));
            sheet.row("label-address", text(ADDRESS));
            sheet.row("label-zone", zone.to_string());
            sheet.row("label-tier", tier.to_string());
            sheet.row("label-host-keys", fingerprints(host_keys));
            let kinds: Vec<String> = errands.kinds.iter().map(|kind| desk.word(words::errand(*kind))).collect();
            sheet.row("label-errands", or_none(desk, kinds.join(", ")));
            sheet.row("label-errand-login", errands.login.to_string());
        }
        Act::TargetPin { target, host_keys } => {
            sheet.row("label-target", known.target(target));
            let before = known
                .targets
                .get(target)
                .map(|view| view.host_keys.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
            sheet.row_if("label-host-keys-before", before);
            sheet.row("label-host-keys", fingerprints(host_keys));
        }
        Act::AccountAdd { account, target, name, class, owner, principal } => {
            let name = match name {
                AccountName::Shared(label) => label.to_string(),
                AccountName::Personal(_) => text(LOGIN),
            };
            sheet.row("label-account", named(account, Some(&format!("{name}@{}", known.target_label(target)))));
            sheet.row("label-target", known.target(target));
            sheet.word("label-class", words::class(*class));
            sheet.row("label-owner", known.person(owner));
            sheet.row("label-principal", principal.as_str());
        }
        Act::PolicySet { policy } => sheet.extend(policy_sheet(desk, policy)),
        Act::ClockConfirm { time } => sheet.row("label-time", desk.moment(*time)),
    }
    sheet
}

/// The title of an act, also for lists.
pub(crate) const fn title(act: &Act) -> &'static str {
    match act {
        Act::PersonAdd { .. } => "act-person-add",
        Act::PersonaAdd { .. } => "act-persona-add",
        Act::KeyEnrol { .. } => "act-key-enrol",
        Act::GroupJoin { .. } => "act-group-join",
        Act::IdentityLink { .. } => "act-identity-link",
        Act::PersonThaw { .. } => "act-person-thaw",
        Act::TargetAdd { .. } => "act-target-add",
        Act::TargetPin { .. } => "act-target-pin",
        Act::AccountAdd { .. } => "act-account-add",
        Act::PolicySet { .. } => "act-policy-set",
        Act::ClockConfirm { .. } => "act-clock-confirm",
    }
}

fn new_key(sheet: &mut Sheet, persona: &PersonaId, kind: Option<&str>, key: &PublicKey) {
    sheet.row("label-persona", persona.to_string());
    if let Some(kind) = kind {
        sheet.word("label-kind", kind);
    }
    sheet.row("label-key", key_line(key));
}

/// The fingerprint and what kind of key it is: people compare the first and judge by the second.
pub(crate) fn key_line(key: &PublicKey) -> String {
    format!("{} ({})", key.fingerprint(), key.class().name())
}

fn fingerprints(keys: &BTreeSet<PublicKey>) -> String {
    keys.iter().map(key_line).collect::<Vec<_>>().join("\n")
}

fn or_none(desk: &Desk<'_>, text: String) -> String {
    if text.is_empty() { desk.word("word-none") } else { text }
}

/// Rules of access, one line for each part of each rule.
pub(crate) fn policy_sheet(desk: &Desk<'_>, policy: &Policy) -> Sheet {
    let mut sheet = desk.sheet("say-policy", &[]);
    sheet.row("label-version", policy.version.to_string());
    sheet.row("label-pending-limit", desk.span(policy.pending_limit()));
    sheet.word("label-record-input", words::record_input(policy.record_input));
    for rule in &policy.rules {
        sheet.row("label-rule", rule_text(desk, rule));
    }
    sheet
}

fn rule_text(desk: &Desk<'_>, rule: &Rule) -> String {
    let channels: Vec<String> = rule.channels.iter().map(ToString::to_string).collect();
    desk.text(
        "say-rule",
        &[
            ("name", rule.name.to_string().into()),
            ("requesters", rule.requesters.to_string().into()),
            ("accounts", selector_text(desk, &rule.accounts).into()),
            ("approvals", u64::from(rule.approvals).into()),
            ("approvers", rule.approvers.to_string().into()),
            ("longest", desk.span(Duration::from_secs(rule.longest_s.into())).into()),
            ("channels", channels.join(", ").into()),
        ],
    )
}

fn selector_text(desk: &Desk<'_>, selector: &Selector) -> String {
    let accounts: Vec<String> = selector.accounts.iter().map(ToString::to_string).collect();
    let value = |label: &str, value: String| format!("{} {value}", desk.word(label));
    let parts = [
        (!accounts.is_empty()).then(|| accounts.join(", ")),
        selector.zone.as_ref().map(|zone| value("label-zone", zone.to_string())),
        selector.tier.map(|tier| value("label-tier", tier.to_string())),
        selector.class.map(|class| value("label-class", desk.word(words::class(class)))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
