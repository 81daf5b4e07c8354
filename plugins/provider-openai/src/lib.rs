//! OpenAI at any base URL, as a component. What it does is `openai-wire`'s.

pub use openai_wire::*;

vale_sdk::export_provider!(OpenAi);
