//! The optimiser and the options that only one of them has.

use std::fmt::Display;

use serde::{Deserialize, Serialize};

use super::options::{whole, within};
use super::{ConfigError, Options};
use crate::optimize::{AdamOptions, Method};
use crate::tensor::DISPLAYABLE;

/// Which optimiser paints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Optimizer {
    /// L-BFGS: the lower loss after as many evaluations.
    #[default]
    Lbfgs,
    /// Adam: less memory, and every pixel stays displayable all the way.
    Adam,
}

/// What is expected of an option that only Adam has.
const ADAMS: &str = "left out with optimizer lbfgs: it belongs to optimizer adam";
/// What is expected of an option that only L-BFGS has.
const LBFGSS: &str = "left out with optimizer adam: it belongs to optimizer lbfgs";

/// Fails when an option is given that has no meaning beside the others.
fn left_out<T: Display>(
    option: &'static str,
    value: Option<T>,
    expected: &'static str,
) -> Result<(), ConfigError> {
    match value {
        None => Ok(()),
        Some(value) => Err(ConfigError::new(option, value, expected)),
    }
}

impl Options {
    /// The optimiser with its own options; those of the other one must be left out.
    pub(super) fn method(&self) -> Result<Method, ConfigError> {
        match self.optimizer.unwrap_or_default() {
            Optimizer::Lbfgs => {
                left_out("learning-rate", self.learning_rate, ADAMS)?;
                left_out("beta1", self.beta1, ADAMS)?;
                left_out("beta2", self.beta2, ADAMS)?;
                let history = whole("history", self.history.unwrap_or(Method::HISTORY))?;
                Ok(Method::Lbfgs { history })
            }
            Optimizer::Adam => {
                left_out("history", self.history, LBFGSS)?;
                self.adam().map(Method::Adam)
            }
        }
    }

    fn adam(&self) -> Result<AdamOptions, ConfigError> {
        let adam = AdamOptions::default();
        let rate = self.learning_rate.unwrap_or(adam.learning_rate);
        let rates = f64::MIN_POSITIVE..=255.0;
        let beta = |option, value| within(option, value, 0.0..1.0, "0 to below 1");
        Ok(AdamOptions {
            learning_rate: within(
                "learning-rate",
                rate,
                rates,
                "more than 0, at most 255 grey levels",
            )?,
            beta1: beta("beta1", self.beta1.unwrap_or(adam.beta1))?,
            beta2: beta("beta2", self.beta2.unwrap_or(adam.beta2))?,
            bounds: Some(DISPLAYABLE),
            ..adam
        })
    }
}
