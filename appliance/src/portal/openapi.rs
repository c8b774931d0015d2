//! What programs may ask of the portal: an OpenAPI 3.1 document. It is made from the table of routes and from the types that
//! the handlers take, so that it cannot say anything else than they do.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa::openapi::content::Content;
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, ParameterBuilder, ParameterIn, PathsBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ComponentsBuilder, Info, OpenApi, OpenApiBuilder, RefOr, Required, Response};

use super::access::Access;
use super::answer::{COOKIE, Reply};
use super::routes::{self, Route};
use super::visit::Visit;

const FORM: &str = "application/x-www-form-urlencoded";

const TOKEN: &str = "token";
const SESSION: &str = "session";

const ABOUT: &str = "Everything that DatisAdmin's pages do. Forms are sent as forms; what is done is answered with 303 and \
                     the page to look at. Programs send a token of an account (My account, API tokens) as `Authorization: \
                     Bearer …`: one for reading may only GET, one for managing may do what its account may, except what \
                     needs the password once more. Without a token, changes are taken from the portal's own pages alone. What is under `/dav/` is \
                     WebDAV (RFC 4918) and not described here.";

/// Values of queries, by the routes that look at them.
const QUERIES: &[(&str, &[&str])] = &[
    ("/audit", &["before"]),
    ("/confirm", &["next"]),
    ("/login", &["next"]),
    ("/machines/{id}/retention", &["preset", "local", "list", "from"]),
    ("/restore/search", &["q"]),
    ("/restore/{machine}/{source}", &["path", "snapshot"]),
    ("/restore/{machine}/{source}/versions", &["path"]),
    ("/restore/{machine}/{source}/{snapshot}", &["path", "after"]),
    ("/restore/{machine}/{source}/{snapshot}/file", &["path"]),
    ("/restore/{machine}/{source}/{snapshot}/archive", &["path"]),
];

/// What an answer can be, whatever is asked for.
const ANSWERS: &[(&str, &str)] = &[
    ("200", "The page, or the file."),
    ("303", "Done, or not here: the page to look at is in Location. Strangers are led to the page for signing in."),
    ("401", "The token is wrong or over."),
    ("403", "The account may not do this, or the request comes from somewhere it may not come from."),
    ("404", "There is no such thing, or it is not for this account."),
    ("421", "The portal does not have the name that was asked for."),
    ("422", "What was sent cannot be done; the page says why."),
];

/// The names and values of a form in which names may come several times.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Pairs(pub(super) Vec<(String, String)>);

impl utoipa::PartialSchema for Pairs {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        ObjectBuilder::new().additional_properties(Some(ArrayBuilder::new().items(text()))).into()
    }
}

impl ToSchema for Pairs {}

/// What handlers take of a request.
pub(super) trait Taken {
    /// Adds it to what is said of an operation.
    fn describe(operation: OperationBuilder) -> OperationBuilder;
}

/// It is in no request, or in the path.
macro_rules! nothing_more {
    ($($taken:ty),+) => {
        $(impl Taken for $taken {
            fn describe(operation: OperationBuilder) -> OperationBuilder {
                operation
            }
        })+
    };
}

nothing_more!(Visit, HttpRequest, web::Payload);

impl<T> Taken for web::Path<T> {
    fn describe(operation: OperationBuilder) -> OperationBuilder {
        operation
    }
}

impl<F: ToSchema> Taken for web::Form<F> {
    fn describe(operation: OperationBuilder) -> OperationBuilder {
        let body =
            RequestBodyBuilder::new().content(FORM, Content::new(Some(F::schema()))).required(Some(Required::True));
        operation.request_body(Some(body.build()))
    }
}

/// A form that is longer than others may be, read by the handler itself.
impl Taken for String {
    fn describe(operation: OperationBuilder) -> OperationBuilder {
        web::Form::<Pairs>::describe(operation)
    }
}

macro_rules! taken_together {
    ($($part:ident)+) => {
        impl<$($part: Taken),+> Taken for ($($part,)+) {
            fn describe(operation: OperationBuilder) -> OperationBuilder {
                $(let operation = $part::describe(operation);)+
                operation
            }
        }
    };
}

taken_together!(A);
taken_together!(A B);
taken_together!(A B C);
taken_together!(A B C D);

/// What a handler does with `route`.
pub(super) fn operation<A: Taken, H: actix_web::Handler<A>>(_: &H, route: &Route, name: &str) -> Operation {
    let (tag, _) = name.split_once("::").unwrap_or((name, ""));
    let mut operation = OperationBuilder::new()
        .operation_id(Some(format!("{}_{}", route.method.to_ascii_lowercase(), name.replace("::", "_"))))
        .tag(tag);
    for name in route.pattern.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
        let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
        operation = operation.parameter(parameter.schema(Some(ObjectBuilder::new().schema_type(Type::String))));
    }
    let queries = QUERIES.iter().filter(|(pattern, _)| route.is_look() && *pattern == route.pattern);
    for name in queries.flat_map(|(_, names)| *names) {
        let parameter = ParameterBuilder::new().name(*name).parameter_in(ParameterIn::Query).required(Required::False);
        operation = operation.parameter(parameter.schema(Some(ObjectBuilder::new().schema_type(Type::String))));
    }
    let may = match route.access {
        Access::Public => "For everybody.".to_owned(),
        Access::HalfSignedIn => "For whoever has given the password and not yet the second factor.".to_owned(),
        Access::SignedIn => "For every account.".to_owned(),
        Access::Has(right) => format!("For accounts with the right {right:?}."),
        Access::Figures => "For this computer, and tokens that may read figures.".to_owned(),
        Access::Folders => "For tokens that may read network folders.".to_owned(),
    };
    if !matches!(route.access, Access::Public) {
        for scheme in [TOKEN, SESSION] {
            operation = operation.security(SecurityRequirement::new(scheme, [""; 0]));
        }
    }
    for (status, meaning) in ANSWERS {
        operation = operation.response(*status, Response::new(*meaning));
    }
    A::describe(operation.description(Some(may))).build()
}

/// The document. Network folders are not in it: their standard (RFC 4918) describes them, and OpenAPI has no word for their
/// methods.
pub(super) fn document() -> OpenApi {
    let mut paths = PathsBuilder::new().build();
    for (route, operation) in routes::operations().into_iter().filter(|(route, _)| route.access != Access::Folders) {
        let method = if route.is_look() { HttpMethod::Get } else { HttpMethod::Post };
        paths.add_path_operation(route.pattern, vec![method], operation);
    }
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A token of an account."));
    let session = ApiKey::Cookie(ApiKeyValue::new(COOKIE));
    let components = ComponentsBuilder::new()
        .security_scheme(TOKEN, SecurityScheme::Http(token.build()))
        .security_scheme(SESSION, SecurityScheme::ApiKey(session));
    let mut info = Info::new("DatisAdmin", env!("CARGO_PKG_VERSION"));
    info.description = Some(ABOUT.to_owned());
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components.build())).build()
}

pub(in crate::portal) async fn show(visit: Visit) -> HttpResponse {
    visit
        .answer(|_| {
            let text = document().to_json().map_err(|e| super::answer::PageError::Other(e.to_string()))?;
            Ok(Reply::Text { media_type: "application/json", text })
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::super::routes::ROUTES;
    use super::*;

    #[test]
    fn the_document_has_every_route_with_its_form_and_parameters() {
        let document: serde_json::Value =
            serde_json::from_str(&document().to_json().expect("a document")).expect("json");
        assert_eq!(document["openapi"], "3.1.0");
        let (folders, described): (Vec<&Route>, Vec<&Route>) =
            ROUTES.iter().partition(|route| route.access == Access::Folders);
        assert!(folders.iter().all(|route| document["paths"].get(route.pattern).is_none()), "they have no word here");
        for route in described {
            let operation = &document["paths"][route.pattern][route.method.to_ascii_lowercase()];
            assert!(operation["operationId"].is_string(), "{route:?}");
            let secured = operation["security"].as_array().map_or(0, Vec::len);
            assert_eq!(secured > 0, route.access != Access::Public, "{route:?}");
            let named = route.pattern.matches('{').count();
            let in_path = operation["parameters"]
                .as_array()
                .map_or(0, |all| all.iter().filter(|parameter| parameter["in"] == "path").count());
            assert_eq!(in_path, named, "{route:?}");
        }
        let mail = &document["paths"]["/reports"]["post"]["requestBody"]["content"][FORM]["schema"];
        assert_eq!(mail["properties"]["port"]["type"], "integer", "{mail}");
        assert!(mail["required"].as_array().is_some_and(|all| all.contains(&"host".into())), "{mail}");
    }

    #[test]
    fn every_query_that_is_described_is_one_of_a_route() {
        for (pattern, _) in QUERIES {
            assert!(ROUTES.iter().any(|route| route.pattern == *pattern && route.is_look()), "{pattern}");
        }
    }
}
