//! What stands around every page: the box, the ways through the portal, who is signed in.

use super::pages::assets;
use super::visit::Visit;
use crate::locale::Locale;
use crate::operations::accounts::{Actor, Right, Role, Visitor};

/// What stands around a page.
pub(super) struct Frame<'p> {
    pub(super) locale: &'p Locale,
    pub(super) title: String,
    pub(super) box_name: &'p str,
    pub(super) version: &'static str,
    pub(super) style: &'static str,
    pub(super) script: &'static str,
    pub(super) icon: &'static str,
    pub(super) who: Option<Who<'p>>,
    pub(super) ways: Vec<Way>,
    pub(super) languages: Vec<LanguageLink<'p>>,
    /// What was just done.
    pub(super) said: Option<String>,
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
}

pub(super) struct LanguageLink<'p> {
    pub(super) code: &'static str,
    pub(super) name: String,
    pub(super) is_this: bool,
    pub(super) path: &'p str,
}

/// What a form that led here may say, by the word in the query.
const SAID: [(&str, &str); 7] = [
    ("queued", "said-queued"),
    ("saved", "said-saved"),
    ("removed", "said-removed"),
    ("ended", "said-ended"),
    ("retired", "said-retired"),
    ("started", "said-started"),
    ("password", "said-password"),
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
            box_name: &visit.portal.site.vault.box_name,
            version: env!("CARGO_PKG_VERSION"),
            style: assets::style_path(),
            script: assets::script_path(),
            icon: assets::icon_path(),
            who: actor.map(|actor| Who {
                name: actor.name(),
                role: locale.word(role_key(actor.role())),
                is_here: path.starts_with("/account"),
            }),
            ways: actor.map_or_else(Vec::new, |actor| ways(actor, locale, path)),
            languages: visit
                .portal
                .locales
                .all()
                .map(|other| LanguageLink {
                    code: other.language.code(),
                    name: other.word("language-name"),
                    is_this: other.language == locale.language,
                    path,
                })
                .collect(),
            said: said.map(|key| locale.word(key)),
        }
    }
}

fn ways(actor: &Actor, locale: &Locale, path: &str) -> Vec<Way> {
    let all = [
        ("/", "home", "nav-dashboard", true),
        ("/machines", "machine", "nav-machines", true),
        ("/site", "check", "nav-site", actor.has(Right::LookAtBox)),
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
