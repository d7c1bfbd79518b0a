//! Login names: `account@target` or `account+target`, optionally followed by one more separator and a grant; a name without a separator
//! asks for the control channel. Strict: one spelling per login.

use std::fmt;

/// Longest login name read, in bytes; everything longer is malformed.
const MAX_LOGIN_BYTES: usize = 512;
/// Longest account, target or grant after unescaping, in bytes.
const MAX_PART_BYTES: usize = 63;

/// What a login name asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// A passage to an account on a target.
    Passage(Login),
    /// No target: the control channel to engine.
    Control,
}

/// An account on a target, and the grant to use where a person holds several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    account: String,
    target: String,
    grant: Option<String>,
}

/// Why a login name cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    #[error("login name is longer than {MAX_LOGIN_BYTES} bytes")]
    TooLong,
    #[error("login name has an empty part")]
    EmptyPart,
    #[error("login name has more than an account, a target and a grant")]
    TooManyParts,
    #[error("login name has a part longer than {MAX_PART_BYTES} bytes")]
    PartTooLong,
    #[error("login name has an escape that is not `=` and two upper-case hexadecimal digits")]
    BadEscape,
    #[error("login name escapes a character that needs no escape")]
    NeedlessEscape,
    #[error("login name has a character that must be written `=XX`")]
    NeedsEscape,
    #[error("login name has a control character or is not UTF-8 after unescaping")]
    NotText,
}

impl Way {
    /// Reads what the client gave as its user name.
    pub fn parse(name: &str) -> Result<Self, LoginError> {
        if name.len() > MAX_LOGIN_BYTES {
            return Err(LoginError::TooLong);
        }
        let mut parts = name.split(['@', '+']);
        let account = parts.next().unwrap_or_default();
        let Some(target) = parts.next() else {
            return Ok(Self::Control);
        };
        let grant = parts.next();
        if parts.next().is_some() {
            return Err(LoginError::TooManyParts);
        }
        Ok(Self::Passage(Login {
            account: unescape(account)?,
            target: unescape(target)?,
            grant: grant.map(unescape).transpose()?,
        }))
    }
}

impl Login {
    /// A login from names already checked elsewhere; `None` where a part is empty, too long or holds control characters.
    pub fn new(account: &str, target: &str, grant: Option<&str>) -> Option<Self> {
        let fits = |part: &str| !part.is_empty() && part.len() <= MAX_PART_BYTES && !part.chars().any(char::is_control);
        ([Some(account), Some(target), grant].into_iter().flatten().all(fits)).then(|| Self {
            account: account.to_owned(),
            target: target.to_owned(),
            grant: grant.map(str::to_owned),
        })
    }

    pub fn account(&self) -> &str {
        &self.account
    }

    pub fn target(&self) -> &str {
        &self.target
    }

    pub fn grant(&self) -> Option<&str> {
        self.grant.as_deref()
    }
}

/// The canonical spelling, with `@`.
impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", escape(&self.account), escape(&self.target))?;
        match &self.grant {
            Some(grant) => write!(f, "@{}", escape(grant)),
            None => Ok(()),
        }
    }
}

fn escape(part: &str) -> String {
    let mut out = String::with_capacity(part.len());
    for (index, &byte) in part.as_bytes().iter().enumerate() {
        if stands_for_itself(byte, index) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("={byte:02X}"));
        }
    }
    out
}

fn unescape(part: &str) -> Result<String, LoginError> {
    let mut out = Vec::with_capacity(part.len());
    let mut bytes = part.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'=' {
            let value = hex_digit(bytes.next())? * 16 + hex_digit(bytes.next())?;
            if stands_for_itself(value, out.len()) {
                return Err(LoginError::NeedlessEscape);
            }
            out.push(value);
        } else if stands_for_itself(byte, out.len()) {
            out.push(byte);
        } else {
            return Err(LoginError::NeedsEscape);
        }
    }
    let text = String::from_utf8(out).map_err(|_| LoginError::NotText)?;
    match text.len() {
        0 => Err(LoginError::EmptyPart),
        n if n > MAX_PART_BYTES => Err(LoginError::PartTooLong),
        _ if text.chars().any(char::is_control) => Err(LoginError::NotText),
        _ => Ok(text),
    }
}

/// The label grammar `[a-z0-9][a-z0-9._-]*`.
fn stands_for_itself(byte: u8, index: usize) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || (index > 0 && matches!(byte, b'.' | b'_' | b'-'))
}

fn hex_digit(byte: Option<u8>) -> Result<u8, LoginError> {
    match byte {
        Some(b @ b'0'..=b'9') => Ok(b - b'0'),
        Some(b @ b'A'..=b'F') => Ok(b - b'A' + 10),
        _ => Err(LoginError::BadEscape),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn login(name: &str) -> Login {
        match Way::parse(name).unwrap() {
            Way::Passage(login) => login,
            Way::Control => panic!("`{name}` asks for the control channel"),
        }
    }

    #[test]
    fn at_and_plus_mean_the_same() {
        assert_eq!(login("root@db1"), login("root+db1"));
        assert_eq!((login("root@db1").account(), login("root@db1").target()), ("root", "db1"));
    }

    #[test]
    fn a_third_part_names_the_grant() {
        assert_eq!(login("root@db1@grt_7f3k").grant(), Some("grt_7f3k"));
        assert_eq!(login("root+db1+grt_7f3k"), login("root@db1@grt_7f3k"));
    }

    #[test]
    fn a_name_without_a_target_asks_for_control() {
        for name in ["", "sekimori", "root", "Root!"] {
            assert_eq!(Way::parse(name), Ok(Way::Control), "{name:?}");
        }
    }

    #[test]
    fn characters_outside_the_grammar_are_written_escaped() {
        let odd = login("=41dministrator@win=2B1");
        assert_eq!((odd.account(), odd.target()), ("Administrator", "win+1"));
        assert_eq!(odd.to_string(), "=41dministrator@win=2B1");
        assert_eq!(login("=5Fapt@db1").account(), "_apt");
    }

    #[test]
    fn each_malformed_name_says_why() {
        for (name, why) in [
            ("root@", LoginError::EmptyPart),
            ("@db1", LoginError::EmptyPart),
            ("root@db1@", LoginError::EmptyPart),
            ("root@db1@a@b", LoginError::TooManyParts),
            ("root@db1=", LoginError::BadEscape),
            ("root@db1=4", LoginError::BadEscape),
            ("root@db1=2b", LoginError::BadEscape),
            ("root@=61b1", LoginError::NeedlessEscape),
            ("root@a=2Db", LoginError::NeedlessEscape),
            ("Root@db1", LoginError::NeedsEscape),
            ("_apt@db1", LoginError::NeedsEscape),
            ("root@db 1", LoginError::NeedsEscape),
            ("root@db1=00", LoginError::NotText),
            ("root@db1=0A", LoginError::NotText),
            ("root@=FF", LoginError::NotText),
            ("root@=C2=85", LoginError::NotText),
        ] {
            assert_eq!(Way::parse(name), Err(why), "{name:?}");
        }
        assert_eq!(Way::parse(&format!("root@{}", "a".repeat(64))), Err(LoginError::PartTooLong));
        assert_eq!(Way::parse(&"a".repeat(513)), Err(LoginError::TooLong));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            account in "[^\\p{Cc}]{1,15}", target in "[a-z0-9][a-z0-9._-]{0,62}", grant in proptest::option::of("[^\\p{Cc}]{1,15}")
        ) {
            let written = Login::new(&account, &target, grant.as_deref()).unwrap();
            prop_assert_eq!(Way::parse(&written.to_string()), Ok(Way::Passage(written)));
        }

        #[test]
        fn a_login_has_one_spelling_besides_its_separators(name in "[a-zA-Z0-9._@+=-]{0,40}") {
            if let Ok(Way::Passage(login)) = Way::parse(&name) {
                prop_assert_eq!(login.to_string(), name.replace('+', "@"));
            }
        }

        #[test]
        fn no_input_panics(name in ".{0,600}") {
            let _read = Way::parse(&name);
        }
    }
}
