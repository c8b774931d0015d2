//! From bytes to defaults: who is believed, where bundles lie, and what is remembered of those that were not taken.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::content::{Content, ContentError};
use super::envelope::{ENVELOPE_MAX, Envelope, EnvelopeError};
use crate::config::{BundleConfig, DataDir, KeyPrint};
use crate::files::{self, FileError};
use crate::links::fetch::{FetchError, fetch};
use crate::operations::accounts::Actor;
use crate::operations::{self, ApplyBundleError, BundleRefusal, NewBundle, OperationError, Site, chain};

/// The start waits no longer for a bundle of the network.
const FETCH_WITHIN: Duration = Duration::from_secs(20);
/// Between two tries: the network may just be coming up.
const FETCH_AGAIN: Duration = Duration::from_secs(2);

/// Why a bundle was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BundleError {
    #[error("the bundle in the box's folder cannot be read")]
    File(#[from] FileError),
    #[error("the bundle at `bundle.url` cannot be fetched")]
    Fetch(#[from] FetchError),
    #[error("the bundle at `bundle.url` did not come within {} s", FETCH_WITHIN.as_secs())]
    Slow,
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    #[error(
        "nobody has vouched for the key of the bundle; compare its fingerprint with the one that the reseller gave you by \
         another way, and name it: `bundle.key` in datisd.toml, or `--key` on the console. The fingerprint is {found}"
    )]
    Untrusted { found: KeyPrint },
    #[error("the bundle is signed with the key {found}, and {trusted} is believed; get a bundle of that reseller")]
    OtherKey { found: KeyPrint, trusted: KeyPrint },
    #[error(transparent)]
    Content(#[from] ContentError),
    #[error(
        "the bundle was to be taken until {last}, by this box's clock that is over; ask the reseller for a newer one"
    )]
    Expired { last: String },
    #[error(transparent)]
    Apply(#[from] ApplyBundleError),
    #[error(transparent)]
    Operation(#[from] OperationError),
    #[error("there is no bundle: no {file}, and datisd.toml names no `bundle.url`")]
    None { file: String },
}

impl BundleError {
    /// What those who put the box into service are told; `None` for what is none of the bundle's faults.
    fn refusal(&self) -> Option<BundleRefusal> {
        match self {
            Self::File(_) | Self::Fetch(_) | Self::Slow => Some(BundleRefusal::Unreachable),
            Self::Envelope(EnvelopeError::Signature) => Some(BundleRefusal::Signature),
            Self::Envelope(_) | Self::Content(_) => Some(BundleRefusal::Malformed),
            Self::Untrusted { .. } => Some(BundleRefusal::Untrusted),
            Self::OtherKey { .. } => Some(BundleRefusal::OtherKey),
            Self::Expired { .. } => Some(BundleRefusal::Expired),
            Self::Apply(
                ApplyBundleError::Older { .. } | ApplyBundleError::Changed { .. } | ApplyBundleError::Replaced { .. },
            ) => Some(BundleRefusal::Older),
            Self::Apply(ApplyBundleError::Activated | ApplyBundleError::Operation(_))
            | Self::Operation(_)
            | Self::None { .. } => None,
        }
    }
}

/// A bundle that the box has its defaults from now.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) content: Content,
    /// Whether it changed anything: the same one a second time does not.
    pub(crate) is_new: bool,
}

/// Applies a bundle. `trusted`: the key that is believed.
///
/// # Errors
/// [`BundleError`]; nothing is set then.
pub(crate) fn apply(
    site: &Site,
    by: &Actor,
    bytes: &[u8],
    trusted: Option<KeyPrint>,
    may_be_older: bool,
) -> Result<Taken, BundleError> {
    // Said first, since nothing else would help.
    if operations::is_activated(site)? {
        return Err(ApplyBundleError::Activated.into());
    }
    let envelope = Envelope::open(bytes)?;
    let found = envelope.key_print();
    // What a box has taken stays taken: whoever vouched for it then, and however late it is now.
    let before = operations::applied_bundle(site)?;
    if before.is_some_and(|before| before.key == envelope.key && before.content.as_bytes() == envelope.content) {
        let content = Content::parse(&envelope.content)?;
        operations::forget_refused_bundle(site)?;
        return Ok(Taken { content, is_new: false });
    }
    match trusted {
        None => return Err(BundleError::Untrusted { found }),
        Some(trusted) if trusted != found => return Err(BundleError::OtherKey { found, trusted }),
        Some(_) => {}
    }
    let content = Content::parse(&envelope.content)?;
    if content.not_after.is_over(site.clock.now()) {
        return Err(BundleError::Expired { last: content.not_after.to_string() });
    }
    // JSON that was parsed is UTF-8.
    let text = String::from_utf8_lossy(&envelope.content);
    let new = NewBundle {
        key: envelope.key,
        serial: content.serial.get(),
        content: &text,
        reseller: content.reseller.name.as_str(),
        settings: &content.settings.catalog(),
        may_be_older,
    };
    let is_new = operations::apply_bundle(site, by, &new)?;
    Ok(Taken { content, is_new })
}

/// The bundle of the box's folder, else the one that `bundle.url` leads to.
///
/// # Errors
/// [`BundleError::None`]; [`BundleError`].
pub(crate) fn look(dir: &DataDir, config: &BundleConfig) -> Result<Vec<u8>, BundleError> {
    let file = dir.bundle_file();
    if let Some(bytes) = files::read_if_there(&file, ENVELOPE_MAX as u64)? {
        return Ok(bytes);
    }
    match &config.url {
        Some(url) => patiently(url),
        None => Err(BundleError::None { file: file.display().to_string() }),
    }
}

/// On a thread of its own, which is left alone when the time is over: a name server can take longer than anybody wants to
/// wait.
fn patiently(url: &str) -> Result<Vec<u8>, BundleError> {
    let (tell, told) = mpsc::channel();
    let (url, until) = (url.to_owned(), Instant::now() + FETCH_WITHIN);
    let asking = std::thread::Builder::new().name("bundle".into()).spawn(move || {
        let mut answer = fetch(&url, None, ENVELOPE_MAX);
        while answer.as_ref().is_err_and(FetchError::may_pass) && Instant::now() + FETCH_AGAIN < until {
            std::thread::sleep(FETCH_AGAIN);
            answer = fetch(&url, None, ENVELOPE_MAX);
        }
        // Nobody waits any more once the time is over.
        let _ = tell.send(answer);
    });
    if let Err(source) = asking {
        return Err(OperationError::Io { step: "start a thread for the bundle", source }.into());
    }
    Ok(told.recv_timeout(FETCH_WITHIN).map_err(|_| BundleError::Slow)??)
}

/// At the start of a box that nobody owns: takes a bundle if there is one. Whatever is wrong is remembered and logged, and
/// the defaults stand. Whether anything was set.
pub(crate) fn looked(dir: &DataDir, config: &BundleConfig, site: &Site) -> bool {
    let taken = match operations::is_activated(site) {
        Ok(true) => return false,
        Ok(false) => look(dir, config).and_then(|bytes| apply(site, &Actor::the_box(), &bytes, config.key, false)),
        Err(e) => Err(e.into()),
    };
    match taken {
        Ok(Taken { content, is_new }) => {
            let (serial, name) = (content.serial, content.reseller.name.as_str());
            if is_new {
                tracing::info!(
                    serial,
                    reseller = name,
                    "First start: the defaults of bundle {serial} of {name} are set"
                );
            }
            is_new
        }
        Err(error) => {
            let noted = match error {
                // One that was taken, and then another one by hand, is left where it lies.
                BundleError::None { .. } | BundleError::Apply(ApplyBundleError::Replaced { .. }) => {
                    operations::forget_refused_bundle(site)
                }
                error => refused(site, &error),
            };
            if let Err(e) = noted {
                tracing::warn!(error = %chain(&e), "What became of the bundle could not be noted");
            }
            false
        }
    }
}

/// Remembers and logs that a bundle was not taken.
fn refused(site: &Site, error: &BundleError) -> Result<(), OperationError> {
    let sentence = chain(error);
    tracing::warn!(error = %sentence, "The bundle was not taken, and the defaults stand");
    match error.refusal() {
        Some(reason) => operations::note_refused_bundle(site, reason, &sentence),
        None => Ok(()),
    }
}
