//! What a terminal gets and a pipe does not: colours and neutral text.

use std::fs::File;
use std::io::Read as _;
use std::process::Command;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::support::Home;

/// What the command writes to a terminal that is its stdout and stderr.
fn on_terminal(mut command: Command) -> (i32, String) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let face = File::options()
        .read(true)
        .write(true)
        .open(name.to_str().unwrap())
        .unwrap();
    let mut child = command
        .stdout(face.try_clone().unwrap())
        .stderr(face)
        .spawn()
        .unwrap();
    // The command still holds the terminal's face; the end comes when nobody does.
    drop(command);
    let mut shown = Vec::new();
    let mut terminal = File::from(terminal);
    let mut buffer = [0; 4096];
    // Linux ends a terminal without writers with an error, others with nothing.
    while let Ok(read @ 1..) = terminal.read(&mut buffer) {
        shown.extend_from_slice(&buffer[..read]);
    }
    let code = child.wait().unwrap().code().unwrap();
    (code, String::from_utf8(shown).unwrap())
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
