//! A client of api.sock with a key in memory: asks and submits, and says when the line broke.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use channel::api::{ApiAnswer, ApiAsk, Challenge, Opening, Query, Receipt, Submission, View};
use channel::{ChannelError, Greeting, Role, frame};
use domain::event::OriginName;
use domain::statement::{HelloFields, Signed, Statement};
use domain::{Nonce, PersonaId, Refusal};
use engine::random;
use sshwire::SoftSigner;
use testkit::Person;

/// An engine that says nothing for this long on a busy machine has gone.
const LIMIT: Duration = Duration::from_secs(60);
/// How long what is signed here may be used.
const STATEMENT_LIFE: Duration = Duration::from_secs(600);

/// Somebody whose key signs here.
pub(crate) struct Signer {
    pub(crate) persona: PersonaId,
    key: SoftSigner,
}

impl Signer {
    /// From the files that `ssh-keygen` made for them. The private part of an unencrypted Ed25519 key is seed, then public point.
    pub(crate) fn of(person: &Person) -> Self {
        let text = std::fs::read_to_string(&person.key.private).unwrap();
        let base64: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
        let bytes = BASE64_STANDARD.decode(base64).unwrap();
        let public: sshwire::PublicKey = person.key.public.parse().unwrap();
        let blob = BASE64_STANDARD.decode(person.key.public.split(' ').nth(1).unwrap()).unwrap();
        let point = &blob[blob.len() - 32..];
        let at = bytes.windows(32).rposition(|window| window == point).unwrap();
        let seed: [u8; 32] = bytes[at - 32..at].try_into().unwrap();
        let key = SoftSigner::from_seed(&seed);
        assert_eq!(key.public_key(), &public);
        Self { persona: person.persona.parse().unwrap(), key }
    }
}

/// One connection on which somebody has proved their key.
pub(crate) struct Caller<'a> {
    pub(crate) stream: UnixStream,
    challenge: Challenge,
    signer: &'a Signer,
}

/// Greeted; nothing is proved yet.
pub(crate) fn greeted(socket: &Path) -> Result<(UnixStream, Challenge), ChannelError> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    frame::write(&mut stream, &Greeting::of(Role::Cli))?;
    frame::read::<Greeting>(&mut stream)?.expect(Role::Engine)?;
    let challenge = frame::read(&mut stream)?;
    Ok((stream, challenge))
}

impl<'a> Caller<'a> {
    /// # Errors
    /// When engine is away, or went away.
    pub(crate) fn connect(socket: &Path, signer: &'a Signer) -> Result<Self, ChannelError> {
        let (stream, challenge) = greeted(socket)?;
        let mut caller = Self { stream, challenge, signer };
        let (key, nonce) = (signer.key.public_key().clone(), caller.challenge.nonce);
        let expires = caller.challenge.now.plus(STATEMENT_LIFE);
        let bytes = tegata::statement::bytes(
            &caller.origin(),
            &HelloFields { challenge: nonce, key: key.clone() },
            nonce,
            expires,
        );
        let signature = signer.key.sshsig(HelloFields::NAME, &bytes);
        match caller.ask(&ApiAsk::Hello { key, expires, signature })? {
            ApiAnswer::Welcome(_) => Ok(caller),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn origin(&self) -> OriginName {
        self.challenge.origin.as_deref().unwrap().parse().unwrap()
    }

    /// # Errors
    /// When the line broke: what was asked may have been done or not.
    pub(crate) fn ask(&mut self, ask: &ApiAsk) -> Result<ApiAnswer, ChannelError> {
        frame::write(&mut self.stream, ask)?;
        frame::read(&mut self.stream)
    }

    pub(crate) fn sign<S: Statement>(&self, fields: &S) -> Signed {
        let (nonce, expires) = (Nonce::from_random(random::bytes()), self.challenge.now.plus(STATEMENT_LIFE));
        let bytes = tegata::statement::bytes(&self.origin(), fields, nonce, expires);
        let key = &self.signer.key;
        Signed { key: key.public_key().fingerprint(), nonce, expires, signature: key.sshsig(S::NAME, &bytes) }
    }

    /// # Errors
    /// When the line broke: it may stand in the ledger or not.
    pub(crate) fn submit(
        &mut self,
        what: Submission,
        openings: Vec<Opening>,
    ) -> Result<Result<Receipt, Refusal>, ChannelError> {
        match self.ask(&ApiAsk::Submit { what, openings })? {
            ApiAnswer::Receipt(receipt) => Ok(Ok(receipt)),
            ApiAnswer::Refused(refusal) => Ok(Err(refusal)),
            other => panic!("{other:?}"),
        }
    }

    /// # Errors
    /// When the line broke.
    pub(crate) fn read(&mut self, query: Query) -> Result<View, ChannelError> {
        match self.ask(&ApiAsk::Read(query))? {
            ApiAnswer::View(view) => Ok(view),
            other => panic!("{other:?}"),
        }
    }
}
