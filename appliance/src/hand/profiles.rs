//! NetworkManager, told by `nmcli`. What is tried is a profile in its memory, which a restart forgets.

use super::PortName;
use super::addressing::{Addressing, Fixed};

/// The profile that is tried, and the one that was kept.
const TRIED: &str = "datis-trial";
const KEPT: &str = "datis";

/// Runs `nmcli` with these words; gives what it prints.
pub(super) type Nmcli<'n> = &'n dyn Fn(&[&str]) -> Result<String, String>;

/// Whether NetworkManager manages the port.
pub(super) fn manages(nmcli: Nmcli<'_>, port: &PortName) -> bool {
    nmcli(&["-g", "GENERAL.STATE", "device", "show", port.as_str()]).is_ok_and(|state| is_managed(&state))
}

/// The profile that is on the port, by its UUID.
pub(super) fn before(nmcli: Nmcli<'_>, port: &PortName) -> Result<Option<String>, String> {
    let active = nmcli(&["-g", "GENERAL.CON-UUID", "device", "show", port.as_str()])?;
    Ok(Some(active.trim().to_owned()).filter(|uuid| !uuid.is_empty()))
}

pub(super) fn put_on(nmcli: Nmcli<'_>, port: &PortName, wanted: &Addressing) -> Result<(), String> {
    let profile = profile(port, wanted);
    nmcli(&profile.iter().map(String::as_str).collect::<Vec<_>>())?;
    nmcli(&["--wait", "20", "connection", "up", "id", TRIED]).map(drop)
}

/// First the new profile stays for good, then that of an earlier change goes: whatever fails between them, there is one.
pub(super) fn keep(nmcli: Nmcli<'_>, before: Option<&str>) -> Result<(), String> {
    let settings = ["connection.id", KEPT, "connection.autoconnect", "yes"];
    let priority = ["connection.autoconnect-priority", "100"];
    let words = ["connection", "modify", "id", TRIED].into_iter().chain(settings).chain(priority);
    nmcli(&words.collect::<Vec<_>>())?;
    if let Some(uuid) = before
        && nmcli(&["-g", "connection.id", "connection", "show", "uuid", uuid]).is_ok_and(|name| name.trim() == KEPT)
    {
        // One that stays does no harm: of two, the one that was on the port last comes first.
        let _ = nmcli(&["connection", "delete", "uuid", uuid]);
    }
    Ok(())
}

/// The tried profile goes in any case: an old one that does not come up must not hold the port on a trial without end.
pub(super) fn take_back(nmcli: Nmcli<'_>, before: Option<&str>) -> Result<(), String> {
    // One that somebody has deleted meanwhile comes up never again, and must not stand in the way of all that comes later.
    let old = before.filter(|uuid| nmcli(&["-g", "connection.id", "connection", "show", "uuid", uuid]).is_ok());
    let up = || match old {
        Some(uuid) => nmcli(&["--wait", "20", "connection", "up", "uuid", uuid]).map(drop),
        None => Ok(()),
    };
    let is_up = up();
    let there = nmcli(&["-g", "NAME", "connection", "show"])?;
    if there.lines().any(|name| name == TRIED) {
        nmcli(&["connection", "delete", "id", TRIED])?;
    }
    // The trial may have been in its way.
    is_up.or_else(|_| up())
}

/// What `nmcli` is told; kept in memory only, and not put on by itself.
fn profile(port: &PortName, wanted: &Addressing) -> Vec<String> {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let mut profile = words("connection add save no type ethernet connection.autoconnect no");
    profile.extend(["con-name", TRIED, "ifname", port.as_str()].map(str::to_owned));
    match wanted {
        Addressing::Dhcp => profile.extend(words("ipv4.method auto")),
        Addressing::Fixed(fixed) => profile.extend(fixed_words(fixed)),
    }
    profile
}

fn fixed_words(fixed: &Fixed) -> Vec<String> {
    let mut words =
        vec!["ipv4.method".to_owned(), "manual".to_owned(), "ipv4.addresses".to_owned(), fixed.with_prefix()];
    if let Some(gateway) = fixed.gateway() {
        words.extend(["ipv4.gateway".to_owned(), gateway.to_string()]);
    }
    if !fixed.names().is_empty() {
        let names: Vec<String> = fixed.names().iter().map(ToString::to_string).collect();
        words.extend(["ipv4.dns".to_owned(), names.join(" ")]);
    }
    words
}

/// `100 (connected)`; from 30 on it is NetworkManager's.
fn is_managed(state: &str) -> bool {
    let number = state.split_whitespace().next().and_then(|number| number.parse::<u32>().ok());
    number.is_some_and(|number| number >= 30)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn port() -> PortName {
        PortName::try_from("eth0".to_owned()).expect("a name")
    }

    fn fixed(gateway: &str, names: &str) -> Addressing {
        Addressing::Fixed(Fixed::parse("192.168.7.9/24", gateway, names).expect("fixed"))
    }

    /// NetworkManager as far as it matters here, and the word at which it fails.
    #[derive(Default)]
    struct Manager {
        profiles: Vec<Profile>,
        fails_at: &'static str,
    }

    struct Profile {
        uuid: &'static str,
        name: &'static str,
        /// After a restart of the computer it is there, and put on.
        is_kept: bool,
        is_on: bool,
    }

    impl Manager {
        fn answer(&mut self, words: &[&str]) -> Result<String, String> {
            let fails = !self.fails_at.is_empty() && words.contains(&self.fails_at);
            if fails {
                return Err(format!("no {}", self.fails_at));
            }
            let named = |profile: &Profile| {
                words.windows(2).any(|pair| pair == ["uuid", profile.uuid] || pair == ["id", profile.name])
            };
            let at = self.profiles.iter().position(named);
            match (words, at) {
                (["-g", "NAME", ..], _) => {
                    Ok(self.profiles.iter().map(|profile| format!("{}\n", profile.name)).collect())
                }
                (["-g", "connection.id", ..], Some(at)) => Ok(format!("{}\n", self.profiles[at].name)),
                (["--wait", "20", "connection", "up", ..], Some(at)) => {
                    self.profiles.iter_mut().enumerate().for_each(|(i, profile)| profile.is_on = i == at);
                    Ok(String::new())
                }
                (["connection", "modify", "id", TRIED, "connection.id", KEPT, ..], Some(at)) => {
                    (self.profiles[at].name, self.profiles[at].is_kept) = (KEPT, true);
                    Ok(String::new())
                }
                (["connection", "delete", ..], Some(at)) => {
                    self.profiles.remove(at);
                    Ok(String::new())
                }
                (_, _) => Err(format!("what is {words:?}")),
            }
        }
    }

    /// A profile that is still there: its UUID, whether it is kept, whether it is on.
    type Left = (&'static str, bool, bool);

    /// The trial is on, an earlier change has left its profile; what is done to it, and which profiles are there then.
    fn after(
        fails_at: &'static str,
        act: impl FnOnce(Nmcli<'_>) -> Result<(), String>,
    ) -> (Result<(), String>, Vec<Left>) {
        let old = Profile { uuid: "old", name: KEPT, is_kept: true, is_on: false };
        let tried = Profile { uuid: "new", name: TRIED, is_kept: false, is_on: true };
        let manager = RefCell::new(Manager { profiles: vec![old, tried], fails_at });
        let done = act(&|words| manager.borrow_mut().answer(words));
        let left = manager.into_inner().profiles;
        (done, left.iter().map(|profile| (profile.uuid, profile.is_kept, profile.is_on)).collect())
    }

    #[test]
    fn the_old_profile_goes_when_the_new_one_stays_and_not_before() {
        let keep = |nmcli: Nmcli<'_>| keep(nmcli, Some("old"));
        assert_eq!(after("", keep), (Ok(()), vec![("new", true, true)]));
        let (kept, left) = after("modify", keep);
        assert!(kept.is_err());
        assert_eq!(left, [("old", true, false), ("new", false, true)], "it can still be taken back");
        for fails_at in ["show", "delete"] {
            let (_, left) = after(fails_at, keep);
            assert!(left.iter().any(|(_, is_kept, _)| *is_kept), "at {fails_at}: {left:?}");
        }
        assert_eq!(after("delete", keep), (Ok(()), vec![("old", true, false), ("new", true, true)]));
    }

    #[test]
    fn the_trial_goes_even_when_the_old_profile_does_not_come_up() {
        let take_back = |nmcli: Nmcli<'_>| take_back(nmcli, Some("old"));
        assert_eq!(after("", take_back), (Ok(()), vec![("old", true, true)]));
        let (taken_back, left) = after("up", take_back);
        assert!(taken_back.is_err(), "it is told, and tried again");
        assert_eq!(left, [("old", true, false)]);
        assert!(after("delete", take_back).0.is_err());
        assert!(after("show", take_back).0.is_err(), "a manager that says nothing has taken nothing back");
        let take_back = |nmcli: Nmcli<'_>| super::take_back(nmcli, Some("deleted by hand"));
        assert_eq!(after("", take_back), (Ok(()), vec![("old", true, false)]));
    }

    #[test]
    fn profiles_live_in_memory_until_they_are_kept() {
        let line = profile(&port(), &fixed("192.168.7.1", "192.168.7.1 9.9.9.9")).join(" ");
        assert_eq!(
            line,
            "connection add save no type ethernet connection.autoconnect no con-name datis-trial ifname eth0 ipv4.method \
             manual ipv4.addresses 192.168.7.9/24 ipv4.gateway 192.168.7.1 ipv4.dns 192.168.7.1 9.9.9.9"
        );
        assert!(profile(&port(), &Addressing::Dhcp).join(" ").ends_with("ipv4.method auto"));
    }

    #[test]
    fn a_port_is_managed_when_networkmanager_says_so() {
        assert!(is_managed("100 (connected)\n") && is_managed("30 (disconnected)"));
        assert!(!is_managed("10 (unmanaged)") && !is_managed("20 (unavailable)") && !is_managed(""));
    }
}
