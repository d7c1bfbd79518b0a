//! Whom engine speaks to on which socket.

use std::sync::Arc;
use std::time::Duration;

use channel::{ChannelError, Greeting, Role, frame};
use engine::clock::SystemClock;
use engine::{Config, Engine, Local, Places};
use tokio::net::{UnixListener, UnixStream};

/// The first that is said there, without having said anything.
async fn first_word(path: &std::path::Path) -> Result<Greeting, ChannelError> {
    let mut stream = UnixStream::connect(path).await.expect("the socket is there");
    let word = tokio::time::timeout(Duration::from_secs(30), frame::receive(&mut stream)).await;
    word.expect("engine speaks or hangs up")
}

/// An engine whose front runs as that user.
fn serving(dir: &std::path::Path, front: u32) -> tokio::task::JoinHandle<()> {
    let config = Config {
        recordings: dir.to_owned(),
        age_recipients: vec![],
        commands_a_second: 10.0,
        burst: 10.0,
        local: Local { front, ..Local::one_user() },
    };
    let places = Places { ledger: dir.join("ledger"), keeper_socket: dir.join("no-keeper") };
    let engine = Engine::start(&places, config, Arc::new(SystemClock)).expect("an empty ledger opens");
    let listen = |name| UnixListener::bind(dir.join(name)).expect("nothing is there yet");
    let (api, front) = (listen("api.sock"), listen("front.sock"));
    tokio::spawn(async move {
        let _ended = engine.serve(api, front).await;
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn only_fronts_own_user_is_spoken_to_on_its_line_and_everybody_on_the_other() {
    let own = Local::one_user().front;
    for (front, spoken_to) in [(own, true), (own + 1, false)] {
        let dir = tempfile::tempdir().unwrap();
        let engine = serving(dir.path(), front);
        let said = first_word(&dir.path().join("front.sock")).await;
        assert_eq!(said.is_ok(), spoken_to, "{said:?}");
        first_word(&dir.path().join("api.sock")).await.unwrap().expect(Role::Engine).unwrap();
        engine.abort();
    }
}
