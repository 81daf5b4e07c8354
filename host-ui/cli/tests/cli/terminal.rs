//! What a terminal gets and a pipe does not: colours and neutral text.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
#[cfg(target_os = "linux")]
use rustix::termios::LocalModes;

use crate::support::Home;

/// A new terminal: its keyboard and screen, and the side that a program gets.
fn terminal() -> (File, File) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let face = OFlags::RDWR | OFlags::NOCTTY;
    let face = rustix::fs::open(name, face, Mode::empty()).unwrap();
    (File::from(terminal), File::from(face))
}

/// What the command writes to a terminal that is its stdout and stderr.
fn on_terminal(mut command: Command) -> (i32, String) {
    let (terminal, face) = terminal();
    command.stdout(face.try_clone().unwrap()).stderr(face);
    Person::at(terminal, command).end()
}

/// Somebody who reads the screen and types.
struct Person {
    terminal: File,
    child: Child,
    shown: Vec<u8>,
    /// What was waited for ends here.
    seen: usize,
}

impl Person {
    fn at(terminal: File, mut command: Command) -> Self {
        let child = command.spawn().unwrap();
        // The command still holds the terminal's face; the end comes when nobody does.
        drop(command);
        Self {
            terminal,
            child,
            shown: Vec::new(),
            seen: 0,
        }
    }

    /// Reads on; false at the end.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 4096];
        // Linux ends a terminal without writers with an error, others with nothing.
        let read = self.terminal.read(&mut buffer).unwrap_or(0);
        self.shown.extend_from_slice(&buffer[..read]);
        read > 0
    }

    fn sees(&mut self, text: &str) {
        loop {
            let mut windows = self.shown[self.seen..].windows(text.len());
            if let Some(at) = windows.position(|window| window == text.as_bytes()) {
                self.seen += at + text.len();
                return;
            }
            let goes_on = self.read();
            assert!(goes_on, "no {text:?}: {}", self.shown.escape_ascii());
        }
    }

    fn types(&mut self, keys: &str) {
        self.terminal.write_all(keys.as_bytes()).unwrap();
    }

    /// Types what is not shown, once the prompt has taken the keyboard over: it does so after its
    /// text, and until then Ctrl-C is the terminal's.
    #[cfg(target_os = "linux")]
    fn types_hidden(&mut self, prompt: &str, keys: &str) {
        self.sees(prompt);
        let ours = || {
            let modes = rustix::termios::tcgetattr(&self.terminal).unwrap();
            modes.local_modes.contains(LocalModes::ISIG)
        };
        while ours() {
            assert_eq!(self.child.try_wait().unwrap(), None);
            std::thread::yield_now();
        }
        self.types(keys);
    }

    fn end(mut self) -> (i32, String) {
        while self.read() {}
        #[cfg(target_os = "linux")]
        {
            let modes = rustix::termios::tcgetattr(&self.terminal)
                .unwrap()
                .local_modes;
            assert!(modes.contains(LocalModes::ECHO), "left without echo");
        }
        let status = self.child.wait().unwrap();
        let code = status.code();
        let code = code.unwrap_or_else(|| panic!("{status}: {}", self.shown.escape_ascii()));
        (code, String::from_utf8(self.shown).unwrap())
    }
}

/// The command with this terminal as all it has, also for Ctrl-C and `/dev/tty`.
#[cfg(target_os = "linux")]
fn with_controlling_terminal(command: &Command, face: File) -> Command {
    let mut session = Command::new("setsid");
    session
        .args(["-c", "-w"])
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .stdin(face.try_clone().unwrap())
        .stdout(face.try_clone().unwrap())
        .stderr(face);
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            session.env(name, value);
        }
    }
    session
}

#[test]
fn colours_are_for_terminals_and_no_color_turns_them_off() {
    let home = Home::with_plugin();
    let args = ["plugin", "show", "nosuch"];
    let (code, shown) = on_terminal(home.command(&args));
    assert_eq!(code, 2);
    assert!(shown.contains("\u{1b}[31merror:"), "{shown:?}");

    let mut plain = home.command(&args);
    plain.env("NO_COLOR", "1");
    let (_, shown) = on_terminal(plain);
    assert!(
        shown.starts_with("error:") && !shown.contains('\u{1b}'),
        "{shown:?}"
    );

    let never = [&args[..], &["--color", "never"]].concat();
    let (_, shown) = on_terminal(home.command(&never));
    assert!(!shown.contains('\u{1b}'), "{shown:?}");

    assert!(!home.run(&args).stderr.contains('\u{1b}'));
    let always = [&args[..], &["--color", "always"]].concat();
    assert!(home.run(&always).stderr.contains('\u{1b}'));
}

#[test]
fn escape_sequences_reach_a_pipe_as_they_are_and_a_terminal_as_text() {
    let home = Home::with_plugin();
    let args = [
        "chat",
        "-m",
        "a\u{1b}]0;evil\u{7}\u{9b}31m/b",
        "hi",
        "--color",
        "never",
    ];
    let (code, shown) = on_terminal(home.command(&args));
    assert_eq!(code, 2);
    assert!(shown.contains("a␛]0;evil␇\\u{9b}31m"), "{shown:?}");
    assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{9b}']), "{shown:?}");
    assert!(home.run(&args).stderr.contains("a\u{1b}]0;evil\u{7}"));
}

#[test]
fn a_table_has_a_heading_only_where_a_person_reads_it() {
    let home = Home::with_plugin();
    let args = ["plugin", "list"];
    let (_, shown) = on_terminal(home.command(&args));
    assert!(shown.contains("PLUGIN"), "{shown:?}");
    assert!(home.run(&args).ok().starts_with("openai"));
}

#[test]
fn a_no_adds_nothing_and_is_a_cancel() {
    let home = Home::with_plugin();
    let before = home.config_text();
    let add = |answer: &str| {
        let (terminal, face) = terminal();
        let set = "base_url=http://127.0.0.1:8081/v1";
        let args = ["provider", "add", "lan", "--plugin", "openai", "--set", set];
        let mut command = home.command(&args);
        command
            .stdin(face.try_clone().unwrap())
            .stdout(face.try_clone().unwrap())
            .stderr(face);
        let mut person = Person::at(terminal, command);
        person.sees("Allow this? [y/N] ");
        person.types(answer);
        person.end()
    };
    let (code, shown) = add("n\n");
    assert_eq!(code, 130, "{shown:?}");
    assert!(shown.contains("Nothing was added."), "{shown:?}");
    assert_eq!(home.config_text(), before);
    let (code, shown) = add("y\n");
    assert_eq!(code, 0, "{shown:?}");
    assert_ne!(home.config_text(), before);
}

#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_at_a_hidden_prompt_is_a_cancel() {
    let home = Home::with_plugin();
    let set = |script: &[(&str, &str)]| {
        let (terminal, face) = terminal();
        let command = home.command(&["key", "set", "openai"]);
        let mut person = Person::at(terminal, with_controlling_terminal(&command, face));
        for (prompt, keys) in script {
            person.types_hidden(prompt, keys);
        }
        person.end()
    };
    for script in [
        &[("(not shown): ", "\u{3}")][..],
        &[
            ("(not shown): ", "sk-test-0123456789abcdef\r"),
            ("8 characters or more): ", "\u{3}"),
        ],
        &[
            ("(not shown): ", "sk-test-0123456789abcdef\r"),
            ("8 characters or more): ", "a long passphrase\r"),
            ("once more: ", "\u{3}"),
        ],
    ] {
        let (code, shown) = set(script);
        assert_eq!(code, 130, "{shown:?}");
        assert!(shown.contains("cancelled:"), "{shown:?}");
        assert!(!shown.contains("sk-test"), "{shown:?}");
    }
}

/// A picture that never comes stands for whatever takes long outside an answer.
#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_stops_what_takes_long_in_a_conversation_and_the_conversation_goes_on() {
    let home = Home::with_plugin();
    let pipe = home.path("picture.png");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
    let (terminal, face) = terminal();
    let image = pipe.to_str().unwrap();
    let command = home.command(&["chat", "-m", "openai/gpt", "--image", image]);
    let mut command = with_controlling_terminal(&command, face);
    // Without line editing the prompt is text that can be waited for.
    command.env("TERM", "dumb");
    let mut person = Person::at(terminal, command);
    person.sees("> ");
    person.types("look\n");
    // Opens when the other side does: the picture is being read.
    let picture = File::options().write(true).open(&pipe).unwrap();
    person.types("\u{3}");
    person.sees("cancelled:");
    person.sees("> ");
    drop(picture);
    person.types("/model\n");
    person.sees("openai/gpt\r\n");
    person.sees("> ");
    person.types("/quit\n");
    let (code, shown) = person.end();
    assert_eq!(code, 0, "{shown:?}");
}
