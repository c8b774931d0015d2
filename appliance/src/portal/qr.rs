//! QR codes as pictures within a page.

use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};

use super::answer::PageError;

/// `text` as an SVG element.
///
/// # Errors
/// The text is too long for one.
pub(super) fn svg(text: &str) -> Result<String, PageError> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M)
        .map_err(|e| PageError::Other(format!("a QR code cannot be made: {e}")))?;
    let picture = code
        .render::<svg::Color<'_>>()
        .min_dimensions(200, 200)
        .dark_color(svg::Color("#10202b"))
        .light_color(svg::Color("#ffffff"))
        .build();
    // The declaration belongs to files, not into a page.
    Ok(picture.split_once("?>").map_or(picture.as_str(), |(_, element)| element).to_owned())
}
