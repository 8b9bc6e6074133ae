//! Connection strings of Azure Storage, as the portal shows them:
//! <https://learn.microsoft.com/en-us/azure/storage/common/storage-configure-connection-string>.
//!
//! The SDK's own parser stops at the first fault, quotes what it does not know (which may be a key), and is an error
//! for names that it does not know.

/// What a connection string says. Nothing of it is checked here.
#[derive(Default, PartialEq, Eq)]
pub(super) struct ConnectionString<'a> {
    /// Azurite on this machine, with its well-known account.
    pub(super) development: bool,
    pub(super) account: Option<&'a str>,
    pub(super) key: Option<&'a str>,
    pub(super) signature: Option<&'a str>,
    pub(super) protocol: Option<&'a str>,
    pub(super) suffix: Option<&'a str>,
    pub(super) queue_endpoint: Option<&'a str>,
    pub(super) table_endpoint: Option<&'a str>,
}

impl<'a> ConnectionString<'a> {
    /// Names in any case; those of other services are passed over, and so are quotes around all of it, which files of
    /// variables leave there. The numbers of the parts that are not `Name=value` are the error: never their text, which
    /// may be a piece of a key.
    pub(super) fn parse(text: &'a str) -> Result<Self, Vec<usize>> {
        let mut said = Self::default();
        let mut broken = Vec::new();
        for (number, part) in (1..).zip(unquoted(text.trim()).split(';').map(str::trim)) {
            match part.split_once('=') {
                // Nothing in it holds a quote: what is left of a pair would become a part of a key.
                Some(_) if part.contains(QUOTES) => broken.push(number),
                Some((name, value)) => said.take(&name.trim().to_ascii_lowercase(), value.trim()),
                None if part.is_empty() => {}
                None => broken.push(number),
            }
        }
        if broken.is_empty() { Ok(said) } else { Err(broken) }
    }

    fn take(&mut self, name: &str, value: &'a str) {
        let value = Some(value).filter(|value| !value.is_empty());
        match name {
            "usedevelopmentstorage" => self.development = value.is_some_and(|value| value.eq_ignore_ascii_case("true")),
            "accountname" => self.account = value,
            "accountkey" => self.key = value,
            "sharedaccesssignature" => self.signature = value,
            "defaultendpointsprotocol" => self.protocol = value,
            "endpointsuffix" => self.suffix = value,
            "queueendpoint" => self.queue_endpoint = value,
            "tableendpoint" => self.table_endpoint = value,
            _ => {}
        }
    }
}

const QUOTES: [char; 2] = ['\'', '"'];

fn unquoted(text: &str) -> &str {
    let inside = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    QUOTES.into_iter().find_map(inside).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> ConnectionString<'_> {
        ConnectionString::parse(text).ok().unwrap()
    }

    #[test]
    fn of_the_portal() {
        let said = parse(
            "DefaultEndpointsProtocol=https;AccountName=fabrikam;AccountKey=a2V5==;EndpointSuffix=core.windows.net",
        );
        assert_eq!((said.account, said.key), (Some("fabrikam"), Some("a2V5==")));
        assert_eq!((said.protocol, said.suffix), (Some("https"), Some("core.windows.net")));
    }

    #[test]
    fn of_the_portals_shared_access_signature() {
        let said = parse(
            "BlobEndpoint=https://f.blob.core.windows.net/;QueueEndpoint=https://f.queue.core.windows.net/;\
             TableEndpoint=https://f.table.core.windows.net/;SharedAccessSignature=sv=2022-11-02&ss=qt&sig=a%3D",
        );
        assert_eq!(said.account, None);
        assert_eq!(said.signature, Some("sv=2022-11-02&ss=qt&sig=a%3D"));
        assert_eq!(said.queue_endpoint, Some("https://f.queue.core.windows.net/"));
        assert_eq!(said.table_endpoint, Some("https://f.table.core.windows.net/"));
    }

    #[test]
    fn with_spaces_in_any_case_and_what_is_not_known() {
        let said = parse(" accountname = fabrikam ; ;ACCOUNTKEY=a2V5;FileEndpoint=x;EndpointSuffix=;");
        assert_eq!((said.account, said.key, said.suffix), (Some("fabrikam"), Some("a2V5"), None));
    }

    #[test]
    fn quotes_around_it_are_passed_over_and_others_are_a_fault() {
        for text in ["'AccountName=f;AccountKey=a2V5;'", " \"AccountName=f;AccountKey=a2V5\" "] {
            assert_eq!((parse(text).account, parse(text).key), (Some("f"), Some("a2V5")), "{text}");
        }
        for text in ["'AccountName=f", "AccountName=f'", "AccountName='f'", "\"AccountName=f'"] {
            assert_eq!(ConnectionString::parse(text).err(), Some(vec![1]), "{text}");
        }
    }

    #[test]
    fn of_azurite() {
        assert!(parse("UseDevelopmentStorage=true").development);
        assert!(!parse("UseDevelopmentStorage=false").development);
    }

    #[test]
    fn a_part_that_is_none_is_told_by_its_number() {
        assert_eq!(ConnectionString::parse("AccountName=f;secret;AccountKey").err(), Some(vec![2, 3]));
    }
}
