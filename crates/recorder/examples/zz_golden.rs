use std::time::Duration;
use envelope::{OpeningKey, Secret};
use recorder::*;
fn main() {
    let key = std::fs::read("/tmp/golden/opening.bin").unwrap();
    let keeper = OpeningKey::from_secret(&Secret::new(key)).unwrap();
    let recipients = Recipients::new(keeper.sealing_key().clone());
    let draft = Draft::new("ses_golden".into(), "gate.example/log".into(), 1_763_856_000_000_001, &recipients).unwrap();
    let mut w = draft.create(std::path::Path::new("/tmp/golden")).unwrap();
    let ms = Duration::from_millis;
    let pty = body::Pty { window: body::Window { columns: 80, rows: 24, width_px: 0, height_px: 0 }, term: b"xterm" }.encode();
    let _ = w.frame(Kind::Open, 1, Direction::None, ms(0), b"session").unwrap();
    let _ = w.frame(Kind::Pty, 1, Direction::In, ms(2), &pty).unwrap();
    let _ = w.frame(Kind::Data, 1, Direction::Out, ms(30), b"$ ").unwrap();
    let _ = w.seal().unwrap();
    let long: Vec<u8> = (0..300_000u32).map(|i| (i % 251) as u8).collect();
    let _ = w.frame(Kind::Data, 1, Direction::Out, ms(1500), &long).unwrap();
    let _ = w.frame(Kind::Data, 4_000_000_000, Direction::Err, ms(1501), "関守".as_bytes()).unwrap();
    let _ = w.seal().unwrap();
    let _ = w.frame(Kind::ExitStatus, 1, Direction::Out, ms(1600), &body::ExitStatus(0).encode()).unwrap();
    println!("{:?}", w.close(ms(1700)).unwrap());
}
