//! One part of the jobs, of as many as there are machines: told, or found in a scheduler's environment.

use std::fmt;
use std::str::FromStr;

use super::BatchError;

/// Part `index` of `count`, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    count: usize,
}

/// The most shards.
const MOST: usize = 100_000;

/// A shard, and the variable and its value that it was found by.
pub type FromScheduler = (Shard, &'static str, String);

/// How a scheduler tells a task its place. All but `index` may be missing in the environment.
struct Scheduler {
    /// The variable with the task's number.
    index: &'static str,
    /// The number of the first task: a variable, or a number.
    first: Result<&'static str, i64>,
    /// The number of the last task.
    last: Option<&'static str>,
    /// How many there are; without it, from the first to the last.
    count: Option<&'static str>,
    /// From one task to the next; 1 without it.
    step: Option<&'static str>,
}

/// Slurm, Kubernetes (which leaves the count to the manifest), AWS Batch, Grid Engine, LSF, PBS Pro and Torque, which do
/// not tell the count.
const SCHEDULERS: [Scheduler; 7] = [
    Scheduler {
        index: "SLURM_ARRAY_TASK_ID",
        first: Ok("SLURM_ARRAY_TASK_MIN"),
        last: Some("SLURM_ARRAY_TASK_MAX"),
        count: Some("SLURM_ARRAY_TASK_COUNT"),
        step: Some("SLURM_ARRAY_TASK_STEP"),
    },
    Scheduler {
        index: "JOB_COMPLETION_INDEX",
        first: Err(0),
        last: None,
        count: Some("JOB_COMPLETIONS"),
        step: None,
    },
    Scheduler {
        index: "AWS_BATCH_JOB_ARRAY_INDEX",
        first: Err(0),
        last: None,
        count: Some("AWS_BATCH_JOB_ARRAY_SIZE"),
        step: None,
    },
    Scheduler {
        index: "SGE_TASK_ID",
        first: Ok("SGE_TASK_FIRST"),
        last: Some("SGE_TASK_LAST"),
        count: None,
        step: Some("SGE_TASK_STEPSIZE"),
    },
    Scheduler {
        index: "LSB_JOBINDEX",
        first: Err(1),
        last: Some("LSB_JOBINDEX_END"),
        count: None,
        step: Some("LSB_JOBINDEX_STEP"),
    },
    Scheduler {
        index: "PBS_ARRAY_INDEX",
        first: Err(0),
        last: None,
        count: None,
        step: None,
    },
    Scheduler {
        index: "PBS_ARRAYID",
        first: Err(0),
        last: None,
        count: None,
        step: None,
    },
];

impl Shard {
    /// The shard that a scheduler's environment tells, if this is a task of several.
    ///
    /// # Errors
    /// It tells of several tasks, but not which of how many this is.
    pub fn from_environment(
        get: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<FromScheduler>, BatchError> {
        for scheduler in &SCHEDULERS {
            let text = get(scheduler.index).unwrap_or_default();
            // Grid Engine says `undefined`, LSF 0, where there is no array.
            let is_none =
                ["", "undefined"].contains(&&*text) || (scheduler.index == "LSB_JOBINDEX" && text == "0");
            if !is_none {
                let shard = scheduler.shard(&text, &get)?;
                return Ok(Some((shard, scheduler.index, text)));
            }
        }
        Ok(None)
    }

    /// Which of the jobs of these costs are this shard's, in their order: the dearest first to the shard that has least so far. Every
    /// shard comes to the same parts by itself.
    pub fn part(&self, costs: &[f64]) -> Vec<bool> {
        let mut order: Vec<usize> = (0..costs.len()).collect();
        order.sort_by(|&a, &b| costs[b].total_cmp(&costs[a]));
        let mut loads = vec![(0.0, 0_usize); self.count];
        let mut is_own = vec![false; costs.len()];
        for job in order {
            let least = |&a: &usize, &b: &usize| {
                let ((cost, jobs), (other, others)) = (loads[a], loads[b]);
                f64::total_cmp(&cost, &other).then(jobs.cmp(&others))
            };
            let shard = (0..self.count).min_by(least).unwrap_or(0);
            loads[shard].0 += costs[job];
            loads[shard].1 += 1;
            is_own[job] = shard + 1 == self.index;
        }
        is_own
    }
}

impl Scheduler {
    fn shard(&self, index: &str, get: impl Fn(&str) -> Option<String>) -> Result<Shard, BatchError> {
        let missing = |missing: String| BatchError::Scheduler {
            variable: self.index,
            missing,
        };
        let parse = |name: &str, text: &str| -> Result<i64, BatchError> {
            text.parse::<i32>()
                .map(i64::from)
                .map_err(|_| missing(format!("{name} is {text:?}, which is no number")))
        };
        let read = |name: &str| match get(name).filter(|text| !text.is_empty()) {
            Some(text) => parse(name, &text),
            None => Err(missing(format!("{name}, which would tell how many, is not"))),
        };
        let index = parse(self.index, index)?;
        let first = self.first.map_or_else(Ok, read)?;
        let step = self
            .step
            .filter(|name| get(name).is_some())
            .map_or(Ok(1), read)?
            .max(1);
        let from_last = |last: &str| Ok::<i64, BatchError>((read(last)? - first) / step + 1);
        let last = self.last.filter(|name| get(name).is_some());
        let count = match (self.count, last) {
            (Some(count), last) => {
                let count = read(count)?;
                if last.map_or(Ok(count), from_last)? != count {
                    return Err(missing("the tasks' numbers have gaps".to_owned()));
                }
                count
            }
            (None, Some(last)) => from_last(last)?,
            (None, None) => return Err(missing("its scheduler does not tell how many".to_owned())),
        };
        let index = index - first;
        let is_right = index % step == 0 && (0..count).contains(&(index / step)) && count <= MOST as i64;
        match is_right {
            true => Ok(Shard {
                index: (index / step) as usize + 1,
                count: count as usize,
            }),
            false => Err(missing(format!(
                "{count} tasks from {first} on do not have it among them"
            ))),
        }
    }
}

impl FromStr for Shard {
    type Err = BatchError;

    fn from_str(text: &str) -> Result<Self, BatchError> {
        let numbers = text.split_once('/').and_then(|(index, count)| {
            Some(Shard {
                index: index.parse().ok()?,
                count: count.parse().ok()?,
            })
        });
        numbers
            .filter(|shard| (1..=shard.count.min(MOST)).contains(&shard.index))
            .ok_or_else(|| BatchError::NoShard {
                text: text.to_owned(),
            })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<Option<String>, String> {
        let get = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let shard = Shard::from_environment(get).map_err(|error| error.to_string())?;
        Ok(shard.map(|(shard, _, _)| shard.to_string()))
    }

    #[test]
    fn schedulers_count_in_their_own_ways() {
        let slurm = |id| {
            [
                ("SLURM_ARRAY_TASK_ID", id),
                ("SLURM_ARRAY_TASK_MIN", "10"),
                ("SLURM_ARRAY_TASK_COUNT", "3"),
                ("SLURM_ARRAY_TASK_STEP", "5"),
            ]
        };
        for (variables, wanted) in [
            (&[][..], None),
            (&slurm("10")[..], Some("1 of 3")),
            (&slurm("20")[..], Some("3 of 3")),
            (
                &[("JOB_COMPLETION_INDEX", "0"), ("JOB_COMPLETIONS", "2")][..],
                Some("1 of 2"),
            ),
            (
                &[
                    ("AWS_BATCH_JOB_ARRAY_INDEX", "4"),
                    ("AWS_BATCH_JOB_ARRAY_SIZE", "5"),
                ][..],
                Some("5 of 5"),
            ),
            (&[("SGE_TASK_ID", "undefined")][..], None),
            (
                &[
                    ("SGE_TASK_ID", "3"),
                    ("SGE_TASK_FIRST", "1"),
                    ("SGE_TASK_LAST", "4"),
                ][..],
                Some("3 of 4"),
            ),
            (&[("LSB_JOBINDEX", "0")][..], None),
            (
                &[("LSB_JOBINDEX", "2"), ("LSB_JOBINDEX_END", "4")][..],
                Some("2 of 4"),
            ),
        ] {
            assert_eq!(from(variables).unwrap().as_deref(), wanted, "{variables:?}");
        }
        for variables in [
            &slurm("12")[..],
            &slurm("25")[..],
            &slurm("x")[..],
            &[
                ("SLURM_ARRAY_TASK_ID", "1"),
                ("SLURM_ARRAY_TASK_MIN", "1"),
                ("SLURM_ARRAY_TASK_MAX", "6"),
                ("SLURM_ARRAY_TASK_COUNT", "3"),
            ][..],
            &[("JOB_COMPLETION_INDEX", "0")][..],
            &[("PBS_ARRAY_INDEX", "1")][..],
        ] {
            let error = from(variables).unwrap_err();
            assert!(
                error.contains(variables[0].0) && error.contains("which shard"),
                "{error}"
            );
        }
    }

    #[test]
    fn shards_are_read_as_written_and_others_refused() {
        assert_eq!("2/3".parse::<Shard>().unwrap().to_string(), "2 of 3");
        for text in ["0/3", "4/3", "3", "a/b", "1/0", "-1/2", "", "200000/200001"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_job_is_one_shard_s_and_costs_are_balanced() {
        let costs: Vec<f64> = (0..50).map(|job| f64::from(job * 37 % 11 + 1)).collect();
        let parts: Vec<Vec<bool>> = (1..=3)
            .map(|index| Shard { index, count: 3 }.part(&costs))
            .collect();
        for job in 0..costs.len() {
            assert_eq!(parts.iter().filter(|part| part[job]).count(), 1, "job {job}");
        }
        let load = |part: &Vec<bool>| -> f64 {
            part.iter()
                .zip(&costs)
                .filter(|(own, _)| **own)
                .map(|(_, cost)| cost)
                .sum()
        };
        let loads: Vec<f64> = parts.iter().map(load).collect();
        assert!(
            loads.iter().all(|load| (load - loads[0]).abs() <= 1.0),
            "{loads:?}"
        );
        // Where nothing is known of what they cost.
        let even = Shard { index: 1, count: 4 }.part(&[0.0; 8]);
        assert_eq!(even.iter().filter(|own| **own).count(), 2);
    }
}
