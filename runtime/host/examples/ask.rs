//! The shortest use of the runtime: start a host, ask the local model, print what streams back.
//!
//! `cargo xtask run` sets the environment that this needs; by hand, name the built plugins, the
//! folder of `valechat-infer` and the model file:
//! `VALECHAT_PLUGINS=… VALECHAT_INFER=… VALECHAT_MODEL=… cargo run -p vale-host --example ask`

#![expect(clippy::print_stdout, reason = "an example whose output is its result")]

use std::io::Write as _;

use vale_host::{Host, HostConfig, Paths, TurnStep};
use vale_types::{Event, Message, ModelRef, Request, Role};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let host = Host::start(HostConfig {
        paths: Paths::of_this_user()?,
        ask_passphrase: None,
    })?;
    let provider = "local".parse()?;
    let models = host.models(&provider).await?;
    let model = models.first().ok_or("no model")?.id.clone();
    let question = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "Say hello.".to_owned());
    let request = Request {
        messages: vec![Message::text(Role::User, question)],
        ..Request::default()
    };
    let mut turn = host.send(&ModelRef { provider, model }, request)?;
    while let Some(step) = turn.next().await {
        match step {
            TurnStep::Events(events) => {
                for event in events {
                    if let Event::Text(text) = event {
                        print!("{text}");
                        std::io::stdout().flush()?;
                    }
                }
            }
            TurnStep::End(end) => println!("\n{end:?}"),
            TurnStep::Attempt(_) => {}
            other => println!("{other:?}"),
        }
    }
    Ok(())
}
