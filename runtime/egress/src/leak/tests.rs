//! The scanner against every way of cutting and spelling a secret.

use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use http::HeaderName;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use proptest::prelude::*;
use vale_secrets::Secret;

use super::*;
use crate::{CredentialPlace, Origin};

const KEY: &str = "sk-test/9f>>8?abcDEF~123456";
/// Holds all that serialisers of JSON escape; in base64 it has `/` and `+`.
const MARKED: &str = "a/b=c+d&e<f>>>g???h~~~=";

fn scanner(value: &str) -> Option<Scanner> {
    let credential = Credential {
        name: "api-key".to_owned(),
        header: HeaderName::from_static("authorization"),
        template: "Bearer {key}".to_owned(),
        places: vec![CredentialPlace {
            origin: Origin::parse("https://a.example").unwrap(),
            path_prefix: None,
        }],
        required: true,
        secret: Some(Secret::new(value.to_owned()).ok().unwrap()),
    };
    Scanner::new(&[credential]).unwrap()
}

/// Every byte percent-encoded, in lower-case hex.
fn all_escaped(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02x}")).collect()
}

/// As PHP, Go, Gson and .NET write such a text, each in its way, and beyond.
fn json_escaped(text: &str) -> Vec<String> {
    let unicode = |which: &'static str, upper: bool| {
        let escape = move |c: char| match (which.contains(c), upper) {
            (true, true) => format!("\\u{:04X}", u32::from(c)),
            (true, false) => format!("\\u{:04x}", u32::from(c)),
            (false, _) => c.to_string(),
        };
        text.chars().map(escape).collect::<String>()
    };
    vec![
        text.replace('/', "\\/"),
        unicode("&<>", true).replace('/', "\\/"),
        unicode("&<>", false),
        unicode("=&<>", false),
        unicode("+&<>", true),
        unicode("/=+&<>", true),
        unicode("/=+&<>", false),
    ]
}

fn spelled(key: &str) -> Vec<String> {
    let mut all = vec![
        key.to_owned(),
        format!("Bearer {key}"),
        percent_encode(key.as_bytes(), NON_ALPHANUMERIC).to_string(),
        all_escaped(key),
    ];
    for before in ["", "a", "ab", "user:", "Bearer "] {
        for after in ["", "z", "zz"] {
            let text = format!("{before}{key}{after}");
            all.push(STANDARD.encode(&text));
            all.push(URL_SAFE.encode(&text));
            all.push(
                percent_encode(STANDARD.encode(&text).as_bytes(), NON_ALPHANUMERIC).to_string(),
            );
        }
    }
    for text in all.clone() {
        all.extend(json_escaped(&text));
    }
    all
}

/// Runs a body through; what was released, and the leak if one was found.
fn run(scanner: &Scanner, body: &[u8], cuts: &[usize]) -> (Vec<u8>, Option<Leak>) {
    let mut scan = BodyScan::default();
    let mut seen = Vec::new();
    let mut from = 0;
    for to in cuts.iter().copied().chain([body.len()]) {
        match scan.push(scanner, Bytes::copy_from_slice(&body[from..to])) {
            Ok(bytes) => seen.extend_from_slice(&bytes),
            Err(leak) => return (seen, Some(leak)),
        }
        from = to;
    }
    seen.extend_from_slice(&scan.finish());
    (seen, None)
}

#[test]
fn every_spelling_is_found_one_byte_a_chunk() {
    for key in [KEY, MARKED] {
        let scanner = scanner(key).unwrap();
        for text in spelled(key) {
            let body = format!("data: {{\"echo\":\"{text}\"}}\n\n");
            let cuts: Vec<_> = (1..body.len()).collect();
            let (seen, leak) = run(&scanner, body.as_bytes(), &cuts);
            assert_eq!(
                leak.map(|l| l.credential).as_deref(),
                Some("api-key"),
                "{text}"
            );
            assert!(body.as_bytes().starts_with(&seen));
            assert_eq!(
                scanner
                    .find(body.as_bytes())
                    .map(|l| l.credential)
                    .as_deref(),
                Some("api-key"),
                "{text}"
            );
        }
    }
}

/// Decoded, such a key reads as another text; sent as it is, it must be found all the same.
#[test]
fn a_key_that_looks_percent_encoded_is_found_as_it_is() {
    let key = "pk%41bcdef%2fghijk%";
    let scanner = scanner(key).unwrap();
    let body = format!("echo: {key}");
    let cuts: Vec<_> = (1..body.len()).collect();
    let (seen, leak) = run(&scanner, body.as_bytes(), &cuts);
    assert!(leak.is_some());
    assert_eq!(seen, b"echo: ");
}

#[test]
fn a_header_name_is_searched_whatever_its_case() {
    let scanner = scanner("Sk-Test-0123456789").unwrap();
    assert!(scanner.find_in_name("x-sk-test-0123456789-y").is_some());
    assert!(scanner.find_in_name("x-sk-test-012345678").is_none());
}

#[test]
fn short_values_are_no_secrets() {
    assert!(scanner("0123456789abcde").is_none());
    assert!(scanner("0123456789abcdef").is_some());
}

#[test]
fn an_ordinary_stream_is_not_delayed() {
    let scanner = scanner("sk-test-0123456789").unwrap();
    let mut scan = BodyScan::default();
    for chunk in [
        "data: {\"delta\":\"task\"}\n\n",
        "data: 100%\n\n",
        ": ping\n\n",
        "a",
        "%!!",
        "%20 ",
        "{\"delta\":\"a\\nb \\\"c\\\" \\/ \\u00e9 \\u2026\"}\n",
        "\\x",
    ] {
        let chunk = Bytes::from(chunk);
        assert_eq!(scan.push(&scanner, chunk.clone()).unwrap(), chunk);
    }
    // A prefix waits for what follows, and no longer.
    assert_eq!(scan.push(&scanner, Bytes::from("is sk-te")).unwrap(), "is ");
    assert_eq!(scan.push(&scanner, Bytes::from("ch")).unwrap(), "sk-tech");
    assert_eq!(scan.push(&scanner, Bytes::from("50%7")).unwrap(), "50");
    assert_eq!(scan.push(&scanner, Bytes::from("x")).unwrap(), "%7x");
    assert_eq!(scan.push(&scanner, Bytes::from("a\\u00")).unwrap(), "a");
    assert_eq!(scan.push(&scanner, Bytes::from("4")).unwrap(), "");
    assert_eq!(scan.push(&scanner, Bytes::from("!")).unwrap(), "\\u004!");
    assert_eq!(scan.push(&scanner, Bytes::from("end s")).unwrap(), "end ");
    assert_eq!(scan.finish(), "s");
}

#[test]
fn a_prefix_held_through_escapes_comes_out_whole() {
    let scanner = scanner("sk-test-0123456789").unwrap();
    for body in [
        "x%73%6B%2dtes%7aand sk-%74est-01234567%38%38",
        "x\\u0073\\u006B\\u002dtes\\/and \\sk-\\u0074est-01234567\\u0038\\u0038\\",
    ] {
        for cut in 0..body.len() {
            let (seen, leak) = run(&scanner, body.as_bytes(), &[cut]);
            assert_eq!((seen.as_slice(), leak), (body.as_bytes(), None));
        }
    }
}

/// For files: short values too, in every spelling, and nothing else.
#[test]
fn a_text_holds_a_value_in_each_spelling_and_no_other_does() {
    for key in [KEY, MARKED, "short-key-1", "local"] {
        let secret = Secret::new(key.to_owned()).ok().unwrap();
        let escaped = key.replace('/', "\\/");
        let percent = percent_encode(key.as_bytes(), NON_ALPHANUMERIC).to_string();
        let mut texts = vec![key.to_owned(), escaped, percent];
        if key.len() > 8 {
            for before in ["", "a", "ab"] {
                let text = format!("{before}{key}");
                texts.extend([STANDARD.encode(&text), URL_SAFE.encode(&text)]);
            }
        }
        for text in texts {
            let text = format!("{{\"body\": \"x{text}y\"}}");
            assert!(holds(text.as_bytes(), &secret), "{key} in {text}");
        }
        let cut = &key[..key.len() - 1];
        assert!(!holds(format!("\"{cut}\" x").as_bytes(), &secret), "{cut}");
        assert!(!holds(b"", &secret));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// However the key is spelled, surrounded and cut: it is found, and of the match not one byte
    /// comes out.
    #[test]
    fn no_byte_of_a_secret_comes_out(
        key in "[!-~]{16,60}",
        json in any::<bool>(),
        escape in proptest::collection::vec(any::<(bool, bool)>(), 60),
        before in "[ -~]{0,40}",
        after in "[ -~]{0,40}",
        splits in proptest::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let scanner = scanner(&key).unwrap();
        let mut spelled = String::new();
        for (byte, (escaped, upper)) in key.bytes().zip(&escape) {
            // A bare '%' beside escapes can read as something else; that would not be the key.
            let must = byte == if json { b'\\' } else { b'%' };
            match (json, *escaped || must, upper) {
                (true, true, true) if byte == b'/' => spelled.push_str("\\/"),
                (true, true, true) => spelled.push_str(&format!("\\u{byte:04X}")),
                (true, true, false) => spelled.push_str(&format!("\\u{byte:04x}")),
                (false, true, true) => spelled.push_str(&format!("%{byte:02X}")),
                (false, true, false) => spelled.push_str(&format!("%{byte:02x}")),
                (_, false, _) => spelled.push(char::from(byte)),
            }
        }
        let before = before.replace(['%', '\\'], "_");
        let body = format!("{before}{spelled}{after}");
        let mut cuts: Vec<_> = splits.iter().map(|i| i.index(body.len() + 1)).collect();
        cuts.sort_unstable();
        let (seen, leak) = run(&scanner, body.as_bytes(), &cuts);
        prop_assert!(leak.is_some());
        prop_assert!(seen.len() <= before.len(), "released {seen:?}");
        prop_assert!(body.as_bytes().starts_with(&seen));
    }

    /// Whatever is no key comes out byte for byte.
    #[test]
    fn other_bytes_come_out_unchanged(
        body in proptest::collection::vec(prop_oneof![
            Just(b"sk-test".to_vec()), Just(b"%73".to_vec()), Just(b"%".to_vec()),
            Just(b"c2st".to_vec()), Just(b"\\u0073".to_vec()), Just(b"\\".to_vec()), any::<[u8; 3]>().prop_map(|b| b.to_vec()),
        ], 0..60),
        splits in proptest::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let scanner = scanner("sk-testsk-test%73%73").unwrap();
        let body = body.concat();
        prop_assume!(scanner.find(&body).is_none());
        let mut cuts: Vec<_> = splits.iter().map(|i| i.index(body.len() + 1)).collect();
        cuts.sort_unstable();
        let (seen, leak) = run(&scanner, &body, &cuts);
        prop_assert_eq!(leak, None);
        prop_assert_eq!(seen, body);
    }
}
