//! Rules of access as people write them, in TOML, to and from the typed policy. Errors name the line.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use domain::motion::AccountClass;
use domain::rule::{Channel, Policy, PolicyFault, RecordInput, Rule, Selector};
use domain::{AccountId, Label};
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::failure::{Failure, Outcome};
use crate::files;
use crate::messages::{self, Lang};
use crate::times;

/// What the file says of accounts by name, from the server.
pub(crate) type Accounts = BTreeMap<String, AccountId>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    /// How long after its start a request may still wait.
    pending_limit: Spanned<String>,
    #[serde(default)]
    record_input: Recording,
    #[serde(default, rename = "rule")]
    rules: Vec<Spanned<FileRule>>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Recording {
    #[default]
    Never,
    Masked,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FileRule {
    name: Spanned<String>,
    requesters: Spanned<String>,
    approvers: Spanned<String>,
    approvals: u8,
    longest: Spanned<String>,
    channels: Vec<Spanned<String>>,
    #[serde(default)]
    accounts: Vec<Spanned<String>>,
    zone: Option<Spanned<String>>,
    tier: Option<u8>,
    class: Option<Spanned<String>>,
}

/// What is wrong, and where in the text.
struct Wrong {
    at: Range<usize>,
    why: String,
}

/// Reads a policy. `version` is the one it is to have; `accounts` gives the ids of accounts that the file names.
///
/// # Errors
/// `PolicyUnreadable` with the line.
pub(crate) fn parse(path: &Path, text: &str, version: u64, accounts: &Accounts, lang: Lang) -> Outcome<Policy> {
    let unreadable = |wrong: Wrong| {
        let line = text.get(..wrong.at.start).unwrap_or(text).matches('\n').count() + 1;
        Failure::PolicyUnreadable { path: files::shown(path), line: line.to_string(), why: wrong.why }
    };
    let not_toml = |error: toml::de::Error| Wrong { at: error.span().unwrap_or(0..0), why: error.message().to_owned() };
    let file: File = toml::from_str(text).map_err(not_toml).map_err(unreadable)?;
    let policy = policy(&file, version, accounts).map_err(unreadable)?;
    let faulty = |fault: PolicyFault| Wrong { at: place_of(&file, &fault), why: messages::policy_fault(&fault, lang) };
    policy.check().map_err(faulty).map_err(unreadable)?;
    Ok(policy)
}

/// The accounts that a policy names as `name@target`; none where it cannot be read, which [`parse`] then says.
pub(crate) fn accounts_named(text: &str) -> BTreeSet<String> {
    let rules = toml::from_str::<File>(text).map(|file| file.rules).unwrap_or_default();
    let named = rules.iter().flat_map(|rule| &rule.get_ref().accounts).map(Spanned::get_ref);
    named.filter(|name| name.contains('@')).cloned().collect()
}

fn policy(file: &File, version: u64, accounts: &Accounts) -> Result<Policy, Wrong> {
    let record_input = match file.record_input {
        Recording::Never => RecordInput::Never,
        Recording::Masked => RecordInput::Masked,
    };
    let rules = file.rules.iter().map(|rule| self::rule(rule.get_ref(), accounts)).collect::<Result<_, _>>()?;
    Ok(Policy { version, rules, pending_limit_s: seconds(&file.pending_limit)?, record_input })
}

fn rule(file: &FileRule, accounts: &Accounts) -> Result<Rule, Wrong> {
    Ok(Rule {
        name: label(&file.name)?,
        requesters: label(&file.requesters)?,
        accounts: selector(file, accounts)?,
        approvers: label(&file.approvers)?,
        approvals: file.approvals,
        longest_s: seconds(&file.longest)?,
        channels: file.channels.iter().map(channel).collect::<Result<_, _>>()?,
    })
}

fn selector(file: &FileRule, accounts: &Accounts) -> Result<Selector, Wrong> {
    Ok(Selector {
        accounts: file.accounts.iter().map(|name| account(name, accounts)).collect::<Result<_, _>>()?,
        zone: file.zone.as_ref().map(label).transpose()?,
        tier: file.tier,
        class: file.class.as_ref().map(class).transpose()?,
    })
}

fn account(text: &Spanned<String>, accounts: &Accounts) -> Result<AccountId, Wrong> {
    let known = text.get_ref().parse().ok().or_else(|| accounts.get(text.get_ref()).copied());
    known.ok_or_else(|| wrong(text, format!("there is no account `{}`", text.get_ref())))
}

fn label(text: &Spanned<String>) -> Result<Label, Wrong> {
    text.get_ref().parse().map_err(|error: domain::label::LabelError| wrong(text, error.to_string()))
}

fn seconds(text: &Spanned<String>) -> Result<u32, Wrong> {
    let length = times::duration(text.get_ref()).ok().and_then(|length| u32::try_from(length.as_secs()).ok());
    length
        .ok_or_else(|| wrong(text, format!("`{}` is not a length of time such as `30m`, `4h` or `2d`", text.get_ref())))
}

fn channel(text: &Spanned<String>) -> Result<Channel, Wrong> {
    text.get_ref().parse().map_err(|error: domain::channel::ChannelError| wrong(text, error.to_string()))
}

fn class(text: &Spanned<String>) -> Result<AccountClass, Wrong> {
    let found = CLASSES.iter().find(|(name, _)| name == text.get_ref()).map(|(_, class)| *class);
    let names = || CLASSES.map(|(name, _)| format!("`{name}`")).join(", ");
    found.ok_or_else(|| wrong(text, format!("`{}` is none of {}", text.get_ref(), names())))
}

fn wrong(text: &Spanned<String>, why: String) -> Wrong {
    Wrong { at: text.span(), why }
}

/// The rule that is at fault; a fault of the whole file stands at its beginning.
fn place_of(file: &File, fault: &PolicyFault) -> Range<usize> {
    let rule = match fault {
        PolicyFault::NoApproval { rule }
        | PolicyFault::BadLength { rule }
        | PolicyFault::SelectsNothing { rule }
        | PolicyFault::NoChannel { rule }
        | PolicyFault::TooManyChannels { rule }
        | PolicyFault::Twice { rule } => rule,
        PolicyFault::TooMany => return 0..0,
        PolicyFault::PendingTooLong => return file.pending_limit.span(),
    };
    let of_name = |found: &&Spanned<FileRule>| found.get_ref().name.get_ref() == rule.as_str();
    file.rules.iter().rfind(of_name).map_or(0..0, |found| found.get_ref().name.span())
}

/// A policy as a file that [`parse`] reads back.
pub(crate) fn write(policy: &Policy) -> String {
    let record_input = match policy.record_input {
        RecordInput::Never => Recording::Never,
        RecordInput::Masked => Recording::Masked,
    };
    let written = Written {
        pending_limit: times::written(policy.pending_limit()),
        record_input,
        rules: policy.rules.iter().map(WrittenRule::of).collect(),
    };
    toml::to_string(&written).expect("rules are text, numbers and lists")
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Written {
    pending_limit: String,
    record_input: Recording,
    #[serde(rename = "rule", skip_serializing_if = "Vec::is_empty")]
    rules: Vec<WrittenRule>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct WrittenRule {
    name: String,
    requesters: String,
    approvers: String,
    approvals: u8,
    longest: String,
    channels: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    accounts: BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tier: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<&'static str>,
}

impl WrittenRule {
    fn of(rule: &Rule) -> Self {
        let class = |wanted: AccountClass| CLASSES.iter().find(|(_, class)| *class == wanted).map(|(name, _)| *name);
        Self {
            name: rule.name.to_string(),
            requesters: rule.requesters.to_string(),
            approvers: rule.approvers.to_string(),
            approvals: rule.approvals,
            longest: times::written(std::time::Duration::from_secs(rule.longest_s.into())),
            channels: rule.channels.iter().map(ToString::to_string).collect(),
            accounts: rule.accounts.accounts.iter().map(ToString::to_string).collect(),
            zone: rule.accounts.zone.as_ref().map(ToString::to_string),
            tier: rule.accounts.tier,
            class: rule.accounts.class.and_then(class),
        }
    }
}

const CLASSES: [(&str, AccountClass); 5] = [
    ("os-superuser", AccountClass::OsSuperuser),
    ("database-admin", AccountClass::DatabaseAdmin),
    ("application-master", AccountClass::ApplicationMaster),
    ("network-device", AccountClass::NetworkDevice),
    ("cloud-admin", AccountClass::CloudAdmin),
];

/// 200 rules with their accounts.
pub(crate) const LONGEST_FILE: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    const GOOD: &str = r#"
pending-limit = "24h"

[[rule]]
name = "db-root"
requesters = "operators"
approvers = "owners"
approvals = 1
longest = "4h"
channels = ["shell", "exec"]
accounts = ["root@db1"]

[[rule]]
name = "everything-in-the-vault"
requesters = "operators"
approvers = "commanders"
approvals = 2
longest = "1h30m"
channels = ["exec"]
zone = "vault"
tier = 0
class = "database-admin"
"#;

    fn accounts() -> Accounts {
        Accounts::from([("root@db1".to_owned(), AccountId::from_random([1; 16]))])
    }

    fn read(text: &str) -> Outcome<Policy> {
        parse(Path::new("rules.toml"), text, 7, &accounts(), Lang::En)
    }

    fn check(change: impl Fn(&str) -> String, expected: &Expect) {
        let text = change(GOOD);
        assert_ne!(text, GOOD, "nothing was changed");
        let (sentence, _) = messages::failure(&read(&text).unwrap_err(), Lang::En);
        expected.assert_eq(&sentence);
    }

    #[test]
    fn a_written_policy_reads_back() {
        let policy = read(GOOD).unwrap();
        assert_eq!((policy.version, policy.rules.len(), policy.pending_limit_s), (7, 2, 86_400));
        assert_eq!(policy.rules[1].longest_s, 5_400);
        assert_eq!(read(&write(&policy)).unwrap(), policy);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        check(
            |good| good.replace("approvals = 1", "approvals = 0"),
            &expect!["rules.toml, line 5: rule `db-root` asks for no approval; at least one is needed"],
        );
        check(
            |good| good.replace("approvals = 1", "approvals = 300"),
            &expect!["rules.toml, line 8: invalid value: integer `300`, expected u8"],
        );
        check(
            |good| good.replace("longest = \"4h\"", "longest = \"4 hours\""),
            &expect!["rules.toml, line 9: `4 hours` is not a length of time such as `30m`, `4h` or `2d`"],
        );
        check(
            |good| good.replace("longest = \"4h\"", "longest = \"8d\""),
            &expect!["rules.toml, line 5: rule `db-root` must allow between 1 second and 7 days"],
        );
        check(
            |good| good.replace("root@db1", "root@db2"),
            &expect!["rules.toml, line 11: there is no account `root@db2`"],
        );
        check(
            |good| good.replace("\"exec\"]\nzone", "\"sftp\"]\nzone"),
            &expect![
                "rules.toml, line 19: `sftp` is no channel; there are shell, exec, download, upload, forward:HOST:PORT, listen:HOST:PORT, socket:PATH, listen-socket:PATH, agent, x11"
            ],
        );
        check(
            |good| good.replace("class = \"database-admin\"", "class = \"dba\""),
            &expect![
                "rules.toml, line 22: `dba` is none of `os-superuser`, `database-admin`, `application-master`, `network-device`, `cloud-admin`"
            ],
        );
        check(
            |good| good.replace("\"everything-in-the-vault\"", "\"db-root\""),
            &expect!["rules.toml, line 14: rule `db-root` stands twice"],
        );
        check(
            |good| good.replace("accounts = [\"root@db1\"]", ""),
            &expect!["rules.toml, line 5: rule `db-root` selects nothing; name accounts, a zone, a tier or a class"],
        );
        check(
            |good| {
                good.replace(
                    "requesters = \"operators\"\napprovers = \"owners\"",
                    "requesters = \"Operators\"\napprovers = \"owners\"",
                )
            },
            &expect![
                "rules.toml, line 6: label `Operators` has `O` at character 1; allowed are a-z, 0-9 and, after the first, `.` `_` `-`"
            ],
        );
        check(
            |good| good.replace("tier = 0", "teir = 0"),
            &expect![
                "rules.toml, line 21: unknown field `teir`, expected one of `name`, `requesters`, `approvers`, `approvals`, `longest`, `channels`, `accounts`, `zone`, `tier`, `class`"
            ],
        );
        check(|good| good.replace("[[rule]]", "[rule"), &expect!["rules.toml, line 4: unclosed table, expected `]`"]);
        check(
            |good| good.replace("24h", "30d"),
            &expect!["rules.toml, line 2: a pending request may wait at most 7 days after its start"],
        );
    }
}
