//! Computes for ever, in whatever it is asked to do.

use vale_test_guests::{Out, Request, Script, guest};

struct Spin;

impl Script for Spin {
    fn before(model: &str) {
        if model != "after-text" {
            spin();
        }
    }

    async fn answer(_request: Request, mut out: Out) {
        out.text("before the spin").await;
        spin();
    }
}

fn spin() -> ! {
    let mut n: u32 = 1;
    loop {
        // Without the fence the loop could be computed at build time.
        n = std::hint::black_box(n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    }
}

guest!(Spin);
