//! The command line of `plugin` and `tool`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::args::setting;

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// What is installed, damaged plugins included.
    List,
    /// The permission card: what a plugin may reach, what it uses, its limits, its checksum.
    ///
    /// Of a file it shows the card, the readme and the licence too, without installing or running it.
    Show {
        /// A plugin, or a provider for the card with its settings, or a file; without it, every
        /// plugin.
        #[arg(value_name = "PLUGIN|PROVIDER|FILE")]
        name: Option<String>,
    },
    /// Install somebody's plugin from its file.
    ///
    /// Shows everything that it may do, and asks. It can do nothing else, ever: it runs in a sandbox
    /// that reaches only the addresses you agreed to and never sees a key. A no exits with 130.
    Install(InstallArgs),
    /// Install another version of a plugin that is there.
    ///
    /// Asks only when the new version may do more than the old one, is older, or is another file
    /// under the same version. A version that fails in its first three calls is taken back.
    Update(InstallArgs),
    /// Switch a plugin on.
    Enable {
        /// The plugin.
        name: String,
    },
    /// Switch a plugin off; it stays installed.
    Disable {
        /// The plugin.
        name: String,
    },
    /// Take an installed plugin away, with what you agreed to and what it kept.
    Remove {
        /// The plugin.
        name: String,
        /// Do not ask when providers use it.
        #[arg(short, long)]
        yes: bool,
    },
    /// What a plugin wrote to its log.
    Logs {
        /// The plugin.
        name: String,
        /// So many of the last lines.
        #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
        lines: usize,
    },
    /// What one call of a plugin may use; changed with --set.
    Limits {
        /// The plugin.
        name: String,
        /// A limit, such as memory_mib=128; may be repeated.
        #[arg(long, value_name = "LIMIT=VALUE", value_parser = setting)]
        set: Vec<(String, String)>,
        /// Back to what the plugin asks for.
        #[arg(long)]
        reset: bool,
    },
    /// A plugin's own settings, and changing them.
    ///
    /// Addresses that the plugin could not reach before are asked for. Keys are set with
    /// `valechat key set`, and never shown.
    Settings {
        /// The plugin.
        name: String,
        /// A value; may be repeated. Items of a list are parted by commas.
        #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
        set: Vec<(String, String)>,
        /// Back to the plugin's default; may be repeated.
        #[arg(long, value_name = "NAME")]
        reset: Vec<String>,
        /// An https address given here is a server of your own network.
        #[arg(long)]
        local_server: bool,
        /// Agree without being asked.
        #[arg(short, long)]
        yes: bool,
    },
    /// Begin a plugin of your own: a project that builds, with a test and a readme.
    ///
    /// Nothing is fetched; what the language needs to build is said at the end.
    New(NewArgs),
    /// Make one file of a plugin's project: the component with its manifest, readme, licence and
    /// icon.
    Pack {
        /// The folder with plugin.toml.
        #[arg(default_value = ".")]
        folder: PathBuf,
        /// Where to write it; without it, `<id>-<version>.wasm` beside the component.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Try a plugin without installing it: recorded answers, a network that fails, limits, speed.
    ///
    /// It runs in the sandbox over answers that are played to it; no server is asked and no key is
    /// needed. Exits with 1 when a check fails.
    Test(TestArgs),
    /// Try a plugin without installing it: ask it, and see its log and everything on the wire.
    ///
    /// Shows what it may do and asks, as an installation does; then it runs in the same sandbox, behind
    /// the same gate. Without a message a provider is asked line by line what comes on stdin. Keys come
    /// from where an installed plugin's come from, or from --key-stdin; they are never shown.
    Run(RunArgs),
    /// Ask a plugin's real server once, and write what it answered as a recording for `plugin test`.
    ///
    /// What lets somebody in is left out, and nothing is written when a key is in what is left.
    Record(RecordArgs),
}

/// What is asked of a plugin that is tried.
#[derive(Debug, Args)]
pub(crate) struct TryArgs {
    /// The plugin's .wasm file, or the folder of its project.
    #[arg(value_name = "FILE|FOLDER")]
    pub(crate) plugin: PathBuf,
    /// What a provider is asked.
    #[arg(value_name = "MESSAGE", conflicts_with_all = ["tool", "args"])]
    pub(crate) message: Vec<String>,
    /// A setting of the plugin; may be repeated.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    pub(crate) settings: Vec<(String, String)>,
    /// The model; without it, the first that the provider lists.
    #[arg(short, long, conflicts_with_all = ["tool", "args"])]
    pub(crate) model: Option<String>,
    /// Which tool is called.
    #[arg(long, value_name = "NAME")]
    pub(crate) tool: Option<String>,
    /// The tool's arguments as a JSON object.
    #[arg(long, value_name = "JSON", requires = "tool")]
    pub(crate) args: Option<String>,
    /// List the provider's models instead of asking one.
    #[arg(long, conflicts_with_all = ["tool", "args", "model", "message"])]
    pub(crate) list_models: bool,
    /// An https address given here is a server of your own network.
    #[arg(long)]
    pub(crate) local_server: bool,
    /// Read the key of the plugin's first credential from stdin; it is not kept.
    #[arg(long)]
    pub(crate) key_stdin: bool,
    /// Agree without being asked.
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) what: TryArgs,
    /// How much of the wire is shown.
    #[arg(long, value_enum, default_value_t = Wire::Full, value_name = "HOW")]
    pub(crate) wire: Wire,
}

#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    #[command(flatten)]
    pub(crate) what: TryArgs,
    /// The folder of the recordings.
    #[arg(long, value_name = "DIR")]
    pub(crate) into: PathBuf,
    /// The recording's name: letters, digits, dots, dashes and underscores.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,
    /// In a few words what it is.
    #[arg(long, value_name = "TEXT")]
    pub(crate) about: Option<String>,
    /// Replace a recording of that name.
    #[arg(long)]
    pub(crate) force: bool,
    /// How much of the wire is shown.
    #[arg(long, value_enum, default_value_t = Wire::Short, value_name = "HOW")]
    pub(crate) wire: Wire,
}

/// How much of the wire is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wire {
    /// Heads and bodies.
    Full,
    /// A line for each request and answer.
    Short,
    /// Nothing.
    Off,
}

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// The plugin's .wasm file, or the folder of its project.
    #[arg(default_value = ".")]
    pub(crate) plugin: PathBuf,
    /// Only this part.
    #[arg(long, value_name = "PART")]
    pub(crate) only: Option<TestPart>,
    /// The folder of recorded answers; without it, `recordings` in the project or beside the file.
    #[arg(long, value_name = "DIR")]
    pub(crate) recordings: Option<PathBuf>,
}

/// A part of `plugin test`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TestPart {
    /// The file: size, imports, manifest, compile time.
    Package,
    /// Recorded answers, cut anywhere.
    Conformance,
    /// A network that fails.
    Faults,
    /// The same where models are listed.
    ListFaults,
    /// What calls use of what they may.
    Limits,
    /// Time to the first event, memory of a call.
    Speed,
}

#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// Where; it must not be there yet, or be empty.
    pub(crate) folder: PathBuf,
    /// In which language.
    #[arg(long, value_enum)]
    pub(crate) lang: Lang,
    /// Whether it answers chats or is a tool for models.
    #[arg(long, value_enum, default_value = "provider")]
    pub(crate) kind: NewKind,
    /// Its id: reverse DNS, of a domain that is yours. Without it, com.example and the folder's name.
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Its name for people; without it, the last part of the id.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lang {
    /// Rust, with the SDK.
    Rust,
    /// Python.
    Python,
    /// JavaScript.
    Js,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum NewKind {
    /// It answers chats.
    Provider,
    /// Models may call it.
    Tool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ToolCommand {
    /// What can be called.
    List,
    /// What a tool does and which arguments it takes.
    Show {
        /// `plugin/tool`; the plugin alone where it has one tool.
        #[arg(value_name = "PLUGIN/TOOL")]
        name: String,
    },
    /// Call a tool by hand. Exits with 1 when the tool says that it failed.
    Call {
        /// `plugin/tool`; the plugin alone where it has one tool.
        #[arg(value_name = "PLUGIN/TOOL")]
        name: String,
        /// Arguments; each in the type that the tool wants.
        #[arg(value_name = "NAME=VALUE", value_parser = setting)]
        arguments: Vec<(String, String)>,
        /// Arguments as a JSON object.
        #[arg(long, value_name = "JSON")]
        args: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    /// The plugin's .wasm file, or the folder of its project.
    pub(crate) file: PathBuf,
    /// A setting of the plugin; may be repeated.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    pub(crate) settings: Vec<(String, String)>,
    /// An https address given here is a server of your own network.
    #[arg(long)]
    pub(crate) local_server: bool,
    /// Agree without being asked.
    #[arg(short, long)]
    pub(crate) yes: bool,
}
