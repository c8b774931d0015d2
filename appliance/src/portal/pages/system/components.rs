//! What the box is made of: every component of its programs with version and licence, and the same as CycloneDX.

use std::sync::OnceLock;

use actix_web::HttpResponse;
use askama::Template;
use serde::Deserialize;

use super::super::super::answer::{PageError, Reply};
use super::super::super::frame::{Frame, Way};
use super::super::super::visit::Visit;
use super::ways;

/// Written by `make components`; a test holds it to `Cargo.lock`.
const BILL: &str = include_str!("../../../../components.cdx.json");

/// Of CycloneDX 1.5, what the page shows.
#[derive(Deserialize)]
struct Bill {
    components: Vec<Component>,
}

#[derive(Deserialize)]
struct Component {
    name: String,
    version: String,
    licenses: Vec<Licence>,
}

#[derive(Deserialize)]
struct Licence {
    expression: String,
}

impl Component {
    fn licence(&self) -> String {
        self.licenses.iter().map(|licence| licence.expression.as_str()).collect::<Vec<_>>().join(", ")
    }
}

#[derive(Template)]
#[template(path = "system_components.html")]
struct ComponentsPage<'p> {
    frame: Frame<'p>,
    ways: Vec<Way>,
    count: String,
    components: &'static [Component],
}

pub(in crate::portal) async fn show(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            static BILLED: OnceLock<Result<Bill, serde_json::Error>> = OnceLock::new();
            let bill = BILLED.get_or_init(|| serde_json::from_str(BILL)).as_ref();
            let bill = bill.map_err(|e| PageError::Other(format!("the list of components is not whole: {e}")))?;
            let locale = visit.locale();
            let page = ComponentsPage {
                frame: Frame::new(visit, &locale.word("sys-components")),
                ways: ways(visit, "/system/components")?,
                count: locale.count("components-text", bill.components.len() as u64),
                components: &bill.components,
            };
            Ok(Reply::Page(page.render()?))
        })
        .await
}

pub(in crate::portal) async fn file(visit: Visit) -> HttpResponse {
    let bytes = BILL.as_bytes().to_vec();
    let media_type = "application/vnd.cyclonedx+json";
    visit.answer(move |_| Ok(Reply::File { name: "datis-components.cdx.json", media_type, bytes })).await
}
