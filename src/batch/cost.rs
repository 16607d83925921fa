//! What jobs cost: pixels times evaluations.

use std::collections::HashMap;
use std::path::Path;

use super::Job;
use crate::config::Settings;
use crate::init::Init;
use crate::picture::{fit, size_in_header};

/// What each job costs, over all its scales. A photo whose file does not tell its size is taken for a square.
pub fn costs(jobs: &[Job]) -> Vec<f64> {
    let mut sizes: HashMap<&Path, (u32, u32)> = HashMap::new();
    let mut costs = Vec::new();
    for Job { content, options, .. } in jobs {
        let photo = *sizes
            .entry(content)
            .or_insert_with(|| size_in_header(content).unwrap_or((1, 1)));
        costs.push(options.resolve().map_or(0.0, |settings| cost(photo, &settings)));
    }
    costs
}

fn cost(photo: (u32, u32), settings: &Settings) -> f64 {
    let scales = settings.scales.schedule(
        settings.side(),
        (settings.iterations, settings.emphasis()),
        |_| true,
    );
    // A frame goes on at the finest scale alone.
    let passed = match settings.init {
        Init::Previous => scales.len() - 1,
        _ => 0,
    };
    let work = scales.iter().skip(passed).map(|scale| {
        let (width, height) = fit(photo, scale.size, settings.fit);
        f64::from(width) * f64::from(height) * (scale.iterations + 1) as f64
    });
    work.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Options;
    use crate::picture::Picture;

    #[test]
    fn a_job_costs_its_pixels_times_its_evaluations() {
        let folder = tempfile::tempdir().unwrap();
        let content = folder.path().join("wide.png");
        Picture::filled(80, 20, [9.0; 3]).save(&content, false).unwrap();
        let job = |content: &Path, options: &str| Job {
            content: content.into(),
            styles: Vec::new(),
            options: toml::from_str::<Options>(options).unwrap(),
            output: "out.png".into(),
        };
        let jobs = [
            job(&content, "size = 40\niterations = 9"),
            job(&content, "scales = \"20:1,40:9\""),
            job(&content, "scales = \"20:1,40:9\"\nprevious = \"last.png\""),
            job(Path::new("not-there.png"), "size = 40\niterations = 9"),
        ];
        assert_eq!(costs(&jobs), [4000.0, 4200.0, 4000.0, 16_000.0]);
    }
}
