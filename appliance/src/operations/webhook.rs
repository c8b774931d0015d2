//! The queue of what the webhook is told, which outlives restarts and receivers that are away.

use datis_engine::units::Seconds;
use zeroize::Zeroizing;

use super::accounts::{Action, Actor, Right, record};
use super::{OperationError, Site};
use crate::catalog::webhook::{self, Post, PostState, Webhook, WebhookEvent};
use crate::catalog::{CatalogError, alerts};
use crate::plain::plain;

/// After the first failed try, the second, …; what was not taken by then is given up: it would be news no more.
const AGAIN: [Seconds; 7] =
    [Seconds(10), Seconds(60), Seconds(300), Seconds(900), Seconds(3_600), Seconds(4 * 3_600), Seconds(12 * 3_600)];
/// What is done is shown for this long.
const SHOWN: Seconds = Seconds(90 * 86_400);
/// What is answered is kept up to here, in characters.
const ANSWER_MAX: usize = 500;
/// A sealed secret opens to no more than this, in bytes.
const SECRET_MAX: usize = 2 << 10;

/// The webhook and what it is to be told now.
///
/// # Errors
/// [`OperationError`].
pub fn due_post(site: &Site) -> Result<Option<(Webhook, Post)>, OperationError> {
    let now = site.clock.now();
    let found = site.catalog.reader().read(|tx| {
        let Some(hook) = alerts::setting(tx)?.webhook else { return Ok(None) };
        Ok::<_, CatalogError>(webhook::due(tx, now)?.map(|post| (hook, post)))
    });
    Ok(found?)
}

/// What messages are signed with.
///
/// # Errors
/// [`OperationError`].
pub fn webhook_secret(site: &Site, webhook: &Webhook) -> Result<Zeroizing<Vec<u8>>, OperationError> {
    Ok(site.vault.identity.open(&webhook.secret, SECRET_MAX)?)
}

/// Puts a message into the queue that shows whether messages arrive; whether there is a webhook.
///
/// # Errors
/// [`OperationError`].
pub fn test_webhook(site: &Site, by: &Actor, body: &str) -> Result<bool, OperationError> {
    by.may(Right::ChangeBox)?;
    let now = site.clock.now();
    let queued = site.catalog.writer().write(|tx| {
        let Some(hook) = alerts::setting(tx)?.webhook else { return Ok(false) };
        webhook::put(tx, WebhookEvent::Test, None, body, now)?;
        record(tx, site, by, Action::WebhookTested, hook.url.authority(), "")?;
        Ok(true)
    });
    queued.map_err(|e: CatalogError| site.noted(e.into()))
}

/// Notes how a try ended: taken, or not, and then when it is tried again.
///
/// # Errors
/// [`OperationError`].
pub fn note_post(site: &Site, tried: &Post, outcome: Result<&str, &str>) -> Result<(), OperationError> {
    let now = site.clock.now();
    let (state, answer, next_at) = match outcome {
        Ok(answer) => (PostState::Sent, answer, now),
        Err(answer) => {
            let tries = usize::try_from(tried.tries).unwrap_or(usize::MAX);
            match AGAIN.get(tries) {
                Some(pause) => (PostState::Waiting, answer, now.plus(*pause)),
                None => (PostState::Failed, answer, now),
            }
        }
    };
    let answer = plain(answer, ANSWER_MAX);
    let noted = site.catalog.writer().write(|tx| {
        webhook::note_try(tx, tried.row, state, &answer, (now, next_at))?;
        webhook::forget(tx, now.minus(SHOWN))
    });
    noted.map_err(|e| site.noted(e.into()))
}

/// The newest messages, at most `limit`.
///
/// # Errors
/// [`OperationError`].
pub fn newest_posts(site: &Site, limit: u32) -> Result<Vec<Post>, OperationError> {
    Ok(site.catalog.reader().read(|tx| webhook::newest(tx, limit))?)
}

#[cfg(test)]
mod tests {
    use super::super::alerts::{AlertChange, WebhookChange, set_alerts};
    use super::super::testing::TestBox;
    use super::*;
    use crate::catalog::alerts::QuietHours;

    fn set(site: &Site, url: Option<&str>) {
        let webhook = url.map(|url| WebhookChange {
            url: url.parse().expect("url"),
            secret: Some("sixteen letters!!".to_owned()),
            authority: None,
        });
        let change = AlertChange { routes: Vec::new(), quiet: QuietHours::default(), webhook };
        set_alerts(site, &Actor::console(), &change).expect("set");
    }

    #[test]
    fn a_message_is_tried_again_with_growing_pauses_and_given_up_within_a_day() {
        let test = TestBox::start();
        let (site, by) = (test.site(), Actor::console());
        assert!(!test_webhook(site, &by, "{}").expect("test"), "there is nobody to tell");
        set(site, Some("https://ha.local/hook"));
        assert!(test_webhook(site, &by, "{}").expect("test"));
        let mut tries = 0;
        while let Some(post) = newest_posts(site, 1).expect("posts").pop().filter(|p| p.state == PostState::Waiting) {
            note_post(site, &post, Err("no connection\r\n")).expect("note");
            assert!(due_post(site).expect("due").is_none(), "not at once");
            tries += 1;
        }
        assert_eq!(tries, AGAIN.len() + 1);
        let given_up = newest_posts(site, 1).expect("posts").pop().expect("a post");
        assert_eq!((given_up.state, given_up.answer.as_str()), (PostState::Failed, "no connection"));
        assert!(test_webhook(site, &by, "{}").expect("test"));
        let (_, post) = due_post(site).expect("due").expect("a post");
        note_post(site, &post, Ok("200 OK")).expect("note");
        assert!(due_post(site).expect("due").is_none());
    }

    #[test]
    fn without_a_webhook_nothing_waits_for_one() {
        let test = TestBox::start();
        let (site, by) = (test.site(), Actor::console());
        set(site, Some("https://ha.local/hook"));
        test_webhook(site, &by, "{}").expect("test");
        set(site, None);
        assert_eq!(newest_posts(site, 1).expect("posts")[0].state, PostState::Failed);
        set(site, Some("https://other.local/hook"));
        assert!(due_post(site).expect("due").is_none(), "another one does not get what was for the first");
    }
}
