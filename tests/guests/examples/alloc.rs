//! Takes memory for ever: by `heap` (and touches it), by `grow` (the bare instruction), or the host's
//! own by `hoard`: requests whose answers it never reads.

use vale_test_guests::{Out, Request, Script, guest, http};

struct Alloc;

impl Script for Alloc {
    async fn answer(request: Request, mut out: Out) {
        out.text("before the memory").await;
        match request.model.as_str() {
            "heap" => heap(),
            "grow" => grow(),
            "hoard" => hoard(),
            other => panic!("unknown misdeed {other}"),
        }
        out.finish().await;
    }
}

fn heap() {
    let mut kept = Vec::new();
    loop {
        kept.push(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
}

fn hoard() {
    let request = http::Request {
        method: http::Method::Post,
        url: "https://nowhere.example/".to_owned(),
        headers: Vec::new(),
        body: vec![http::BodyPart::Bytes(vec![1; 8 << 20])],
        extras: Vec::new(),
    };
    let mut kept = Vec::new();
    loop {
        kept.push(http::send(&request));
    }
}

#[cfg(target_arch = "wasm32")]
fn grow() {
    // The answer to a refusal is −1; a host that says so instead of ending the call would let
    // this go on for ever.
    loop {
        core::arch::wasm32::memory_grow::<0>(16);
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn grow() {}

guest!(Alloc);
