//! `plugin`: what is installed, what it may do, and how that changes.

mod install;
mod life;
mod list;
mod new;
mod settings;
mod show;
mod test;

use crate::args_plugins::PluginCommand;
use crate::exit::Stop;
use crate::open;
use crate::out::Out;

pub(crate) async fn run(command: PluginCommand, out: Out) -> Result<(), Stop> {
    match command {
        PluginCommand::Show { name: Some(name) } if show::is_file(&name) => {
            show::file(&name, &out).await
        }
        PluginCommand::Pack { folder, output } => install::pack(&folder, output, &out).await,
        PluginCommand::Test(args) => test::test(&args, &out).await,
        PluginCommand::New(args) => new::new(args, &out).await,
        command => with_host(command, out).await,
    }
}

async fn with_host(command: PluginCommand, out: Out) -> Result<(), Stop> {
    let api = open(&out, None).await?;
    match command {
        PluginCommand::List => list::list(&api, &out),
        PluginCommand::Show { name } => match name {
            Some(name) => show::installed(&api, &name, &out).await,
            None => show::all(&api, &out).await,
        },
        PluginCommand::Install(args) => install::install(&api, args, false, &out).await,
        PluginCommand::Update(args) => install::install(&api, args, true, &out).await,
        PluginCommand::Enable { name } => life::enable(&api, &name, true, &out).await,
        PluginCommand::Disable { name } => life::enable(&api, &name, false, &out).await,
        PluginCommand::Remove { name, yes } => life::remove(&api, &name, yes, &out).await,
        PluginCommand::Logs { name, lines } => life::logs(&api, &name, lines, &out).await,
        PluginCommand::Limits { name, set, reset } => {
            life::limits(&api, &name, set, reset, &out).await
        }
        PluginCommand::Settings {
            name,
            set,
            reset,
            local_server,
            yes,
        } => {
            let change = settings::Change {
                set,
                reset,
                local_server,
                yes,
            };
            settings::settings(&api, &name, change, &out).await
        }
        // Needs no host.
        PluginCommand::Pack { folder, output } => install::pack(&folder, output, &out).await,
        PluginCommand::Test(args) => test::test(&args, &out).await,
        PluginCommand::New(args) => new::new(args, &out).await,
    }
}
