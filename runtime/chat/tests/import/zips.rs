//! Exports as they are downloaded: zips with files beside the conversations.

use std::io::{Cursor, Write};

use vale_chat::import::{ImportError, Input, Options};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::support::{fixture, import, import_with, message, parts};

fn zip(entries: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        let options = SimpleFileOptions::default().compression_method(method);
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn images_and_files_are_found_by_their_ids_and_other_lists_are_left_alone() {
    let conversations = fixture("chatgpt.json");
    let claude = fixture("claude.json");
    let users = br#"[{"uuid":"u","full_name":"Someone","name":"x"}]"#;
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let export = zip(
            &[
                ("user.json", br#"{"id":"u","email":"a@b.c"}"#),
                ("users.json", users),
                ("conversations.json", &conversations),
                ("nested/conversations-001.json", &claude),
                ("file-AbCdEf123456-chart.png", b"pretend PNG"),
                ("user-9/file_00000000aaaa-sanitized.wav", b"pretend WAV"),
                ("__MACOSX/._conversations.json", b"\0\0"),
                ("chat.html", b"<html>"),
            ],
            method,
        );
        let outcome = import(export);
        assert_eq!(outcome.conversations.len(), 4);
        let tides = &outcome.conversations[0];
        assert_eq!(
            parts(message(tides, "q1"), &outcome.files)[0],
            r#"image chart.png image/png "pretend PNG""#
        );
        assert_eq!(
            parts(message(&outcome.conversations[1], "v1"), &outcome.files)[1],
            r#"audio file_00000000aaaa-sanitized.wav audio/wav "pretend WAV""#
        );
        assert_eq!(
            outcome.report.missing_count, 2,
            "{:?}",
            outcome.report.missing_files
        );
        assert_eq!(
            outcome.report.skipped_count, 2,
            "{:?}",
            outcome.report.skipped
        );
    }
}

#[test]
fn a_damaged_zip_keeps_what_came_before_and_says_what_it_is() {
    let conversations = fixture("chatgpt.json");
    let mut export = zip(
        &[("conversations.json", &conversations)],
        CompressionMethod::Stored,
    );
    // A letter of the last conversation's title.
    let place = export
        .windows(12)
        .position(|window| window == b"Nothing said")
        .unwrap();
    export[place] = b'n';
    let outcome = import(export.clone());
    assert_eq!(outcome.conversations.len(), 2);
    let told = outcome.report.cut_off.expect("the checksum was compared");
    assert!(told.contains("checksum"), "{told}");

    // A damaged entry does not keep the next one from being read.
    let mut two = zip(
        &[
            ("a.json", conversations.as_slice()),
            ("b.json", &fixture("claude.json")),
        ],
        CompressionMethod::Deflated,
    );
    two[200] ^= 0x55;
    let outcome = import(two);
    assert!(outcome.report.cut_off.is_some());
    let apps = outcome
        .conversations
        .iter()
        .map(|one| one.source.app.as_str());
    assert_eq!(apps.filter(|app| *app == "claude").count(), 2);

    // Without its end there is no directory.
    export.truncate(export.len() - 40);
    let cut = import_with(Input::bytes(export), Options::default());
    assert!(matches!(cut, Err(ImportError::Zip(_))));
}

#[test]
fn a_zip_without_conversations_is_no_export_and_one_through_a_pipe_is_refused() {
    let empty = zip(
        &[("a.json", b"[]"), ("b.txt", b"x")],
        CompressionMethod::Stored,
    );
    let outcome = import_with(Input::bytes(empty.clone()), Options::default()).unwrap();
    assert!(matches!(outcome.error, Some(ImportError::UnknownFormat)));
    let piped = import_with(Input::stream(Cursor::new(empty)), Options::default());
    assert!(matches!(piped, Err(ImportError::ZipStream)));
}
