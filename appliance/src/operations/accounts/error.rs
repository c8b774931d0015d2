//! Why somebody does not come in, or an account is not changed.

use std::time::Duration;

use super::super::OperationError;
use crate::catalog::CatalogError;

/// Why somebody does not come in, or an account is not changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Not allowed, or the catalog failed.
    #[error(transparent)]
    Operation(#[from] OperationError),
    /// The name, the password or the code is wrong: which of them is not told.
    #[error("that is not right; check the name and the password, or the code")]
    Wrong,
    /// Too many attempts have failed.
    #[error("too many attempts have failed; wait {} s", wait.as_secs() + 1)]
    Wait {
        /// For how long.
        wait: Duration,
    },
    /// The link was used, is over, or never was.
    #[error("this link was used already or is over; ask for a new one")]
    LinkOver,
    /// Another account has the name.
    #[error("there is an account of this name already")]
    NameTaken,
    /// Not a name.
    #[error("a name has 1 to 64 letters, digits, or . _ - + @")]
    BadName,
    /// No account of this name.
    #[error("there is no account of this name; `datisd auth list` shows those there are")]
    NoSuchAccount,
    /// It would leave nobody who can run the box.
    #[error("this is the last admin who can sign in; make somebody else an admin first")]
    LastAdmin,
    /// The password is too short.
    #[error("the password is too short: it needs at least {} characters", super::password::LENGTH_MIN)]
    PasswordShort,
    /// The password is too long.
    #[error("the password is too long: it may have {} characters", super::password::LENGTH_MAX)]
    PasswordLong,
    /// The password is one of those that are tried first.
    #[error("this password is easily guessed; take a sentence of several words")]
    PasswordGuessable,
    /// Passwords cannot be hashed.
    #[error("the password cannot be hashed")]
    Hash,
    /// The company's directory could not be asked.
    #[error("the company's directory cannot be asked; accounts of the box itself still work")]
    Directory(#[source] super::directory::DirectoryError),
    /// The company's directory has not answered others yet.
    #[error("the company's directory has not answered others yet; try again in a few seconds")]
    DirectoryBusy,
    /// Its password is the directory's.
    #[error("this account is one of the company's directory: its password is changed there")]
    OfDirectory,
    /// There are too many tokens, links or accounts.
    #[error("there are too many of them; remove some first")]
    TooMany,
}

impl From<CatalogError> for AccountError {
    fn from(error: CatalogError) -> Self {
        Self::Operation(error.into())
    }
}
