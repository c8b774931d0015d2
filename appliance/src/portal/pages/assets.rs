//! Styles, script, icon and the authority's certificate. The names of files hold the digest of what is in them, so browsers
//! keep them until another version of the box has others.

use std::sync::OnceLock;

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};

use super::super::answer::{self, Reply};
use super::super::visit::Visit;

/// A file that browsers keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::portal) enum Asset {
    Style,
    Script,
    Icon,
    /// Draws what `Plot` can do (decision 0026).
    ChartScript,
    /// uPlot 1.6.32, MIT.
    Plot,
    PlotStyle,
    /// Paints the week of bandwidth.
    WeekScript,
}

impl Asset {
    pub(in crate::portal) const ALL: [Self; 7] =
        [Self::Style, Self::Script, Self::Icon, Self::ChartScript, Self::Plot, Self::PlotStyle, Self::WeekScript];

    const fn content(self) -> &'static str {
        match self {
            Self::Style => include_str!("../../../../portal-templates/static/portal.css"),
            Self::Script => include_str!("../../../../portal-templates/static/portal.js"),
            Self::Icon => include_str!("../../../../portal-templates/static/portal.svg"),
            Self::ChartScript => include_str!("../../../../portal-templates/static/chart.js"),
            Self::Plot => include_str!("../../../../portal-templates/static/uplot-1.6.32.min.js"),
            Self::PlotStyle => include_str!("../../../../portal-templates/static/uplot-1.6.32.min.css"),
            Self::WeekScript => include_str!("../../../../portal-templates/static/week.js"),
        }
    }

    const fn kind(self) -> &'static str {
        match self {
            Self::Style | Self::PlotStyle => "css",
            Self::Script | Self::ChartScript | Self::Plot | Self::WeekScript => "js",
            Self::Icon => "svg",
        }
    }

    const fn media_type(self) -> &'static str {
        match self {
            Self::Style | Self::PlotStyle => "text/css; charset=utf-8",
            Self::Script | Self::ChartScript | Self::Plot | Self::WeekScript => "text/javascript; charset=utf-8",
            Self::Icon => "image/svg+xml",
        }
    }

    /// Where it is.
    pub(in crate::portal) fn path(self) -> &'static str {
        static PATHS: OnceLock<Vec<(Asset, String)>> = OnceLock::new();
        let paths = PATHS.get_or_init(|| Self::ALL.into_iter().map(|asset| (asset, asset.path_by_digest())).collect());
        paths.iter().find(|(asset, _)| *asset == self).map_or("", |(_, path)| path.as_str())
    }

    fn path_by_digest(self) -> String {
        let digest = blake3::hash(self.content().as_bytes()).to_hex();
        format!("/static/portal-{}.{}", &digest[..16], self.kind())
    }
}

pub(in crate::portal) async fn file(visit: Visit, name: web::Path<String>) -> HttpResponse {
    let path = format!("/static/{name}");
    let Some(asset) = Asset::ALL.into_iter().find(|asset| asset.path() == path) else {
        return answer::plain(StatusCode::NOT_FOUND, visit.locale().word("err-not-found"));
    };
    HttpResponse::Ok()
        .content_type(asset.media_type())
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .body(asset.content())
}

pub(in crate::portal) async fn authority(visit: Visit) -> HttpResponse {
    let bytes = visit.portal.tls.authority();
    let file = Reply::File { name: "datis-portal.crt", media_type: "application/pkix-cert", bytes };
    file.into_response().await.unwrap_or_else(|error| answer::failed(&visit, error))
}
