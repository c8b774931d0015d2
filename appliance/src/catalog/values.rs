//! Between columns and domain types. A value that is not what its column promises is an error, never a default.

use std::str::FromStr;

use datis_engine::ids::{
    ChunkId, CommunityId, InvitationId, MachineId, MemberId, PackId, ShardId, SnapshotId, SpkiPin, Witness,
};
use datis_engine::keys::PublicKey;
use datis_engine::units::UnixMillis;
use rusqlite::Row;
use rusqlite::types::{FromSqlError, Type};

macro_rules! row_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl rusqlite::ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
                self.0.to_sql()
            }
        }

        impl rusqlite::types::FromSql for $name {
            fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
                i64::column_result(value).map(Self)
            }
        }
    };
}

row_id! {
    /// Number of an account's row.
    AccountRow
}
row_id! {
    /// Number of a request to put something back.
    PutBackRow
}
row_id! {
    /// Number of a mail's row.
    MailRow
}
row_id! {
    /// Number of an alert's row.
    AlertRow
}
row_id! {
    /// Number of the row of a message to the webhook.
    PostRow
}
row_id! {
    /// Number of a token's row.
    TokenRow
}
row_id! {
    /// Number of a member whose shards are here.
    OwnerRow
}
row_id! {
    /// Number of a machine in the catalog.
    MachineRow
}
row_id! {
    /// Number of a pack in the catalog: of one that one machine sent.
    PackRow
}
row_id! {
    /// Number of a stripe in the catalog.
    StripeRow
}
row_id! {
    /// Number of a member that holds shards, in the catalog.
    HolderRow
}
row_id! {
    /// Number of a snapshot in the catalog.
    SnapshotRow
}

/// What a BLOB column can hold.
pub(super) trait Bytes: Sized {
    fn take(bytes: &[u8]) -> Option<Self>;
}

macro_rules! bytes {
    ($($name:ident),+) => { $(
        impl Bytes for $name {
            fn take(bytes: &[u8]) -> Option<Self> {
                Self::from_slice(bytes)
            }
        }
    )+ };
}
bytes!(
    ChunkId,
    CommunityId,
    InvitationId,
    MachineId,
    MemberId,
    PackId,
    ShardId,
    SnapshotId,
    SpkiPin,
    Witness,
    PublicKey
);

/// A BLOB of fixed length.
pub(super) fn bytes_at<T: Bytes>(row: &Row<'_>, index: usize) -> rusqlite::Result<T> {
    let blob = row.get_ref(index)?.as_blob().map_err(|e| of_type(index, Type::Blob, e))?;
    T::take(blob).ok_or_else(|| misfit(index))
}

/// The same, where NULL is allowed.
pub(super) fn optional_bytes_at<T: Bytes>(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<T>> {
    let blob = row.get_ref(index)?.as_blob_or_null().map_err(|e| of_type(index, Type::Blob, e))?;
    let Some(blob) = blob else { return Ok(None) };
    T::take(blob).map(Some).ok_or_else(|| misfit(index))
}

/// A word, a name or a policy in its text form.
pub(super) fn word_at<T: FromStr>(row: &Row<'_>, index: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(index)?.as_str().map_err(|e| of_type(index, Type::Text, e))?;
    text.parse().map_err(|_| of_type(index, Type::Text, FromSqlError::InvalidType))
}

pub(super) fn time_at(row: &Row<'_>, index: usize) -> rusqlite::Result<UnixMillis> {
    row.get(index).map(UnixMillis)
}

pub(super) fn optional_time_at(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<UnixMillis>> {
    row.get::<_, Option<i64>>(index).map(|time| time.map(UnixMillis))
}

/// A count or size, which the catalog keeps as a signed number.
pub(super) fn size_at(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(index)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(index, value))
}

/// Sizes that a machine declares may be absurd; they are information only and stop at what a column can hold.
pub(super) fn column_size(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// A BLOB that is not what the column holds.
pub(super) fn misfit(index: usize) -> rusqlite::Error {
    of_type(index, Type::Blob, FromSqlError::InvalidType)
}

fn of_type(index: usize, kind: Type, error: FromSqlError) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, kind, Box::new(error))
}

/// Words of a state: one table for the enum, its printed form and the catalog.
macro_rules! state_words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident => $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name {
            $($(#[$vdoc])* $variant,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in the catalog and on screens.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::catalog::values::UnknownWord;

            fn from_str(raw: &str) -> Result<Self, Self::Err> {
                match raw {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(crate::catalog::values::UnknownWord),
                }
            }
        }
    };
}
pub(super) use state_words;

/// A state word that this program does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a known state")]
pub struct UnknownWord;
