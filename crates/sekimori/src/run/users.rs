//! Which user each process runs as. Started as root, each has its own, or the configuration says that there is one for all; started as
//! anybody else, all run as them.

use std::process::{Command, Stdio};

use super::config::{Config, UserNames};
use crate::failure::{Failure, Outcome};

/// Who runs the three processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Crew {
    /// All as whoever started them.
    OneUser,
    Apart(Three),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Three {
    pub(crate) keeper: Account,
    pub(crate) engine: Account,
    pub(crate) front: Account,
}

/// One of the system's users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Asks the system for a user of that name.
pub(crate) type LookUp<'a> = &'a dyn Fn(&str) -> Outcome<Option<Account>>;

/// `own` is the user id of this process.
pub(crate) fn decide(config: &Config, own: u32, look_up: LookUp<'_>) -> Outcome<Crew> {
    if own != ROOT || config.one_user {
        return Ok(Crew::OneUser);
    }
    let UserNames { keeper, engine, front } = &config.users;
    let found = [keeper, engine, front].map(|name| look_up(name));
    let [keeper, engine, front] = [found[0].clone()?, found[1].clone()?, found[2].clone()?];
    let missing = [(&keeper, &config.users.keeper), (&engine, &config.users.engine), (&front, &config.users.front)];
    let missing: Vec<&str> =
        missing.into_iter().filter(|(found, _)| found.is_none()).map(|(_, name)| name.as_str()).collect();
    match (keeper, engine, front) {
        (Some(keeper), Some(engine), Some(front)) => apart(Three { keeper, engine, front }),
        _ => Err(Failure::UsersMissing { names: missing.join(" ") }),
    }
}

/// Two names for one user, or for root, keep nothing apart.
fn apart(three: Three) -> Outcome<Crew> {
    let Three { keeper, engine, front } = &three;
    if let Some(root) = [keeper, engine, front].into_iter().find(|account| account.uid == ROOT) {
        return Err(Failure::UserIsRoot { name: root.name.clone() });
    }
    for (one, other) in [(keeper, engine), (engine, front), (front, keeper)] {
        // Engine's group reaches the keeper's socket and front's recordings.
        if one.uid == other.uid || one.gid == other.gid {
            return Err(Failure::UsersNotApart { one: one.name.clone(), other: other.name.clone() });
        }
    }
    Ok(Crew::Apart(three))
}

/// As the system itself looks users up, whatever keeps them.
pub(crate) fn look_up(name: &str) -> Outcome<Option<Account>> {
    let failed = |why: String| Failure::UserUnknowable { name: name.to_owned(), why };
    if !is_a_name(name) {
        return Err(failed("that is no user's name".into()));
    }
    let asked = Command::new("getent").args(["passwd", name]).stdin(Stdio::null()).output();
    let output = asked.map_err(|error| failed(format!("`getent`: {error}")))?;
    match output.status.code() {
        Some(0) => read(name, &String::from_utf8_lossy(&output.stdout))
            .map(Some)
            .ok_or_else(|| failed("`getent` answered what is no line of a user".into())),
        Some(NOT_FOUND) => Ok(None),
        _ => Err(failed(format!("`getent`: {}", String::from_utf8_lossy(&output.stderr).trim()))),
    }
}

/// `name:x:uid:gid:…`, see passwd(5).
fn read(name: &str, line: &str) -> Option<Account> {
    let mut fields = line.lines().next()?.split(':');
    let is_asked_for = fields.next()? == name;
    let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
    is_asked_for.then(|| Account { name: name.to_owned(), uid, gid })
}

/// As Debian's useradd takes them. A number is none: `getent` would look for that user id.
fn is_a_name(name: &str) -> bool {
    let may_begin = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let may_be = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    may_begin && name.len() <= LONGEST_NAME && name.chars().all(may_be)
}

const ROOT: u32 = 0;
/// getent(1): the key is not in the database.
const NOT_FOUND: i32 = 2;
const LONGEST_NAME: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str, id: u32) -> Account {
        Account { name: name.to_owned(), uid: id, gid: id }
    }

    fn crew(own: u32, toml: &str, known: &[(&str, u32)]) -> Outcome<Crew> {
        let look_up = |name: &str| Ok(known.iter().find(|(k, _)| *k == name).map(|(name, id)| account(name, *id)));
        decide(&toml::from_str(toml).unwrap(), own, &look_up)
    }

    const ALL: [(&str, u32); 3] = [("sekimori-keeper", 901), ("sekimori-engine", 902), ("sekimori-front", 903)];

    #[test]
    fn root_gives_each_process_its_own_user() {
        let Crew::Apart(three) = crew(0, "", &ALL).unwrap() else { panic!("one user") };
        assert_eq!((three.keeper.uid, three.engine.uid, three.front.uid), (901, 902, 903));
        let Crew::Apart(three) = crew(0, "[users]\nfront = \"gate\"", &[ALL[0], ALL[1], ("gate", 7)]).unwrap() else {
            panic!("one user")
        };
        assert_eq!(three.front, account("gate", 7));
    }

    #[test]
    fn root_without_the_users_is_refused_unless_the_configuration_says_one_user() {
        let refused = crew(0, "", &[ALL[1]]).unwrap_err();
        assert_eq!(refused, Failure::UsersMissing { names: "sekimori-keeper sekimori-front".into() });
        assert_eq!(crew(0, "one_user = true", &[]).unwrap(), Crew::OneUser);
    }

    #[test]
    fn anybody_else_runs_all_as_themselves() {
        assert_eq!(crew(1000, "", &ALL).unwrap(), Crew::OneUser);
        assert_eq!(crew(902, "", &ALL).unwrap(), Crew::OneUser);
    }

    #[test]
    fn users_that_keep_nothing_apart_are_refused() {
        let shared = crew(0, "", &[ALL[0], ("sekimori-engine", 901), ALL[2]]).unwrap_err();
        assert_eq!(shared.code(), "users-not-apart");
        let root = crew(0, "", &[ALL[0], ALL[1], ("sekimori-front", 0)]).unwrap_err();
        assert_eq!(root, Failure::UserIsRoot { name: "sekimori-front".into() });
    }

    #[test]
    fn the_system_knows_its_users_and_nobody_else() {
        assert_eq!(look_up("root").unwrap(), Some(account("root", 0)));
        assert_eq!(look_up("nobody-of-that-name").unwrap(), None);
        for name in ["0", "", "-s", "a b", "a:b", "Ä", &"a".repeat(33)] {
            assert_eq!(look_up(name).unwrap_err().code(), "user-unknowable", "{name}");
        }
        assert_eq!(read("a", "b:x:1:2::/:/bin/sh\n"), None);
        assert_eq!(read("a", "a:x:1\n"), None);
    }
}
