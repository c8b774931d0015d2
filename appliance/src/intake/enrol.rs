//! Enrolment, which is the one thing a stranger may ask for, and renewal.
//!
//! Wrong codes cost attempts, by address and over all, and that is checked before the catalog is touched: 120 random bits
//! are not guessed at this pace in the life of the box.

use std::net::IpAddr;
use std::time::Instant;

use actix_web::{HttpRequest, HttpResponse, web};
use datis_engine::enrolment::EnrolmentCode;
use datis_engine::keys::PublicKey;
use datis_engine::wire::{Enrol, Enrolled, Refusal, RefusalCode, Renew, Renewed};

use super::machines::CertifiedKey;
use super::{Intake, answer, messages};
use crate::certs::{CertError, MachineRequest};
use crate::operations::{self, Machine};
use crate::rates::{Rates, limited_address};

/// An enrolment is a code and a signing request of some 200 bytes.
const ENROL_MAX: usize = 16 << 10;

/// How often enrolment may fail.
pub(super) struct Attempts {
    by_address: Rates<IpAddr>,
    all: Rates<()>,
}

impl Default for Attempts {
    /// 10 a minute for one address, 100 a minute over all.
    fn default() -> Self {
        Self { by_address: Rates::new(10.0, 10.0 / 60.0, 4_096), all: Rates::new(100.0, 100.0 / 60.0, 1) }
    }
}

impl Attempts {
    fn take(&self, address: IpAddr, now: Instant) -> Result<(), Refusal> {
        if self.by_address.take(&address, now) && self.all.take(&(), now) {
            return Ok(());
        }
        Err(Refusal::new(RefusalCode::Busy, "too many enrolments have failed; wait a minute and check the code"))
    }

    /// A code that was right tells nobody how to guess one.
    fn give_back(&self, address: IpAddr) {
        self.by_address.give_back(&address);
        self.all.give_back(&());
    }
}

/// `POST /v1/enrol`.
pub(super) async fn enrol(intake: web::Data<Intake>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let Some(address) = request.peer_addr().map(limited_address) else {
        return answer::refusal_and_close(&intake, &answer::fault());
    };
    if let Err(why) = intake.enrolments.take(address, Instant::now()) {
        return answer::refusal_and_close(&intake, &why);
    }
    let message = match messages::receive::<Enrol>(&intake, &request, payload, ENROL_MAX).await {
        Ok(message) => message,
        Err(why) => return answer::refusal_and_close(&intake, &why),
    };
    let enrolled = answer::blocking(&intake, move |intake| redeem(intake, &message)).await;
    if enrolled.is_ok() {
        intake.enrolments.give_back(address);
    }
    messages::reply::<Enrol>(&intake, enrolled, None)
}

/// `POST /v1/renew`.
pub(super) async fn renew(intake: web::Data<Intake>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let key = match CertifiedKey::of(&request) {
        Ok(key) => key,
        Err(why) => return answer::refusal_and_close(&intake, &why),
    };
    let message = match messages::receive::<Renew>(&intake, &request, payload, ENROL_MAX).await {
        Ok(message) => message,
        Err(why) => return answer::refusal_and_close(&intake, &why),
    };
    let renewed = answer::blocking(&intake, move |intake| {
        let machine = intake.machines.get(&intake.site, key)?;
        let (signing_request, public_key) = parse(&message.signing_request)?;
        if public_key != key.0 {
            let sentence =
                "a certificate is renewed for the machine's own key only; enrol the machine again to change it";
            return Err(Refusal::new(RefusalCode::BadSignature, sentence));
        }
        Ok(Renewed { certificate: sign(intake, &signing_request, &machine)? })
    });
    let renewed = renewed.await;
    messages::reply::<Renew>(&intake, renewed, None)
}

fn redeem(intake: &Intake, message: &Enrol) -> Result<Enrolled, Refusal> {
    let (signing_request, public_key) = parse(&message.signing_request)?;
    let code: EnrolmentCode = message.code.parse().map_err(|e| Refusal::new(RefusalCode::BadCode, format!("{e}")))?;
    let machine = operations::redeem_enrolment_code(&intake.site, &code, public_key)?;
    let certificate = sign(intake, &signing_request, &machine)?;
    let vault = &intake.site.vault;
    Ok(Enrolled {
        machine: machine.id,
        machine_name: machine.name,
        profile: machine.profile,
        certificate,
        dedup_secret: vault.secret.expose().to_vec(),
        recipients: vault.recipients.to_strings(),
        receipt_key: vault.receipt_key.public_key().as_bytes().to_vec(),
        box_name: vault.box_name.clone(),
    })
}

fn parse(der: &[u8]) -> Result<(MachineRequest, PublicKey), Refusal> {
    let refuse = |e: CertError| Refusal::new(RefusalCode::Malformed, e.to_string());
    let request = MachineRequest::parse(der).map_err(refuse)?;
    let key = request.public_key().map_err(refuse)?;
    Ok((request, key))
}

fn sign(intake: &Intake, request: &MachineRequest, machine: &Machine) -> Result<Vec<u8>, Refusal> {
    intake.certs.sign_machine(request, machine.id, intake.site.clock.now()).map_err(|e| {
        tracing::error!(machine = %machine.id, error = &e as &dyn std::error::Error, "a machine certificate was not signed");
        answer::fault()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_attempts_run_out_for_one_address_and_over_all() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let address = |last| IpAddr::from([192, 0, 2, last]);
        assert_eq!((0..50).filter(|_| attempts.take(address(1), now).is_ok()).count(), 10);
        let others = (2..=250).map(|last| attempts.take(address(last), now));
        assert_eq!(others.filter(Result::is_ok).count(), 90);
    }

    #[test]
    fn enrolments_that_succeed_cost_nothing() {
        let (attempts, now, address) = (Attempts::default(), Instant::now(), IpAddr::from([192, 0, 2, 1]));
        for _ in 0..500 {
            attempts.take(address, now).expect("attempt");
            attempts.give_back(address);
        }
    }
}
