//! A call of a tool, beside a call of the same to an MCP server over stdio; and many plugins at once.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use vale_host::{Host, HostConfig, Paths};
use vale_plugins::{Package, Shelf};
use vale_tests::packages::{manifest, packed};
use vale_types::{PluginId, ToolCall};

use crate::Result;
use crate::measure::{percentile, pss_kb};
use crate::ours::plugins;
use crate::report::{Report, micros, millis};

const CALLS: usize = 2_000;
const MANY: usize = 200;

/// The reference MCP server's `echo`, as an app would call it.
struct McpEcho {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    next: u64,
}

impl Drop for McpEcho {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl McpEcho {
    fn start(node: &std::ffi::OsStr, script: &std::path::Path) -> Result<Self> {
        let mut child = Command::new(node)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let input = child.stdin.take().ok_or("no stdin")?;
        let output = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let mut server = Self {
            child,
            input,
            output,
            next: 0,
        };
        server.ask(
            "initialize",
            &json!({
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "vale-bench", "version": "0"},
            }),
        )?;
        let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        writeln!(server.input, "{ready}")?;
        Ok(server)
    }

    /// One request, one answer; what the server says in between is passed over.
    fn ask(&mut self, method: &str, params: &Value) -> Result<Value> {
        self.next += 1;
        let id = self.next;
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        writeln!(self.input, "{request}")?;
        self.input.flush()?;
        let mut line = String::new();
        loop {
            line.clear();
            if self.output.read_line(&mut line)? == 0 {
                return Err("the MCP server has ended".into());
            }
            let answer: Value = serde_json::from_str(&line)?;
            if answer.get("id") == Some(&json!(id)) {
                let failed = answer.get("error").cloned();
                return match failed {
                    Some(error) => Err(error.to_string().into()),
                    None => Ok(answer),
                };
            }
        }
    }

    fn echo(&mut self) -> Result<Duration> {
        let begun = Instant::now();
        let arguments = json!({"name": "echo", "arguments": {"message": "hello"}});
        self.ask("tools/call", &arguments)?;
        Ok(begun.elapsed())
    }
}

fn host(home: &TempDir, fill: impl FnOnce(&Shelf) -> Result<()>) -> Result<Host> {
    std::fs::write(
        home.path().join("config.toml"),
        "[keys]\nstore = \"file\"\n",
    )?;
    let paths = Paths::under(home.path()).with_plugins(plugins()?);
    fill(&paths.shelf())?;
    Ok(Host::start(HostConfig::new(paths))?)
}

fn put(shelf: &Shelf, file: &[u8]) -> Result<()> {
    shelf.put(&Package::of_bytes(file)?, file, "bench", 0)?;
    Ok(())
}

/// The same echo through `ToolActor` and sandbox, and through the MCP server where it is installed.
pub(crate) async fn call(report: &mut Report) -> Result<()> {
    let guest = vale_tests::guest("tool");
    let id: PluginId = "org.example.echo".parse()?;
    let toml = manifest(id.as_str(), "1.0.0", "").replace(
        "valechat:provider/provider-plugin",
        "valechat:tool/tool-plugin",
    );
    let home = tempfile::tempdir()?;
    let host = host(&home, |shelf| put(shelf, &packed(&guest, &toml)))?;
    let call = ToolCall {
        id: "1".to_owned(),
        name: "echo".to_owned(),
        arguments_json: r#"{"message":"hello"}"#.to_owned(),
        signature: None,
    };
    for _ in 0..50 {
        host.invoke(&id, &call).await?;
    }
    let mut peer = match (
        std::env::var_os("VALECHAT_NODE"),
        std::env::var_os("VALECHAT_MCP_EVERYTHING"),
    ) {
        (Some(node), Some(script)) => Some(McpEcho::start(&node, script.as_ref())?),
        _ => None,
    };
    if let Some(peer) = &mut peer {
        for _ in 0..50 {
            peer.echo()?;
        }
    }
    let (mut ours, mut theirs) = (Vec::with_capacity(CALLS), Vec::new());
    for _ in 0..CALLS {
        let begun = Instant::now();
        host.invoke(&id, &call).await?;
        ours.push(begun.elapsed());
        if let Some(peer) = &mut peer {
            theirs.push(peer.echo()?);
        }
    }
    let beside = if theirs.is_empty() {
        "no MCP server is installed beside".to_owned()
    } else {
        format!(
            "a stdio MCP server's echo in the same run: {} / {}",
            micros(percentile(&mut theirs, 0.5)),
            micros(percentile(&mut theirs, 0.99))
        )
    };
    report.row(
        "tool call through ToolActor and sandbox, p50 / p99",
        "",
        &format!(
            "{} / {}",
            micros(percentile(&mut ours, 0.5)),
            micros(percentile(&mut ours, 0.99))
        ),
        &beside,
        "< 100 µs / < 500 µs, below the peer",
    );
    host.shut_down(Duration::ZERO).await;
    Ok(())
}

/// Two hundred installed plugins: what they cost while nobody uses them.
pub(crate) async fn many(report: &mut Report) -> Result<()> {
    let component = std::fs::read(plugins()?.join("openai/component.wasm"))?;
    let few = installed(0, &component).await?;
    let many = installed(MANY, &component).await?;
    report.row(
        &format!("{MANY} more plugins installed: start, list, memory (PSS)"),
        "",
        &format!(
            "{}, {}, {} MB",
            millis(many.start),
            millis(many.list),
            many.memory_kb / 1000
        ),
        &format!(
            "without them {}, {}, {} MB",
            millis(few.start),
            millis(few.list),
            few.memory_kb / 1000
        ),
        "flat enough to state",
    );
    Ok(())
}

struct Cost {
    start: Duration,
    list: Duration,
    memory_kb: u64,
}

async fn installed(count: usize, component: &[u8]) -> Result<Cost> {
    let home = tempfile::tempdir()?;
    let before = pss_kb("self")?;
    let paths = Paths::under(home.path());
    for number in 0..count {
        let toml = manifest(&format!("org.example.p{number}"), "1.0.0", "");
        put(&paths.shelf(), &packed(component, &toml))?;
    }
    let begun = Instant::now();
    let host = host(&home, |_| Ok(()))?;
    let start = begun.elapsed();
    let begun = Instant::now();
    host.profile().refresh()?;
    let found = host.profile().registry().ready().count();
    let list = begun.elapsed();
    if found < count {
        return Err(format!("{found} of {count} plugins were found").into());
    }
    let memory_kb = pss_kb("self")?.saturating_sub(before);
    host.shut_down(Duration::ZERO).await;
    Ok(Cost {
        start,
        list,
        memory_kb,
    })
}
