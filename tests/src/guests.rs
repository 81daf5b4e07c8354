//! Where the components of `tests/guests` lie.

use std::path::PathBuf;

/// The bytes of a component of `tests/guests`, by its example's name.
///
/// # Panics
/// When it is not built; the sentence says how to build it.
#[must_use]
pub fn guest(name: &str) -> Vec<u8> {
    let path = folder().join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!(
            "the test component {} cannot be read ({error}); run `cargo xtask test`, or `cargo \
             xtask plugins --test-guests` once, to build it",
            path.display()
        )
    })
}

/// `VALECHAT_TEST_GUESTS`, or `test-guests` in the build folder that this test was built into.
fn folder() -> PathBuf {
    if let Some(folder) = std::env::var_os("VALECHAT_TEST_GUESTS") {
        return folder.into();
    }
    let test = std::env::current_exe().unwrap();
    // <target>/debug/deps/<test>
    test.ancestors().nth(3).unwrap().join("test-guests")
}
