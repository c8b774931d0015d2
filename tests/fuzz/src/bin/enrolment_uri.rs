//! The enrolment URI, as people paste it.
#![no_main]

use datis_engine::enrolment::EnrolmentUri;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(Ok(uri)) = datis_fuzz::text(data).map(str::parse::<EnrolmentUri>) else { return };
    assert_eq!(uri.to_string().parse::<EnrolmentUri>().expect("own text"), uri);
});
