//! The program `datis-probe`: sends ARP and DHCP questions for the daemon, which has no right to.

fn main() -> std::process::ExitCode {
    datis_appliance::probe::main()
}
