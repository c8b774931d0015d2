//! Bundles, on the console of the box that takes them.

use data_encoding::BASE64;
use serde_json::json;

use super::command::{Answer, BundleCommand, Failed, FailedKind, Outcome};
use super::execute::Desk;
use super::show::{self, with_causes};
use crate::bundle::{self, BundleError, Taken};
use crate::operations::accounts::Actor;
use crate::operations::{self, OperationError};

impl From<BundleError> for Failed {
    fn from(error: BundleError) -> Self {
        match error {
            BundleError::Operation(error) => error.into(),
            refused => Self { sentence: with_causes(&refused), kind: FailedKind::Failed },
        }
    }
}

pub(super) fn execute(desk: &Desk, what: &BundleCommand) -> Result<Answer, Failed> {
    match what {
        BundleCommand::Apply { file, key, older } => {
            let bytes = match file {
                Some(file) => BASE64.decode(file.as_bytes()).map_err(|_| Failed {
                    sentence: "the bundle did not arrive whole; try again".to_owned(),
                    kind: FailedKind::Failed,
                })?,
                None => bundle::look(&desk.dir, &desk.bundle)?,
            };
            let taken = bundle::apply(&desk.site, &Actor::console(), &bytes, key.or(desk.bundle.key), *older)?;
            Ok(applied(&taken, desk.is_running()))
        }
        BundleCommand::Show => Ok(shown(desk)?),
    }
}

fn applied(taken: &Taken, is_running: bool) -> Answer {
    let later = bundle::only_from_the_next_start(&taken.content);
    let mut lines = bundle::sentences(&taken.content);
    lines.push(if taken.is_new { "Applied." } else { "It was applied before; nothing is changed." }.to_owned());
    if taken.is_new && is_running && !later.is_empty() {
        lines.push("What is set in datisd.toml counts from the next start on: systemctl restart datisd".to_owned());
    }
    Answer {
        text: lines.join("\n") + "\n",
        json: json!({ "serial": taken.content.serial, "changed": taken.is_new, "from_the_next_start": later }),
        outcome: Outcome::Done,
    }
}

fn shown(desk: &Desk) -> Result<Answer, OperationError> {
    let (applied, refused) = (bundle::applied(&desk.site)?, operations::refused_bundle(&desk.site)?);
    let mut lines = Vec::new();
    match &applied {
        Some(applied) => {
            lines.extend(bundle::sentences(&applied.content));
            lines.push(format!("applied {}", show::day(applied.kept.applied_at)));
        }
        None => lines.push("No bundle was applied; the defaults stand.".to_owned()),
    }
    if let Some(refused) = &refused {
        lines.push(format!("Not taken, {}: {}", show::day(refused.at), refused.detail));
    }
    let json = json!({
        "applied": applied.map(|applied| json!({
            "reseller": applied.content.reseller.name.as_str(),
            "contact": applied.content.reseller.contact.as_str(),
            "serial": applied.kept.serial,
            "applied_at": applied.kept.applied_at.0,
        })),
        "refused": refused.map(|refused| json!({
            "reason": refused.reason.word(), "detail": refused.detail, "at": refused.at.0,
        })),
    });
    Ok(Answer { text: lines.join("\n") + "\n", json, outcome: Outcome::Done })
}
