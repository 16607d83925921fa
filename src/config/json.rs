//! Settings from JSON, as a trace has them.

use serde_json::{Map, Value};

use super::Options;
use super::options::unusable;

impl Options {
    /// Reads options that [`Settings`](super::Settings) were written as.
    ///
    /// # Errors
    /// No object, a name that is not known, a value of the wrong type or out of its range: what is wrong, in words.
    pub fn from_json(settings: &Value) -> Result<Options, String> {
        let settings = settings.as_object().ok_or("the settings are no JSON object")?;
        for (name, value) in settings {
            // One at a time, so that the error can name it.
            let alone = Value::Object(Map::from_iter([(name.clone(), value.clone())]));
            serde_json::from_value::<Options>(alone)
                .map_err(|error| unusable(name, &value.to_string(), &error.to_string()))?;
        }
        let options: Options =
            serde_json::from_value(Value::Object(settings.clone())).map_err(|error| error.to_string())?;
        options.resolve().map_err(|error| error.to_string())?;
        Ok(options)
    }
}
