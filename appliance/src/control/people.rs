//! Accounts and the audit log as text for people and as JSON for programs.

use std::fmt::Write;

use data_encoding::HEXLOWER;
use datis_engine::units::UnixMillis;
use serde_json::{Value, json};

use super::command::{Answer, Outcome};
use crate::figures::{self, Ago};
use crate::operations::accounts::{AccountName, LogVerdict, Person};

/// A line for each account.
pub(super) fn list(people: &[Person], now: UnixMillis) -> Answer {
    let mut text = String::new();
    let mut all = Vec::new();
    for Person { account, services, .. } in people {
        let seen = account.last_login_at.map_or("never signed in".to_owned(), |at| {
            format!("signed in {}", figures::ago(Ago::between(at.0, now.0)))
        });
        let factor = if account.totp.is_some() { "second factor" } else { "no second factor" };
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}: {}, {}, {factor}, {seen}", account.name, account.role.word(), account.state.word());
        all.push(json!({
            "name": account.name.as_str(),
            "role": account.role.word(),
            "state": account.state.word(),
            "services": services.iter().map(|service| service.word()).collect::<Vec<_>>(),
            "second_factor": account.totp.is_some(),
            "last_login_at": account.last_login_at.map(|at| at.0),
        }));
    }
    if all.is_empty() {
        text.push_str("Nobody has an account yet; `datisd auth admin-link` lets the first admin in.\n");
    }
    Answer { text, json: Value::Array(all), outcome: Outcome::Done }
}

pub(super) fn second_factor_reset(account: &AccountName) -> Answer {
    Answer {
        text: format!("`{account}` signs in with the password alone now, and is signed out everywhere.\n"),
        json: json!({ "reset": account.as_str() }),
        outcome: Outcome::Done,
    }
}

pub(super) fn support_closed(was_open: bool) -> Answer {
    let text = if was_open { "The support access is closed.\n" } else { "No support access was open.\n" };
    Answer { text: text.to_owned(), json: json!({ "closed": was_open }), outcome: Outcome::Done }
}

pub(super) fn log_verdict(verdict: LogVerdict) -> Answer {
    match verdict {
        LogVerdict::Whole { entries, head } => {
            let head = HEXLOWER.encode(&head);
            Answer {
                text: format!("The audit log is whole: {entries} entries, the last one with digest {head}.\n"),
                json: json!({ "whole": true, "entries": entries, "head": head }),
                outcome: Outcome::Done,
            }
        }
        LogVerdict::Broken { seq } => Answer {
            text: format!("The audit log is not whole: entry {seq}, or one before it, was changed or taken out.\n"),
            json: json!({ "whole": false, "broken_at": seq }),
            outcome: Outcome::Attention,
        },
    }
}
