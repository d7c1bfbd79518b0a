//! The target as a machine of its own, and machines whose clock is wrong.

use e2e::{World, text};
use testkit::{Namespaced, Settings};

#[test]
fn root_on_another_machine_is_reached_and_this_one_is_not_touched_as_root() {
    let world = World::around(Namespaced::start("db1", &Settings::default()).unwrap(), "root");
    world.granted("10m");
    let output = world.exec(&world.operator, "hostname; id -un; echo here > /etc/sekimori-e2e; ls /etc/sekimori-e2e");
    assert_eq!(text(&output.stdout), "db1\nroot\n/etc/sekimori-e2e\n", "{}", text(&output.stderr));
    assert!(!std::path::Path::new("/etc/sekimori-e2e").exists());
}
