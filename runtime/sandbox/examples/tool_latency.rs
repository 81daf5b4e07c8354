//! How long one `invoke` takes, from the caller's side: a fresh store, an instance, the call, the
//! rules. By hand, in release:
//! `cargo run --release -p vale-sandbox --example tool_latency -- <test-guests>/tool.wasm`
#![expect(clippy::print_stdout, reason = "prints a measurement")]

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vale_egress::{Gate, GateConfig};
use vale_sandbox::{
    CallContext, Engine, EngineConfig, NoBlobs, NoKv, NoLog, Plugin, SystemAmbient,
};
use vale_types::{Limits, ToolCall};

const WARM_UP: usize = 500;
const CALLS: usize = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args()
        .nth(1)
        .ok_or("name a component: tool.wasm")?;
    let engine = Engine::new(EngineConfig::default())?;
    let runtime = engine.runtime().clone();
    // On the engine's own threads, as a host's actors would not be: then a hop is added.
    let near = runtime.block_on(measure(&engine, &path, true))?;
    println!("one after the other, from a thread of the engine: {near}");
    let far = runtime.block_on(measure(&engine, &path, false))?;
    println!("one after the other, from another thread:         {far}");
    Ok(())
}

async fn measure(engine: &Engine, path: &str, near: bool) -> Result<String, Box<dyn Error>> {
    let plugin = engine.load(std::fs::read(path)?).await?;
    let gate = Arc::new(Gate::new(GateConfig::new("measure"))?);
    let times = if near {
        let work = calls(plugin, gate);
        engine.runtime().spawn(work).await?
    } else {
        calls(plugin, gate).await
    };
    let mut times = times?;
    times.sort_unstable();
    let at = |share: usize| {
        times
            .get(times.len() * share / 1_000)
            .copied()
            .unwrap_or_default()
    };
    Ok(format!(
        "p50 {:?}, p99 {:?}, p99.9 {:?} of {CALLS}",
        at(500),
        at(990),
        at(999)
    ))
}

async fn calls(plugin: Plugin, gate: Arc<Gate>) -> Result<Vec<Duration>, vale_types::Failure> {
    let call = ToolCall {
        id: "call_1".to_owned(),
        name: "echo".to_owned(),
        arguments_json: "{\"city\":\"Paris\"}".to_owned(),
        signature: None,
    };
    let mut times = Vec::with_capacity(CALLS);
    for n in 0..WARM_UP + CALLS {
        let context = CallContext {
            gate: Arc::clone(&gate),
            settings_json: "{}".to_owned(),
            credentials: Vec::new(),
            limits: Limits::default(),
            log: Arc::new(NoLog),
            ambient: Arc::new(SystemAmbient::default()),
            meter: Arc::default(),
            kv: Arc::new(NoKv),
            blobs: Arc::new(NoBlobs),
        };
        let began = Instant::now();
        plugin.invoke(context, &call).await?;
        if n >= WARM_UP {
            times.push(began.elapsed());
        }
    }
    Ok(times)
}
