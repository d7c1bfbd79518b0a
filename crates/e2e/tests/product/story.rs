//! The main job: asked for, agreed to, passed, recorded, over.

use e2e::{World, text};

#[test]
fn a_person_asks_another_agrees_and_ssh_passes() {
    let world = World::new();
    let before = world.exec(&world.operator, "echo in");
    assert!(!before.status.success(), "nobody approved anything yet: {}", text(&before.stdout));
    world.granted("10m");
    let output = world.exec(&world.operator, "echo in; exit 7");
    assert_eq!(
        (output.status.code(), text(&output.stdout).as_str()),
        (Some(7), "in\n"),
        "{}\n{}",
        text(&output.stderr),
        world.gate.log()
    );
}
