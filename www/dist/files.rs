// Written by `cargo bundle`.
Bundle {
    hash: "ee143e41c7e0d623",
    integrity: "sha384-pqp8PFbv+DyFR/BfWebheU9IAGp/laXZzLPYPZzyl07XL1+oZgnor3r0MdowhFQ1",
    files: &[
        File { name: "oauth_client-a8fbb7154cd437c3.wasm", hash: "a8fbb7154cd437c3", plain: include_bytes!("oauth_client-a8fbb7154cd437c3.wasm"), gzip: include_bytes!("oauth_client-a8fbb7154cd437c3.wasm.gz"), brotli: include_bytes!("oauth_client-a8fbb7154cd437c3.wasm.br") },
        File { name: "oauth_client.d.ts", hash: "40739cb7221a1d3f", plain: include_bytes!("oauth_client.d.ts"), gzip: include_bytes!("oauth_client.d.ts.gz"), brotli: include_bytes!("oauth_client.d.ts.br") },
        File { name: "oauth_client.js", hash: "ee143e41c7e0d623", plain: include_bytes!("oauth_client.js"), gzip: include_bytes!("oauth_client.js.gz"), brotli: include_bytes!("oauth_client.js.br") },
        File { name: "oauth_form.js", hash: "0591f008c91a067d", plain: include_bytes!("oauth_form.js"), gzip: include_bytes!("oauth_form.js.gz"), brotli: include_bytes!("oauth_form.js.br") },
    ],
}
