//! The real model file for unit tests, opened once.

use std::{path::PathBuf, sync::LazyLock};

use crate::{gguf::Gguf, tokenizer::Tokenizer};

/// Where the test model is: `VALECHAT_TEST_MODEL`, or the cache folder that xtask fills.
pub(crate) fn model_path() -> PathBuf {
    let path = std::env::var_os("VALECHAT_TEST_MODEL").map_or_else(
        || {
            let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(
                || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache"),
                PathBuf::from,
            );
            cache.join("valechat/models/SmolLM2-135M-Instruct.Q4_1.gguf")
        },
        PathBuf::from,
    );
    assert!(
        path.is_file(),
        "The test model {} is missing. Run `cargo xtask test`, which fetches it.",
        path.display()
    );
    path
}

/// The header of the test model.
pub(crate) fn gguf() -> Gguf {
    Gguf::open(&model_path()).expect("the test model opens")
}

/// The tokenizer of the test model.
pub(crate) fn tokenizer() -> &'static Tokenizer {
    static TOKENIZER: LazyLock<Tokenizer> =
        LazyLock::new(|| Tokenizer::from_gguf(&mut gguf()).expect("the tokenizer builds"));
    &TOKENIZER
}
