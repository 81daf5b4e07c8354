//! The lines of the permission card that depend on addresses: where a plugin goes, and with what keys.

use serde_json::{Map, Value};
use vale_types::Limits;

use crate::addresses::stand_in;
use crate::card::{CardContext, CredentialLine, HostLine, HostState, Said};
use crate::grant::{Effective, effective};
use crate::manifest::{CredentialSpec, EgressSpec, Manifest};
use crate::resolve::{
    HostVars, OriginSource, Resolved, ResolvedCredential, ResolvedRule, Resolver, egress_key,
};

/// Places, keys and the limits in force.
pub(crate) fn permissions(
    manifest: &Manifest,
    context: &CardContext<'_>,
    filled: &Map<String, Value>,
) -> (Vec<HostLine>, Vec<CredentialLine>, Limits) {
    // While the local model is off its address does not matter: the card names it in words.
    let host = HostVars {
        infer: context.host.infer.clone().or_else(stand_in),
    };
    let resolver = Resolver::new(manifest, filled, &host);
    let rules: Vec<Result<Vec<ResolvedRule>, String>> = manifest
        .egress
        .iter()
        .enumerate()
        .map(|(index, spec)| resolver.rules(index, spec))
        .collect();
    let known: Vec<ResolvedRule> = rules.iter().flatten().flatten().cloned().collect();
    let mut credentials = Vec::new();
    let mut attached = Vec::new();
    for spec in &manifest.credentials {
        let resolved = resolver.credential(spec, &known).ok().flatten();
        credentials.push(credential_line(spec, resolved.as_ref()));
        attached.extend(resolved);
    }
    let outcome = effective(
        &Resolved {
            egress: known,
            credentials: attached,
            settings: filled.clone(),
            limits: manifest.limits.over(Limits::default()),
        },
        context.grant,
        context.ceiling,
    );
    let mut hosts = Vec::new();
    for (index, (spec, rules)) in manifest.egress.iter().zip(rules).enumerate() {
        let key = egress_key(index);
        match rules {
            Err(why) => hosts.push(open_line(spec, format!("{key} {why}."), key)),
            Ok(rules) if rules.is_empty() => {
                let setting = spec.origin.leading_setting().unwrap_or_default();
                let why = format!("the setting `{setting}` lists no address yet.");
                hosts.push(open_line(spec, why, key));
            }
            Ok(rules) => hosts.extend(rules.iter().map(|rule| host_line(rule, &outcome))),
        }
    }
    (hosts, credentials, outcome.limits)
}

fn credential_line(spec: &CredentialSpec, resolved: Option<&ResolvedCredential>) -> CredentialLine {
    CredentialLine {
        name: spec.name.clone(),
        header: spec.header.clone(),
        origins: resolved.map_or_else(
            || spec.origins.iter().map(ToString::to_string).collect(),
            |resolved| {
                let shown = |place: &crate::CredentialOrigin| {
                    infer_or(place.is_host_infer, place.origin.as_str())
                };
                resolved.origins.iter().map(shown).collect()
            },
        ),
        required: spec.required,
        source: spec.source,
        help: spec.help.clone(),
        said: Said::Manifest,
    }
}

fn open_line(spec: &EgressSpec, why: String, key: String) -> HostLine {
    HostLine {
        address: spec.origin.to_string(),
        path_prefixes: spec.paths.clone(),
        methods: spec.methods.clone(),
        said: Said::Manifest,
        state: HostState::Open { why },
        key,
    }
}

fn host_line(rule: &ResolvedRule, outcome: &Effective) -> HostLine {
    let key = &rule.key;
    let allowed = outcome.rules.iter().find(|allowed| allowed.key == *key);
    let dropped = outcome.dropped.iter().find(|dropped| dropped.key == *key);
    HostLine {
        address: infer_or(rule.source == OriginSource::HostInfer, rule.origin.as_str()),
        path_prefixes: rule.path_prefixes.clone(),
        methods: allowed.map_or(&rule.methods, |rule| &rule.methods).clone(),
        said: said(&rule.source),
        state: match (allowed, dropped) {
            (Some(rule), _) => HostState::Allowed {
                local_server: rule.local_server,
            },
            (None, dropped) => HostState::Refused {
                why: dropped.map(ToString::to_string).unwrap_or_default(),
            },
        },
        key: key.clone(),
    }
}

fn infer_or(is_infer: bool, origin: &str) -> String {
    if is_infer {
        "ValeChat's own model on this machine".to_owned()
    } else {
        origin.to_owned()
    }
}

fn said(source: &OriginSource) -> Said {
    match source {
        OriginSource::Manifest => Said::Manifest,
        OriginSource::Default { setting } => Said::Default {
            setting: setting.clone(),
        },
        OriginSource::Setting { setting } => Said::Setting {
            setting: setting.clone(),
        },
        OriginSource::HostInfer => Said::Host,
    }
}
