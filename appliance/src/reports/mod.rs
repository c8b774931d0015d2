//! How the box is, in words: the same sentences on the first page, in the daily report and in alerts.

mod alerts;
mod drill;
mod health;
mod report;
mod sheet;
mod standing;

pub(crate) use alerts::{tone, webhook_body, webhook_test};
pub(crate) use drill::drill_sentence;
pub(crate) use health::Health;
pub(crate) use report::{alert, daily, daily_sheet, test_mail};
pub(crate) use standing::{About, Standing};
