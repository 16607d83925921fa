//! Every content in every style with all settings.

use std::path::PathBuf;

use super::{Job, Pattern};
use crate::config::Options;

/// What jobs are made of.
#[derive(Clone, Debug)]
pub struct Grid {
    /// The photos.
    pub contents: Vec<PathBuf>,
    /// The paintings, each a style of its own.
    pub styles: Vec<PathBuf>,
    /// Settings, with the file that they are from if they are to be told apart.
    pub settings: Vec<(Option<PathBuf>, Options)>,
    /// The outputs' names.
    pub pattern: Pattern,
}

impl Grid {
    /// The jobs: contents fastest, then styles, so that a style's targets are of use to the next job; settings last.
    pub fn jobs(&self) -> Vec<Job> {
        let mut jobs = Vec::new();
        for (file, options) in &self.settings {
            for style in &self.styles {
                let styles = vec![style.clone()];
                jobs.extend(self.contents.iter().map(|content| Job {
                    content: content.clone(),
                    output: self.pattern.fill(content, &styles, file.as_deref()),
                    styles: styles.clone(),
                    options: options.clone(),
                }));
            }
        }
        jobs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::check_names;

    fn grid(pattern: &str) -> Vec<Job> {
        let grid = Grid {
            contents: vec!["a.png".into(), "b.png".into()],
            styles: vec!["x.png".into(), "y.png".into()],
            settings: vec![(None, Options::default())],
            pattern: pattern.parse().unwrap(),
        };
        grid.jobs()
    }

    #[test]
    fn every_content_is_painted_in_every_style_in_one_order() {
        let names: Vec<PathBuf> = grid("{content}{style}")
            .into_iter()
            .map(|job| job.output)
            .collect();
        assert_eq!(names, ["ax", "bx", "ay", "by"].map(PathBuf::from));
    }

    #[test]
    fn two_jobs_of_one_name_are_refused_with_both() {
        check_names(&grid("./{content}{style}")).unwrap();
        let error = check_names(&grid("out/{content}.png")).unwrap_err().to_string();
        for part in [
            "out/a.png",
            "a.png in the style of x.png",
            "a.png in the style of y.png",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }
}
