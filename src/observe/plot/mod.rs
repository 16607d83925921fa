//! A plot of the loss and its terms against evaluations.

mod draw;

use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use plotters::style::RGBColor;

use super::{Event, Observer, Remember};
use crate::files::binary::{Reader, Writer};
use crate::files::{self, OutputError, escaped, extension};

/// The loss.
const TOTAL: RGBColor = RGBColor(20, 20, 20);
/// The terms, one after the other; told apart by most colour-blind people (Tol 2021, "Colour schemes", muted).
const COLORS: [RGBColor; 9] = [
    RGBColor(136, 204, 238),
    RGBColor(68, 170, 153),
    RGBColor(17, 119, 51),
    RGBColor(153, 153, 51),
    RGBColor(51, 34, 136),
    RGBColor(204, 102, 119),
    RGBColor(170, 68, 153),
    RGBColor(221, 204, 119),
    RGBColor(136, 34, 85),
];

/// Keeps the loss and its terms at every evaluation, and draws them on a logarithmic scale.
#[derive(Debug)]
pub struct Plot {
    title: String,
    term_names: Vec<String>,
    scales: Vec<Scale>,
    points: Vec<Point>,
}

/// A stretch of the run at one size of the picture.
#[derive(Debug)]
struct Scale {
    /// Evaluations before it.
    begin: u64,
    width: u32,
    height: u32,
}

/// One evaluation.
#[derive(Debug)]
struct Point {
    evaluation: u64,
    loss: f64,
    terms: Vec<f64>,
}

/// One line of the plot.
struct Curve<'a> {
    name: &'a str,
    color: RGBColor,
    points: Vec<(u64, f64)>,
}

/// The format of a plot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Svg,
    Png,
}

impl Format {
    fn from_path(path: &Path) -> Result<Format, OutputError> {
        match extension(path).as_str() {
            "svg" => Ok(Format::Svg),
            "png" => Ok(Format::Png),
            _ => Err(OutputError::UnknownExtension {
                path: path.into(),
                what: "a plot",
                known: "svg, png",
            }),
        }
    }
}

impl Plot {
    /// A plot under this title, in which control characters are escaped, yet without a line.
    pub fn new(title: impl Into<String>) -> Plot {
        Plot {
            title: escaped(&title.into()).into_owned(),
            term_names: Vec::new(),
            scales: Vec::new(),
            points: Vec::new(),
        }
    }

    /// Checks that the extension of `path` names a format that plots are written in: `.svg` or `.png`.
    ///
    /// # Errors
    /// [`OutputError::UnknownExtension`].
    pub fn check(path: &Path) -> Result<(), OutputError> {
        Format::from_path(path).map(drop)
    }

    /// Writes the plot, in the format that the extension of `path` names. An existing file is replaced only with
    /// `overwrite`.
    ///
    /// # Errors
    /// The extension names no format, or the file cannot be written.
    pub fn write(&self, path: &Path, overwrite: bool) -> Result<(), OutputError> {
        let drawn = match Format::from_path(path)? {
            Format::Svg => draw::svg(self),
            Format::Png => draw::png(self),
        };
        files::write(path, overwrite, &drawn.map_err(OutputError::writing(path))?)
    }

    /// The loss, then its terms in the graph's order; a logarithm has no place for what is not positive.
    fn curves(&self) -> Vec<Curve<'_>> {
        let curve = |name, color, value: &dyn Fn(&Point) -> Option<f64>| Curve {
            name,
            color,
            points: self
                .points
                .iter()
                .filter_map(|point| Some((point.evaluation, value(point)?)))
                .filter(|(_, value)| value.is_finite() && *value > 0.0)
                .collect(),
        };
        let terms = self.term_names.iter().zip(COLORS.iter().cycle()).enumerate();
        let terms =
            terms.map(|(index, (name, color))| curve(name, *color, &|point| point.terms.get(index).copied()));
        std::iter::once(curve("total", TOTAL, &|point| Some(point.loss)))
            .chain(terms)
            .collect()
    }
}

impl Curve<'_> {
    fn width(&self) -> u32 {
        if self.color == TOTAL { 3 } else { 2 }
    }

    fn label(&self) -> String {
        match self.points.is_empty() {
            true => format!("{} (0)", self.name),
            false => self.name.to_owned(),
        }
    }
}

impl Observer for Plot {
    fn observe(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Started(started) => {
                let (width, height) = started.size();
                let names = started.term_names.iter();
                self.term_names = names.map(|name| escaped(name).into_owned()).collect();
                // A scale that is resumed is there already.
                if self.scales.len() == started.scale {
                    self.scales.push(Scale {
                        begin: self.points.last().map_or(0, |point| point.evaluation),
                        width,
                        height,
                    });
                }
            }
            Event::Evaluated(evaluated) => self.points.push(Point {
                evaluation: evaluated.evaluation,
                loss: evaluated.result.loss,
                terms: evaluated.result.terms.clone(),
            }),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl Remember for Plot {
    fn save(&self, to: &mut Writer<'_>) -> io::Result<()> {
        to.number(self.scales.len() as u64)?;
        for scale in &self.scales {
            to.number(scale.begin)?;
            to.number([scale.width, scale.height])?;
        }
        to.number(self.points.len() as u64)?;
        self.points.iter().try_for_each(|point| {
            to.number(point.evaluation)?;
            to.number(point.loss)?;
            to.numbers(&point.terms)
        })
    }

    fn restore(&mut self, from: &mut Reader) -> io::Result<()> {
        let scales: u64 = from.number()?;
        let mut scale = || {
            let begin = from.number()?;
            let [width, height] = from.number()?;
            Ok(Scale { begin, width, height })
        };
        self.scales = (0..scales).map(|_| scale()).collect::<io::Result<_>>()?;
        let points: u64 = from.number()?;
        let mut point = || {
            Ok(Point {
                evaluation: from.number()?,
                loss: from.number()?,
                terms: from.numbers()?,
            })
        };
        self.points = (0..points).map(|_| point()).collect::<io::Result<_>>()?;
        Ok(())
    }
}
