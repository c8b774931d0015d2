//! What the box can open and sign with. Made once, on the first start, and never replaced.
//!
//! Making is idempotent and safe against a crash at any point: each file is put in place whole, in an order in which
//! every beginning can be completed by the next start. A key that is missing beside data it belongs to is an error,
//! never a reason to make another.

use std::path::{Path, PathBuf};

use datis_engine::format::FormatError;
use datis_engine::format::kit::{RecoveryKit, VaultFile};
use datis_engine::ids::VaultId;
use datis_engine::keys::{ChunkKeys, DedupSecret, KeyError, Recipients, SigningKey, VaultIdentity, random_bytes};
use zeroize::Zeroizing;

use crate::config::DataDir;
use crate::files::{self, FileError};

/// No key or vault file is longer, in bytes.
const KEY_FILE_MAX: u64 = 64 << 10;

/// What the box can open and sign with.
#[derive(Debug)]
pub struct Vault {
    /// Which vault.
    pub id: VaultId,
    /// What people call the box.
    pub box_name: String,
    /// What its machines share.
    pub secret: DedupSecret,
    /// Derived from [`Self::secret`].
    pub keys: ChunkKeys,
    /// What the box opens packs and snapshots with.
    pub identity: VaultIdentity,
    /// For whom everything is sealed: the box and the recovery kit.
    pub recipients: Recipients,
    /// Signs receipts.
    pub receipt_key: SigningKey,
}

/// Why the vault could not be opened or made.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// A file cannot be read or made durable.
    #[error("the box's keys cannot be read or written; check the disk and the owner of the folder")]
    File(#[from] FileError),
    /// A key file has other content than it should.
    #[error("{path} is damaged; put it back from a copy of the box's folder")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: KeyError,
    },
    /// The vault file opened, but its content is not understood.
    #[error("{path} is damaged or of a later version; put it back from a copy, or update the box")]
    VaultFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: FormatError,
    },
    /// A key is not there although data that needs it is.
    #[error("{path} is missing although this box has data that needs it; put it back from a copy of the box's folder")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The recovery kit's key was taken off the box.
    #[error("the recovery kit is not on this box any more, so it cannot be printed again: {path} is missing")]
    KitGone {
        /// The file.
        path: PathBuf,
    },
    /// No random numbers, or a sealing step failed.
    #[error("the box cannot make its keys")]
    Make(#[source] KeyError),
}

impl Vault {
    /// Opens the vault of the folder; makes what is not there yet. `step` hears of each thing that is made.
    ///
    /// `box_name`: as configured; otherwise `datis-` and four digits of the vault's id.
    ///
    /// # Errors
    /// [`VaultError`]; what is there already is kept, and the next start goes on from it.
    pub fn open_or_make(dir: &DataDir, box_name: Option<&str>, step: &mut dyn FnMut(&str)) -> Result<Self, VaultError> {
        files::make_private_dir(dir.root())?;
        files::make_private_dir(&dir.keys_dir())?;
        files::make_private_dir(&dir.store_dir())?;

        // Data exists when the vault file does: it is written last of the three, before any pack can be.
        let vault_there = files::read_if_there(&dir.vault_file(), KEY_FILE_MAX)?;
        let new = vault_there.is_none();
        if new && has_packs(dir) {
            return Err(VaultError::Missing { path: dir.vault_file() });
        }
        let identity = identity(&dir.keys_dir().join("identity.age-key"), new, "box identity made", step)?;
        let sealed = match vault_there {
            Some(sealed) => sealed,
            None => make_vault_file(dir, &identity, step)?,
        };
        let path = dir.vault_file();
        let plain =
            identity.open(&sealed, sealed.len()).map_err(|source| VaultError::Key { path: path.clone(), source })?;
        let damaged = |source| VaultError::VaultFile { path: path.clone(), source };
        let file = VaultFile::decode(&plain).map_err(damaged)?;
        let secret =
            file.dedup_secret().ok_or_else(|| damaged(FormatError::damaged("vault file", "length of the secret")))?;
        let recipients = Recipients::parse(file.recipients()).map_err(|source| VaultError::Key { path, source })?;

        // Machines remember the receipt key, and they exist only when the catalog does.
        let receipt_key = signing_key(dir, KeyFile::Receipt, step)?;
        let parse = |der: &[u8]| SigningKey::from_pkcs8(der);
        let receipt_key =
            parse(&receipt_key).map_err(|source| VaultError::Key { path: KeyFile::Receipt.path(dir), source })?;
        let id = file.vault();
        Ok(Self {
            id,
            box_name: box_name.map_or_else(|| default_box_name(id), str::to_owned),
            keys: ChunkKeys::derive(&secret),
            secret,
            identity,
            recipients,
            receipt_key,
        })
    }

    /// The recovery kit, as long as its key has not been taken off the box.
    ///
    /// # Errors
    /// [`VaultError::KitGone`], [`VaultError::Key`], [`VaultError::File`].
    pub fn recovery_kit(&self, dir: &DataDir) -> Result<RecoveryKit, VaultError> {
        let path = kit_path(dir);
        let text = read_text(&path)?.ok_or_else(|| VaultError::KitGone { path: path.clone() })?;
        let identity = VaultIdentity::parse(&text).map_err(|source| VaultError::Key { path, source })?;
        Ok(RecoveryKit { vault: self.id, box_name: self.box_name.clone(), identity })
    }
}

/// The box's Ed25519 keys: three, so that none can be used in another's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyFile {
    /// Signs receipts.
    Receipt,
    /// Proves to machines that they talk to this box.
    Tls,
    /// Signs the machines' certificates.
    MachineCa,
}

impl KeyFile {
    pub(crate) fn path(self, dir: &DataDir) -> PathBuf {
        dir.keys_dir().join(match self {
            Self::Receipt => "receipt.pkcs8",
            Self::Tls => "tls.pkcs8",
            Self::MachineCa => "machine-ca.pkcs8",
        })
    }

    fn made(self) -> &'static str {
        match self {
            Self::Receipt => "receipt key made",
            Self::Tls => "key of the machine port made",
            Self::MachineCa => "authority for machine certificates made",
        }
    }
}

/// Reads an Ed25519 key (PKCS#8, DER); makes it on a box that has no catalog yet, so that no machine knows another one.
pub(crate) fn signing_key(
    dir: &DataDir,
    which: KeyFile,
    step: &mut dyn FnMut(&str),
) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let path = which.path(dir);
    if let Some(der) = files::read_if_there(&path, KEY_FILE_MAX)? {
        return Ok(Zeroizing::new(der));
    }
    if dir.catalog_file().exists() {
        return Err(VaultError::Missing { path });
    }
    let document = ring::signature::Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new())
        .map_err(|_| VaultError::Make(KeyError::NoRandom))?;
    let der = Zeroizing::new(document.as_ref().to_vec());
    files::put_new(&path, &der)?;
    step(which.made());
    Ok(der)
}

fn kit_path(dir: &DataDir) -> PathBuf {
    dir.keys_dir().join("kit.age-key")
}

fn default_box_name(id: VaultId) -> String {
    format!("datis-{}", data_encoding::HEXLOWER.encode(&id.as_bytes()[..2]))
}

/// Whether a folder of packs has anything in it; one that cannot be read counts as full, so that nothing is made anew.
fn has_packs(dir: &DataDir) -> bool {
    match std::fs::read_dir(dir.store_dir().join("packs")) {
        Ok(mut entries) => entries.next().is_some(),
        Err(e) => e.kind() != std::io::ErrorKind::NotFound,
    }
}

fn make_vault_file(dir: &DataDir, identity: &VaultIdentity, step: &mut dyn FnMut(&str)) -> Result<Vec<u8>, VaultError> {
    let kit = self::identity(&kit_path(dir), true, "recovery kit made", step)?;
    let names = vec![identity.recipient(), kit.recipient()];
    let id = VaultId::from_bytes(random_bytes().map_err(VaultError::Make)?);
    let secret = DedupSecret::generate().map_err(VaultError::Make)?;
    let plain = Zeroizing::new(VaultFile::new(id, &secret, names.clone()).encode());
    let sealed = Recipients::parse(&names).and_then(|r| r.seal(&plain)).map_err(VaultError::Make)?;
    files::put_new(&dir.vault_file(), &sealed)?;
    step("vault made");
    Ok(sealed)
}

fn identity(
    path: &Path,
    may_make: bool,
    made: &'static str,
    step: &mut dyn FnMut(&str),
) -> Result<VaultIdentity, VaultError> {
    match read_text(path)? {
        Some(text) => VaultIdentity::parse(&text).map_err(|source| VaultError::Key { path: path.to_owned(), source }),
        None if may_make => {
            let identity = VaultIdentity::generate();
            files::put_new(path, format!("{}\n", identity.expose().as_str()).as_bytes())?;
            step(made);
            Ok(identity)
        }
        None => Err(VaultError::Missing { path: path.to_owned() }),
    }
}

fn read_text(path: &Path) -> Result<Option<Zeroizing<String>>, VaultError> {
    let Some(bytes) = files::read_if_there(path, KEY_FILE_MAX)? else { return Ok(None) };
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(Zeroizing::new(text))),
        Err(_) => Err(VaultError::Key { path: path.to_owned(), source: KeyError::Identity }),
    }
}
