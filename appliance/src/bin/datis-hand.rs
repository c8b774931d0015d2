//! The program `datis-hand`: changes the computer's addresses and switches it off for the daemon, which has no right to.

fn main() -> std::process::ExitCode {
    datis_appliance::hand::main()
}
