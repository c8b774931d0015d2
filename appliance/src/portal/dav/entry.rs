//! Who may open network folders: the name of an account and one of its tokens for this, with each request (RFC 7617).
//!
//! Cookies count for nothing here, so that no page of another site can act in somebody's name; nor does the account's
//! password, which alone would go round the second factor.

use actix_web::dev::ServiceRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, AUTHORIZATION, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, web};
use data_encoding::BASE64;

use super::super::Portal;
use super::super::answer;
use super::super::routes;
use super::{ALLOWED, ROOT};
use crate::locale::Locale;
use crate::operations::accounts::{self, AccountError, Actor, Origin, Right};

/// What programs show when they ask for name and token.
const CHALLENGE: &str = "Basic realm=\"Datis\", charset=\"UTF-8\"";

/// Whether a path is that of a network folder, or of what is in one.
pub(in crate::portal) fn is_within(path: &str) -> bool {
    path == ROOT || path.strip_prefix(ROOT).is_some_and(|rest| rest.starts_with('/'))
}

/// Lets through whoever may do what is asked for, or says why not.
pub(in crate::portal) async fn admit(
    portal: &web::Data<Portal>,
    request: &ServiceRequest,
    origin: &Origin,
    locale: &Locale,
) -> Result<Actor, HttpResponse> {
    let header = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    // Browsers remember name and token, and would send them along with what a page elsewhere asks for.
    if !matches!(header(HeaderName::from_static("sec-fetch-site")), None | Some("none" | "same-origin")) {
        return Err(answer::plain(StatusCode::FORBIDDEN, locale.word("err-other-page")));
    }
    let Some((name, token)) = header(AUTHORIZATION).and_then(credentials) else { return Err(who_is_there(locale)) };
    let (site, from) = (portal.clone(), origin.clone());
    let found = web::block(move || accounts::authenticate_folders(&site.site, &from, &name, &token)).await;
    let actor = match found {
        Ok(Ok(actor)) => actor,
        Ok(Err(AccountError::Wrong)) => return Err(who_is_there(locale)),
        Ok(Err(AccountError::Wait { wait })) => {
            let seconds = wait.as_secs() + 1;
            let mut refused = answer::plain(StatusCode::TOO_MANY_REQUESTS, locale.count("err-wait", seconds));
            refused.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
            return Err(refused);
        }
        Ok(Err(error)) => return Err(answer::broken(&error)),
        Err(error) => return Err(answer::broken(&error)),
    };
    if actor.may(Right::OpenFolders).is_err() {
        return Err(answer::plain(StatusCode::FORBIDDEN, locale.word("err-forbidden")));
    }
    if request.match_pattern().and_then(|pattern| routes::find(request.method(), &pattern)).is_none() {
        // RFC 4918, 9.3.1: to MKCOL, 405 says that the folder is there, and programs would go on.
        let is_new_folder = request.method().as_str() == "MKCOL";
        let status = if is_new_folder { StatusCode::FORBIDDEN } else { StatusCode::METHOD_NOT_ALLOWED };
        let mut refused = answer::plain(status, locale.word("dav-read-only"));
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static(ALLOWED));
        return Err(refused);
    }
    Ok(actor)
}

fn who_is_there(locale: &Locale) -> HttpResponse {
    let mut refused = answer::plain(StatusCode::UNAUTHORIZED, locale.word("dav-sign-in"));
    refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
    refused
}

fn credentials(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    let decoded = BASE64.decode(encoded.trim().as_bytes()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':').map(|(name, token)| (name.to_owned(), token.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_token_are_read_and_nothing_else() {
        let read = |text: &str| credentials(text);
        let both = Some(("claire".to_owned(), "a:b".to_owned()));
        assert_eq!(read("Basic Y2xhaXJlOmE6Yg=="), both);
        assert_eq!(read("bAsIc  Y2xhaXJlOmE6Yg=="), both);
        for other in ["Bearer Y2xhaXJlOmE6Yg==", "Basic", "Basic x", "Basic Y2xhaXJl", "Basic /w==", ""] {
            assert_eq!(read(other), None, "{other}");
        }
        assert!(is_within("/dav") && is_within("/dav/") && is_within("/dav/a"));
        assert!(!is_within("/davx") && !is_within("/") && !is_within("/Dav/"));
    }
}
