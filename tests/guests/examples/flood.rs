//! Sends without end: many `events`, `bytes` of events, `ids` (bytes where there is no text), lines
//! (`log-lines`) or bytes (`log-bytes`) of log.

use vale_test_guests::stream_types::{CallEnd, CallStart, Started, ThinkingEnd};
use vale_test_guests::{Event, Out, Request, Script, guest, log, usage};

struct Flood;

impl Script for Flood {
    async fn answer(request: Request, mut out: Out) {
        out.text("before the flood").await;
        let big = || "x".repeat(64 << 10);
        match request.model.as_str() {
            "log-lines" => loop {
                log::log(log::Level::Info, "again");
            },
            "log-bytes" => loop {
                log::log(log::Level::Info, &big());
            },
            "events" => loop {
                out.send(vec![Event::Ping; 256]).await;
            },
            "bytes" => loop {
                out.text(big()).await;
            },
            "started" => loop {
                out.send(vec![Event::Started(Started {
                    response_id: Some(big()),
                    model: None,
                    extras: Vec::new(),
                })])
                .await;
            },
            "thinking-id" => loop {
                out.send(vec![Event::ThinkingEnd(ThinkingEnd {
                    id: Some(big()),
                    signature: None,
                    extras: Vec::new(),
                })])
                .await;
            },
            "extras" => loop {
                let extra = vale_test_guests::common::Extra {
                    name: String::new(),
                    json: big(),
                };
                out.send(vec![Event::Started(Started {
                    response_id: None,
                    model: None,
                    extras: vec![extra],
                })])
                .await;
            },
            "usage-tier" => loop {
                let mut usage = usage(1, 1);
                usage.service_tier = Some(big());
                out.send(vec![Event::Usage(usage)]).await;
            },
            "tool-calls" => {
                for index in 0.. {
                    let start = CallStart {
                        index,
                        id: String::new(),
                        name: String::new(),
                        extras: Vec::new(),
                    };
                    let end = CallEnd {
                        index,
                        signature: None,
                        extras: Vec::new(),
                    };
                    out.send(vec![Event::ToolCallStart(start), Event::ToolCallEnd(end)])
                        .await;
                }
            }
            other => panic!("unknown misdeed {other}"),
        }
    }
}

guest!(Flood);
