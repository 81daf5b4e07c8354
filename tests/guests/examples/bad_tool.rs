//! Tools that misbehave: `invoke` by the called tool's name, `list-tools` by the setting
//! `misdeed`, which stands in the settings as `{"misdeed":"…"}`.

use vale_test_guests::tool::{
    Described, Error, Guest, ToolCall, ToolResult, answer, argument, blobs, chat, common, config,
    described, errors, http, kv, log, text,
};

struct Bad;

impl Guest for Bad {
    fn list_tools() -> Result<Vec<Described>, Error> {
        let settings = config::get();
        let misdeed = settings
            .split_once(":\"")
            .and_then(|(_, rest)| rest.split('"').next());
        Ok(match misdeed.unwrap_or_default() {
            "spin" => spin(),
            "panic" => panic!("on purpose"),
            "ten-thousand" => (0..10_000).map(|n| described(format!("t{n}"))).collect(),
            "no-name" => vec![described("")],
            "odd-name" => vec![described("rm -rf\u{202e}")],
            "twice" => vec![described("a"), described("a")],
            "bad-schema" => {
                let mut tool = described("a");
                tool.def.input_schema_json = "{'type': object}".to_owned();
                vec![tool]
            }
            "tower" => {
                let mut tool = described("a");
                tool.output_schema_json = Some("{\"a\":".repeat(10_000));
                vec![tool]
            }
            "huge-error" => return Err(error("x".repeat(2 << 20))),
            other => panic!("unknown misdeed {other}"),
        })
    }

    async fn invoke(call: ToolCall) -> Result<ToolResult, Error> {
        Ok(match call.name.as_str() {
            "spin" => spin(),
            "panic" => panic!("on purpose"),
            "waits" => {
                std::future::pending::<()>().await;
                text(&call, "")
            }
            "waits-for-a-server" => {
                wait(argument(&call, "url")).await;
                text(&call, "")
            }
            "memory" => {
                let mut kept = Vec::new();
                loop {
                    kept.push(std::hint::black_box(vec![1_u8; 1 << 20]));
                }
            }
            "log-lines" => {
                for n in 0..10_000 {
                    log::log(log::Level::Info, &format!("line {n}"));
                }
                text(&call, "")
            }
            "wrong-id" => ToolResult {
                call_id: "another".to_owned(),
                ..text(&call, "")
            },
            "wrong-name" => ToolResult {
                name: Some("another".to_owned()),
                ..text(&call, "")
            },
            "not-json" => answer(&call, vec![chat::ResultPart::Json("{'a'}".to_owned())]),
            "huge" => text(&call, "x".repeat(size(&call))),
            // The same few bytes, many times: small for the guest, large for the host.
            "many" => {
                let part = || chat::ResultPart::Text("x".repeat(1_000));
                answer(&call, (0..20_000).map(|_| part()).collect())
            }
            "extras" => ToolResult {
                extras: vec![common::Extra {
                    name: "x".to_owned(),
                    json: format!("\"{}\"", "x".repeat(2 << 20)),
                }],
                ..text(&call, "")
            },
            "huge-error" => {
                let mut huge = error("x");
                huge.provider_code = Some("x".repeat(2 << 20));
                return Err(huge);
            }
            "fills-kv" => fill(&call),
            "large-kv" => large(&call),
            "odd-keys" => odd_keys(&call),
            "hammers-kv" => loop {
                kv::delete("again");
            },
            "reads-foreign" => read(&call),
            "posts-foreign" => post(&call).await,
            "answers-foreign" => {
                let blob = chat::Blob {
                    id: argument(&call, "id").to_owned(),
                    media_type: "image/png".to_owned(),
                    size: 1,
                    name: None,
                };
                answer(
                    &call,
                    vec![chat::ResultPart::Image(chat::Media::Blob(blob))],
                )
            }
            "lies-about-a-blob" => lie(&call),
            "fills-blobs" => fill_blobs(&call),
            other => panic!("unknown misdeed {other}"),
        })
    }
}

fn error(message: impl Into<String>) -> Error {
    Error {
        kind: errors::ErrorKind::Internal,
        message: message.into(),
        http_status: None,
        provider_code: None,
        provider_request_id: None,
        retryable: None,
        extras: Vec::new(),
    }
}

fn spin() -> ! {
    let mut n: u32 = 1;
    loop {
        n = std::hint::black_box(n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    }
}

fn size(call: &ToolCall) -> usize {
    argument(call, "bytes").parse().expect("a number of bytes")
}

/// Sets until it is refused; says how many values were kept, and the refusal.
fn fill(call: &ToolCall) -> ToolResult {
    let value = vec![7; 1_000];
    let mut kept = 0;
    loop {
        match kv::set(&format!("k{kept}"), &value) {
            Ok(()) => kept += 1,
            Err(error) => return text(call, format!("{kept} {error:?}")),
        }
    }
}

/// Values and keys around their caps.
fn large(call: &ToolCall) -> ToolResult {
    let said = [
        kv::set("v", &vec![1; 1 << 20]),
        kv::set("v", &vec![1; (1 << 20) + 1]),
        kv::set(&"k".repeat(512), b""),
        kv::set(&"k".repeat(513), b""),
        kv::set("", b""),
    ]
    .map(|set| match set {
        Ok(()) => "kept".to_owned(),
        Err(kv::Error::Full) => "full".to_owned(),
        Err(kv::Error::TooLarge) => "too-large".to_owned(),
        Err(kv::Error::Other(_)) => "other".to_owned(),
    });
    let found = kv::get(&"k".repeat(513)).is_some();
    text(call, format!("{} {found}", said.join(" ")))
}

/// Keys that look alike, turn the line, or are no text at all; each must stay itself.
fn odd_keys(call: &ToolCall) -> ToolResult {
    let keys = [
        "caf\u{e9}",
        "cafe\u{301}",
        "\u{202e}gnp.exe",
        "\0",
        "../../etc/passwd",
        "C:\\con",
        "\u{1f468}\u{200d}\u{1f469}",
        "\u{10ffff}",
        "a\nb",
        "%00",
    ];
    for (n, key) in keys.iter().enumerate() {
        if let Err(error) = kv::set(key, &[n as u8]) {
            return text(call, format!("{key:?} {error:?}"));
        }
    }
    for (n, key) in keys.iter().enumerate() {
        if kv::get(key).as_deref() != Some(&[n as u8]) {
            return text(call, format!("{key:?} was lost"));
        }
    }
    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    // Page by page, as the contract says.
    let mut listed: Vec<String> = Vec::new();
    loop {
        let page = kv::list("", listed.last().map(String::as_str), 3);
        if page.is_empty() {
            break;
        }
        listed.extend(page);
    }
    text(
        call,
        if listed == sorted {
            "same"
        } else {
            "other order"
        },
    )
}

fn read(call: &ToolCall) -> ToolResult {
    match blobs::read(argument(call, "id"), 0, 10) {
        Ok(bytes) => text(call, format!("read {}", bytes.len())),
        Err(error) => text(call, format!("{error:?}")),
    }
}

async fn post(call: &ToolCall) -> ToolResult {
    let id = argument(call, "id").to_owned();
    let request = http::Request {
        method: http::Method::Post,
        url: argument(call, "url").to_owned(),
        headers: Vec::new(),
        body: vec![http::BodyPart::BlobBase64(id)],
        extras: Vec::new(),
    };
    match http::send(&request).await {
        Ok(response) => text(call, format!("sent {}", response.status)),
        Err(error) => text(call, error.message),
    }
}

async fn wait(url: &str) {
    let request = http::Request {
        method: http::Method::Get,
        url: url.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        extras: Vec::new(),
    };
    let mut response = http::send(&request).await.expect("an answer");
    response.body.next().await;
}

fn lie(call: &ToolCall) -> ToolResult {
    let mut blob = blobs::put("text/plain", None, b"four").expect("a blob");
    blob.size = 1 << 40;
    blob.media_type = "image/png".to_owned();
    blob.name = Some("../../evil".to_owned());
    answer(call, vec![chat::ResultPart::File(chat::Media::Blob(blob))])
}

fn fill_blobs(call: &ToolCall) -> ToolResult {
    let bytes = vec![1; 100_000];
    let mut put = 0;
    loop {
        match blobs::put("text/plain", None, &bytes) {
            Ok(_) => put += 1,
            Err(error) => return text(call, format!("{put} {error:?}")),
        }
    }
}

vale_test_guests::tool::bindings::export!(Bad with_types_in vale_test_guests::tool::bindings);
