//! What `wit-bindgen` makes of the tool world. Types and host functions that providers have too are
//! the very ones of [`crate::bindings`], so that a message is one type in both worlds; only `kv`,
//! `blobs` and the export are new. A component imports what its code calls: nothing of this is in
//! a provider, and `xtask` checks every component against its world.

wit_bindgen::generate!({
    path: ["../../wit/types", "../../wit/host", "../../wit/tool"],
    world: "valechat:tool/tool-plugin",
    with: {
        "valechat:types/common@0.1.0": crate::bindings::valechat::types::common,
        "valechat:types/errors@0.1.0": crate::bindings::valechat::types::errors,
        "valechat:types/chat@0.1.0": crate::bindings::valechat::types::chat,
        "valechat:host/log@0.1.0": crate::bindings::valechat::host::log,
        "valechat:host/config@0.1.0": crate::bindings::valechat::host::config,
        "valechat:host/clock@0.1.0": crate::bindings::valechat::host::clock,
        "valechat:host/random@0.1.0": crate::bindings::valechat::host::random,
        "valechat:host/http@0.1.0": crate::bindings::valechat::host::http,
        "valechat:host/kv@0.1.0": generate,
        "valechat:host/blobs@0.1.0": generate,
    },
    pub_export_macro: true,
    export_macro_name: "export",
    default_bindings_module: "vale_sdk::tool::bindings",
    additional_derives: [Clone, PartialEq],
});
