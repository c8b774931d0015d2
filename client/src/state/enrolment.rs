//! `enrolment.toml`: the box and this machine, without secrets.

use std::io;
use std::path::Path;

use data_encoding::HEXLOWER;
use datis_engine::ids::{MachineId, MachineName, Profile, SpkiPin};
use datis_engine::keys::PublicKey;
use serde::{Deserialize, Serialize};

use super::{ENROLMENT, StateError, damaged, read, write_toml};
use crate::link::Endpoint;

/// The version of the file that this program writes, and the only one it reads.
const VERSION: u32 = 1;

/// What a machine knows of its box and of itself, secrets apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// Host name or address of the box.
    pub host: String,
    /// Its machine port.
    pub port: u16,
    /// Its key.
    pub pin: SpkiPin,
    /// What people call it.
    pub box_name: String,
    /// This machine's id.
    pub machine: MachineId,
    /// This machine's name.
    pub machine_name: MachineName,
    /// What it is for.
    pub profile: Profile,
    /// The vault's recipients (`age1…`).
    pub recipients: Vec<String>,
    /// What the box signs receipts with.
    pub receipt_key: PublicKey,
}

#[derive(Deserialize)]
struct VersionOnly {
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct Fields {
    version: u32,
    host: String,
    port: u16,
    pin: String,
    box_name: String,
    machine: String,
    machine_name: String,
    profile: String,
    recipients: Vec<String>,
    receipt_key: String,
}

impl Enrolment {
    /// Where the box is.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        Endpoint { host: self.host.clone(), port: self.port, pin: self.pin }
    }

    /// Reads the file of `dir`; `None` when there is none.
    ///
    /// # Errors
    /// [`StateError::Read`], [`StateError::Damaged`].
    pub fn read(dir: &Path) -> Result<Option<Self>, StateError> {
        let path = dir.join(ENROLMENT);
        let bytes = match read(&path) {
            Ok(bytes) => bytes,
            Err(StateError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let text = String::from_utf8(bytes).map_err(|e| damaged(&path, e))?;
        let version = toml::from_str::<VersionOnly>(&text).map_err(|e| damaged(&path, e.message()))?.version;
        if version != VERSION {
            return Err(damaged(&path, format!("it has version {version}, this program reads version {VERSION}")));
        }
        let fields: Fields = toml::from_str(&text).map_err(|e| damaged(&path, e.message()))?;
        Self::from_fields(fields).map(Some).map_err(|reason| damaged(&path, reason))
    }

    pub(super) fn write(&self, dir: &Path) -> Result<(), StateError> {
        let fields = Fields {
            version: VERSION,
            host: self.host.clone(),
            port: self.port,
            pin: self.pin.to_string(),
            box_name: self.box_name.clone(),
            machine: self.machine.to_string(),
            machine_name: self.machine_name.to_string(),
            profile: self.profile.to_string(),
            recipients: self.recipients.clone(),
            receipt_key: HEXLOWER.encode(self.receipt_key.as_bytes()),
        };
        write_toml(&dir.join(ENROLMENT), &fields)
    }

    fn from_fields(fields: Fields) -> Result<Self, String> {
        let text = |e: &dyn std::error::Error| e.to_string();
        let receipt_key = HEXLOWER.decode(fields.receipt_key.as_bytes()).ok().and_then(|k| PublicKey::from_slice(&k));
        Ok(Self {
            host: fields.host,
            port: fields.port,
            pin: fields.pin.parse().map_err(|e| text(&e))?,
            box_name: fields.box_name,
            machine: fields.machine.parse().map_err(|e| text(&e))?,
            machine_name: fields.machine_name.parse().map_err(|e| text(&e))?,
            profile: fields.profile.parse().map_err(|e| text(&e))?,
            recipients: fields.recipients,
            receipt_key: receipt_key.ok_or("the receipt key has not 64 hexadecimal digits")?,
        })
    }
}
