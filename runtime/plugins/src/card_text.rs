//! The permission card as lines of plain text.

use std::fmt;

use serde_json::Value;

use crate::card::{HostState, LimitLine, PermissionCard};
use crate::manifest::CredentialSource;
use crate::template::mentions_infer;
use crate::text::printable;

impl fmt::Display for PermissionCard {
    /// Lines of plain text without colour.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {} ({})", self.name, self.version, self.id)?;
        for (label, value) in [
            ("about", &self.description),
            ("license", &self.license),
            ("page", &self.homepage),
        ] {
            if let Some(value) = value {
                writeln!(f, "  {label}: {value} [manifest]")?;
            }
        }
        writeln!(f, "  contract: {} [manifest]", self.world)?;
        self.write_hosts(f)?;
        self.write_credentials(f)?;
        writeln!(f, "Uses of this computer, through ValeChat")?;
        if self.imports.is_empty() {
            writeln!(f, "  nothing")?;
        }
        for line in &self.imports {
            writeln!(f, "  {}: {} [{}]", line.import, line.meaning, line.said)?;
        }
        writeln!(f, "Limits of one call")?;
        for line in &self.limits {
            let LimitLine {
                key,
                value,
                unit,
                said,
            } = line;
            writeln!(f, "  {key}: {value} {unit} [{said}]")?;
        }
        if !self.settings.is_empty() {
            writeln!(f, "Settings")?;
        }
        for line in &self.settings {
            writeln!(
                f,
                "  {}: {} [{}]",
                line.name,
                shown(line.value.as_ref()),
                line.said
            )?;
        }
        for difference in &self.differences {
            writeln!(f, "Note: {difference}.")?;
        }
        for problem in &self.problems {
            writeln!(f, "Mistake: {problem}")?;
        }
        Ok(())
    }
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None => "not set".to_owned(),
        Some(Value::Array(items)) if items.is_empty() => "none".to_owned(),
        Some(Value::Array(items)) => {
            let items: Vec<String> = items.iter().map(|item| shown(Some(item))).collect();
            items.join(", ")
        }
        Some(Value::String(text)) if mentions_infer(text) => {
            format!("{} (ValeChat's own model)", printable(text, 200))
        }
        Some(Value::String(text)) => printable(text, 200),
        Some(other) => other.to_string(),
    }
}

impl PermissionCard {
    fn write_hosts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "May reach")?;
        if self.hosts.is_empty() {
            writeln!(f, "  nothing")?;
        }
        for line in &self.hosts {
            let methods: Vec<&str> = line.methods.iter().map(|method| method.as_str()).collect();
            let paths = match line.path_prefixes.as_slice() {
                [] => "any path".to_owned(),
                [only] if only == "/" => "any path".to_owned(),
                some => format!("below {}", some.join(", ")),
            };
            let state = match &line.state {
                HostState::Allowed {
                    local_server: false,
                } => "allowed".to_owned(),
                HostState::Allowed { local_server: true } => "allowed, local server".to_owned(),
                HostState::Refused { why } => format!("NOT allowed: {why}"),
                HostState::Open { why } => format!("open: {why}"),
            };
            writeln!(
                f,
                "  {}: {} {paths} [{}; {}]: {state}",
                line.address,
                methods.join(", "),
                line.said,
                line.key,
            )?;
        }
        Ok(())
    }

    fn write_credentials(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Keys")?;
        if self.credentials.is_empty() {
            writeln!(f, "  none")?;
        }
        for line in &self.credentials {
            let need = if line.required {
                "required"
            } else {
                "optional"
            };
            let whose = match line.source {
                CredentialSource::Person => "yours",
                CredentialSource::HostInfer => "made by ValeChat for each run",
            };
            writeln!(
                f,
                "  {} ({need}, {whose}): header {} to {}; ValeChat attaches it, the plugin never sees it [{}]",
                line.name,
                line.header,
                line.origins.join(", "),
                line.said,
            )?;
            if let Some(help) = &line.help {
                writeln!(f, "    get one: {help}")?;
            }
        }
        Ok(())
    }
}
