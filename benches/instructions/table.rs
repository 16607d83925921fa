//! The table, each row measured in a process of its own: what a process has once seen cannot be hidden from it.

use std::env;
use std::error::Error;
use std::process::Command;

use impasto::model::KernelSet;
use impasto_kernels::Isa;

use super::comparison::{Comparison, Plan};
use super::hiding::{Hidden, let_cpuid};
use super::order::{middle, sorted};

/// The first argument of a process that measures a row.
const ROW: &str = "row";

/// How far two gradients of kernels that are right may lie apart, relative L2: rounding decides some of the max pools.
const FARTHEST: f64 = 2e-3;

/// Measures a row, or starts itself for every row.
///
/// # Errors
/// Whatever a row failed with, gradients that do not agree among it.
pub fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match arguments.as_slice() {
        [row, hidden, kernels, numbers @ ..] if row == ROW => {
            let hidden = Hidden::ALL.into_iter().find(|one| one.name() == hidden);
            let hidden = hidden.ok_or("nothing of that name can be hidden")?;
            hidden.hide()?;
            measure_row(hidden, kernels.parse()?, plan(numbers)?)
        }
        numbers => start_rows(plan(numbers)?),
    }
}

fn plan(numbers: &[String]) -> Result<Plan, Box<dyn Error>> {
    let number = |i: usize, default: u32| match numbers.get(i).map(|number| number.parse()) {
        None => Ok(default),
        Some(Ok(number)) if number > 0 => Ok(number),
        Some(_) => Err("SIZE, PAIRS, THREADS are whole numbers from 1"),
    };
    Ok(Plan {
        size: number(0, 256)?,
        pairs: number(1, 3)? as usize,
        threads: number(2, 2)? as usize,
    })
}

fn start_rows(plan: Plan) -> Result<(), Box<dyn Error>> {
    let hiding = let_cpuid(true);
    if let Err(error) = &hiding {
        println!("instructions cannot be hidden here: {error}");
    }
    println!(
        "{0} x {0} pixels, {1} pairs, {2} threads; seconds an evaluation, medians",
        plan.size, plan.pairs, plan.threads
    );
    println!(
        "{:<8} {:<9} {:<9} {:>8} {:>11}   {:<26} gradients apart",
        "hidden", "kernels", "taken", "seconds", "plain graph", "plain / own by pairs"
    );
    let seen = Hidden::ALL
        .into_iter()
        .filter(|&hidden| hidden == Hidden::Nothing || (hiding.is_ok() && hidden.is_there()));
    let rows = seen.map(|hidden| (hidden, KernelSet::Auto));
    for (hidden, kernels) in rows.chain([(Hidden::Nothing, KernelSet::Own(Isa::portable()))]) {
        let numbers = [plan.size as usize, plan.pairs, plan.threads].map(|number| number.to_string());
        let status = Command::new(env::current_exe()?)
            .args([ROW, hidden.name(), &kernels.to_string()])
            .args(numbers)
            .status()?;
        if !status.success() {
            return Err(format!("{} hidden, kernels {kernels}: {status}", hidden.name()).into());
        }
    }
    Ok(())
}

fn measure_row(hidden: Hidden, kernels: KernelSet, plan: Plan) -> Result<(), Box<dyn Error>> {
    let Comparison {
        kernels: taken,
        seconds: [ours, plain],
        distance,
    } = Comparison::measure(kernels, plan)?;
    let ratios = sorted(plain.iter().zip(&ours).map(|(plain, ours)| plain / ours));
    let spread = format!(
        "{:.2} ({:.2} to {:.2})",
        middle(&ratios),
        ratios[0],
        ratios[ratios.len() - 1]
    );
    let [ours, plain] = [ours, plain].map(|seconds| middle(&sorted(seconds.into_iter())));
    let (hidden, kernels, taken) = (hidden.name(), kernels.to_string(), taken.to_string());
    println!("{hidden:<8} {kernels:<9} {taken:<9} {ours:>8.3} {plain:>11.3}   {spread:<26} {distance:.1e}");
    if distance < FARTHEST {
        Ok(())
    } else {
        Err(format!("the gradients lie {distance:.1e} apart, {FARTHEST:.0e} or more").into())
    }
}
