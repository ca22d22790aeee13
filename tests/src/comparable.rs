//! Versioned objects, normalised for comparison.

use serde_json::Value;

/// Sorts the names of changed fields in versioned objects: their order has no meaning.
#[must_use]
pub fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Object(entries) => {
            entries.iter().map(|(key, value)| (key.clone(), changes(key, sorted(value)))).collect()
        }
        other => other.clone(),
    }
}

fn changes(key: &str, mut value: Value) -> Value {
    if let (true, Value::Array(names)) = (key.ends_with(".changes"), &mut value) {
        names.sort_by_key(Value::to_string);
    }
    value
}
