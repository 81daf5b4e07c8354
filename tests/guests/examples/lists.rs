//! Lists models as no provider may; the setting `misdeed` says how, and stands in the settings as
//! `{"misdeed":"…"}`. One of them is no misdeed: a list that asks nobody.

use vale_test_guests::bindings::exports::valechat::provider::provider::Guest;
use vale_test_guests::bindings::valechat::host::config;
use vale_test_guests::{Answer, Error, Model, ProviderInfo, Request, StreamResult, errors, http};

const URL: &str = "https://api.example.org/models";

struct Exported;

impl Guest for Exported {
    fn describe() -> ProviderInfo {
        ProviderInfo {
            display_name: "lists".to_owned(),
            homepage: None,
            extras: Vec::new(),
        }
    }

    async fn list_models() -> Result<Vec<Model>, Error> {
        let settings = config::get();
        let misdeed = settings
            .split_once(":\"")
            .and_then(|(_, rest)| rest.split('"').next());
        match misdeed.unwrap_or_default() {
            // No misdeed.
            "asks-nobody" => Ok(vec![model("of-its-own")]),
            // What has come of a cut answer is a list to it; it looks at no end.
            "takes-what-came" => {
                let body = body(ask(URL).await?).await;
                match ids(&body) {
                    ids if ids.is_empty() => Err(malformed()),
                    ids => Ok(ids.into_iter().map(model).collect()),
                }
            }
            // Whatever fails is no models.
            "says-there-are-none" => match ask(URL).await {
                Ok(response) => Ok(ids(&body(response).await).into_iter().map(model).collect()),
                Err(_) => Ok(Vec::new()),
            },
            "panics" => match ask(URL).await {
                Ok(response) => {
                    let body = body(response).await;
                    assert!(body.ends_with('}'), "half an answer");
                    Ok(ids(&body).into_iter().map(model).collect())
                }
                Err(error) => panic!("{}", error.message),
            },
            // For ever, and to a server that is not there.
            "asks-again" => loop {
                if let Ok(response) = ask(URL).await {
                    let body = body(response).await;
                    return Ok(ids(&body).into_iter().map(model).collect());
                }
            },
            // The first page is right; what happens to the second one is not looked at.
            "forgets-a-page" => {
                let first = body(ask(URL).await?).await;
                if !first.ends_with('}') || ids(&first).is_empty() {
                    return Err(malformed());
                }
                let more = match ask(&format!("{URL}?page=2")).await {
                    Ok(response) => body(response).await,
                    Err(_) => String::new(),
                };
                let all = ids(&first).into_iter().chain(ids(&more));
                Ok(all.map(model).collect())
            }
            other => panic!("unknown misdeed {other}"),
        }
    }

    async fn complete(_request: Request) -> Answer {
        Err(malformed())
    }
}

/// An answer with a success status.
async fn ask(url: &str) -> Result<http::Response, Error> {
    let request = http::Request {
        method: http::Method::Get,
        url: url.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        extras: Vec::new(),
    };
    match http::send(&request).await {
        Ok(response) if response.status == 200 => Ok(response),
        _ => Err(malformed()),
    }
}

async fn body(response: http::Response) -> String {
    let mut body = response.body;
    let (mut read, mut buffer) = (Vec::new(), Vec::with_capacity(64 << 10));
    loop {
        let status;
        (status, buffer) = body.read(buffer).await;
        read.append(&mut buffer);
        if !matches!(status, StreamResult::Complete(_)) {
            return String::from_utf8_lossy(&read).into_owned();
        }
    }
}

/// What stands behind each `"id": "`.
fn ids(body: &str) -> Vec<&str> {
    let pieces = body.split("\"id\": \"").skip(1);
    pieces.filter_map(|piece| piece.split('"').next()).collect()
}

fn model(id: &str) -> Model {
    Model {
        id: id.to_owned(),
        display_name: None,
        capabilities: None,
        context_window: None,
        max_output: None,
        prices: Vec::new(),
        options_schema: None,
        deprecated_on: None,
        loaded: None,
        extras: Vec::new(),
    }
}

fn malformed() -> Error {
    Error {
        kind: errors::ErrorKind::MalformedResponse,
        message: "on purpose".to_owned(),
        http_status: None,
        provider_code: None,
        provider_request_id: None,
        retryable: None,
        extras: Vec::new(),
    }
}

vale_test_guests::bindings::export!(Exported with_types_in vale_test_guests::bindings);
