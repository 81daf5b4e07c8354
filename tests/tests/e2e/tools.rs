//! Tools as a person calls them: the two that come along, and a stranger's.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;

use serde_json::Value;
use vale_tests::guest;
use vale_tests::packages::packed_in;

use crate::support::{Profile, Said, needed};

fn call(profile: &Profile, tool: &str, arguments: &[&str]) -> Said {
    let mut all = vec!["tool", "call", tool];
    all.extend_from_slice(arguments);
    profile.run(&all)
}

#[test]
fn what_comes_along_is_listed_shown_and_works() {
    let profile = Profile::new();
    let said = profile.run(&["tool", "list"]);
    for tool in [
        "calculator/calculate",
        "calculator/convert",
        "calculator/date",
        "fetch/fetch",
    ] {
        assert!(said.out.contains(tool), "{said:?}");
    }
    let said = profile.run(&["tool", "show", "calculator/convert"]);
    assert!(
        said.out.contains("required") && said.out.contains("from"),
        "{said:?}"
    );

    let said = call(&profile, "calculator/calculate", &["expression=0.1 + 0.2"]);
    assert_eq!((said.code, said.out.trim()), (Some(0), "0.3"), "{said:?}");
    let said = call(
        &profile,
        "calculator/convert",
        &["--args", r#"{"value": "1", "from": "mi", "to": "km"}"#],
    );
    assert!(said.out.contains("1.609344"), "{said:?}");

    // The tool ran and failed; it did not run; there is no such tool.
    let said = call(&profile, "calculator/calculate", &["expression=1/0"]);
    assert!(
        said.code == Some(1) && said.out.contains("zero"),
        "{said:?}"
    );
    let said = call(&profile, "calculator", &["expression=1"]);
    assert!(
        said.code == Some(2) && said.err.contains("calculator/convert"),
        "{said:?}"
    );
    let said = call(&profile, "calculator/launch", &[]);
    assert!(
        said.code == Some(2) && said.err.contains("calculator/date"),
        "{said:?}"
    );
    let said = call(&profile, "openai/x", &[]);
    assert!(
        said.code == Some(2) && said.err.contains("provider"),
        "{said:?}"
    );
    let said = call(&profile, "calculator/calculate", &["--args", "[1]"]);
    assert!(
        said.code == Some(2) && said.err.contains("JSON object"),
        "{said:?}"
    );
}

#[test]
fn a_tool_that_is_switched_off_says_so_and_the_tree_shows_the_others() {
    let profile = Profile::new();
    assert_eq!(
        profile.run(&["plugin", "disable", "calculator"]).code,
        Some(0)
    );
    let said = call(&profile, "calculator/calculate", &["expression=1"]);
    assert!(
        said.code == Some(3) && said.err.contains("plugin enable calculator"),
        "{said:?}"
    );
    let said = profile.run(&["status"]);
    assert!(said.out.contains("fetch"), "{said:?}");
}

/// A page, once for each request.
fn site() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let _ = socket.read(&mut request);
            let body = "<html><head><title>Tides</title><script>evil()</script></head>\
                <body><h1>Tides</h1><p>Twice a day.</p></body></html>";
            let _ = write!(
                socket,
                "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
        }
    });
    format!("http://{address}")
}

#[test]
fn a_page_comes_as_text_and_marked_from_granted_places_only() {
    let profile = Profile::new();
    let site = site();
    let said = call(&profile, "fetch/fetch", &[&format!("url={site}/tides")]);
    assert_ne!(said.code, Some(0), "nobody agreed to this place: {said:?}");
    profile.configure(&format!(
        "[plugins.fetch]\nsettings = {{ sites = [\"{site}\"] }}\ngrant = {{ local_server = \"{site}\" }}\n"
    ));
    let said = profile.run(&[
        "tool",
        "call",
        "fetch/fetch",
        "--json",
        &format!("url={site}/tides"),
    ]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let outcome: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(outcome["is_untrusted"], true);
    assert!(
        said.out.contains("Twice a day") && !said.out.contains("evil()"),
        "{said:?}"
    );
    let elsewhere = call(&profile, "fetch/fetch", &["url=https://example.com/"]);
    assert_ne!(elsewhere.code, Some(0), "{elsewhere:?}");
}

fn tool_manifest(id: &str) -> String {
    format!(
        "id = \"{id}\"\nname = \"Test\"\nversion = \"1.0.0\"\nworld = \"valechat:tool/tool-plugin@0.1.0\"\n"
    )
}

fn install(profile: &Profile, id: &str) {
    let path = packed_in(
        profile.path(),
        &format!("{id}.wasm"),
        &guest("tool"),
        &tool_manifest(id),
    );
    let said = profile.run(&["plugin", "install", path.to_str().unwrap(), "--yes"]);
    assert_eq!(said.code, Some(0), "{said:?}");
}

fn kept(home: &Path, id: &str) -> bool {
    home.join("state/plugins")
        .join(id)
        .join("kv.json")
        .is_file()
}

#[test]
fn what_a_tool_keeps_is_its_own_lives_on_and_ends_with_it() {
    let profile = Profile::new();
    install(&profile, "org.example.one");
    install(&profile, "org.example.two");
    let count = |id: &str| {
        let said = call(&profile, &format!("{id}/count"), &["key=visits"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        said.out.trim().to_owned()
    };
    // Each call is a process of its own.
    assert_eq!(
        [count("org.example.one"), count("org.example.one")],
        ["1", "2"]
    );
    assert_eq!(
        count("org.example.two"),
        "1",
        "another plugin's notes are not its"
    );
    assert!(kept(profile.path(), "org.example.one"));
    let said = profile.run(&["plugin", "remove", "org.example.one", "--yes"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(!kept(profile.path(), "org.example.one"));
    install(&profile, "org.example.one");
    assert_eq!(count("org.example.one"), "1");
    assert_eq!(count("org.example.two"), "2");
    assert!(needed("VALECHAT_BIN").is_file());
}
