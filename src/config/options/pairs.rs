//! Pairs of keys and values, written as a table.

use std::collections::BTreeMap;

use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

type Pairs = Option<Vec<(String, String)>>;

pub(super) fn serialize<S: Serializer>(pairs: &Pairs, serializer: S) -> Result<S::Ok, S::Error> {
    let table = pairs
        .as_ref()
        .map(|pairs| pairs.iter().cloned().collect::<BTreeMap<_, _>>());
    table.serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Pairs, D::Error> {
    let table = Option::<BTreeMap<String, String>>::deserialize(deserializer)?;
    Ok(table.map(|table| table.into_iter().collect()))
}
