//! The program `datis`; everything it does is in the library.

use std::process::ExitCode;

/// What Rust programs end with after a panic.
const PANICKED: i32 = 101;

fn main() -> ExitCode {
    end_after_a_panic();
    datis_client::cli::run(std::env::args_os()).into()
}

/// A bug in one of many threads that wait for one another would leave the others waiting for ever, and the schedule with
/// them. What was begun is not acknowledged, so ending loses nothing.
fn end_after_a_panic() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tell(panic);
        std::process::exit(PANICKED);
    }));
}
