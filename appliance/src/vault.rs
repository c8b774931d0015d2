//! What the box can open and sign with. Made once, on the first start, and never replaced.
//!
//! Making is idempotent and safe against a crash at any point: each file is put in place whole, in an order in which
//! every beginning can be completed by the next start. A key that is missing beside data it belongs to is an error,
//! never a reason to make another.

use std::path::{Path, PathBuf};

use datis_engine::format::FormatError;
use datis_engine::format::kit::{KitError, RecoveryKit, VaultFile};
use datis_engine::ids::VaultId;
use datis_engine::keys::{
    ChunkKeys, DedupSecret, DispersalSecret, KeptSigningKey, KeyError, Recipients, SigningKey, VaultIdentity,
    random_bytes,
};
use datis_engine::outside::head_content::HeadContent;
use datis_engine::units::UnixMillis;
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
    /// The same, to be handed on to the box that takes this one's place.
    pub kept_receipt_key: KeptSigningKey,
    /// What the box is known by: the key of its machine port, which signs what it tells other boxes.
    pub device_key: SigningKey,
    /// Seals what leaves for peers.
    pub dispersal: DispersalSecret,
    /// The vault file as it is in the store, sealed: heads carry it.
    pub sealed_file: Vec<u8>,
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
    /// A folder into which a lost box is brought back has keys of another one.
    #[error("{path} is of another box; recover into an empty folder")]
    OtherBox {
        /// The file.
        path: PathBuf,
    },
    /// The recovery kit's key was taken off the box.
    #[error(
        "the recovery kit is not on this box any more ({path} is missing); give the one on paper: --from FILE prints it again, \
         elsewhere it is --kit FILE"
    )]
    KitGone {
        /// The file.
        path: PathBuf,
    },
    /// What was typed is no kit.
    #[error(transparent)]
    KitText(#[from] KitError),
    /// It is the kit of another box.
    #[error("this is the kit of another box; take the one that was printed from this box")]
    OtherKit,
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
        let identity = identity(&identity_path(dir), new, "box identity made", step)?;
        let sealed = match vault_there {
            Some(sealed) => sealed,
            None => make_vault_file(dir, &identity, step)?,
        };
        let path = dir.vault_file();
        let plain =
            identity.open(&sealed, sealed.len()).map_err(|source| VaultError::Key { path: path.clone(), source })?;
        let damaged = |source| VaultError::VaultFile { path: path.clone(), source };
        let file = VaultFile::decode(&plain).map_err(damaged)?;
        let secret = file.dedup_secret().ok_or_else(|| {
            damaged(FormatError::Damaged { what: "vault file", reason: "length of the secret".to_owned() })
        })?;
        let recipients = Recipients::parse(file.recipients()).map_err(|source| VaultError::Key { path, source })?;

        let damaged_key = |source| VaultError::Key { path: KeyFile::Receipt.path(dir), source };
        let receipt_pkcs8 = signing_key(dir, KeyFile::Receipt, step)?;
        let receipt_key = SigningKey::from_pkcs8(&receipt_pkcs8).map_err(damaged_key)?;
        let kept_receipt_key = KeptSigningKey::new(receipt_pkcs8).map_err(damaged_key)?;
        let device_key = SigningKey::from_pkcs8(&signing_key(dir, KeyFile::Tls, step)?)
            .map_err(|source| VaultError::Key { path: KeyFile::Tls.path(dir), source })?;
        let dispersal = dispersal_secret(dir, step)?;
        let id = file.vault();
        Ok(Self {
            id,
            box_name: box_name.map_or_else(|| default_box_name(id), str::to_owned),
            keys: ChunkKeys::derive(&secret),
            secret,
            identity,
            recipients,
            receipt_key,
            kept_receipt_key,
            device_key,
            dispersal,
            sealed_file: sealed,
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
        Ok(RecoveryKit { vault: self.id, box_name: self.box_name.clone(), identity, community: None })
    }

    /// The recovery kit as somebody has it on paper, whole or on sheets, if it is this box's. It is not kept.
    ///
    /// # Errors
    /// [`VaultError::KitText`], [`VaultError::OtherKit`].
    pub fn kit_on_paper(&self, text: &str) -> Result<RecoveryKit, VaultError> {
        let kit = RecoveryKit::parse(text)?;
        let key = kit.identity.recipient();
        let opens = key != self.identity.recipient() && self.recipients.to_strings().contains(&key);
        if kit.vault != self.id || !opens {
            return Err(VaultError::OtherKit);
        }
        Ok(RecoveryKit { box_name: self.box_name.clone(), community: None, ..kit })
    }
}

/// Letters in a group of the kit's key.
const KIT_GROUP: usize = 4;
/// Groups in a line of the kit.
const KIT_LINE: usize = 7;

/// What of the kit's key differs from kit to kit, in groups of letters, as people read it.
#[must_use]
pub fn kit_groups(kit: &RecoveryKit) -> Vec<Zeroizing<String>> {
    let key = kit.identity.expose();
    let letters: Vec<char> = key.strip_prefix("AGE-SECRET-KEY-1").unwrap_or(&key).chars().collect();
    letters.chunks_exact(KIT_GROUP).map(|group| Zeroizing::new(group.iter().collect())).collect()
}

/// The kit as it is handed out: with the letters of its key in numbered groups, by which the box asks whether it is
/// still there.
#[must_use]
pub fn kit_page(kit: &RecoveryKit) -> Zeroizing<String> {
    let text = kit.to_text();
    let key_at = text.find("AGE-SECRET-KEY-").unwrap_or(text.len());
    let mut page = Zeroizing::new(String::with_capacity(2 * text.len()));
    page.push_str(&text[..key_at]);
    page.push_str("#\n# The same key in numbered groups. The box asks for two of them from time to time.\n");
    let groups = kit_groups(kit);
    for (line, groups) in groups.chunks(KIT_LINE).enumerate() {
        page.push('#');
        for (at, group) in groups.iter().enumerate() {
            let number = line * KIT_LINE + at + 1;
            page.push_str(&format!("  {number:>2}: "));
            page.push_str(group);
        }
        page.push('\n');
    }
    page.push_str(&text[key_at..]);
    page
}

/// When the box made what it is known by: its keys, its vault.
#[must_use]
pub fn made_at(dir: &DataDir) -> [Option<UnixMillis>; 2] {
    [identity_path(dir), dir.vault_file()].map(|path| files::written_at(&path))
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

/// Reads an Ed25519 key (PKCS#8, DER); makes it on a box that has neither catalog nor packs yet, so that no machine knows
/// another one and no record in the store is signed with another one.
pub(crate) fn signing_key(
    dir: &DataDir,
    which: KeyFile,
    step: &mut dyn FnMut(&str),
) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let path = which.path(dir);
    if let Some(der) = files::read_if_there(&path, KEY_FILE_MAX)? {
        return Ok(Zeroizing::new(der));
    }
    if dir.catalog_file().exists() || has_packs(dir) {
        return Err(VaultError::Missing { path });
    }
    let document = ring::signature::Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new())
        .map_err(|_| VaultError::Make(KeyError::NoRandom))?;
    let der = Zeroizing::new(document.as_ref().to_vec());
    files::put_new(&path, &der)?;
    step(which.made());
    Ok(der)
}

/// Reads the secret that seals shards; makes it where there is none: boxes were set up before there were peers. Whoever uses it
/// remembers its fingerprint, so that a lost one is noticed (`operations::dispersal`).
fn dispersal_secret(dir: &DataDir, step: &mut dyn FnMut(&str)) -> Result<DispersalSecret, VaultError> {
    let path = dispersal_path(dir);
    if let Some(bytes) = files::read_if_there(&path, KEY_FILE_MAX)?.map(Zeroizing::new) {
        let secret: Result<[u8; 32], _> = bytes.as_slice().try_into();
        return secret
            .map(DispersalSecret::from_bytes)
            .map_err(|_| VaultError::Key { path, source: KeyError::TooLong { max: 32 } });
    }
    let secret = DispersalSecret::generate().map_err(VaultError::Make)?;
    files::put_new(&path, secret.expose())?;
    step("secret for peers made");
    Ok(secret)
}

/// Keys of the portal (PKCS#8, DER, ECDSA P-256: the kind that every browser takes). Nothing that is stored rests on
/// them, so they are made whenever they are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PortalKey {
    /// Signs the portal's certificates.
    Authority,
    /// The portal's own.
    Server,
}

impl PortalKey {
    fn path(self, dir: &DataDir) -> PathBuf {
        dir.keys_dir().join(match self {
            Self::Authority => "portal-ca.pkcs8",
            Self::Server => "portal.pkcs8",
        })
    }
}

/// Reads a key of the portal; makes it where there is none.
pub(crate) fn portal_key(
    dir: &DataDir,
    which: PortalKey,
    step: &mut dyn FnMut(&str),
) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
    let path = which.path(dir);
    if let Some(der) = files::read_if_there(&path, KEY_FILE_MAX)? {
        return Ok(Zeroizing::new(der));
    }
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &ring::rand::SystemRandom::new())
        .map_err(|_| VaultError::Make(KeyError::NoRandom))?;
    let der = Zeroizing::new(document.as_ref().to_vec());
    files::put_new(&path, &der)?;
    step(match which {
        PortalKey::Authority => "authority of the portal made",
        PortalKey::Server => "key of the portal made",
    });
    Ok(der)
}

fn kit_path(dir: &DataDir) -> PathBuf {
    dir.keys_dir().join("kit.age-key")
}

/// `datis-` and four digits of the vault's id.
pub(crate) fn default_box_name(id: VaultId) -> String {
    format!("datis-{}", data_encoding::HEXLOWER.encode(&id.as_bytes()[..2]))
}

/// Whether a folder of packs has anything in it; one that cannot be read counts as full, so that nothing is made anew.
fn has_packs(dir: &DataDir) -> bool {
    match std::fs::read_dir(dir.store_dir().join("packs")) {
        Ok(mut entries) => entries.next().is_some(),
        Err(e) => e.kind() != std::io::ErrorKind::NotFound,
    }
}

/// Makes the keys that a box has for itself alone, in a folder without packs.
///
/// # Errors
/// [`VaultError`].
pub(crate) fn make_own_keys(dir: &DataDir) -> Result<(), VaultError> {
    for which in [KeyFile::Tls, KeyFile::MachineCa] {
        let _made = signing_key(dir, which, &mut |_| ())?;
    }
    Ok(())
}

/// Gives the keys that a box has for itself alone to the one that takes its place, so that machines, other boxes and browsers
/// find the same one.
///
/// # Errors
/// [`VaultError`].
pub(crate) fn hand_on_own_keys(from: &DataDir, to: &DataDir) -> Result<(), VaultError> {
    let own = [KeyFile::Tls, KeyFile::MachineCa].map(|which| (which.path(from), which.path(to)));
    let portal = [PortalKey::Authority, PortalKey::Server].map(|which| (which.path(from), which.path(to)));
    // What browsers trust is the authority's certificate as it is.
    let shown = [from, to].map(|dir| dir.keys_dir().join("portal-ca.der"));
    for (from, to) in own.into_iter().chain(portal).chain([shown.into()]) {
        let key = files::read_if_there(&from, KEY_FILE_MAX)?.map(Zeroizing::new);
        if let Some(key) = key.filter(|_| !to.exists()) {
            files::put_new(&to, &key)?;
        }
    }
    Ok(())
}

/// The box's own key, which is there: its certificate was made from it.
///
/// # Errors
/// [`VaultError`].
pub(crate) fn device_key(dir: &DataDir) -> Result<SigningKey, VaultError> {
    SigningKey::from_pkcs8(&signing_key(dir, KeyFile::Tls, &mut |_| ())?)
        .map_err(|source| VaultError::Key { path: KeyFile::Tls.path(dir), source })
}

/// Takes over what a lost box opened its packs and its shards with, what it signed receipts with, and the vault file.
///
/// # Errors
/// [`VaultError::OtherBox`] where something else is there; [`VaultError::File`].
pub(crate) fn inherit(dir: &DataDir, lost: &HeadContent) -> Result<(), VaultError> {
    let text = Zeroizing::new(format!("{}\n", lost.identity.expose().as_str()));
    for (path, bytes) in [
        (identity_path(dir), text.as_bytes()),
        (dispersal_path(dir), &lost.dispersal.expose()[..]),
        (KeyFile::Receipt.path(dir), lost.receipt_key.expose()),
        (dir.vault_file(), &lost.vault_file),
    ] {
        match files::read_if_there(&path, KEY_FILE_MAX)?.map(Zeroizing::new) {
            None => files::put_new(&path, bytes)?,
            Some(there) if there.as_slice() == bytes => {}
            Some(_) => return Err(VaultError::OtherBox { path }),
        }
    }
    Ok(())
}

fn identity_path(dir: &DataDir) -> PathBuf {
    dir.keys_dir().join("identity.age-key")
}

fn dispersal_path(dir: &DataDir) -> PathBuf {
    dir.keys_dir().join("dispersal.key")
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn open(dir: &DataDir) -> Result<(Vault, Vec<String>), VaultError> {
        let mut steps = Vec::new();
        let vault = Vault::open_or_make(dir, None, &mut |step| steps.push(step.to_owned()))?;
        Ok((vault, steps))
    }

    #[test]
    fn the_second_start_makes_nothing_and_finds_the_same_vault() {
        let folder = tempfile::tempdir().expect("folder");
        let dir = DataDir::new(folder.path().join("box"));
        let (first, steps) = open(&dir).expect("first");
        assert_eq!(steps.len(), 6);
        let (second, steps) = open(&dir).expect("second");
        assert!(steps.is_empty());
        assert_eq!((first.id, first.secret.expose()), (second.id, second.secret.expose()));
        assert_eq!(first.receipt_key.public_key(), second.receipt_key.public_key());
        assert_eq!(first.dispersal.expose(), second.dispersal.expose());
        assert!(first.box_name.starts_with("datis-") && first.box_name == second.box_name);
    }

    #[test]
    fn every_beginning_of_a_first_start_is_completed_by_the_next() {
        let files = [
            "keys/identity.age-key",
            "keys/kit.age-key",
            "store/vault.age",
            "keys/receipt.pkcs8",
            "keys/dispersal.key",
        ];
        for made in 0..files.len() {
            let folder = tempfile::tempdir().expect("folder");
            let dir = DataDir::new(folder.path());
            open(&dir).expect("first");
            for file in &files[made..] {
                std::fs::remove_file(dir.root().join(file)).expect("remove");
            }
            let read = || -> Vec<_> {
                files[..made].iter().map(|f| std::fs::read(dir.root().join(f)).expect("read")).collect()
            };
            let kept = read();
            let (vault, steps) = open(&dir).expect("completed");
            assert_eq!(steps.len(), files.len() - made);
            assert_eq!(kept, read(), "what was there is kept");
            vault.recovery_kit(&dir).expect("kit");
        }
    }

    #[test]
    fn a_key_that_is_lost_beside_its_data_is_not_made_anew() {
        let folder = tempfile::tempdir().expect("folder");
        let dir = DataDir::new(folder.path());
        open(&dir).expect("first");
        std::fs::create_dir(dir.catalog_dir()).expect("catalog");
        std::fs::write(dir.catalog_file(), b"").expect("catalog");
        for file in ["keys/identity.age-key", "keys/receipt.pkcs8"] {
            let path = dir.root().join(file);
            let bytes = std::fs::read(&path).expect("read");
            std::fs::remove_file(&path).expect("remove");
            assert!(matches!(open(&dir), Err(VaultError::Missing { path: named }) if named == path), "{file}");
            assert!(!path.exists());
            std::fs::write(&path, bytes).expect("put back");
            open(&dir).expect("back");
        }
        std::fs::create_dir(dir.store_dir().join("packs")).expect("packs");
        std::fs::write(dir.store_dir().join("packs/x"), b"").expect("pack");
        // Also when the catalog is gone as well: records are signed with this key.
        std::fs::remove_file(dir.catalog_file()).expect("remove");
        let receipt = KeyFile::Receipt.path(&dir);
        let bytes = std::fs::read(&receipt).expect("read");
        std::fs::remove_file(&receipt).expect("remove");
        assert!(matches!(open(&dir), Err(VaultError::Missing { path }) if path == receipt));
        std::fs::write(&receipt, bytes).expect("put back");
        std::fs::remove_file(dir.vault_file()).expect("remove");
        assert!(matches!(open(&dir), Err(VaultError::Missing { .. })));
    }

    #[test]
    fn damaged_keys_are_named_and_kept() {
        let folder = tempfile::tempdir().expect("folder");
        let dir = DataDir::new(folder.path());
        open(&dir).expect("first");
        for file in ["keys/identity.age-key", "store/vault.age", "keys/receipt.pkcs8"] {
            let path = dir.root().join(file);
            let bytes = std::fs::read(&path).expect("read");
            std::fs::write(&path, b"\xff\x00noise").expect("damage");
            let message = open(&dir).expect_err(file).to_string();
            assert!(message.contains(file), "{message}");
            std::fs::write(&path, bytes).expect("put back");
        }
    }

    #[test]
    fn the_kit_opens_the_vault_and_a_kit_that_was_taken_off_is_said_to_be_gone() {
        let folder = tempfile::tempdir().expect("folder");
        let dir = DataDir::new(folder.path());
        let (vault, _) = open(&dir).expect("first");
        let kit = vault.recovery_kit(&dir).expect("kit");
        let sealed = std::fs::read(dir.vault_file()).expect("vault file");
        let plain = kit.identity.open(&sealed, 1 << 16).expect("the kit opens it");
        assert_eq!(VaultFile::decode(&plain).expect("decode").vault(), vault.id);
        std::fs::remove_file(kit_path(&dir)).expect("take off");
        let (vault, _) = open(&dir).expect("still opens");
        assert!(matches!(vault.recovery_kit(&dir), Err(VaultError::KitGone { .. })));
    }

    #[test]
    fn nobody_else_can_read_the_keys() {
        let folder = tempfile::tempdir().expect("folder");
        let dir = DataDir::new(folder.path());
        open(&dir).expect("first");
        let mode = |path: &Path| std::fs::metadata(path).expect("stat").permissions().mode() & 0o777;
        assert_eq!(mode(&dir.keys_dir()), 0o700);
        for entry in std::fs::read_dir(dir.keys_dir()).expect("keys") {
            assert_eq!(mode(&entry.expect("entry").path()), 0o600);
        }
    }

    #[test]
    fn a_kit_that_is_handed_out_opens_as_it_did_and_shows_its_groups() {
        let folder = tempfile::tempdir().expect("folder");
        let dir = DataDir::new(folder.path());
        let (vault, _) = open(&dir).expect("first");
        let kit = vault.recovery_kit(&dir).expect("kit");
        let page = kit_page(&kit);
        let back = RecoveryKit::parse(&page).expect("a kit");
        assert_eq!((back.vault, back.identity.recipient()), (kit.vault, kit.identity.recipient()));
        let groups = kit_groups(&kit);
        assert!(groups.len() >= 14, "{}", groups.len());
        let key = kit.identity.expose();
        for (at, group) in groups.iter().enumerate() {
            assert!(page.contains(&format!("{:>2}: {}", at + 1, group.as_str())), "group {}", at + 1);
            assert!(key.contains(group.as_str()) && !"AGE-SECRET-KEY-1".contains(group.as_str()));
        }
    }
}
