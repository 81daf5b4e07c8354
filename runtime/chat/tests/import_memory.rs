//! A history of 300 MB is read in little memory. A binary of its own: the peak is the process's.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{self, Read};

use vale_chat::import::{HashOnly, Import, Input, Item, Options};

/// Bytes of the export.
const SIZE: usize = 300 << 20;
/// The peak allowed, KiB.
const PEAK: u64 = 100 << 10;

/// A ChatGPT export that is made up while it is read.
struct Endless {
    made: usize,
    piece: Vec<u8>,
    at: usize,
    conversations: usize,
    ended: bool,
}

impl Endless {
    fn conversation(&self) -> String {
        let number = self.conversations;
        let mut text = String::from(if number == 0 { "[" } else { "," });
        text += &format!(
            r#"{{"title":"Number {number}","conversation_id":"{number}","create_time":1700000000.5,"mapping":{{"#
        );
        // One in a hundred is long, as in a real history.
        let messages = if number % 100 == 50 { 3000 } else { 30 };
        for at in 0..messages {
            let comma = if at == 0 { "" } else { "," };
            let parent = match at {
                0 => "null".to_owned(),
                _ => format!("\"{}\"", at - 1),
            };
            let role = if at % 2 == 0 { "user" } else { "assistant" };
            let words = "several words of an answer, \\u00e9 and \\ud83d\\ude00. ".repeat(12);
            text += &format!(
                r#"{comma}"{at}":{{"id":"{at}","parent":{parent},"children":["{}"],"message":{{"author":{{"role":"{role}"}},"create_time":1700000000,"content":{{"content_type":"text","parts":["{words}"]}},"metadata":{{"model_slug":"gpt","citations":[],"a":{{"b":[1,2,3]}}}}}}}}"#,
                at + 1
            );
        }
        text + "}}"
    }
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() {
            if self.ended {
                return Ok(0);
            }
            self.piece = if self.made >= SIZE {
                self.ended = true;
                b"]".to_vec()
            } else {
                self.conversation().into_bytes()
            };
            self.conversations += 1;
            self.made += self.piece.len();
            self.at = 0;
        }
        let rest = self.piece.get(self.at..).unwrap_or_default();
        let read = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        self.at += read;
        Ok(read)
    }
}

/// The most memory that this process ever had, KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let digits: String = line.unwrap().chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

#[test]
fn three_hundred_megabytes_are_read_in_less_than_a_hundred() {
    let endless = Endless {
        made: 0,
        piece: Vec::new(),
        at: 0,
        conversations: 0,
        ended: false,
    };
    let began = std::time::Instant::now();
    let mut import = Import::open(Input::stream(endless), HashOnly, Options::default()).unwrap();
    let mut messages = 0;
    for item in import.by_ref() {
        match item.unwrap() {
            Item::Conversation(imported) => messages += imported.messages.len(),
            Item::Folder(folder) => panic!("{folder:?}"),
        }
    }
    let report = import.report();
    assert_eq!(report.messages, messages as u64);
    assert!(report.imported > 1000 && report.skipped_count == 0 && report.cut_off.is_none());
    let peak = peak();
    println!(
        "{} conversations, {messages} messages, peak {} MiB, {:.1} s",
        report.imported,
        peak >> 10,
        began.elapsed().as_secs_f64()
    );
    assert!(peak < PEAK, "the peak was {} MiB", peak >> 10);
}
