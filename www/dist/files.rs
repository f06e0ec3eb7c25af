// Written by `cargo bundle`.
Bundle {
    hash: "529095655aeab9e9",
    integrity: "sha384-wi6wm67iPjZAqI3aheZUk3e8Tn6DX/owKWE8GRlBzDVso4b7Ko5J8tx9xhYRQ5le",
    files: &[
        File { name: "oauth_client-7945d74de5f61919.wasm", hash: "7945d74de5f61919", plain: include_bytes!("oauth_client-7945d74de5f61919.wasm"), gzip: include_bytes!("oauth_client-7945d74de5f61919.wasm.gz"), brotli: include_bytes!("oauth_client-7945d74de5f61919.wasm.br") },
        File { name: "oauth_client.d.ts", hash: "d7bd3eb1e39338ca", plain: include_bytes!("oauth_client.d.ts"), gzip: include_bytes!("oauth_client.d.ts.gz"), brotli: include_bytes!("oauth_client.d.ts.br") },
        File { name: "oauth_client.js", hash: "529095655aeab9e9", plain: include_bytes!("oauth_client.js"), gzip: include_bytes!("oauth_client.js.gz"), brotli: include_bytes!("oauth_client.js.br") },
        File { name: "oauth_form.js", hash: "0591f008c91a067d", plain: include_bytes!("oauth_form.js"), gzip: include_bytes!("oauth_form.js.gz"), brotli: include_bytes!("oauth_form.js.br") },
    ],
}
