//! Over random failures: what leaves arrives, and no peer's odd member costs more than itself.

use std::collections::BTreeMap;

use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    sample::select,
};
use serde_json::Value;

use super::*;
use crate::json::{
    from_str,
    properties::{any_text, any_value},
    text,
};

/// A name that is not changed on its way.
fn name() -> impl Strategy<Value = String> {
    any_text()
        .prop_filter("it is renamed", |name| !name.ends_with("_Remote") && name != "exceptions")
}

proptest! {
    #[test]
    fn a_failure_arrives_as_it_left(
        (module, class, message) in (name(), name(), any_text()),
        args in prop::option::of(vec(any_value(), 0..4)),
        kwargs in btree_map(any_text(), any_value(), 0..4),
    ) {
        let mut sent = Failure::of(&message, &module, &class);
        let mut expected = vec![Value::from(message.clone())];
        if let Some(args) = args {
            let raw: Vec<_> = args.iter().map(Failure::value).collect();
            sent = sent.args(&raw);
            expected = args;
        }
        let sent = kwargs.iter().fold(sent, |sent, (name, value)| sent.kwarg(name, value));
        let came = Failure::decode(&sent.encode()).expect("our own form");
        prop_assert_eq!((came.module(), came.class(), came.message()), (&*module, &*class, &*message));
        prop_assert_eq!(came.traceback(), sent.traceback());
        for (at, value) in expected.iter().enumerate() {
            prop_assert_eq!(came.arg_value::<Value>(at), Some(value.clone()));
        }
        prop_assert!(came.arg_value::<Value>(expected.len()).is_none());
        for (name, value) in &kwargs {
            prop_assert_eq!(came.kwarg_value::<Value>(name), Some(value.clone()));
        }
        prop_assert_eq!(came.encode(), sent.encode());
    }

    #[test]
    fn odd_members_cost_nothing_but_themselves(
        members in btree_map(select(vec!["class", "module", "message", "tb", "args", "kwargs", "x"]), any_value(), 0..7),
    ) {
        let came = Failure::decode(&text(&members).expect("JSON")).expect("an object");
        let word = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
        prop_assert_eq!((came.class(), came.message()), (word("class"), word("message")));
        prop_assert_eq!(came.module(), word("module").replace("exceptions", "builtins"));
        let lines = match members.get("tb") {
            Some(Value::String(line)) => vec![line.clone()],
            Some(Value::Array(lines)) if lines.iter().all(Value::is_string) => {
                lines.iter().filter_map(|line| line.as_str().map(str::to_owned)).collect()
            }
            _ => Vec::new(),
        };
        prop_assert_eq!(came.traceback(), lines);
        let args = members.get("args").and_then(Value::as_array).cloned().unwrap_or_default();
        prop_assert_eq!(came.0.args.len(), args.len());
        let kwargs = members.get("kwargs").and_then(Value::as_object).cloned().unwrap_or_default();
        let kept: BTreeMap<_, Value> =
            came.0.kwargs.iter().map(|(name, value)| (name.clone(), from_str(value.get()).expect("JSON"))).collect();
        prop_assert_eq!(kept, kwargs.into_iter().collect::<BTreeMap<_, _>>());
    }
}
