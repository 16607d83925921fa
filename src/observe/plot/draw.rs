//! Drawing a plot: title, axes, curves, legend.

use std::io;
use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordu64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Curve, Plot};
use crate::picture::{Encoding, Picture};
use crate::text;

/// Width and height of the drawing, in the unit of its font sizes.
const SIZE: (u32, u32) = (960, 540);
/// The size of the title's letters.
const TITLE: u32 = 20;
/// The width of the strip with the legend.
const LEGEND: u32 = 170;
/// The height of a row of it, and of all of them at most.
const ROW: u32 = 24;
const ROWS: u32 = 460;
/// A PNG has one and a half pixels for a unit; it is drawn at three, and halved to smooth the edges.
const DRAWN: u32 = 3;
const FAINT: RGBColor = RGBColor(150, 150, 150);
/// What lies more than so many decades below the largest loss is drawn at the lower edge.
const DECADES: i32 = 9;

/// What the drawing fails with: the backends' own reasons, as text.
type Drawn = Result<(), DrawingFailed>;

/// A reason, as text.
struct DrawingFailed(String);

impl<E: std::error::Error + Send + Sync> From<DrawingAreaErrorKind<E>> for DrawingFailed {
    fn from(error: DrawingAreaErrorKind<E>) -> Self {
        DrawingFailed(error.to_string())
    }
}

impl From<DrawingFailed> for io::Error {
    fn from(error: DrawingFailed) -> Self {
        io::Error::other(error.0)
    }
}

pub(super) fn svg(plot: &Plot) -> io::Result<Vec<u8>> {
    text::provide_font();
    let mut svg = String::new();
    plot.draw(&SVGBackend::with_string(&mut svg, SIZE).into_drawing_area(), 1)?;
    Ok(svg.into_bytes())
}

pub(super) fn png(plot: &Plot) -> io::Result<Vec<u8>> {
    text::provide_font();
    let (width, height) = (SIZE.0 * DRAWN, SIZE.1 * DRAWN);
    let mut rgb = vec![0; 3 * width as usize * height as usize];
    let backend = BitMapBackend::with_buffer(&mut rgb, (width, height));
    plot.draw(&backend.into_drawing_area(), DRAWN)?;
    let drawn = Picture::from_rgb(width, height, rgb.into_iter().map(f32::from).collect());
    let half = drawn.resize(width / 2, height / 2);
    half.encoded("plot.png", &Encoding::default())
        .map_err(io::Error::other)
}

impl Plot {
    /// Draws title, legend and curves, `unit` pixels a unit.
    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, unit: u32) -> Drawn {
        area.fill(&WHITE)?;
        let title = text::fitted(&self.title, f64::from(TITLE * unit), SIZE.0 * unit * 9 / 10);
        let below = area
            .margin(8 * unit, 0, 0, 0)
            .titled(&title, (text::FAMILY, TITLE * unit))?;
        let (left, right) = below.split_horizontally((SIZE.0 - LEGEND) * unit);
        let curves = self.curves();
        legend(&right, &curves, unit)?;
        self.chart(&left, &curves, unit)?;
        area.present()?;
        Ok(())
    }

    fn chart<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        curves: &[Curve<'_>],
        unit: u32,
    ) -> Drawn {
        let last = self.points.last().map_or(1, |point| point.evaluation);
        let range = decades(curves);
        let mut chart = ChartBuilder::on(area)
            .margin(10 * unit)
            .x_label_area_size(44 * unit)
            .y_label_area_size(64 * unit)
            .build_cartesian_2d(0..last, range.clone().log_scale())?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(RGBColor(230, 230, 230).stroke_width(unit))
            .axis_style(FAINT.stroke_width(unit))
            .set_all_tick_mark_size(4 * unit)
            .label_style((text::FAMILY, 13 * unit))
            .axis_desc_style((text::FAMILY, 15 * unit))
            .x_desc("evaluations")
            .y_desc("loss and its terms, weighted")
            .y_label_formatter(&|value| format!("{value:.0e}"))
            .draw()?;
        self.mark_scales(&mut chart, &range, unit)?;
        for curve in curves.iter().rev() {
            let points = curve
                .points
                .iter()
                .map(|&(evaluation, value)| (evaluation, value.clamp(range.start, range.end)));
            chart.draw_series(LineSeries::new(
                points,
                curve.color.stroke_width(curve.width() * unit),
            ))?;
        }
        Ok(())
    }

    /// A faint line where the size of the picture changes, with the size that begins there.
    fn mark_scales<B: DrawingBackend>(
        &self,
        chart: &mut ChartContext<'_, B, Cartesian2d<RangedCoordu64, LogCoord<f64>>>,
        range: &Range<f64>,
        unit: u32,
    ) -> Drawn {
        if self.scales.len() < 2 {
            return Ok(());
        }
        let style = TextStyle::from((text::FAMILY, 12 * unit).into_font())
            .color(&FAINT)
            .transform(FontTransform::Rotate90)
            .pos(Pos::new(HPos::Left, VPos::Bottom));
        for scale in &self.scales {
            let line = vec![(scale.begin, range.start), (scale.begin, range.end)];
            chart.draw_series([PathElement::new(line, RGBColor(190, 190, 190).stroke_width(unit))])?;
            let size = format!("{}x{}", scale.width, scale.height);
            chart.draw_series([Text::new(size, (scale.begin, range.end), style.clone())])?;
        }
        Ok(())
    }
}

/// Whole decades that hold the curves.
fn decades(curves: &[Curve<'_>]) -> Range<f64> {
    let values = || {
        curves
            .iter()
            .flat_map(|curve| curve.points.iter().map(|(_, value)| *value))
    };
    let (least, most) = (
        values().fold(f64::MAX, f64::min),
        values().fold(f64::MIN_POSITIVE, f64::max),
    );
    if least > most {
        return 0.1..1.0;
    }
    let top = most.log10().ceil();
    let bottom = least.log10().floor().clamp(top - f64::from(DECADES), top - 1.0);
    10f64.powf(bottom)..10f64.powf(top)
}

/// A swatch and a name for each curve, from the top.
fn legend<B: DrawingBackend>(area: &DrawingArea<B, Shift>, curves: &[Curve<'_>], unit: u32) -> Drawn {
    let at = |x: u32, y: u32| ((x * unit) as i32, (y * unit) as i32);
    let style =
        TextStyle::from((text::FAMILY, 14 * unit).into_font()).pos(Pos::new(HPos::Left, VPos::Center));
    let row = ROW.min(ROWS / curves.len().max(1) as u32);
    for (index, curve) in (0u32..).zip(curves) {
        let y = ROW + row * index;
        let swatch = [at(0, y - curve.width()), at(22, y + curve.width() - 1)];
        area.draw(&Rectangle::new(swatch, curve.color.filled()))?;
        area.draw(&Text::new(curve.label(), at(30, y), style.clone()))?;
    }
    Ok(())
}
