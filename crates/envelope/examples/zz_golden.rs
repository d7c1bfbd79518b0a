use envelope::*;
use std::fs::write;
fn main() {
    let hex = |b: &[u8]| b.iter().map(|x| format!("{x:02x}")).collect::<String>();
    let key = OpeningKey::generate();
    write("/tmp/golden/opening.bin", key.to_secret().expose()).unwrap();
    let sealed = key.sealing_key().seal(b"golden context", b"golden plaintext").unwrap();
    let dk = DataKey::from_secret(Secret::new(std::array::from_fn(|i| i as u8)));
    let ds = dk.seal(b"golden aad", b"golden data").unwrap();
    let mut n = 0u8;
    let shares = shares::split(&Secret::new(std::array::from_fn(|i| 255 - i as u8)), 2, 3, |b| for x in b { n = n.wrapping_mul(29).wrapping_add(113); *x = n; }).unwrap();
    let json = serde_json::json!({
      "opening_key": hex(key.to_secret().expose()),
      "sealing_key": key.sealing_key().to_string(),
      "fingerprint": key.sealing_key().fingerprint(),
      "context": "golden context", "plaintext": "golden plaintext",
      "sealed": sealed,
      "data_key": "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
      "aad": "golden aad", "data": "golden data", "sealed_data": hex(&ds),
      "share_secret": hex(&std::array::from_fn::<u8,32,_>(|i| 255 - i as u8)),
      "shares": shares.iter().map(|s| s.printed().expose().clone()).collect::<Vec<_>>(),
      "stream_commitment": hex(&StreamKey::from_secret(Secret::new([7;32])).commitment()),
      "stream_header_mac": hex(&StreamKey::from_secret(Secret::new([7;32])).header_mac(b"header")),
    });
    write("/tmp/golden/v1.json", serde_json::to_string_pretty(&json).unwrap() + "\n").unwrap();
}
