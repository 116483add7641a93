//! The tower layer that answers `http-01` challenges.

use std::task::{Context, Poll};

use http::{HeaderValue, Method, Request, Response, header::CONTENT_TYPE};
use tower_layer::Layer;
use tower_service::Service;

use super::HttpChallenges;
use crate::answer::{AnsweredBody, AnsweredFuture};

/// A tower layer that answers the `http-01` challenges of an [`Acme`](crate::Acme) order. It must be the outermost
/// one, so that no rule refuses the certificate authority.
///
/// Any other request is passed on, also one for an unknown token, which may be that of the server behind.
#[derive(Clone, Debug)]
pub struct ChallengeLayer(HttpChallenges);

/// The service of [`ChallengeLayer`].
#[derive(Clone, Debug)]
pub struct ChallengeService<S> {
    inner: S,
    challenges: HttpChallenges,
}

// === impl ChallengeLayer ===

impl ChallengeLayer {
    /// Answers these challenges.
    pub const fn new(challenges: HttpChallenges) -> Self {
        Self(challenges)
    }
}

impl<S> Layer<S> for ChallengeLayer {
    type Service = ChallengeService<S>;

    fn layer(&self, inner: S) -> ChallengeService<S> {
        ChallengeService {
            inner,
            challenges: self.0.clone(),
        }
    }
}

// === impl ChallengeService ===

impl<S, B, R> Service<Request<R>> for ChallengeService<S>
where
    S: Service<Request<R>, Response = Response<B>>,
{
    type Response = Response<AnsweredBody<B>>;
    type Error = S::Error;
    type Future = AnsweredFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<R>) -> Self::Future {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let answer = self.challenges.answer(request.uri().path());
        let Some(answer) = answer.filter(|_| is_read) else {
            return AnsweredFuture::passed(self.inner.call(request));
        };
        let mut response = Response::new(answer);
        let kind = HeaderValue::from_static("application/octet-stream");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        AnsweredFuture::answered(response)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, convert::Infallible};

    use bytes::Bytes;
    use http_body_util::{BodyExt as _, Full};
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    #[tokio::test]
    async fn known_token_is_answered_and_other_requests_pass() {
        let challenges = HttpChallenges::default();
        let answers = [("token".to_owned(), Bytes::from_static(b"token.hash"))];
        challenges.replace(HashMap::from(answers));
        let inner = service_fn(|_: Request<()>| async {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"inner"))))
        });
        let service = ChallengeLayer::new(challenges).layer(inner);
        for (method, path, body) in [
            (
                Method::GET,
                "/.well-known/acme-challenge/token",
                "token.hash",
            ),
            (
                Method::HEAD,
                "/.well-known/acme-challenge/token",
                "token.hash",
            ),
            (Method::POST, "/.well-known/acme-challenge/token", "inner"),
            (Method::GET, "/.well-known/acme-challenge/other", "inner"),
            (Method::GET, "/.well-known/acme-challenge/", "inner"),
            (Method::GET, "/token", "inner"),
        ] {
            let request = Request::builder().method(method).uri(path).body(());
            let response = service.clone().oneshot(request.unwrap()).await.unwrap();
            let is_answer = response.headers().contains_key(CONTENT_TYPE);
            assert_eq!(is_answer, body != "inner", "{path}");
            let received = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(received, body, "{path}");
        }
    }
}
