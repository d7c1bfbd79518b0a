use expect_test::expect;

use super::world::{World, key_of, without};
use crate::exit::Exit;

#[test]
fn what_a_target_needs_is_printed() {
    let world = World::ready();
    let trust = world.path("trust");
    let told = world.run("commander", &["--trust", &trust, "target", "enrol", "db1"]);
    expect![[r#"
        exit 0
        put these files on db1, owned by root and writable by root alone:

        # /etc/ssh/sekimori_ca.pub
        ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA…

        # /etc/ssh/sshd_config.d/sekimori.conf
        TrustedUserCAKeys /etc/ssh/sekimori_ca.pub
        AuthorizedPrincipalsFile /etc/ssh/sekimori_principals/%u

        # /etc/ssh/sekimori_principals/root
        p-9z62kssqnz

        # /etc/ssh/sekimori_principals/sekimori
        e-28n5z445a6z3acnrefh32hmhct
        Then `sshd -t && systemctl reload ssh` there. Where root itself is an account, sshd needs `PermitRootLogin prohibit-password`.
        pinned host key: SHA256:V2zbXyc9Gq/WpLkEBnu3GgXYvr2cDdQ3FLnFl3oYrXk
        on db1 itself, `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` must show a pinned key; then `sekimori target probe db1`
        --
    "#]].assert_eq(&without(&told.all(), "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA"));
    let untrusted = world.run("commander", &["target", "enrol", "db1"]);
    assert!(untrusted.err.contains("no trust directory"), "{}", untrusted.all());
}

#[test]
fn other_host_keys_are_pinned_by_two_persons() {
    let world = World::ready();
    let host_key = world.path("rebuilt.pub");
    std::fs::write(&host_key, format!("{} root@db1\n", key_of("db1-rebuilt").public_key())).unwrap();
    let same = world.run("commander", &["target", "enrol", "db1", "--host-key", &world.path("host.pub"), "--json"]);
    assert!(same.json().get("files").is_some(), "the pinned key proposes nothing: {}", same.all());
    world.carry("commander", "auditor", &["target", "enrol", "db1", "--host-key", &host_key]);
    let pinned = key_of("db1-rebuilt").public_key().fingerprint().to_string();
    assert_eq!(
        world.run("commander", &["target", "list", "--json"]).json()["rows"][0]["host_keys"],
        serde_json::json!([pinned])
    );
    expect![[r#"
        exit 0
        label  target                          address         zone    tier  clock       host keys
        db1    tgt_28n5z445a6z3acnrefh32hmhct  127.0.0.1:2200  server  0     never seen  SHA256:NAH1vsBkMPjsMf2UnqOLdzsWJ9QvvmJgiIO+hwNePK0
        --
    "#]].assert_eq(&world.run("commander", &["target", "list"]).all());
    assert_eq!(world.run("commander", &["target", "pin", "db1"]).exit, Exit::Usage);
    std::fs::write(&host_key, "ssh-rsa AAAA\n").unwrap();
    assert_eq!(world.run("commander", &["target", "pin", "db1", "--host-key", &host_key]).exit, Exit::Usage);
}

#[test]
fn a_scan_of_a_port_where_nobody_listens_says_so() {
    let world = World::ready();
    // Bound and let go of, so that nobody answers there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let told = world.run("commander", &["target", "add", "db2", "--address", &address, "--scan", "--json"]);
    assert_eq!(
        (told.exit, told.json()["error"]["code"].as_str()),
        (Exit::CannotDecide, Some("scan-failed")),
        "{}",
        told.all()
    );
}

#[test]
fn malformed_targets_and_accounts_are_named() {
    let world = World::ready();
    let key = world.path("host.pub");
    for (words, exit) in [
        (vec!["target", "add", "DB2", "--address", "db2", "--host-key", &key], Exit::Usage),
        (vec!["target", "add", "db2", "--address", "-oProxyCommand=x", "--host-key", &key], Exit::Usage),
        (vec!["target", "add", "db2", "--address", "db2:0", "--host-key", &key], Exit::Usage),
        (vec!["target", "add", "db2", "--address", "db2"], Exit::Usage),
        (vec!["target", "add", "db1", "--address", "db2", "--host-key", &key], Exit::Refused),
        (vec!["target", "add", "db2", "--address", "db2", "--tier", "300", "--host-key", &key], Exit::Usage),
        (vec!["account", "add", "root", "--class", "os-superuser", "--owner", "per_000000000"], Exit::Usage),
        (vec!["account", "add", "root@db9", "--class", "os-superuser", "--owner", "per_000000000"], Exit::Usage),
        (vec!["account", "add", "root@db1", "--class", "emperor", "--owner", "per_000000000"], Exit::Usage),
        (vec!["session", "kill", "ses_000000000", "--reason", "an incident"], Exit::Usage),
        (
            vec!["session", "replay", "ses_00000000000000000000000000", "--purpose", "look into incident INC-7"],
            Exit::Refused,
        ),
        (vec!["session", "replay", "ses_00000000000000000000000000", "--purpose", "test"], Exit::Refused),
        (vec!["target", "probe", "db9"], Exit::Usage),
        (vec!["clock", "confirm", "now"], Exit::Refused),
        (vec!["frobnicate"], Exit::Usage),
    ] {
        let told = world.run("commander", &words);
        assert_eq!(told.exit, exit, "{words:?}: {}", told.all());
    }
}

#[test]
fn a_personal_account_name_stands_in_no_entry() {
    let world = World::ready();
    let owner = world.person("auditor");
    let words = ["account", "add", "Taro.Yamada@db1", "--class", "database-admin", "--owner", &owner, "--personal"];
    world.carry("commander", "marshal", &words);
    let listed = world.ok("commander", &["account", "list"]);
    assert!(listed.contains("Taro.Yamada@db1"), "{listed}");
    let entries = world.ok("commander", &["ledger", "list", "--limit", "500", "--json"]);
    assert!(!entries.contains("Taro"), "the ledger holds a commitment only");
}

#[test]
fn rules_are_shown_as_they_are_set() {
    let world = World::ready();
    expect![[r#"
        exit 0
        rules of access
          version     1
          may wait    1 h
          keystrokes  not recorded
          rule        db-root: members of operators may ask for acc_07ck3jd9sfhrej8qsk58eg4bzz; one of owners approves; at most 4 h; shell, exec
        --
    "#]].assert_eq(&world.run("commander", &["rule", "show"]).all());
    let toml = world.ok("commander", &["rule", "show", "--toml"]);
    let file = world.path("again.toml");
    std::fs::write(&file, &toml).unwrap();
    world.carry("commander", "auditor", &["rule", "set", &file]);
    assert_eq!(world.ok("commander", &["rule", "show", "--toml"]), toml);
    std::fs::write(&file, toml.replace("approvals = 1", "approvals = 0")).unwrap();
    let told = world.run("commander", &["rule", "set", &file]);
    assert_eq!((told.exit, told.err.contains("line 5:")), (Exit::Usage, true), "{}", told.all());
}

#[test]
fn a_real_servers_keys_are_scanned_and_confirmed() {
    let world = World::ready();
    let sshd = testkit::Sshd::start(&testkit::Settings::default()).unwrap();
    let address = format!("127.0.0.1:{}", testkit::Target::port(&sshd));
    let words = ["target", "add", "db2", "--address", &address, "--scan"];
    let nobody = world.run("commander", &words);
    assert_eq!(nobody.exit, Exit::Usage, "keys from the network are not taken unseen: {}", nobody.all());
    let no = world.attended("commander", &words, "n\n");
    assert_eq!(no.exit, Exit::Refused, "{}", no.all());
    world.carry("commander", "auditor", &["target", "add", "db2", "--address", &address, "--scan", "--yes"]);
    let key: sshwire::PublicKey = testkit::Target::host_key(&sshd).parse().unwrap();
    let listed = world.run("commander", &["target", "list", "--json"]).json();
    let pinned: Vec<_> = listed["rows"].as_array().unwrap().iter().filter(|target| target["label"] == "db2").collect();
    assert_eq!(pinned[0]["host_keys"], serde_json::json!([key.fingerprint()]));
}
