//! Text in pictures, in a font that comes with the program.

use std::sync::Once;

use plotters::style::{FontStyle, register_font};

/// The family under which the font is known here; in an SVG it is what the viewer takes for it.
pub(crate) const FAMILY: &str = "sans-serif";

/// Makes the font known to `plotters`.
pub(crate) fn provide_font() {
    static PROVIDED: Once = Once::new();
    PROVIDED.call_once(|| {
        let registered = register_font(FAMILY, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT);
        debug_assert!(registered.is_ok(), "the font is a font");
    });
}
