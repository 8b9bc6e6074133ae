use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, OpenApi as Document, SecurityRequirement};
use utoipa::{Modify, OpenApi};

use super::answers::ProblemJson;

/// What the routes are added to.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Pipetrail",
        description = "Where is my change, what is in each environment, what is running, what is broken and why."
    ),
    components(schemas(ProblemJson)),
    modifiers(&Bearer)
)]
struct Head;

/// On loopback nothing is needed; beyond it a token, or the cookie of a sign-in.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut Document) {
        let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        let components = document.components.get_or_insert_with(Components::new);
        components.add_security_scheme("token", bearer);
        let none = SecurityRequirement::default();
        document.security = Some(vec![none, SecurityRequirement::new::<_, [&str; 0], _>("token", [])]);
    }
}

pub(super) fn head() -> Document {
    Head::openapi()
}
