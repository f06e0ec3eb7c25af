//! End to end: one binary, a file a flow.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says so by ending"
)]

mod arrows;
mod browser;
mod browser_copy;
mod browser_hostile;
mod browser_offline;
mod browser_page;
mod browser_pages;
mod browser_policy;
mod browser_return;
mod browser_rust;
mod bundle;
mod chromium;
mod demo;
mod durability;
mod example;
mod inert;
mod left_out;
mod lost_answer;
mod newcomer;
mod outage;
mod pages;
mod peers;
mod secrecy;
mod start;
mod static_site;
mod sync;
mod transport;
