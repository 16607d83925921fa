//! The frames of a film as jobs: each begins where the one before it has come to, but the first of a chain.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::{BatchError, Job, NumberPattern, Pattern};
use crate::config::Options;
use crate::files::shown;
use crate::init::Init;

/// The frames of a film, in chains.
#[derive(Clone, Debug)]
pub struct Frames {
    /// Their numbers, and their files.
    frames: Vec<(u64, PathBuf)>,
    /// The numbers of those that begin a chain, beside the first.
    cuts: Vec<u64>,
}

impl Frames {
    /// The frames of this name, cut before those of some numbers.
    ///
    /// # Errors
    /// The errors of [`NumberPattern::files`]; a cut where there is no frame.
    pub fn find(pattern: &NumberPattern, cuts: &[u64]) -> Result<Frames, BatchError> {
        let frames = pattern.files()?;
        let (first, last) = (frames[0].0, frames[frames.len() - 1].0);
        if let Some(cut) = cuts.iter().find(|cut| !(first..=last).contains(cut)) {
            return Err(pattern.wrong(format!(
                "there is no frame {cut} to cut before: they are {first} to {last}"
            )));
        }
        Ok(Frames {
            frames,
            cuts: cuts.to_vec(),
        })
    }

    /// The jobs in the order in which they are painted: frame by frame, then the same with the next style; settings last. In the
    /// names of outputs, flows and masks the frame's number stands for `%d`.
    ///
    /// # Errors
    /// A name with a percent sign that stands for nothing; a flow or a mask that is not there.
    pub fn jobs(
        &self,
        styles: &[PathBuf],
        settings: &[(Option<PathBuf>, Options)],
        pattern: &Pattern,
    ) -> Result<Vec<Job>, BatchError> {
        let mut jobs: Vec<Job> = Vec::new();
        for (file, options) in settings {
            for style in styles {
                let styles = vec![style.clone()];
                let mut previous: Option<PathBuf> = None;
                for (number, content) in &self.frames {
                    let previous_one = previous.take().filter(|_| !self.cuts.contains(number));
                    let output = pattern.numbered(*number)?.fill(content, &styles, file.as_deref());
                    jobs.push(Job {
                        content: content.clone(),
                        styles: styles.clone(),
                        options: after(options, *number, previous_one)?,
                        output: output.clone(),
                    });
                    previous = Some(output);
                }
            }
        }
        Ok(jobs)
    }
}

/// The options of a frame after the `previous` one as it is painted; the first of a chain is painted as any picture.
fn after(options: &Options, number: u64, previous: Option<PathBuf>) -> Result<Options, BatchError> {
    let of_chain = previous.is_some();
    let file = |pattern: &Option<PathBuf>| match pattern {
        Some(pattern) if of_chain => file_of(pattern, number).map(Some),
        _ => Ok(None),
    };
    Ok(Options {
        flow: file(&options.flow)?,
        forward_flow: file(&options.forward_flow)?,
        flow_mask: file(&options.flow_mask)?,
        temporal_weight: options.temporal_weight.filter(|_| of_chain),
        init: options
            .init
            .clone()
            .filter(|init| of_chain || *init != Init::Previous),
        previous,
        ..options.clone()
    })
}

/// The file of a frame's flow or mask.
fn file_of(pattern: &Path, number: u64) -> Result<PathBuf, BatchError> {
    let pattern: NumberPattern = pattern.to_string_lossy().parse()?;
    let file = pattern.name(number);
    match file.exists() {
        true => Ok(file),
        false => Err(pattern.wrong(format!("there is no {} for frame {number}", shown(&file)))),
    }
}

/// Which jobs hang together, each beginning with the output of the one before it.
pub fn chains(jobs: &[Job]) -> Vec<Range<usize>> {
    let goes_on = |index: usize| {
        let previous = jobs[index].options.previous.as_ref();
        index > 0 && previous == Some(&jobs[index - 1].output)
    };
    let begins: Vec<usize> = (0..jobs.len()).filter(|&index| !goes_on(index)).collect();
    let ends = begins.iter().skip(1).copied().chain([jobs.len()]);
    begins.iter().zip(ends).map(|(&begin, end)| begin..end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Film(tempfile::TempDir);

    impl Film {
        /// With frames 3 to 7.
        fn new() -> Film {
            let folder = tempfile::tempdir().unwrap();
            for number in 3..8 {
                std::fs::write(folder.path().join(format!("{number:02}.png")), b"x").unwrap();
            }
            Film(folder)
        }

        fn at(&self, name: &str) -> String {
            self.0.path().join(name).to_str().unwrap().to_owned()
        }

        fn frames(&self, cuts: &[u64]) -> Result<Frames, BatchError> {
            Frames::find(&self.at("%02d.png").parse().unwrap(), cuts)
        }

        fn jobs(&self, cuts: &[u64], options: &str) -> Result<Vec<Job>, BatchError> {
            let options = toml::from_str::<Options>(options).unwrap();
            let styles = ["a.png".into(), "b.png".into()];
            self.frames(cuts)?
                .jobs(&styles, &[(None, options)], &"o/{style}-%d.png".parse().unwrap())
        }
    }

    #[test]
    fn each_frame_begins_with_the_one_before_it_but_where_there_is_a_cut() {
        let jobs = Film::new()
            .jobs(&[5], "init = \"previous\"\ntemporal-weight = 3")
            .unwrap();
        let outputs: Vec<String> = jobs.iter().map(|job| job.output.display().to_string()).collect();
        assert_eq!(
            outputs[..6],
            [
                "o/a-3.png",
                "o/a-4.png",
                "o/a-5.png",
                "o/a-6.png",
                "o/a-7.png",
                "o/b-3.png"
            ]
        );
        let previous = |index: usize| jobs[index].options.previous.clone();
        for first in [0, 2, 5, 7] {
            assert_eq!(previous(first), None, "{first}");
            let settings = jobs[first].options.resolve().unwrap();
            assert_eq!(settings.init, Init::Content);
        }
        assert_eq!(previous(1), Some("o/a-3.png".into()));
        assert_eq!(previous(4), Some("o/a-6.png".into()));
        assert_eq!(
            jobs[4].options.resolve().unwrap().frame.temporal_weight,
            Some(3.0)
        );
        assert_eq!(chains(&jobs), [0..2, 2..5, 5..7, 7..10]);
    }

    #[test]
    fn flows_are_those_of_the_frame_s_number_and_are_there() {
        let film = Film::new();
        let options = format!("flow = \"{}\"", film.at("%d.flo"));
        for number in [4, 6, 7] {
            std::fs::write(film.at(&format!("{number}.flo")), b"x").unwrap();
        }
        let error = film.jobs(&[], &options).unwrap_err().to_string();
        assert!(error.contains("5.flo for frame 5"), "{error}");
        let jobs = film.jobs(&[5], &options).unwrap();
        let flows: Vec<bool> = jobs[..5].iter().map(|job| job.options.flow.is_some()).collect();
        assert_eq!(flows, [false, true, false, true, true]);
        assert_eq!(jobs[4].options.flow, Some(film.at("7.flo").into()));
    }

    #[test]
    fn a_cut_where_there_is_no_frame_is_refused() {
        let error = Film::new().frames(&[8]).unwrap_err().to_string();
        assert!(
            error.contains("no frame 8") && error.contains("3 to 7"),
            "{error}"
        );
    }

    #[test]
    fn jobs_that_do_not_hang_together_are_chains_by_themselves() {
        let job = |output: &str| Job {
            content: "c.png".into(),
            styles: Vec::new(),
            options: Options::default(),
            output: output.into(),
        };
        assert_eq!(chains(&[job("a"), job("b")]), [0..1, 1..2]);
        assert_eq!(chains(&[]), []);
    }
}
