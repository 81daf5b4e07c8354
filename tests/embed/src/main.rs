//! Another program's host: a provider, a tool, an actor of its own, and the event bus.
//!
//! `VALECHAT_PLUGINS` names the folder of built plugins, `EMBED_HOME` an empty folder, `UPSTREAM` an
//! OpenAI-compatible server. `cargo xtask test` runs it against one.

use actix::{Actor, Context, Handler, Message};
use vale_host::{ChildSpec, ChildState, Escalation, Host, HostConfig, HostEvent, Paths, TurnStep};
use vale_types::{Event, Message as Say, Request, Role, ToolCall};

/// Counts what it is told, and crashes at three.
struct Counter(u32);

impl Actor for Counter {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "u32")]
struct Count;

impl Handler<Count> for Counter {
    type Result = u32;

    fn handle(&mut self, _: Count, _: &mut Context<Self>) -> u32 {
        self.0 += 1;
        assert!(self.0 < 3, "three is too many");
        self.0
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let home = std::env::var("EMBED_HOME")?;
    let paths = Paths::under(home.as_ref()).with_plugins(std::env::var("VALECHAT_PLUGINS")?);
    let url = std::env::var("UPSTREAM")?;
    let origin = url.trim_end_matches("/v1");
    let settings = format!(
        "keys.store = \"file\"\n[providers.mine]\nplugin = \"openai\"\n\
         settings = {{ base_url = \"{url}\", api = \"chat\" }}\n\
         grant = {{ local_server = \"{origin}\" }}\n"
    );
    std::fs::write(&paths.config_file, settings)?;
    let host = Host::start(HostConfig::new(paths))?;
    let mut events = host.events();

    // A provider: one answer, streamed.
    let mut request = Request::default();
    request.messages.push(Say::text(Role::User, "Say hello."));
    let mut turn = host.send(&"mine/any".parse()?, request)?;
    while let Some(step) = turn.next().await {
        match step {
            TurnStep::Events(events) => {
                for event in events {
                    if let Event::Text(text) = event {
                        print!("{text}");
                    }
                }
            }
            TurnStep::End(end) => println!("\nended: {:?}", end?.reason),
            _ => {}
        }
    }

    // A tool.
    let call = ToolCall {
        id: "1".to_owned(),
        name: "calculate".to_owned(),
        arguments_json: r#"{"expression": "0.1 + 0.2"}"#.to_owned(),
        signature: None,
    };
    let result = host.invoke(&"calculator".parse()?, &call).await?;
    println!("tool: {:?}", result.content);

    // An actor of one's own, which crashes and is back.
    let tree = host.core().tree();
    let group = tree.group("mine", Escalation::Isolate);
    let spec = ChildSpec::permanent("counter", "counter");
    let counter = tree.start(&group, spec, || Counter(0));
    for _ in 0..3 {
        match counter.call(Count).await {
            Ok(count) => println!("count: {count}"),
            Err(failure) => println!("no count: {failure}"),
        }
    }
    while let Ok(event) = events.recv().await {
        if let HostEvent::Child { path, state, .. } = event
            && state == ChildState::Restarting
        {
            println!("event: {path} is restarted");
            break;
        }
    }
    println!("count after the crash: {}", counter.call(Count).await?);
    host.shut_down(std::time::Duration::from_secs(1)).await;
    Ok(())
}
