//! Engine's line to the keeper: one question at a time, each with a limit.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use channel::keeper::{Answer, Ask, DataKeyAnswer, Extension, KeeperRefusal, Owner, Status};
use channel::{ChannelError, Greeting, Role, frame};
use envelope::{DataKey, Secret};
use ledger::{Hash, SignedCheckpoint};
use store::{Reader, StoreError};

/// The keeper answers in milliseconds; after this it is away.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct KeeperLink {
    path: PathBuf,
    reader: Reader,
    line: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    stream: Option<UnixStream>,
    /// The head that the keeper signed last, as it said.
    last: Option<(u64, Hash)>,
}

#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    #[error("keeper is not reached at `{path}`: {why}")]
    Away { path: PathBuf, why: ChannelError },
    #[error("keeper refused: {0}")]
    Refused(#[from] KeeperRefusal),
    #[error("keeper answered something else than was asked")]
    Confused,
    #[error("proof for the keeper could not be made: {0}")]
    Proof(#[from] StoreError),
    #[error("keeper's answer is malformed: {0}")]
    Malformed(String),
}

impl KeeperLink {
    pub fn new(path: &Path, reader: Reader) -> Self {
        Self { path: path.to_owned(), reader, line: Mutex::default() }
    }

    pub fn status(&self) -> Result<Status, KeeperError> {
        let mut line = self.hold();
        self.status_on(&mut line)
    }

    pub fn found(&self, entry: String) -> Result<(), KeeperError> {
        match self.ask(&mut self.hold(), &Ask::Found { entry })? {
            Answer::Founded => Ok(()),
            other => Err(unexpected(other)),
        }
    }

    /// The signed head of the first `size` entries or more.
    pub fn sign_head(&self) -> Result<SignedCheckpoint, KeeperError> {
        let mut line = self.hold();
        let head = self.extension(&mut line)?;
        let signed = (head.size, head.root);
        match self.ask(&mut line, &Ask::Head(head))? {
            Answer::Checkpoint { note } => {
                line.last = Some(signed);
                parse(&note)
            }
            other => Err(forget(&mut line, other)),
        }
    }

    /// A signed head and a certificate; `order` is made for the extension that it is given.
    pub fn certify(
        &self,
        order: impl FnOnce(Extension) -> Result<Ask, KeeperError>,
    ) -> Result<(SignedCheckpoint, String), KeeperError> {
        let mut line = self.hold();
        let head = self.extension(&mut line)?;
        let signed = (head.size, head.root);
        match self.ask(&mut line, &order(head)?)? {
            Answer::Certified { note, certificate } => {
                line.last = Some(signed);
                Ok((parse(&note)?, certificate))
            }
            other => Err(forget(&mut line, other)),
        }
    }

    /// A recording's session key, re-sealed to the reader whom the order's entry permits.
    pub fn reseal(
        &self,
        order: impl FnOnce(Extension) -> Result<Ask, KeeperError>,
    ) -> Result<envelope::Sealed, KeeperError> {
        let mut line = self.hold();
        let head = self.extension(&mut line)?;
        let signed = (head.size, head.root);
        match self.ask(&mut line, &order(head)?)? {
            Answer::Resealed { sealed } => {
                line.last = Some(signed);
                Ok(sealed)
            }
            other => Err(forget(&mut line, other)),
        }
    }

    /// A new data key for `owner`, with the form in which it is kept.
    pub fn new_data_key(&self, owner: Owner) -> Result<(DataKey, String), KeeperError> {
        match self.ask(&mut self.hold(), &Ask::NewDataKey { owner })? {
            Answer::DataKey(answer) => Ok((data_key(&answer)?, answer.wrapped.clone())),
            other => Err(unexpected(other)),
        }
    }

    pub fn unwrap_data_key(&self, owner: Owner, wrapped: String) -> Result<DataKey, KeeperError> {
        match self.ask(&mut self.hold(), &Ask::UnwrapDataKey { owner, wrapped })? {
            Answer::DataKey(answer) => data_key(&answer),
            other => Err(unexpected(other)),
        }
    }

    fn hold(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The ledger's head now, with the proof that it extends what the keeper signed last.
    fn extension(&self, line: &mut Line) -> Result<Extension, KeeperError> {
        if line.last.is_none() {
            line.last = self.status_on(line)?.last;
        }
        let head = self.reader.head()?;
        let size = head.size();
        let consistency = match line.last {
            Some((old, _)) if old < size => Some(self.reader.consistency(old, size)?),
            _ => None,
        };
        Ok(Extension { size, root: head.root(), consistency })
    }

    fn status_on(&self, line: &mut Line) -> Result<Status, KeeperError> {
        match self.ask(line, &Ask::Status)? {
            Answer::Status(status) => Ok(status),
            other => Err(unexpected(other)),
        }
    }

    /// One question, one answer. A line that failed is dropped and made anew at the next question; asking twice is safe.
    fn ask(&self, line: &mut Line, ask: &Ask) -> Result<Answer, KeeperError> {
        let fresh = line.stream.is_none();
        match self.try_ask(line, ask) {
            Err(_) if !fresh => self.try_ask(line, ask),
            outcome => outcome,
        }
        .map_err(|why| KeeperError::Away { path: self.path.clone(), why })
    }

    fn try_ask(&self, line: &mut Line, ask: &Ask) -> Result<Answer, ChannelError> {
        let mut stream = match line.stream.take() {
            Some(stream) => stream,
            None => {
                line.last = None;
                connect(&self.path)?
            }
        };
        frame::write(&mut stream, ask)?;
        let answer = frame::read(&mut stream)?;
        line.stream = Some(stream);
        Ok(answer)
    }
}

fn connect(path: &Path) -> Result<UnixStream, ChannelError> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(LONGEST_WAIT))?;
    stream.set_write_timeout(Some(LONGEST_WAIT))?;
    frame::write(&mut stream, &Greeting::of(Role::Engine))?;
    let greeting: Greeting = frame::read(&mut stream)?;
    greeting.expect(Role::Keeper)?;
    Ok(stream)
}

fn parse(note: &str) -> Result<SignedCheckpoint, KeeperError> {
    SignedCheckpoint::parse(note.as_bytes()).map_err(|e| KeeperError::Malformed(e.to_string()))
}

/// After a refusal engine asks again what was signed last.
fn forget(line: &mut Line, answer: Answer) -> KeeperError {
    line.last = None;
    unexpected(answer)
}

fn unexpected(answer: Answer) -> KeeperError {
    match answer {
        Answer::Refused(refusal) => KeeperError::Refused(refusal),
        _ => KeeperError::Confused,
    }
}

fn data_key(answer: &DataKeyAnswer) -> Result<DataKey, KeeperError> {
    let malformed = || KeeperError::Malformed("data key".into());
    if answer.key.len() != 64 || !answer.key.is_ascii() {
        return Err(malformed());
    }
    let mut valid = true;
    let secret = Secret::filled(|key: &mut [u8; 32]| {
        for (byte, pair) in key.iter_mut().zip(answer.key.as_bytes().chunks_exact(2)) {
            match std::str::from_utf8(pair).ok().and_then(|p| u8::from_str_radix(p, 16).ok()) {
                Some(read) => *byte = read,
                None => valid = false,
            }
        }
    });
    if valid { Ok(DataKey::from_secret(secret)) } else { Err(malformed()) }
}
