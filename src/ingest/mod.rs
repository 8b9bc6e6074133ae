//! From deliveries to records: decode each on its own, fold by record, commit, log, then delete.
//!
//! What it promises: a message leaves the queue only after what it says was committed *and* the change log
//! has it, or as a dead letter. A crash at any point repeats work and loses none, since the merge does not
//! care about repetition. One bad message is one message; an outage costs no message anything.
//!
//! What it does not promise: that a message is handled once.
//!
//! `decide` says what becomes of what (pure, table-tested); `fold` joins the facts of a batch by record;
//! `commit` gets them into the store; `worker` moves batches through those steps. What comes another way than by the
//! queue, such as a backfill's answers, goes through the same fold and commit: `import`.

mod commit;
mod decide;
mod fold;
mod forget;
mod import;
mod lag;
mod recent;
mod refold;
mod tally;
mod wait;
mod wanted;
mod watch;
mod worker;

pub use forget::{Forgotten, Found, forget};
pub use import::{Imported, Importer};
pub use refold::{Refolded, refold};
pub use tally::Tally;
pub use wanted::WantedRun;
pub use watch::Watch;
pub use worker::{Decode, Mode, Settings, WorkError, Worker};
