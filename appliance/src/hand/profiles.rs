//! NetworkManager, told by `nmcli`. What is tried is a profile in its memory, which a restart forgets.

use super::PortName;
use super::addressing::{Addressing, Fixed};
use super::manager::Back;

/// The profile that is tried, and the one that was kept.
const TRIED: &str = "datis-trial";
const KEPT: &str = "datis";

/// Lists the profiles.
const ALL: [&str; 4] = ["-g", "UUID,NAME", "connection", "show"];

/// Runs `nmcli` with these words; gives what it prints.
pub(super) type Nmcli<'n> = &'n dyn Fn(&[&str]) -> Result<String, String>;

/// Whether NetworkManager manages the port.
pub(super) fn manages(nmcli: Nmcli<'_>, port: &PortName) -> bool {
    nmcli(&["-g", "GENERAL.STATE", "device", "show", port.as_str()]).is_ok_and(|state| is_managed(&state))
}

/// What was there before a trial, a UUID a line: the profile on the port (empty: none), then those that are called [`KEPT`].
struct Before<'b> {
    on: Option<&'b str>,
    own: Vec<&'b str>,
}

impl<'b> Before<'b> {
    fn of(text: Option<&'b str>) -> Self {
        let mut lines = text.unwrap_or_default().lines();
        Self { on: lines.next().filter(|uuid| !uuid.is_empty()), own: lines.collect() }
    }
}

/// What [`take_back`] has to know, as a text.
pub(super) fn before(nmcli: Nmcli<'_>, port: &PortName) -> Result<Option<String>, String> {
    let active = nmcli(&["-g", "GENERAL.CON-UUID", "device", "show", port.as_str()])?;
    let all = nmcli(&ALL)?;
    let own = profiles(&all).filter(|(_, name)| *name == KEPT).map(|(uuid, _)| format!("\n{uuid}"));
    Ok(Some(active.trim().to_owned() + &own.collect::<String>()))
}

/// The answer to [`ALL`]: UUIDs and names. A UUID has no colon.
fn profiles(all: &str) -> impl Iterator<Item = (&str, &str)> {
    all.lines().filter_map(|line| line.split_once(':'))
}

pub(super) fn put_on(nmcli: Nmcli<'_>, port: &PortName, wanted: &Addressing) -> Result<(), String> {
    let profile = profile(port, wanted);
    nmcli(&profile.iter().map(String::as_str).collect::<Vec<_>>())?;
    nmcli(&["--wait", "20", "connection", "up", "id", TRIED]).map(drop)
}

/// The new profile stays for good. That of an earlier change goes only afterwards ([`forget`]): until then it can be taken
/// back.
pub(super) fn keep(nmcli: Nmcli<'_>) -> Result<(), String> {
    let settings = ["connection.id", KEPT, "connection.autoconnect", "yes"];
    let priority = ["connection.autoconnect-priority", "100"];
    let words = ["connection", "modify", "id", TRIED].into_iter().chain(settings).chain(priority);
    nmcli(&words.collect::<Vec<_>>()).map(drop)
}

/// The profile of an earlier change goes, after the new one is kept and nothing is left to take back.
pub(super) fn forget(nmcli: Nmcli<'_>, before: Option<&str>) {
    let before = Before::of(before);
    if let Some(uuid) = before.on.filter(|uuid| before.own.contains(uuid)) {
        // One that stays does no harm: of two, the one that was on the port last comes first.
        let _ = nmcli(&["connection", "delete", "uuid", uuid]);
    }
}

/// The tried profile goes in any case: an old one that does not come up must not hold the port on a trial without end. It
/// may have its new name already, when its keeping was cut off.
pub(super) fn take_back(nmcli: Nmcli<'_>, before: Option<&str>) -> Result<Back, String> {
    let before = Before::of(before);
    let all = nmcli(&ALL)?;
    // One that somebody has deleted meanwhile comes up never again, and must not stand in the way of all that comes later.
    let old = before.on.filter(|old| profiles(&all).any(|(uuid, _)| uuid == *old));
    let up = || match old {
        Some(uuid) => nmcli(&["--wait", "20", "connection", "up", "uuid", uuid]).map(drop),
        None => Ok(()),
    };
    let is_up = up();
    for (uuid, name) in profiles(&all) {
        if name == TRIED || (name == KEPT && !before.own.contains(&uuid)) {
            nmcli(&["connection", "delete", "uuid", uuid])?;
        }
    }
    // The trial may have been in its way.
    Ok(is_up.or_else(|_| up()).map_or_else(Back::Down, |()| Back::Whole))
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
    struct Manager {
        profiles: Vec<Profile>,
        fails_at: &'static str,
        /// It does what it was told, and fails then.
        does_it: bool,
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
            let told = if fails && !self.does_it { Ok(String::new()) } else { self.act(words) };
            if fails { Err(format!("no {}", self.fails_at)) } else { told }
        }

        fn act(&mut self, words: &[&str]) -> Result<String, String> {
            let named = |profile: &Profile| {
                words.windows(2).any(|pair| pair == ["uuid", profile.uuid] || pair == ["id", profile.name])
            };
            let at = self.profiles.iter().position(named);
            match (words, at) {
                (["-g", "GENERAL.CON-UUID", ..], _) => {
                    Ok(self.profiles.iter().filter(|profile| profile.is_on).map(|profile| profile.uuid).collect())
                }
                (["-g", "UUID,NAME", "connection", "show"], _) => {
                    Ok(self.profiles.iter().map(|profile| format!("{}:{}\n", profile.uuid, profile.name)).collect())
                }
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
    fn after<T>(
        fails_at: &'static str,
        act: impl FnOnce(Nmcli<'_>) -> Result<T, String>,
    ) -> (Result<T, String>, Vec<Left>) {
        let old = Profile { uuid: "old", name: KEPT, is_kept: true, is_on: false };
        let tried = Profile { uuid: "new", name: TRIED, is_kept: false, is_on: true };
        let manager = Manager { profiles: vec![old, tried], fails_at, does_it: false };
        let manager = RefCell::new(manager);
        let done = act(&|words| manager.borrow_mut().answer(words));
        let left = manager.into_inner().profiles;
        (done, left.iter().map(|profile| (profile.uuid, profile.is_kept, profile.is_on)).collect())
    }

    const BEFORE: Option<&str> = Some("old\nold");

    #[test]
    fn the_old_profile_goes_when_the_new_one_stays_and_not_before() {
        let (kept, left) = after("", keep);
        assert_eq!((kept, left), (Ok(()), vec![("old", true, false), ("new", true, true)]));
        let (kept, left) = after("modify", keep);
        assert!(kept.is_err());
        assert_eq!(left, [("old", true, false), ("new", false, true)], "it can still be taken back");
        let keep = |nmcli: Nmcli<'_>| keep(nmcli).map(|()| forget(nmcli, BEFORE));
        assert_eq!(after("", keep), (Ok(()), vec![("new", true, true)]));
        assert_eq!(after("delete", keep), (Ok(()), vec![("old", true, false), ("new", true, true)]));
        let by_hand = |nmcli: Nmcli<'_>| super::keep(nmcli).map(|()| forget(nmcli, Some("old")));
        assert_eq!(after("", by_hand).1.len(), 2, "one that is not the box's own stays");
    }

    #[test]
    fn what_was_kept_half_way_is_taken_back_under_its_new_name() {
        let profile = |uuid, name, is_on| Profile { uuid, name, is_kept: name != TRIED, is_on };
        let profiles = vec![profile("old", "office", true), profile("own", KEPT, false)];
        let manager = RefCell::new(Manager { profiles, fails_at: "", does_it: true });
        let nmcli = |words: &[&str]| manager.borrow_mut().answer(words);
        let before = before(&nmcli, &port()).expect("told");
        assert_eq!(before.as_deref(), Some("old\nown"));
        manager.borrow_mut().profiles.push(profile("new", TRIED, true));
        manager.borrow_mut().fails_at = "modify";
        assert!(keep(&nmcli).is_err());
        assert_eq!(manager.borrow().profiles[2].name, KEPT, "it was done all the same");
        for _again in 0..2 {
            assert_eq!(take_back(&nmcli, before.as_deref()), Ok(Back::Whole));
            let left: Vec<_> = manager.borrow().profiles.iter().map(|left| (left.uuid, left.is_on)).collect();
            assert_eq!(left, [("old", true), ("own", false)]);
        }
    }

    #[test]
    fn the_trial_goes_even_when_the_old_profile_does_not_come_up() {
        let take_back = |nmcli: Nmcli<'_>| take_back(nmcli, BEFORE);
        assert_eq!(after("", take_back), (Ok(Back::Whole), vec![("old", true, true)]));
        let (taken_back, left) = after("up", take_back);
        assert!(matches!(taken_back, Ok(Back::Down(_))), "it is over, and told");
        assert_eq!(left, [("old", true, false)]);
        assert!(after("delete", take_back).0.is_err());
        assert!(after("show", take_back).0.is_err(), "a manager that says nothing has taken nothing back");
        let take_back = |nmcli: Nmcli<'_>| super::take_back(nmcli, Some("deleted by hand\nold"));
        assert_eq!(after("", take_back), (Ok(Back::Whole), vec![("old", true, false)]));
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
