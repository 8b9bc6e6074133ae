//! Values that browsers keep for us and cannot change: signed with HMAC-SHA256, each with its purpose and its end.

use std::time::Duration;

use base64_simd::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use rand::Rng as _;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::domain::Time;

pub(super) struct Seal {
    key: SecretString,
}

#[derive(Serialize, Deserialize)]
struct Sealed<T> {
    /// In ticks.
    until: i64,
    value: T,
}

/// What was closed, and until when it is good.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Opened<T> {
    pub(super) value: T,
    pub(super) until: Time,
}

impl Seal {
    /// Without a key one is made, which nobody else has.
    pub(super) fn new(key: Option<SecretString>) -> Self {
        let make = || SecretString::from(URL_SAFE_NO_PAD.encode_to_string(rand::rng().random::<[u8; 32]>()));
        Self { key: key.unwrap_or_else(make) }
    }

    /// `None` where the value cannot be written as JSON.
    pub(super) fn close(&self, purpose: &str, value: &impl Serialize, now: Time, lasts: Duration) -> Option<String> {
        let json = serde_json::to_vec(&Sealed { until: now.plus(lasts).ticks(), value }).ok()?;
        let payload = URL_SAFE_NO_PAD.encode_to_string(json);
        let mark = self.mark(purpose, payload.as_bytes());
        Some(format!("{payload}.{mark}"))
    }

    /// `None` where it is not of ours, for another purpose, or over.
    pub(super) fn open<T: DeserializeOwned>(&self, purpose: &str, text: &str, now: Time) -> Option<Opened<T>> {
        let (payload, mark) = text.split_once('.')?;
        let mark = URL_SAFE_NO_PAD.decode_to_vec(mark).ok()?;
        self.mac(purpose, payload.as_bytes())?.verify_slice(&mark).ok()?;
        let json = URL_SAFE_NO_PAD.decode_to_vec(payload).ok()?;
        let Sealed { until, value } = serde_json::from_slice(&json).ok()?;
        (now.ticks() < until).then(|| Opened { value, until: Time::from_ticks(until) })
    }

    /// What only who has the key and the bytes can say.
    pub(super) fn mark(&self, purpose: &str, bytes: &[u8]) -> String {
        let mark = self.mac(purpose, bytes).map(|mac| mac.finalize().into_bytes());
        URL_SAFE_NO_PAD.encode_to_string(mark.unwrap_or_default())
    }

    /// A key may have any length: there always is one.
    fn mac(&self, purpose: &str, bytes: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.expose_secret().as_bytes()).ok()?;
        mac.update(purpose.as_bytes());
        mac.update(b"\0");
        mac.update(bytes);
        Some(mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn seal() -> Seal {
        Seal::new(Some("0123456789abcdef0123456789abcdef".into()))
    }

    #[test]
    fn what_was_closed_opens_until_its_end() {
        let now = Time::from_ticks(1_000);
        let text = seal().close("a", &"x", now, HOUR).unwrap();
        // Another process with the same key.
        let opened = Opened { value: "x".to_owned(), until: now.plus(HOUR) };
        assert_eq!(seal().open("a", &text, now), Some(opened));
        assert_eq!(seal().open::<String>("a", &text, now.plus(HOUR)), None);
        assert_eq!(seal().open::<String>("b", &text, now), None);
        assert_eq!(Seal::new(None).open::<String>("a", &text, now), None);
    }

    #[test]
    fn nothing_in_it_can_be_changed() {
        let now = Time::from_ticks(1_000);
        let text = seal().close("a", &"x", now, HOUR).unwrap();
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(seal().open::<String>("a", &changed, now), None, "{changed}");
        }
        for text in ["", ".", "a.b", text.split('.').next().unwrap()] {
            assert_eq!(seal().open::<String>("a", text, now), None);
        }
    }
}
