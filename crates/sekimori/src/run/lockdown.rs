//! What a process gives up before it serves: gaining privileges, and being looked into by others of the same user.

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// Best effort, said in the log where the kernel refuses.
pub(super) fn give_up_privileges() {
    if let Err(error) = rustix::thread::set_no_new_privs(true) {
        tracing::warn!(%error, "this process could still gain privileges");
    }
    // No core dump, no ptrace by the same user: live keys stay in this process.
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "this process could be dumped");
    }
}
