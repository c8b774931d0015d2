//! People with accounts, made as they are made in life, without a browser.

use std::time::{Duration, SystemTime};

use ring::hmac;

use crate::TestBox;
use crate::portal::Visitor;

/// What everybody signs in with.
pub const PASSWORD: &str = "les trois cafés du port";

/// The path of a one-time link that makes an admin.
///
/// # Panics
/// When the portal does not do its part.
#[must_use]
pub fn admin_link(the_box: &TestBox) -> String {
    let told = the_box.command(["auth", "admin-link"]).run().expect_success().text();
    path_of(&told)
}

/// The path within a text that ends with a link.
///
/// # Panics
/// When the portal does not do its part.
#[must_use]
pub fn path_of(link: &str) -> String {
    let at = link.find("/welcome/").unwrap_or_else(|| panic!("no link in {link}"));
    link[at..].split_whitespace().next().expect("a path").to_owned()
}

/// Makes an admin without a browser.
///
/// # Panics
/// When the portal does not do its part.
#[must_use]
pub fn admin(the_box: &TestBox, name: &str) -> Visitor {
    let mut visitor = half_an_admin(the_box, name);
    let page = visitor.get("/welcome/second-factor").body;
    let secret = page.split("name=\"secret\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("secret");
    let set = visitor.post("/welcome/second-factor", &[("secret", secret), ("code", &code(secret))]);
    assert_eq!(set.status, 200, "{}", set.body);
    visitor
}

/// An admin who has a password and no second factor yet.
///
/// # Panics
/// When the portal does not do its part.
#[must_use]
pub fn half_an_admin(the_box: &TestBox, name: &str) -> Visitor {
    let mut visitor = the_box.visitor();
    let accepted = visitor.post(&admin_link(the_box), &[("name", name), ("password", PASSWORD)]);
    assert_eq!(accepted.location, "/welcome/second-factor", "{}", accepted.body);
    visitor
}

/// Has `admin` invite somebody: the path of their link.
///
/// # Panics
/// When the portal does not do its part.
#[must_use]
pub fn invite(admin: &mut Visitor, name: &str, role: &str) -> String {
    let invited = admin.post("/people/new", &[("name", name), ("role", role), ("service", "restore")]);
    assert_eq!(invited.status, 200, "{}", invited.body);
    let link = invited.body.split("id=\"link\"").nth(1).and_then(|rest| rest.split('<').next()).expect("a link");
    path_of(link)
}

/// Somebody who needs no second factor, signed in.
///
/// # Panics
/// When the portal does not do its part.
#[must_use]
pub fn person(the_box: &TestBox, admin: &mut Visitor, name: &str, role: &str) -> Visitor {
    let link = invite(admin, name, role);
    let mut visitor = the_box.visitor();
    let accepted = visitor.post(&link, &[("password", PASSWORD)]);
    assert_eq!(accepted.location, "/", "{}", accepted.body);
    visitor
}

/// What an authenticator app shows now for a secret in base 32 (RFC 6238: SHA-1, 30 seconds, six digits).
///
/// # Panics
/// When the portal does not do its part.
#[must_use]
pub fn code(secret: &str) -> String {
    let letters: String = secret.chars().filter(|c| !c.is_whitespace()).collect();
    let key = data_encoding::BASE32_NOPAD.decode(letters.as_bytes()).expect("a secret is base 32");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    code_at(&key, now / 30)
}

/// RFC 4226, 5.3.
fn code_at(key: &[u8], step: u64) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key), &step.to_be_bytes());
    let bytes = tag.as_ref();
    let at = usize::from(bytes[bytes.len() - 1] & 0x0f);
    let number = u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes")) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 4226, appendix D.
        let codes = [(0, "755224"), (1, "287082"), (9, "520489")];
        for (step, expected) in codes {
            assert_eq!(code_at(b"12345678901234567890", step), expected);
        }
    }
}
