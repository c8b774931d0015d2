//! Where the webhook is, and the queue of what it is told.

use std::fmt;
use std::str::FromStr;

use datis_engine::units::UnixMillis;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::CatalogError;
use super::values::{AlertRow, PostRow, optional_time_at, size_at, state_words, time_at, word_at};

state_words! {
    /// What the webhook is told.
    WebhookEvent {
        /// Something needs somebody.
        Opened => "opened",
        /// It is over.
        Closed => "closed",
        /// Somebody wants to see that it arrives.
        Test => "test",
    }
}

state_words! {
    /// How far it is.
    PostState {
        /// To be handed over, for the first time or again.
        Waiting => "waiting",
        /// Taken.
        Sent => "sent",
        /// It was given up.
        Failed => "failed",
    }
}

/// An address of HTTPS: `https://HOST[:PORT][/PATH][?QUERY]`, without a user and without a fragment.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(String);

/// Text that is no such address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an address of a webhook is https://HOST/PATH, without a user and without spaces")]
pub struct WebhookUrlError;

impl WebhookUrl {
    /// The longest, in bytes.
    pub const MAX: usize = 1_024;

    /// The address as text. Its path is often a secret.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Name or address of the host, without the brackets of an address of IPv6.
    #[must_use]
    pub fn host(&self) -> &str {
        self.split().0
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.split().1
    }

    /// Host and port, as they stand in the address.
    #[must_use]
    pub fn authority(&self) -> &str {
        split_at_path(&self.0["https://".len()..]).0
    }

    /// Path and query, as they are asked for.
    #[must_use]
    pub fn target(&self) -> String {
        let rest = split_at_path(&self.0["https://".len()..]).1;
        if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") }
    }

    fn split(&self) -> (&str, u16) {
        split_host(self.authority()).unwrap_or(("", 443))
    }
}

fn split_at_path(rest: &str) -> (&str, &str) {
    rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()))
}

fn split_host(authority: &str) -> Option<(&str, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            (address, port)
        }
        None => {
            let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
            let is_name = (1..=253).contains(&host.len())
                && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
            (Some(host).filter(|_| is_name)?, port)
        }
    };
    let port = match port.strip_prefix(':') {
        Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => port.parse().ok().filter(|port| *port > 0)?,
        Some(_) => return None,
        None if port.is_empty() => 443,
        None => return None,
    };
    Some((host, port))
}

impl FromStr for WebhookUrl {
    type Err = WebhookUrlError;

    fn from_str(raw: &str) -> Result<Self, WebhookUrlError> {
        let raw = raw.trim();
        let is_plain = raw.len() <= Self::MAX
            && raw.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'#' | b'\\' | b'"' | b'<' | b'>'));
        let rest = raw.strip_prefix("https://").filter(|_| is_plain).ok_or(WebhookUrlError)?;
        let (authority, _) = split_at_path(rest);
        split_host(authority).ok_or(WebhookUrlError)?;
        Ok(Self(raw.to_owned()))
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookUrl(https://{}/…)", self.authority())
    }
}

/// A program that is told of alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where it is.
    pub url: WebhookUrl,
    /// What messages to it are signed with; sealed.
    pub secret: Vec<u8>,
    /// Certificates, PEM, that are trusted in place of the system's.
    pub authority: Option<String>,
}

/// Something that the webhook is told, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Number of its row.
    pub row: PostRow,
    /// What it is.
    pub event: WebhookEvent,
    /// How far.
    pub state: PostState,
    /// What is said; JSON.
    pub body: String,
    /// How often it was tried.
    pub tries: u64,
    /// What was answered last.
    pub answer: String,
    /// When it was made.
    pub created_at: UnixMillis,
    /// Not to be tried before.
    pub next_at: UnixMillis,
    /// When it was taken or given up.
    pub done_at: Option<UnixMillis>,
}

const COLUMNS: &str = "id, event, state, body, tries, answer, created_at, next_at, done_at";

fn post_from(row: &Row<'_>) -> rusqlite::Result<Post> {
    Ok(Post {
        row: row.get(0)?,
        event: word_at(row, 1)?,
        state: word_at(row, 2)?,
        body: row.get(3)?,
        tries: size_at(row, 4)?,
        answer: row.get(5)?,
        created_at: time_at(row, 6)?,
        next_at: time_at(row, 7)?,
        done_at: optional_time_at(row, 8)?,
    })
}

/// Puts something into the queue. `alert`: what it is about.
///
/// # Errors
/// [`CatalogError`].
pub fn put(
    tx: &Transaction<'_>,
    event: WebhookEvent,
    alert: Option<AlertRow>,
    body: &str,
    now: UnixMillis,
) -> Result<(), CatalogError> {
    tx.execute(
        "INSERT INTO webhook_post (event, alert, state, body, tries, answer, created_at, next_at)
         VALUES (?1, ?2, 'waiting', ?3, 0, '', ?4, ?4)",
        params![event.word(), alert, body, now.0],
    )?;
    Ok(())
}

/// What is to be tried first now. Of what is said of one alert nothing overtakes what was said before, or the webhook would
/// hear of an end before its beginning.
///
/// # Errors
/// [`CatalogError`].
pub fn due(c: &Connection, now: UnixMillis) -> Result<Option<Post>, CatalogError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM webhook_post AS post
         WHERE state = 'waiting' AND next_at <= ?1 AND NOT EXISTS (
             SELECT 1 FROM webhook_post AS before
             WHERE before.state = 'waiting' AND before.alert = post.alert AND before.id < post.id)
         ORDER BY next_at, id LIMIT 1"
    );
    Ok(c.prepare_cached(&sql)?.query_row([now.0], post_from).optional()?)
}

/// The newest, at most `limit`.
///
/// # Errors
/// [`CatalogError`].
pub fn newest(c: &Connection, limit: u32) -> Result<Vec<Post>, CatalogError> {
    let mut statement = c.prepare_cached(&format!("SELECT {COLUMNS} FROM webhook_post ORDER BY id DESC LIMIT ?1"))?;
    Ok(statement.query_map([limit], post_from)?.collect::<Result<_, _>>()?)
}

/// Notes how a try ended, unless it was given up meanwhile.
///
/// # Errors
/// [`CatalogError`].
pub fn note_try(
    tx: &Transaction<'_>,
    post: PostRow,
    state: PostState,
    answer: &str,
    (now, next_at): (UnixMillis, UnixMillis),
) -> Result<(), CatalogError> {
    tx.execute(
        "UPDATE webhook_post SET state = ?2, answer = ?3, tries = tries + 1, next_at = ?5,
                                 done_at = CASE ?2 WHEN 'waiting' THEN NULL ELSE ?4 END
         WHERE id = ?1 AND state = 'waiting'",
        params![post, state.word(), answer, now.0, next_at.0],
    )?;
    Ok(())
}

/// Gives up what waits: there is nobody any more who is to be told.
///
/// # Errors
/// [`CatalogError`].
pub fn give_up(tx: &Transaction<'_>, now: UnixMillis) -> Result<(), CatalogError> {
    tx.execute("UPDATE webhook_post SET state = 'failed', done_at = ?1 WHERE state = 'waiting'", [now.0])?;
    Ok(())
}

/// Forgets what was done before `before`.
///
/// # Errors
/// [`CatalogError`].
pub fn forget(tx: &Transaction<'_>, before: UnixMillis) -> Result<(), CatalogError> {
    tx.execute("DELETE FROM webhook_post WHERE state <> 'waiting' AND done_at < ?1", [before.0])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_https_is_taken_apart_and_nothing_else_is_one() {
        for (raw, host, port, authority, target) in [
            ("https://hooks.example.org/a/b?c=d", "hooks.example.org", 443, "hooks.example.org", "/a/b?c=d"),
            (" https://ha.local:8123 ", "ha.local", 8_123, "ha.local:8123", "/"),
            ("https://192.168.7.9:8123/api", "192.168.7.9", 8_123, "192.168.7.9:8123", "/api"),
            ("https://[fd00::1]:9/x", "fd00::1", 9, "[fd00::1]:9", "/x"),
            ("https://[::1]?x=1", "::1", 443, "[::1]", "/?x=1"),
        ] {
            let url: WebhookUrl = raw.parse().expect(raw);
            assert_eq!((url.host(), url.port(), url.authority()), (host, port, authority), "{raw}");
            assert_eq!(url.target(), target, "{raw}");
        }
        for bad in [
            "",
            "http://hooks.example.org/",
            "https://",
            "https:///path",
            "https://user:pass@hooks.example.org/",
            "https://hooks.example.org:0/",
            "https://hooks.example.org:99999/",
            "https://hooks.example.org:+1/",
            "https://[::1/",
            "https://[::1]x/",
            "https://[zz]/",
            "https://a b/",
            "https://a/\r\nHost: b",
            "https://a/#b",
            "https://a\\b/",
            "file:///etc/passwd",
        ] {
            assert!(bad.parse::<WebhookUrl>().is_err(), "{bad:?}");
        }
        let long = format!("https://a/{}", "x".repeat(WebhookUrl::MAX));
        assert!(long.parse::<WebhookUrl>().is_err());
        let secret: WebhookUrl = "https://ha.local/api/webhook/s3cr3t".parse().expect("url");
        assert!(!format!("{secret:?}").contains("s3cr3t"));
    }
}
