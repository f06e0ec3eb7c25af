// Written by `cargo bundle`.
Bundle {
    hash: "c06af328b884179c",
    integrity: "sha384-1fM7l2jeG+wYJ5sjrPLZJ5rRvvBirE8c5rnoRKziPqb7FDNsFq5kAIWUmutMvaFS",
    files: &[
        File { name: "oauth_client-a8fbb7154cd437c3.wasm", hash: "a8fbb7154cd437c3", plain: include_bytes!("oauth_client-a8fbb7154cd437c3.wasm"), gzip: include_bytes!("oauth_client-a8fbb7154cd437c3.wasm.gz"), brotli: include_bytes!("oauth_client-a8fbb7154cd437c3.wasm.br") },
        File { name: "oauth_client.d.ts", hash: "40739cb7221a1d3f", plain: include_bytes!("oauth_client.d.ts"), gzip: include_bytes!("oauth_client.d.ts.gz"), brotli: include_bytes!("oauth_client.d.ts.br") },
        File { name: "oauth_client.js", hash: "c06af328b884179c", plain: include_bytes!("oauth_client.js"), gzip: include_bytes!("oauth_client.js.gz"), brotli: include_bytes!("oauth_client.js.br") },
        File { name: "oauth_form.js", hash: "0591f008c91a067d", plain: include_bytes!("oauth_form.js"), gzip: include_bytes!("oauth_form.js.gz"), brotli: include_bytes!("oauth_form.js.br") },
    ],
}
