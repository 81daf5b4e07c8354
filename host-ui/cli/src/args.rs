//! The command line: what can be typed, and the help that says so.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

const AFTER_HELP: &str = "\
Examples:
  valechat chat                                a conversation with the model on this computer
  valechat chat \"Why is the sky blue?\"         one answer
  git diff | valechat chat \"Review this:\" -    what comes through the pipe is part of the message
  valechat chat -m openai/gpt-5 --image a.png \"What is this?\"
  valechat compare -m local -m ollama/qwen3 \"Why is the sky blue?\"
  valechat model list                          every model of every provider
  valechat status --watch                      what runs, what rests, what needs you
  valechat provider add lan --plugin openai --set base_url=http://127.0.0.1:8081/v1
  valechat key set openai                      asks for the key without showing it
  valechat plugin show openai                  everything that the plugin may do
  valechat doctor                              what is wrong here, if anything

Environment:
  VALECHAT_HOME             one folder for settings, state and cache
  VALECHAT_PLUGINS          the folder of plugins that come with the program
  VALECHAT_INFER            the folder of valechat-infer, the local model's program
  VALECHAT_MODEL            the local model's file (GGUF)
  VALECHAT_KEY_<PROVIDER>   a provider's key: VALECHAT_KEY_OPENAI; goes before stored ones
  VALECHAT_PASSPHRASE_FILE  a file with the passphrase of the encrypted key file
  NO_COLOR                  no colours, whatever it is set to

Exit codes:
  0    done
  1    the provider or this machine failed
  2    the command is wrong, or names what does not exist
  3    the settings have a mistake, or something is not installed
  4    a key is missing or was refused
  5    the network failed, or ValeChat did not let the request out
  6    a plugin failed or broke its rules
  130  cancelled with Ctrl-C, or by a no to a question

Answers go to stdout; everything else goes to stderr. With --json, stdout holds one JSON document
(for chat one event a line), and an error is {\"error\": …} there.";

/// Chat with language models; each provider is a sandboxed plugin.
#[derive(Debug, Parser)]
#[command(name = "valechat", version, after_long_help = AFTER_HELP, after_help = "`valechat --help` says more: examples, environment, exit codes.", propagate_version = true, infer_subcommands = false)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// JSON on stdout: one document, or one event a line for chat.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Nothing on stderr but errors.
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Colours.
    #[arg(long, value_enum, default_value_t = Color::Auto, global = true, value_name = "WHEN")]
    pub(crate) color: Color,
    /// What the log on stderr shows: off, error, warn, info, debug, trace, or a filter such as
    /// `vale_host=debug`. Without it: warn, and error with --quiet.
    #[arg(long, global = true, value_name = "LEVEL")]
    log: Option<String>,
}

impl Global {
    /// What the log shows.
    pub(crate) fn log_level(&self) -> &str {
        let default = if self.quiet { "error" } else { "warn" };
        self.log.as_deref().unwrap_or(default)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Talk to a model: one answer, or a conversation.
    ///
    /// With a message (or one through a pipe) it answers once; without one, on a terminal, it
    /// opens a conversation. Ctrl-C stops an answer and says how much of it had arrived.
    Chat(ChatArgs),
    /// Ask several models the same, and see their answers side by side as they come.
    ///
    /// Each line begins with the model that says it. None waits for another.
    Compare(CompareArgs),
    /// The models that the providers offer.
    #[command(subcommand, arg_required_else_help = true)]
    Model(ModelCommand),
    /// The providers: list, add, test, remove.
    #[command(subcommand, arg_required_else_help = true)]
    Provider(ProviderCommand),
    /// The keys of the providers. They are never shown.
    #[command(subcommand, arg_required_else_help = true)]
    Key(KeyCommand),
    /// The installed plugins and what each may do.
    #[command(subcommand, arg_required_else_help = true)]
    Plugin(PluginCommand),
    /// The tools of the installed plugins.
    #[command(subcommand, arg_required_else_help = true)]
    Tool(ToolCommand),
    /// The supervision tree: what runs, what rests and why, what needs you.
    Status(StatusArgs),
    /// Look at everything that a chat needs, and say what to do about what is wrong.
    ///
    /// Exits with 1 when something does not work.
    Doctor(DoctorArgs),
}

impl Command {
    /// Its name, for the log: never its arguments.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Chat(_) => "chat",
            Self::Compare(_) => "compare",
            Self::Model(_) => "model",
            Self::Provider(_) => "provider",
            Self::Key(_) => "key",
            Self::Plugin(_) => "plugin",
            Self::Tool(_) => "tool",
            Self::Status(_) => "status",
            Self::Doctor(_) => "doctor",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ChatArgs {
    /// Who answers: `provider/model`, or a provider alone for its first model. Without it, the
    /// default of the settings (default_model in config.toml), else the model on this computer.
    #[arg(short, long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Instructions for the model.
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// A picture that goes with the message: PNG, JPEG, GIF or WebP, at most 20 MiB. May be
    /// repeated.
    #[arg(long, value_name = "FILE")]
    pub(crate) image: Vec<PathBuf>,
    /// At most so many tokens of answer.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_tokens: Option<u32>,
    /// Sampling temperature; 0 is the same answer each time, as far as the provider can.
    #[arg(long, value_name = "X", value_parser = temperature)]
    pub(crate) temperature: Option<f64>,
    /// Show the model's thinking, on stderr.
    #[arg(long)]
    pub(crate) show_thinking: bool,
    /// The message; words are joined by spaces, and `-` stands for what comes through the pipe.
    #[arg(value_name = "MESSAGE")]
    pub(crate) message: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Write what is found, the status and the log to one archive that you can show to somebody:
    /// without keys, without what you or a model said. It says what it holds.
    #[arg(long, value_name = "FILE.zip")]
    pub(crate) bundle: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// Who answers; once for each. A model may be named twice.
    #[arg(short, long, value_name = "MODEL", required = true)]
    pub(crate) model: Vec<String>,
    /// Instructions for the models.
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// At most so many tokens of answer.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_tokens: Option<u32>,
    /// Sampling temperature.
    #[arg(long, value_name = "X", value_parser = temperature)]
    pub(crate) temperature: Option<f64>,
    /// The message; `-` stands for what comes through the pipe.
    #[arg(value_name = "MESSAGE", required = true)]
    pub(crate) message: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Draw it anew whenever something happens, and once a second.
    #[arg(short, long)]
    pub(crate) watch: bool,
    #[command(subcommand)]
    pub(crate) command: Option<StatusCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StatusCommand {
    /// End a child and start it anew.
    Restart {
        /// Its path, such as providers/openai, or its last part.
        name: String,
    },
    /// Let a child take no new work; what runs may end. A restart takes work again.
    Drain {
        /// Its path or the last part of it.
        name: String,
    },
    /// Forget what was held against a child: breakers, waits, failures.
    Reset {
        /// Its path or the last part of it.
        name: String,
    },
}

/// 0 to 2 is what every provider's API takes at most.
fn temperature(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=2.0).contains(&value) => Ok(value),
        _ => Err("it must be a number from 0 to 2".to_owned()),
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Ask the providers for their models, all at once.
    List(ModelFilter),
    /// All that is known of one model, and who says so: the provider, the price book or you.
    ///
    /// What you know better goes into config.toml: [models."provider/model"], with
    /// context_window, max_output, tools, images, and prices such as input_per_million = "1.25".
    Show {
        /// `provider/model`.
        #[arg(value_name = "MODEL")]
        model: String,
    },
}

/// Which models; what is unknown of a model never matches.
#[derive(Debug, Default, Args)]
pub(crate) struct ModelFilter {
    /// Only this provider's.
    #[arg(short, long, value_name = "PROVIDER")]
    pub(crate) provider: Option<String>,
    /// Only with these words in its name.
    #[arg(short, long, value_name = "WORDS")]
    pub(crate) search: Option<String>,
    /// Only those that are known to cost nothing.
    #[arg(long)]
    pub(crate) free: bool,
    /// Only those that run on a server of yours.
    #[arg(long)]
    pub(crate) local: bool,
    /// Only those that are in memory now.
    #[arg(long)]
    pub(crate) loaded: bool,
    /// Only those that call tools.
    #[arg(long)]
    pub(crate) tools: bool,
    /// Only those that take images.
    #[arg(long)]
    pub(crate) images: bool,
    /// Only those that think.
    #[arg(long)]
    pub(crate) thinking: bool,
    /// Only with a context of so many tokens at least.
    #[arg(long, value_name = "TOKENS")]
    pub(crate) min_context: Option<u64>,
    /// Only up to this price of a million input tokens, US dollars.
    #[arg(long, value_name = "USD")]
    pub(crate) max_input_price: Option<String>,
    /// Only up to this price of a million output tokens, US dollars.
    #[arg(long, value_name = "USD")]
    pub(crate) max_output_price: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProviderCommand {
    /// The providers and the state of their keys.
    List,
    /// Add a provider: a plugin with settings of yours.
    ///
    /// Says which addresses the settings let the plugin reach, and asks; what you agree to is
    /// written to config.toml beside the settings. A key that is kept under this name already
    /// would be sent there, so that is asked too. A no exits with 130.
    Add {
        /// Its name, as it will stand in `name/model`.
        name: String,
        /// The plugin that answers; see `valechat plugin list`.
        #[arg(long, value_name = "PLUGIN")]
        plugin: String,
        /// A setting of the plugin; may be repeated.
        #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
        settings: Vec<(String, String)>,
        /// An https address given here is a server of your own network.
        #[arg(long)]
        local_server: bool,
        /// Also store its key, read from stdin.
        #[arg(long)]
        key_stdin: bool,
        /// Agree without being asked.
        #[arg(short, long)]
        yes: bool,
    },
    /// Call a provider and say whether it works.
    Test {
        /// The provider.
        name: String,
    },
    /// Take a provider out of the settings. Its key is kept.
    Remove {
        /// The provider.
        name: String,
    },
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as name=value".to_owned()),
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Store a provider's key. Asks for it without showing it; never takes it as an argument,
    /// where other programs and the shell's history could read it.
    Set {
        /// The provider.
        provider: String,
        /// Which credential, where the plugin has several.
        #[arg(long, value_name = "NAME")]
        credential: Option<String>,
        /// Read the key from stdin.
        #[arg(long)]
        stdin: bool,
        /// Where to keep keys from now on: the system keyring, or a file sealed by a passphrase
        /// for machines that have no keyring.
        #[arg(long, value_enum, value_name = "WHERE")]
        store: Option<Store>,
    },
    /// Forget a provider's key.
    Remove {
        /// The provider.
        provider: String,
        /// Which credential, where the plugin has several.
        #[arg(long, value_name = "NAME")]
        credential: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Store {
    /// The system keyring.
    Keyring,
    /// The encrypted file.
    File,
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn quiet_means_a_quiet_log_unless_one_is_asked_for() {
        for (args, level) in [
            (&["valechat", "doctor"][..], "warn"),
            (&["valechat", "doctor", "--quiet"], "error"),
            (&["valechat", "-q", "--log", "info", "doctor"], "info"),
        ] {
            let cli = Cli::try_parse_from(args).unwrap();
            assert_eq!(cli.global.log_level(), level, "{args:?}");
        }
    }
}
