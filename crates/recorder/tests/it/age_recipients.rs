//! An outside auditor reads with an age identity, and nobody else does.

use std::{sync::Arc, time::Duration};

use age::secrecy::ExposeSecret;
use envelope::Secret;
use recorder::{Direction, Draft, Ending, Error, Header, Kind, RecipientKind, Recipients, SessionKey};

use crate::made::{Memory, keeper, read};

fn identity() -> (Secret<String>, String) {
    let identity = age::x25519::Identity::generate();
    (Secret::new(identity.to_string().expose_secret().to_owned()), identity.to_public().to_string())
}

fn recorded(recipients: &Recipients) -> (Header, Vec<u8>) {
    let draft = Draft::new("ses_age".into(), "gate.example".into(), 1, recipients).unwrap();
    let header = draft.header().clone();
    let memory = Arc::new(Memory(header.bytes().to_vec().into()));
    let mut writer = draft.into_writer(memory.clone());
    let _status = writer.frame(Kind::Data, 0, Direction::Out, Duration::ZERO, b"seen").unwrap();
    writer.close(Duration::ZERO).unwrap();
    let bytes = memory.0.lock().unwrap().clone();
    (header, bytes)
}

#[test]
fn every_age_recipient_and_the_keeper_read_the_same() {
    let ((one, one_public), (two, two_public)) = (identity(), identity());
    let recipients = Recipients::new(keeper().sealing_key().clone());
    let recipients = recipients.with_age("auditor-a", &one_public).unwrap().with_age("auditor-b", &two_public).unwrap();
    let (header, bytes) = recorded(&recipients);
    let labels: Vec<&str> = header.recipients().iter().map(|recipient| recipient.label.as_str()).collect();
    assert_eq!(labels, [keeper().sealing_key().fingerprint().as_str(), "auditor-a", "auditor-b"]);
    assert_eq!(header.recipients()[1].kind, RecipientKind::Age);
    let keys = [
        SessionKey::open_with_keeper(&header, keeper()).unwrap(),
        SessionKey::open_with_age(&header, &one).unwrap(),
        SessionKey::open_with_age(&header, &two).unwrap(),
    ];
    for key in keys {
        let heard = read(&bytes, &key);
        assert_eq!(heard.frames[0].bytes, b"seen");
        assert!(matches!(heard.ending, Ok(Ending::Closed(_))));
    }
}

#[test]
fn a_stranger_and_a_broken_identity_are_told_apart() {
    let ((_, public), (stranger, _)) = (identity(), identity());
    let recipients = Recipients::new(keeper().sealing_key().clone());
    let (header, _) = recorded(&recipients.clone().with_age("auditor", &public).unwrap());
    let refused = SessionKey::open_with_age(&header, &stranger).unwrap_err();
    assert!(matches!(refused, Error::NotARecipient { kind: "age" }));
    let (nobody_outside, _) = recorded(&recipients);
    assert!(matches!(SessionKey::open_with_age(&nobody_outside, &stranger), Err(Error::NotARecipient { .. })));
    for broken in ["", "AGE-SECRET-KEY-1", "AGE-PLUGIN-X-1", "\u{0}"] {
        let refused = SessionKey::open_with_age(&header, &Secret::new(broken.to_owned()));
        assert!(matches!(refused, Err(Error::BadAgeIdentity { .. })), "{broken:?}");
    }
}
