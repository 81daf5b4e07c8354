//! What is written of a recording, read back; and what never is.

use super::*;
use bytes::Bytes;
use vale_egress::holds;
use vale_secrets::Secret;

fn draft(name: &str, bodies: &[&'static str]) -> RecordingDraft {
    let exchange = |body: &&'static str| TakenExchange {
        method: "GET".to_owned(),
        url: "https://a.example/x?q=1".to_owned(),
        status: 200,
        headers: vec![("content-type".to_owned(), "text/plain".to_owned())],
        body: Bytes::from_static(body.as_bytes()),
        truncated: false,
    };
    RecordingDraft {
        name: name.to_owned(),
        about: None,
        settings: Map::new(),
        asked: Asked::ListModels,
        http: bodies.iter().map(exchange).collect(),
        expect: json!({"models": []}),
    }
}

fn nothing(_: &[u8]) -> Option<String> {
    None
}

#[test]
fn what_is_written_is_read_back_as_it_was() {
    let mut draft = draft("two-pages", &["one", "", "three"]);
    draft.asked = Asked::Invoke {
        tool: "t".to_owned(),
        arguments: Map::from_iter([("a".to_owned(), json!(1))]),
    };
    draft.http[2].truncated = true;
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().join("recordings");
    let written = draft.write(&into, false, &nothing).unwrap();
    let names: Vec<_> = written
        .files
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["two-pages.body", "two-pages.body.3", "two-pages.json"]
    );
    let (good, bad) = Recordings::read(&into).unwrap().parse();
    assert_eq!(bad, []);
    let [one] = good.as_slice() else {
        panic!("{good:?}")
    };
    assert_eq!(one.name, "two-pages");
    let bodies: Vec<_> = one
        .http
        .iter()
        .map(|http| &http.response.body[..])
        .collect();
    assert_eq!(bodies, [&b"one"[..], b"", b"three"]);
    let truncated: Vec<_> = one.http.iter().map(|http| http.is_truncated).collect();
    assert_eq!(truncated, [false, false, true]);
    let crate::recording::Call::Invoke(call) = &one.call else {
        panic!("{:?}", one.call)
    };
    let Asked::Invoke { tool, arguments } = &draft.asked else {
        panic!()
    };
    assert_eq!(*call, Asked::tool_call(tool, arguments));
}

#[test]
fn the_request_that_is_recorded_is_the_one_that_was_made() {
    let mut draft = draft("x", &[]);
    draft.asked = Asked::Complete {
        model: "m".to_owned(),
        message: "say \"hi\"\n".to_owned(),
    };
    let (good, bad) = draft.recordings(&nothing).unwrap().parse();
    assert_eq!(bad, []);
    let crate::recording::Call::Complete(request) = &good[0].call else {
        panic!("{good:?}")
    };
    let said = Message::text(vale_types::Role::User, "say \"hi\"\n");
    assert_eq!(**request, Asked::request("m".to_owned(), vec![said]));
}

#[test]
fn a_recording_is_replaced_by_force_only_and_leaves_no_old_body() {
    let folder = tempfile::tempdir().unwrap();
    draft("a", &["1", "2"])
        .write(folder.path(), false, &nothing)
        .unwrap();
    fs::write(folder.path().join("a.body.txt"), "mine").unwrap();
    let again = draft("a", &["new"]);
    let refused = again.write(folder.path(), false, &nothing).unwrap_err();
    assert!(matches!(refused, DraftError::IsThere(_)), "{refused}");
    assert_eq!(
        fs::read_to_string(folder.path().join("a.body")).unwrap(),
        "1"
    );
    again.write(folder.path(), true, &nothing).unwrap();
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["a.body", "a.body.txt", "a.json"]);
}

#[test]
fn a_key_anywhere_keeps_everything_from_being_written() {
    const KEY: &str = "k3y-0123456789abcdef";
    let secret = Secret::new(KEY.to_owned()).ok().unwrap();
    let key_in = |bytes: &[u8]| holds(bytes, &secret).then(|| "api-key".to_owned());
    let in_body = draft("a", &["x", "k3y-0123456789abcdef"]);
    let mut in_url = draft("a", &["x"]);
    in_url.http[0].url = "https://a.example/?key=k3y%2D0123456789abcdef".to_owned();
    let mut in_header = draft("a", &["x"]);
    in_header.http[0].headers[0].1 = "azN5LTAxMjM0NTY3ODlhYmNkZWY=".to_owned();
    let mut in_settings = draft("a", &["x"]);
    in_settings.settings.insert("s".to_owned(), KEY.into());
    let mut in_expect = draft("a", &["x"]);
    in_expect.expect = json!({"text": format!("it is {KEY}")});
    for draft in [in_body, in_url, in_header, in_settings, in_expect] {
        let folder = tempfile::tempdir().unwrap();
        let refused = draft.write(folder.path(), true, &key_in).unwrap_err();
        assert!(
            matches!(&refused, DraftError::HoldsKey { credential, .. } if credential == "api-key"),
            "{refused}"
        );
        assert!(!refused.to_string().contains(KEY));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn names_stay_beside_each_other() {
    for good in ["hello", "a", "4o-mini_2.1", "x.body"] {
        assert!(is_recording_name(good), "{good}");
    }
    let long = "a".repeat(MAX_NAME + 1);
    for bad in [
        "", ".", "..", "../a", "a/b", "a\\b", ".hidden", "a.json", "a.", "ä", "a b", &long, "-x",
    ] {
        assert!(!is_recording_name(bad), "{bad}");
        let folder = tempfile::tempdir().unwrap();
        let refused = draft(bad, &[]).write(folder.path(), true, &nothing);
        assert!(matches!(refused, Err(DraftError::Name(_))), "{bad}");
    }
}
