//! The bodies of replies as faults want them: cut, garbled, broken, dripping.
//!
//! Deliberately absent: which reply is struck (see `faults`).

use super::faults::After;
use super::server::HangUp;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use std::io;
use std::time::Duration;

/// Between the bytes of a cut reply and its end, so that they leave before the connection does.
const CUT_PAUSE: Duration = Duration::from_millis(20);
const JSON: &str = "application/json;charset=UTF-8";

/// A reply, with the fault that struck it.
pub fn reply(json: Vec<u8>, fault: Option<After>) -> Response {
    let mut media = JSON.to_owned();
    let body = match fault {
        None | Some(After::RenameCookie | After::SwapCookie) => Body::from(json),
        Some(After::Garbage) => Body::from("<html><body>It works!</body></html> [{"),
        Some(After::Malformed) => Body::from(malformed(json)),
        Some(After::ContentType(value)) => {
            media = value;
            Body::from(json)
        }
        Some(After::Cut(after)) => return cut(json, after),
        Some(After::Drip { bytes, millis }) => return drip(json, bytes, millis),
        Some(After::Lost) => return hang_up(),
    };
    ([(header::CONTENT_TYPE, media)], body).into_response()
}

/// Whether the reply does not arrive whole. One with another content type does: reading it is up to the client.
pub fn spoils(fault: &After) -> Option<&'static str> {
    match fault {
        After::Cut(_) => Some("cut"),
        After::Garbage => Some("garbage"),
        After::Malformed => Some("malformed"),
        After::Lost => Some("lost-reply"),
        After::ContentType(_) | After::Drip { .. } | After::RenameCookie | After::SwapCookie => None,
    }
}

/// No answer; the connection ends.
pub fn hang_up() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(HangUp);
    response
}

/// A raw control byte in the middle, which JSON forbids anywhere.
fn malformed(mut json: Vec<u8>) -> Vec<u8> {
    json.insert(json.len() / 2, 0x01);
    json
}

/// The body in pieces of `bytes`, one each `millis`.
fn drip(json: Vec<u8>, bytes: usize, millis: u32) -> Response {
    let length = json.len();
    let pause = Duration::from_millis(millis.into());
    let pieces = futures_util::stream::unfold(Bytes::from(json), move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let piece = rest.split_to(bytes.clamp(1, rest.len()));
        Some((Ok::<Bytes, io::Error>(piece), rest))
    });
    sized(Body::from_stream(pieces), length)
}

/// Says how long the body is and then ends the connection before that.
fn cut(json: Vec<u8>, after: usize) -> Response {
    let length = json.len();
    let kept = Bytes::from(json).slice(..after.min(length.saturating_sub(1)));
    let start = futures_util::stream::iter([Ok::<Bytes, io::Error>(kept)]);
    let end = futures_util::stream::once(async {
        tokio::time::sleep(CUT_PAUSE).await;
        Err(io::Error::other("cut by a fault of the simulator"))
    });
    sized(Body::from_stream(start.chain(end)), length)
}

fn sized(body: Body, length: usize) -> Response {
    let headers = [(header::CONTENT_TYPE, JSON.to_owned()), (header::CONTENT_LENGTH, length.to_string())];
    (headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A truth that calls it lost accuses whoever has read it.
    #[test]
    fn a_reply_with_another_content_type_is_not_lost() {
        assert_eq!(spoils(&After::ContentType("text/html".to_owned())), None);
        assert_eq!(spoils(&After::Cut(0)), Some("cut"));
    }

    #[test]
    fn a_malformed_body_is_one_byte_longer_and_no_json() {
        let broken = malformed(b"[{\"a\":1}]".to_vec());
        assert_eq!(broken.len(), 10);
        assert!(serde_json::from_slice::<serde_json::Value>(&broken).is_err());
    }
}
