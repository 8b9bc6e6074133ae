//! Messages that were set aside. They are bodies of any project, so only who may administer all sees them.

use askama::Template;
use axum::extract::{Form, Query};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::Value;

use super::frame::Frame;
use super::html::{When, part, query, said};
use super::out::{AdoSite, Out};
use super::{missing, page};
use crate::domain::Time;
use crate::http::Problem;
use crate::http::letters::{self, Act};
use crate::http::reader::Reader;
use crate::queue::{After, DeadLetter, DeadLetterFilter};
use crate::view::LetterBody;

/// Each may hold a body of 2 MiB.
const TOP: usize = 25;
/// What of a body a page shows; the command line has it all.
const MOST_SHOWN: usize = 64 * 1024;
/// Where messages have the address of a page for people.
const WEB_PAGES: [&str; 3] =
    ["/resource/run/_links/web/href", "/resource/_links/web/href", "/resource/release/_links/web/href"];
const HINT: &str = "It may have been requeued or discarded.";

#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    reason: Option<String>,
    /// Behind this one: its time and its id.
    after: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Which {
    #[serde(default)]
    id: String,
}

#[derive(Template)]
#[template(path = "dead_letters.html")]
struct List {
    frame: Frame,
    reason: Option<String>,
    reasons: Vec<(String, u64, String)>,
    rows: Vec<Row>,
    next: Option<String>,
}

struct Row {
    id: String,
    href: String,
    code: String,
    sentence: String,
    path: String,
    tries: u32,
    dead: When,
    out: Out,
}

impl Row {
    fn of(ado: &AdoSite, letter: &DeadLetter, now: Time) -> Self {
        Self {
            out: Out::to(address(ado, &letter.body), "what it is about").short(),
            id: letter.id.clone(),
            href: format!("/dead-letters/show?id={}", part(&letter.id)),
            code: letter.reason.code.clone(),
            sentence: letter.reason.sentence.clone(),
            path: letter.reason.path.clone().unwrap_or_default(),
            tries: letter.tries,
            dead: When::of(letter.dead, now),
        }
    }
}

/// Where the service's own page is of what the message is about, if it can be read so far.
fn address(ado: &AdoSite, body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body.get(..MOST_SHOWN).unwrap_or(body)).ok()?;
    let told = WEB_PAGES.iter().find_map(|place| body.pointer(place)?.as_str());
    // A body may be anybody's: no address of elsewhere is called Azure DevOps.
    told.filter(|address| ado.holds(address)).map(str::to_owned)
}

/// `GET /dead-letters`
pub(super) async fn list(reader: Reader, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    reader.caller.as_admin_of_all()?;
    let now = reader.clock.now();
    let reason = said(asked.reason);
    let filter = DeadLetterFilter { code: reason.clone(), ..DeadLetterFilter::default() };
    let after = asked.after.as_deref().and_then(read_after);
    let mut letters = reader.queue.dead_letters(&filter, after.as_ref(), TOP + 1).await?;
    let more = letters.len() > TOP;
    letters.truncate(TOP);
    let next = letters.last().filter(|_| more).map(|last| format!("{}~{}", last.dead.ticks(), last.id));
    page(&List {
        frame: Frame::of(&reader, "/dead-letters").await?,
        next: next.map(|next| query("/dead-letters", &[("reason", reason.as_deref()), ("after", Some(&next))])),
        reason,
        reasons: reasons(&reader).await,
        rows: letters.iter().map(|letter| Row::of(&reader.ado, letter, now)).collect(),
    })
}

fn reason_href(code: &str) -> String {
    query("/dead-letters", &[("reason", Some(code))])
}

fn read_after(text: &str) -> Option<After> {
    let (dead, id) = text.split_once('~')?;
    Some(After { dead: Time::from_ticks(dead.parse().ok()?), id: id.to_owned() })
}

/// Where those of each reason are shown, how many there are, and the reason's code; the most first. None where the queue
/// does not tell, which the trust line says.
pub(super) async fn reasons(reader: &Reader) -> Vec<(String, u64, String)> {
    let dead = reader.letters().await.unwrap_or_default();
    let row = |(code, count): (&String, &u64)| (reason_href(code), *count, code.clone());
    let mut reasons: Vec<_> = dead.0.iter().map(row).collect();
    reasons.sort_by_key(|(_, count, _)| std::cmp::Reverse(*count));
    reasons
}

#[derive(Template)]
#[template(path = "dead_letter.html")]
struct Show {
    frame: Frame,
    row: Row,
    first_seen: When,
    body: String,
    base64: bool,
    cut: bool,
}

async fn find(reader: &Reader, id: &str) -> Result<Option<DeadLetter>, Problem> {
    let filter = DeadLetterFilter { ids: Some(vec![id.to_owned()]), ..DeadLetterFilter::default() };
    let found = reader.queue.dead_letters(&filter, None, 1).await?;
    Ok(found.into_iter().next())
}

/// `GET /dead-letters/show?id=`
pub(super) async fn show(reader: Reader, Query(Which { id }): Query<Which>) -> Result<Response, Problem> {
    reader.caller.as_admin_of_all()?;
    let Some(letter) = find(&reader, &id).await? else {
        return missing(&reader, format!("Dead letter {id}"), HINT).await;
    };
    let now = reader.clock.now();
    let (row, first_seen) = (Row::of(&reader.ado, &letter, now), When::of(letter.first_seen, now));
    let (body, base64) = match LetterBody::new(letter.body) {
        LetterBody::Text(text) => (text, false),
        LetterBody::Base64(text) => (text, true),
    };
    let cut = body.len() > MOST_SHOWN;
    let body = if cut { body.chars().take(MOST_SHOWN).collect() } else { body };
    page(&Show { frame: Frame::of(&reader, "/dead-letters").await?, row, first_seen, body, base64, cut })
}

/// `POST /dead-letters/requeue`
pub(super) async fn requeue(reader: Reader, Form(Which { id }): Form<Which>) -> Result<Response, Problem> {
    letters::act(&reader, Act::Requeue, &id).await?;
    Ok(Redirect::to("/dead-letters").into_response())
}

#[derive(Template)]
#[template(path = "discard.html")]
struct Confirm {
    frame: Frame,
    row: Row,
}

/// `GET /dead-letters/discard?id=`: it cannot be undone, so it is asked for twice.
pub(super) async fn confirm(reader: Reader, Query(Which { id }): Query<Which>) -> Result<Response, Problem> {
    reader.caller.as_admin_of_all()?;
    let Some(letter) = find(&reader, &id).await? else {
        return missing(&reader, format!("Dead letter {id}"), HINT).await;
    };
    let row = Row::of(&reader.ado, &letter, reader.clock.now());
    page(&Confirm { frame: Frame::of(&reader, "/dead-letters").await?, row })
}

/// `POST /dead-letters/discard`
pub(super) async fn discard(reader: Reader, Form(Which { id }): Form<Which>) -> Result<Response, Problem> {
    letters::act(&reader, Act::Discard, &id).await?;
    Ok(Redirect::to("/dead-letters").into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_leads_to_the_service_and_nowhere_else() {
        let of = |place: &str, address: &str| {
            let body = format!(r#"{{"resource": {{{place}: {{"web": {{"href": "{address}"}}}}}}}}"#);
            self::address(&AdoSite::default(), body.as_bytes())
        };
        let good = "https://dev.azure.com/fabrikam/p/_build/results?buildId=7";
        assert_eq!(of(r#""_links""#, good).as_deref(), Some(good));
        for bad in ["https://evil.example/", "https://dev.azure.com.evil.example/", "javascript:alert(1)"] {
            assert_eq!(of(r#""_links""#, bad), None, "{bad}");
        }
        assert_eq!(address(&AdoSite::default(), b"rubbish"), None);
    }
}
