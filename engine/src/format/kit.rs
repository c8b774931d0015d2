//! The recovery kit as text, and the vault file: what a blank box needs to open a vault again.

use minicbor::{Decode, Encode};

use super::kit_shares::JoinError;
use super::kit_sheets::{self, SheetError};
use super::kit_words::{self, WordsError};
use super::snapshot::check_version;
use super::{FormatError, VERSION, decode_all, to_vec};
use crate::ids::{CommunityId, SpkiPin, VaultId};
use crate::keys::{DedupSecret, KeyError, VaultIdentity};

const VAULT: &str = "vault file";
const HEADER: &str = "DATIS RECOVERY KIT 1";
const BOX: &str = "Box:";
const VAULT_LINE: &str = "Vault:";
/// The public side of the key, on sheets: whether they give the right one.
const RECIPIENT: &str = "Kit:";
/// How each line of the key in words begins.
const WORDS: &str = "Words";

/// What belongs to the vault as a whole: the plain content of an age file in the store, sealed for the recipients.
#[derive(Clone, Encode, Decode)]
pub struct VaultFile {
    /// [`VERSION`].
    #[n(0)]
    version: u8,
    /// Which vault.
    #[n(1)]
    vault: VaultId,
    /// 32 bytes.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    dedup_secret: Vec<u8>,
    /// The text forms of all recipients.
    #[n(3)]
    recipients: Vec<String>,
}

impl VaultFile {
    /// Describes a vault.
    #[must_use]
    pub fn new(vault: VaultId, secret: &DedupSecret, recipients: Vec<String>) -> Self {
        Self { version: VERSION, vault, dedup_secret: secret.expose().to_vec(), recipients }
    }

    /// Which vault.
    #[must_use]
    pub fn vault(&self) -> VaultId {
        self.vault
    }

    /// What its machines share.
    #[must_use]
    pub fn dedup_secret(&self) -> Option<DedupSecret> {
        self.dedup_secret.as_slice().try_into().ok().map(DedupSecret::from_bytes)
    }

    /// The text forms of all recipients.
    #[must_use]
    pub fn recipients(&self) -> &[String] {
        &self.recipients
    }

    /// The file's plain bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        to_vec(self)
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        check_version(VAULT, bytes)?;
        let file: Self = decode_all(VAULT, bytes)?;
        if file.dedup_secret.len() == 32 { Ok(file) } else { Err(FormatError::damaged(VAULT, "length of the secret")) }
    }
}

impl Drop for VaultFile {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.dedup_secret);
    }
}

/// The recovery kit: the one thing that has to survive outside the box.
#[derive(Debug, Clone)]
pub struct RecoveryKit {
    /// Which vault it opens.
    pub vault: VaultId,
    /// What people call the box.
    pub box_name: String,
    /// What it opens the vault with.
    pub identity: VaultIdentity,
    /// Whose boxes keep the vault's shards; `None`: nobody's do.
    pub community: Option<KitCommunity>,
}

/// Where a blank box begins to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KitCommunity {
    /// Which community: its log is checked by this.
    pub id: CommunityId,
    /// Some members, at most [`HINTS_MAX`]; any one that answers is enough.
    pub hints: Vec<KitHint>,
}

/// A member's box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KitHint {
    /// Where it was when the kit was printed, HOST:PORT.
    pub place: String,
    /// Its key.
    pub pin: SpkiPin,
}

/// The most members that a kit names.
pub const HINTS_MAX: usize = 16;

/// Why a kit's text was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum KitError {
    /// The line is not there.
    #[error("the kit has no line `{0}`; copy it whole")]
    Missing(&'static str),
    /// Written by a later version.
    #[error("this is not a Datis recovery kit of version 1; a newer kit needs a newer program")]
    Version,
    /// The vault line cannot be read.
    #[error("the kit's vault line is mistyped: 32 hexadecimal digits are expected")]
    Vault,
    /// Sheets of two boxes.
    #[error("these are sheets of two boxes, one of vault {one} and one of vault {other}; take two of the same box")]
    TwoVaults {
        /// The vault of the first sheet.
        one: VaultId,
        /// The first other one.
        other: VaultId,
    },
    /// The sheets give another key than they say.
    #[error(
        "the sheets do not fit their line `{RECIPIENT}`: that line is mistyped, or a sheet was altered; compare it, or take the third \
         sheet"
    )]
    OtherKey,
    /// A line about the community cannot be read.
    #[error("the kit's line `{0}` is mistyped; type it as it is printed")]
    Line(String),
    /// The key in words cannot be read.
    #[error(transparent)]
    Words(#[from] WordsError),
    /// The key line cannot be read.
    #[error("the kit's key line is mistyped: it starts with AGE-SECRET-KEY-1 and has a checksum that does not fit")]
    Key(#[source] KeyError),
    /// A sheet cannot be read.
    #[error(transparent)]
    Sheet(#[from] SheetError),
    /// Sheets that give no key.
    #[error(transparent)]
    Join(#[from] JoinError),
}

impl RecoveryKit {
    /// The text to print. The key line alone is an identity file for the stock `age` tool.
    #[must_use]
    pub fn to_text(&self) -> zeroize::Zeroizing<String> {
        zeroize::Zeroizing::new(format!(
            "# {HEADER}\n# Box: {}\n# Vault: {}\n#\n\
             # Whoever holds this page can read every backup of this box. Keep it away from the box, in two places.\n\
             # It opens the store without the box: docs/FORMAT.md and docs/reader.py tell how, with the stock age tool.\n\
             {}{}{}\n",
            self.box_name,
            self.vault,
            self.community.as_ref().map(KitCommunity::lines).unwrap_or_default(),
            words(&self.identity).as_str(),
            self.identity.expose().as_str()
        ))
    }

    /// Reads the text again: a kit, or two sheets of one, in whatever order. Where there are more pages, the first kit counts.
    ///
    /// # Errors
    /// [`KitError`] names the line.
    pub fn parse(text: &str) -> Result<Self, KitError> {
        let mut pages = Page::all(text);
        if let Some(kit) = pages.iter().position(|page| page.sort == Sort::Kit) {
            pages = vec![pages.swap_remove(kit)];
        }
        let vault = one_vault(&pages)?;
        let identity = match pages.as_slice() {
            [] => return Err(KitError::Version),
            [kit] if kit.sort == Sort::Kit => key(kit)?,
            sheets => kit_sheets::join(sheets)?,
        };
        let comments: Vec<&str> = pages.iter().flat_map(Page::comments).collect();
        if field(&comments, RECIPIENT).is_some_and(|named| named != identity.recipient()) {
            return Err(KitError::OtherKey);
        }
        let box_name = field(&comments, BOX).ok_or(KitError::Missing(BOX))?.to_owned();
        let community = KitCommunity::parse(&comments)?;
        Ok(Self { vault, box_name, identity, community })
    }
}

/// What a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// The whole kit.
    Kit,
    /// One of three sheets.
    Sheet,
}

/// One page of a text: the lines from its header up to the next one. What comes before the first header belongs to the first page.
pub(super) struct Page<'t> {
    sort: Sort,
    pub(super) lines: Vec<&'t str>,
}

impl<'t> Page<'t> {
    fn all(text: &'t str) -> Vec<Self> {
        let (mut pages, mut before) = (Vec::<Self>::new(), Vec::new());
        for line in text.lines().map(str::trim) {
            let sort = match line.strip_prefix('#').map(str::trim) {
                Some(HEADER) => Some(Sort::Kit),
                Some(kit_sheets::HEADER) => Some(Sort::Sheet),
                _ => None,
            };
            match (sort, pages.last_mut()) {
                (Some(sort), _) => pages.push(Self { sort, lines: std::mem::take(&mut before) }),
                (None, Some(page)) => page.lines.push(line),
                (None, None) => before.push(line),
            }
        }
        pages
    }

    fn comments(&self) -> impl Iterator<Item = &'t str> {
        self.lines.iter().filter_map(|line| line.strip_prefix('#')).map(str::trim)
    }

    /// The lines that say something by themselves.
    pub(super) fn bare_lines(&self) -> impl Iterator<Item = &'t str> {
        self.lines.iter().copied().filter(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with(WORDS))
    }
}

/// The numbered lines of words, in order; there are to be `of`.
pub(super) fn numbered_words<'t>(lines: &[&'t str], of: usize) -> Result<Vec<&'t str>, WordsError> {
    let words: Vec<(&str, &str)> = lines
        .iter()
        .filter_map(|line| line.trim_start_matches('#').trim().strip_prefix(WORDS)?.split_once(':'))
        .collect();
    match (1_usize..).zip(&words).find(|(line, (number, _))| number.trim().parse() != Ok(*line)) {
        Some((line, _)) => Err(WordsError::Count { line, of }),
        None => Ok(words.into_iter().map(|(_, words)| words).collect()),
    }
}

fn field<'t>(comments: &[&'t str], name: &str) -> Option<&'t str> {
    comments.iter().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// The vault that all of the pages name, those that name one.
fn one_vault(pages: &[Page<'_>]) -> Result<VaultId, KitError> {
    let named = pages.iter().flat_map(Page::comments).filter_map(|line| line.strip_prefix(VAULT_LINE));
    let vaults: Vec<VaultId> =
        named.map(|vault| vault.trim().parse().map_err(|_| KitError::Vault)).collect::<Result<_, _>>()?;
    let one =
        *vaults.first().ok_or(if pages.is_empty() { KitError::Version } else { KitError::Missing(VAULT_LINE) })?;
    match vaults.into_iter().find(|other| *other != one) {
        Some(other) => Err(KitError::TwoVaults { one, other }),
        None => Ok(one),
    }
}

fn mistyped(line: &str) -> KitError {
    KitError::Line(line.chars().take(80).collect())
}

/// The key in words, for whoever types it.
fn words(identity: &VaultIdentity) -> zeroize::Zeroizing<String> {
    let mut text = zeroize::Zeroizing::new(String::with_capacity(640));
    text.push_str(
        "#\n# The same key in words; they can be typed in place of the line with the key. The last word of each line checks it.\n",
    );
    for (number, line) in (1..).zip(kit_words::to_lines(identity)) {
        text.push_str(&format!("# {WORDS} {number}: "));
        text.push_str(&line);
        text.push('\n');
    }
    text.push_str("#\n");
    text
}

/// The key line; or, where somebody has typed the words instead, what they say.
fn key(page: &Page<'_>) -> Result<VaultIdentity, KitError> {
    // What else stands there comes from the page, where the kit was copied out of a document.
    let is_key = |line: &&str| line.starts_with("AGE-SECRET-KEY-");
    if let Some(key) = page.bare_lines().find(is_key).or_else(|| page.bare_lines().next()) {
        return VaultIdentity::parse(key).map_err(KitError::Key);
    }
    let words = numbered_words(&page.lines, kit_words::LINES)?;
    if words.is_empty() {
        return Err(KitError::Missing("AGE-SECRET-KEY-1…"));
    }
    Ok(kit_words::parse(&words)?)
}

impl std::str::FromStr for KitHint {
    type Err = KitError;

    /// HOST:PORT#PIN.
    fn from_str(raw: &str) -> Result<Self, KitError> {
        let (place, pin) = raw.rsplit_once('#').ok_or_else(|| mistyped(raw))?;
        Ok(Self { place: place.to_owned(), pin: pin.parse().map_err(|_| mistyped(raw))? })
    }
}

impl KitCommunity {
    pub(super) fn lines(&self) -> String {
        let mut lines = format!("#\n# Community: {}\n", self.id);
        for hint in &self.hints {
            lines.push_str(&format!("# Peer: {}#{}\n", hint.place, hint.pin));
        }
        lines + "#\n"
    }

    fn parse(comments: &[&str]) -> Result<Option<Self>, KitError> {
        let Some(id) = field(comments, "Community:") else { return Ok(None) };
        let id = id.parse().map_err(|_| mistyped(id))?;
        let mut hints: Vec<KitHint> = Vec::new();
        for line in comments.iter().filter_map(|line| line.strip_prefix("Peer:")) {
            let hint = line.trim().parse()?;
            // Each of two sheets names the same ones.
            if hints.len() < HINTS_MAX && !hints.contains(&hint) {
                hints.push(hint);
            }
        }
        Ok(Some(Self { id, hints }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kit_reads_what_it_prints_and_names_the_line_that_is_wrong() {
        let kit = RecoveryKit {
            vault: VaultId::from_bytes([7; 16]),
            box_name: "datis-0a1b".into(),
            identity: VaultIdentity::generate(),
            community: None,
        };
        let text = kit.to_text();
        let back = RecoveryKit::parse(&text).expect("parse");
        assert_eq!((back.vault, back.identity.recipient()), (kit.vault, kit.identity.recipient()));
        assert!(matches!(RecoveryKit::parse(""), Err(KitError::Version)));
        assert!(matches!(RecoveryKit::parse(&text.replace("0707", "07x7")), Err(KitError::Vault)));
        let typo = text.replace("AGE-SECRET-KEY-1Q", "AGE-SECRET-KEY-1P").replace("KEY-1", "KEY-1A");
        assert!(matches!(RecoveryKit::parse(&typo), Err(KitError::Key(_))));
    }

    #[test]
    fn a_kit_tells_where_to_begin_and_names_the_line_that_is_wrong() {
        let hint = |n: u8| KitHint { place: format!("box-{n}.example.org:20600"), pin: SpkiPin::from_bytes([n; 32]) };
        let community = KitCommunity { id: CommunityId::from_bytes([5; 32]), hints: vec![hint(1), hint(2)] };
        let kit = RecoveryKit {
            vault: VaultId::from_bytes([7; 16]),
            box_name: "datis-0a1b".into(),
            identity: VaultIdentity::generate(),
            community: Some(community.clone()),
        };
        let text = kit.to_text();
        assert_eq!(RecoveryKit::parse(&text).expect("parse").community, Some(community));
        for (right, wrong) in [("# Community: 05", "# Community: 5"), ("20600#0101", "20600 0101"), ("#0202", "#02x2")]
        {
            let told = RecoveryKit::parse(&text.replacen(right, wrong, 1));
            assert!(matches!(told, Err(KitError::Line(_))), "{wrong}");
        }
    }

    #[test]
    fn the_words_of_a_kit_are_as_good_as_its_key_and_the_line_that_is_wrong_is_named() {
        let kit = RecoveryKit {
            vault: VaultId::from_bytes([7; 16]),
            box_name: "datis-0a1b".into(),
            identity: VaultIdentity::generate(),
            community: None,
        };
        let text = kit.to_text();
        let typed: String = text
            .lines()
            .filter(|line| !line.starts_with("AGE-"))
            .map(|line| format!("{}\n", line.replace("# Words", "Words")))
            .collect();
        assert_eq!(RecoveryKit::parse(&typed).expect("parse").identity.recipient(), kit.identity.recipient());
        let still_hashed = text.replace("AGE-SECRET", "# AGE-SECRET");
        assert_eq!(RecoveryKit::parse(&still_hashed).expect("parse").identity.recipient(), kit.identity.recipient());
        let line =
            |number: usize| typed.lines().find(|line| line.starts_with(&format!("Words {number}:"))).expect("a line");
        let mistyped = typed.replace(line(4), "Words 4: zebra zebra zebra zebra zebra zigzag");
        assert!(matches!(RecoveryKit::parse(&mistyped), Err(KitError::Words(WordsError::Check { line: 4 }))));
        let skipped = typed.replace(line(2), "");
        assert!(matches!(RecoveryKit::parse(&skipped), Err(KitError::Words(WordsError::Count { line: 2, .. }))));
    }

    #[test]
    fn a_vault_file_comes_back() {
        let secret = DedupSecret::from_bytes([9; 32]);
        let file = VaultFile::new(VaultId::from_bytes([7; 16]), &secret, vec!["age1x".into()]);
        let back = VaultFile::decode(&file.encode()).expect("decode");
        assert_eq!(back.dedup_secret().expect("secret").expose(), secret.expose());
        assert_eq!(back.recipients(), ["age1x".to_owned()]);
    }
}
