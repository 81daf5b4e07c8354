//! Breaks a rule of the contract; the model says which. The message is the URL of a server that
//! never answers, for those that wait for ever.

use vale_test_guests::stream_types::{CallDelta, CallEnd, CallStart};
use vale_test_guests::{Event, Out, Request, Script, finished, guest, http, texts, usage};

struct Contract;

impl Script for Contract {
    async fn answer(request: Request, mut out: Out) {
        out.text("before the breach").await;
        let url = texts(&request).pop();
        match request.model.as_str() {
            "emit-after-finish" => {
                let Out {
                    mut events,
                    terminal,
                } = out;
                drop(terminal.write(Ok(finished(None))).await);
                drop(events.write_all(vec![Event::Text("late".into())]).await);
                return;
            }
            "stream-left-open" => {
                let Out { events, terminal } = out;
                drop(terminal.write(Ok(finished(None))).await);
                // Neither closed nor written: the host waits for a close that never comes.
                std::mem::forget(events);
                wait_for_ever(url).await;
                return;
            }
            // The instance stays busy though the answer is whole.
            "idles-after-the-end" => {
                out.finish().await;
                wait_for_ever(url).await;
                return;
            }
            "never-says-how-it-ended" => {
                drop(out.events);
                std::mem::forget(out.terminal);
                return;
            }
            "waits-for-nothing" => std::future::pending::<()>().await,
            "shrinks-usage" => {
                out.send(vec![Event::Usage(usage(10, 5))]).await;
                out.send(vec![Event::Usage(usage(10, 4))]).await;
            }
            "shrinks-usage-at-the-end" => {
                out.send(vec![Event::Usage(usage(10, 5))]).await;
                drop(out.events);
                drop(out.terminal.write(Ok(finished(Some(usage(1, 1))))).await);
                return;
            }
            "unknown-tool-index" => out.send(vec![delta(7)]).await,
            "begins-a-tool-twice" => out.send(vec![begin(0), begin(0)]).await,
            "goes-on-after-a-tools-end" => out.send(vec![begin(0), end(0), delta(0)]).await,
            "leaves-a-tool-open" => out.send(vec![begin(0)]).await,
            other => panic!("unknown misdeed {other}"),
        }
        out.finish().await;
    }
}

/// Waits for what never comes: the body of an answer.
async fn wait_for_ever(url: Option<String>) {
    let request = http::Request {
        method: http::Method::Get,
        url: url.expect("a message with a URL"),
        headers: Vec::new(),
        body: Vec::new(),
        extras: Vec::new(),
    };
    let mut response = http::send(&request).await.expect("an answer");
    response.body.next().await;
}

fn begin(index: u32) -> Event {
    Event::ToolCallStart(CallStart {
        index,
        id: "call".into(),
        name: "tool".into(),
        extras: Vec::new(),
    })
}

fn delta(index: u32) -> Event {
    Event::ToolCallDelta(CallDelta {
        index,
        arguments_json: "{}".into(),
    })
}

fn end(index: u32) -> Event {
    Event::ToolCallEnd(CallEnd {
        index,
        signature: None,
        extras: Vec::new(),
    })
}

guest!(Contract);
