//! Handing a mail to the company's mail server (SMTP, RFC 5321).

use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::message::{Attachment, Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Message, SmtpTransport, Transport};

use crate::operations::{Mail, MailSecurity, MailSetting};

/// For each step of the conversation.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a mail was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MailError {
    #[error("`{address}` is not a mail address")]
    Address { address: String },
    #[error("the mail cannot be put together")]
    Build(#[from] lettre::error::Error),
    #[error("the kind of what goes with the mail is not known")]
    Kind(#[from] lettre::message::header::ContentTypeErr),
    #[error("the mail server did not take it: {0}")]
    Smtp(#[from] lettre::transport::smtp::Error),
}

/// Hands `mail`, and what goes with it as a PDF, to the server of `setting`; gives what the server answered. `box_name`: how
/// the box introduces itself.
pub(crate) fn send(
    setting: &MailSetting,
    password: Option<&str>,
    (mail, pdf): (&Mail, Option<Vec<u8>>),
    box_name: &str,
) -> Result<String, MailError> {
    let mut builder = Message::builder().from(mailbox(&setting.sender)?).subject(&mail.subject);
    for recipient in &mail.recipients {
        builder = builder.to(mailbox(recipient)?);
    }
    // No answering machine answers this (RFC 3834, 2).
    let builder = builder.raw_header(lettre::message::header::HeaderValue::new(
        lettre::message::header::HeaderName::new_from_ascii_str("Auto-Submitted"),
        "auto-generated".to_owned(),
    ));
    let text = MultiPart::alternative_plain_html(mail.text.clone(), mail.html.clone());
    let message = match pdf {
        Some(pdf) => {
            let pdf = Attachment::new("datis-report.pdf".to_owned()).body(pdf, ContentType::parse("application/pdf")?);
            builder.multipart(MultiPart::mixed().multipart(text).singlepart(pdf))?
        }
        None => builder.multipart(text)?,
    };
    let tls = match setting.security {
        MailSecurity::Tls => Tls::Wrapper(TlsParameters::new(setting.host.clone())?),
        MailSecurity::StartTls => Tls::Required(TlsParameters::new(setting.host.clone())?),
        MailSecurity::None => Tls::None,
    };
    let mut transport = SmtpTransport::builder_dangerous(&setting.host)
        .port(setting.port)
        .timeout(Some(PATIENCE))
        .hello_name(ClientId::Domain(introduction(box_name)))
        .tls(tls);
    if let (Some(user), Some(password)) = (&setting.user, password) {
        transport = transport.credentials(Credentials::new(user.clone(), password.to_owned()));
    }
    let answer = transport.build().send(&message)?;
    let lines: Vec<&str> = answer.message().collect();
    Ok(format!("{} {}", answer.code(), lines.join(" ")))
}

fn mailbox(address: &str) -> Result<Mailbox, MailError> {
    address.parse().map_err(|_| MailError::Address { address: address.to_owned() })
}

/// Only what may stand in a host name.
fn introduction(box_name: &str) -> String {
    let name: String = box_name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    format!("{}.local", if name.is_empty() { "datis" } else { &name })
}

/// Whether a mail could be sent from or to this address.
pub(crate) fn is_address(address: &str) -> bool {
    mailbox(address).is_ok()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    use datis_engine::units::UnixMillis;

    use super::*;
    use crate::catalog::MailRow;
    use crate::operations::{MailKind, MailState};

    /// A mail server for one conversation: offers `extensions`, answers each recipient with `verdict`; gives what it heard.
    fn server(extensions: &'static str, verdict: &'static str) -> (u16, JoinHandle<String>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("listen");
        let port = listener.local_addr().expect("address").port();
        let served = std::thread::spawn(move || {
            let (stream, _) = listener.accept().expect("accept");
            let mut out = stream.try_clone().expect("clone");
            let mut say = move |line: &str| out.write_all(format!("{line}\r\n").as_bytes()).expect("say");
            let (mut heard, mut is_data) = (String::new(), false);
            say("220 mail.test ESMTP");
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                heard.push_str(&line);
                heard.push('\n');
                let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
                match (is_data, verb.as_str(), line.as_str()) {
                    (true, _, ".") => {
                        is_data = false;
                        say("250 2.0.0 taken as 42");
                    }
                    (true, ..) => {}
                    (false, "EHLO", _) => say(extensions),
                    (false, "AUTH", _) => say("235 welcome"),
                    (false, "RCPT", _) => say(verdict),
                    (false, "DATA", _) => {
                        is_data = true;
                        say("354 go on");
                    }
                    (false, "QUIT", _) => {
                        say("221 bye");
                        break;
                    }
                    (false, ..) => say("250 fine"),
                }
            }
            heard
        });
        (port, served)
    }

    fn setting(port: u16, security: MailSecurity) -> MailSetting {
        MailSetting {
            host: "127.0.0.1".to_owned(),
            port,
            security,
            user: Some("box".to_owned()),
            password: None,
            sender: "Datis <box@example.org>".to_owned(),
            recipients: Vec::new(),
            language: "en".to_owned(),
            report_minute: 0,
            weekends: false,
        }
    }

    fn mail() -> Mail {
        Mail {
            row: MailRow(1),
            kind: MailKind::Report,
            state: MailState::Waiting,
            subject: "cellar: tout va bien".to_owned(),
            text: "Tout va bien.".to_owned(),
            html: "<p>Tout va bien.</p>".to_owned(),
            recipients: vec!["claire@example.org".to_owned(), "paul@example.org".to_owned()],
            tries: 0,
            answer: String::new(),
            created_at: UnixMillis(0),
            next_at: UnixMillis(0),
            done_at: None,
        }
    }

    #[test]
    fn a_mail_is_handed_over_whole_and_the_servers_words_come_back() {
        let (port, served) = server("250-mail.test\r\n250 AUTH PLAIN LOGIN", "250 fine");
        let answer =
            send(&setting(port, MailSecurity::None), Some("secret"), (&mail(), None), "datis-0a1b").expect("taken");
        assert!(answer.starts_with("250") && answer.contains("taken as 42"), "{answer}");
        let heard = served.join().expect("server");
        for said in [
            "EHLO datis-0a1b.local",
            "AUTH PLAIN",
            "MAIL FROM:<box@example.org>",
            "RCPT TO:<claire@example.org>",
            "RCPT TO:<paul@example.org>",
            "Subject: cellar: tout va bien",
            "Auto-Submitted: auto-generated",
            "text/plain",
            "text/html",
        ] {
            assert!(heard.contains(said), "{said} in {heard}");
        }
    }

    #[test]
    fn a_report_takes_its_sheet_with_it() {
        let (port, served) = server("250-mail.test\r\n250 AUTH PLAIN LOGIN", "250 fine");
        let pdf = Some(b"%PDF-1.7".to_vec());
        send(&setting(port, MailSecurity::None), Some("secret"), (&mail(), pdf), "datis-0a1b").expect("taken");
        let heard = served.join().expect("server");
        let parts = ["multipart/mixed", "multipart/alternative", "text/plain", "text/html", "application/pdf"];
        for said in parts.into_iter().chain(["attachment; filename=\"datis-report.pdf\"", "%PDF-1.7"]) {
            assert!(heard.contains(said), "{said} in {heard}");
        }
    }

    #[test]
    fn what_a_server_refuses_is_quoted() {
        let (port, served) = server("250 mail.test", "550 5.1.1 no such user here");
        let setting = MailSetting { user: None, ..setting(port, MailSecurity::None) };
        let refused = send(&setting, None, (&mail(), None), "box").expect_err("refused").to_string();
        assert!(refused.contains("no such user here"), "{refused}");
        drop(served);
    }

    #[test]
    fn without_tls_no_password_is_sent_where_tls_was_wanted() {
        let (port, served) = server("250-mail.test\r\n250 AUTH PLAIN", "250 fine");
        let refused =
            send(&setting(port, MailSecurity::StartTls), Some("secret"), (&mail(), None), "box").expect_err("refused");
        assert!(matches!(refused, MailError::Smtp(_)), "{refused}");
        let heard = served.join().expect("server");
        assert!(!heard.contains("AUTH"), "{heard}");
    }

    #[test]
    fn addresses_that_are_none_are_refused() {
        assert!(is_address("claire@example.org") && is_address("Claire <claire@example.org>"));
        for bad in ["", "claire", "a@b c", "a@example.org\r\nBcc: x@example.org", "@", "a@"] {
            assert!(!is_address(bad), "{bad:?}");
        }
    }
}
