//! What a model can take and do, one by one: unknown is not no.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vale_types::Capabilities;

use super::Sourced;

/// One thing that a model can take or do; `vale_types::Capabilities` says what each means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(
    missing_docs,
    reason = "the names are those of vale_types::Capabilities"
)]
pub enum Capability {
    ImagesIn,
    FilesIn,
    AudioIn,
    Tools,
    ParallelTools,
    Thinking,
    JsonSchema,
    PromptCache,
    SystemRole,
}

/// What is known; a capability that is not in it is unknown.
pub type CapabilityMap = BTreeMap<Capability, Sourced<bool>>;

impl Capability {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::ImagesIn,
        Self::FilesIn,
        Self::AudioIn,
        Self::Tools,
        Self::ParallelTools,
        Self::Thinking,
        Self::JsonSchema,
        Self::PromptCache,
        Self::SystemRole,
    ];

    /// What a provider's report says of it.
    #[must_use]
    pub fn of(self, reported: &Capabilities) -> bool {
        match self {
            Self::ImagesIn => reported.images_in,
            Self::FilesIn => reported.files_in,
            Self::AudioIn => reported.audio_in,
            Self::Tools => reported.tools,
            Self::ParallelTools => reported.parallel_tools,
            Self::Thinking => reported.thinking,
            Self::JsonSchema => reported.json_schema,
            Self::PromptCache => reported.prompt_cache,
            Self::SystemRole => reported.system_role,
        }
    }
}
