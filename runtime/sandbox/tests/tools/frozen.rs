//! A tool that was built against contract 0.1.0 when that was frozen: its binary is never built anew.

use std::path::Path;

use vale_types::{Media, ResultPart};

use crate::support::{Attachments, Kept, call, context, engine, soon, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_of_0_1_0_works_as_on_its_first_day() {
    let frozen = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests/frozen");
    let engine = engine();
    let component = std::fs::read(frozen.join("tool-0.1.0.wasm")).unwrap();
    let plugin = engine.load(component).await.unwrap();

    let tools = soon("the list", plugin.list_tools(context()))
        .await
        .unwrap();
    assert_eq!(tools.len(), 8);
    assert_eq!(
        tools.first().unwrap().title.as_deref(),
        Some("Say it again")
    );

    let kept = Kept::up_to(1 << 10);
    let attachments = Attachments::new(&[("a", b"a small note")], &[]);
    let invoke = async |name: &str, arguments: &[(&str, &str)]| {
        let context = vale_sandbox::CallContext {
            kv: kept.clone(),
            blobs: attachments.clone(),
            ..context()
        };
        let call = call(name, arguments);
        let result = plugin.invoke(context, &call);
        soon(name, result).await.unwrap()
    };
    for expected in ["1", "2"] {
        assert_eq!(text(&invoke("count", &[("key", "calls")]).await), expected);
    }
    assert_eq!(text(&invoke("keys", &[("key", "c")]).await), "calls");
    let copied = invoke("copy", &[("id", "a")]).await;
    let [ResultPart::File(Media::Blob(blob))] = &copied.content[..] else {
        panic!("{copied:?}");
    };
    assert_eq!(attachments.bytes(&blob.id).unwrap(), b"A SMALL NOTE");
    assert!(invoke("fail", &[]).await.is_error);
    let echo = invoke("echo", &[("word", "x")]).await;
    let json = r#"{"word":"x"}"#.to_owned();
    assert_eq!(echo.content, [ResultPart::Json(json)]);
}
