// Written by `cargo bundle`.
Bundle {
    hash: "6c9e39847d6918af",
    integrity: "sha384-QMsxiwYdqW+CcHzp31klHADVaLErcEl5MYzfgm7mCdIKB45itcTNHCxUlXVXPdK7",
    files: &[
        File { name: "oauth_client-3ab31248557a022b.wasm", hash: "3ab31248557a022b", plain: include_bytes!("oauth_client-3ab31248557a022b.wasm"), gzip: include_bytes!("oauth_client-3ab31248557a022b.wasm.gz"), brotli: include_bytes!("oauth_client-3ab31248557a022b.wasm.br") },
        File { name: "oauth_client.d.ts", hash: "d7bd3eb1e39338ca", plain: include_bytes!("oauth_client.d.ts"), gzip: include_bytes!("oauth_client.d.ts.gz"), brotli: include_bytes!("oauth_client.d.ts.br") },
        File { name: "oauth_client.js", hash: "6c9e39847d6918af", plain: include_bytes!("oauth_client.js"), gzip: include_bytes!("oauth_client.js.gz"), brotli: include_bytes!("oauth_client.js.br") },
        File { name: "oauth_form.js", hash: "0591f008c91a067d", plain: include_bytes!("oauth_form.js"), gzip: include_bytes!("oauth_form.js.gz"), brotli: include_bytes!("oauth_form.js.br") },
    ],
}
