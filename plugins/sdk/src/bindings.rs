//! What `wit-bindgen` makes of `wit/`. The same types serve wasm and native builds; natively the
//! host's functions are stubs that must not be called, so only the `guest` module calls them.

wit_bindgen::generate!({
    path: ["../../wit/types", "../../wit/host", "../../wit/provider"],
    // The world with the optional export: a provider that cannot count says `unsupported`.
    world: "valechat:provider/counting-provider-plugin",
    generate_all,
    pub_export_macro: true,
    export_macro_name: "export",
    default_bindings_module: "vale_sdk::bindings",
    additional_derives: [Clone, PartialEq],
    // It holds a stream and a future.
    additional_derives_ignore: ["response"],
});
