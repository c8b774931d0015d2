//! The program `datisd`.

fn main() -> std::process::ExitCode {
    datis_appliance::cli::main()
}
