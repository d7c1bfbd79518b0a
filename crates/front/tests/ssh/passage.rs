//! What a person at the keyboard meets.

use std::time::Duration;

use domain::committed::Reason;
use domain::statement::Deed;
use worlds::opening;

use crate::scene::Scene;

const LIMIT: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread")]
async fn ssh_passes_with_a_grant_and_only_with_one() {
    let s = Scene::set().await;
    let mut command = s.ssh();
    command.arg("echo through");
    let refused = s.run(command, LIMIT).await;
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no-grant"), "{refused:?}");
    assert!(refused.stdout.is_empty());

    s.grant(Duration::from_secs(600)).await;
    let mut command = s.ssh();
    command.arg("echo through; echo aside >&2; exit 7");
    let passed = s.run(command, LIMIT).await;
    assert_eq!((passed.status.code(), passed.stdout.as_slice()), (Some(7), b"through\n".as_slice()), "{passed:?}");
    let aside = String::from_utf8_lossy(&passed.stderr).into_owned();
    assert!(aside.contains("aside") && aside.contains("this session is recorded"), "{aside}");

    // The session's, and that of the errand that looked at the target's clock.
    testkit::process::until("the recordings are taken out of front's reach", || s.recordings("closed") == 2).unwrap();
    assert_eq!(s.recordings("live"), 0);
    assert!(s.world.engine.state().passage.sessions.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_grant_closes_the_session() {
    let s = Scene::set().await;
    s.grant(Duration::from_secs(6)).await;
    let mut command = s.ssh();
    command.arg("sleep 60");
    let ended = s.run(command, LIMIT).await;
    assert!(!ended.status.success(), "{ended:?}");
    let mut command = s.ssh();
    command.arg("true");
    let late = s.run(command, LIMIT).await;
    assert!(String::from_utf8_lossy(&late.stderr).contains("grant-over"), "{late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn revoking_closes_a_live_session() {
    let s = Scene::set().await;
    let grant = s.grant(Duration::from_secs(600)).await;
    let mut command = s.ssh();
    command.arg("sleep 60");
    let running = tokio::task::spawn_blocking(move || testkit::process::output_within(&mut command, LIMIT).unwrap());
    let engine = s.world.engine.clone();
    tokio::task::spawn_blocking(move || {
        testkit::process::until("the session is open", || !engine.state().passage.sessions.is_empty())
    })
    .await
    .unwrap()
    .unwrap();
    let (reason, text) = opening::<Reason>("the work is done elsewhere");
    s.world.deed(&s.owner, Deed::GrantRevoke { grant, reason }, vec![text]).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(10), running).await.expect("closed soon").unwrap();
    assert!(!ended.status.success(), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_front_that_stops_ends_its_sessions_and_engine_hears_of_each() {
    let s = Scene::set().await;
    s.grant(Duration::from_secs(600)).await;
    let mut command = s.ssh();
    command.arg("sleep 60");
    let running = tokio::task::spawn_blocking(move || testkit::process::output_within(&mut command, LIMIT).unwrap());
    let engine = s.world.engine.clone();
    tokio::task::spawn_blocking(move || {
        testkit::process::until("the session is open", || !engine.state().passage.sessions.is_empty())
    })
    .await
    .unwrap()
    .unwrap();
    s.stop.send(true).unwrap();
    assert!(!running.await.unwrap().status.success());
    let engine = s.world.engine.clone();
    tokio::task::spawn_blocking(move || {
        testkit::process::until("engine knows the end", || engine.state().passage.sessions.is_empty())
    })
    .await
    .unwrap()
    .unwrap();
    assert_eq!(s.recordings("live"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_nobody_enrolled_is_not_let_in_and_another_persons_grant_opens_nothing() {
    let s = Scene::set().await;
    s.grant(Duration::from_secs(600)).await;
    let stranger = s.identity_of(&worlds::Someone::new(), "stranger");
    let mut command = s.client.to(&format!("{}@db1", s.user), s.gate, &stranger);
    command.arg("true");
    let refused = s.run(command, LIMIT).await;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("Permission denied"), "{refused:?}");
    let owner = s.identity_of(&s.owner, "owner");
    let mut command = s.client.to(&format!("{}@db1", s.user), s.gate, &owner);
    command.arg("true");
    let refused = s.run(command, LIMIT).await;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no-grant"), "{refused:?}");
}
