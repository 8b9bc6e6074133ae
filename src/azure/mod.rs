//! Azure Storage: the SDK's clients, built so that they can be relied on.
//!
//! The crates of the SDK's 0.21 line leave some things to their users, and here is what is done about each: an HTTP
//! client with a connection pool and time-outs (theirs has neither); waits that no server makes longer than we have
//! time; failed transactions that answer as failures and bodies of transactions as the REST rules want them; quotes and
//! `|` in keys ([`key_in_url`], [`Table`]); and errors that never print what was sent, an address with its signature, or a body
//! ([`AzureError`]).

mod address;
mod batch;
mod count;
mod edm;
mod error;
mod patience;
mod table;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_core::{ClientOptions, ExponentialRetryOptions, HttpClient, RetryOptions, TransportOptions};
use azure_data_tables::clients::{TableClient, TableServiceClient, TableServiceClientBuilder};
use azure_storage::{CloudLocation, StorageCredentials};
use azure_storage_queues::{QueueClient, QueueServiceClient, QueueServiceClientBuilder};
use secrecy::{ExposeSecret, SecretString};

use crate::entra;

pub use edm::{date_time, plain_text};
pub use error::{AzureError, is_loopback};
pub use table::{MOST_BYTES, MOST_OPERATIONS, Operation, Table, entity};

/// A storage account and the right to use it.
#[derive(Debug, Clone)]
pub struct Account {
    pub name: String,
    pub credential: Credential,
    /// Of the queue service, such as `https://fabrikam.queue.core.windows.net`.
    pub queue_endpoint: String,
    /// Of the table service.
    pub table_endpoint: String,
}

#[derive(Debug, Clone)]
pub enum Credential {
    /// One of the account's two keys.
    Key(SecretString),
    /// A shared access signature, as it stands behind the `?` of an address.
    Sas(SecretString),
    /// Microsoft Entra, see [`entra::credential`]: by the client id of an identity, or whom it finds.
    Entra(Option<String>),
}

/// A credential that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{says}")]
pub struct AccountError {
    says: &'static str,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// The clients of one account; connections are shared.
#[derive(Clone)]
pub struct Services {
    queues: QueueServiceClient,
    tables: TableServiceClient,
}

/// Not the clients: they hold the credential.
impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").finish_non_exhaustive()
    }
}

/// How long a request may take.
#[derive(Debug, Clone, Copy)]
pub struct TimeOuts {
    pub connect: Duration,
    pub request: Duration,
    /// So many times a request is tried again.
    pub retries: u32,
    /// And for so long, which is also the longest wait that a service may ask for.
    pub retry_for: Duration,
}

/// Enough for a connection that broke or a moment of too much load. An outage is for the worker to sit out, which
/// knows how long its leases last.
impl Default for TimeOuts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            // The services end a request after 30 s at the latest.
            request: Duration::from_secs(35),
            retries: 3,
            retry_for: Duration::from_secs(10),
        }
    }
}

impl TimeOuts {
    /// Where a person waits to see whether the account can be used at all.
    #[must_use]
    pub fn at_start() -> Self {
        Self {
            connect: Duration::from_secs(3),
            // A page of a query may take the service 5 s.
            request: Duration::from_secs(8),
            retries: 1,
            retry_for: Duration::from_secs(3),
        }
    }
}

/// A server that lets go of idle connections first would make requests fail: Azurite does after 5 s.
const IDLE: Duration = Duration::from_secs(4);

impl Services {
    /// # Errors
    /// When the credential is not one, or no HTTP client can be made.
    pub fn new(account: &Account) -> Result<Self, AccountError> {
        Self::with_time_outs(account, TimeOuts::default())
    }

    /// # Errors
    /// As [`Services::new`].
    pub fn with_time_outs(account: &Account, time_outs: TimeOuts) -> Result<Self, AccountError> {
        let credentials = credentials(account)?;
        let http = reqwest::Client::builder().connect_timeout(time_outs.connect).timeout(time_outs.request);
        let http = http.pool_idle_timeout(IDLE).build();
        let http = http.map_err(|source| AccountError { says: "cannot make an HTTP client", source: source.into() })?;
        let http: Arc<dyn HttpClient> = Arc::new(http);
        let location = |endpoint: &str| CloudLocation::Custom {
            account: account.name.clone(),
            uri: endpoint.trim_end_matches('/').to_owned(),
        };
        let queues = QueueServiceClientBuilder::with_location(location(&account.queue_endpoint), credentials.clone());
        let tables = TableServiceClientBuilder::with_location(location(&account.table_endpoint), credentials);
        Ok(Self {
            queues: queues.client_options(options("queue", http.clone(), time_outs)).build(),
            tables: tables.client_options(for_tables(options("table", http, time_outs))).build(),
        })
    }

    #[must_use]
    pub fn queue(&self, name: &str) -> QueueClient {
        self.queues.queue_client(name)
    }

    #[must_use]
    pub fn table(&self, name: &str) -> TableClient {
        self.tables.table_client(name)
    }
}

fn options(service: &'static str, http: Arc<dyn HttpClient>, time_outs: TimeOuts) -> ClientOptions {
    let retry =
        ExponentialRetryOptions::default().max_retries(time_outs.retries).max_total_elapsed(time_outs.retry_for);
    let mut options = ClientOptions::new(TransportOptions::new(http)).retry(RetryOptions::exponential(retry));
    options.per_retry_policies_mut().push(Arc::new(patience::Patience(time_outs.retry_for)));
    options.per_retry_policies_mut().push(Arc::new(count::Requests(service)));
    options
}

/// What only tables need: a queue's addresses hold nothing to escape, and it knows no transactions.
fn for_tables(mut options: ClientOptions) -> ClientOptions {
    options.per_call_policies_mut().push(Arc::new(address::Escaped));
    options.per_call_policies_mut().push(Arc::new(batch::WellFormed));
    // Inside the retries, so that a transaction that met a busy server is tried again like any other request.
    options.per_retry_policies_mut().push(Arc::new(batch::FailedPart));
    options
}

fn credentials(account: &Account) -> Result<StorageCredentials, AccountError> {
    match &account.credential {
        Credential::Key(key) => Ok(StorageCredentials::access_key(&account.name, key.expose_secret().to_owned())),
        Credential::Sas(signature) => StorageCredentials::sas_token(signature.expose_secret())
            .map_err(|source| AccountError { says: "the shared access signature is not one", source: source.into() }),
        Credential::Entra(identity) => {
            entra::credential(identity.as_deref()).map(StorageCredentials::token_credential).map_err(|source| {
                AccountError { says: "no credential of Microsoft Entra can be used here", source: source.into() }
            })
        }
    }
}

/// A partition or row key as it stands in an address, where a quote is doubled. In a body it stands as it is.
#[must_use]
pub fn key_in_url(key: &str) -> String {
    key.replace('\'', "''")
}
