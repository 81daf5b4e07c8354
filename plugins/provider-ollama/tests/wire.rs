//! Requests, lists and the traps of this wire, each by name.

#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

use provider_ollama::Ollama;
use serde_json::{Value, json};
use vale_sdk::testkit::{Outcome, Replay};
use vale_sdk::{
    Blob, BodyPart, Capabilities, Context, ContextLimit, ErrorKind, FinishReason, HttpReply,
    HttpRequest, Listing, Media, Message, Method, Part, Provider, Request, ResultPart, Role,
    ThinkingMode, ToolCall, ToolChoice, ToolDef, ToolResult,
};

fn context(more: Value) -> Context {
    let mut settings = json!({"base_url": "http://127.0.0.1:11434", "max_num_ctx": 32768});
    settings
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    Context::new(settings.to_string(), vec![]).unwrap()
}

fn json_of(http: &HttpRequest) -> Value {
    let bytes = http.body.iter().flat_map(|part| match part {
        BodyPart::Bytes(bytes) => bytes.clone(),
        BodyPart::BlobBase64(id) => format!("<{id}>").into_bytes(),
        part => panic!("{part:?}"),
    });
    serde_json::from_slice(&bytes.collect::<Vec<u8>>()).unwrap()
}

fn body(context: &Context, request: &Request) -> Value {
    json_of(&Ollama::completion_request(context, request).unwrap())
}

fn hello() -> Request {
    Request::new("m", vec![Message::text(Role::User, "Hello")])
}

fn stream(lines: &[&str]) -> Outcome {
    let body = lines.join("\n");
    let replay = Replay::<Ollama>::body(body)
        .context(context(json!({})))
        .request(hello());
    replay.every_split().unwrap()
}

#[test]
fn the_context_is_always_named_and_grows_in_steps() {
    let body_of = |chars: usize, more: Value| {
        let request = Request::new("m", vec![Message::text(Role::User, "x".repeat(chars))]);
        Ollama::completion_request(&context(more), &request).map(|http| json_of(&http))
    };
    let size = |chars, more| body_of(chars, more).unwrap()["options"]["num_ctx"].clone();
    assert_eq!(size(5, json!({})), 8192);
    assert_eq!(size(18_000, json!({})), 8192);
    assert_eq!(size(30_000, json!({})), 16384);
    assert_eq!(size(90_000, json!({})), 32768);
    assert_eq!(size(5, json!({"num_ctx": 4096})), 4096);
    let refused = body_of(120_000, json!({})).unwrap_err();
    let limit = ContextLimit {
        limit: Some(32768),
        requested: Some(40_008),
    };
    assert_eq!(refused.kind, ErrorKind::ContextLength(limit));
    let body = body_of(5, json!({"keep_alive": "10m"})).unwrap();
    assert_eq!(
        (&body["truncate"], &body["stream"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(body["keep_alive"], "10m");
}

#[test]
fn a_conversation_with_images_tools_and_thinking_is_said_in_this_wires_words() {
    let image = || {
        Media::Blob(Blob {
            id: "b".into(),
            media_type: "image/png".into(),
            size: 1,
            name: None,
        })
    };
    let call = ToolCall {
        id: "c1".into(),
        name: "f".into(),
        arguments_json: "{\"a\":1}".into(),
        signature: None,
    };
    let result = ToolResult {
        call_id: "c1".into(),
        name: None,
        content: vec![ResultPart::Text("42".into())],
        is_error: true,
        extras: vec![],
    };
    let request = Request {
        tools: vec![ToolDef {
            name: "f".into(),
            description: "d".into(),
            input_schema_json: "{}".into(),
            extras: vec![],
        }],
        max_output_tokens: Some(7),
        temperature: Some(0.25),
        seed: Some(3),
        thinking: ThinkingMode::Effort("low".into()),
        options_json: Some("{\"options\":{\"top_k\":4}}".into()),
        ..Request::new(
            "m",
            vec![
                Message::text(Role::Developer, "Be kind."),
                Message::new(
                    Role::User,
                    vec![Part::Text("look".into()), Part::Image(image())],
                ),
                Message::new(Role::Assistant, vec![Part::ToolCall(call)]),
                Message::new(Role::Tool, vec![Part::ToolResult(result)]),
            ],
        )
    };
    let body = body(&context(json!({})), &request);
    assert_eq!(
        body["messages"],
        json!([
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "look", "images": ["<b>"]},
            {"role": "assistant", "content": "", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}}]},
            {"role": "tool", "content": "Error: 42", "tool_call_id": "c1", "tool_name": "f"},
        ])
    );
    assert_eq!(body["think"], "low");
    assert_eq!(
        body["options"],
        json!({"num_ctx": 8192, "num_predict": 7, "temperature": 0.25, "seed": 3, "top_k": 4})
    );
    let forced = Request {
        tool_choice: ToolChoice::Any,
        ..request
    };
    let refused = Ollama::completion_request(&context(json!({})), &forced).unwrap_err();
    assert!(matches!(refused.kind, ErrorKind::Unsupported(_)));
}

const TALK: &str = r#"{"model":"m","message":{"role":"assistant","content":"Hi"},"done":false}"#;

#[test]
fn an_error_line_with_status_200_is_a_failure_and_keeps_the_text() {
    for (words, kind) in [
        ("llama runner process has terminated", ErrorKind::Internal),
        (
            "model requires more system memory (9 GiB) than is available (5 GiB)",
            ErrorKind::Internal,
        ),
        ("server busy, please try again", ErrorKind::Overloaded(None)),
        (
            "model \"x\" not found, try pulling it first",
            ErrorKind::ModelNotFound,
        ),
    ] {
        let error = json!({"error": words}).to_string();
        let outcome = stream(&[TALK, &error]);
        assert_eq!(outcome.text(), "Hi");
        let failure = outcome.terminal.unwrap_err();
        assert_eq!(failure.kind, kind, "{words}");
        assert!(failure.message.starts_with(words), "{}", failure.message);
    }
}

#[test]
fn the_end_says_why_and_how_many_and_whether_the_prompt_was_cut() {
    let done =
        |more: &str| format!(r#"{{"model":"m","message":{{"content":""}},"done":true,{more}}}"#);
    let end = |more: &str| stream(&[TALK, &done(more)]).terminal.unwrap();
    assert_eq!(
        end(r#""done_reason":"length""#).reason,
        FinishReason::MaxTokens
    );
    let counted = end(r#""done_reason":"stop","prompt_eval_count":9,"eval_count":3"#);
    let usage = counted.usage.unwrap();
    assert_eq!((usage.input, usage.output), (Some(9), Some(3)));
    // The prompt came from the cache: not counted is not none.
    let cached = end(r#""done_reason":"stop","eval_count":3"#).usage.unwrap();
    assert_eq!((cached.input, cached.output), (None, Some(3)));
    let cut = end(r#""done_reason":"stop","prompt_eval_count":8192,"eval_count":3"#);
    assert!(
        cut.extras
            .iter()
            .any(|extra| extra.name == "prompt-cut-at" && extra.json == "8192")
    );
}

#[test]
fn calls_without_ids_or_with_arguments_as_text_are_calls() {
    let outcome = stream(&[
        r#"{"message":{"thinking":"hm"},"done":false}"#,
        r#"{"message":{"tool_calls":[{"function":{"name":"f","arguments":{"a":[1,2]}}},{"id":"own","function":{"name":"g","arguments":"{\"b\":1}"}},{"function":{"name":"h"}}]},"done":false}"#,
        r#"{"message":{"content":""},"done":true,"done_reason":"stop"}"#,
    ]);
    let calls = outcome.tool_calls();
    let told: Vec<_> = calls
        .iter()
        .map(|(id, _, json)| (id.as_str(), json.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("call_1_0", "{\"a\":[1,2]}"),
            ("own", "{\"b\":1}"),
            ("call_1_2", "{}")
        ]
    );
    assert_eq!(outcome.thinking(), "hm");
    assert_eq!(outcome.terminal.unwrap().reason, FinishReason::ToolCalls);
}

fn reply(status: u16, body: &Value) -> HttpReply {
    HttpReply {
        status,
        body: body.to_string().into(),
        ..HttpReply::default()
    }
}

#[test]
fn each_model_is_asked_for_its_card_and_one_without_stays() {
    let context = context(json!({}));
    let tags = reply(
        200,
        &json!({"models": [{"name": "qwen3:4b", "details": {"parameter_size": "4B"}}, {"name": "nomic-embed"}, {"name": "old:7b"}]}),
    );
    let ps = reply(200, &json!({"models": [{"name": "qwen3:4b"}]}));
    let card = reply(
        200,
        &json!({"capabilities": ["completion", "tools", "thinking"], "model_info": {"general.architecture": "qwen3", "qwen3.context_length": 40960}}),
    );
    let embeds = reply(
        200,
        &json!({"capabilities": ["embedding"], "model_info": {}}),
    );
    let broken = reply(404, &json!({"error": "not found"}));
    let replies = [tags, ps, card, embeds, broken];
    let urls = ["tags", "ps", "show", "show", "show"];
    for (at, url) in urls.iter().enumerate() {
        let Listing::Ask(http) = Ollama::list_step(&context, &replies[..at]).unwrap() else {
            panic!("done after {at}");
        };
        assert_eq!(http.url, format!("http://127.0.0.1:11434/api/{url}"));
        assert_eq!(http.method == Method::Post, *url == "show");
    }
    let Listing::Done(models) = Ollama::list_step(&context, &replies).unwrap() else {
        panic!("not done");
    };
    let ids: Vec<_> = models.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(ids, ["qwen3:4b", "old:7b"], "what only embeds is left out");
    assert_eq!(
        (models[0].context_window, models[0].loaded),
        (Some(40960), Some(true))
    );
    let can = models[0].capabilities.unwrap();
    assert!(can.contains(Capabilities::TOOLS | Capabilities::THINKING));
    assert!(!can.contains(Capabilities::IMAGES_IN));
    assert_eq!(
        (models[1].capabilities, models[1].loaded),
        (None, Some(false))
    );
}

#[test]
fn a_server_that_knows_only_the_list_still_has_models() {
    let context = context(json!({}));
    let tags = reply(200, &json!({"models": [{"model": "llama3.2"}]}));
    let none = reply(404, &json!({}));
    let Listing::Done(models) =
        Ollama::list_step(&context, &[tags, none.clone(), none.clone()]).unwrap()
    else {
        panic!("not done");
    };
    assert_eq!(
        (models[0].id.as_str(), models[0].loaded),
        ("llama3.2", None)
    );
    assert!(Ollama::list_step(&context, &[none]).is_err());
}
