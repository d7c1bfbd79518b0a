//! What the first version sealed and printed opens for ever. The vectors were checked by an implementation in another
//! language, written from the formats' descriptions.
#![expect(clippy::unwrap_used, reason = "an unwrap that fails is the test failing")]

use envelope::{
    DataKey, OpeningKey, Sealed, SealingKey, Secret, StreamKey,
    shares::{self, Share},
};
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("golden/v1.json")).unwrap()
}

fn text<'a>(vectors: &'a Value, name: &str) -> &'a str {
    vectors[name].as_str().unwrap()
}

fn bytes(vectors: &Value, name: &str) -> Vec<u8> {
    let digits = text(vectors, name).as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
fn keys_and_sealed_messages_of_the_first_version_are_still_read() {
    let v = vectors();
    let opening = OpeningKey::from_secret(&Secret::new(bytes(&v, "opening_key"))).unwrap();
    let sealing: SealingKey = text(&v, "sealing_key").parse().unwrap();
    assert_eq!(opening.sealing_key(), &sealing);
    assert_eq!(sealing.fingerprint(), text(&v, "fingerprint"));
    let sealed: Sealed = serde_json::from_value(v["sealed"].clone()).unwrap();
    let opened = opening.open(text(&v, "context").as_bytes(), &sealed).unwrap();
    assert_eq!(opened.expose(), text(&v, "plaintext").as_bytes());
}

#[test]
fn sealed_data_of_the_first_version_still_opens() {
    let v = vectors();
    let key = DataKey::from_secret(Secret::new(bytes(&v, "data_key").try_into().unwrap()));
    let opened = key.open(text(&v, "aad").as_bytes(), &bytes(&v, "sealed_data")).unwrap();
    assert_eq!(opened.expose(), text(&v, "data").as_bytes());
}

#[test]
fn stream_keys_still_derive_the_same() {
    let v = vectors();
    let key = StreamKey::from_secret(Secret::new([7; 32]));
    assert_eq!(key.commitment().as_slice(), bytes(&v, "stream_commitment"));
    assert_eq!(key.header_mac(b"header").as_slice(), bytes(&v, "stream_header_mac"));
}

#[test]
fn printed_shares_of_the_first_version_still_restore() {
    let v = vectors();
    let mut printed: Vec<Share> =
        v["shares"].as_array().unwrap().iter().map(|share| Share::parse(share.as_str().unwrap()).unwrap()).collect();
    assert_eq!(shares::combine(&printed).unwrap().expose().as_slice(), bytes(&v, "share_secret"));
    printed.remove(1);
    assert_eq!(shares::combine(&printed).unwrap().expose().as_slice(), bytes(&v, "share_secret"));
}
