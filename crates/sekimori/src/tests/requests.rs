use std::time::Duration;

use expect_test::expect;

use super::world::{World, without};
use crate::exit::Exit;

const PURPOSE: &str = "rotate WAL archive, CHG-142";

fn ask(world: &World) -> String {
    let told = world.run("researcher", &["request", "new", "root@db1", "--for", "1h", "--purpose", PURPOSE, "--json"]);
    assert_eq!(told.exit, Exit::Done, "{}", told.all());
    told.json()["request"].as_str().unwrap().to_owned()
}

fn approve(world: &World, request: &str) -> String {
    let told = world.run("commander", &["request", "approve", request, "--json"]);
    assert_eq!(told.exit, Exit::Done, "{}", told.all());
    told.json()["receipt"]["grant"].as_str().unwrap().to_owned()
}

#[test]
fn one_asks_and_another_agrees() {
    let world = World::ready();
    expect![[r#"
        exit 0
        recorded as entry 17 at 2026-11-23 10:20:30 JST (2026-11-23T01:20:30Z)
        request req_0dpna9vmt1v2ghm8d6adbmz5gb awaits approval: sekimori wait request req_0dpna9vmt1v2ghm8d6adbmz5gb
        --
        you ask
          request         req_0dpna9vmt1v2ghm8d6adbmz5gb
          account         acc_07ck3jd9sfhrej8qsk58eg4bzz (root@db1)
          requested by    per_0mnhbqspseyvcrc1wb81acs64k (the researcher) / psn_53xe6vh7y528yczn4ngm2sya9b
          from            2026-11-23 10:20:30 JST (2026-11-23T01:20:30Z)
          until           2026-11-23 11:20:30 JST (2026-11-23T02:20:30Z)
          length          1 h
          channels        shell, exec
          purpose         rotate WAL archive, CHG-142
          rules, version  1
          needs           at most 4 h; shell, exec; approvals: 1 × owners
          installation    gate.example/main (the server's word: no trust directory says so)
          signed with     SHA256:AFnE8nab4WCl4SmOdLSbmiqH3IY9f9yUBAXHgufobFM (psn_53xe6vh7y528yczn4ngm2sya9b)
          to be filed by  2026-11-23 10:30:30 JST (2026-11-23T01:30:30Z)
          signed hash     b1c0ed4e0ab44a2b9e22ab4008d6b87fa3c8bde0fbf7687224d2b800bee2eada
    "#]]
    .assert_eq(&world.run("researcher", &["request", "new", "root@db1", "--for", "1h", "--purpose", PURPOSE]).all());
    let request = world.run("commander", &["request", "list", "--json"]).json()["rows"][0]["request"]
        .as_str()
        .unwrap()
        .to_owned();
    expect![[r#"
        exit 0
        request                         account   requested by                                     from                     length  purpose                      you
        req_0dpna9vmt1v2ghm8d6adbmz5gb  root@db1  per_0mnhbqspseyvcrc1wb81acs64k (the researcher)  2026-11-23 10:20:30 JST  1 h     rotate WAL archive, CHG-142  may decide
        --
    "#]].assert_eq(&world.run("commander", &["request", "list"]).all());
    expect![[r#"
        exit 0
        request
          request         req_0dpna9vmt1v2ghm8d6adbmz5gb
          account         acc_07ck3jd9sfhrej8qsk58eg4bzz (root@db1)
          requested by    per_0mnhbqspseyvcrc1wb81acs64k (the researcher) / psn_53xe6vh7y528yczn4ngm2sya9b
          from            2026-11-23 10:20:30 JST (2026-11-23T01:20:30Z)
          until           2026-11-23 11:20:30 JST (2026-11-23T02:20:30Z)
          length          1 h
          channels        shell, exec
          rules, version  1
          purpose         rotate WAL archive, CHG-142
          filed           2026-11-23 10:20:30 JST (2026-11-23T01:20:30Z)
          dies undecided  2026-11-23 11:20:30 JST (2026-11-23T02:20:30Z)
          needs           at most 4 h; shell, exec; approvals: 1 × owners
          approvals       none
        --
    "#]]
    .assert_eq(&world.run("commander", &["request", "show", &request]).all());
    let agreed = world.run("commander", &["request", "approve", &request[..14], "--reason", "planned work"]);
    expect![[r#"
        exit 0
        recorded as entry 18 at 2026-11-23 10:20:30 JST (2026-11-23T01:20:30Z)
        grant grt_… for root@db1
        --
        you approve
          request         req_0dpna9vmt1v2ghm8d6adbmz5gb
          account         acc_07ck3jd9sfhrej8qsk58eg4bzz (root@db1)
          requested by    per_0mnhbqspseyvcrc1wb81acs64k (the researcher) / psn_53xe6vh7y528yczn4ngm2sya9b
          from            2026-11-23 10:20:30 JST (2026-11-23T01:20:30Z)
          until           2026-11-23 11:20:30 JST (2026-11-23T02:20:30Z)
          length          1 h
          channels        shell, exec
          rules, version  1
          purpose         rotate WAL archive, CHG-142
          reason          planned work
          request's hash  b1c0ed4e0ab44a2b9e22ab4008d6b87fa3c8bde0fbf7687224d2b800bee2eada
          installation    gate.example/main (the server's word: no trust directory says so)
          signed with     SHA256:F26t2rJGgvsdr7Wt/JiNjzM2mFIHHW1mnsaSFRmbAk4 (psn_6d0jj7ah4rw1pvb89wbwvhy7r4)
          to be filed by  2026-11-23 10:30:30 JST (2026-11-23T01:30:30Z)
          signed hash     b458a9f15ecdafe5bade7b5359b5d0cbd1fd8ac8175cdcc54053ff7f2cb8eb88
    "#]]
    .assert_eq(&without(&agreed.all(), "grt_"));
    expect![[r#"
        exit 0
        grant                           account   person                                           from                     until                    opens now
        grt_…  root@db1  per_0mnhbqspseyvcrc1wb81acs64k (the researcher)  2026-11-23 10:20:30 JST  2026-11-23 11:20:30 JST  yes
        --
    "#]].assert_eq(&without(&world.run("researcher", &["grant", "list"]).all(), "grt_"));
}

#[test]
fn the_same_in_japanese() {
    let world = World::ready();
    let words = [
        "--lang",
        "ja",
        "request",
        "new",
        "root@db1",
        "--for",
        "90m",
        "--purpose",
        "WAL アーカイブの入れ替え、CHG-142",
    ];
    expect![[r#"
        exit 0
        台帳項目 17 として記録しました（2026-11-23 10:20:30 JST (2026-11-23T01:20:30Z)）
        申請 req_0dpna9vmt1v2ghm8d6adbmz5gb は承認を待っています: sekimori wait request req_0dpna9vmt1v2ghm8d6adbmz5gb
        --
        申請します
          申請            req_0dpna9vmt1v2ghm8d6adbmz5gb
          アカウント      acc_07ck3jd9sfhrej8qsk58eg4bzz (root@db1)
          申請者          per_0mnhbqspseyvcrc1wb81acs64k (the researcher) / psn_53xe6vh7y528yczn4ngm2sya9b
          開始            2026-11-23 10:20:30 JST (2026-11-23T01:20:30Z)
          終了            2026-11-23 11:50:30 JST (2026-11-23T02:50:30Z)
          長さ            1時間30分
          チャネル        shell, exec
          目的            WAL アーカイブの入れ替え、CHG-142
          規則の版        1
          必要なもの      4時間まで、shell, exec、承認: 1 × owners
          環境            gate.example/main（サーバの言葉による。信頼ディレクトリの裏付けなし）
          署名する鍵      SHA256:AFnE8nab4WCl4SmOdLSbmiqH3IY9f9yUBAXHgufobFM (psn_53xe6vh7y528yczn4ngm2sya9b)
          提出の期限      2026-11-23 10:30:30 JST (2026-11-23T01:30:30Z)
          署名のハッシュ  53fc9a843b897dc72c2dd200ad99d23bee88c7d027b206f4d499c430e4ab31d6
    "#]]
    .assert_eq(&world.run("researcher", &words).all());
    let request = world.run("commander", &["request", "list", "--json"]).json()["rows"][0]["request"]
        .as_str()
        .unwrap()
        .to_owned();
    expect![[r#"
        exit 0
        申請
          申請        req_0dpna9vmt1v2ghm8d6adbmz5gb
          アカウント  acc_07ck3jd9sfhrej8qsk58eg4bzz (root@db1)
          申請者      per_0mnhbqspseyvcrc1wb81acs64k (the researcher) / psn_53xe6vh7y528yczn4ngm2sya9b
          開始        2026-11-23 10:20:30 JST (2026-11-23T01:20:30Z)
          終了        2026-11-23 11:50:30 JST (2026-11-23T02:50:30Z)
          長さ        1時間30分
          チャネル    shell, exec
          規則の版    1
          目的        WAL アーカイブの入れ替え、CHG-142
          提出        2026-11-23 10:20:30 JST (2026-11-23T01:20:30Z)
          決裁の期限  2026-11-23 11:20:30 JST (2026-11-23T02:20:30Z)
          必要なもの  4時間まで、shell, exec、承認: 1 × owners
          承認        なし
        --
    "#]]
    .assert_eq(&world.run("commander", &["--lang", "ja", "request", "show", &request]).all());
    expect![[r#"
        exit 0
        申請                            アカウント  申請者                                           開始                     長さ       目的                               あなた
        req_0dpna9vmt1v2ghm8d6adbmz5gb  root@db1    per_0mnhbqspseyvcrc1wb81acs64k (the researcher)  2026-11-23 10:20:30 JST  1時間30分  WAL アーカイブの入れ替え、CHG-142  決裁できる
        --
    "#]].assert_eq(&world.run("commander", &["--lang", "ja", "request", "list"]).all());
    let own = world.run("researcher", &["--lang", "ja", "request", "approve", &request]);
    expect![[r#"
         あなた自身の申請です。承認は別の人でなければなりません
        hint: 別の承認者に依頼してください。別のペルソナでも、あなたはあなたです
    "#]]
    .assert_eq(own.err.rsplit_once("error:").unwrap().1);
}

#[test]
fn nobody_approves_their_own() {
    let world = World::ready();
    let request = ask(&world);
    let own = world.run("researcher", &["request", "approve", &request, "--json"]);
    assert_eq!(
        (own.exit, own.json()["error"]["code"].as_str()),
        (Exit::Refused, Some("approver-is-requester")),
        "{}",
        own.all()
    );
    let other = world.run("auditor", &["request", "approve", &request, "--json"]);
    assert_eq!(
        (other.exit, other.json()["error"]["code"].as_str()),
        (Exit::Refused, Some("approver-not-eligible")),
        "{}",
        other.all()
    );
    approve(&world, &request);
    let late = world.run("commander", &["request", "approve", &request, "--json"]);
    assert_eq!(late.exit, Exit::Refused, "{}", late.all());
}

#[test]
fn what_says_nothing_is_not_sent() {
    let world = World::ready();
    for (words, code, exit) in [
        (vec!["--for", "1h"], "purpose-missing", Exit::Refused),
        (vec!["--for", "1h", "--purpose", "  "], "purpose-missing", Exit::Refused),
        (vec!["--for", "1h", "--purpose", "test"], "purpose-placeholder", Exit::Refused),
        (vec!["--for", "1h", "--purpose", "作業"], "purpose-placeholder", Exit::Refused),
        (vec!["--purpose", PURPOSE], "window-missing", Exit::Usage),
        (vec!["--purpose", PURPOSE, "--for", "tomorrow"], "duration-unreadable", Exit::Usage),
        (vec!["--purpose", PURPOSE, "--until", "2099-13-20T00:00:00Z"], "time-unreadable", Exit::Usage),
        (vec!["--purpose", PURPOSE, "--from", "12:00", "--until", "11:00"], "end-not-after-start", Exit::Usage),
        (vec!["--purpose", PURPOSE, "--from", "08:00", "--until", "09:00"], "window-in-past", Exit::Refused),
        (vec!["--purpose", PURPOSE, "--from", "09:00", "--for", "4h"], "start-in-past", Exit::Refused),
        (vec!["--purpose", PURPOSE, "--for", "5h"], "window-too-long", Exit::Refused),
        (vec!["--purpose", PURPOSE, "--from", "2027-11-23T10:00:00Z", "--for", "1h"], "start-too-far", Exit::Refused),
    ] {
        let all: Vec<&str> =
            ["request", "new", "root@db1", "--json"].into_iter().chain(words.iter().copied()).collect();
        let told = world.run("researcher", &all);
        assert_eq!((told.exit, told.json()["error"]["code"].as_str()), (exit, Some(code)), "{words:?}: {}", told.all());
    }
    for (account, code, exit) in [
        ("root", "id-unreadable", Exit::Usage),
        ("Root@db1", "account-unreadable", Exit::Usage),
        ("root@db1@x", "account-unreadable", Exit::Usage),
        ("root@db2", "login-unknown", Exit::Refused),
        ("acc_0000000", "nothing-named", Exit::Usage),
    ] {
        let told = world.run("researcher", &["request", "new", account, "--for", "1h", "--purpose", PURPOSE, "--json"]);
        assert_eq!((told.exit, told.json()["error"]["code"].as_str()), (exit, Some(code)), "{account}: {}", told.all());
    }
    let told = world
        .run("researcher", &["request", "new", "root@db1", "--for", "1h", "--purpose", PURPOSE, "--channels", "sftp"]);
    assert_eq!(told.exit, Exit::Usage, "{}", told.all());
    assert_eq!(
        world.run("commander", &["request", "list", "--json"]).json(),
        serde_json::json!({ "rows": [], "next": null })
    );
}

#[test]
fn a_request_is_refused_withdrawn_or_waited_for() {
    let world = World::ready();
    let request = ask(&world);
    world.ok("commander", &["request", "refuse", &request, "--reason", "not in the change window"]);
    let waited = world.run("researcher", &["wait", "request", &request]);
    assert_eq!(waited.exit, Exit::Refused, "{}", waited.all());
    let request = ask(&world);
    let waited = world.run("researcher", &["wait", "request", &request, "--limit", "30s", "--json"]);
    assert_eq!(
        (waited.exit, waited.json()["error"]["code"].as_str()),
        (Exit::CannotDecide, Some("waited-too-long")),
        "{}",
        waited.all()
    );
    world.ok("researcher", &["request", "withdraw", &request]);
    let waited = world.run("researcher", &["wait", "request", &request, "--json"]);
    assert_eq!(
        (waited.exit, waited.json()["error"]["code"].as_str()),
        (Exit::Refused, Some("request-dead")),
        "{}",
        waited.all()
    );
    let request = ask(&world);
    approve(&world, &request);
    assert!(world.ok("researcher", &["wait", "request", &request]).contains("root@db1"));
}

#[test]
fn a_grant_is_given_back_or_taken_away() {
    let world = World::ready();
    let grant = approve(&world, &ask(&world));
    world.ok("researcher", &["grant", "return", &grant[..12]]);
    let gone = world.run("commander", &["grant", "revoke", &grant, "--reason", "no longer needed", "--json"]);
    assert_eq!(
        (gone.exit, gone.json()["error"]["code"].as_str()),
        (Exit::Refused, Some("grant-returned")),
        "{}",
        gone.all()
    );
    let grant = approve(&world, &ask(&world));
    world.ok("commander", &["grant", "revoke", &grant, "--reason", "an incident, INC-7"]);
    let shown = world.run("researcher", &["grant", "show", &grant]);
    assert!(shown.out.contains("revoked") && shown.out.contains("does not open"), "{}", shown.all());
}

#[test]
fn one_json_document_is_all_of_the_answer() {
    let world = World::ready();
    let request = ask(&world);
    let grant = approve(&world, &ask(&world));
    for words in [
        vec!["whoami"],
        vec!["doctor"],
        vec!["person", "list"],
        vec!["group", "list"],
        vec!["key", "list"],
        vec!["target", "list"],
        vec!["target", "enrol", "db1"],
        vec!["account", "list"],
        vec!["rule", "show"],
        vec!["rule", "show", "--toml"],
        vec!["motion", "list"],
        vec!["request", "list"],
        vec!["request", "show", &request],
        vec!["grant", "list"],
        vec!["grant", "show", &grant],
        vec!["grant", "tegata", &grant],
        vec!["session", "list"],
        vec!["session", "list", "--ended"],
        vec!["ledger", "list"],
        vec!["ledger", "show", "0"],
        vec!["ledger", "checkpoint"],
        vec!["verify", "--replay"],
        vec!["request", "show", "req_000000000"],
    ] {
        let all: Vec<&str> = words.iter().copied().chain(["--json"]).collect();
        let told = world.run("commander", &all);
        let _document = told.json();
    }
}

#[test]
fn a_pending_request_dies() {
    let world = World::ready();
    let request = ask(&world);
    world.clock.pass(Duration::from_secs(3 * 3600));
    let late = world.run("commander", &["request", "approve", &request, "--json"]);
    assert_eq!(late.exit, Exit::Refused, "{}", late.all());
}
