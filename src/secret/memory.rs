//! Keeps other processes of the same user away from the memory of this one.

/// No core dumps, and no other process of the same user can read the memory (ptrace, `/proc/PID/mem`). Does nothing on
/// systems other than Linux.
///
/// # Errors
/// The system's.
#[cfg(target_os = "linux")]
pub fn protect_memory() -> std::io::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

#[cfg(not(target_os = "linux"))]
pub fn protect_memory() -> std::io::Result<()> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{DumpableBehavior, dumpable_behavior};

    #[test]
    fn the_process_cannot_be_dumped() {
        super::protect_memory().unwrap();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
