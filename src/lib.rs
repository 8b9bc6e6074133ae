//! Pipetrail follows every Azure DevOps pipeline run from the hook event that announces it to the answer that a
//! person asks for.
//!
//! ```text
//! service hooks ──> Queue ──> worker: decode ─> merge ─> commit ─> log ─> Store ──changes──> Catalog
//! web hooks ─ HTTP ─┘   └──> dead letters           │                                          │
//! backfill (REST) ──────────────────────────────────┘                                          │
//!                                                                        command line, watchers
//! ```
//!
//! Data flows one way, and each arrow is one module's job. In the order of the flow:
//!
//! | module | its part |
//! |---|---|
//! | [`http`] | takes in what Azure DevOps posts, and answers readers |
//! | [`queue`] | keeps messages and dead letters |
//! | [`ado`] | reads the service's JSON into facts: the room for a new event |
//! | [`domain`] | what is said about a run, joined; what follows from it. Pure |
//! | [`ingest`] | the worker: what becomes of each message |
//! | [`backfill`] | asks Azure DevOps for what its events did not tell |
//! | [`store`] | records, their facts, and the log of what changed |
//! | [`catalog`] | the read model: every reader asks here |
//! | [`view`] | from the catalog's rows to what people read. Pure |
//! | [`ask`] | questions with typed arguments or in words, answered from the catalog; a model may choose and word, no more |
//! | [`publish`] | what other programs read: Spektate's table |
//! | [`cmd`] | one file a subcommand; [`cli`] and [`config`] say what they are called with |
//!
//! Beside the flow: [`subscriptions`] makes the service's hooks and looks after them, [`transfer`] moves records from one
//! storage to another.
//!
//! Beside them: [`sqlite`] (the local file), [`azure`] (the storage account), [`entra`] (who asks for tokens), [`history`] (a made-up one, for demo and tests), [`clock`],
//! [`shutdown`], [`telemetry`]. Who may name whom is in `tests/it/architecture.rs`.

pub mod ado;
pub mod ask;
pub mod azure;
pub mod backfill;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod cmd;
pub mod config;
pub mod domain;
pub mod entra;
pub mod history;
pub mod http;
pub mod ingest;
pub mod publish;
pub mod queue;
pub mod shutdown;
pub mod sqlite;
pub mod store;
pub mod subscriptions;
pub mod telemetry;
pub mod transfer;
pub mod view;
