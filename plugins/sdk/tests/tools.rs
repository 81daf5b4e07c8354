//! Tools: what a model may send, and what the author, the host and the model get for it.

#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use serde_json::{Value, json};
use vale_sdk::tool::testkit::{FakeHost, text_of};
use vale_sdk::tool::{
    Answer, Arguments, BlobError, Failure, Hints, Host, KvError, Level, Param, ToolSpec, Tools,
    described,
};
use vale_sdk::{
    Context, CredentialInfo, Error, ErrorKind, HttpErrorKind, HttpReply, HttpRequest, NetworkKind,
    ResultPart,
};

/// A tool that tells its arguments, and others that use the host.
struct Probe;

impl Tools for Probe {
    fn list(context: &Context) -> Vec<ToolSpec> {
        let echo = ToolSpec::new("echo", "Tells its arguments")
            .title("Echo")
            .hints(Hints::pure())
            .param(Param::text("text", "A \"text\"").required().max_chars(5))
            .param(Param::integer("count", "A number", -3..=12))
            .param(Param::bool("loud", "Yes or no"))
            .param(Param::choice("kind", "One of two", &["big", "small"]))
            .param(Param::json(
                "more",
                r#"{"type":"array","items":{"type":"string"}}"#,
            ))
            .output_schema(r#"{"type":"object"}"#);
        let mut tools = vec![
            echo,
            ToolSpec::new("visit", "Counts visits"),
            ToolSpec::new("get", "Gets").param(Param::text("url", "Where").required()),
        ];
        if let Some(name) = context.text("extra_tool") {
            tools.push(ToolSpec::new(Box::leak(name.into_boxed_str()), "Extra"));
        }
        tools
    }

    async fn invoke<H: Host>(
        host: &H,
        name: &str,
        arguments: &Arguments,
    ) -> Result<Answer, Failure> {
        match name {
            "echo" => echo(arguments),
            "visit" => visit(host),
            "get" => get(host, arguments.need_text("url")?).await,
            _ => std::future::pending().await,
        }
    }
}

fn echo(arguments: &Arguments) -> Result<Answer, Failure> {
    let more = arguments.json("more")?;
    let items = more.map(|more| more.items().len());
    let told = json!({
        "text": arguments.need_text("text")?,
        "count": arguments.integer("count"),
        "size": arguments.size("count"),
        "loud": arguments.bool("loud"),
        "kind": arguments.text("kind"),
        "items": items,
    });
    Ok(Answer::default().with(ResultPart::Json(told.to_string())))
}

fn visit<H: Host>(host: &H) -> Result<Answer, Failure> {
    let before = host.kv_get("visits").map_or(0, |bytes| bytes.len());
    let now = vec![b'x'; before + 1];
    host.kv_set("visits", &now)
        .map_err(|_| Failure::told("No more visits fit."))?;
    host.log(Level::Info, "visited");
    Ok(Answer::text(format!("{} at {}", before + 1, host.now_unix_ms())).untrusted())
}

async fn get<H: Host>(host: &H, url: &str) -> Result<Answer, Failure> {
    let received = host
        .send(HttpRequest::get(url), 4)
        .await
        .map_err(Error::from)?;
    let text = String::from_utf8_lossy(&received.reply.body).into_owned();
    Ok(Answer::text(text).with_text(received.is_whole.to_string()))
}

fn host() -> FakeHost {
    FakeHost::with_settings("{}").unwrap().at(7)
}

fn echoed(arguments: &str) -> Value {
    let result = host().call::<Probe>("echo", arguments).unwrap();
    assert!(!result.is_error, "{arguments}: {}", text_of(&result));
    match result.content.as_slice() {
        [ResultPart::Json(json)] => serde_json::from_str(json).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn refused(name: &str, arguments: &str) -> String {
    let result = host().call::<Probe>(name, arguments).unwrap();
    assert!(result.is_error, "{arguments}: {}", text_of(&result));
    assert_eq!(result.call_id, "call-1");
    text_of(&result)
}

#[test]
fn the_schema_says_what_the_check_wants() {
    let tools = described::<Probe>(&Context::new("{}", Vec::new()).unwrap()).unwrap();
    let echo = &tools[0];
    let schema: Value = serde_json::from_str(&echo.def.input_schema_json).unwrap();
    let expected = json!({
        "type": "object",
        "properties": {
            "text": {"type": "string", "maxLength": 5, "description": "A \"text\""},
            "count": {"type": "integer", "minimum": -3, "maximum": 12, "description": "A number"},
            "loud": {"type": "boolean", "description": "Yes or no"},
            "kind": {"type": "string", "enum": ["big", "small"], "description": "One of two"},
            "more": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["text"],
        "additionalProperties": false,
    });
    assert_eq!(schema, expected);
    assert_eq!(echo.title.as_deref(), Some("Echo"));
    assert_eq!(echo.hints.read_only, Some(true));
    assert_eq!(
        echo.output_schema_json.as_deref(),
        Some(r#"{"type":"object"}"#)
    );
    // A tool without parameters has a schema of type object too.
    let schema: Value = serde_json::from_str(&tools[1].def.input_schema_json).unwrap();
    assert_eq!(schema["properties"], json!({}));
    assert_eq!(tools[1].hints.read_only, None);
}

#[test]
fn arguments_arrive_with_their_types() {
    let all = r#"{"text":"ab","count":12,"loud":true,"kind":"big","more":["x","y"]}"#;
    let expected = json!({
        "text": "ab", "count": 12, "size": 12, "loud": true, "kind": "big", "items": 2
    });
    assert_eq!(echoed(all), expected);
    let nothing = json!({
        "text": "ab", "count": null, "size": null, "loud": null, "kind": null, "items": null
    });
    assert_eq!(echoed(r#"{"text":"ab"}"#), nothing);
    // What models get wrong without doubt about the meaning.
    assert_eq!(echoed(r#"{"text":"ab","count":null,"kind":null}"#), nothing);
    assert_eq!(echoed(r#"{"text":1.50}"#)["text"], "1.50");
    assert_eq!(echoed(r#"{"text":""}"#)["text"], "");
    assert_eq!(echoed(r#"{"text":"a","count":"-3"}"#)["count"], -3);
    assert_eq!(echoed(r#"{"text":"a","count":12.0}"#)["count"], 12);
    assert_eq!(echoed(r#"{"text":"a","count":-1}"#)["size"], Value::Null);
    assert_eq!(echoed(r#"{"text":"日本日本日"}"#)["text"], "日本日本日");
}

#[test]
fn arguments_that_do_not_fit_are_told_to_the_model() {
    let long = format!(r#"{{"text":"{}"}}"#, "x".repeat(2_000_000));
    let key = format!(r#"{{"{}":1}}"#, "k".repeat(5_000));
    let deep = "[".repeat(100_000);
    for (arguments, words) in [
        ("", "text is missing."),
        ("{}", "text is missing."),
        (r#"{"text":null}"#, "text is missing."),
        ("[]", "one JSON object"),
        ("\"x\"", "one JSON object"),
        ("{", "one JSON object"),
        (deep.as_str(), "one JSON object"),
        (
            r#"{"text":"abcdef"}"#,
            "text must be a text of at most 5 characters, and it is \"abcdef\".",
        ),
        (
            r#"{"text":["a"]}"#,
            "text must be a text, and it is [\"a\"].",
        ),
        (
            r#"{"text":"a","count":13}"#,
            "count must be a whole number from -3 to 12, and it is 13.",
        ),
        (
            r#"{"text":"a","count":1.5}"#,
            "count must be a whole number",
        ),
        (
            r#"{"text":"a","count":1e99}"#,
            "count must be a whole number",
        ),
        (
            r#"{"text":"a","count":true}"#,
            "count must be a whole number",
        ),
        (r#"{"text":"a","loud":"yes"}"#, "loud must be true or false"),
        (
            r#"{"text":"a","kind":"huge"}"#,
            "kind must be one of big, small, and it is \"huge\".",
        ),
        (
            r#"{"text":"a","txt":1}"#,
            "echo has no parameter txt. Its parameters: text, count, loud, kind, more.",
        ),
        (key.as_str(), "has no parameter kkk"),
        (long.as_str(), "at most 1048576"),
    ] {
        let said = refused("echo", arguments);
        assert!(said.contains(words), "{arguments:.60}: {said}");
        assert!(said.len() < 400, "{said}");
    }
    let said = refused("ecko", "{}");
    assert_eq!(
        said,
        "There is no tool of that name here. The tools: echo, visit, get."
    );
}

#[test]
fn a_failed_call_is_an_error_and_a_failed_tool_a_result() {
    let url = "https://a.example/";
    let host = host().fail(url, HttpErrorKind::Dns, "no such host");
    let arguments = json!({ "url": url }).to_string();
    let error = host.call::<Probe>("get", &arguments).unwrap_err();
    match error.kind {
        ErrorKind::Network(failure) => assert_eq!(failure.kind, NetworkKind::Dns),
        other => panic!("{other:?}"),
    }
    assert_eq!(error.message, "no such host");
    let full = FakeHost::with_settings("{}").unwrap().max_kv_bytes(8);
    assert!(!full.call::<Probe>("visit", "{}").unwrap().is_error);
    assert!(!full.call::<Probe>("visit", "{}").unwrap().is_error);
    let result = full.call::<Probe>("visit", "{}").unwrap();
    assert!(result.is_error);
    assert_eq!(text_of(&result), "No more visits fit.");
}

#[test]
fn a_missing_credential_ends_the_call_before_the_tool_runs() {
    let credential = |present| CredentialInfo {
        name: "api-key".into(),
        present,
        required: true,
        extras: Vec::new(),
    };
    let with = |present| {
        let context = Context::new("{}", vec![credential(present)]).unwrap();
        FakeHost::default().context(context)
    };
    let host = with(false);
    let error = host.call::<Probe>("visit", "{}").unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Auth(_)), "{error:?}");
    assert!(host.kv_get("visits").is_none());
    assert!(!with(true).call::<Probe>("visit", "{}").unwrap().is_error);
}

#[test]
fn what_is_kept_is_there_at_the_next_call_and_answers_may_be_marked_untrusted() {
    let host = host();
    assert_eq!(text_of(&host.call::<Probe>("visit", "").unwrap()), "1 at 7");
    let second = host.call::<Probe>("visit", "{}").unwrap();
    assert_eq!(text_of(&second), "2 at 7");
    assert_eq!(second.name.as_deref(), Some("visit"));
    assert_eq!(second.extras[0].name, "untrusted");
    assert_eq!(second.extras[0].json, "true");
    assert_eq!(host.lines().len(), 2);
    host.kv_delete("visits");
    assert_eq!(text_of(&host.call::<Probe>("visit", "").unwrap()), "1 at 7");
}

#[test]
fn a_body_is_read_to_the_cap() {
    for (body, text, is_whole) in [
        ("", "", "true"),
        ("1234", "1234", "true"),
        ("12345", "1234", "false"),
    ] {
        let url = "https://a.example/";
        let reply = HttpReply {
            status: 200,
            body: body.into(),
            ..HttpReply::default()
        };
        let host = host().reply(url, reply);
        let result = host
            .call::<Probe>("get", &json!({ "url": url }).to_string())
            .unwrap();
        assert_eq!(text_of(&result), format!("{text}\n{is_whole}"));
        assert_eq!(host.requests()[0].url, url);
    }
}

#[test]
fn a_list_that_no_model_could_use_is_the_plugin_s_failure() {
    for (name, is_good) in [
        ("more_tools-2", true),
        ("echo", false),
        ("with blank", false),
        ("café", false),
        (&"n".repeat(65), false),
        (&"n".repeat(64), true),
    ] {
        let settings = json!({ "extra_tool": name }).to_string();
        let context = Context::new(settings, Vec::new()).unwrap();
        let listed = described::<Probe>(&context);
        assert_eq!(listed.is_ok(), is_good, "{name}");
        if let Err(error) = listed {
            assert_eq!(error.kind, ErrorKind::Internal);
            assert!(error.message.contains(name));
        }
    }
}

#[test]
fn a_tool_that_waits_for_nobody_is_found_by_the_test_kit() {
    let host = FakeHost::with_settings(r#"{"extra_tool":"stuck"}"#).unwrap();
    let error = host.call::<Probe>("stuck", "{}").unwrap_err();
    assert!(error.message.contains("waits"), "{}", error.message);
}

#[test]
fn the_fake_host_keeps_the_contract_of_kv_and_blobs() {
    let host = host().blob("in", b"0123456789");
    for key in ["b", "a/2", "a/1", "a/3"] {
        host.kv_set(key, b"v").unwrap();
    }
    assert_eq!(host.kv_list("a/", None, 2), ["a/1", "a/2"]);
    assert_eq!(host.kv_list("a/", Some("a/1"), 9), ["a/2", "a/3"]);
    let full = FakeHost::default().max_kv_bytes(4);
    full.kv_set("k", b"123").unwrap();
    full.kv_set("k", b"321").unwrap();
    assert_eq!(full.kv_set("l", b""), Err(KvError::Full));
    assert_eq!(host.blob_read("in", 8, 5).unwrap(), b"89");
    assert_eq!(host.blob_read("in", 99, 5).unwrap(), b"");
    assert_eq!(host.blob_read("out", 0, 1), Err(BlobError::Unknown));
    let blob = host.blob_put("text/plain", Some("n"), b"abc").unwrap();
    assert_eq!(blob.size, 3);
    assert_eq!(host.blob_read(&blob.id, 0, 9).unwrap(), b"abc");
}

proptest! {
    #[test]
    fn any_arguments_end_in_a_result(arguments in any::<String>()) {
        let result = host().call::<Probe>("echo", &arguments);
        prop_assert!(result.is_ok());
    }

    #[test]
    fn any_json_object_ends_in_a_result_that_fits_the_schema(
        count in any::<i64>(), text in any::<String>(), extra in proptest::option::of("[a-z]{1,4}")
    ) {
        let mut arguments = json!({"text": text, "count": count});
        if let Some(extra) = &extra {
            arguments[extra] = json!(1);
        }
        let result = host().call::<Probe>("echo", &arguments.to_string()).unwrap();
        let fits = text.chars().count() <= 5
            && (-3..=12).contains(&count)
            && extra.is_none();
        // `text`, `loud` or `more` by chance overwrite what was there.
        if extra.as_deref().is_none_or(|name| !["text", "loud", "more", "kind"].contains(&name)) {
            prop_assert_eq!(!result.is_error, fits, "{}", arguments);
        }
    }
}
