//! `doctor`: whether everything works.

use serde_json::json;
use vale_api::{ApiError, Check, CheckStatus, Paths, doctor as look};

use crate::args::DoctorArgs;
use crate::exit::Stop;
use crate::manage::status_style;
use crate::out::Out;

pub(crate) async fn doctor(args: DoctorArgs, out: Out) -> Result<(), Stop> {
    let paths = Paths::of_this_user().map_err(ApiError::from)?;
    let mut written = Ok(());
    let checks = look(paths.clone(), |check| {
        if !out.json && written.is_ok() {
            written = draw_check(check, &out);
        }
    })
    .await;
    written?;
    let bundle = match &args.bundle {
        Some(path) => Some(vale_api::bundle(&paths, path, &checks).await?),
        None => None,
    };
    let failed = checks
        .iter()
        .filter(|check| check.status == CheckStatus::Fail)
        .count();
    if out.json {
        out.document(&json!({ "ok": failed == 0, "checks": checks, "bundle": bundle }))?;
    } else if failed == 0 {
        out.line("Everything that a chat needs works.")?;
    } else {
        out.line(&format!("{failed} of {} checks failed.", checks.len()))?;
    }
    if let Some(bundle) = bundle.filter(|_| !out.json) {
        out.line(&format!(
            "{} holds, without keys and without conversations:",
            bundle.path.display()
        ))?;
        for file in &bundle.files {
            out.line(&format!(
                "  {} ({} bytes): {}",
                file.name, file.bytes, file.what
            ))?;
        }
    }
    if failed == 0 {
        Ok(())
    } else {
        Err(Stop::Told(1))
    }
}

fn draw_check(check: &Check, out: &Out) -> std::io::Result<()> {
    let word = match check.status {
        CheckStatus::Ok => "ok  ",
        CheckStatus::Warn => "warn",
        CheckStatus::Fail => "FAIL",
    };
    let style = status_style(
        check.status == CheckStatus::Fail,
        check.status == CheckStatus::Warn,
    );
    out.painted_line(&format!(
        "{} {}: {}",
        out.paint(style, word),
        out.safe(&check.name),
        out.safe(&check.sentence)
    ))?;
    match &check.next_step {
        Some(step) => out.line(&format!("     → {step}")),
        None => Ok(()),
    }
}
