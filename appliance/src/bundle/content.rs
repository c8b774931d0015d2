//! What a bundle says: JSON, read strictly. An unknown key or an impossible value refuses the whole, before anything is set.

use std::num::NonZeroU32;

use datis_engine::ids::Profile;
use datis_engine::retention::RetentionPolicy;
use datis_engine::units::{Seconds, UnixMillis};
use serde::Deserialize;

use crate::config::{
    CommissioningDefaults, ConfigDefaults, DiscoveryDefaults, MachinePortDefaults, PortalDefaults, given,
};
use crate::links::mail::is_address;
use crate::locale::Language;
use crate::operations::{
    self, BundleSettings, MailSecurity, MailSetting, PolicyChange, QuietHours, RetentionPreset, Severity,
};
use crate::plain::{is_direction, plain};

/// No content is longer, in bytes.
pub(super) const CONTENT_MAX: usize = 16 << 10;
/// What is told of what cannot be read is cut there, in characters.
pub(super) const WORDS_MAX: usize = 300;
/// The only format there is.
const FORMAT: u64 = 1;
/// Of a reseller's name, in characters.
const NAME_MAX: usize = 80;
/// Of how a reseller is reached, in characters.
const CONTACT_MAX: usize = 200;
/// Machines do not back up more seldom.
const EVERY_MAX: Seconds = Seconds(366 * 86_400);
/// Nor more often.
const EVERY_MIN: Seconds = Seconds(60);

/// Why what is signed says nothing to a box.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ContentError {
    #[error("what the bundle says is longer than {CONTENT_MAX} bytes")]
    TooLong,
    #[error("what the bundle says is of format {found}, and this box knows format {FORMAT}; it needs a later version")]
    Format { found: u64 },
    #[error("what the bundle says is not accepted: {0}")]
    Json(String),
    #[error("what the bundle says is not accepted: `{key}` {reason}")]
    Value { key: &'static str, reason: &'static str },
}

impl From<serde_json::Error> for ContentError {
    /// Its words are in part the file's own.
    fn from(error: serde_json::Error) -> Self {
        Self::Json(plain(&error.to_string(), WORDS_MAX))
    }
}

/// What a bundle says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Content {
    /// Read before everything else.
    #[serde(rename = "format")]
    _format: u64,
    /// Who made it.
    pub(crate) reseller: Reseller,
    /// Its number: a newer one has a higher one.
    pub(crate) serial: NonZeroU32,
    /// The last day on which a box takes it.
    pub(crate) not_after: Day,
    /// What it sets.
    #[serde(default)]
    pub(crate) settings: Settings,
}

/// Who sells the box.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reseller {
    /// Their name.
    pub(crate) name: Line<NAME_MAX>,
    /// How they are reached.
    pub(crate) contact: Line<CONTACT_MAX>,
}

/// What it sets. What is not named stays as the program has it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    portal: PortalDefaults,
    machine_port: MachinePortDefaults,
    discovery: DiscoveryDefaults,
    commissioning: CommissioningDefaults,
    #[serde(deserialize_with = "given")]
    mail: Option<Mail>,
    alerts: Alerts,
    machines: Machines,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mail {
    host: String,
    #[serde(default = "submission")]
    port: u16,
    #[serde(default)]
    security: Security,
    #[serde(default, deserialize_with = "given")]
    user: Option<Line<200>>,
    sender: String,
    recipients: Vec<String>,
    #[serde(default)]
    language: Tongue,
    #[serde(default)]
    report_at: Minute,
    #[serde(default)]
    weekends: bool,
}

/// RFC 6409.
const fn submission() -> u16 {
    587
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Alerts {
    #[serde(deserialize_with = "given")]
    mail: Option<Vec<Level>>,
    #[serde(deserialize_with = "given")]
    quiet: Option<Quiet>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Quiet {
    #[serde(deserialize_with = "given")]
    from: Option<Minute>,
    #[serde(deserialize_with = "given")]
    until: Option<Minute>,
    weekends: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Machines {
    #[serde(deserialize_with = "given")]
    server: Option<Policy>,
    #[serde(deserialize_with = "given")]
    desktop: Option<Policy>,
    #[serde(deserialize_with = "given")]
    laptop: Option<Policy>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Policy {
    #[serde(deserialize_with = "given")]
    every: Option<Every>,
    #[serde(deserialize_with = "given")]
    local: Option<Retention>,
    #[serde(deserialize_with = "given")]
    external: Option<Retention>,
}

/// A value that is written as text, and what it is.
macro_rules! written {
    ($(#[$doc:meta])* $visibility:vis $name:ident($inner:ty), $parse:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Deserialize)]
        #[serde(try_from = "String")]
        $visibility struct $name($inner);

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(raw: String) -> Result<Self, String> {
                let parse: fn(&str) -> Result<$inner, String> = $parse;
                parse(&raw).map(Self)
            }
        }
    };
}

written!(
    /// A day of the calendar in UTC, `2027-12-31`.
    pub(crate) Day(jiff::civil::Date),
    |raw| {
        // Other forms are read too, and have no place here.
        let day = raw.parse().ok().filter(|day: &jiff::civil::Date| day.to_string() == raw);
        day.ok_or_else(|| format!("`{raw}` is no day; write one such as 2027-12-31"))
    }
);
written!(Security(MailSecurity), |raw| raw.parse().map_err(|_| format!("`{raw}` is none of tls, starttls, none")));
written!(Tongue(Language), |raw| Language::of_code(raw).ok_or_else(|| format!("`{raw}` is none of en, fr, ru")));
written!(Level(Severity), |raw| raw.parse().map_err(|_| format!("`{raw}` is none of information, warning, alarm")));
written!(Every(Seconds), |raw| {
    let every: Seconds = raw.parse().map_err(|e: datis_engine::units::SecondsError| e.to_string())?;
    let is_possible = (EVERY_MIN.0..=EVERY_MAX.0).contains(&every.0);
    is_possible.then_some(every).ok_or_else(|| format!("`{raw}` is not from {EVERY_MIN} to {EVERY_MAX}"))
});
written!(Retention(RetentionPolicy), |raw| {
    let preset = RetentionPreset::ALL.into_iter().find(|preset| preset.word() == raw);
    preset
        .map_or_else(|| raw.parse().map_err(|e| format!("`{raw}` is no retention: {e}")), |preset| Ok(preset.policy()))
});
written!(Minute(u16), |raw| {
    let is_plain =
        raw.len() == 5 && raw.bytes().enumerate().all(|(at, b)| if at == 2 { b == b':' } else { b.is_ascii_digit() });
    let of = |range: std::ops::Range<usize>| raw.get(range).filter(|_| is_plain)?.parse::<u16>().ok();
    let time = of(0..2).zip(of(3..5)).filter(|(hour, minute)| *hour < 24 && *minute < 60);
    time.map(|(hour, minute)| hour * 60 + minute)
        .ok_or_else(|| format!("`{raw}` is no time of day; write one such as 07:30"))
});

impl Default for Security {
    fn default() -> Self {
        Self(MailSecurity::StartTls)
    }
}

impl Default for Tongue {
    fn default() -> Self {
        Self(Language::English)
    }
}

impl Default for Minute {
    fn default() -> Self {
        Self(7 * 60)
    }
}

impl Day {
    /// Whether it is over. A clock that cannot be read says no.
    pub(crate) fn is_over(&self, now: UnixMillis) -> bool {
        let now = jiff::Timestamp::from_millisecond(now.0);
        now.is_ok_and(|now| now.to_zoned(jiff::tz::TimeZone::UTC).date() > self.0)
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// One line of 1 to `MAX` characters.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Line<const MAX: usize>(String);

impl<const MAX: usize> TryFrom<String> for Line<MAX> {
    type Error = String;

    fn try_from(raw: String) -> Result<Self, String> {
        let text = raw.trim();
        if (1..=MAX).contains(&text.chars().count()) && !text.chars().any(|c| c.is_control() || is_direction(c)) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("a text must be one line of 1 to {MAX} characters"))
        }
    }
}

impl<const MAX: usize> Line<MAX> {
    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Content {
    /// Reads what was signed.
    ///
    /// # Errors
    /// [`ContentError`] names the key.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ContentError> {
        /// The format alone: another one may have any keys.
        #[derive(Deserialize)]
        struct Any {
            format: u64,
        }
        if bytes.len() > CONTENT_MAX {
            return Err(ContentError::TooLong);
        }
        let Any { format: found } = serde_json::from_slice(bytes)?;
        if found != FORMAT {
            return Err(ContentError::Format { found });
        }
        let content: Self = serde_json::from_slice(bytes)?;
        content.settings.check()?;
        Ok(content)
    }
}

impl Settings {
    fn check(&self) -> Result<(), ContentError> {
        let refuse = |key, reason| Err(ContentError::Value { key, reason });
        self.config().check().map_err(|(key, reason)| ContentError::Value { key, reason })?;
        if let Some(mail) = &self.mail {
            if !operations::is_mail_host(&mail.host) {
                return refuse("mail.host", "must be a host name or an address");
            }
            if mail.port == 0 {
                return refuse("mail.port", "must be from 1 to 65535");
            }
            if !is_address(&mail.sender) {
                return refuse("mail.sender", "must be a mail address");
            }
            let is_possible = (1..=operations::RECIPIENTS_MAX).contains(&mail.recipients.len());
            if !is_possible || !mail.recipients.iter().all(|recipient| is_address(recipient)) {
                return refuse("mail.recipients", "must be 1 to 20 mail addresses");
            }
        }
        if self.alerts.quiet.as_ref().is_some_and(|quiet| quiet.from.is_some() != quiet.until.is_some()) {
            return refuse("alerts.quiet", "must name both `from` and `until`, or neither");
        }
        Ok(())
    }

    /// What stands where `datisd.toml` names nothing.
    pub(crate) fn config(&self) -> ConfigDefaults {
        ConfigDefaults {
            portal: self.portal.clone(),
            machine_port: self.machine_port.clone(),
            discovery: self.discovery.clone(),
            commissioning: self.commissioning.clone(),
        }
    }

    /// What is set in the catalog.
    pub(crate) fn catalog(&self) -> BundleSettings {
        let profiles = [
            (Profile::Server, &self.machines.server),
            (Profile::Desktop, &self.machines.desktop),
            (Profile::Laptop, &self.machines.laptop),
        ];
        let machines = profiles.into_iter().filter_map(|(profile, policy)| {
            let Policy { every, local, external } = policy.clone()?;
            let [local, external] = [local, external].map(|policy| policy.map(|policy| policy.0));
            Some((profile, PolicyChange { every: every.map(|every| every.0), local, external }))
        });
        BundleSettings {
            mail: self.mail.as_ref().map(Mail::setting),
            mailed: self.alerts.mail.as_ref().map(|levels| levels.iter().map(|level| level.0).collect()),
            quiet: self.alerts.quiet.as_ref().map(Quiet::hours),
            machines: machines.collect(),
        }
    }
}

impl Mail {
    fn setting(&self) -> MailSetting {
        MailSetting {
            host: self.host.clone(),
            port: self.port,
            security: self.security.0,
            user: self.user.as_ref().map(|user| user.as_str().to_owned()),
            password: None,
            sender: self.sender.clone(),
            recipients: self.recipients.clone(),
            language: self.language.0.code().to_owned(),
            report_minute: self.report_at.0,
            weekends: self.weekends,
        }
    }
}

impl Quiet {
    fn hours(&self) -> QuietHours {
        let minute = |minute: &Minute| minute.0;
        QuietHours {
            hours: self.from.as_ref().map(minute).zip(self.until.as_ref().map(minute)),
            weekends: self.weekends,
        }
    }
}
