//! Tokens: given, printed by a command, or from Microsoft Entra.

use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use azure_core::auth::TokenCredential;
use base64_simd::STANDARD;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::error::quoted;
use super::{AdoError, Credential};
use crate::entra;

/// Azure DevOps, as Microsoft Entra knows it:
/// <https://learn.microsoft.com/azure/devops/integrate/get-started/authentication/service-principal-managed-identity>.
const SCOPE: &str = "499b84ac-1321-427f-aa17-267ca6975798/.default";
/// So long a token is used before it is asked for again. They live for an hour.
const KEPT: Duration = Duration::from_secs(300);
/// A command, or a service of tokens, that takes longer hangs.
const LONGEST: Duration = Duration::from_secs(60);

/// No token is longer. A command that prints on and on must not fill the memory.
const MOST_PRINTED: u64 = 64 << 10;

/// What stands behind `Authorization`. Marked sensitive, so that no `Debug` prints it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Header(HeaderValue);

impl Header {
    pub(super) fn value(&self) -> HeaderValue {
        self.0.clone()
    }

    fn new(text: &str) -> Result<Self, AdoError> {
        let says = || AdoError::NoToken { says: "the token holds characters that none has, such as a line end".into() };
        let mut value = HeaderValue::from_str(text).map_err(|_| says())?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    /// A personal access token is a password without a user.
    fn basic(token: &SecretString) -> Result<Self, AdoError> {
        let pair = format!(":{}", token.expose_secret().trim());
        Self::new(&format!("Basic {}", STANDARD.encode_to_string(pair)))
    }

    fn bearer(token: &str) -> Result<Self, AdoError> {
        Self::new(&format!("Bearer {token}"))
    }
}

enum Source {
    Given(Header),
    Command(SecretString),
    Entra(Arc<dyn TokenCredential>),
}

pub(super) struct Tokens {
    source: Source,
    longest: Duration,
    /// With the time when it was made. Held while a token is made, so that one is made for all who wait.
    made: Mutex<Option<(Header, Instant)>>,
}

impl Tokens {
    pub(super) fn new(credential: &Credential) -> Result<Self, AdoError> {
        let source = match credential {
            Credential::Token(token) => Source::Given(Header::basic(token)?),
            Credential::Command(command) => Source::Command(command.clone()),
            Credential::Entra(identity) => {
                Source::Entra(entra::credential(identity.as_deref()).map_err(|error| no_entra(&error))?)
            }
        };
        Ok(Self { source, longest: LONGEST, made: Mutex::default() })
    }

    pub(super) async fn header(&self) -> Result<Header, AdoError> {
        if let Source::Given(header) = &self.source {
            return Ok(header.clone());
        }
        let mut made = self.made.lock().await;
        if let Some((header, _)) = made.as_ref().filter(|(_, at)| at.elapsed() < KEPT) {
            return Ok(header.clone());
        }
        let header = self.make().await?;
        *made = Some((header.clone(), Instant::now()));
        Ok(header)
    }

    async fn make(&self) -> Result<Header, AdoError> {
        match &self.source {
            Source::Given(header) => Ok(header.clone()),
            Source::Command(command) => Header::bearer(&printed(command).await?),
            Source::Entra(credential) => {
                let token = tokio::time::timeout(self.longest, credential.get_token(&[SCOPE])).await;
                let token = token.map_err(|_| entra_hangs(self.longest))?.map_err(|error| no_entra(&error))?;
                Header::bearer(token.token.secret())
            }
        }
    }

    /// After `refused` was refused. Whether another one can be had.
    pub(super) async fn renew(&self, refused: &Header) -> bool {
        match &self.source {
            Source::Given(_) => false,
            Source::Command(_) => {
                self.forget(refused).await;
                true
            }
            Source::Entra(credential) => {
                self.forget(refused).await;
                credential.clear_cache().await.is_ok()
            }
        }
    }

    /// Who is asked for a token; `None` where there is one.
    pub(super) fn asked(&self) -> Option<&'static str> {
        // Held by nobody but whoever asks.
        if self.made.try_lock().is_ok_and(|made| made.is_some()) {
            return None;
        }
        match &self.source {
            Source::Given(_) => None,
            Source::Command(_) => Some("the command of PIPETRAIL_ADO_BEARER_COMMAND"),
            Source::Entra(_) => Some("Microsoft Entra"),
        }
    }

    async fn forget(&self, refused: &Header) {
        let mut made = self.made.lock().await;
        if made.as_ref().is_some_and(|(header, _)| header == refused) {
            *made = None;
        }
    }
}

fn no_entra(error: &azure_core::Error) -> AdoError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    AdoError::NoToken { says: format!("Microsoft Entra gives none: {}", quoted(&each_source(&cause.to_string()))) }
}

/// What each source of a credential says, in one line: the text's first line says only that there were several.
fn each_source(text: &str) -> String {
    let said = |line: &str| line.trim().trim_start_matches("- ").trim_end_matches(['.', ';']).to_owned();
    let lines: Vec<_> = text.lines().map(said).filter(|line| !line.is_empty() && !line.ends_with(':')).collect();
    if lines.is_empty() { text.to_owned() } else { lines.join("; ") }
}

fn entra_hangs(longest: Duration) -> AdoError {
    AdoError::NoToken { says: format!("Microsoft Entra did not answer within {} s", longest.as_secs_f64()) }
}

/// What the command prints. What it says beside, on stderr, goes nowhere: it may hold a secret.
async fn printed(command: &SecretString) -> Result<String, AdoError> {
    let fail = |says: String| AdoError::NoToken { says: format!("the command of PIPETRAIL_ADO_BEARER_COMMAND {says}") };
    let mut shell = shell(command.expose_secret());
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let child = shell.spawn().map_err(|error| fail(format!("cannot be started: {error}")))?;
    let ended = tokio::time::timeout(LONGEST, to_its_end(child)).await;
    let ended = ended.map_err(|_| fail(format!("did not end within {} s", LONGEST.as_secs())))?;
    let (status, printed) = ended.map_err(|error| fail(format!("cannot be read: {error}")))?;
    let Some(status) = status else { return Err(fail(format!("prints more than {MOST_PRINTED} bytes"))) };
    if !status.success() {
        return Err(fail(format!("failed: {status}")));
    }
    let token = String::from_utf8(printed).map_err(|_| fail("prints what is no text".to_owned()))?;
    let token = token.trim();
    if token.is_empty() { Err(fail("prints nothing".to_owned())) } else { Ok(token.to_owned()) }
}

/// How it ended, and what it printed; no end where it prints too much, and then it is killed.
async fn to_its_end(mut child: Child) -> std::io::Result<(Option<ExitStatus>, Vec<u8>)> {
    let mut printed = Vec::new();
    if let Some(out) = child.stdout.take() {
        out.take(MOST_PRINTED + 1).read_to_end(&mut printed).await?;
    }
    if printed.len() as u64 > MOST_PRINTED {
        return Ok((None, printed));
    }
    Ok((Some(child.wait().await?), printed))
}

#[cfg(not(windows))]
fn shell(line: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", line]);
    shell
}

#[cfg(windows)]
fn shell(line: &str) -> Command {
    let mut shell = Command::new("cmd");
    shell.args(["/C", line]);
    shell
}

#[cfg(test)]
mod tests {
    use azure_core::auth::AccessToken;

    use super::*;

    #[derive(Debug)]
    struct Hanging;

    #[async_trait::async_trait]
    impl TokenCredential for Hanging {
        async fn get_token(&self, _: &[&str]) -> azure_core::Result<AccessToken> {
            std::future::pending().await
        }

        async fn clear_cache(&self) -> azure_core::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_source_of_entra_is_told() {
        let text = "Multiple errors were encountered while attempting to authenticate:\n- AZURE_CLIENT_ID is not set.\n\n- no `az`";
        assert_eq!(each_source(text), "AZURE_CLIENT_ID is not set; no `az`");
        assert_eq!(each_source("it says:\n"), "it says:\n");
    }

    #[tokio::test]
    async fn an_entra_that_hangs_is_an_error() {
        let longest = Duration::from_millis(10);
        let tokens = Tokens { source: Source::Entra(Arc::new(Hanging)), longest, made: Mutex::default() };
        let Err(error) = tokens.header().await else { panic!("no token was given") };
        assert!(error.to_string().contains("did not answer within 0.01 s"), "{error}");
    }
}
