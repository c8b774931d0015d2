//! Alerts: opened and closed by what the box finds, seen to by people, told once on each way.

use std::collections::HashSet;

use datis_engine::units::{Seconds, UnixMillis};
use rusqlite::Transaction;

use super::accounts::{Action, Actor, Right, record};
use super::{OperationError, Site};
use crate::catalog::alerts::{self, Acknowledgement, Alert, AlertKey, AlertSetting, Channel, QuietHours, Severity};
use crate::catalog::mail::{self, MailContent, MailKind};
use crate::catalog::webhook::{self, Webhook, WebhookEvent, WebhookUrl};
use crate::catalog::{AlertRow, CatalogError};

/// Alerts that are over are shown for this long.
const REMEMBERED: Seconds = Seconds(366 * 86_400);
/// The longest note, in characters.
pub const NOTE_MAX: usize = 500;
/// The shortest secret that messages are signed with, in characters.
pub const SECRET_MIN: usize = 16;
/// The longest, in characters.
pub const SECRET_MAX: usize = 256;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    /// What needs somebody now.
    pub bad: HashSet<AlertKey>,
    /// What could not be looked at: it stays as it was.
    pub undecided: HashSet<AlertKey>,
}

/// Opens what has become bad and closes what is over, in one step.
///
/// # Errors
/// [`OperationError`]; nothing is opened or closed then.
pub fn judge_alerts(site: &Site, judgement: &Judgement) -> Result<(), OperationError> {
    let differs = |open: &[Alert]| {
        let known: HashSet<&AlertKey> = open.iter().map(|alert| &alert.key).collect();
        judgement.bad.iter().any(|key| !known.contains(key)) || open.iter().any(|alert| is_over(alert, judgement))
    };
    if !differs(&open_alerts(site)?) {
        return Ok(());
    }
    let now = site.clock.now();
    let judged = site.catalog.writer().write(|tx| {
        let open = alerts::open(tx)?;
        for alert in open.iter().filter(|alert| is_over(alert, judgement)) {
            alerts::close(tx, alert.row, now)?;
        }
        let known: HashSet<&AlertKey> = open.iter().map(|alert| &alert.key).collect();
        let mut new: Vec<&AlertKey> = judgement.bad.iter().filter(|key| !known.contains(key)).collect();
        new.sort_by_key(|key| (key.kind.word(), &key.subject));
        new.into_iter().try_for_each(|key| alerts::insert(tx, key, now))?;
        alerts::forget(tx, now.minus(REMEMBERED))
    });
    judged.map_err(|e| site.noted(e.into()))
}

fn is_over(alert: &Alert, judgement: &Judgement) -> bool {
    !judgement.bad.contains(&alert.key) && !judgement.undecided.contains(&alert.key)
}

/// All that are open, the oldest first.
///
/// # Errors
/// [`OperationError`].
pub fn open_alerts(site: &Site) -> Result<Vec<Alert>, OperationError> {
    Ok(site.catalog.reader().read(|tx| alerts::open(tx))?)
}

/// How many are open that nobody has seen to.
///
/// # Errors
/// [`OperationError`].
pub fn count_unseen_alerts(site: &Site) -> Result<u64, OperationError> {
    Ok(site.catalog.reader().read(|tx| alerts::count_unseen(tx))?)
}

/// At most `limit` that are over, the last one first.
///
/// # Errors
/// [`OperationError`].
pub fn alert_history(site: &Site, limit: u32) -> Result<Vec<Alert>, OperationError> {
    Ok(site.catalog.reader().read(|tx| alerts::history(tx, limit))?)
}

/// Writes down that somebody has seen to an open alert, with a note for the others; whether there is such an alert.
///
/// # Errors
/// [`OperationError`].
pub fn acknowledge_alert(site: &Site, by: &Actor, alert: AlertRow, note: &str) -> Result<bool, OperationError> {
    by.may(Right::ChangeBox)?;
    let note: String = note.trim().chars().filter(|c| !c.is_control() || *c == '\n').take(NOTE_MAX).collect();
    let seen = Acknowledgement { by: by.name().to_owned(), at: site.clock.now(), note };
    let acknowledged = site.catalog.writer().write(|tx| {
        let Some(key) = alerts::acknowledge(tx, alert, &seen)? else { return Ok(false) };
        record(tx, site, by, Action::AlertAcknowledged, key.kind.word(), &key.subject)?;
        Ok(true)
    });
    acknowledged.map_err(|e: CatalogError| site.noted(e.into()))
}

/// How alerts are told.
///
/// # Errors
/// [`OperationError`].
pub fn alert_setting(site: &Site) -> Result<AlertSetting, OperationError> {
    Ok(site.catalog.reader().read(|tx| alerts::setting(tx))?)
}

/// How alerts are to be told.
#[derive(Debug, Clone)]
pub struct AlertChange {
    /// What is told on which way.
    pub routes: Vec<(Channel, Severity)>,
    /// When warnings wait.
    pub quiet: QuietHours,
    /// The program that is told over HTTPS.
    pub webhook: Option<WebhookChange>,
}

/// Where the webhook is to be.
#[derive(Debug, Clone)]
pub struct WebhookChange {
    /// Its address.
    pub url: WebhookUrl,
    /// A new secret; `None` keeps the one that is there.
    pub secret: Option<String>,
    /// Certificates, PEM, that are trusted in place of the system's.
    pub authority: Option<String>,
}

/// Why it is not set.
#[derive(Debug, thiserror::Error)]
pub enum SetAlertsError {
    /// Nothing to sign with.
    #[error(
        "messages to the webhook need a secret of {SECRET_MIN} to {SECRET_MAX} characters that they are signed with"
    )]
    Secret,
    /// Not allowed, or the catalog failed.
    #[error(transparent)]
    Operation(#[from] OperationError),
}

impl From<CatalogError> for SetAlertsError {
    fn from(error: CatalogError) -> Self {
        Self::Operation(error.into())
    }
}

/// Sets how alerts are told. What waits for a webhook that is gone, or is at another address now, is given up.
///
/// # Errors
/// [`SetAlertsError::Secret`]; [`SetAlertsError`].
pub fn set_alerts(site: &Site, by: &Actor, change: &AlertChange) -> Result<(), SetAlertsError> {
    by.may(Right::ChangeBox)?;
    let secret = change.webhook.as_ref().and_then(|webhook| webhook.secret.as_ref());
    if secret.is_some_and(|secret| !(SECRET_MIN..=SECRET_MAX).contains(&secret.chars().count())) {
        return Err(SetAlertsError::Secret);
    }
    let sealed = secret.map(|secret| site.vault.recipients.seal(secret.as_bytes())).transpose();
    let sealed = sealed.map_err(OperationError::from)?;
    let now = site.clock.now();
    let set = site.catalog.writer().write(|tx| {
        let before = alerts::setting(tx)?.webhook;
        let webhook = match &change.webhook {
            Some(WebhookChange { url, authority, .. }) => {
                let before = before.filter(|before| before.url == *url);
                if before.is_none() {
                    start_anew(tx, now)?;
                }
                // A secret belongs to an address: another one must not be able to sign for the box.
                let secret = sealed.or(before.map(|before| before.secret)).ok_or(SetAlertsError::Secret)?;
                Some(Webhook { url: url.clone(), secret, authority: authority.clone() })
            }
            None => {
                start_anew(tx, now)?;
                None
            }
        };
        let host = webhook.as_ref().map_or(String::new(), |webhook| webhook.url.authority().to_owned());
        alerts::set(tx, &AlertSetting { routes: change.routes.clone(), quiet: change.quiet, webhook })?;
        let routes: Vec<String> =
            change.routes.iter().map(|(channel, severity)| format!("{}:{}", channel.word(), severity.word())).collect();
        Ok(record(tx, site, by, Action::AlertsSet, &host, &routes.join(" "))?)
    });
    set.map_err(|e: SetAlertsError| match e {
        SetAlertsError::Operation(error) => SetAlertsError::Operation(site.noted(error)),
        SetAlertsError::Secret => e,
    })
}

/// Whoever is told next knows of nothing that was told until now.
fn start_anew(tx: &Transaction<'_>, now: UnixMillis) -> Result<(), CatalogError> {
    webhook::give_up(tx, now)?;
    alerts::forget_posted(tx)
}

/// The open alerts that are to be told on this way now: told once, and in quiet hours alarms only.
///
/// # Errors
/// [`OperationError`].
pub fn untold_alerts(site: &Site, channel: Channel, is_quiet: bool) -> Result<Vec<Alert>, OperationError> {
    let found = site.catalog.reader().read(|tx| {
        let setting = alerts::setting(tx)?;
        let is_there = match channel {
            Channel::Mail => mail::setting(tx)?.is_some_and(|setting| !setting.recipients.is_empty()),
            Channel::Webhook => setting.webhook.is_some(),
        };
        let mut untold = if is_there { alerts::untold(tx, channel)? } else { Vec::new() };
        untold.retain(|alert| {
            let severity = alert.key.kind.severity();
            setting.tells(channel, severity) && (severity == Severity::Alarm || !is_quiet)
        });
        Ok::<_, CatalogError>(untold)
    });
    Ok(found?)
}

/// What the webhook knows of and is over.
///
/// # Errors
/// [`OperationError`].
pub fn alerts_over_untold(site: &Site) -> Result<Vec<Alert>, OperationError> {
    Ok(site.catalog.reader().read(|tx| alerts::over_untold(tx))?)
}

/// Puts the mail that tells of these into the queue, and remembers in the same step that they are told.
///
/// # Errors
/// [`OperationError`]; nothing is told or remembered then.
pub fn tell_by_mail(site: &Site, told: &[AlertRow], content: &MailContent) -> Result<(), OperationError> {
    let now = site.clock.now();
    let queued = site.catalog.writer().write(|tx| {
        let Some(setting) = mail::setting(tx)? else { return Ok(()) };
        mail::put(tx, MailKind::Alert, content, &setting.recipients, now)?;
        told.iter().try_for_each(|alert| alerts::note_mailed(tx, *alert, now))
    });
    queued.map_err(|e: CatalogError| site.noted(e.into()))
}

/// Something to be told to the webhook.
#[derive(Debug, Clone)]
pub struct Telling {
    /// Which alert.
    pub alert: AlertRow,
    /// Whether it is over.
    pub is_over: bool,
    /// What is said; JSON.
    pub body: String,
}

/// Puts what the webhook is told into its queue, and remembers in the same step that it is told. Without a webhook, which
/// may have been taken away a moment ago, nothing is queued: it would wait for the next one.
///
/// # Errors
/// [`OperationError`]; nothing is told or remembered then.
pub fn tell_webhook(site: &Site, tellings: &[Telling]) -> Result<(), OperationError> {
    let now = site.clock.now();
    let queued = site.catalog.writer().write(|tx| {
        if alerts::setting(tx)?.webhook.is_none() {
            return Ok(());
        }
        for Telling { alert, is_over, body } in tellings {
            let event = if *is_over { WebhookEvent::Closed } else { WebhookEvent::Opened };
            webhook::put(tx, event, Some(*alert), body, now)?;
            alerts::note_posted(tx, *alert, now, *is_over)?;
        }
        Ok(())
    });
    queued.map_err(|e: CatalogError| site.noted(e.into()))
}

impl QuietHours {
    /// Whether warnings wait at this minute of a day.
    #[must_use]
    pub fn are_on(&self, minute: u16, is_weekend: bool) -> bool {
        let in_hours = self.hours.is_some_and(|(from, until)| {
            if from <= until { (from..until).contains(&minute) } else { minute >= from || minute < until }
        });
        in_hours || (self.weekends && is_weekend)
    }
}

#[cfg(test)]
mod tests {
    use super::super::accounts::{Role, audit_log};
    use super::super::mail::{newest_mail, set_mail};
    use super::super::testing::{TestBox, mail_setting_for_tests};
    use super::*;
    use crate::catalog::alerts::AlertKind;

    fn key(kind: AlertKind, subject: &str) -> AlertKey {
        AlertKey { kind, subject: subject.to_owned() }
    }

    fn judged(site: &Site, bad: &[AlertKey]) -> Vec<AlertKey> {
        let judgement = Judgement { bad: bad.iter().cloned().collect(), undecided: HashSet::new() };
        judge_alerts(site, &judgement).expect("judge");
        open_alerts(site).expect("open").into_iter().map(|alert| alert.key).collect()
    }

    fn with_mail(site: &Site) {
        set_mail(site, &Actor::console(), &mail_setting_for_tests(), None).expect("mail");
    }

    fn change(webhook: Option<WebhookChange>) -> AlertChange {
        let both = [Channel::Mail, Channel::Webhook];
        let routes = both.iter().flat_map(|channel| [(*channel, Severity::Warning), (*channel, Severity::Alarm)]);
        AlertChange { routes: routes.collect(), quiet: QuietHours::default(), webhook }
    }

    fn hook(secret: Option<&str>) -> WebhookChange {
        hook_at("https://ha.local:8123/api/webhook/abc", secret)
    }

    fn hook_at(url: &str, secret: Option<&str>) -> WebhookChange {
        WebhookChange { url: url.parse().expect("url"), secret: secret.map(str::to_owned), authority: None }
    }

    #[test]
    fn alerts_open_and_close_by_what_is_found_and_what_comes_back_is_another_one() {
        let test = TestBox::start();
        let site = test.site();
        let (late, dns) = (key(AlertKind::MachineLate, "ab"), key(AlertKind::CheckFails, "lan.dns"));
        assert_eq!(judged(site, &[late.clone(), dns.clone()]), [dns.clone(), late.clone()]);
        let first = open_alerts(site).expect("open");
        assert_eq!(judged(site, &[late.clone(), dns.clone()]).len(), 2);
        assert_eq!(open_alerts(site).expect("open"), first, "nothing is opened twice");
        let undecided = Judgement { bad: [late.clone()].into(), undecided: [dns.clone()].into() };
        judge_alerts(site, &undecided).expect("judge");
        assert_eq!(open_alerts(site).expect("open").len(), 2, "what could not be looked at stays");
        assert_eq!(judged(site, std::slice::from_ref(&late)), std::slice::from_ref(&late));
        assert_eq!(judged(site, &[]), []);
        assert_eq!(judged(site, std::slice::from_ref(&late)), [late]);
        let history = alert_history(site, 9).expect("history");
        assert_eq!(history.len(), 2);
        assert!(history.iter().all(|alert| alert.closed_at.is_some()));
        assert!(open_alerts(site).expect("open")[0].row > history[0].row);
    }

    #[test]
    fn somebody_sees_to_an_alert_once_it_is_open_and_the_log_says_so() {
        let test = TestBox::start();
        let (site, by) = (test.site(), Actor::console());
        judged(site, &[key(AlertKind::DiskLow, "")]);
        let row = open_alerts(site).expect("open")[0].row;
        assert_eq!(count_unseen_alerts(site).expect("count"), 1);
        let long = "ordered\u{7} a disk\n".to_owned() + &"é".repeat(900);
        assert!(acknowledge_alert(site, &by, row, &long).expect("acknowledge"));
        assert!(!acknowledge_alert(site, &by, AlertRow(99), "").expect("none"));
        assert_eq!(count_unseen_alerts(site).expect("count"), 0);
        let seen = open_alerts(site).expect("open")[0].acknowledged.clone().expect("seen");
        assert_eq!((seen.by.as_str(), seen.note.chars().count()), ("console", NOTE_MAX));
        assert!(seen.note.starts_with("ordered a disk\n"));
        judged(site, &[]);
        assert!(!acknowledge_alert(site, &by, row, "late").expect("over"), "what is over stays as it was");
        let log = audit_log(site, &by, None, 9).expect("log");
        assert_eq!(log.iter().filter(|entry| entry.action == "alert-acknowledged").count(), 1);
        for role in [Role::Member, Role::Auditor] {
            let refused = acknowledge_alert(site, &Actor::for_tests(role), row, "");
            assert!(matches!(refused, Err(OperationError::Forbidden)), "{role:?}");
        }
    }

    #[test]
    fn nobody_is_told_twice_on_one_way_and_what_comes_back_is_told_again() {
        let test = TestBox::start();
        let site = test.site();
        let content = MailContent { subject: "s".to_owned(), text: "t".to_owned(), html: "h".to_owned(), pdf: None };
        let late = [key(AlertKind::MachineLate, "ab")];
        judged(site, &late);
        assert!(untold_alerts(site, Channel::Mail, false).expect("untold").is_empty(), "there is nobody yet");
        with_mail(site);
        let told = || {
            let untold = untold_alerts(site, Channel::Mail, false).expect("untold");
            let rows: Vec<AlertRow> = untold.iter().map(|alert| alert.row).collect();
            if !rows.is_empty() {
                tell_by_mail(site, &rows, &content).expect("tell");
            }
            rows.len()
        };
        assert_eq!((told(), told()), (1, 0));
        judged(site, &[]);
        assert_eq!(told(), 0);
        judged(site, &late);
        assert_eq!((told(), told()), (1, 0));
        assert_eq!(newest_mail(site, 9).expect("mails").len(), 2);

        set_alerts(site, &Actor::console(), &change(Some(hook(Some("sixteen letters!!"))))).expect("set");
        let telling = |alert: &Alert, is_over| Telling { alert: alert.row, is_over, body: "{}".to_owned() };
        let untold = untold_alerts(site, Channel::Webhook, false).expect("untold");
        assert_eq!(untold.len(), 1, "each way on its own");
        tell_webhook(site, &[telling(&untold[0], false)]).expect("tell");
        assert!(untold_alerts(site, Channel::Webhook, false).expect("untold").is_empty());
        assert!(alerts_over_untold(site).expect("over").is_empty());
        judged(site, &[]);
        let over = alerts_over_untold(site).expect("over");
        assert_eq!(over.len(), 1, "the first one was never posted, so it is not told that it is over");
        tell_webhook(site, &[telling(&over[0], true)]).expect("tell");
        assert!(alerts_over_untold(site).expect("over").is_empty());
    }

    #[test]
    fn warnings_wait_for_the_morning_and_alarms_do_not() {
        let test = TestBox::start();
        let site = test.site();
        with_mail(site);
        let all = [
            key(AlertKind::MachineLate, "ab"),
            key(AlertKind::DamagedPacks, ""),
            key(AlertKind::CheckWarns, "lan.mtu"),
        ];
        judged(site, &all);
        let kinds = |is_quiet| -> Vec<AlertKind> {
            untold_alerts(site, Channel::Mail, is_quiet).expect("untold").iter().map(|a| a.key.kind).collect()
        };
        assert_eq!(kinds(true), [AlertKind::DamagedPacks]);
        assert_eq!(kinds(false), [AlertKind::DamagedPacks, AlertKind::MachineLate], "information is not routed");

        let quiet = |from, until, weekends| QuietHours { hours: Some((from, until)), weekends };
        for (hours, minute, is_weekend, on) in [
            (quiet(22 * 60, 7 * 60, false), 23 * 60, false, true),
            (quiet(22 * 60, 7 * 60, false), 6 * 60 + 59, false, true),
            (quiet(22 * 60, 7 * 60, false), 7 * 60, false, false),
            (quiet(22 * 60, 7 * 60, false), 12 * 60, true, false),
            (quiet(22 * 60, 7 * 60, true), 12 * 60, true, true),
            (quiet(60, 120, false), 60, false, true),
            (quiet(60, 120, false), 120, false, false),
            (quiet(60, 60, false), 60, false, false),
            (QuietHours::default(), 0, true, false),
            (QuietHours { hours: None, weekends: true }, 0, true, true),
        ] {
            assert_eq!(hours.are_on(minute, is_weekend), on, "{hours:?} at {minute}");
        }
    }

    #[test]
    fn a_webhook_needs_a_secret_which_is_sealed_and_kept() {
        let test = TestBox::start();
        let (site, by) = (test.site(), Actor::console());
        for bad in [None, Some("short"), Some("x".repeat(257).as_str())] {
            let refused = set_alerts(site, &by, &change(Some(hook(bad))));
            assert!(matches!(refused, Err(SetAlertsError::Secret)), "{bad:?}");
        }
        set_alerts(site, &by, &change(Some(hook(Some("sixteen letters!!"))))).expect("set");
        set_alerts(site, &by, &change(Some(hook(None)))).expect("set again");
        let webhook = alert_setting(site).expect("setting").webhook.expect("webhook");
        assert!(!webhook.secret.windows(7).any(|window| window == b"sixteen"));
        let opened = super::super::webhook_secret(site, &webhook).expect("open");
        assert_eq!(opened.as_slice(), b"sixteen letters!!");
        set_alerts(site, &by, &change(None)).expect("take away");
        assert_eq!(alert_setting(site).expect("setting").webhook, None);
        assert!(matches!(set_alerts(site, &by, &change(Some(hook(None)))), Err(SetAlertsError::Secret)), "it is gone");
        let log = audit_log(site, &by, None, 9).expect("log");
        assert!(log.iter().all(|entry| !format!("{entry:?}").contains("webhook/abc")), "the path may be a secret");
    }

    #[test]
    fn what_was_for_a_webhook_that_is_gone_does_not_reach_the_next_one() {
        let test = TestBox::start();
        let (site, by) = (test.site(), Actor::console());
        let set = |hook| set_alerts(site, &by, &change(hook)).expect("set");
        let untold = || untold_alerts(site, Channel::Webhook, false).expect("untold");
        let telling = |alert: &Alert, is_over| Telling { alert: alert.row, is_over, body: "{}".to_owned() };
        set(Some(hook(Some("sixteen letters!!"))));
        judged(site, &[key(AlertKind::DamagedPacks, ""), key(AlertKind::MachineLate, "ab")]);
        let found = untold();
        tell_webhook(site, &[telling(&found[0], false), telling(&found[1], false)]).expect("tell");
        judged(site, &[key(AlertKind::DamagedPacks, "")]);
        let over = alerts_over_untold(site).expect("over");
        assert_eq!(over.len(), 1);

        set(None);
        tell_webhook(site, &[telling(&over[0], true)]).expect("the webhook went a moment ago");
        set(Some(hook(Some("seventeen letters"))));
        assert!(super::super::due_post(site).expect("due").is_none(), "nothing waits for the new one");
        assert!(alerts_over_untold(site).expect("over").is_empty(), "it does not know what is over");
        assert_eq!(untold().len(), 1, "it is told what is open");

        // Another address in its place is another receiver.
        tell_webhook(site, &[telling(&untold()[0], false)]).expect("tell");
        let elsewhere = |secret| change(Some(hook_at("https://other.local/hook", secret)));
        let refused = set_alerts(site, &by, &elsewhere(None));
        assert!(matches!(refused, Err(SetAlertsError::Secret)), "the first one knows the secret");
        assert!(super::super::due_post(site).expect("due").is_some(), "nothing has changed yet");
        set_alerts(site, &by, &elsewhere(Some("eighteen letters!!"))).expect("set");
        assert!(super::super::due_post(site).expect("due").is_none());
        assert_eq!(untold().len(), 1);
    }

    #[test]
    fn the_webhook_never_hears_of_an_end_before_its_beginning() {
        let test = TestBox::start();
        let (site, by) = (test.site(), Actor::console());
        set_alerts(site, &by, &change(Some(hook(Some("sixteen letters!!"))))).expect("set");
        judged(site, &[key(AlertKind::DamagedPacks, ""), key(AlertKind::MachineLate, "ab")]);
        let found = untold_alerts(site, Channel::Webhook, false).expect("untold");
        let tell = |alert: &Alert, is_over, body: &str| {
            tell_webhook(site, &[Telling { alert: alert.row, is_over, body: body.to_owned() }]).expect("tell");
        };
        let due = || super::super::due_post(site).expect("due").map(|(_, post)| post);
        tell(&found[0], false, "first opened");
        let opened = due().expect("a post");
        super::super::note_post(site, &opened, Err("away")).expect("note");
        tell(&found[0], true, "first closed");
        assert_eq!(due(), None, "the first message waits to be tried again");
        tell(&found[1], false, "second opened");
        assert_eq!(due().map(|post| post.body).as_deref(), Some("second opened"), "another alert need not wait");
        super::super::note_post(site, &due().expect("a post"), Ok("200")).expect("note");
        super::super::note_post(site, &opened, Ok("200")).expect("note");
        assert_eq!(due().map(|post| post.body).as_deref(), Some("first closed"));
        set_alerts(site, &by, &change(None)).expect("take away");
        super::super::note_post(site, &due_none(site), Err("away")).expect("a try that ends late");
        let states: Vec<_> = super::super::newest_posts(site, 9).expect("posts").iter().map(|p| p.state).collect();
        assert!(!states.contains(&crate::catalog::webhook::PostState::Waiting), "{states:?}");
    }

    /// The message that was given up.
    fn due_none(site: &Site) -> crate::catalog::webhook::Post {
        let posts = super::super::newest_posts(site, 9).expect("posts");
        posts.into_iter().find(|post| post.body == "first closed").expect("a post")
    }
}
