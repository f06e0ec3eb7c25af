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
        Self {
            proxies: proxies.into_iter().collect(),
        }
    }

    /// Where a request comes from.
    pub(crate) fn of(&self, parts: &Parts) -> Peer {
        let direct = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let address = direct.map(|ConnectInfo(address)| self.address(address.ip(), &parts.headers));
        Peer {
            address,
            device: None,
        }
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
            match hop.trim().parse::<IpAddr>() {
                Ok(next) => address = next.to_canonical(),
                Err(_) => return address,
            }
        }
        address
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies
            .iter()
            .any(|network| network.contains(&address))
    }
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
        assert_eq!(
            address(&["10.0.0.0/8"], "10.0.0.1", &["1.1.1.1"]),
            "1.1.1.1"
        );
        assert_eq!(address(&["10.0.0.0/8"], "9.9.9.9", &["1.1.1.1"]), "9.9.9.9");
    }

    #[test]
    fn what_stands_before_an_unlisted_hop_is_not_believed() {
        let proxies = ["10.0.0.0/8"];
        assert_eq!(
            address(&proxies, "10.0.0.1", &["6.6.6.6, 1.1.1.1, 10.0.0.2"]),
            "1.1.1.1"
        );
        assert_eq!(
            address(&proxies, "10.0.0.1", &["6.6.6.6", "1.1.1.1"]),
            "1.1.1.1"
        );
        assert_eq!(address(&proxies, "10.0.0.1", &["nonsense"]), "10.0.0.1");
    }
}
