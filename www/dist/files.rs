// Written by `cargo bundle`.
Bundle {
    hash: "b1419aff68b14b7c",
    integrity: "sha384-YCo+BHU7dJVqRhIvPRzkOYTrhdCekzavxePGp6GjHjgsBoBQcu+0DK5M1ksVNOIQ",
    files: &[
        File { name: "oauth_client-a8fbb7154cd437c3.wasm", hash: "a8fbb7154cd437c3", plain: include_bytes!("oauth_client-a8fbb7154cd437c3.wasm"), gzip: include_bytes!("oauth_client-a8fbb7154cd437c3.wasm.gz"), brotli: include_bytes!("oauth_client-a8fbb7154cd437c3.wasm.br") },
        File { name: "oauth_client.d.ts", hash: "40739cb7221a1d3f", plain: include_bytes!("oauth_client.d.ts"), gzip: include_bytes!("oauth_client.d.ts.gz"), brotli: include_bytes!("oauth_client.d.ts.br") },
        File { name: "oauth_client.js", hash: "b1419aff68b14b7c", plain: include_bytes!("oauth_client.js"), gzip: include_bytes!("oauth_client.js.gz"), brotli: include_bytes!("oauth_client.js.br") },
        File { name: "oauth_form.js", hash: "0591f008c91a067d", plain: include_bytes!("oauth_form.js"), gzip: include_bytes!("oauth_form.js.gz"), brotli: include_bytes!("oauth_form.js.br") },
    ],
}
