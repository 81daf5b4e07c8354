//! A million messages: building the index, what it weighs, how long a search and a commit take.
//!
//! `cargo run --release -p vale-search --example search_bench -- [messages] [folder]`
//!
//! The words are made up (a Zipf distribution over 130,000 of them, one message in twenty in Han
//! characters, one word in sixty an identifier), from a fixed seed: two runs index the same text.
#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use vale_search::{Change, Filters, Index, Mode, Position, Query, Recent, Writer, snippet};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

mod texts;

use texts::Texts;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let messages: u64 = arguments.next().unwrap_or("1000000".to_owned()).parse()?;
    let kept = tempfile::tempdir()?;
    let folder = arguments
        .next()
        .map_or_else(|| kept.path().to_owned(), PathBuf::from);
    println!("load {}", load());
    let mut texts = Texts::new();
    let opened = Index::open(&folder, 1)?;
    println!("memory before {} MB", resident());
    if let Position::Fresh(why) = &opened.position {
        println!("{why}");
        build(&opened.index, &mut texts, messages)?;
    }
    drop(opened);
    println!("{} bytes a message on disk", size(&folder)? / messages);
    let opening = Instant::now();
    let index = Index::open(&folder, 1)?.index;
    println!("open {:?}, {} messages", opening.elapsed(), index.len());
    searches(&index, &mut texts)?;
    let checking = Instant::now();
    index.validate_checksum()?;
    println!("checksums {:?}", checking.elapsed());
    commits(&index, &mut texts, messages)?;
    println!("load {}", load());
    Ok(())
}

fn build(index: &Index, texts: &mut Texts, messages: u64) -> Result<()> {
    let mut writer = index.writer()?;
    let (started, cpu) = (Instant::now(), processor());
    let (mut bytes, mut making) = (0, Duration::ZERO);
    for ord in 1..=messages {
        let before = Instant::now();
        let doc = texts.doc(ord);
        making += before.elapsed();
        bytes += doc.text.len();
        writer.apply(&[(ord, Change::Put(doc))])?;
        if ord % 50_000 == 0 {
            writer.commit()?;
        }
    }
    writer.commit()?;
    println!("memory while building {} MB", resident());
    writer.close()?;
    println!(
        "build {:.1} s wall, {:.1} s of processor, of which {:.1} s making {} bytes of text a message",
        started.elapsed().as_secs_f64(),
        (processor() - cpu).as_secs_f64(),
        making.as_secs_f64(),
        bytes as u64 / messages,
    );
    Ok(())
}

fn searches(index: &Index, texts: &mut Texts) -> Result<()> {
    let mut waiting = Recent::new();
    let start = 1 << 40;
    for ord in start..start + 500 {
        let doc = texts.doc(ord);
        waiting.push(ord, Change::Put(doc));
    }
    let assistant = Filters {
        role: Some("assistant".to_owned()),
        ..Filters::default()
    };
    let folder = Filters {
        conversations: Some((0..500_u128).map(|n| (n * 7).to_be_bytes()).collect()),
        ..Filters::default()
    };
    let month = Filters {
        from_ms: Some(1_700_000_000_000 + 30_000 * 60_000),
        to_ms: Some(1_700_000_000_000 + 90_000 * 60_000),
        ..Filters::default()
    };
    let none = Filters::default;
    let quick = Recent::new();
    type Words = fn(&mut Texts) -> String;
    let common: Words = |texts| texts.near(20);
    let middling: Words = |texts| texts.near(2_000);
    let two: Words = |texts| format!("{} {}", texts.near(30), texts.near(300));
    let phrase: Words = |texts| format!("\"{} {}\"", texts.near(10), texts.near(20));
    let three: Words = |texts| texts.near(5_000).chars().take(3).collect();
    let five: Words = |texts| texts.near(5_000).chars().take(5).collect();
    let han: Words = |texts| String::from_iter([texts.han(), texts.han()]);
    let han1: Words = |texts| texts.han().to_string();
    let han3: Words = |texts| String::from_iter([texts.han(), texts.han(), texts.han()]);
    let not: Words = |texts| format!("{} -{}", texts.near(200), texts.near(20));
    let cases: [(&str, Words, Mode, bool, Filters, &Recent); 17] = [
        (
            "common word, ranked",
            common,
            Mode::Ranked,
            false,
            none(),
            &quick,
        ),
        (
            "common word, newest",
            common,
            Mode::Newest,
            false,
            none(),
            &quick,
        ),
        (
            "middling word, ranked",
            middling,
            Mode::Ranked,
            false,
            none(),
            &quick,
        ),
        (
            "middling word, newest",
            middling,
            Mode::Newest,
            false,
            none(),
            &quick,
        ),
        (
            "two words, ranked",
            two,
            Mode::Ranked,
            false,
            none(),
            &quick,
        ),
        (
            "phrase of two common, ranked",
            phrase,
            Mode::Ranked,
            false,
            none(),
            &quick,
        ),
        (
            "beginning of 3, ranked",
            three,
            Mode::Ranked,
            true,
            none(),
            &quick,
        ),
        (
            "beginning of 3, newest",
            three,
            Mode::Newest,
            true,
            none(),
            &quick,
        ),
        (
            "beginning of 5, ranked",
            five,
            Mode::Ranked,
            true,
            none(),
            &quick,
        ),
        (
            "one without another, ranked",
            not,
            Mode::Ranked,
            false,
            none(),
            &quick,
        ),
        (
            "one Han character, ranked",
            han1,
            Mode::Ranked,
            false,
            none(),
            &quick,
        ),
        (
            "two Han characters, ranked",
            han,
            Mode::Ranked,
            false,
            none(),
            &quick,
        ),
        (
            "three Han characters, ranked",
            han3,
            Mode::Ranked,
            false,
            none(),
            &quick,
        ),
        (
            "common word, one role, ranked",
            common,
            Mode::Ranked,
            false,
            assistant,
            &quick,
        ),
        (
            "common word, 500 conversations",
            common,
            Mode::Ranked,
            false,
            folder,
            &quick,
        ),
        (
            "common word, 6 weeks, newest",
            common,
            Mode::Newest,
            false,
            month,
            &quick,
        ),
        (
            "common word, 500 waiting, ranked",
            common,
            Mode::Ranked,
            false,
            none(),
            &waiting,
        ),
    ];
    for (name, words, mode, prefix_last, filters, recent) in cases {
        let mut times = Vec::new();
        let mut found = 0;
        let cpu = processor();
        for _ in 0..200 {
            let query = Query {
                mode,
                prefix_last,
                filters: filters.clone(),
                ..Query::new(words(texts))
            };
            let before = Instant::now();
            let hits = index.search(&query, recent)?;
            times.push(before.elapsed());
            found += hits.hits.len();
        }
        println!(
            "{name:<34} {}  processor, mean {:>6.2} ms  {:>4.1} hits of 20",
            quantiles(&mut times),
            // The system counts in 10 ms, over 200 searches.
            (processor() - cpu).as_secs_f64() * 5.0,
            found as f64 / 200.0
        );
    }
    let mut times = Vec::new();
    for _ in 0..100 {
        let found: Vec<String> = (0..20).map(|_| texts.text()).collect();
        let query = Query::new(texts.near(5));
        let before = Instant::now();
        for text in &found {
            snippet(text, &query);
        }
        times.push(before.elapsed());
    }
    println!("{:<34} {}", "20 snippets", quantiles(&mut times));
    println!("memory after searching {} MB", resident());
    Ok(())
}

fn commits(index: &Index, texts: &mut Texts, messages: u64) -> Result<()> {
    let opening = Instant::now();
    let mut writer = index.writer()?;
    println!("writer opened in {:?}", opening.elapsed());
    let mut ord = messages;
    for count in [1, 100, 500] {
        let mut times = Vec::new();
        for _ in 0..20 {
            times.push(commit(&mut writer, texts, &mut ord, count)?);
        }
        println!(
            "{:<34} {}",
            format!("add {count} and commit"),
            quantiles(&mut times)
        );
    }
    println!("memory with the writer {} MB", resident());
    writer.close()?;
    Ok(())
}

fn commit(writer: &mut Writer, texts: &mut Texts, ord: &mut u64, count: u64) -> Result<Duration> {
    let changes: Vec<_> = (*ord + 1..=*ord + count)
        .map(|ord| (ord, Change::Put(texts.doc(ord))))
        .collect();
    *ord += count;
    let before = Instant::now();
    writer.apply(&changes)?;
    writer.commit()?;
    Ok(before.elapsed())
}

fn quantiles(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |share: f64| {
        let place = (times.len() as f64 * share) as usize;
        let time = times.get(place.min(times.len().saturating_sub(1)));
        time.map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
    };
    format!("p50 {:>7.2} ms  p99 {:>7.2} ms", at(0.5), at(0.99))
}

fn size(folder: &std::path::Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let data = entry.metadata()?;
        bytes += if data.is_dir() {
            size(&entry.path())?
        } else {
            data.len()
        };
    }
    Ok(bytes)
}

/// Anonymous memory in MB; 0 where the system does not tell.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

/// The processor time of all threads so far; 0 where the system does not tell.
fn processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks: u64 = fields
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

fn load() -> String {
    std::fs::read_to_string("/proc/loadavg")
        .unwrap_or_default()
        .trim()
        .to_owned()
}
