//! Passwords: what is accepted, and their slow hash (Argon2id, 19 MiB, two passes: OWASP's first choice).

use std::sync::{Condvar, Mutex, PoisonError};

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Argon2, PasswordHash};
use datis_engine::keys::random_bytes;

use super::error::AccountError;
use crate::catalog::accounts::AccountName;

/// The shortest password, in characters.
pub(crate) const LENGTH_MIN: usize = 10;
/// The longest, in characters: long enough for any sentence.
pub(crate) const LENGTH_MAX: usize = 128;
/// Hashes at a time: 19 MiB each.
const AT_A_TIME: usize = 2;

/// What everybody tries first, as far as it is long enough. Compared without case, digits and signs at the end.
const COMMON: &[&str] = &[
    "administrator",
    "administrateur",
    "motdepasse",
    "passwordpassword",
    "qwertyuiop",
    "azertyuiop",
    "1234567890",
    "0123456789",
    "iloveyou",
    "letmeinplease",
    "welcome",
    "changeme",
    "password",
    "azerty",
    "qwerty",
    "йцукенгшщз",
    "парольпароль",
    "пароль",
    "soleil",
    "bonjour",
    "datisadmin",
    "inspeere",
];

/// Refuses what is guessed at once (ASVS 6.2: length and common passwords count, composition does not).
pub(super) fn check_strength(password: &str, name: &AccountName) -> Result<(), AccountError> {
    let length = password.chars().count();
    if length < LENGTH_MIN {
        return Err(AccountError::PasswordShort);
    }
    if length > LENGTH_MAX {
        return Err(AccountError::PasswordLong);
    }
    let lower = password.to_lowercase();
    let stem = lower.trim_end_matches(|c: char| !c.is_alphabetic());
    let symbols: std::collections::BTreeSet<char> = lower.chars().collect();
    let is_common = COMMON.iter().any(|common| *common == lower || *common == stem);
    if is_common || symbols.len() < 5 || lower.contains(name.as_str()) {
        return Err(AccountError::PasswordGuessable);
    }
    Ok(())
}

/// The hash of a password with a fresh salt, in the PHC form.
pub(super) fn hash(password: &str) -> Result<String, AccountError> {
    let _turn = Turn::take();
    let salt = random_bytes::<16>().map_err(super::super::OperationError::from)?;
    let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(|_| AccountError::Hash)
}

/// Whether `password` is the one behind `phc`. Takes as long when there is none, so that nobody learns who has an account.
pub(super) fn verify(password: &str, phc: Option<&str>) -> bool {
    let _turn = Turn::take();
    // Of a password that nobody knows, with the parameters of `hash`.
    const NOBODYS: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$ZLKBIhZs1eYWV0Bpxzc5jA2GYmkLEWb4zv2zYX4sCyY";
    let password: String = password.chars().take(LENGTH_MAX + 1).collect();
    let Ok(parsed) = PasswordHash::new(phc.unwrap_or(NOBODYS)) else { return false };
    Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok() && phc.is_some()
}

/// A turn at hashing: many at once would take the box's memory.
struct Turn;

static RUNNING: Mutex<usize> = Mutex::new(0);
static ENDED: Condvar = Condvar::new();

impl Turn {
    fn take() -> Self {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        while *running >= AT_A_TIME {
            running = ENDED.wait(running).unwrap_or_else(PoisonError::into_inner);
        }
        *running += 1;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        ENDED.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_and_no_other_is() {
        let phc = hash("correct horse battery").expect("hash");
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert!(verify("correct horse battery", Some(&phc)));
        assert!(!verify("correct horse batterz", Some(&phc)));
        assert!(!verify("", Some(&phc)));
        assert_ne!(phc, hash("correct horse battery").expect("hash"), "a fresh salt each time");
    }

    #[test]
    fn without_an_account_the_same_work_is_done() {
        // The hash that stands for nobody's has the same parameters, so its verification costs the same.
        let began = std::time::Instant::now();
        assert!(!verify("whatever it is", None));
        let nobodys = began.elapsed();
        let phc = hash("correct horse battery").expect("hash");
        let began = std::time::Instant::now();
        verify("whatever it is", Some(&phc));
        assert!(nobodys * 4 > began.elapsed(), "{nobodys:?} against {:?}", began.elapsed());
    }

    #[test]
    fn what_is_guessed_at_once_is_refused() {
        let name: AccountName = "claire".parse().expect("name");
        let judged = |password: &str| check_strength(password, &name);
        assert!(matches!(judged("short"), Err(AccountError::PasswordShort)));
        assert!(matches!(judged(&"x1y2z3".repeat(30)), Err(AccountError::PasswordLong)));
        for bad in ["Password123!!", "motdepasse2024", "aaaaaaaaaaaa", "1234567890", "Claire-claire-1", "ЙЦУКЕНГШЩЗ1"]
        {
            assert!(matches!(judged(bad), Err(AccountError::PasswordGuessable)), "{bad}");
        }
        for good in ["les trois cafés du port", "vK7#mQp2xL", "сорок две чайки"] {
            assert!(judged(good).is_ok(), "{good}");
        }
    }
}
