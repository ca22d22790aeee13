//! Over random values and texts: what is written reads back, and what is read is what other readers make of it.

use std::{borrow::Cow, collections::BTreeMap};

use proptest::{collection::vec, prelude::*};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::{Map, Number, Value, value::RawValue};

use super::*;

/// Any text: all of Unicode, and more of what JSON escapes.
pub(crate) fn any_text() -> impl Strategy<Value = String> + Clone {
    let special = prop::sample::select(
        "\"\\/\n\r\t\u{8}\u{c}\u{1}\u{7f}\u{80}é\u{2028}😀".chars().collect::<Vec<_>>(),
    );
    vec(prop_oneof![any::<char>(), prop::char::range(' ', '~'), special], 0..12)
        .prop_map(|chars| chars.into_iter().collect())
}

/// Any value that serde_json can hold.
pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO)
            .prop_map(|float| Number::from_f64(float).map_or(Value::Null, Value::Number)),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inside| {
        let member = (any_text(), inside.clone());
        prop_oneof![
            vec(inside, 0..5).prop_map(Value::from),
            vec(member, 0..5).prop_map(|members| Value::from(Map::from_iter(members))),
        ]
    })
}

/// Writes a value with blanks wherever JSON allows them.
fn spaced(value: &Value, blank: &str) -> String {
    let joined = |parts: Vec<String>| parts.join(&format!("{blank},{blank}"));
    match value {
        Value::Array(list) => {
            let parts = list.iter().map(|inside| spaced(inside, blank)).collect();
            format!("[{blank}{}{blank}]", joined(parts))
        }
        Value::Object(map) => {
            let member = |(key, inside): (&String, &Value)| {
                format!("{}{blank}:{blank}{}", text(key).expect("text"), spaced(inside, blank))
            };
            format!("{{{blank}{}{blank}}}", joined(map.iter().map(member).collect()))
        }
        other => text(other).expect("JSON"),
    }
}

/// Everything that serde knows of, in one type.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct All {
    flag: bool,
    small: (i8, i16, i32, i64, i128),
    large: (u8, u16, u32, u64, u128),
    letter: char,
    text: String,
    maybe: Option<Vec<Option<u8>>>,
    by_number: BTreeMap<i64, Shape>,
    by_text: BTreeMap<String, ()>,
    by_flag: BTreeMap<bool, u8>,
    by_shape: BTreeMap<Name, Unit>,
    new: New,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
enum Shape {
    Unit,
    New(String),
    Tuple(u8, Option<i16>),
    Struct { inside: Vec<Self>, list: [u8; 3] },
}

#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
enum Name {
    One,
    Other,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Unit;

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct New(String);

fn shape() -> impl Strategy<Value = Shape> {
    let leaf = prop_oneof![
        Just(Shape::Unit),
        any_text().prop_map(Shape::New),
        any::<(u8, Option<i16>)>().prop_map(|(one, other)| Shape::Tuple(one, other)),
    ];
    leaf.prop_recursive(3, 8, 3, |inside| {
        (vec(inside, 0..3), any::<[u8; 3]>())
            .prop_map(|(inside, list)| Shape::Struct { inside, list })
    })
}

fn all() -> impl Strategy<Value = All> {
    let maps = (
        prop::collection::btree_map(any::<i64>(), shape(), 0..3),
        prop::collection::btree_map(any_text(), Just(()), 0..3),
        prop::collection::btree_map(any::<bool>(), any::<u8>(), 0..3),
        prop::collection::btree_map(
            prop_oneof![Just(Name::One), Just(Name::Other)],
            Just(Unit),
            0..3,
        ),
    );
    let maybe = prop::option::of(vec(any::<Option<u8>>(), 0..4));
    let texts = (any::<char>(), any_text(), any_text());
    (
        any::<bool>(),
        any::<(i8, i16, i32, i64, i128)>(),
        any::<(u8, u16, u32, u64, u128)>(),
        texts,
        maybe,
        maps,
    )
        .prop_map(|(flag, small, large, (letter, text, new), maybe, maps)| {
            let (by_number, by_text, by_flag, by_shape) = maps;
            let new = New(new);
            All {
                flag,
                small,
                large,
                letter,
                text,
                maybe,
                by_number,
                by_text,
                by_flag,
                by_shape,
                new,
            }
        })
}

/// Whether serde_json refuses a text for nothing but what Python writes and it does not know.
fn is_pythons(text: &str, error: &str) -> bool {
    ["NaN", "Infinity", "\\u"].iter().any(|its| text.contains(its))
        || error.contains("out of range")
}

proptest! {
    #[test]
    fn every_value_reads_back(value in any_value()) {
        prop_assert_eq!(from_str::<Value>(&text(&value).expect("JSON")).expect("ours"), value);
    }

    #[test]
    fn every_type_of_serde_reads_back_here_and_elsewhere(all in all()) {
        let written = text(&all).expect("JSON");
        prop_assert!(written.is_ascii());
        prop_assert_eq!(&from_str::<All>(&written).expect("ours"), &all);
        prop_assert_eq!(&serde_json::from_str::<All>(&written).expect("it is JSON"), &all);
        let theirs = serde_json::to_string(&all).expect("JSON");
        prop_assert_eq!(&from_str::<All>(&theirs).expect("theirs"), &all);
    }

    #[test]
    fn every_float_reads_back_to_the_bit(bits in any::<u64>(), narrow in any::<u32>()) {
        let (wide, narrow) = (f64::from_bits(bits), f32::from_bits(narrow));
        let back: f64 = from_str(&text(&wide).expect("a float")).expect("a float");
        prop_assert!(back.to_bits() == bits || back.is_nan() && wide.is_nan());
        let back: f32 = from_str(&text(&narrow).expect("a float")).expect("a float");
        prop_assert!(back.to_bits() == narrow.to_bits() || back.is_nan() && narrow.is_nan());
        let key = BTreeMap::from([(text(&wide).expect("a float"), 0)]);
        prop_assert_eq!(text(&key).expect("JSON"), text(&Keyed(wide)).expect("JSON"));
    }

    #[test]
    fn digits_of_any_number_are_taken_exactly_or_rounded_once(digits in "-?[1-9][0-9]{0,60}") {
        prop_assert_eq!(from_str::<i128>(&digits).ok(), digits.parse::<i128>().ok());
        prop_assert_eq!(from_str::<u128>(&digits).ok(), digits.parse::<u128>().ok());
        prop_assert_eq!(from_str::<i64>(&digits).ok(), digits.parse::<i64>().ok());
        prop_assert_eq!(from_str::<f64>(&digits).ok(), digits.parse::<f64>().ok());
        let raw = from_str::<Box<RawValue>>(&digits).expect("a number");
        prop_assert_eq!(raw.get(), &*digits);
    }

    #[test]
    fn escaped_units_are_text_and_halves_are_replaced(
        units in vec(any::<u16>(), 0..8), surrogates in vec(0xd7fe_u16..=0xe001, 0..8),
    ) {
        for units in [&units, &surrogates] {
            let escaped: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let read: String = from_str(&format!("\"{escaped}\"")).expect("a string");
            prop_assert_eq!(read, String::from_utf16_lossy(units));
        }
    }

    #[test]
    fn a_value_inside_a_string_is_what_it_is_outside(value in any_value(), blank in "[ \n\t\r]{0,2}") {
        let plain = text(&value).expect("JSON");
        let mut out = b"\"".to_vec();
        nested(&mut out, &value).expect("JSON");
        nested_text(&mut out, &spaced(&value, &blank));
        out.push(b'"');
        let expected = format!("{plain}{}", spaced(&value, &blank));
        prop_assert_eq!(serde_json::from_slice::<String>(&out).expect("a string"), expected.clone());
        let out = String::from_utf8(out).expect("text");
        prop_assert_eq!(from_str::<String>(&out).expect("a string"), expected);
    }

    #[test]
    fn raw_values_stay_as_they_came(value in any_value(), blank in "[ \n\t\r]{0,2}") {
        let came = spaced(&value, &blank);
        let around = format!("{blank}{came}{blank}");
        let raw: Box<RawValue> = from_str(&around).expect("JSON");
        prop_assert_eq!(raw.get(), came.trim());
        prop_assert_eq!(text(&raw).expect("raw"), came.trim());
        prop_assert_eq!(from_str::<Value>(&around).expect("JSON"), value);
    }

    #[test]
    fn members_are_handed_out_in_order(members in vec((any_text(), any_value()), 0..6)) {
        let both = |(key, inside): &(String, Value)| {
            (text(key).expect("JSON"), text(inside).expect("JSON"))
        };
        let texts = || members.iter().map(both);
        let written: Vec<_> = texts().map(|(key, inside)| format!("{key}: {inside}")).collect();
        let pairs: Vec<_> = texts().map(|(key, inside)| format!("[{key}, {inside}]")).collect();
        for whole in [format!("{{{}}}", written.join(",")), format!("[{}]", pairs.join(","))] {
            let mut read = Vec::new();
            let take = |key: Cow<'_, str>, inside: &str| {
                read.push((key.into_owned(), from_str(inside).expect("JSON")));
            };
            object(&whole, take).expect("an object");
            prop_assert_eq!(&read, &members);
        }
    }

    #[test]
    fn depth_ends_decoding_alone(depth in 1_usize..400, kinds in vec(any::<bool>(), 400)) {
        let kinds = &kinds[..depth];
        let open: String = kinds.iter().map(|list| if *list { "[" } else { "{\"k\":" }).collect();
        let close: String = kinds.iter().rev().map(|list| if *list { ']' } else { '}' }).collect();
        let nested = format!("{open}0{close}");
        prop_assert_eq!(from_str::<Value>(&nested).is_ok(), depth <= 128);
        let raw = from_str::<Box<RawValue>>(&nested).expect("any depth");
        prop_assert_eq!(raw.get(), &*nested);
        let crossed = format!("{open}0{}", close.chars().rev().collect::<String>());
        prop_assert_eq!(from_str::<IgnoredAny>(&crossed).is_ok(), crossed == nested);
    }

    #[test]
    fn damaged_json_is_refused_where_others_refuse_it(
        value in any_value(), at in any::<prop::sample::Index>(), with in "[\\x00-\\x7f]{0,2}", out in 0_usize..3,
    ) {
        let whole = spaced(&value, " ");
        let start = at.index(whole.len());
        let end = (start + out).min(whole.len());
        // It is ASCII throughout.
        let damaged = format!("{}{with}{}", &whole[..start], &whole[end..]);
        let (decoded, skipped) = (from_str::<Value>(&damaged).is_ok(), from_str::<IgnoredAny>(&damaged).is_ok());
        prop_assert_eq!(decoded, skipped, "both ways of reading agree: {}", damaged);
        match serde_json::from_str::<Value>(&damaged) {
            Ok(_) => prop_assert!(decoded, "{}", damaged),
            Err(error) => prop_assert!(!decoded || is_pythons(&damaged, &error.to_string()), "{}: {}", damaged, error),
        }
    }
}

/// A map whose one key is a float.
struct Keyed(f64);

impl Serialize for Keyed {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(self.0, 0)])
    }
}
