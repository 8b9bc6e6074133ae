//! Which names this server goes by, and whether a request comes from its own pages.

use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use reqwest::Url;

const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// How browsers reach this server.
pub(super) struct Site {
    is_on_loopback: bool,
    /// Where it is configured.
    public: Option<Url>,
}

impl Site {
    pub(super) fn new(is_on_loopback: bool, public_url: Option<&str>) -> Self {
        Self { is_on_loopback, public: public_url.and_then(|url| Url::parse(url).ok()) }
    }

    /// Whether others than this machine have no way to it that is known.
    pub(super) fn is_this_machine_only(&self) -> bool {
        self.is_on_loopback && self.public.as_ref().and_then(Url::host_str).is_none_or(is_of_this_machine)
    }

    /// Whether cookies may be kept to encrypted connections.
    pub(super) fn is_secure(&self) -> bool {
        self.public.as_ref().is_some_and(|url| url.scheme() == "https")
    }

    /// Where the provider sends browsers back to.
    pub(super) fn callback(&self) -> String {
        let base = self.public.as_ref().map(Url::as_str).unwrap_or_default();
        format!("{}/login/callback", base.trim_end_matches('/'))
    }

    /// Whether the `Host` is one that this server goes by. A page on the web can have its own name lead to 127.0.0.1 (DNS
    /// rebinding); its browser would then send it the answers, but it also sends that name. Other servers are reached
    /// by whatever name, and are not open.
    pub(super) fn is_named(&self, headers: &HeaderMap) -> bool {
        let Some(host) = host(headers) else { return !self.is_on_loopback };
        !self.is_on_loopback || is_of_this_machine(host.host()) || self.is_public(&host)
    }

    /// Whether the page that sent this is one of this server's.
    pub(super) fn origin(&self, headers: &HeaderMap) -> Origin {
        // No page can write this header. Where nothing else is said, or `null` by a browser that keeps to itself where it
        // is, it decides.
        let site = headers.get(SEC_FETCH_SITE);
        let Some(origin) = headers.get(ORIGIN).filter(|origin| *origin != "null" || site.is_none()) else {
            return site.map_or(Origin::Unknown, |site| match site.as_bytes() {
                b"same-origin" => Origin::Own,
                b"none" => Origin::Unknown,
                _ => Origin::Foreign,
            });
        };
        let origin = origin.to_str().ok().and_then(|origin| Url::parse(origin).ok());
        match origin.is_some_and(|origin| self.is_own(&origin, headers)) {
            true => Origin::Own,
            false => Origin::Foreign,
        }
    }

    /// Where the public address is asked, its scheme counts, too: the page must not have come in the clear.
    fn is_own(&self, origin: &Url, headers: &HeaderMap) -> bool {
        let Some(host) = host(headers) else { return false };
        match &self.public {
            Some(public) if self.is_public(&host) || origin.origin() == public.origin() => {
                origin.origin() == public.origin()
            }
            Some(_) | None => {
                let same = |scheme: &str| Url::parse(&format!("{scheme}://{host}")).ok();
                same(origin.scheme()).is_some_and(|own| own.origin().is_tuple() && own.origin() == origin.origin())
            }
        }
    }

    fn is_public(&self, host: &Authority) -> bool {
        let public = self.public.as_ref().and_then(Url::host_str);
        public.is_some_and(|public| public.eq_ignore_ascii_case(host.host()))
    }
}

/// Where a request comes from, as its browser says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Own,
    Foreign,
    /// No browser sent it, or an old one.
    Unknown,
}

/// Two of them are none.
fn host(headers: &HeaderMap) -> Option<Authority> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next().filter(|_| hosts.next().is_none())?;
    host.to_str().ok()?.parse().ok()
}

fn is_of_this_machine(host: &str) -> bool {
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|own| own.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn names_of_this_machine_and_the_public_one() {
        let site = Site::new(true, Some("https://pipetrail.example"));
        for host in
            ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:80", "pipetrail.example", "pipetrail.example:8"]
        {
            assert!(site.is_named(&headers(&[("host", host)])), "{host}");
        }
        let foreign =
            ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "127.0.0.1@evil.example", ""];
        for host in foreign {
            assert!(!site.is_named(&headers(&[("host", host)])), "{host}");
        }
        assert!(!site.is_named(&HeaderMap::new()));
        assert!(Site::new(false, None).is_named(&headers(&[("host", "any.example")])));
    }

    #[test]
    fn only_its_own_pages_are_its_own() {
        let public = Some("https://pipetrail.example");
        for (public, host, origin, expected) in [
            (None, "127.0.0.1:8080", "http://127.0.0.1:8080", Origin::Own),
            (None, "127.0.0.1:8080", "http://127.0.0.1:8081", Origin::Foreign),
            (None, "127.0.0.1:8080", "http://localhost:8080", Origin::Foreign),
            (None, "x.example", "https://x.example", Origin::Own),
            (None, "x.example", "https://x.example.evil.example", Origin::Foreign),
            (None, "x.example", "null", Origin::Foreign),
            (None, "x.example", "file://x.example", Origin::Foreign),
            (public, "pipetrail.example", "https://pipetrail.example", Origin::Own),
            (public, "pipetrail.example", "http://pipetrail.example", Origin::Foreign),
            // The proxy says its own name for us.
            (public, "127.0.0.1:8080", "https://pipetrail.example", Origin::Own),
            (public, "127.0.0.1:8080", "https://evil.example", Origin::Foreign),
        ] {
            let headers = headers(&[("host", host), ("origin", origin)]);
            assert_eq!(Site::new(true, public).origin(&headers), expected, "{host} {origin}");
        }
    }

    #[test]
    fn without_an_origin_a_browser_says_whether_it_is_another_site() {
        let origin =
            |site: &str| Site::new(true, None).origin(&headers(&[("host", "localhost"), ("sec-fetch-site", site)]));
        assert_eq!(["cross-site", "same-site"].map(origin), [Origin::Foreign; 2]);
        assert_eq!(["same-origin", "none"].map(origin), [Origin::Own, Origin::Unknown]);
        let secretive = |site: &str| {
            let said = [("host", "localhost"), ("origin", "null"), ("sec-fetch-site", site)];
            Site::new(true, None).origin(&headers(&said))
        };
        assert_eq!(["same-origin", "cross-site"].map(secretive), [Origin::Own, Origin::Foreign]);
        let contradicted = [("host", "a:1"), ("origin", "http://b:1"), ("sec-fetch-site", "same-origin")];
        assert_eq!(Site::new(false, None).origin(&headers(&contradicted)), Origin::Foreign);
        assert_eq!(Site::new(true, None).origin(&HeaderMap::new()), Origin::Unknown);
    }

    #[test]
    fn a_public_address_makes_it_more_than_this_machine() {
        for (on_loopback, public, expected) in [
            (true, None, true),
            (true, Some("http://localhost:8080"), true),
            (true, Some("https://pipetrail.example"), false),
            (false, None, false),
        ] {
            assert_eq!(Site::new(on_loopback, public).is_this_machine_only(), expected, "{public:?}");
        }
    }
}
