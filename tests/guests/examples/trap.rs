//! Traps: by `panic`, `unreachable`, `bad-access` or `stack` overflow.

use vale_test_guests::{Out, Request, Script, guest};

struct Trap;

impl Script for Trap {
    fn before(model: &str) {
        if model == "describe" || model == "at-once" {
            panic!("on purpose");
        }
    }

    async fn answer(request: Request, mut out: Out) {
        out.text("before the trap").await;
        match request.model.as_str() {
            "unreachable" => unreachable(),
            "bad-access" => bad_access(),
            "stack" => drop(deep(1)),
            _ => panic!("on purpose"),
        }
    }
}

#[cfg(target_arch = "wasm32")]
fn unreachable() {
    core::arch::wasm32::unreachable()
}

#[cfg(not(target_arch = "wasm32"))]
fn unreachable() {}

#[expect(unsafe_code, reason = "a wild read is the point")]
fn bad_access() {
    let wild = std::hint::black_box(0xffff_fff0_usize) as *const u8;
    // SAFETY: none, and none needed: in wasm a read beyond the memory traps.
    std::hint::black_box(unsafe { wild.read_volatile() });
}

fn deep(n: u64) -> u64 {
    if std::hint::black_box(n) == 0 {
        return 0;
    }
    std::hint::black_box(deep(std::hint::black_box(n + 1))) + 1
}

guest!(Trap);
