//! What stands in front of a recording: whose session it is, and its key, sealed to those who may ever read it.

use std::{fs::File, io::Read, path::Path};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use envelope::{SUITE, Sealed, SealingKey, StreamKey};
use ledger::Hash;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    Error, Result,
    format::{MAC_LEN, MAGIC, MAX_HEADER, PREAMBLE_LEN, VERSION},
};

/// The most recipients of one recording.
pub const MAX_RECIPIENTS: usize = 16;
/// Integers beyond this are not exact in every JSON reader.
const MAX_JSON_INTEGER: i64 = 1 << 53;

/// Who may ever read a recording: the keeper's reading key, and outside auditors by age.
#[derive(Debug, Clone)]
pub struct Recipients {
    keeper: SealingKey,
    age: Vec<(String, String)>,
}

impl Recipients {
    /// The keeper alone.
    #[must_use]
    pub const fn new(keeper: SealingKey) -> Self {
        Self { keeper, age: Vec::new() }
    }

    /// Adds an `age1…` recipient (X25519) under a label that stands readable in the header.
    ///
    /// # Errors
    /// [`Error::UnfitName`] for a label, [`Error::BadAgeRecipient`] for another kind of recipient or one too many.
    pub fn with_age(mut self, label: &str, recipient: &str) -> Result<Self> {
        check("label", label, is_label)?;
        let refused = |why| Error::BadAgeRecipient { label: label.to_owned(), why };
        if self.age.len() + 2 > MAX_RECIPIENTS {
            return Err(refused("the recording has as many recipients as it can have"));
        }
        recipient.parse::<age::x25519::Recipient>().map_err(refused)?;
        self.age.push((label.to_owned(), recipient.to_owned()));
        Ok(self)
    }

    fn seal(&self, context: &[u8], key: &StreamKey) -> Result<Vec<Recipient>> {
        let sealed = self.keeper.seal(context, key.secret().expose())?.as_bytes().to_vec();
        let keeper = Recipient { kind: RecipientKind::Keeper, label: self.keeper.fingerprint(), sealed };
        let outside = self.age.iter().map(|(label, recipient)| seal_with_age(label, recipient, key));
        std::iter::once(Ok(keeper)).chain(outside).collect()
    }
}

fn seal_with_age(label: &str, recipient: &str, key: &StreamKey) -> Result<Recipient> {
    let refused = |why| Error::BadAgeRecipient { label: label.to_owned(), why };
    let recipient: age::x25519::Recipient = recipient.parse().map_err(refused)?;
    let sealed = age::encrypt(&recipient, key.secret().expose()).map_err(|_| refused("age cannot seal to it"))?;
    Ok(Recipient { kind: RecipientKind::Age, label: label.to_owned(), sealed })
}

/// One who may read, and the session key sealed to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipient {
    pub kind: RecipientKind,
    /// The keeper's key's fingerprint, or the auditor's label.
    pub label: String,
    /// For [`RecipientKind::Keeper`] an `envelope::Sealed`, for [`RecipientKind::Age`] a binary age file; of 32 bytes.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub sealed: Vec<u8>,
}

/// By what means a recipient's copy of the session key is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecipientKind {
    Keeper,
    Age,
}

/// A header as it was written or read: well-formed, not yet known to be unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    json: Json,
    mac: [u8; MAC_LEN],
    bytes: Vec<u8>,
    hash: Hash,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Json {
    session: String,
    origin: String,
    started_us: i64,
    nonce_prefix: u32,
    key_commitment: Hash,
    recipients: Vec<Recipient>,
}

impl Header {
    /// Makes the header of a new recording and seals its key to the recipients.
    pub(crate) fn draft(
        session: String,
        origin: String,
        started_us: i64,
        nonce_prefix: [u8; 4],
        recipients: &Recipients,
        key: &StreamKey,
    ) -> Result<Self> {
        check("session", &session, is_session)?;
        check("origin", &origin, is_origin)?;
        if !(0..=MAX_JSON_INTEGER).contains(&started_us) {
            return Err(Error::UnfitName { what: "start time", found: started_us.to_string() });
        }
        let recipients = recipients.seal(&sealing_context(&origin, &session), key)?;
        let nonce_prefix = u32::from_be_bytes(nonce_prefix);
        let key_commitment = Hash::from_bytes(key.commitment());
        let json = Json { session, origin, started_us, nonce_prefix, key_commitment, recipients };
        let text = serde_json::to_vec(&json).expect("strings, integers and lists always become JSON");
        let mut bytes = preamble(u32::try_from(text.len()).expect("sixteen recipients are far below 4 GiB"));
        bytes.extend_from_slice(&text);
        let mac = key.header_mac(&bytes);
        bytes.extend_from_slice(&mac);
        Ok(Self { json, mac, hash: Hash::of(&bytes), bytes })
    }

    /// Reads a header off the front of a recording.
    ///
    /// # Errors
    /// [`Error::NotARecording`], [`Error::Unknown`], [`Error::TruncatedHeader`], [`Error::BadHeader`], [`Error::Unreadable`].
    pub fn read(source: &mut impl Read) -> Result<Self> {
        let mut bytes = vec![0; PREAMBLE_LEN];
        let whole = fill(source, &mut bytes)?;
        let json_len = check_preamble(&bytes[..whole])?;
        bytes.resize(PREAMBLE_LEN + json_len + MAC_LEN, 0);
        if fill(source, &mut bytes[PREAMBLE_LEN..])? < json_len + MAC_LEN {
            return Err(Error::TruncatedHeader);
        }
        let text = &bytes[PREAMBLE_LEN..PREAMBLE_LEN + json_len];
        let json: Json = serde_json::from_slice(text).map_err(|error| Error::BadHeader { why: error.to_string() })?;
        json.check(text)?;
        let mac = *bytes.last_chunk().expect("the MAC was read");
        Ok(Self { json, mac, hash: Hash::of(&bytes), bytes })
    }

    /// Reads the header of the recording at `path`.
    ///
    /// # Errors
    /// As [`Header::read`], and [`Error::File`].
    pub fn of(path: &Path) -> Result<Self> {
        Self::read(&mut open(path)?)
    }

    /// SHA-256 over all header bytes, magic to MAC: it goes into the ledger before the first byte flows.
    #[must_use]
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// Compares with the hash that the ledger knows.
    ///
    /// # Errors
    /// [`Error::WrongHeader`].
    pub fn expect(&self, hash: &Hash) -> Result<()> {
        let found = self.hash();
        if found == *hash { Ok(()) } else { Err(Error::WrongHeader { found, expected: Some(*hash) }) }
    }

    /// The session's id.
    #[must_use]
    pub fn session(&self) -> &str {
        &self.json.session
    }

    /// The ledger's origin, which says whose installation it is.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.json.origin
    }

    /// When the session began: microseconds since 1970, UTC, by the recorder's wall clock.
    #[must_use]
    pub const fn started_us(&self) -> i64 {
        self.json.started_us
    }

    /// Those the session key is sealed to.
    #[must_use]
    pub fn recipients(&self) -> &[Recipient] {
        &self.json.recipients
    }

    /// The session key for the keeper to open, with [`sealing_context`] of this header's origin and session.
    ///
    /// # Errors
    /// [`Error::NotARecipient`] when the header names no keeper, [`Error::Envelope`] when it is malformed.
    pub fn sealed_for_keeper(&self) -> Result<Sealed> {
        let keeper = self.json.recipients.iter().find(|recipient| recipient.kind == RecipientKind::Keeper);
        let keeper = keeper.ok_or(Error::NotARecipient { kind: "keeper" })?;
        Ok(Sealed::from_bytes(keeper.sealed.clone())?)
    }

    /// Magic to MAC.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) const fn nonce_prefix(&self) -> [u8; 4] {
        self.json.nonce_prefix.to_be_bytes()
    }

    /// First whether it is the right key, then whether the header is as the key's maker wrote it.
    pub(crate) fn confirm(&self, key: &StreamKey) -> Result<()> {
        key.confirm(self.json.key_commitment.as_bytes()).map_err(|_| Error::WrongKey)?;
        let maced = &self.bytes[..self.bytes.len() - MAC_LEN];
        key.confirm_header(maced, &self.mac).map_err(|_| Error::WrongHeader { found: self.hash(), expected: None })
    }
}

impl Json {
    fn check(&self, text: &[u8]) -> Result<()> {
        let malformed = |why: &str| Err(Error::BadHeader { why: why.to_owned() });
        if serde_json::to_vec(self).ok().as_deref() != Some(text) {
            return malformed("the JSON is not in its canonical form");
        }
        if !is_session(&self.session) || !is_origin(&self.origin) {
            return malformed("session or origin has characters it cannot have");
        }
        if !(0..=MAX_JSON_INTEGER).contains(&self.started_us) {
            return malformed("the start time is out of range");
        }
        if self.recipients.is_empty() || self.recipients.len() > MAX_RECIPIENTS {
            return malformed("the number of recipients is out of range");
        }
        if !self.recipients.iter().all(|recipient| is_label(&recipient.label)) {
            return malformed("a recipient's label has characters it cannot have");
        }
        Ok(())
    }
}

/// What the session key is bound to when it is sealed to the keeper, so that a key cannot be passed off as another
/// session's: `sekimori/recording/key/v1` ‖ u8 length ‖ origin ‖ u8 length ‖ session.
///
/// # Panics
/// When either is longer than 255 bytes; no header carries such.
#[must_use]
pub fn sealing_context(origin: &str, session: &str) -> Vec<u8> {
    let mut context = b"sekimori/recording/key/v1".to_vec();
    for part in [origin, session] {
        context.push(u8::try_from(part.len()).expect("origins and sessions are at most 255 bytes"));
        context.extend_from_slice(part.as_bytes());
    }
    context
}

/// The bytes of the header of the recording at `path`, for those who pass it on to the keeper and the reader.
///
/// # Errors
/// As [`Header::of`].
pub fn header_bytes(path: &Path) -> Result<Vec<u8>> {
    Ok(Header::of(path)?.bytes)
}

/// As many bytes as there are, up to the buffer's length.
pub(crate) fn fill(source: &mut impl Read, buffer: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::Unreadable(error)),
        }
    }
    Ok(filled)
}

pub(crate) fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|source| Error::File { what: "open", path: path.to_owned(), source })
}

fn preamble(json_len: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(PREAMBLE_LEN + json_len as usize + MAC_LEN);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&[VERSION, SUITE]);
    bytes.extend_from_slice(&json_len.to_be_bytes());
    bytes
}

fn check_preamble(bytes: &[u8]) -> Result<usize> {
    let magic = bytes.len().min(MAGIC.len());
    if bytes.is_empty() || bytes[..magic] != MAGIC[..magic] {
        return Err(Error::NotARecording);
    }
    let Some((_, [version, suite, len @ ..])) = bytes.split_first_chunk::<8>() else {
        return Err(Error::TruncatedHeader);
    };
    if *version != VERSION {
        return Err(Error::Unknown { what: "format version", found: *version, known: VERSION });
    }
    if *suite != SUITE {
        return Err(Error::Unknown { what: "cryptographic suite", found: *suite, known: SUITE });
    }
    let len: [u8; 4] = len.try_into().map_err(|_| Error::TruncatedHeader)?;
    let len = u32::from_be_bytes(len) as usize;
    if len > MAX_HEADER {
        return Err(Error::BadHeader { why: format!("{len} bytes are more than the limit of {MAX_HEADER}") });
    }
    Ok(len)
}

fn check(what: &'static str, name: &str, fits: fn(&str) -> bool) -> Result<()> {
    if fits(name) { Ok(()) } else { Err(Error::UnfitName { what, found: name.escape_debug().take(80).collect() }) }
}

/// The session's id is the file's name, so it may not lead elsewhere.
fn is_session(name: &str) -> bool {
    let bytes = name.as_bytes();
    (1..=64).contains(&bytes.len())
        && bytes[0].is_ascii_alphanumeric()
        && bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-'))
}

fn is_origin(origin: &str) -> bool {
    (1..=255).contains(&origin.len()) && origin.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_label(label: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-');
    (1..=63).contains(&label.len()) && label.bytes().all(fits) && label.as_bytes()[0].is_ascii_alphanumeric()
}

fn to_base64<S: Serializer>(bytes: &[u8], serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&URL_SAFE_NO_PAD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<u8>, D::Error> {
    let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
    URL_SAFE_NO_PAD.decode(text.as_bytes()).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use envelope::{OpeningKey, Secret};
    use proptest::prelude::*;

    use super::*;

    fn draft(session: &str, origin: &str, started_us: i64) -> Result<Header> {
        let recipients = Recipients::new(OpeningKey::generate().sealing_key().clone());
        let key = StreamKey::from_secret(Secret::new([1; 32]));
        Header::draft(session.to_owned(), origin.to_owned(), started_us, [1, 2, 3, 4], &recipients, &key)
    }

    fn header() -> Header {
        draft("ses_01", "gate.example/log", 1_700_000_000_000_000).unwrap()
    }

    fn with_json(text: &[u8]) -> Vec<u8> {
        [&preamble(text.len() as u32), text, &[0; MAC_LEN]].concat()
    }

    #[test]
    fn a_header_reads_back_and_leaves_what_follows() {
        let written = header();
        let file = [written.bytes(), b"chunks"].concat();
        let mut source = file.as_slice();
        let read = Header::read(&mut source).unwrap();
        assert_eq!(read, written);
        assert_eq!(source, b"chunks");
        assert_eq!(read.hash(), Hash::of(written.bytes()));
        assert_eq!(
            (read.session(), read.origin(), read.started_us()),
            ("ses_01", "gate.example/log", 1_700_000_000_000_000)
        );
    }

    #[test]
    fn a_changed_header_is_told_by_hash_and_by_key() {
        let key = StreamKey::from_secret(Secret::new([1; 32]));
        let written = header();
        written.confirm(&key).unwrap();
        let mut file = written.bytes().to_vec();
        let at = PREAMBLE_LEN + br#"{"session":"ses_0"#.len();
        file[at] ^= 1;
        let changed = Header::read(&mut file.as_slice()).unwrap();
        assert!(matches!(changed.expect(&written.hash()), Err(Error::WrongHeader { .. })));
        assert!(matches!(changed.confirm(&key), Err(Error::WrongHeader { .. })));
        let other = StreamKey::from_secret(Secret::new([2; 32]));
        assert!(matches!(written.confirm(&other), Err(Error::WrongKey)));
    }

    #[test]
    fn every_cut_is_told() {
        let written = header();
        for len in 0..written.bytes().len() {
            let refused = Header::read(&mut &written.bytes()[..len]).unwrap_err();
            let expected = if len == 0 { Error::NotARecording } else { Error::TruncatedHeader };
            assert_eq!(refused.to_string(), expected.to_string(), "cut to {len} bytes");
        }
    }

    #[test]
    fn other_files_versions_and_suites_are_named() {
        let mut bytes = header().bytes().to_vec();
        assert!(matches!(Header::read(&mut b"SSH-2.0-".as_slice()), Err(Error::NotARecording)));
        bytes[9] = 3;
        assert!(matches!(Header::read(&mut bytes.as_slice()), Err(Error::Unknown { found: 3, known: 1, .. })));
        bytes[8] = 2;
        assert!(matches!(Header::read(&mut bytes.as_slice()), Err(Error::Unknown { found: 2, known: 1, .. })));
    }

    #[test]
    fn a_header_beyond_the_limit_is_refused_before_it_is_read() {
        let mut claims = preamble(u32::MAX);
        claims.extend([0; 64]);
        assert!(matches!(Header::read(&mut claims.as_slice()), Err(Error::BadHeader { .. })));
    }

    #[test]
    fn only_the_canonical_json_is_read() {
        let text = header().bytes()[PREAMBLE_LEN..header().bytes().len() - MAC_LEN].to_vec();
        let text = String::from_utf8(text).unwrap();
        let read = |text: &str| Header::read(&mut with_json(text.as_bytes()).as_slice());
        assert!(read(&text).is_ok());
        let no_recipients = format!("{}\"recipients\":[]}}", &text[..text.find("\"recipients\"").unwrap()]);
        for other in [
            text.replacen('{', "{ ", 1),
            text.replacen("ses_01", r"ses\u005f01", 1),
            text.replacen("{", r#"{"more":1,"#, 1),
            text.replacen("1700000000000000", "1.7e15", 1),
            text.replacen("1700000000000000", "9007199254740993", 1),
            text.replacen("1700000000000000", "-1", 1),
            text.replacen("ses_01", "../etc", 1),
            text.replacen("keeper", "vault", 1),
            no_recipients,
        ] {
            assert!(matches!(read(&other), Err(Error::BadHeader { .. })), "{other} was read");
        }
    }

    #[test]
    fn names_that_could_lead_elsewhere_are_refused() {
        let long = "a".repeat(65);
        for session in ["", ".", "..", "a/b", "../x", "-x", "_x", "SES", "ses 1", "ses\n", "関守", long.as_str()] {
            assert!(matches!(draft(session, "gate", 1), Err(Error::UnfitName { what: "session", .. })), "{session:?}");
        }
        let long = "a".repeat(256);
        for origin in ["", "a b", "a\n", "関所", long.as_str()] {
            assert!(matches!(draft("ses_1", origin, 1), Err(Error::UnfitName { what: "origin", .. })), "{origin:?}");
        }
        for started in [-1, i64::MIN, i64::MAX] {
            assert!(draft("ses_1", "gate", started).is_err());
        }
        let recipients = || Recipients::new(OpeningKey::generate().sealing_key().clone());
        let auditor = age::x25519::Identity::generate().to_public().to_string();
        for label in ["", "An Auditor", "-x", ".x", &"a".repeat(64)] {
            assert!(matches!(recipients().with_age(label, &auditor), Err(Error::UnfitName { what: "label", .. })));
        }
        for recipient in ["", "age1", "ssh-ed25519 AAAA", "age1yubikey1qqq", &auditor.to_uppercase()[1..]] {
            assert!(matches!(recipients().with_age("auditor", recipient), Err(Error::BadAgeRecipient { .. })));
        }
    }

    #[test]
    fn sixteen_recipients_fit_and_no_more() {
        let auditor = age::x25519::Identity::generate().to_public().to_string();
        let mut recipients = Recipients::new(OpeningKey::generate().sealing_key().clone());
        for number in 1..MAX_RECIPIENTS {
            recipients = recipients.with_age(&format!("auditor-{number}"), &auditor).unwrap();
        }
        let key = StreamKey::random();
        let written = Header::draft("ses_1".into(), "gate".into(), 1, [0; 4], &recipients, &key).unwrap();
        assert_eq!(Header::read(&mut written.bytes()).unwrap().recipients().len(), MAX_RECIPIENTS);
        assert!(matches!(recipients.with_age("one-more", &auditor), Err(Error::BadAgeRecipient { .. })));
    }

    #[test]
    fn the_sealing_context_is_the_documented_one() {
        assert_eq!(sealing_context("ab", "c"), b"sekimori/recording/key/v1\x02ab\x01c");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_refused_without_a_panic(bytes: Vec<u8>, text: String) {
            prop_assert!(Header::read(&mut bytes.as_slice()).is_err());
            prop_assert!(Header::read(&mut with_json(text.as_bytes()).as_slice()).is_err());
        }
    }
}
