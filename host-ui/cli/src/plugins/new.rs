//! `plugin new`.

use vale_api::{Language, NewPlugin, PluginKind, new_plugin};

use crate::args_plugins::{Lang, NewArgs, NewKind};
use crate::exit::Stop;
use crate::out::Out;

pub(super) async fn new(args: NewArgs, out: &Out) -> Result<(), Stop> {
    let begun = new_plugin(NewPlugin {
        folder: args.folder,
        language: match args.lang {
            Lang::Rust => Language::Rust,
            Lang::Python => Language::Python,
            Lang::Js => Language::Js,
        },
        kind: match args.kind {
            NewKind::Provider => PluginKind::Provider,
            NewKind::Tool => PluginKind::Tool,
        },
        id: args.id,
        name: args.name,
    })
    .await?;
    if out.json {
        return Ok(out.document(&begun)?);
    }
    out.line(&format!(
        "{} ({}) is begun in {}: {} files.",
        begun.name,
        begun.id,
        begun.folder.display(),
        begun.files
    ))?;
    out.line("Next:")?;
    for command in &begun.next {
        out.line(&format!("  {command}"))?;
    }
    Ok(())
}
