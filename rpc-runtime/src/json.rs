//! JSON as Python's `json` module reads and writes it: the wire's JSON, which is a little more than the standard's.
//!
//! serde_json refuses what peers send every day: `NaN` and `Infinity` (wire: section 4), escapes of lone surrogates.
//! So reading and writing are our own; values are still described by serde, and errors are serde_json's, which users
//! know. What differs from serde_json:
//!
//! - `NaN`, `Infinity` and `-Infinity` are numbers, read into floats and written by them.
//! - Integers of any size are taken: into `i128` and `u128` exactly, into floats rounded, into raw values verbatim.
//! - A surrogate without its other half becomes U+FFFD in a `String`; a raw value keeps it.
//! - What nobody looks at may be nested to any depth. What is decoded, to 128 levels.

mod read;
mod scan;
mod typed;
mod unescape;
mod verbatim;
mod write;

pub(crate) use read::{Reader, count, from_str, object, raw, unquoted};
pub(crate) use typed::untyped;
pub(crate) use unescape::{string, unescaped};
pub(crate) use verbatim::Verbatim;
pub(crate) use write::{
    Nested, nested, nested_text, plain, prefixed, refuse, refuse_compounds, text,
};

#[cfg(test)]
pub(crate) mod properties;

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fmt::Debug};

    use serde::{Deserialize, Serialize, de::DeserializeOwned};
    use serde_json::{Value, value::RawValue};

    use super::*;

    #[derive(Debug, Deserialize, PartialEq, Serialize)]
    enum Shape {
        Point,
        Circle(f64),
        Line(i8, i8),
        Box { w: u8, h: u8 },
    }

    #[derive(Debug, Deserialize, PartialEq, Serialize)]
    struct Record {
        id: u32,
        name: Option<String>,
        shapes: Vec<Shape>,
        by_number: BTreeMap<i16, bool>,
        unit: (),
        pair: (char, f32),
    }

    fn read<T: DeserializeOwned>(text: &str) -> T {
        from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn serdes_shapes_are_written_and_read_back() {
        let record = Record {
            id: 7,
            name: Some("é\u{1f600}\n\"\\\u{7f}\u{1}/".into()),
            shapes: vec![
                Shape::Point,
                Shape::Circle(0.5),
                Shape::Line(-1, 2),
                Shape::Box { w: 1, h: 2 },
            ],
            by_number: BTreeMap::from([(-3, true), (4, false)]),
            unit: (),
            pair: ('x', 0.1),
        };
        let written = concat!(
            r#"{"id": 7, "name": "\u00e9\ud83d\ude00\n\"\\\u007f\u0001/", "shapes": ["Point", {"Circle": 0.5}, "#,
            r#"{"Line": [-1, 2]}, {"Box": {"w": 1, "h": 2}}], "by_number": {"-3": true, "4": false}, "unit": null, "#,
            r#""pair": ["x", 0.1]}"#
        );
        assert_eq!(text(&record).expect("JSON"), written);
        assert_eq!(read::<Record>(written), record);
        assert_eq!(serde_json::from_str::<Record>(written).expect("it is JSON"), record);
    }

    #[test]
    fn nested_text_reads_back_from_its_string() {
        let value = BTreeMap::from([("k\"\\", "é\n\t\u{8}\u{c}\r\u{2}")]);
        let mut out = b"\"".to_vec();
        nested(&mut out, &value).expect("JSON");
        nested_text(&mut out, " \n[\"\\u00e9\"]");
        out.push(b'"');
        let inner: String = serde_json::from_slice(&out).expect("a string");
        assert_eq!(inner, text(&value).expect("JSON") + " \n[\"\\u00e9\"]");
    }

    #[test]
    fn floats_are_written_as_python_does() {
        for (value, python) in [
            (1.5, "1.5"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.25e-7, "1.25e-07"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e300, "1e+300"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(text(&value).expect("a number"), python);
            let back: f64 = read(python);
            assert!(back == value || back.is_nan() && value.is_nan());
        }
        assert_eq!(text(&0.1_f32).expect("a float"), "0.1");
    }

    #[test]
    fn not_a_number_is_a_number() {
        assert!(read::<Option<f64>>("NaN").is_some_and(f64::is_nan));
        assert_eq!(read::<Vec<f32>>("[-Infinity, Infinity]"), [f32::NEG_INFINITY, f32::INFINITY]);
        assert_eq!(read::<Value>(r#"{"a": NaN}"#), serde_json::json!({"a": null}));
        assert_eq!(read::<Box<RawValue>>(r#"[NaN, "\ud800"]"#).get(), r#"[NaN, "\ud800"]"#);
        assert_eq!(text(&read::<Box<RawValue>>("NaN")).expect("raw"), "NaN");
    }

    #[test]
    fn integers_of_any_size_are_read() {
        let large = "1180591620717411303424"; // 2 to the 70th
        assert_eq!(read::<u128>(large), 1 << 70);
        assert_eq!(read::<i128>("-1180591620717411303424"), -(1 << 70));
        assert_eq!(read::<f64>(large), 2_f64.powi(70));
        assert_eq!(read::<Value>(large).as_f64(), Some(2_f64.powi(70)));
        assert_eq!(read::<Box<RawValue>>(&"9".repeat(400)).get().len(), 400);
        assert!(
            from_str::<u64>(large).is_err()
                && from_str::<u8>("256").is_err()
                && from_str::<u8>("1.0").is_err()
        );
        assert_eq!(read::<i64>("-9223372036854775808"), i64::MIN);
        assert_eq!(text(&(1_u128 << 70)).expect("JSON"), large);
    }

    #[test]
    fn half_a_surrogate_pair_is_replaced_in_text() {
        for (escaped, text) in [
            (r#""\ud83d\ude00""#, "😀"),
            (r#""a\ud800b""#, "a\u{fffd}b"),
            (r#""\ud800\u0041""#, "\u{fffd}A"),
            (r#""\ud800\ud83d\ude00""#, "\u{fffd}😀"),
            (r#""\udc00""#, "\u{fffd}"),
            (r#""\ud800\n""#, "\u{fffd}\n"),
        ] {
            assert_eq!(read::<String>(escaped), text);
        }
    }

    #[test]
    fn what_is_no_json_is_refused_by_both_ways_of_reading() {
        for bad in [
            "",
            " ",
            "{",
            "[1",
            "[1,]",
            "{\"a\"}",
            "{\"a\":}",
            "{a: 1}",
            "01",
            "1.",
            ".5",
            "1e",
            "-",
            "+1",
            "nul",
            "truex",
            "\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\u{1}\"",
            "1 2",
            "{\"a\": 1,}",
            "nan",
            "[1}",
            "{\"a\": [}]",
            "'a'",
            "\u{feff}1",
            "infinity",
        ] {
            assert!(from_str::<Value>(bad).is_err(), "decoded: {bad}");
            assert!(from_str::<serde::de::IgnoredAny>(bad).is_err(), "skipped: {bad}");
            assert!(object(&format!("{{\"k\": {bad}}}"), |_, _| ()).is_err(), "as a member: {bad}");
        }
    }

    #[test]
    fn depth_ends_decoding_and_nothing_else() {
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(from_str::<Value>(&deep(128)).is_ok() && from_str::<Value>(&deep(129)).is_err());
        assert_eq!(read::<Box<RawValue>>(&deep(100_000)).get().len(), 200_000);
        let mixed = "{\"a\": [".repeat(300) + &"]}".repeat(300);
        assert_eq!(read::<Box<RawValue>>(&mixed).get(), mixed);
        assert!(raw(&mixed.replacen("]}", "}]", 1)).is_err());
    }

    #[test]
    fn values_are_counted_at_every_depth() {
        for (text, values) in
            [("5", 1), ("[]", 1), ("[1, [2, {}]]", 5), (r#"{"a": {"b": "c"}}"#, 3)]
        {
            assert_eq!(count(text).expect(text), values, "{text}");
        }
        assert_eq!(object(r#"{"a": [1, 2], "b": null}"#, |_, _| ()).expect("an object"), 4);
        assert_eq!(object(r#"[["a", [1, 2]], ["b", null]]"#, |_, _| ()).expect("pairs"), 4);
        assert!(count("[1").is_err() && count("1 2").is_err());
    }

    #[test]
    fn a_list_of_pairs_is_an_object() {
        let mut members = Vec::new();
        object(r#"[["a", 1], ["\u0062", [2]]]"#, |key, value| {
            members.push((key.into_owned(), value))
        })
        .expect("pairs");
        assert_eq!(members, [("a".to_owned(), "1"), ("b".to_owned(), "[2]")]);
        assert!(object("[1]", |_, _| ()).is_err() && object("[[1, 2]]", |_, _| ()).is_err());
    }

    #[test]
    fn a_string_is_one_and_nothing_else() {
        let copied = string(r#" "a\n\u00e9" "#).expect("a string");
        assert!(matches!(copied, std::borrow::Cow::Owned(ref text) if text == "a\né"));
        let plain = string("\"ab\"").expect("a string");
        assert!(matches!(plain, std::borrow::Cow::Borrowed("ab")));
        for other in ["", "null", "5", "[\"a\"]", "\"a", "\"a\" 1", "\"\\x\""] {
            assert_eq!(string(other), None, "{other}");
        }
    }

    #[test]
    fn errors_say_what_was_expected_and_where() {
        let error = |text: &str| from_str::<Vec<u8>>(text).expect_err(text).to_string();
        assert_eq!(error(r#"[1, "x"]"#), "invalid type: a string, expected u8");
        assert_eq!(error("[1,\n 300]"), "invalid value: integer `300`, expected u8");
        assert_eq!(
            error("[1 2]"),
            "expected `,` or the end of a list or object at line 1 column 3"
        );
    }

    #[test]
    fn errors_quote_no_text() {
        #[derive(Debug, Deserialize)]
        struct Outer {
            #[serde(flatten)]
            _inner: BTreeMap<String, u8>,
        }
        /// Takes text for anything, and wants a number.
        #[derive(Debug)]
        struct Wants;

        impl<'de> Deserialize<'de> for Wants {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Visitor;

                impl serde::de::Visitor<'_> for Visitor {
                    type Value = Wants;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("a \"number\"")
                    }
                }

                from.deserialize_any(Visitor)
            }
        }

        fn error<T: DeserializeOwned + Debug>(text: &str) -> String {
            from_str::<T>(text).expect_err(text).to_string()
        }

        for text in [r#""secret""#, r#""se\"cret \"""#, r#""\u0073ecret\\""#] {
            assert_eq!(error::<Wants>(text), r#"invalid type: a string, expected a "number""#);
            assert_eq!(error::<Option<u8>>(text), "invalid type: a string, expected u8");
            assert!(!error::<Outer>(&format!("{{\"a\": {text}}}")).contains("cret"));
            assert!(!error::<BTreeMap<u8, u8>>(&format!("{{{text}: 1}}")).contains("cret"));
            assert!(!error::<char>(text).contains("cret"));
        }
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Flat {
        a: u8,
        #[serde(flatten)]
        rest: BTreeMap<String, Value>,
    }

    fn same<T: DeserializeOwned + PartialEq + Debug>(text: &str) {
        assert_eq!(read::<T>(text), serde_json::from_str::<T>(text).expect("it is JSON"), "{text}");
    }

    #[test]
    fn ordinary_json_reads_as_serde_json_reads_it() {
        same::<Flat>(
            r#"{"a": 1, "b": [true, null, -5, 1e3, 18446744073709551615], "c": {"d": "e"}}"#,
        );
        same::<Value>(r#" [ {"a" : {} } , [] , "" , 0, -1.5E-3, "\/\b\f" ] "#);
        same::<(Option<()>, Option<u8>, String)>(r#"[null, 5, "x"]"#);
        same::<BTreeMap<String, Option<Vec<Shape>>>>(r#"{"a": null, "b": [{"Line": [1, 2]}]}"#);
    }
}
