//! The portal's certificate: the box's own, or one that the company brings.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::super::super::answer::{PageError, Reply};
use super::super::super::frame::{Frame, Way};
use super::super::super::tls::Shows;
use super::super::super::visit::Visit;
use super::super::exactly;
use super::ways;
use crate::certs::own::{OwnCertificate, OwnError, OwnFacts};
use crate::operations;
use crate::operations::accounts::Right;

#[derive(Template)]
#[template(path = "system_certificate.html")]
struct CertificatePage<'p> {
    frame: Frame<'p>,
    ways: Vec<Way>,
    may_change: bool,
    fingerprint: String,
    own: Option<OwnFacts>,
    ends: String,
    /// Why the company's certificate is not used.
    refused: Option<String>,
    problem: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct CertificateForm {
    chain: String,
    key: String,
}

fn certificate_page(visit: &Visit, problem: Option<String>) -> Result<String, PageError> {
    let locale = visit.locale();
    let (own, refused) = match visit.portal.tls.shows() {
        Shows::BoxsOwn => (None, None),
        Shows::Companys(facts) => (Some(facts), None),
        Shows::BoxsInsteadOfCompanys(error) => (None, Some(locale.word(key_of(error)))),
    };
    let page = CertificatePage {
        frame: Frame::new(visit, &locale.word("sys-certificate")),
        ways: ways(visit, "/system/certificate")?,
        may_change: visit.actor()?.has(Right::RunBox),
        fingerprint: visit.portal.tls.fingerprint(),
        ends: own.as_ref().map(|own| exactly(own.ends_at.0)).unwrap_or_default(),
        own,
        refused,
        problem,
    };
    Ok(page.render()?)
}

fn key_of(error: OwnError) -> &'static str {
    match error {
        OwnError::TooLong => "err-own-long",
        OwnError::NoCertificate => "err-own-none",
        OwnError::NoKey => "err-own-no-key",
        OwnError::TooMany => "err-own-many",
        OwnError::Unreadable => "err-own-unreadable",
        OwnError::OtherKey => "err-own-other-key",
        OwnError::KeyKind => "err-own-kind",
        OwnError::Names => "err-own-names",
        OwnError::NotYet => "err-own-early",
        OwnError::Over => "err-own-over",
        OwnError::Order => "err-own-order",
    }
}

pub(in crate::portal) async fn show(visit: Visit) -> HttpResponse {
    visit.answer(|visit| Ok(Reply::Page(certificate_page(visit, None)?))).await
}

pub(in crate::portal) async fn set(visit: Visit, form: web::Form<CertificateForm>) -> HttpResponse {
    let CertificateForm { chain, key } = form.into_inner();
    let pem = Zeroizing::new(format!("{chain}\n{key}\n").into_bytes());
    visit
        .answer(move |visit| {
            let tls = &visit.portal.tls;
            match OwnCertificate::read(&pem, &tls.found_under(), visit.site().clock.now()) {
                Ok(own) => {
                    operations::set_own_certificate(visit.site(), visit.actor()?, &own, &pem)?;
                    tls.look_again().map_err(|e| PageError::Other(operations::chain(&e)))?;
                    Ok(Reply::Go("/system/certificate?said=saved".to_owned()))
                }
                Err(error) => Ok(Reply::Refused(certificate_page(visit, Some(visit.locale().word(key_of(error))))?)),
            }
        })
        .await
}

pub(in crate::portal) async fn forget(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            operations::forget_own_certificate(visit.site(), visit.actor()?)?;
            visit.portal.tls.look_again().map_err(|e| PageError::Other(operations::chain(&e)))?;
            Ok(Reply::Go("/system/certificate?said=removed".to_owned()))
        })
        .await
}
