//! What `wit-bindgen` makes of `wit/`.

wit_bindgen::generate!({
    path: ["../../wit/types", "../../wit/host", "../../wit/provider"],
    world: "valechat:provider/provider-plugin",
    generate_all,
    pub_export_macro: true,
    export_macro_name: "export",
    default_bindings_module: "vale_test_guests::bindings",
});
