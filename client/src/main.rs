//! The program `datis`; everything it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    datis_client::cli::run(std::env::args_os()).into()
}
