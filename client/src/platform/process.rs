//! Linux: another run of this program, which can be asked to end.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// This program, also after an update has put another one in its place.
#[must_use]
pub fn own_program() -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("datis");
    command
}

/// Means one process and no other one, even after it has ended and its number was given away.
#[derive(Debug)]
pub struct Handle(OwnedFd);

impl Handle {
    /// The handle of a process that this one has started and not yet waited for.
    ///
    /// # Errors
    /// What the system says.
    pub fn of(child: &Child) -> io::Result<Self> {
        Ok(Self(pidfd_open(Pid::from_child(child), PidfdFlags::empty())?))
    }

    /// Asks it to come to a clean end.
    pub fn stop(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends it.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        // It fails only when the process has ended, which is what is wanted.
        let _ = pidfd_send_signal(&self.0, signal);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn a_process_is_ended_by_its_handle_and_only_once() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep");
        let handle = Handle::of(&child).expect("handle");
        handle.stop();
        assert_eq!(child.wait().expect("status").signal(), Some(15));
        handle.kill();
    }
}
