//! The examples run, and say what they promise.

#[path = "../examples/authority.rs"]
mod authority;

/// Seeds S3 and S4: authorize, token, whose token, revoke, and registering before; with no server and no HTTP.
#[test]
fn seed_the_five_calls_need_no_http() {
    authority::main().unwrap();
}
