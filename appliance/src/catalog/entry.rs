//! What lets people and programs in: links that work once, sessions of browsers, tokens. Only digests of them are kept.

use datis_engine::units::UnixMillis;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::CatalogError;
use super::values::{AccountRow, TokenRow, optional_time_at, state_words, time_at, word_at};

state_words! {
    /// How far somebody has come in signing in.
    Stage {
        /// The password was right, the second factor is still to come.
        Code => "code",
        /// The password was right, and a second factor must be set up before anything else.
        Setup => "setup",
        /// Signed in.
        Full => "full",
    }
}

state_words! {
    /// What a token may be used for.
    TokenScope {
        /// Reading figures.
        Metrics => "metrics",
        /// Looking at what its account may look at.
        Read => "read",
        /// All that its account may do, except what has to do with accounts and keys.
        Manage => "manage",
        /// Reading backups as a network folder, and nothing else.
        Webdav => "webdav",
    }
}

/// A digest of something that lets in.
pub type Digest = [u8; 32];

/// A link that works once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invitation {
    /// Whose; `None`: whoever has it becomes an admin.
    pub account: Option<AccountRow>,
    /// Until when.
    pub expires_at: UnixMillis,
}

/// Keeps a link, and forgets those that are over.
///
/// # Errors
/// [`CatalogError`].
pub fn insert_invitation(
    tx: &Transaction<'_>,
    digest: &Digest,
    invitation: Invitation,
    now: UnixMillis,
) -> Result<(), CatalogError> {
    tx.execute("DELETE FROM invitation WHERE expires_at <= ?1", [now.0])?;
    if let Some(account) = invitation.account {
        tx.execute("DELETE FROM invitation WHERE account = ?1", [account])?;
    }
    tx.execute(
        "INSERT INTO invitation (digest, account, expires_at) VALUES (?1, ?2, ?3)",
        params![digest, invitation.account, invitation.expires_at.0],
    )?;
    Ok(())
}

/// The link with this digest, unless it is over.
///
/// # Errors
/// [`CatalogError`].
pub fn invitation(c: &Connection, digest: &Digest, now: UnixMillis) -> Result<Option<Invitation>, CatalogError> {
    let found = c
        .prepare_cached("SELECT account, expires_at FROM invitation WHERE digest = ?1 AND expires_at > ?2")?
        .query_row(params![digest, now.0], |row| Ok(Invitation { account: row.get(0)?, expires_at: time_at(row, 1)? }))
        .optional()?;
    Ok(found)
}

/// Uses up a link.
///
/// # Errors
/// [`CatalogError`].
pub fn remove_invitation(tx: &Transaction<'_>, digest: &Digest) -> Result<(), CatalogError> {
    tx.execute("DELETE FROM invitation WHERE digest = ?1", [digest])?;
    Ok(())
}

/// A browser that somebody signed in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSession {
    /// What its cookie is known by.
    pub digest: Digest,
    /// Whose.
    pub account: AccountRow,
    /// How far.
    pub stage: Stage,
    /// From which address.
    pub address: String,
    /// What the browser calls itself.
    pub agent: String,
    /// When it began.
    pub created_at: UnixMillis,
    /// When it was last used, as far as that is written down.
    pub seen_at: UnixMillis,
    /// When the password was last given.
    pub confirmed_at: UnixMillis,
}

const SESSION: &str = "digest, account, stage, address, agent, created_at, seen_at, confirmed_at";

fn session_from(row: &Row<'_>) -> rusqlite::Result<WebSession> {
    Ok(WebSession {
        digest: row.get(0)?,
        account: row.get(1)?,
        stage: word_at(row, 2)?,
        address: row.get(3)?,
        agent: row.get(4)?,
        created_at: time_at(row, 5)?,
        seen_at: time_at(row, 6)?,
        confirmed_at: time_at(row, 7)?,
    })
}

/// Keeps a session.
///
/// # Errors
/// [`CatalogError`].
pub fn insert_session(tx: &Transaction<'_>, session: &WebSession) -> Result<(), CatalogError> {
    tx.prepare_cached(&format!("INSERT INTO web_session ({SESSION}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"))?
        .execute(params![
            session.digest,
            session.account,
            session.stage.word(),
            session.address,
            session.agent,
            session.created_at.0,
            session.seen_at.0,
            session.confirmed_at.0,
        ])?;
    Ok(())
}

/// The session with this digest.
///
/// # Errors
/// [`CatalogError`].
pub fn session(c: &Connection, digest: &Digest) -> Result<Option<WebSession>, CatalogError> {
    let mut statement = c.prepare_cached(&format!("SELECT {SESSION} FROM web_session WHERE digest = ?1"))?;
    Ok(statement.query_row([digest], session_from).optional()?)
}

/// The sessions of an account, the one used last first.
///
/// # Errors
/// [`CatalogError`].
pub fn sessions_of(c: &Connection, account: AccountRow) -> Result<Vec<WebSession>, CatalogError> {
    let sql = format!("SELECT {SESSION} FROM web_session WHERE account = ?1 ORDER BY seen_at DESC");
    Ok(c.prepare_cached(&sql)?.query_map([account], session_from)?.collect::<Result<_, _>>()?)
}

/// Notes that a session was used.
///
/// # Errors
/// [`CatalogError`].
pub fn note_session_used(tx: &Transaction<'_>, digest: &Digest, at: UnixMillis) -> Result<(), CatalogError> {
    tx.prepare_cached("UPDATE web_session SET seen_at = ?2 WHERE digest = ?1")?.execute(params![digest, at.0])?;
    Ok(())
}

/// Notes that the password was given again.
///
/// # Errors
/// [`CatalogError`].
pub fn note_confirmed(tx: &Transaction<'_>, digest: &Digest, at: UnixMillis) -> Result<(), CatalogError> {
    tx.execute("UPDATE web_session SET confirmed_at = ?2 WHERE digest = ?1", params![digest, at.0])?;
    Ok(())
}

/// Ends one session; whether it was there and of this account.
///
/// # Errors
/// [`CatalogError`].
pub fn remove_session(tx: &Transaction<'_>, account: AccountRow, digest: &Digest) -> Result<bool, CatalogError> {
    Ok(tx.execute("DELETE FROM web_session WHERE account = ?1 AND digest = ?2", params![account, digest])? == 1)
}

/// Ends all sessions of an account, except for one.
///
/// # Errors
/// [`CatalogError`].
pub fn remove_sessions(
    tx: &Transaction<'_>,
    account: AccountRow,
    except: Option<&Digest>,
) -> Result<usize, CatalogError> {
    Ok(tx.execute(
        "DELETE FROM web_session WHERE account = ?1 AND (?2 IS NULL OR digest <> ?2)",
        params![account, except],
    )?)
}

/// Removes sessions that began or were used last before these times.
///
/// # Errors
/// [`CatalogError`].
pub fn remove_old_sessions(
    tx: &Transaction<'_>,
    begun_before: UnixMillis,
    used_before: UnixMillis,
) -> Result<(), CatalogError> {
    tx.execute(
        "DELETE FROM web_session WHERE created_at < ?1 OR seen_at < ?2",
        params![begun_before.0, used_before.0],
    )?;
    Ok(())
}

/// A token that a program signs in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Number of its row.
    pub row: TokenRow,
    /// In whose name.
    pub account: AccountRow,
    /// What it is for, in the words of who made it.
    pub name: String,
    /// What it may be used for.
    pub scope: TokenScope,
    /// When it was made.
    pub created_at: UnixMillis,
    /// Until when it works.
    pub expires_at: UnixMillis,
    /// When it was last used, as far as that is written down.
    pub used_at: Option<UnixMillis>,
}

const TOKEN: &str = "id, account, name, scope, created_at, expires_at, used_at";

fn token_from(row: &Row<'_>) -> rusqlite::Result<ApiToken> {
    Ok(ApiToken {
        row: row.get(0)?,
        account: row.get(1)?,
        name: row.get(2)?,
        scope: word_at(row, 3)?,
        created_at: time_at(row, 4)?,
        expires_at: time_at(row, 5)?,
        used_at: optional_time_at(row, 6)?,
    })
}

/// Keeps a token.
///
/// # Errors
/// [`CatalogError`].
pub fn insert_token(
    tx: &Transaction<'_>,
    account: AccountRow,
    name: &str,
    digest: &Digest,
    scope: TokenScope,
    (now, expires_at): (UnixMillis, UnixMillis),
) -> Result<(), CatalogError> {
    tx.execute(
        "INSERT INTO api_token (account, name, digest, scope, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![account, name, digest, scope.word(), now.0, expires_at.0],
    )?;
    Ok(())
}

/// The token with this digest, unless it is over.
///
/// # Errors
/// [`CatalogError`].
pub fn token(c: &Connection, digest: &Digest, now: UnixMillis) -> Result<Option<ApiToken>, CatalogError> {
    let mut statement =
        c.prepare_cached(&format!("SELECT {TOKEN} FROM api_token WHERE digest = ?1 AND expires_at > ?2"))?;
    Ok(statement.query_row(params![digest, now.0], token_from).optional()?)
}

/// The tokens of an account, the newest first; those that are over too.
///
/// # Errors
/// [`CatalogError`].
pub fn tokens_of(c: &Connection, account: AccountRow) -> Result<Vec<ApiToken>, CatalogError> {
    let sql = format!("SELECT {TOKEN} FROM api_token WHERE account = ?1 ORDER BY id DESC");
    Ok(c.prepare_cached(&sql)?.query_map([account], token_from)?.collect::<Result<_, _>>()?)
}

/// Notes that a token was used.
///
/// # Errors
/// [`CatalogError`].
pub fn note_token_used(tx: &Transaction<'_>, token: TokenRow, at: UnixMillis) -> Result<(), CatalogError> {
    tx.execute("UPDATE api_token SET used_at = ?2 WHERE id = ?1", params![token, at.0])?;
    Ok(())
}

/// Removes the tokens of an account for this.
///
/// # Errors
/// [`CatalogError`].
pub fn remove_tokens_for(tx: &Transaction<'_>, account: AccountRow, scope: TokenScope) -> Result<(), CatalogError> {
    tx.execute("DELETE FROM api_token WHERE account = ?1 AND scope = ?2", params![account, scope.word()])?;
    Ok(())
}

/// Removes a token of an account; gives its name if it was there.
///
/// # Errors
/// [`CatalogError`].
pub fn remove_token(
    tx: &Transaction<'_>,
    account: AccountRow,
    token: TokenRow,
) -> Result<Option<String>, CatalogError> {
    let removed = tx
        .query_row(
            "DELETE FROM api_token WHERE account = ?1 AND id = ?2 RETURNING name",
            params![account, token],
            |row| row.get(0),
        )
        .optional()?;
    Ok(removed)
}
