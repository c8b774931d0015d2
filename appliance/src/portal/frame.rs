//! What stands around every page: the box, the ways through the portal, who is signed in.

use super::pages::assets::Asset;
use super::visit::Visit;
use crate::locale::Locale;
use crate::operations::accounts::{Actor, Right, Role, Visitor};

/// What stands around a page.
pub(super) struct Frame<'p> {
    pub(super) locale: &'p Locale,
    pub(super) title: String,
    /// Whether the page can be asked for again under its address, to keep it fresh.
    pub(super) is_fresh: bool,
    pub(super) box_name: &'p str,
    pub(super) version: &'static str,
    pub(super) style: &'static str,
    pub(super) script: &'static str,
    pub(super) icon: &'static str,
    pub(super) who: Option<Who<'p>>,
    pub(super) ways: Vec<Way>,
    pub(super) languages: Vec<LanguageLink>,
    /// What was just done.
    pub(super) said: Option<String>,
    /// For admins, while somebody from outside may help.
    pub(super) support: Option<String>,
}

pub(super) struct Who<'p> {
    pub(super) name: &'p str,
    pub(super) role: String,
    pub(super) is_here: bool,
}

pub(super) struct Way {
    pub(super) path: &'static str,
    pub(super) icon: &'static str,
    pub(super) word: String,
    pub(super) is_here: bool,
    /// How much waits there.
    pub(super) count: Option<Count>,
}

pub(super) struct Count {
    pub(super) number: u64,
    pub(super) text: String,
}

pub(super) struct LanguageLink {
    pub(super) code: &'static str,
    pub(super) name: String,
    pub(super) is_this: bool,
    /// This page in that language.
    pub(super) address: String,
}

/// What a form that led here may say, by the word in the query.
const SAID: [(&str, &str); 20] = [
    ("proposed", "said-proposed"),
    ("kit-proved", "said-kit-proved"),
    ("mail-proved", "said-mail-proved"),
    ("signed", "said-signed"),
    ("queued", "said-queued"),
    ("saved", "said-saved"),
    ("removed", "said-removed"),
    ("ended", "said-ended"),
    ("retired", "said-retired"),
    ("paused", "said-paused"),
    ("asked", "said-asked"),
    ("cancelled", "said-cancelled"),
    ("resumed", "said-resumed"),
    ("started", "said-started"),
    ("password", "said-password"),
    ("proving", "said-proving"),
    ("nothing-chosen", "said-nothing-chosen"),
    ("alert-seen", "said-alert-seen"),
    ("alert-gone", "alert-gone"),
    ("posted", "said-posted"),
];

impl<'p> Frame<'p> {
    /// `title`: in the visitor's language.
    pub(super) fn new(visit: &'p Visit, title: &str) -> Self {
        let locale = visit.locale();
        let path = visit.path.split('?').next().unwrap_or("/");
        let actor = match &visit.visitor {
            Visitor::Known(actor) => Some(actor),
            Visitor::Pending(_) | Visitor::Stranger => None,
        };
        let said = visit.query("said");
        let said = said.and_then(|word| SAID.iter().find(|(known, _)| *known == word).map(|(_, key)| *key));
        Self {
            locale,
            title: title.to_owned(),
            is_fresh: !visit.is_change,
            box_name: &visit.portal.site.vault.box_name,
            version: env!("CARGO_PKG_VERSION"),
            style: Asset::Style.path(),
            script: Asset::Script.path(),
            icon: Asset::Icon.path(),
            who: actor.map(|actor| Who {
                name: actor.name(),
                role: locale.word(role_key(actor.role())),
                is_here: path.starts_with("/account"),
            }),
            ways: actor.map_or_else(Vec::new, |actor| ways(actor, visit.unseen_alerts, locale, path)),
            languages: visit
                .portal
                .locales
                .all()
                .map(|other| LanguageLink {
                    code: other.language.code(),
                    name: other.word("language-name"),
                    is_this: other.language == locale.language,
                    address: in_language(&visit.path, other.language.code()),
                })
                .collect(),
            said: said.map(|key| locale.word(key)),
            support: actor.and_then(Actor::support_until).map(|until| {
                // Rounded up: what is open is never said to be over.
                let minutes = until.0.saturating_sub(visit.site().clock.now().0).max(0).div_euclid(60_000) + 1;
                locale.count("support-banner", minutes.unsigned_abs())
            }),
        }
    }
}

/// The same page in another language, at the same place of it.
fn in_language(path_and_query: &str, code: &str) -> String {
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    let mut address = format!("{path}?");
    for pair in query.split('&') {
        // What was just done was said already.
        if !pair.is_empty() && !pair.starts_with("lang=") && !pair.starts_with("said=") {
            address.push_str(pair);
            address.push('&');
        }
    }
    address + "lang=" + code
}

fn ways(actor: &Actor, unseen_alerts: u64, locale: &Locale, path: &str) -> Vec<Way> {
    let all = [
        ("/", "home", "nav-dashboard", true),
        ("/machines", "machine", "nav-machines", true),
        ("/restore", "restore", "nav-restore", actor.has(Right::Restore)),
        ("/site", "check", "nav-site", actor.has(Right::LookAtBox)),
        ("/peers", "cloud", "nav-peers", actor.has(Right::LookAtBox)),
        ("/alerts", "bell", "nav-alerts", actor.has(Right::LookAtBox)),
        ("/reports", "mail", "nav-reports", actor.has(Right::LookAtBox)),
        ("/people", "people", "nav-people", actor.has(Right::ManageAccounts)),
        ("/audit", "log", "nav-audit", actor.has(Right::ReadAudit)),
        ("/system", "box", "nav-system", actor.has(Right::LookAtBox)),
    ];
    let shown = all.into_iter().filter(|(.., is_shown)| *is_shown);
    shown
        .map(|(way, icon, key, _)| Way {
            path: way,
            icon,
            word: locale.word(key),
            is_here: path == way || (way != "/" && path.starts_with(&format!("{way}/"))),
            count: (way == "/alerts" && unseen_alerts > 0)
                .then(|| Count { number: unseen_alerts, text: locale.count("alert-unseen", unseen_alerts) }),
        })
        .collect()
}

pub(super) fn role_key(role: Role) -> &'static str {
    match role {
        Role::Admin => "role-admin",
        Role::Technician => "role-technician",
        Role::Member => "role-member",
        Role::Auditor => "role-auditor",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_language_shows_the_same_place() {
        for (path, expected) in [
            ("/", "/?lang=fr"),
            ("/restore/a?path=b%20c&said=saved&lang=en&after=d", "/restore/a?path=b%20c&after=d&lang=fr"),
            ("/x?", "/x?lang=fr"),
        ] {
            assert_eq!(in_language(path, "fr"), expected);
        }
    }
}
