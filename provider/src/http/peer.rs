//! Where a request comes from. A forwarded address is believed only from a listed proxy.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::extract::ConnectInfo;
use http::{HeaderMap, request::Parts};
use ipnet::IpNet;

use crate::authority::Peer;

/// Knows which proxies to believe.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    proxies: Arc<[IpNet]>,
}

impl Peers {
    /// Believes `X-Forwarded-For` from these networks.
    pub fn behind(proxies: impl IntoIterator<Item = IpNet>) -> Self {
        Self { proxies: proxies.into_iter().collect() }
    }

    /// Where a request comes from.
    pub(crate) fn of(&self, parts: &Parts) -> Peer {
        let direct = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let address = direct.map(|ConnectInfo(address)| self.address(address.ip(), &parts.headers));
        Peer { address, device: None }
    }

    /// The last address in `X-Forwarded-For` that is no listed proxy's; who wrote what stands before it is not known.
    fn address(&self, direct: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut address = direct.to_canonical();
        let values = headers.get_all("x-forwarded-for").iter().rev();
        let forwarded = values.filter_map(|value| value.to_str().ok());
        for hop in forwarded.flat_map(|value| value.rsplit(',')) {
            if !self.is_proxy(address) {
                return address;
            }
            match read(hop.trim()) {
                Some(next) => address = next.to_canonical(),
                None => return address,
            }
        }
        address
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|network| network.contains(&address))
    }
}

/// An address, to which some proxies append the port: all that come through them would else be one.
fn read(hop: &str) -> Option<IpAddr> {
    let bare = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || hop.parse().ok().map(|socket: SocketAddr| socket.ip());
    hop.parse().ok().or_else(with_port).or_else(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(proxies: &[&str], direct: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let peers = Peers::behind(proxies.iter().map(|net| net.parse().unwrap()));
        peers.address(direct.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn a_forwarded_address_is_believed_only_from_a_listed_proxy() {
        assert_eq!(address(&[], "9.9.9.9", &["1.1.1.1"]), "9.9.9.9");
        assert_eq!(address(&["10.0.0.0/8"], "10.0.0.1", &["1.1.1.1"]), "1.1.1.1");
        assert_eq!(address(&["10.0.0.0/8"], "9.9.9.9", &["1.1.1.1"]), "9.9.9.9");
    }

    #[test]
    fn a_port_behind_a_forwarded_address_is_left_out() {
        let of = |hop| address(&["10.0.0.0/8"], "10.0.0.1", &[hop]);
        assert_eq!(of("1.1.1.1:49152"), "1.1.1.1");
        assert_eq!(of("[2001:db8::1]:443"), "2001:db8::1");
        assert_eq!(of("[2001:db8::1]"), "2001:db8::1");
        assert_eq!(of("1.1.1.1:x"), "10.0.0.1");
    }

    #[test]
    fn what_stands_before_an_unlisted_hop_is_not_believed() {
        let proxies = ["10.0.0.0/8"];
        assert_eq!(address(&proxies, "10.0.0.1", &["6.6.6.6, 1.1.1.1, 10.0.0.2"]), "1.1.1.1");
        assert_eq!(address(&proxies, "10.0.0.1", &["6.6.6.6", "1.1.1.1"]), "1.1.1.1");
        assert_eq!(address(&proxies, "10.0.0.1", &["nonsense"]), "10.0.0.1");
    }
}
