// Written by `cargo bundle`.
Bundle {
    hash: "b1f061c8b2913515",
    integrity: "sha384-PfIYNfutqnKTlYlmuoboshsapxeJszgz5/QNdoYhEz5hjs1LBDTjix4BKzxTCHUa",
    files: &[
        File { name: "oauth_client-3a3ca45bcef7f60b.wasm", hash: "3a3ca45bcef7f60b", plain: include_bytes!("oauth_client-3a3ca45bcef7f60b.wasm"), gzip: include_bytes!("oauth_client-3a3ca45bcef7f60b.wasm.gz"), brotli: include_bytes!("oauth_client-3a3ca45bcef7f60b.wasm.br") },
        File { name: "oauth_client.d.ts", hash: "38b908b3aa01cbb5", plain: include_bytes!("oauth_client.d.ts"), gzip: include_bytes!("oauth_client.d.ts.gz"), brotli: include_bytes!("oauth_client.d.ts.br") },
        File { name: "oauth_client.js", hash: "b1f061c8b2913515", plain: include_bytes!("oauth_client.js"), gzip: include_bytes!("oauth_client.js.gz"), brotli: include_bytes!("oauth_client.js.br") },
        File { name: "oauth_form.js", hash: "cbca1d3d36ae1b89", plain: include_bytes!("oauth_form.js"), gzip: include_bytes!("oauth_form.js.gz"), brotli: include_bytes!("oauth_form.js.br") },
    ],
}
