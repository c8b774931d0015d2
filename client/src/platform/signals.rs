//! Linux: being asked to stop (Ctrl-C, a service manager, a terminal that was closed), and keeping secrets out of dumps.

use std::io;
use std::thread;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use tokio::signal::unix::{SignalKind, signal};

/// Calls `act` whenever this process is asked to stop, in a thread of its own.
///
/// # Errors
/// What the system says; signals end the process at once then, as they do by default.
pub fn on_stop_request(mut act: impl FnMut() + Send + 'static) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate, mut hangup) = {
        let _entered = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?)
    };
    let wait = move || {
        runtime.block_on(async move {
            loop {
                let came = tokio::select! {
                    came = interrupt.recv() => came,
                    came = terminate.recv() => came,
                    came = hangup.recv() => came,
                };
                match came {
                    Some(()) => act(),
                    None => return,
                }
            }
        });
    };
    thread::Builder::new().name("signals".to_owned()).spawn(wait).map(|_| ())
}

/// Makes sure that this process' memory, which holds keys, is never written to disk when it crashes.
///
/// # Errors
/// What the system says.
pub fn forbid_core_dumps() -> io::Result<()> {
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}
