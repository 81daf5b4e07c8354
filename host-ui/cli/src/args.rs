//! The command line: what can be typed, and the help that says so.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::args_plugins::{PluginCommand, ToolCommand};

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

pub(crate) fn setting(text: &str) -> Result<(String, String), String> {
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
