// Written by `cargo bundle`.
Bundle {
    hash: "8ac1851e98b5960f",
    integrity: "sha384-M+ohlep4r83WsE7E5HGJj/YmcY5Ys3ivi3mNDXQeeecFpxHMHOVqq55QaJP8jQst",
    files: &[
        File { name: "oauth_client-9b6fcbb713d2de32.wasm", hash: "9b6fcbb713d2de32", plain: include_bytes!("oauth_client-9b6fcbb713d2de32.wasm"), gzip: include_bytes!("oauth_client-9b6fcbb713d2de32.wasm.gz"), brotli: include_bytes!("oauth_client-9b6fcbb713d2de32.wasm.br") },
        File { name: "oauth_client.d.ts", hash: "d7bd3eb1e39338ca", plain: include_bytes!("oauth_client.d.ts"), gzip: include_bytes!("oauth_client.d.ts.gz"), brotli: include_bytes!("oauth_client.d.ts.br") },
        File { name: "oauth_client.js", hash: "8ac1851e98b5960f", plain: include_bytes!("oauth_client.js"), gzip: include_bytes!("oauth_client.js.gz"), brotli: include_bytes!("oauth_client.js.br") },
        File { name: "oauth_form.js", hash: "0591f008c91a067d", plain: include_bytes!("oauth_form.js"), gzip: include_bytes!("oauth_form.js.gz"), brotli: include_bytes!("oauth_form.js.br") },
    ],
}
