//! Mail: how it is sent, and its queue, which outlives restarts and servers that are away.

use datis_engine::units::{Seconds, UnixMillis};
use zeroize::Zeroizing;

use super::accounts::{Action, Actor, Right, record};
use super::{OperationError, Site};
use crate::catalog::CatalogError;
use crate::catalog::mail::{self, Mail, MailContent, MailKind, MailSetting, MailState};
use crate::catalog::signoff;
use crate::plain::plain;

/// After the first failed try, the second, …; a mail that is still there then is given up.
const AGAIN: [Seconds; 8] = [
    Seconds(60),
    Seconds(300),
    Seconds(900),
    Seconds(3_600),
    Seconds(4 * 3_600),
    Seconds(12 * 3_600),
    Seconds(24 * 3_600),
    Seconds(24 * 3_600),
];
/// Mails that are done are shown for this long.
const SHOWN: Seconds = Seconds(90 * 86_400);
/// What a server answers is kept up to here, in characters.
const ANSWER_MAX: usize = 500;
/// A sealed password opens to no more than this, in bytes.
const PASSWORD_MAX: usize = 1 << 10;

/// People who get mail, at most.
pub const RECIPIENTS_MAX: usize = 20;

/// Whether this may be the name or the address of a mail server.
#[must_use]
pub fn is_mail_host(host: &str) -> bool {
    (1..=253).contains(&host.len()) && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':'))
}

/// How mail is sent; `None` until somebody has set it.
///
/// # Errors
/// [`OperationError`].
pub fn mail_setting(site: &Site) -> Result<Option<MailSetting>, OperationError> {
    Ok(site.catalog.reader().read(|tx| mail::setting(tx))?)
}

/// Sets how mail is sent. `password`: a new one; `None` keeps the one that is there where server, port, protection and user
/// stay.
///
/// # Errors
/// [`OperationError`].
pub fn set_mail(site: &Site, by: &Actor, setting: &MailSetting, password: Option<&str>) -> Result<(), OperationError> {
    by.may(Right::ChangeBox)?;
    let sealed = password.map(|password| site.vault.recipients.seal(password.as_bytes())).transpose()?;
    let set = site.catalog.writer().write(|tx| {
        let before = mail::setting(tx)?;
        // A password belongs to a server and a way to it: another one must not get it, nor whoever listens where there is no TLS.
        let known_by = |s: &MailSetting| (s.host.clone(), s.port, s.security, s.user.clone());
        let kept = before.filter(|before| known_by(before) == known_by(setting));
        let password = sealed.or_else(|| kept.and_then(|before| before.password));
        let password = password.filter(|_| setting.user.is_some());
        mail::set(tx, &MailSetting { password, ..setting.clone() })?;
        // One that went out by the earlier setting proves nothing about this one.
        signoff::forget_mail_code(tx)?;
        record(tx, site, by, Action::MailSet, &setting.host, &setting.recipients.join(" "))
    });
    set.map_err(|e: CatalogError| site.noted(e.into()))
}

/// The password of a setting, for whoever logs in with it.
///
/// # Errors
/// [`OperationError`].
pub fn mail_password(site: &Site, setting: &MailSetting) -> Result<Option<Zeroizing<Vec<u8>>>, OperationError> {
    let Some(sealed) = &setting.password else { return Ok(None) };
    Ok(Some(site.vault.identity.open(sealed, PASSWORD_MAX)?))
}

/// Puts a mail into the queue, to everybody who is to get mail; whether there is anybody.
///
/// # Errors
/// [`OperationError`].
pub fn queue_mail(site: &Site, kind: MailKind, content: &MailContent) -> Result<bool, OperationError> {
    let now = site.clock.now();
    let queued = site.catalog.writer().write(|tx| {
        let Some(setting) = mail::setting(tx)?.filter(|setting| !setting.recipients.is_empty()) else {
            return Ok(false);
        };
        mail::forget(tx, now.minus(SHOWN))?;
        mail::put(tx, kind, content, &setting.recipients, now)?;
        Ok(true)
    });
    queued.map_err(|e: CatalogError| site.noted(e.into()))
}

/// The mail that is to be tried now.
///
/// # Errors
/// [`OperationError`].
pub fn due_mail(site: &Site) -> Result<Option<Mail>, OperationError> {
    let now = site.clock.now();
    Ok(site.catalog.reader().read(|tx| mail::due(tx, now))?)
}

/// What goes with a mail that waits, PDF.
///
/// # Errors
/// [`OperationError`].
pub fn mail_pdf(site: &Site, mail: &Mail) -> Result<Option<Vec<u8>>, OperationError> {
    Ok(site.catalog.reader().read(|tx| mail::pdf(tx, mail.row))?)
}

/// Notes how a try ended: taken by the server, or not, and then when it is tried again.
///
/// # Errors
/// [`OperationError`].
pub fn note_mail(site: &Site, tried: &Mail, outcome: Result<&str, &str>) -> Result<(), OperationError> {
    let now = site.clock.now();
    let (state, answer, next_at) = match outcome {
        Ok(answer) => (MailState::Sent, answer, now),
        Err(answer) => {
            let tries = usize::try_from(tried.tries).unwrap_or(usize::MAX);
            match AGAIN.get(tries) {
                Some(pause) => (MailState::Waiting, answer, now.plus(*pause)),
                None => (MailState::Failed, answer, now),
            }
        }
    };
    let answer = plain(answer, ANSWER_MAX);
    let noted = site.catalog.writer().write(|tx| mail::note_try(tx, tried.row, state, &answer, (now, next_at)));
    noted.map_err(|e| site.noted(e.into()))
}

/// The newest mails, at most `limit`.
///
/// # Errors
/// [`OperationError`].
pub fn newest_mail(site: &Site, limit: u32) -> Result<Vec<Mail>, OperationError> {
    Ok(site.catalog.reader().read(|tx| mail::newest(tx, limit))?)
}

/// When the last daily report was made.
///
/// # Errors
/// [`OperationError`].
pub fn last_report(site: &Site) -> Result<Option<UnixMillis>, OperationError> {
    Ok(site.catalog.reader().read(|tx| mail::last_made(tx, MailKind::Report))?)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TestBox, mail_setting_for_tests};
    use super::*;
    use crate::catalog::mail::MailSecurity;

    fn setting(host: &str, user: Option<&str>) -> MailSetting {
        let other = mail_setting_for_tests();
        MailSetting { host: host.to_owned(), user: user.map(str::to_owned), security: MailSecurity::StartTls, ..other }
    }

    fn content() -> MailContent {
        MailContent { subject: "s".to_owned(), text: "t".to_owned(), html: "h".to_owned(), pdf: None }
    }

    #[test]
    fn a_password_is_sealed_and_goes_to_no_other_server() {
        let test = TestBox::start();
        let (site, by) = (test.site(), Actor::console());
        let opened = || {
            let setting = mail_setting(site).expect("setting").expect("set");
            mail_password(site, &setting)
                .expect("password")
                .map(|bytes| String::from_utf8(bytes.to_vec()).expect("text"))
        };
        set_mail(site, &by, &setting("mail.example.org", Some("box")), Some("secret phrase")).expect("set");
        assert_eq!(opened().as_deref(), Some("secret phrase"));
        let kept = mail_setting(site).expect("setting").expect("set").password.expect("password");
        assert!(!kept.windows(13).any(|window| window == b"secret phrase"));
        set_mail(site, &by, &setting("mail.example.org", Some("box")), None).expect("set");
        assert_eq!(opened().as_deref(), Some("secret phrase"), "kept for the same server");
        for other in [
            setting("evil.example", Some("box")),
            MailSetting { security: MailSecurity::None, ..setting("mail.example.org", Some("box")) },
            MailSetting { port: 465, ..setting("mail.example.org", Some("box")) },
        ] {
            set_mail(site, &by, &setting("mail.example.org", Some("box")), Some("secret phrase")).expect("set");
            set_mail(site, &by, &other, None).expect("set");
            assert_eq!(opened(), None, "{other:?}");
        }
    }

    #[test]
    fn a_mail_is_tried_again_with_growing_pauses_and_given_up_after_days() {
        let test = TestBox::start();
        let site = test.site();
        assert!(!queue_mail(site, MailKind::Test, &content()).expect("queue"), "nobody is to get it");
        set_mail(site, &Actor::console(), &setting("mail.example.org", None), None).expect("set");
        assert!(queue_mail(site, MailKind::Test, &content()).expect("queue"));
        let mut pauses = Vec::new();
        while let Some(mail) = newest_mail(site, 1).expect("mail").pop().filter(|m| m.state == MailState::Waiting) {
            note_mail(site, &mail, Err("451 later\r\n")).expect("note");
            assert!(due_mail(site).expect("due").is_none() || mail.tries == 8, "not at once");
            let now = newest_mail(site, 1).expect("mail").pop().expect("mail");
            pauses.push((now.next_at.0 - mail.created_at.0) / 1_000);
            assert_eq!(now.answer, "451 later");
        }
        assert_eq!(pauses.len(), 9);
        assert_eq!(newest_mail(site, 1).expect("mail")[0].state, MailState::Failed);
        assert!(queue_mail(site, MailKind::Test, &content()).expect("queue"));
        let mail = due_mail(site).expect("due").expect("a mail");
        note_mail(site, &mail, Ok("250 taken")).expect("note");
        assert!(due_mail(site).expect("due").is_none());
    }

    #[test]
    fn what_goes_with_a_mail_is_kept_as_long_as_the_mail_waits() {
        let test = TestBox::start();
        let site = test.site();
        set_mail(site, &Actor::console(), &setting("mail.example.org", None), None).expect("set");
        let with_pdf = MailContent { pdf: Some(b"%PDF".to_vec()), ..content() };
        queue_mail(site, MailKind::Report, &with_pdf).expect("queue");
        let mail = due_mail(site).expect("due").expect("a mail");
        note_mail(site, &mail, Err("451 later")).expect("note");
        assert_eq!(mail_pdf(site, &mail).expect("pdf"), with_pdf.pdf);
        note_mail(site, &mail, Ok("250 taken")).expect("note");
        assert_eq!(mail_pdf(site, &mail).expect("pdf"), None);
    }
}
