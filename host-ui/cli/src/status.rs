//! The supervision tree on a terminal.

use std::fmt::Write as _;
use std::time::Duration;

use vale_api::{ChildState, Command, NodeReport, Status};

use crate::args::{StatusArgs, StatusCommand};
use crate::exit::Stop;
use crate::open;
use crate::out::Out;

/// How often it is drawn when nothing happens.
const REDRAW: Duration = Duration::from_secs(1);
/// Clears the screen and goes to its corner (ECMA-48).
const CLEAR: &str = "\x1b[2J\x1b[H";

pub(crate) async fn run(args: StatusArgs, out: Out) -> Result<(), Stop> {
    let api = open(&out, None).await?;
    if let Some(command) = args.command {
        let (name, command, done) = match command {
            StatusCommand::Restart { name } => (name, Command::Restart, "is started anew"),
            StatusCommand::Drain { name } => (name, Command::Drain, "takes no new work"),
            StatusCommand::Reset { name } => (name, Command::Reset, "starts with a clean slate"),
        };
        let path = api.command(&name, command).await?;
        if out.json {
            out.document(&serde_json::json!({ "path": path, "command": command }))?;
        } else {
            out.note(&format!("{path} {done}."));
        }
        return Ok(());
    }
    if !args.watch {
        let status = api.status().await?;
        return show(&out, &status, false);
    }
    let mut events = api.events().await?;
    loop {
        show(&out, &api.status().await?, true)?;
        tokio::select! {
            event = events.next() => if event.is_none() {
                // The process that ran the host has ended; whoever asks next takes over.
                events = api.events().await?;
            },
            () = tokio::time::sleep(REDRAW) => {}
        }
    }
}

fn show(out: &Out, status: &Status, again: bool) -> Result<(), Stop> {
    if out.json {
        // One document a line while it is watched.
        return if again {
            Ok(out.event(status)?)
        } else {
            Ok(out.document(status)?)
        };
    }
    let clear = if again && out.stdout_is_terminal() {
        CLEAR
    } else {
        ""
    };
    Ok(out.painted_line(&format!("{clear}{}", out.safe(&drawn(status))))?)
}

/// The tree in lines.
fn drawn(status: &Status) -> String {
    let mut text = match (status.process, status.own) {
        (Some(process), false) => format!("valechat (process {process})"),
        _ => "valechat (this process; no other runs for this profile)".to_owned(),
    };
    let mut groups: Vec<&str> = Vec::new();
    for node in &status.tree {
        let group = group_of(node);
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    let width = status
        .tree
        .iter()
        .map(|node| name_of(node).chars().count())
        .max();
    let width = width.unwrap_or_default();
    for (at, group) in groups.iter().enumerate() {
        let is_last = at + 1 == groups.len();
        let (branch, trunk) = if is_last {
            ("└─", "   ")
        } else {
            ("├─", "│  ")
        };
        push(&mut text, &format!("\n{branch} {group}"));
        let members: Vec<&NodeReport> = status
            .tree
            .iter()
            .filter(|node| group_of(node) == *group)
            .collect();
        for (at, node) in members.iter().enumerate() {
            let is_last = at + 1 == members.len();
            let branch = if is_last { "└─" } else { "├─" };
            let name = name_of(node);
            push(
                &mut text,
                &format!("\n{trunk}{branch} {name:<width$}  {}", words(node)),
            );
            let under = if is_last { "  " } else { "│ " };
            for line in details(node) {
                push(
                    &mut text,
                    &format!("\n{trunk}{under} {:width$}  {line}", ""),
                );
            }
        }
    }
    text
}

fn push(text: &mut String, more: &str) {
    // Writing to a string does not fail.
    let _ = text.write_str(more);
}

fn group_of(node: &NodeReport) -> &str {
    node.path.split_once('/').map_or("", |(group, _)| group)
}

fn name_of(node: &NodeReport) -> &str {
    node.path
        .split_once('/')
        .map_or(node.path.as_str(), |(_, name)| name)
}

/// State and figures, in one line.
fn words(node: &NodeReport) -> String {
    let state = match node.state {
        ChildState::New => "starting",
        ChildState::Running => "running",
        ChildState::Restarting => "restarting",
        ChildState::Failed => "left alone",
        ChildState::Draining => "takes no new work",
        ChildState::Stopped => "ended",
    };
    let mut parts = vec![format!("{state} {}", time(node.since_s))];
    if let Some(starts_in) = node.starts_in_s.filter(|wait| *wait > 0.0) {
        parts.push(format!("starts in {}", time(starts_in)));
    }
    let vitals = &node.vitals;
    let mut count = |number: usize, one: &str, more: &str| match number {
        0 => {}
        1 => parts.push(format!("1 {one}")),
        some => parts.push(format!("{some} {more}")),
    };
    count(
        usize::try_from(node.restarts).unwrap_or_default(),
        "restart",
        "restarts",
    );
    if vitals.process.is_none() {
        count(vitals.in_flight, "answer under way", "answers under way");
    }
    count(vitals.queued, "waits for a place", "wait for a place");
    count(node.waiting, "message waits", "messages wait");
    if vitals.attempts > 0 && vitals.process.is_none() {
        parts.push(format!(
            "{} of {} attempts failed",
            vitals.failures, vitals.attempts
        ));
    }
    if let Some(process) = vitals.process {
        parts.push(format!("process {process}"));
    }
    if let Some(memory) = vitals.memory.filter(|memory| *memory > 0) {
        parts.push(format!("{:.1} MiB", mib(memory)));
    }
    if let Some(cpu) = vitals.cpu_s.filter(|cpu| *cpu > 0.0) {
        parts.push(format!("{cpu:.2} s CPU"));
    }
    parts.join(" · ")
}

/// What is wrong, a line each.
fn details(node: &NodeReport) -> Vec<String> {
    let mut lines = Vec::new();
    for breaker in &node.vitals.breakers {
        let wait = breaker.opens_in_s.map_or_else(String::new, |wait| {
            format!(", tried again in {}", time(wait))
        });
        lines.push(format!(
            "breaker of {}: {}{wait} ({} in a row)",
            breaker.model, breaker.state, breaker.consecutive_failures
        ));
    }
    if let Some(attention) = &node.vitals.attention {
        lines.push(format!("needs you: {attention}"));
    } else if let Some(error) = &node.vitals.last_error {
        lines.push(format!("last failure: {error}"));
    }
    if let Some(error) = &node.last_error {
        lines.push(format!("last end: {error}"));
    }
    lines
}

fn time(seconds: f64) -> String {
    match seconds {
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.0} h", s / 3600.0),
    }
}

fn mib(bytes: u64) -> f64 {
    let kib = u32::try_from(bytes / 1024).unwrap_or(u32::MAX);
    f64::from(kib) / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use vale_api::{BreakerReport, Vitals};

    #[test]
    fn the_tree_says_what_runs_what_rests_and_what_needs_the_person() {
        let node = |path: &str, state, vitals| NodeReport {
            path: path.to_owned(),
            kind: "provider".to_owned(),
            state,
            since_s: 4.0,
            starts_in_s: (state == ChildState::Failed).then_some(30.0),
            restarts: 2,
            waiting: 0,
            last_error: (state == ChildState::Failed).then(|| "it crashed: oh".to_owned()),
            vitals,
        };
        let sick = Vitals {
            in_flight: 1,
            attempts: 7,
            failures: 5,
            attention: Some("acme needs a key.".to_owned()),
            breakers: vec![BreakerReport {
                model: "m".to_owned(),
                state: "open".to_owned(),
                opens_in_s: Some(12.0),
                consecutive_failures: 5,
                times_opened: 1,
            }],
            ..Vitals::default()
        };
        let status = Status {
            process: Some(7),
            own: false,
            tree: vec![
                node("core/plugins", ChildState::Running, Vitals::default()),
                node("providers/acme", ChildState::Running, sick),
                node("providers/b", ChildState::Failed, Vitals::default()),
            ],
        };
        let text = drawn(&status);
        let expected = "\
valechat (process 7)
├─ core
│  └─ plugins  running 4.0 s · 2 restarts
└─ providers
   ├─ acme     running 4.0 s · 2 restarts · 1 answer under way · 5 of 7 attempts failed
   │           breaker of m: open, tried again in 12 s (5 in a row)
   │           needs you: acme needs a key.
   └─ b        left alone 4.0 s · starts in 30 s · 2 restarts
               last end: it crashed: oh";
        assert_eq!(text, expected);
    }
}
