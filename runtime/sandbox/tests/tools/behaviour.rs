//! What a tool that behaves gives and gets.

use std::sync::Arc;

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, stream};
use tokio::sync::mpsc;
use vale_egress::{
    BlobSource, Gate, GateConfig, Rule, Transport, TransportKind, TransportRequest,
    TransportResponse, Trip,
};
use vale_sandbox::{CallContext, Kind};
use vale_types::{ErrorKind, Failure, FaultClass, Media, Request, ResultPart, ToolCall};

use crate::support::{Attachments, Kept, Lines, call, context, engine, fault, load, soon, text};

const URL: &str = "https://tools.example.com/";

/// Answers with the request's body, or with a fixed text; or never, and tells when it is let go.
enum Server {
    Echoes,
    Silent(mpsc::UnboundedSender<&'static str>),
}

/// Tells of its end.
struct Open(mpsc::UnboundedSender<&'static str>);

impl Drop for Open {
    fn drop(&mut self) {
        let _ = self.0.send("closed");
    }
}

impl Transport for Server {
    fn round_trip(&self, request: TransportRequest) -> Trip {
        let body = match self {
            Self::Echoes => {
                let body = request.body.to_bytes();
                let text = if body.is_empty() {
                    Bytes::from_static(b"a page")
                } else {
                    body
                };
                stream::iter([Ok(text)]).boxed()
            }
            Self::Silent(tell) => {
                let _ = tell.send("asked");
                let open = Open(tell.clone());
                let never = async move {
                    let _open = open;
                    std::future::pending().await
                };
                stream::once(never).boxed()
            }
        };
        let response = TransportResponse {
            status: 200,
            headers: http::HeaderMap::new(),
            body,
        };
        async move { Ok(response) }.boxed()
    }
}

fn to(server: Server, blobs: Option<Arc<dyn BlobSource>>) -> CallContext {
    let mut config = GateConfig::new("test");
    config.rules = vec![Rule::parse(URL, ["GET", "POST"], false).unwrap()];
    config.transport = TransportKind::Recorded(Arc::new(server));
    config.blobs = blobs;
    CallContext {
        gate: Arc::new(Gate::new(config).unwrap()),
        ..context()
    }
}

/// Opens whatever it is asked for.
struct Anything;

impl BlobSource for Anything {
    fn open(&self, id: &str) -> Result<Bytes, String> {
        Ok(Bytes::from(format!("bytes of {id}")))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_is_listed_with_all_it_says_of_itself() {
    let plugin = load(&engine(), "tool").await;
    assert_eq!(plugin.kind(), Kind::Tool);
    let tools = plugin.list_tools(context()).await.unwrap();
    let names: Vec<_> = tools.iter().map(|tool| tool.def.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "echo", "count", "keys", "copy", "fetch", "post", "fail", "refuse"
        ]
    );
    let echo = &tools[0];
    assert_eq!(echo.title.as_deref(), Some("Say it again"));
    assert_eq!(echo.hints.read_only, Some(true));
    assert_eq!(echo.hints.destructive, Some(false));
    assert_eq!((echo.hints.idempotent, echo.hints.open_world), (None, None));
    assert_eq!(echo.def.input_schema_json, r#"{"type":"object"}"#);
    assert_eq!(
        echo.output_schema_json.as_deref(),
        Some(r#"{"type":"object"}"#)
    );
    assert_eq!(echo.extras[0].json, "\"0.1\"");
    assert_eq!(tools[1].title, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_answered_and_the_providers_signature_stays_with_the_host() {
    let plugin = load(&engine(), "tool").await;
    let asked = call("echo", &[("city", "Zürich")]);
    assert!(asked.signature.is_some());
    let result = plugin.invoke(context(), &asked).await.unwrap();
    assert_eq!(result.call_id, asked.id);
    assert!(!result.is_error);
    // No second part, which would say that a signature was seen.
    assert_eq!(
        result.content,
        [ResultPart::Json(r#"{"city":"Zürich"}"#.to_owned())]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_failed_is_told_from_a_call_that_failed() {
    let plugin = load(&engine(), "tool").await;
    let failed = plugin.invoke(context(), &call("fail", &[])).await.unwrap();
    assert!(failed.is_error);
    assert_eq!(text(&failed), "no such city");
    match plugin.invoke(context(), &call("refuse", &[])).await {
        Err(Failure::Error(error)) => {
            assert_eq!(error.kind, ErrorKind::Unsupported("today".to_owned()));
            assert_eq!(error.message, "Not today.");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_that_are_no_object_never_reach_a_tool() {
    let plugin = load(&engine(), "tool").await;
    for arguments in ["", "[]", "null", "{\"a\":", "\"{}\""] {
        let lines = Arc::new(Lines::default());
        let asked = ToolCall {
            arguments_json: arguments.to_owned(),
            // It would trap.
            ..call("no-such-tool", &[])
        };
        let context = CallContext {
            log: Arc::clone(&lines) as _,
            ..context()
        };
        match plugin.invoke(context, &asked).await {
            Err(Failure::Error(error)) => {
                let named = Some("arguments".to_owned());
                assert_eq!(error.kind, ErrorKind::InvalidRequest(named), "{arguments}");
            }
            other => panic!("{arguments}: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_kv_survives_from_one_call_to_the_next() {
    let engine = engine();
    let plugin = load(&engine, "tool").await;
    let kept = Kept::up_to(1_000);
    let with_state = || CallContext {
        kv: Arc::clone(&kept) as _,
        ..context()
    };
    for expected in ["1", "2", "3"] {
        let asked = call("count", &[("key", "calls")]);
        let result = plugin.invoke(with_state(), &asked).await.unwrap();
        assert_eq!(text(&result), expected);
    }
    assert_eq!(kept.values()["calls"], b"3");
    let asked = call("keys", &[("key", "ca")]);
    let listed = plugin.invoke(with_state(), &asked).await.unwrap();
    assert_eq!(text(&listed), "calls");
    // Another plugin's state is another store; without one, the tool is told.
    let asked = call("count", &[("key", "calls")]);
    let result = plugin.invoke(context(), &asked).await.unwrap();
    assert!(result.is_error);
    assert!(
        text(&result).contains("no place to keep state"),
        "{result:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attachment_is_read_in_pieces_and_a_new_one_comes_back() {
    let plugin = load(&engine(), "tool").await;
    let attachments = Attachments::new(&[("a", b"ten letters")], &[]);
    let context = CallContext {
        blobs: Arc::clone(&attachments) as _,
        ..context()
    };
    let result = plugin
        .invoke(context, &call("copy", &[("id", "a")]))
        .await
        .unwrap();
    let [ResultPart::File(Media::Blob(blob))] = result.content.as_slice() else {
        panic!("{result:?}");
    };
    assert_eq!(attachments.bytes(&blob.id).unwrap(), b"TEN LETTERS");
    assert_eq!((blob.size, blob.name.as_deref()), (11, Some("copy.txt")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_reaches_what_its_gate_grants_and_nothing_else() {
    let plugin = load(&engine(), "tool").await;
    let fetch = call("fetch", &[("url", URL)]);
    let result = plugin
        .invoke(to(Server::Echoes, None), &fetch)
        .await
        .unwrap();
    assert_eq!(text(&result), "a page");
    let elsewhere = call("fetch", &[("url", "https://elsewhere.example/")]);
    let result = plugin
        .invoke(to(Server::Echoes, None), &elsewhere)
        .await
        .unwrap();
    assert!(result.is_error, "{result:?}");
    let result = plugin.invoke(context(), &fetch).await.unwrap();
    assert!(result.is_error, "{result:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_carries_the_calls_own_attachments_and_no_others() {
    let engine = engine();
    let plugin = load(&engine, "tool").await;
    let with = |server| CallContext {
        blobs: Attachments::new(&[("mine", b"x")], &[("theirs", b"y")]),
        ..to(server, Some(Arc::new(Anything)))
    };
    let mine = call("post", &[("url", URL), ("id", "mine")]);
    let result = plugin.invoke(with(Server::Echoes), &mine).await.unwrap();
    assert_eq!(text(&result), "bytes of mine");
    let theirs = call("posts-foreign", &[("url", URL), ("id", "theirs")]);
    let bad = load(&engine, "bad_tool").await;
    let result = bad.invoke(with(Server::Echoes), &theirs).await.unwrap();
    assert_eq!(text(&result), "The attachment “theirs” is not this call's.");
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_call_ends_its_guest_and_its_connection() {
    let plugin = load(&engine(), "bad_tool").await;
    let (tell, mut told) = mpsc::unbounded_channel();
    let asked = call("waits-for-a-server", &[("url", URL)]);
    let context = to(Server::Silent(tell), None);
    let running = tokio::spawn(async move { plugin.invoke(context, &asked).await.map(drop) });
    assert_eq!(soon("the request", told.recv()).await, Some("asked"));
    running.abort();
    assert_eq!(
        soon("the end of the connection", told.recv()).await,
        Some("closed")
    );
    assert_eq!(soon("the end of the gate", told.recv()).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_called_as_a_provider_says_so_and_the_other_way_round() {
    let engine = engine();
    let (tool, provider) = (load(&engine, "tool").await, load(&engine, "honest").await);
    assert_eq!(provider.kind(), Kind::Provider);
    for (class, detail) in [
        fault(tool.list_models(context()).await),
        fault(tool.describe(context()).await),
        fault(provider.list_tools(context()).await),
        fault(provider.invoke(context(), &call("echo", &[])).await),
    ] {
        assert_eq!(class, FaultClass::Load, "{detail}");
        assert!(detail.contains("was called as a"), "{detail}");
    }
    let mut completing = tool.complete(context(), &Request::default());
    match soon("the end", completing.next()).await {
        Some(vale_sandbox::Step::End(end)) => assert_eq!(fault(end).0, FaultClass::Load),
        other => panic!("{other:?}"),
    }
    let counted = tool.count_tokens(context(), &Request::default()).await;
    assert!(matches!(counted, Err(Failure::Error(_))), "{counted:?}");
}
