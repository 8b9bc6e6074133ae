use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::{AdoError, Answer, Client, Place};

/// More pages no list has: with 500 builds a page these are 5 million.
const MOST_PAGES: usize = 10_000;
/// So many pages in a row may say the same, such as nothing.
const MOST_ALIKE: usize = 20;

/// A list, page by page. A service whose continuation token leads nowhere is an error, not a loop without an end. A page
/// that is too large is asked for again in halves, where the page's size is said.
#[derive(Debug)]
pub struct Pages<'c> {
    client: &'c Client,
    place: Place,
    guard: Guard,
    next: Next,
}

#[derive(Debug)]
enum Next {
    First,
    Behind(String),
    End,
}

impl<'c> Pages<'c> {
    pub(super) fn new(client: &'c Client, place: Place) -> Self {
        Self { client, place, guard: Guard::default(), next: Next::First }
    }

    /// The next page; `None` behind the last one.
    ///
    /// # Errors
    /// [`AdoError`]. Asked again after an error, it asks for the same page.
    pub async fn next(&mut self) -> Result<Option<Answer>, AdoError> {
        let answer = loop {
            let place = match &self.next {
                Next::First => self.place.clone(),
                Next::Behind(token) => self.place.clone().with("continuationToken", token.clone()),
                Next::End => return Ok(None),
            };
            match self.client.get(&place).await {
                Err(AdoError::TooLarge { .. }) if self.place.halve("$top") => {}
                answered => break answered?,
            }
        };
        let endless = |says| AdoError::Endless { place: self.place.to_string(), says };
        self.guard.look(&answer).map_err(endless)?;
        self.next = answer.continuation.clone().map_or(Next::End, Next::Behind);
        Ok(Some(answer))
    }
}

/// Notices a list that goes in circles.
#[derive(Debug, Default)]
struct Guard {
    tokens: BTreeSet<[u8; 32]>,
    last: Option<[u8; 32]>,
    alike: usize,
}

impl Guard {
    fn look(&mut self, answer: &Answer) -> Result<(), String> {
        let Some(token) = &answer.continuation else { return Ok(()) };
        if !self.tokens.insert(Sha256::digest(token).into()) {
            return Err("a continuation token came twice".to_owned());
        }
        let body = Some(Sha256::digest(&answer.body).into());
        self.alike = if self.last == body { self.alike + 1 } else { 0 };
        self.last = body;
        if self.alike >= MOST_ALIKE {
            return Err(format!("{MOST_ALIKE} pages in a row say the same"));
        }
        if self.tokens.len() >= MOST_PAGES {
            return Err(format!("there are more than {MOST_PAGES} pages"));
        }
        Ok(())
    }
}
