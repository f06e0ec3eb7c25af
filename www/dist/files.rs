// Written by `cargo bundle`.
Bundle {
    hash: "f281e95ea4b5a06c",
    integrity: "sha384-StykkcjM8VmGgKv2J5YQK3ZsIdCuvWtPxEHmjAeoeb2nZqdoTraw5entxTK7X7/f",
    files: &[
        File { name: "oauth_client-069bdef543346c52.wasm", hash: "069bdef543346c52", plain: include_bytes!("oauth_client-069bdef543346c52.wasm"), gzip: include_bytes!("oauth_client-069bdef543346c52.wasm.gz"), brotli: include_bytes!("oauth_client-069bdef543346c52.wasm.br") },
        File { name: "oauth_client.d.ts", hash: "38b908b3aa01cbb5", plain: include_bytes!("oauth_client.d.ts"), gzip: include_bytes!("oauth_client.d.ts.gz"), brotli: include_bytes!("oauth_client.d.ts.br") },
        File { name: "oauth_client.js", hash: "f281e95ea4b5a06c", plain: include_bytes!("oauth_client.js"), gzip: include_bytes!("oauth_client.js.gz"), brotli: include_bytes!("oauth_client.js.br") },
        File { name: "oauth_form.js", hash: "cbca1d3d36ae1b89", plain: include_bytes!("oauth_form.js"), gzip: include_bytes!("oauth_form.js.gz"), brotli: include_bytes!("oauth_form.js.br") },
    ],
}
