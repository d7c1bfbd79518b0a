//! Everything with a text form of its own: ids, labels, times, names, fingerprints, shares, a target's clock.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use domain::event::OriginName;
use domain::{Label, RequestId, Timestamp};
use envelope::shares::Share;
use sshwire::{Cidr, ExtensionName, Fingerprint, Principal};

pub(super) fn words(data: &[u8]) {
    clock(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    one_spelling::<RequestId>(text);
    one_spelling::<Label>(text);
    one_spelling::<OriginName>(text);
    one_spelling::<Fingerprint>(text);
    one_spelling::<Principal>(text);
    one_spelling::<ExtensionName>(text);
    one_spelling::<ledger::Hash>(text);
    one_spelling::<ledger::VerifierKey>(text);
    reads_back::<Timestamp>(text);
    reads_back::<Cidr>(text);
    let _kept = domain::purpose::PurposeText::parse(text);
    if let Ok(share) = Share::parse(text) {
        let printed = share.printed();
        let again = Share::parse(printed.expose()).unwrap();
        assert_eq!(again.printed().expose(), printed.expose());
    }
}

fn one_spelling<T: FromStr + Display>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string(), text);
    }
}

fn reads_back<T: FromStr<Err: Debug> + Display + PartialEq + Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string().parse::<T>().unwrap(), value);
    }
}

/// A target's answer is whole seconds, and less than one more.
fn clock(data: &[u8]) {
    if let Some(micros) = crate::target_clock::read_clock(data) {
        let text = std::str::from_utf8(data).unwrap();
        let seconds: i64 = text.split(['.', '\n']).next().unwrap().trim_end().parse().unwrap();
        assert_eq!(micros.div_euclid(1_000_000), seconds);
    }
}
