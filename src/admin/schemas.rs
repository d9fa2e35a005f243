//! The paths of the JSON Schemas: the same texts as `cometbridge schema` prints.
//!
//! Deliberately absent: how a schema is made (`base::schema`).

use super::State;
use crate::base::envelope::schema_urn;
use crate::base::schema;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

const LIST: &str = "/api/v1/schemas";

pub fn telling() -> Router<State> {
    Router::new().route(LIST, get(list)).route("/api/v1/schemas/{name}", get(one))
}

/// The registered type of a schema, so that a client does not take it for an answer about the service.
const TYPE: &str = "application/schema+json";

async fn list() -> Response {
    let names = schema::names();
    let line = |name: &str| json!({"name": name, "$id": schema_urn(name), "path": format!("{LIST}/{name}")});
    Json(names.into_iter().map(line).collect::<Vec<Value>>()).into_response()
}

/// By its name, or by its `$id` as it stands in an event's `dataschema`.
async fn one(Path(name): Path<String>) -> Response {
    match schema::get(&name) {
        Some(text) => ([(header::CONTENT_TYPE, TYPE)], text).into_response(),
        None => {
            let error = format!("no schema {name:?}; GET {LIST} lists them");
            (StatusCode::NOT_FOUND, Json(json!({"error": error}))).into_response()
        }
    }
}
