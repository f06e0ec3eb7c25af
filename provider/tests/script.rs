//! The browser client as it is served.

use axum::body::Body;
use countersign_protocol::ClientId;
use countersign_provider::{Endpoint, Paths};
use http::{HeaderName, Request};

use crate::harness::{Answer, ISSUER, Op};

async fn ask(op: &Op, path: &str, headers: &[(HeaderName, &str)]) -> Answer {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    op.send(request.body(Body::empty()).unwrap()).await
}

/// The name of the WebAssembly that the module loads.
fn wasm_of(module: &str) -> &str {
    let start = module.find("oauth_client-").unwrap();
    let end = start + module[start..].find(".wasm").unwrap() + ".wasm".len();
    &module[start..end]
}

/// Seed S0: the script endpoint serves `/js/oauth_client.js`, with its `.wasm` beside it.
#[tokio::test]
async fn seed_the_script_and_all_that_belongs_to_it_is_served_for_any_page() {
    let op = Op::start().await;
    let module = ask(&op, "/js/oauth_client.js", &[]).await;
    let wasm = format!("/js/{}", wasm_of(&module.body));
    for (path, media_type, caching) in [
        ("/js/oauth_client.js", "text/javascript; charset=utf-8", "public, max-age=300"),
        ("/js/oauth_form.js", "text/javascript; charset=utf-8", "public, max-age=300"),
        ("/js/oauth_client.d.ts", "text/plain; charset=utf-8", "public, max-age=300"),
        ("/js/oauth_client.json", "application/json", "public, max-age=300"),
        (&wasm, "application/wasm", "public, max-age=31536000, immutable"),
    ] {
        let answer = ask(&op, path, &[]).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), Some(media_type), "{path}");
        assert_eq!(answer.header("cache-control"), Some(caching), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("cross-origin"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert!(!answer.body.is_empty(), "{path}");
    }
}

#[tokio::test]
async fn who_has_a_file_is_told_so_in_its_own_coding() {
    let op = Op::start().await;
    let mut tags = Vec::new();
    for (accepted, coding) in [
        ("identity", None),
        ("gzip, deflate", Some("gzip")),
        ("gzip, deflate, br, zstd", Some("br")),
        ("br;q=0, gzip;q=0.1", Some("gzip")),
    ] {
        let accepted = (http::header::ACCEPT_ENCODING, accepted);
        let answer = ask(&op, "/js/oauth_client.js", std::slice::from_ref(&accepted)).await;
        assert_eq!(answer.header("content-encoding"), coding);
        assert_eq!(answer.header("vary"), Some("accept-encoding"));
        let tag = answer.header("etag").unwrap().to_owned();
        let known = [accepted, (http::header::IF_NONE_MATCH, &tag)];
        let again = ask(&op, "/js/oauth_client.js", &known).await;
        assert_eq!((again.status.as_u16(), again.body.as_str()), (304, ""));
        assert_eq!(again.header("etag"), Some(tag.as_str()));
        tags.push(tag);
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 3, "a tag for each coding: {tags:?}");
}

/// B5: the path to pin never changes, and the document beside it does.
#[tokio::test]
async fn a_bundle_is_pinned_by_its_hash() {
    let op = Op::start().await;
    let document = ask(&op, "/js/oauth_client.json", &[]).await.json();
    assert_eq!(document["issuer"], ISSUER);
    let pinned = document["countersign_module"].as_str().unwrap();
    let pinned = pinned.strip_prefix(ISSUER).unwrap();
    let module = ask(&op, pinned, &[]).await;
    assert_eq!(module.status, 200);
    assert_eq!(module.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(module.body, ask(&op, "/js/oauth_client.js", &[]).await.body);
    assert!(document["countersign_integrity"].as_str().unwrap().starts_with("sha384-"));
    let folder = pinned.strip_suffix("oauth_client.js").unwrap();
    let wasm = ask(&op, &format!("{folder}{}", wasm_of(&module.body)), &[]).await;
    assert_eq!(wasm.status, 200);
    let beside = ask(&op, &format!("{folder}oauth_client.json"), &[]).await;
    assert_eq!(beside.json(), document);
    assert_eq!(beside.header("cache-control"), Some("public, max-age=300"));
}

/// Seed S0: mountable anywhere, or switched off.
#[tokio::test]
async fn seed_the_script_is_mounted_anywhere() {
    let paths = Paths::default().mount(Endpoint::Script, "/static/sign-in.js");
    let op = Op::with(|builder| builder.paths(paths)).await;
    let module = ask(&op, "/static/sign-in.js", &[]).await;
    assert_eq!(module.status, 200);
    for name in [wasm_of(&module.body), "oauth_client.json", "oauth_client.js", "oauth_form.js"] {
        assert_eq!(ask(&op, &format!("/static/{name}"), &[]).await.status, 200, "{name}");
    }
    assert_eq!(ask(&op, "/js/oauth_client.js", &[]).await.status, 404);

    let off = Paths::default().without(Endpoint::Script);
    let op = Op::with(|builder| builder.paths(off)).await;
    assert_eq!(ask(&op, "/js/oauth_client.js", &[]).await.status, 404);
    assert_eq!(ask(&op, "/js/oauth_client.json", &[]).await.status, 404);
}

/// Seed S0: the client of a form that names none is the provider's to say.
#[tokio::test]
async fn seed_the_document_names_the_client_of_forms() {
    let op = Op::start().await;
    let document = ask(&op, "/js/oauth_client.json", &[]).await.json();
    assert!(document.get("countersign_form_client").is_none());
    let client = ClientId::new("pub").unwrap();
    let op = Op::with(|builder| builder.form_client(client)).await;
    let document = ask(&op, "/js/oauth_client.json", &[]).await.json();
    assert_eq!(document["countersign_form_client"], "pub");
}
