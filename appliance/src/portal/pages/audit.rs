//! Who did what.

use actix_web::HttpResponse;
use askama::Template;
use data_encoding::HEXLOWER;

use super::super::answer::Reply;
use super::super::frame::Frame;
use super::super::visit::Visit;
use super::When;
use crate::operations::accounts::{self, LogVerdict};

/// Entries of one page.
const PAGE: u32 = 100;

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage<'p> {
    frame: Frame<'p>,
    is_whole: bool,
    verdict: String,
    head: String,
    entries: Vec<EntryRow>,
    older: Option<i64>,
}

struct EntryRow {
    when: When,
    actor: String,
    address: String,
    action: String,
    subject: String,
    detail: String,
}

pub(in crate::portal) async fn show(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            let (locale, actor) = (visit.locale(), visit.actor()?);
            let before = visit.query("before").and_then(|seq| seq.parse().ok());
            let entries = accounts::audit_log(visit.site(), actor, before, PAGE)?;
            let (is_whole, verdict, head) = match accounts::verify_audit_log(visit.site(), actor)? {
                LogVerdict::Whole { entries, head } => {
                    (true, locale.count("audit-whole", entries), HEXLOWER.encode(&head[..8]))
                }
                LogVerdict::Broken { seq } => {
                    (false, locale.count("audit-broken", u64::try_from(seq).unwrap_or_default()), String::new())
                }
            };
            let now = visit.site().clock.now();
            let older = entries.last().filter(|last| last.seq > 1 && entries.len() == PAGE as usize);
            let page = AuditPage {
                frame: Frame::new(visit, &locale.word("nav-audit")),
                is_whole,
                verdict,
                head,
                older: older.map(|last| last.seq),
                entries: entries
                    .into_iter()
                    .map(|entry| EntryRow {
                        when: When::new(entry.at, now, locale),
                        actor: entry.actor,
                        address: entry.address,
                        action: locale.word(&format!("audit-{}", entry.action)),
                        subject: entry.subject,
                        detail: entry.detail,
                    })
                    .collect(),
            };
            Ok(Reply::Page(page.render()?))
        })
        .await
}
