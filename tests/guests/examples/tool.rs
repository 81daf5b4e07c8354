//! Tools that behave: `echo` (the arguments back, as JSON), `count` (calls so far, kept in `kv`
//! under the argument `key`), `keys` (those with the prefix `key`), `copy` (reads the attachment
//! `id` and puts its bytes back in capitals), `fetch` (the body at `url`), `post` (the attachment
//! `id` to `url`), `fail` (runs and fails), `refuse` (an error of the call).

use vale_test_guests::StreamResult;
use vale_test_guests::tool::{
    Described, Error, Guest, ToolCall, ToolResult, answer, argument, blobs, chat, common,
    described, errors, failed, http, kv, text,
};

struct Tool;

impl Guest for Tool {
    fn list_tools() -> Result<Vec<Described>, Error> {
        let names = [
            "echo", "count", "keys", "copy", "fetch", "post", "fail", "refuse",
        ];
        let mut tools: Vec<_> = names.map(described).into();
        if let Some(echo) = tools.first_mut() {
            echo.title = Some("Say it again".to_owned());
            echo.hints.read_only = Some(true);
            echo.hints.destructive = Some(false);
            echo.output_schema_json = Some(r#"{"type":"object"}"#.to_owned());
            echo.extras = vec![common::Extra {
                name: "since".to_owned(),
                json: "\"0.1\"".to_owned(),
            }];
        }
        Ok(tools)
    }

    async fn invoke(call: ToolCall) -> Result<ToolResult, Error> {
        Ok(match call.name.as_str() {
            "echo" => {
                let said = chat::ResultPart::Json(call.arguments_json.clone());
                let seen = match &call.signature {
                    Some(_) => vec![said, chat::ResultPart::Text("signed".to_owned())],
                    None => vec![said],
                };
                answer(&call, seen)
            }
            "count" => count(&call),
            "keys" => text(&call, kv::list(argument(&call, "key"), None, 10).join(",")),
            "copy" => copy(&call),
            "fetch" => fetch(&call, http::Method::Get, Vec::new()).await,
            "post" => {
                let id = argument(&call, "id").to_owned();
                fetch(&call, http::Method::Post, vec![http::BodyPart::Blob(id)]).await
            }
            "fail" => failed(&call, "no such city"),
            "refuse" => return Err(refusal()),
            other => panic!("unknown tool {other}"),
        })
    }
}

fn refusal() -> Error {
    Error {
        kind: errors::ErrorKind::Unsupported("today".to_owned()),
        message: "Not today.".to_owned(),
        http_status: None,
        provider_code: None,
        provider_request_id: None,
        retryable: Some(false),
        extras: Vec::new(),
    }
}

fn count(call: &ToolCall) -> ToolResult {
    let key = argument(call, "key");
    let before = kv::get(key).and_then(|bytes| String::from_utf8(bytes).ok());
    let count = before
        .and_then(|text| text.parse::<u64>().ok())
        .unwrap_or(0)
        + 1;
    match kv::set(key, count.to_string().as_bytes()) {
        Ok(()) => text(call, count.to_string()),
        Err(kv::Error::Full) => failed(call, "full"),
        Err(kv::Error::TooLarge) => failed(call, "too large"),
        Err(kv::Error::Other(why)) => failed(call, why),
    }
}

fn copy(call: &ToolCall) -> ToolResult {
    let id = argument(call, "id");
    let mut bytes = Vec::new();
    loop {
        // Small reads, so that offsets are used.
        match blobs::read(id, bytes.len() as u64, 4) {
            Ok(piece) if piece.is_empty() => break,
            Ok(piece) => bytes.extend(piece),
            Err(error) => return failed(call, words(error)),
        }
    }
    bytes.make_ascii_uppercase();
    match blobs::put("text/plain", Some("copy.txt"), &bytes) {
        Ok(blob) => {
            let file = chat::ResultPart::File(chat::Media::Blob(blob));
            answer(call, vec![file])
        }
        Err(error) => failed(call, words(error)),
    }
}

fn words(error: blobs::Error) -> String {
    match error {
        blobs::Error::Unknown => "unknown".to_owned(),
        blobs::Error::TooLarge => "too large".to_owned(),
        blobs::Error::Other(why) => why,
    }
}

async fn fetch(call: &ToolCall, method: http::Method, body: Vec<http::BodyPart>) -> ToolResult {
    let request = http::Request {
        method,
        url: argument(call, "url").to_owned(),
        headers: Vec::new(),
        body,
        extras: Vec::new(),
    };
    let response = match http::send(&request).await {
        Ok(response) => response,
        Err(error) => return failed(call, error.message),
    };
    let mut body = response.body;
    let mut buffer = Vec::with_capacity(16 << 10);
    let mut all = Vec::new();
    loop {
        let status;
        (status, buffer) = body.read(buffer).await;
        all.append(&mut buffer);
        if !matches!(status, StreamResult::Complete(_)) {
            break;
        }
        buffer.reserve(16 << 10);
    }
    match response.end.await {
        Ok(()) => text(call, String::from_utf8_lossy(&all)),
        Err(error) => failed(call, error.message),
    }
}

vale_test_guests::tool::bindings::export!(Tool with_types_in vale_test_guests::tool::bindings);
