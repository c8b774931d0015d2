//! Linux: what this process and this machine are at the moment.

/// The user and group that this process acts as.
#[must_use]
pub fn own_ids() -> (u32, u32) {
    (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}

/// What people call the user that this process acts for; whoever became root by `sudo` is named too.
#[must_use]
pub fn user_name() -> String {
    let (uid, _) = own_ids();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = name_in(&users, uid).unwrap_or_else(|| format!("user {uid}"));
    match std::env::var("SUDO_USER") {
        Ok(before) if uid == 0 && !before.is_empty() => format!("{before} as {name}"),
        Ok(_) | Err(_) => name,
    }
}

/// The name of a user in the lines of `passwd(5)`.
fn name_in(users: &str, uid: u32) -> Option<String> {
    let mut users = users.lines().map(|line| line.split(':'));
    users.find_map(|mut fields| {
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
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
    fn users_are_called_by_their_names() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbroken\nclaire:x:1000:1000::/home/claire:/bin/sh\n";
        assert_eq!(name_in(users, 1000).as_deref(), Some("claire"));
        assert_eq!(name_in(users, 7), None);
        assert!(!user_name().is_empty());
    }

    #[test]
    fn the_addresses_of_a_machine_that_does_not_move_stay_the_same() {
        assert!(addresses().contains("127.0.0.1"));
        assert_eq!(addresses(), addresses());
    }
}
