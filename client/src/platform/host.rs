//! Linux: what this process and this machine are at the moment.

/// The user and group that this process acts as.
#[must_use]
pub fn own_ids() -> (u32, u32) {
    (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}

/// The addresses of this machine, as a text that differs when they differ; empty when the system does not tell.
#[must_use]
pub fn addresses() -> String {
    // The routing trie holds the local IPv4 addresses, and none of the counters that change by themselves.
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    read("/proc/net/fib_trie") + &read("/proc/net/if_inet6")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_a_machine_that_does_not_move_stay_the_same() {
        assert!(addresses().contains("127.0.0.1"));
        assert_eq!(addresses(), addresses());
    }
}
