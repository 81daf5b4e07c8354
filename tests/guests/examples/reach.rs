//! Sends the HTTP request that each message describes, one after the other, and tells what came.
//!
//! A message is `METHOD URL`, then a line `name: value` for each header. For each request the
//! answer holds either the note `status`, the body as text, one event a chunk, and the note `end`;
//! or the notes `error` (the kind), `message` and `request-sent`.

use vale_test_guests::{Out, Request, Script, StreamResult, guest, http, texts};

struct Reach;

impl Script for Reach {
    async fn answer(request: Request, mut out: Out) {
        for wanted in texts(&request) {
            match http::send(&parse(&wanted)).await {
                Ok(response) => relay(response, &mut out).await,
                Err(error) => {
                    out.note("error", kind(&error.kind)).await;
                    out.note("message", &error.message).await;
                    out.note("request-sent", error.request_sent).await;
                }
            }
        }
        out.finish().await;
    }
}

fn parse(wanted: &str) -> http::Request {
    let mut lines = wanted.lines();
    let (method, url) = lines
        .next()
        .and_then(|line| line.split_once(' '))
        .unwrap_or(("GET", ""));
    let method = match method {
        "GET" => http::Method::Get,
        "POST" => http::Method::Post,
        other => http::Method::Other(other.to_owned()),
    };
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        (name.to_owned(), value.to_owned())
    };
    http::Request {
        method,
        url: url.to_owned(),
        headers: lines.map(header).collect(),
        body: Vec::new(),
        extras: Vec::new(),
    }
}

async fn relay(response: http::Response, out: &mut Out) {
    out.note("status", response.status).await;
    for (name, value) in &response.headers {
        out.note(&format!("header {name}"), value).await;
    }
    let (mut body, end) = (response.body, response.end);
    let mut buffer = Vec::with_capacity(64 << 10);
    loop {
        let status;
        (status, buffer) = body.read(buffer).await;
        if !buffer.is_empty() {
            out.text(String::from_utf8_lossy(&buffer)).await;
            buffer.clear();
        }
        if !matches!(status, StreamResult::Complete(_)) {
            break;
        }
    }
    match end.await {
        Ok(()) => out.note("end", "whole").await,
        Err(error) => out.note("end", kind(&error.kind)).await,
    }
}

fn kind(kind: &http::Kind) -> String {
    match kind {
        http::Kind::Denied => "denied".to_owned(),
        http::Kind::Dns => "dns".to_owned(),
        http::Kind::Connect => "connect".to_owned(),
        http::Kind::Tls => "tls".to_owned(),
        http::Kind::Timeout => "timeout".to_owned(),
        http::Kind::Reset => "reset".to_owned(),
        http::Kind::Truncated => "truncated".to_owned(),
        http::Kind::TooLarge => "too-large".to_owned(),
        http::Kind::Protocol => "protocol".to_owned(),
        http::Kind::Other(other) => other.clone(),
    }
}

guest!(Reach);
