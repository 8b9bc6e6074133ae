//! Who asks, by address: behind a proxy all connections have the proxy's.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;

/// Where proxies write whom they ask for, each behind the one before it.
/// <https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/X-Forwarded-For>
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The last address that is no proxy's, where a proxy of ours asks; else who asks. What stands further in front may be
/// written by anybody.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, proxies: &[IpAddr]) -> IpAddr {
    let is_proxy = |address: &IpAddr| proxies.contains(&address.to_canonical());
    if !is_proxy(&peer) {
        return peer;
    }
    let lines: Vec<_> = headers.get_all(FORWARDED_FOR).iter().map(|line| line.to_str().unwrap_or_default()).collect();
    let named = lines.iter().flat_map(|line| line.split(',')).rev().map(address);
    // What cannot be read ends it: before it nobody knows who wrote.
    named.map_while(|address| address).find(|address| !is_proxy(address)).unwrap_or(peer)
}

/// Some write the port, too.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    text.parse::<SocketAddr>().map(|address| address.ip()).or_else(|_| bare.parse()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_that_is_no_proxy() {
        let proxies: Vec<IpAddr> = ["10.0.0.5", "10.0.0.6"].map(|text| text.parse().unwrap()).to_vec();
        for (peer, lines, expected) in [
            ("10.0.0.5", vec!["192.0.2.1"], "192.0.2.1"),
            ("::ffff:10.0.0.5", vec!["192.0.2.1"], "192.0.2.1"),
            ("10.0.0.5", vec!["1.1.1.1, 192.0.2.1"], "192.0.2.1"),
            ("10.0.0.5", vec!["1.1.1.1", "192.0.2.1, 10.0.0.6"], "192.0.2.1"),
            ("10.0.0.5", vec!["192.0.2.1:8080"], "192.0.2.1"),
            ("10.0.0.5", vec!["[2001:db8::1]:8080"], "2001:db8::1"),
            ("10.0.0.5", vec!["[2001:db8::1]"], "2001:db8::1"),
            ("10.0.0.5", vec!["192.0.2.1, unknown"], "10.0.0.5"),
            ("10.0.0.5", vec![""], "10.0.0.5"),
            ("10.0.0.5", vec![], "10.0.0.5"),
            // No proxy of ours: its word is nobody's.
            ("10.0.0.7", vec!["192.0.2.1"], "10.0.0.7"),
        ] {
            let headers = lines.iter().map(|line| (FORWARDED_FOR.parse().unwrap(), line.parse().unwrap())).collect();
            let expected: IpAddr = expected.parse().unwrap();
            assert_eq!(client(peer.parse().unwrap(), &headers, &proxies), expected, "{peer} {lines:?}");
        }
    }
}
