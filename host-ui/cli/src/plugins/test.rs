//! `plugin test`: the suite's report, one line a check.

use vale_api::{SuiteCheck, SuiteReport, SuiteSection, SuiteVerdict, test_plugin};

use crate::args_plugins::{TestArgs, TestPart};
use crate::exit::Stop;
use crate::out::{Out, Style};

/// Some check failed; the report says which.
const FAILED: u8 = 1;

pub(super) async fn test(args: &TestArgs, out: &Out) -> Result<(), Stop> {
    let only = args.only.map(|part| match part {
        TestPart::Package => SuiteSection::Package,
        TestPart::Conformance => SuiteSection::Conformance,
        TestPart::Faults => SuiteSection::Faults,
        TestPart::ListFaults => SuiteSection::ListFaults,
        TestPart::Limits => SuiteSection::Limits,
        TestPart::Speed => SuiteSection::Speed,
    });
    let report = test_plugin(&args.plugin, args.recordings.as_deref(), only).await?;
    if out.json {
        out.document(&report)?;
    } else {
        draw(&report, out)?;
    }
    if report.passed {
        Ok(())
    } else {
        Err(Stop::Told(FAILED))
    }
}

fn draw(report: &SuiteReport, out: &Out) -> Result<(), Stop> {
    let title = format!("{} {}", report.id, report.version);
    out.painted_line(&out.paint(Style::Bold, &title))?;
    for section in SuiteSection::ALL {
        let mut checks = report
            .checks
            .iter()
            .filter(|check| check.section == section);
        let Some(first) = checks.next() else { continue };
        out.painted_line(&out.paint(Style::Bold, section.as_str()))?;
        figures(report, section, out)?;
        for check in std::iter::once(first).chain(checks) {
            line(check, out)?;
        }
    }
    let count = |verdict| report.count(verdict);
    let summary = format!(
        "{} passed, {} failed, {} warnings, {} not tried, in {:.1} s",
        count(SuiteVerdict::Passed),
        count(SuiteVerdict::Failed),
        count(SuiteVerdict::Warning),
        count(SuiteVerdict::Skipped),
        report.took_ms / 1e3
    );
    let style = if report.passed {
        Style::Green
    } else {
        Style::Red
    };
    Ok(out.painted_line(&out.paint(style, &summary))?)
}

/// What was measured.
fn figures(report: &SuiteReport, section: SuiteSection, out: &Out) -> Result<(), Stop> {
    let mut lines = Vec::new();
    if let (SuiteSection::Package, Some(package)) = (section, &report.package) {
        let cached = match package.cached_load_ms {
            Some(ms) => format!("{ms:.1} ms from the cache"),
            None => "not from the cache".to_owned(),
        };
        lines.push(format!(
            "{}, {}, {} bytes; loads in {:.0} ms, {cached}",
            package.kind,
            package.contract.join(" and "),
            package.bytes,
            package.compile_ms
        ));
        lines.push(format!("imports {}", package.imports.join(", ")));
    }
    if let (SuiteSection::Speed, Some(speed)) = (section, &report.speed) {
        lines.push(format!(
            "first event after {:.2} ms (median), {:.2} ms (99 of 100); {:.0} events a second; {} replays of {}",
            speed.first_event_p50_ms,
            speed.first_event_p99_ms,
            speed.events_per_s,
            speed.replays,
            speed.recording
        ));
        let resident = match speed.resident_bytes_a_stream {
            Some(bytes) => format!(
                "; the process gained {} KiB for each of {} open calls",
                bytes / 1024,
                speed.open_streams
            ),
            None => String::new(),
        };
        lines.push(format!(
            "{} KiB of its own memory in a call{resident}",
            speed.guest_bytes_a_stream / 1024
        ));
    }
    for line in lines {
        out.line(&format!("  {line}"))?;
    }
    Ok(())
}

fn line(check: &SuiteCheck, out: &Out) -> Result<(), Stop> {
    let (style, word) = match check.verdict {
        SuiteVerdict::Passed => (Style::Green, "ok     "),
        SuiteVerdict::Warning => (Style::Yellow, "warning"),
        SuiteVerdict::Failed => (Style::Red, "FAILED "),
        SuiteVerdict::Skipped => (Style::Dim, "-      "),
    };
    let is_short = matches!(check.verdict, SuiteVerdict::Passed | SuiteVerdict::Skipped);
    let got = match &check.got {
        Some(got) if is_short => format!(" ({got})"),
        _ => String::new(),
    };
    out.painted_line(&format!(
        "  {} {}{}",
        out.paint(style, word),
        out.safe(&check.name),
        out.paint(Style::Dim, &got)
    ))?;
    if is_short {
        return Ok(());
    }
    for (label, text) in [("expected", &check.expected), ("got", &check.got)] {
        if let Some(text) = text {
            out.line(&format!("            {label}: {text}"))?;
        }
    }
    for logged in &check.log {
        out.line(&format!("            log: {logged}"))?;
    }
    if let Some(next) = &check.next_step {
        out.line(&format!("          → {next}"))?;
    }
    Ok(())
}
