//! Every recorded transcript through both framers, with every line ending, cut at every byte,
//! against a splitter so simple that it can be believed.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

use vale_sdk::Flow;
use vale_sdk::frame::{Frame, Framer, Framing, Item, MAX_FRAME_BYTES, NdJsonFramer, SseFramer};
use vale_sdk::testkit::parse_recording;
use vale_sdk::{Error, ErrorKind, NetworkKind};

/// A frame that owns its bytes: event, data, id, terminated.
type Owned = (Vec<u8>, Vec<u8>, Vec<u8>, bool);

fn owned(frame: &Frame<'_>) -> Owned {
    (
        frame.event.to_vec(),
        frame.data.to_vec(),
        frame.id.to_vec(),
        frame.terminated,
    )
}

fn recordings() -> Vec<(String, Vec<u8>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/sse");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "raw") {
            let body = parse_recording(&std::fs::read(&path).unwrap())
                .unwrap()
                .body;
            found.push((
                path.file_name().unwrap().to_string_lossy().into_owned(),
                body,
            ));
        }
    }
    found.sort();
    assert_eq!(found.len(), 80, "the recordings are whole");
    found
}

/// Splits a whole body: line ends made LF first, then line by line as the HTML standard says.
fn reference(framing: Framing, body: &[u8]) -> Vec<Owned> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    // Latin-1 keeps every byte apart, so that string functions may be used.
    let text: String = body.iter().map(|byte| char::from(*byte)).collect();
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let bytes = |text: &str| text.chars().map(|c| c as u8).collect::<Vec<u8>>();
    let mut lines: Vec<&str> = text.split('\n').collect();
    let last = lines.pop().unwrap();
    let mut frames = Vec::new();
    if framing == Framing::NdJson {
        for (line, terminated) in lines
            .iter()
            .map(|line| (*line, true))
            .chain([(last, false)])
        {
            let line = line.trim_matches([' ', '\t', '\u{c}']);
            if !line.is_empty() {
                frames.push((vec![], bytes(line), vec![], terminated));
            }
        }
        return frames;
    }
    let (mut event, mut data, mut id) = (String::new(), Vec::new(), String::new());
    let mut take = |line: &str, event: &mut String, data: &mut Vec<String>| {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => data.push(value.to_string()),
            "event" => *event = value.to_string(),
            "id" if !value.contains('\0') => id = value.to_string(),
            _ => {}
        }
        id.clone()
    };
    let mut current = String::new();
    for line in lines {
        if line.is_empty() {
            if !data.is_empty() {
                frames.push((
                    bytes(&event),
                    bytes(&data.join("\n")),
                    bytes(&current),
                    true,
                ));
            }
            event.clear();
            data.clear();
        } else {
            current = take(line, &mut event, &mut data);
        }
    }
    if !last.is_empty() {
        current = take(last, &mut event, &mut data);
    }
    if !data.is_empty() {
        frames.push((
            bytes(&event),
            bytes(&data.join("\n")),
            bytes(&current),
            false,
        ));
    }
    frames
}

/// Runs the reads and compares each frame as it comes.
fn check<'a>(
    framing: Framing,
    reads: impl Iterator<Item = &'a [u8]>,
    expected: &[Owned],
    what: &str,
) {
    let mut framer = Framer::new(framing);
    let mut count = 0;
    let mut sink = |item: Item<'_>| {
        if let Item::Frame(frame) = item {
            let (event, data, id, terminated) = &expected[count];
            let same = frame.event == event && frame.data == data && frame.id == id;
            assert!(
                same && frame.terminated == *terminated,
                "{what}: {:?}",
                owned(&frame)
            );
            count += 1;
        }
        Ok(Flow::Continue)
    };
    for read in reads {
        framer.push(read, &mut sink).unwrap();
    }
    framer.end(&mut sink).unwrap();
    assert_eq!(count, expected.len(), "{what}");
}

#[test]
fn every_recording_gives_the_same_frames_wherever_it_is_cut_and_however_its_lines_end() {
    let mut frames = 0;
    for (name, body) in recordings() {
        let lf = String::from_utf8_lossy(&body).replace("\r\n", "\n");
        for (ending, newline) in [("LF", "\n"), ("CRLF", "\r\n"), ("CR", "\r")] {
            let body = lf.replace('\n', newline).into_bytes();
            for framing in [Framing::Sse, Framing::NdJson] {
                let expected = reference(framing, &body);
                frames += expected.len();
                let what = format!("{name} {ending} {framing:?}");
                for at in 0..=body.len() {
                    let (head, tail) = body.split_at(at);
                    check(framing, [head, tail].into_iter(), &expected, &what);
                }
                for size in [1, 2, 3, 7, 64] {
                    check(framing, body.chunks(size), &expected, &what);
                }
            }
        }
    }
    // The recordings do hold frames: an empty comparison proves nothing.
    assert!(frames > 4000, "{frames}");
}

fn sse(reads: &[&[u8]]) -> Vec<Owned> {
    let mut framer = Framer::new(Framing::Sse);
    let mut frames = Vec::new();
    let mut sink = |item: Item<'_>| {
        if let Item::Frame(frame) = item {
            frames.push(owned(&frame));
        }
        Ok(Flow::Continue)
    };
    for read in reads {
        framer.push(read, &mut sink).unwrap();
    }
    framer.end(&mut sink).unwrap();
    frames
}

fn data(frames: &[Owned]) -> Vec<String> {
    let text = |frame: &Owned| String::from_utf8_lossy(&frame.1).into_owned();
    frames.iter().map(text).collect()
}

#[test]
fn fields_are_read_as_the_standard_says() {
    // Name, stream, data of each event.
    let cases: &[(&str, &[u8], &[&str])] = &[
        ("data without a space", b"data:a\n\n", &["a"]),
        ("only one space is taken", b"data:  a\n\n", &[" a"]),
        (
            "several data lines",
            b"data: a\ndata: b\ndata:\n\n",
            &["a\nb\n"],
        ),
        ("data without a colon", b"data\n\n", &[""]),
        ("an empty data line", b"data:\n\n", &[""]),
        ("two empty data lines", b"data\ndata\n\n", &["\n"]),
        ("no data, no event", b"event: x\n\nid: 1\n\n:c\n\n\n\n", &[]),
        (
            "comments between",
            b":\n: OPENROUTER PROCESSING\n\ndata: a\n:x\ndata: b\n\n",
            &["a\nb"],
        ),
        (
            "unknown fields",
            b"foo: bar\ndatax: a\ndata: b\n Data: c\n\n",
            &["b"],
        ),
        ("a byte order mark", b"\xef\xbb\xbfdata: a\n\n", &["a"]),
        (
            "a second mark is content",
            b"data: a\n\n\xef\xbb\xbfdata: b\n\n",
            &["a"],
        ),
        ("part of a mark is content", b"\xef\xbbdata: a\n\n", &[]),
        (
            "no blank line at the end",
            b"data: a\n\ndata: b\n",
            &["a", "b"],
        ),
        ("no line end at the end", b"data: a\n\ndata: b", &["a", "b"]),
        (
            "CR only, no blank line at the end",
            b"data: a\r\rdata: b\r",
            &["a", "b"],
        ),
        (
            "mixed line ends",
            b"data: a\r\ndata: b\rdata: c\n\r\ndata: d\n\n",
            &["a\nb\nc", "d"],
        ),
        ("a lone CR at the end", b"data: a\n\r", &["a"]),
        ("nothing", b"", &[]),
    ];
    for (name, stream, expected) in cases {
        for at in 0..=stream.len() {
            let (head, tail) = stream.split_at(at);
            assert_eq!(data(&sse(&[head, tail])), *expected, "{name}, cut at {at}");
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(data(&sse(&bytes)), *expected, "{name}, byte by byte");
    }
}

#[test]
fn an_id_lasts_and_one_with_a_nul_is_none() {
    let frames = sse(&[b"id: 1\ndata: a\n\nid: 2\0\ndata: b\n\nid\ndata: c\n\n"]);
    let ids: Vec<&[u8]> = frames.iter().map(|frame| frame.2.as_slice()).collect();
    assert_eq!(ids, [b"1".as_slice(), b"1", b""]);
}

#[test]
fn a_retry_is_digits_only() {
    let mut framer = SseFramer::new(100);
    let mut seen = Vec::new();
    let stream =
        b"data\n\nretry: 1500\ndata\n\nretry: +9\ndata\n\nretry: 99999999999999999999\ndata\n\n";
    let mut sink = |item: Item<'_>| {
        if let Item::Frame(frame) = item {
            seen.push(frame.retry_ms);
        }
        Ok(Flow::Continue)
    };
    framer.push(stream, &mut sink).unwrap();
    assert_eq!(seen, [None, Some(1500), Some(1500), Some(1500)]);
}

#[test]
fn bytes_that_are_no_utf8_pass_through() {
    let frames = sse(&[b"data: \xff\xc3", b"\xa9\n\n"]);
    assert_eq!(frames[0].1, b"\xff\xc3\xa9");
}

#[test]
fn an_event_keeps_its_name_and_the_next_has_none() {
    let frames = sse(&[b"event: error\ndata: a\n\ndata: b\n\nevent: x\nevent: y\ndata: c\n\n"]);
    let events: Vec<&[u8]> = frames.iter().map(|frame| frame.0.as_slice()).collect();
    assert_eq!(events, [b"error".as_slice(), b"", b"y"]);
}

#[test]
fn the_sink_stops_the_framer_at_once() {
    let mut framer = Framer::new(Framing::Sse);
    let mut count = 0;
    let mut sink = |_: Item<'_>| {
        count += 1;
        Ok(if count == 2 {
            Flow::Done
        } else {
            Flow::Continue
        })
    };
    let flow = framer.push(b"data: 1\n\ndata: 2\n\ndata: 3\n\n", &mut sink);
    assert_eq!((flow, count), (Ok(Flow::Done), 2));
}

fn is_too_large(result: Result<Flow, Error>) -> bool {
    matches!(result.unwrap_err().kind, ErrorKind::Network(failure) if failure.kind == NetworkKind::TooLarge)
}

#[test]
fn a_frame_above_the_cap_is_an_error_wherever_it_is_cut() {
    // One long line; many short lines of one event; a long comment.
    let streams: [Vec<u8>; 3] = [
        [b"data: ".as_slice(), &[b'x'; 100], b"\n\n"].concat(),
        b"data: 0123456789\n".repeat(10),
        [b": ".as_slice(), &[b'x'; 100], b"\n"].concat(),
    ];
    for stream in &streams {
        for at in 0..=stream.len() {
            let (head, tail) = stream.split_at(at);
            let mut framer = SseFramer::new(64);
            let mut sink = |_: Item<'_>| Ok(Flow::Continue);
            let first = framer.push(head, &mut sink);
            assert!(
                is_too_large(first.and_then(|_| framer.push(tail, &mut sink))),
                "cut at {at}"
            );
        }
    }
    let mut framer = NdJsonFramer::new(64);
    assert!(is_too_large(framer.push(&[b'1'; 65], &mut |_: Item<
        '_,
    >| Ok(
        Flow::Continue
    ))));
}

#[test]
fn a_frame_of_several_megabytes_passes_in_small_reads() {
    // Quadratic work would need hours: 4 MiB in reads of 7 bytes.
    let size = MAX_FRAME_BYTES / 2;
    let mut stream = b"data: ".to_vec();
    stream.resize(size, b'x');
    stream.extend_from_slice(b"\n\n");
    let mut framer = Framer::new(Framing::Sse);
    let mut seen = Vec::new();
    let mut sink = |item: Item<'_>| {
        if let Item::Frame(frame) = item {
            seen.push(frame.data.len());
        }
        Ok(Flow::Continue)
    };
    for read in stream.chunks(7) {
        framer.push(read, &mut sink).unwrap();
    }
    assert_eq!(seen, [size - 6]);
}
