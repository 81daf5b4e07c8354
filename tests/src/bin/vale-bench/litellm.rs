//! The gateway that people put between a program and its models, beside us in the same run: LiteLLM's
//! proxy over the same upstream, asked by the same plain client.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::Result;
use crate::direct::Direct;
use crate::measure::percentile;
use crate::ours::Ours;
use crate::report::{Report, micros};
use crate::upstream::Process;

/// Its first start compiles its Python.
const STARTS_WITHIN: u32 = 120;

struct Proxy {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Proxy {
    async fn start(program: &std::ffi::OsStr, upstream: &Process) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("config.yaml");
        std::fs::write(
            &config,
            format!(
                "model_list:\n  - model_name: \"*\"\n    litellm_params: {{model: \"openai/*\", api_key: none, api_base: \"{}\"}}\nlitellm_settings:\n  telemetry: false\ngeneral_settings:\n  disable_spend_logs: true\n  dangerously_permit_weak_or_unset_master_key: true\n",
                upstream.base_url()
            ),
        )?;
        // Free now; nobody else on this machine asks for ports while a bench runs.
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let child = Command::new(program)
            .arg("--config")
            .arg(&config)
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .env("DISABLE_ADMIN_UI", "true")
            .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
            .env("LITELLM_LOG", "ERROR")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut proxy = Self {
            child,
            port,
            _folder: folder,
        };
        let asked = Direct::new(&proxy.base_url())?;
        for _ in 0..STARTS_WITHIN {
            if let Some(status) = proxy.child.try_wait()? {
                return Err(format!("LiteLLM ended at its start: {status}").into());
            }
            let alive = format!("http://127.0.0.1:{port}/health/liveliness");
            if asked.get(&alive).await.is_ok() {
                return Ok(proxy);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Err("LiteLLM does not start".into())
    }

    fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }
}

/// The first event and the throughput, direct, through us and through LiteLLM.
pub(crate) async fn beside(upstream: &Process, report: &mut Report) -> Result<()> {
    const ROUNDS: usize = 200;
    const EVENTS: u32 = 5_000;
    let Some(program) = std::env::var_os("VALECHAT_LITELLM") else {
        report.row(
            "beside LiteLLM",
            "",
            "not measured: it is not installed",
            "",
            "",
        );
        return Ok(());
    };
    let proxy = Proxy::start(&program, upstream).await?;
    let direct = Direct::new(&upstream.base_url())?;
    let through = Direct::new(&proxy.base_url())?;
    let ours = Ours::start(&upstream.base_url())?;
    let few = "events-20-1";
    for _ in 0..20 {
        direct.answer(few).await?;
        ours.answer(few).await?;
        through.answer(few).await?;
    }
    let (mut peer, mut mine, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        peer.push(direct.answer(few).await?.first);
        mine.push(ours.answer(few).await?.first);
        theirs.push(through.answer(few).await?.first);
    }
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        report.row(
            &format!("beside LiteLLM: first event, {name}, {ROUNDS} calls each"),
            &micros(percentile(&mut peer, share)),
            &micros(percentile(&mut mine, share)),
            &format!("LiteLLM {}", micros(percentile(&mut theirs, share))),
            "",
        );
    }
    let many = format!("events-{EVENTS}-1");
    let rate =
        |total: Duration| format!("{:.1} k/s", f64::from(EVENTS) / total.as_secs_f64() / 1e3);
    let (peer, mine) = (direct.answer(&many).await?, ours.answer(&many).await?);
    let theirs = through.answer(&many).await?;
    report.row(
        &format!("beside LiteLLM: throughput, {EVENTS} events, one a chunk, once"),
        &rate(peer.total),
        &rate(mine.total),
        &format!("LiteLLM {}", rate(theirs.total)),
        "",
    );
    Ok(())
}
