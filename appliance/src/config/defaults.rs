//! What stands where `datisd.toml` names nothing, in place of the program's own defaults. It has the sections and keys of that
//! file, as few of them as are the same for many boxes.

use serde::{Deserialize, Deserializer};

use super::{Config, HostName, PartnerAddress, TimeServer};

/// Values for keys that the file does not name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigDefaults {
    /// Section `portal`.
    pub portal: PortalDefaults,
    /// Section `machine_port`.
    pub machine_port: MachinePortDefaults,
    /// Section `discovery`.
    pub discovery: DiscoveryDefaults,
    /// Section `commissioning`.
    pub commissioning: CommissioningDefaults,
}

/// Of section `portal`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PortalDefaults {
    /// Further host names of the portal.
    #[serde(deserialize_with = "given")]
    pub names: Option<Vec<HostName>>,
}

/// Of section `machine_port`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MachinePortDefaults {
    /// Whether the router is asked to let others in.
    #[serde(deserialize_with = "given")]
    pub keep_open: Option<bool>,
}

/// Of section `discovery`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiscoveryDefaults {
    /// Whether the box is found in its network by name.
    #[serde(deserialize_with = "given")]
    pub mdns: Option<bool>,
}

/// Of section `commissioning`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CommissioningDefaults {
    /// Whether the box checks its site by itself.
    #[serde(deserialize_with = "given")]
    pub automatic: Option<bool>,
    /// Time servers that the clock is compared with.
    #[serde(deserialize_with = "given")]
    pub time_servers: Option<Vec<TimeServer>>,
    /// Boxes outside that may be asked.
    #[serde(deserialize_with = "given")]
    pub coordinators: Option<Vec<PartnerAddress>>,
}

/// A key that is there has a value: `null` is none.
pub(crate) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl ConfigDefaults {
    /// Whether a box could work with them; else the key, and what is wrong with it.
    ///
    /// # Errors
    /// As of a value in the file.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        self.below(Config::default(), &toml::Table::new()).check()
    }

    /// Puts them below a configuration whose file names these keys.
    pub(super) fn below(&self, mut config: Config, named: &toml::Table) -> Config {
        let is_named = |section: &str, key: &str| {
            named.get(section).and_then(toml::Value::as_table).is_some_and(|section| section.contains_key(key))
        };
        set(&mut config.portal.names, self.portal.names.as_ref(), is_named("portal", "names"));
        let port = &mut config.machine_port;
        set(&mut port.keep_open, self.machine_port.keep_open.as_ref(), is_named("machine_port", "keep_open"));
        set(&mut config.discovery.mdns, self.discovery.mdns.as_ref(), is_named("discovery", "mdns"));
        let (site, own) = (&mut config.commissioning, &self.commissioning);
        set(&mut site.automatic, own.automatic.as_ref(), is_named("commissioning", "automatic"));
        set(&mut site.time_servers, own.time_servers.as_ref(), is_named("commissioning", "time_servers"));
        set(&mut site.coordinators, own.coordinators.as_ref(), is_named("commissioning", "coordinators"));
        config
    }
}

fn set<T: Clone>(value: &mut T, default: Option<&T>, is_named: bool) {
    if let Some(default) = default.filter(|_| !is_named) {
        *value = default.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::super::DataDir;
    use super::*;

    #[test]
    fn defaults_stand_where_the_file_names_nothing() {
        let folder = tempfile::tempdir().expect("folder");
        let dir = DataDir::new(folder.path());
        let names = |names: &[&str]| -> Vec<HostName> {
            names.iter().map(|name| HostName::try_from((*name).to_owned()).expect("name")).collect()
        };
        let defaults = ConfigDefaults {
            portal: PortalDefaults { names: Some(names(&["backup.lan"])) },
            machine_port: MachinePortDefaults { keep_open: Some(true) },
            discovery: DiscoveryDefaults { mdns: Some(false) },
            commissioning: CommissioningDefaults { automatic: Some(false), ..CommissioningDefaults::default() },
        };
        defaults.check().expect("possible");
        let config = Config::read_over(&dir, &defaults).expect("config");
        assert_eq!(config.portal.names, names(&["backup.lan"]));
        assert!(config.machine_port.keep_open && !config.discovery.mdns && !config.commissioning.automatic);
        assert_eq!(config.commissioning.time_servers, Config::default().commissioning.time_servers);
        // Naming a key with the program's own default is naming it.
        let text = "[portal]\nnames = []\n[machine_port]\nport = 30000\nkeep_open = false\n[discovery]\nmdns = true\n";
        std::fs::write(dir.config_file(), text).expect("write");
        let config = Config::read_over(&dir, &defaults).expect("config");
        assert_eq!((config.portal.names.len(), config.machine_port.port), (0, 30_000));
        assert!(!config.machine_port.keep_open && config.discovery.mdns && !config.commissioning.automatic);
        let commissioning =
            CommissioningDefaults { time_servers: Some(Vec::new()), ..CommissioningDefaults::default() };
        let impossible = ConfigDefaults { commissioning, ..ConfigDefaults::default() };
        assert_eq!(impossible.check().expect_err("none").0, "commissioning.time_servers");
    }
}
