//! `plugin`: what is installed, what it may do, and how that changes.

mod install;
mod life;
mod list;
mod new;
mod play;
mod screen;
mod settings;
mod show;
mod test;

use crate::args_plugins::PluginCommand;
use crate::exit::Stop;
use crate::open;
use crate::out::Out;

pub(crate) async fn run(command: PluginCommand, out: Out) -> Result<(), Stop> {
    let host = || open(&out, None);
    match command {
        // These need no host.
        PluginCommand::Show { name: Some(name) } if show::is_file(&name) => {
            show::file(&name, &out).await
        }
        PluginCommand::Pack { folder, output } => install::pack(&folder, output, &out).await,
        PluginCommand::Test(args) => test::test(&args, &out).await,
        PluginCommand::Run(args) => play::run(args, &out).await,
        PluginCommand::Record(args) => play::record(args, &out).await,
        PluginCommand::New(args) => new::new(args, &out).await,
        PluginCommand::List => list::list(&host().await?, &out),
        PluginCommand::Show { name: Some(name) } => {
            show::installed(&host().await?, &name, &out).await
        }
        PluginCommand::Show { name: None } => show::all(&host().await?, &out).await,
        PluginCommand::Install(args) => install::install(&host().await?, args, false, &out).await,
        PluginCommand::Update(args) => install::install(&host().await?, args, true, &out).await,
        PluginCommand::Enable { name } => life::enable(&host().await?, &name, true, &out).await,
        PluginCommand::Disable { name } => life::enable(&host().await?, &name, false, &out).await,
        PluginCommand::Remove { name, yes } => life::remove(&host().await?, &name, yes, &out).await,
        PluginCommand::Logs { name, lines } => life::logs(&host().await?, &name, lines, &out).await,
        PluginCommand::Limits { name, set, reset } => {
            life::limits(&host().await?, &name, set, reset, &out).await
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
            settings::settings(&host().await?, &name, change, &out).await
        }
    }
}
