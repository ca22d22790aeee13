//! What is nobody else's business: which names are those of secrets, and texts without the secrets in them.

use std::{borrow::Cow, sync::LazyLock};

use regex_lite::Regex;

use crate::json;

/// What a name has in it whose value no log may show: what OpenStack's services mask in their logs (`oslo.utils`), and
/// catalogues and credentials. What has another of these in it is left out.
const PARTS: [&str; 31] = [
    "admin_pass",
    "adminpass",
    "barbicansimplecryptokek",
    "catalog",
    "cephadminkey",
    "cephclientkey",
    "cephclusterfsid",
    "cephmanilaclientkey",
    "cephmdskey",
    "cephmonkey",
    "cephrgwkey",
    "configdrive",
    "credential",
    "designaterndckey",
    "encrypted_key",
    "fernetkey",
    "heatauthencryptionkey",
    "migrationsshkey",
    "new_pass",
    "octaviaheartbeatkey",
    "pacemakerremoteauthkey",
    "passphrase",
    "passwd",
    "password",
    "private_key",
    "rabbitcookie",
    "secret",
    "sslkey",
    "swifthashsuffix",
    "sys_pswd",
    "token",
];

/// What stands in a log in place of a secret.
pub(crate) const MASK: &str = "***";

/// Whether what is called so is nobody else's business: a part of its name says so, in any case of letters.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.as_bytes();
    PARTS.iter().map(|part| part.as_bytes()).any(|part| {
        // Most places end with the first letter.
        name.windows(part.len())
            .any(|place| place[0] | 0x20 == part[0] && place.eq_ignore_ascii_case(part))
    })
}

/// Returns JSON text with `instead` in place of the value of whatever member has the name of a secret, however
/// deep. A `null` stays. What is no JSON comes back in some form.
pub(crate) fn redacted<'a>(text: &'a str, instead: &str) -> Cow<'a, str> {
    let bytes = text.as_bytes();
    let (mut out, mut copied, mut at) = (String::new(), 0, 0);
    while let Some(ahead) = text.get(at..).and_then(|rest| rest.find('"')) {
        let name = at + ahead;
        at = after_text(bytes, name);
        let colon = after_blanks(bytes, at);
        if bytes.get(colon) != Some(&b':') {
            continue;
        }
        let value = after_blanks(bytes, colon + 1);
        if text.get(name..at).is_some_and(names_a_secret) {
            at = after_value(bytes, value);
            let (Some(before), Some(secret)) = (text.get(copied..value), text.get(value..at))
            else {
                break;
            };
            if secret != "null" {
                out.push_str(before);
                out.push_str(instead);
                copied = at;
            }
        } else {
            at = value;
        }
    }
    match (copied, text.get(copied..)) {
        (0, _) | (_, None) => Cow::Borrowed(text),
        (_, Some(rest)) => {
            out.push_str(rest);
            Cow::Owned(out)
        }
    }
}

/// Whether a member's name, in quotes, is that of a secret.
fn names_a_secret(name: &str) -> bool {
    match name.contains('\\') {
        false => is_secret(name),
        true => json::from_str::<String>(name).map_or(true, |name| is_secret(&name)),
    }
}

/// The place behind a text in quotes that begins at `at`.
fn after_text(bytes: &[u8], at: usize) -> usize {
    let mut is_escaped = false;
    for (place, byte) in bytes.iter().enumerate().skip(at + 1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return place + 1,
            _ => {}
        }
    }
    bytes.len()
}

fn after_blanks(bytes: &[u8], at: usize) -> usize {
    let mut rest = bytes.iter().enumerate().skip(at);
    rest.find(|(_, byte)| !byte.is_ascii_whitespace()).map_or(bytes.len(), |(place, _)| place)
}

/// The place behind a value that begins at `at`.
fn after_value(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = after_text(bytes, at),
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' if depth == 0 => return at,
            b'}' | b']' => {
                depth -= 1;
                at += 1;
            }
            b',' if depth == 0 => return at,
            byte if depth == 0 && byte.is_ascii_whitespace() => return at,
            _ => at += 1,
        }
        if depth == 0 && matches!(bytes.get(at - 1), Some(b'"' | b'}' | b']')) {
            return at;
        }
    }
    at
}

/// Returns any text without what looks like a secret in it: a login in a URL, what stands behind the name of a secret, as
/// `password=…`, `"password": "…"`, `--password …` or `<password>…`.
pub(crate) fn masked(text: &str) -> Cow<'_, str> {
    let has_name = is_secret(text);
    if !has_name && !text.contains("://") {
        return Cow::Borrowed(text);
    }
    let mut masked = if has_name { redacted(text, "\"***\"") } else { Cow::Borrowed(text) };
    let forms = if has_name { &FORMS[..] } else { &FORMS[..1] };
    for form in forms {
        if let Cow::Owned(without) = form.replace_all(&masked, "${1}***${2}") {
            masked = Cow::Owned(without);
        }
    }
    masked
}

/// How secrets stand in texts. The first is for URLs, the others for names.
static FORMS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let name = format!(r"(?:{})[\w.-]*", PARTS.join("|"));
    let named = format!(r#"{name}\\?["']?\s*(?:[=:]|\s)\s*u?"#);
    let forms = [
        r#"(://)[^/?#\s"'<>]*(@)"#.to_owned(),
        format!(r#"({named}")(?:[^"\\]|\\.)*("?)"#),
        format!(r"({named}')(?:[^'\\]|\\.)*('?)"),
        format!(r#"({name}["']?\s*[=:]\s*)[^\s"'<>]+()"#),
        format!(r#"(--?[\w.-]*?{name}\s+)[^\s"'=]+()"#),
        format!(r"(<[\w:.-]*?{name}[^<>]*>)[^<]+()"),
    ];
    // Each of them is one, as a test knows.
    forms.iter().filter_map(|form| Regex::new(&format!("(?is){form}")).ok()).collect()
});

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::json::properties::any_value;

    /// All that `oslo.utils` masks.
    const MASKED_BY_OSLO: &str = "adminpass admin_pass password admin_password auth_token new_pass auth_password \
        secret_uuid secret sys_pswd token configdrive chappassword encrypted_key private_key fernetkey sslkey passphrase \
        cephclusterfsid octaviaheartbeatkey rabbitcookie cephmanilaclientkey pacemakerremoteauthkey designaterndckey \
        cephadminkey heatauthencryptionkey cephclientkey keystonecredential barbicansimplecryptokek cephrgwkey \
        swifthashsuffix migrationsshkey cephmdskey cephmonkey chapsecret";

    #[test]
    fn what_the_original_masks_is_a_secret_in_any_case_of_letters() {
        for name in MASKED_BY_OSLO.split_whitespace() {
            let within = format!("the_{}_2", name.to_uppercase());
            assert!(is_secret(name) && is_secret(&within), "{name}");
        }
        for name in ["adminPass", "service_catalog", "connection_CREDENTIALS", "db_passwd"] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["", "user_id", "pass", "key", "toke", "tok\u{e9}n", "config_drive", "keypair"]
        {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn no_secret_is_left_in_json_however_deep_and_all_else_is_as_it_was() {
        for (text, expected) in [
            (
                r#"{"a": {"auth_token": "t\"}", "b": [1, {"Password" : {"c": [2]}}]}}"#,
                r#"{"a": {"auth_token": null, "b": [1, {"Password" : null}]}}"#,
            ),
            (
                r#"{"token":1,"secret":[],"x":"token","y":["secret",1]}"#,
                r#"{"token":null,"secret":null,"x":"token","y":["secret",1]}"#,
            ),
            (r#"{"tok\u0065n": true , "a": null}"#, r#"{"tok\u0065n": null , "a": null}"#),
            (r#"[{"private_key": -1e5}]"#, r#"[{"private_key": null}]"#),
        ] {
            assert_eq!(redacted(text, "null"), expected);
        }
        for same in [r#"{"a": "b", "c": {}}"#, r#"{"token": null}"#, r#""token""#, "5", "[]"] {
            assert!(matches!(redacted(same, "null"), Cow::Borrowed(_)), "{same}");
        }
    }

    #[test]
    fn what_is_no_json_harms_nobody() {
        for odd in [
            "\"",
            "\"token\":",
            "{\"token\": \"",
            "{\"token\":}",
            "\"token\\",
            "{\"token\": [",
            "\"\\\":\"é",
        ] {
            let _ = redacted(odd, "null");
        }
    }

    fn without(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.iter_mut().for_each(|(name, value)| match is_secret(name) {
                    true => *value = Value::Null,
                    false => without(value),
                })
            }
            Value::Array(list) => list.iter_mut().for_each(without),
            _ => {}
        }
    }

    proptest! {
        #[test]
        fn redacted_text_is_that_of_the_value_without_secrets(
            value in any_value(),
            inside in any_value(),
            name in prop::sample::select(vec!["token", "A_PassWord", "sec\"ret", "x"]),
        ) {
            let mut value = json!([{"a": {name: inside, "b": value.clone()}, "secret": {"c": value}}]);
            let text = json::text(&value).expect("JSON");
            let redacted = redacted(&text, "null");
            without(&mut value);
            prop_assert_eq!(&*redacted, json::text(&value).expect("JSON"));
        }
    }

    #[test]
    fn secrets_in_texts_are_masked_and_what_is_beside_them_is_not() {
        for (text, expected) in [
            ("rabbit://u:p@h:5672/v", "rabbit://***@h:5672/v"),
            ("to rabbit://a:b@h1,c:d@h2/ now", "to rabbit://***@h2/ now"),
            ("http://h/path?mail=a@b", "http://h/path?mail=a@b"),
            ("user=u password=p;x host=h", "user=u password=*** host=h"),
            ("adminPass = 'a b' done", "adminPass = '***' done"),
            ("'admin_pass' : 'aaaaa'", "'admin_pass' : '***'"),
            (r#"{"original_password": "a\"b", "n": 1}"#, r#"{"original_password": "***", "n": 1}"#),
            (r#"{"token": {"id": "x"}}"#, r#"{"token": "***"}"#),
            ("mysql --password hunter2 -u root", "mysql --password *** -u root"),
            ("mysql --db-passwd=hunter2 -u root", "mysql --db-passwd=*** -u root"),
            ("<adminPass>x</adminPass><a>1</a>", "<adminPass>***</adminPass><a>1</a>"),
            ("X-Auth-Token: gAAA\nAccept: text", "X-Auth-Token: ***\nAccept: text"),
            ("passphrase \"x y\" ok", "passphrase \"***\" ok"),
            ("an expired token", "an expired token"),
            ("nothing of it", "nothing of it"),
        ] {
            assert_eq!(masked(text), expected, "{text}");
        }
        assert_eq!(FORMS.len(), 6);
    }
}
