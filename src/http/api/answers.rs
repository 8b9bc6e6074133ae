//! What each route may answer beside what was asked for.

use std::collections::BTreeMap;

use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

/// An error, as RFC 9457 writes it.
#[derive(Debug, ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "it describes what `http::Problem` writes")]
pub(super) struct ProblemJson {
    r#type: String,
    title: String,
    status: u16,
    /// One sentence with what to do.
    detail: String,
    /// What it may have been, where it was not clear.
    #[schema(required = false)]
    matches: Vec<String>,
}

type Responses = BTreeMap<String, RefOr<Response>>;

fn problems(of: &[(&str, &str)]) -> Responses {
    let problem = |(status, says): &(&str, &str)| {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let response = ResponseBuilder::new().description(*says).content("application/problem+json", content);
        ((*status).to_owned(), response.build().into())
    };
    of.iter().map(problem).collect()
}

const ASKED_WRONGLY: (&str, &str) = ("400", "A parameter is not known, or its value is wrong");
const UNKNOWN_CALLER: (&str, &str) = ("401", "Whoever asks was not let in");
const OUR_TROUBLE: (&str, &str) = ("503", "Our own trouble; try again");

/// Of a list.
pub(super) struct OfList;

impl IntoResponses for OfList {
    fn responses() -> Responses {
        problems(&[ASKED_WRONGLY, UNKNOWN_CALLER, OUR_TROUBLE])
    }
}

/// Of one thing.
pub(super) struct OfOne;

impl IntoResponses for OfOne {
    fn responses() -> Responses {
        let missing = ("404", "It is not here, or not for this caller");
        let several = ("409", "There are several; `matches` lists them");
        problems(&[ASKED_WRONGLY, UNKNOWN_CALLER, missing, several, OUR_TROUBLE])
    }
}

/// Of what only an administrator may see.
pub(super) struct OfAdmin;

impl IntoResponses for OfAdmin {
    fn responses() -> Responses {
        let forbidden = ("403", "Only for administrators of all projects");
        problems(&[ASKED_WRONGLY, UNKNOWN_CALLER, forbidden, ("404", "It is not here"), OUR_TROUBLE])
    }
}
