//! Says back what it is told, reports usage, finishes.

use vale_test_guests::{Event, Out, Request, Script, finished, guest, texts, usage};

struct Honest;

impl Script for Honest {
    async fn answer(request: Request, mut out: Out) {
        let texts = texts(&request);
        let words = u64::try_from(texts.len()).unwrap_or(u64::MAX);
        out.send(texts.into_iter().map(Event::Text).collect()).await;
        out.send(vec![Event::Usage(usage(words, words))]).await;
        drop(out.events);
        drop(
            out.terminal
                .write(Ok(finished(Some(usage(words, words)))))
                .await,
        );
    }
}

guest!(Honest);
