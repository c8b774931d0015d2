//! The state directory: who this machine is, which box it belongs to, its keys, and the sources it has backed up.
//!
//! | file | what | mode |
//! |---|---|---|
//! | `enrolment.toml` | the box and this machine, no secrets; written last, so that it means "enrolled" | 0600 |
//! | `machine.key` | this machine's private key (Ed25519, PKCS#8 DER), which never leaves it | 0600 |
//! | `machine.crt` | the certificate that the box gave (X.509 DER) | 0600 |
//! | `dedup.secret` | the vault's dedup secret, 32 bytes | 0600 |
//! | `sources.toml` | the sources that `datis backup` has seen, for the service | 0600 |
//! | `cache/` | what can be made again at any time | 0700 |
//! | `locks/`, `runs/` | one file a source: the run that has it, and how the last one ended; `service`, `put-back` | 0700 |

mod enrolment;
mod sources;

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use datis_engine::ids::{MachineId, MachineName, Profile};
use datis_engine::keys::{DedupSecret, KeyError, PublicKey, Recipients, SigningKey};
use serde::Serialize;
use zeroize::Zeroizing;

pub use enrolment::Enrolment;
pub use sources::{KnownSource, LastRun, PutBackLock, ServiceLock, SourceLock, SourceRoot};

use crate::durable;
use crate::exit::Exit;
use crate::link::{ClientIdentity, Endpoint, Link, LinkError};
use crate::platform::files::create_private_dir;

const ENROLMENT: &str = "enrolment.toml";
const KEY: &str = "machine.key";
const CERTIFICATE: &str = "machine.crt";
const SECRET: &str = "dedup.secret";

/// The longest file that is read from the state directory, in bytes.
const FILE_MAX: u64 = 4 << 20;

/// Why the state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Nothing there.
    #[error(
        "this machine is not enrolled (nothing in {dir}); ask the box's admin for a code and run `datis enrol URI`"
    )]
    NotEnrolled {
        /// The state directory.
        dir: PathBuf,
    },
    /// Enrolled already.
    #[error("this machine is already enrolled with {box_name} (in {dir}); add --again to enrol it anew")]
    AlreadyEnrolled {
        /// The state directory.
        dir: PathBuf,
        /// What people call the box.
        box_name: String,
    },
    /// No place for it.
    #[error("there is no home directory to keep the state in; say where with --state DIR")]
    NoPlace,
    /// Cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Altered, cut short, or written by a later version.
    #[error("{path} cannot be used: {reason}; enrol this machine again with `datis enrol --again URI`")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not hold.
        reason: String,
    },
    /// Another run has it.
    #[error("another backup of `{source_name}` is running on this machine; wait until it has ended")]
    SourceBusy {
        /// The source.
        source_name: String,
    },
    /// Another process carries out what the box asked for.
    #[error("another `datis` is putting something back on this machine; wait until it has ended")]
    PutBackBusy,
    /// Another service runs with this state directory.
    #[error("another `datis service` runs with {dir}; stop it first")]
    ServiceBusy {
        /// The state directory.
        dir: PathBuf,
    },
}

impl StateError {
    /// How the program ends with it.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::NotEnrolled { .. } => Exit::NotEnrolled,
            Self::SourceBusy { .. } | Self::PutBackBusy | Self::ServiceBusy { .. } => Exit::Busy,
            Self::AlreadyEnrolled { .. }
            | Self::NoPlace
            | Self::Read { .. }
            | Self::Write { .. }
            | Self::Damaged { .. } => Exit::Failed,
        }
    }
}

/// An enrolled machine's state directory, read and checked.
#[derive(Debug)]
pub struct State {
    dir: PathBuf,
    key_pkcs8: Zeroizing<Vec<u8>>,
    signing_key: SigningKey,
    certificate: Vec<u8>,
    endpoint: Endpoint,
    /// This machine's id.
    pub machine: MachineId,
    /// Its name, as the box's admin chose it.
    pub machine_name: MachineName,
    /// What it is for.
    pub profile: Profile,
    /// What people call the box.
    pub box_name: String,
    /// The vault's dedup secret.
    pub secret: DedupSecret,
    /// Who can open what this machine writes.
    pub recipients: Recipients,
    /// What the box's receipts are checked with.
    pub receipt_key: PublicKey,
}

impl State {
    /// Where the state directory is: `chosen`, or where the platform expects it.
    ///
    /// # Errors
    /// [`StateError::NoPlace`].
    pub fn locate(chosen: Option<PathBuf>) -> Result<PathBuf, StateError> {
        chosen.or_else(crate::platform::default_state_dir).ok_or(StateError::NoPlace)
    }

    /// Reads and checks all files of `dir`.
    ///
    /// # Errors
    /// [`StateError::NotEnrolled`], [`StateError::Read`], [`StateError::Damaged`].
    pub fn open(dir: PathBuf) -> Result<Self, StateError> {
        let enrolment = Enrolment::read(&dir)?.ok_or_else(|| StateError::NotEnrolled { dir: dir.clone() })?;
        let key_pkcs8 = Zeroizing::new(read(&dir.join(KEY))?);
        let signing_key = SigningKey::from_pkcs8(&key_pkcs8).map_err(|e| damaged(&dir.join(KEY), e))?;
        let certificate = read(&dir.join(CERTIFICATE))?;
        let secret = Zeroizing::new(read(&dir.join(SECRET))?);
        let secret: [u8; 32] =
            secret.as_slice().try_into().map_err(|_| damaged(&dir.join(SECRET), "it has not 32 bytes"))?;
        let unusable = |e: KeyError| damaged(&dir.join(ENROLMENT), e);
        Ok(Self {
            signing_key,
            certificate,
            key_pkcs8,
            endpoint: enrolment.endpoint(),
            machine: enrolment.machine,
            machine_name: enrolment.machine_name.clone(),
            profile: enrolment.profile,
            box_name: enrolment.box_name.clone(),
            secret: DedupSecret::from_bytes(secret),
            recipients: Recipients::parse(&enrolment.recipients).map_err(unusable)?,
            receipt_key: enrolment.receipt_key,
            dir,
        })
    }

    /// Makes `dir`, and what is missing above it, for its owner alone.
    ///
    /// # Errors
    /// [`StateError::Write`].
    pub fn prepare(dir: &Path) -> Result<(), StateError> {
        create_private_dir(dir).map_err(|source| StateError::Write { path: dir.to_owned(), source })
    }

    /// Puts a new enrolment into `dir`: the files with secrets first, [`Enrolment`] last.
    ///
    /// # Errors
    /// [`StateError::Write`]; the earlier enrolment, if there was one, may be partly replaced then.
    pub fn create(
        dir: &Path,
        enrolment: &Enrolment,
        key_pkcs8: &[u8],
        certificate: &[u8],
        secret: &DedupSecret,
    ) -> Result<(), StateError> {
        write(&dir.join(KEY), key_pkcs8)?;
        write(&dir.join(CERTIFICATE), certificate)?;
        write(&dir.join(SECRET), secret.expose())?;
        enrolment.write(dir)
    }

    /// The private key of an earlier enrolment in `dir`, so that a new one keeps it: snapshots are signed with it.
    ///
    /// # Errors
    /// [`StateError::Read`].
    pub fn earlier_key(dir: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, StateError> {
        match read(&dir.join(KEY)) {
            Ok(key) => Ok(Some(Zeroizing::new(key))),
            Err(StateError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The state directory itself.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the box is.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    /// What this machine proves itself with.
    #[must_use]
    pub fn identity(&self) -> ClientIdentity {
        ClientIdentity { key_pkcs8: self.key_pkcs8.clone(), certificate_der: self.certificate.clone() }
    }

    /// Makes connections to the box.
    ///
    /// # Errors
    /// [`LinkError::Identity`].
    pub fn link(&self) -> Result<Link, LinkError> {
        Link::new(&self.endpoint, Some(&self.identity()))
    }

    /// The key that signs snapshot records; the same as [`Self::identity`]'s.
    #[must_use]
    pub const fn signing_key(&self) -> &SigningKey {
        &self.signing_key
    }

    /// A key that nobody but this machine can have, not even its box; another one for each `purpose`.
    #[must_use]
    pub fn own_key(&self, purpose: &'static str) -> [u8; 32] {
        blake3::derive_key(purpose, &self.key_pkcs8)
    }

    /// The certificate (X.509, DER).
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Takes a fresh certificate into use.
    ///
    /// # Errors
    /// [`StateError::Write`]; the present one stays in use then.
    pub fn replace_certificate(&mut self, certificate: Vec<u8>) -> Result<(), StateError> {
        write(&self.dir.join(CERTIFICATE), &certificate)?;
        self.certificate = certificate;
        Ok(())
    }

    /// A directory for what can be made again at any time; there, and for its owner alone.
    ///
    /// # Errors
    /// [`StateError::Write`].
    pub fn cache_dir(&self) -> Result<PathBuf, StateError> {
        self.private_dir("cache")
    }

    fn private_dir(&self, name: &str) -> Result<PathBuf, StateError> {
        let path = self.dir.join(name);
        create_private_dir(&path).map_err(|source| StateError::Write { path: path.clone(), source })?;
        Ok(path)
    }
}

/// A path for this process alone: held until it is dropped or the process ends.
fn lock(path: &Path) -> Result<Option<File>, StateError> {
    let failed = |source: io::Error| StateError::Write { path: path.to_owned(), source };
    let file = File::options().create(true).truncate(false).read(true).write(true).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(e)) => Err(failed(e)),
    }
}

fn damaged(path: &Path, reason: impl ToString) -> StateError {
    StateError::Damaged { path: path.to_owned(), reason: reason.to_string() }
}

fn read(path: &Path) -> Result<Vec<u8>, StateError> {
    let failed = |source: io::Error| StateError::Read { path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(failed)?.len() > FILE_MAX {
        return Err(damaged(path, "it is longer than any file of the state"));
    }
    std::fs::read(path).map_err(failed)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    durable::write(path, bytes).map_err(|source| StateError::Write { path: path.to_owned(), source })
}

fn write_toml(path: &Path, fields: &impl Serialize) -> Result<(), StateError> {
    durable::write_toml(path, fields).map_err(|source| StateError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    pub(crate) fn enrolled(dir: &Path) -> State {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("key").serialize_der();
        let recipient = datis_engine::keys::VaultIdentity::generate().recipient();
        let enrolment = Enrolment {
            host: "192.0.2.1".to_owned(),
            port: 20600,
            pin: datis_engine::ids::SpkiPin::from_bytes([1; 32]),
            box_name: "box".to_owned(),
            machine: MachineId::from_bytes([2; 16]),
            machine_name: "pc 1".parse().expect("name"),
            profile: Profile::Laptop,
            recipients: vec![recipient],
            receipt_key: PublicKey::from_slice(&[3; 32]).expect("key"),
        };
        State::create(dir, &enrolment, &key, b"certificate", &DedupSecret::from_bytes([4; 32])).expect("create");
        State::open(dir.to_owned()).expect("open")
    }

    #[test]
    fn an_enrolment_reads_back_and_its_secrets_are_for_the_owner_alone() {
        let dir = tempfile::tempdir().expect("temporary folder");
        assert!(matches!(State::open(dir.path().to_owned()), Err(StateError::NotEnrolled { .. })));
        let state = enrolled(dir.path());
        assert_eq!(
            (state.machine_name.as_str(), state.profile, state.endpoint().port),
            ("pc 1", Profile::Laptop, 20600)
        );
        assert_eq!(state.secret.expose(), &[4; 32]);
        for name in [KEY, SECRET] {
            assert_eq!(dir.path().join(name).metadata().expect("stat").mode() & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn a_later_format_or_a_cut_secret_is_named() {
        let dir = tempfile::tempdir().expect("temporary folder");
        drop(enrolled(dir.path()));
        std::fs::write(dir.path().join(SECRET), b"short").expect("write");
        let error = State::open(dir.path().to_owned()).expect_err("damaged").to_string();
        assert!(error.contains(SECRET), "{error}");
        std::fs::write(dir.path().join(ENROLMENT), "version = 9\nsomething = 1\n").expect("write");
        let error = State::open(dir.path().to_owned()).expect_err("later").to_string();
        assert!(error.contains("version 9"), "{error}");
    }
}
