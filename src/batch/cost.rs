//! What jobs cost: pixels times evaluations.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::Job;
use crate::config::Settings;
use crate::init::Init;
use crate::picture::{fit, size_in_header};

/// What jobs cost. Each photo's file is looked into once; one that does not tell its size is taken for a square.
#[derive(Debug, Default)]
pub struct Costs {
    /// The photos' widths and heights.
    sizes: HashMap<PathBuf, (u32, u32)>,
}

impl Costs {
    /// What each job costs, over all its scales.
    pub fn of(&mut self, jobs: &[Job]) -> Vec<f64> {
        self.map(jobs, cost)
    }

    /// The pixels of each job's picture.
    pub fn pixels(&mut self, jobs: &[Job]) -> Vec<f64> {
        self.map(jobs, |photo, settings| {
            let (width, height) = fit(photo, settings.side(), settings.fit);
            f64::from(width) * f64::from(height)
        })
    }

    fn map(&mut self, jobs: &[Job], of: impl Fn((u32, u32), &Settings) -> f64) -> Vec<f64> {
        let of_job = |Job { content, options, .. }: &Job| {
            let photo = self.size(content);
            options.resolve().map_or(0.0, |settings| of(photo, &settings))
        };
        jobs.iter().map(of_job).collect()
    }

    fn size(&mut self, photo: &Path) -> (u32, u32) {
        if let Some(&size) = self.sizes.get(photo) {
            return size;
        }
        let size = size_in_header(photo).unwrap_or((1, 1));
        self.sizes.insert(photo.into(), size);
        size
    }
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
        let mut costs = Costs::default();
        assert_eq!(costs.of(&jobs), [4000.0, 4200.0, 4000.0, 16_000.0]);
        // What was read once is known.
        std::fs::remove_file(&content).unwrap();
        assert_eq!(costs.pixels(&jobs), [400.0, 400.0, 400.0, 1600.0]);
    }
}
