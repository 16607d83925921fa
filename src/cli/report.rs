//! The figures of judged pictures, as JSON and as a table.

use serde::{Serialize, Serializer};

use impasto::evaluate::{Distance, Evaluator, Metrics, Seam, Seams};
use impasto::picture::Picture;
use impasto::stylize::{Judged, Stylizer};

use super::say;

/// All figures of one picture; its JSON is `{"total": …, "terms": {…}, "style_distance": {…}, …}`.
#[derive(Serialize)]
pub struct Report {
    total: f64,
    #[serde(serialize_with = "named")]
    terms: Vec<(String, f64)>,
    #[serde(flatten)]
    metrics: Metrics,
    tiles: usize,
    /// Width and height.
    tile: (u32, u32),
    #[serde(skip_serializing_if = "Option::is_none")]
    seam: Option<Seams>,
}

/// One figure of a picture.
struct Figure {
    group: String,
    name: String,
    value: Option<f64>,
    best: Best,
}

/// Which of several values is the best.
#[derive(Clone, Copy)]
enum Best {
    Least,
    Most,
    /// It depends on what is wanted.
    Neither,
}

impl Report {
    /// What the loss and the evaluator say of a picture.
    pub fn new(judged: &Judged, metrics: Metrics) -> Report {
        let terms = judged.term_names.iter().cloned();
        Report {
            total: judged.evaluation.loss,
            terms: terms.zip(judged.evaluation.terms.iter().copied()).collect(),
            metrics,
            tiles: judged.tiles.0,
            tile: judged.tiles.1,
            seam: None,
        }
    }

    /// Adds the seams of the picture.
    pub fn with_seams(self, image: &Picture) -> Report {
        let seam = Some(Seams::of(image));
        Report { seam, ..self }
    }

    fn figures(&self) -> Vec<Figure> {
        let figure = |group: &str, name: &str, value, best| Figure {
            group: group.to_owned(),
            name: name.to_owned(),
            value,
            best,
        };
        let all = |group: &str, distances: &[Distance], best| -> Vec<Figure> {
            let all = distances.iter();
            all.map(|distance| figure(group, &distance.layer, Some(distance.value), best))
                .collect()
        };
        let distances = |group: &str, distances: &[Distance]| all(group, distances, Best::Least);
        let terms = self.terms.iter();
        let metrics = &self.metrics;
        let held_out = metrics.held_out_style_distance.as_deref().unwrap_or_default();
        let mut figures: Vec<Figure> = terms
            .map(|(name, value)| figure("loss", name, Some(*value), Best::Least))
            .collect();
        figures.push(figure("loss", "total", Some(self.total), Best::Least));
        figures.extend(distances("distance from the style", &metrics.style_distance));
        figures.extend(distances("distance from the style, held-out layers", held_out));
        let content = metrics.content_distance.as_deref().unwrap_or_default();
        figures.extend(distances("distance from the content", content));
        figures.push(figure(
            "picture",
            "total variation",
            Some(metrics.total_variation),
            Best::Neither,
        ));
        figures.push(figure("picture", "SSIM", metrics.ssim, Best::Most));
        let seams = self.seam.iter();
        let seams =
            seams.flat_map(|Seams { x, y }| [("seam from right to left", x), ("seam from bottom to top", y)]);
        for (group, seam) in seams {
            let Seam {
                difference,
                rank,
                least,
                most,
            } = *seam;
            let rows = [
                ("difference", difference),
                ("least elsewhere", least),
                ("most elsewhere", most),
                ("rank", rank),
            ];
            figures.extend(rows.map(|(name, value)| figure(group, name, Some(value), Best::Neither)));
        }
        for region in &metrics.regions {
            let name = format!("region {}", region.region);
            figures.push(figure(&name, "share", Some(region.share), Best::Neither));
            figures.extend(distances(
                &format!("{name}: distance from its style"),
                &region.style_distance,
            ));
            for (other, from) in &region.other_style_distance {
                let group = format!("{name}: distance from the style of {other}");
                figures.extend(all(&group, from, Best::Neither));
            }
        }
        figures
    }
}

fn named<S: Serializer>(terms: &[(String, f64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(terms.iter().map(|(name, value)| (name, value)))
}

/// Anything as JSON on lines of its own.
pub fn json(report: &impl Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}

/// A row for each figure, a column for each picture; among several, the columns have numbers and the best of a row a
/// star.
pub fn table(reports: &[&Report]) -> String {
    let columns: Vec<Vec<Figure>> = reports.iter().map(|report| report.figures()).collect();
    let mut text = match columns.len() {
        0 | 1 => String::new(),
        count => format!("{:20}{}\n", "", headings(count)),
    };
    let mut group = String::new();
    // A picture too small for a graph has fewer.
    let rows = columns.iter().max_by_key(|column| column.len());
    for row in rows.into_iter().flatten() {
        if row.group != group {
            group.clone_from(&row.group);
            text += &format!("{group}\n");
        }
        let values: Vec<Option<f64>> = columns.iter().map(|column| row.value_in(column)).collect();
        let best = best(&values, row.best);
        let cells: String = values.iter().map(|value| cell(*value, best)).collect();
        text += &format!("  {:<18}{}\n", row.name, cells.trim_end());
    }
    text
}

impl Figure {
    /// The value of the same figure in another picture's.
    fn value_in(&self, figures: &[Figure]) -> Option<f64> {
        let same = |other: &&Figure| (&other.group, &other.name) == (&self.group, &self.name);
        figures.iter().find(same).and_then(|figure| figure.value)
    }
}

fn headings(count: usize) -> String {
    let cells: String = (1..=count)
        .map(|number| format!("{:>14} ", format!("[{number}]")))
        .collect();
    cells.trim_end().to_owned()
}

/// The best of several values that are not all the same.
fn best(values: &[Option<f64>], best: Best) -> Option<f64> {
    let values = || values.iter().copied().flatten();
    let first = values().next();
    match best {
        _ if values().all(|value| Some(value) == first) => None,
        Best::Least => values().min_by(f64::total_cmp),
        Best::Most => values().max_by(f64::total_cmp),
        Best::Neither => None,
    }
}

fn cell(value: Option<f64>, best: Option<f64>) -> String {
    let star = if value.is_some() && value == best {
        "*"
    } else {
        " "
    };
    match value {
        Some(value) if value != 0.0 && !(1e-3..1e4).contains(&value.abs()) => format!("{value:>14.6e}{star}"),
        Some(value) => format!("{value:>14.6}{star}"),
        None => format!("{:>14}{star}", "-"),
    }
}

/// An evaluator of pictures of `content`, if there is one, in the style of `styles`; says so when it cannot see the held-out
/// layers.
pub fn evaluator<'a>(
    stylizer: &'a Stylizer,
    content: Option<&'a Picture>,
    styles: &[Picture],
) -> anyhow::Result<Evaluator<'a>> {
    let evaluator = stylizer.evaluator(content, styles)?;
    if let Some(reason) = evaluator.blind_to_held_out_layers() {
        say(&format!("note: held-out layers are left out: {reason}"));
    }
    Ok(evaluator)
}
