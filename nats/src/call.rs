//! Typed requests with a deadline.

use std::time::Duration;

use async_nats::{Message, PublishErrorKind, StatusCode, Subject, service};
use bytes::Bytes;
use protocol::{Code, Failure, RequestId};
use tokio::time::{Instant, timeout};

use crate::{
    Backbone, BackboneError,
    envelope::{self, Head},
    inbox::Unanswered,
    table::{self, Request},
    unix_ms,
};

/// How long a call waits in all, unless told otherwise: players are told to retry within 2 s.
pub const DEADLINE: Duration = Duration::from_millis(1500);

impl Backbone {
    /// Asks, and waits for the answer until [`DEADLINE`].
    ///
    /// # Errors
    /// What the answerer said; `unavailable` when nobody serves it or NATS is away;
    /// `deadline_passed` when no answer came: it may have been done nevertheless; `internal` when
    /// NATS denies this user the subject.
    pub async fn call<R: Request>(&self, to: &R::To, body: R) -> Result<R::Reply, Failure> {
        self.call_within(to, body, DEADLINE).await
    }

    /// Asks, and waits for the answer for `patience` in all.
    ///
    /// # Errors
    /// As [`Backbone::call`].
    pub async fn call_within<R: Request>(
        &self,
        to: &R::To,
        body: R,
        patience: Duration,
    ) -> Result<R::Reply, Failure> {
        let subject = table::request::<R>(&self.realm, to);
        let payload = envelope(body, patience)?;
        let message = self.ask(&subject, payload, patience).await?;
        read_answer(&subject, &message)
    }

    /// Asks up to `tries` times within `patience` each, with one request id: an answerer that did
    /// the work and whose answer was lost gives its first answer again.
    ///
    /// # Errors
    /// As [`Backbone::call`]; only silence and absence are tried again, never a refusal.
    pub async fn call_again<R: Request>(
        &self,
        to: &R::To,
        body: R,
        patience: Duration,
        tries: u32,
    ) -> Result<R::Reply, Failure> {
        let subject = table::request::<R>(&self.realm, to);
        let payload = envelope(body, patience.saturating_mul(tries))?;
        let mut tried = 1;
        loop {
            let turn = Instant::now() + patience;
            match self.ask(&subject, payload.clone(), patience).await {
                Ok(message) => return read_answer(&subject, &message),
                Err(failure) if tried >= tries || !failure.retry => return Err(failure),
                // Absence is known at once: wait for this turn's end before the next try.
                Err(_) => tokio::time::sleep_until(turn).await,
            }
            tried += 1;
        }
    }

    pub(crate) async fn ask(
        &self,
        subject: &str,
        payload: Bytes,
        patience: Duration,
    ) -> Result<Message, Failure> {
        if !self.is_up() {
            return Err(self.unavailable("not connected").into());
        }
        let subject = Subject::from(subject);
        // The library's time-out starts once the request is queued, so ours goes around it all.
        match timeout(patience, self.exchange(&subject, payload)).await {
            Ok(Ok(answer)) if answer.status == Some(StatusCode::NO_RESPONDERS) => {
                let message = format!("nobody serves {subject} now; try again shortly");
                Err(Failure::new(Code::Unavailable, message))
            }
            Ok(answered) => answered,
            Err(_) => {
                let message =
                    format!("no answer on {subject} within {} ms; try again", patience.as_millis());
                Err(Failure::new(Code::DeadlinePassed, message))
            }
        }
    }

    async fn exchange(&self, subject: &Subject, payload: Bytes) -> Result<Message, Failure> {
        let expected = self.inbox.expect(subject).map_err(|why| self.unanswered(why))?;
        let reply_to = expected.reply_to.clone();
        let sent = self.client.publish_with_reply(subject.clone(), reply_to, payload).await;
        sent.map_err(|error| match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => BackboneError::TooLarge(error.to_string()),
            _ => self.unavailable(error.to_string()),
        })?;
        expected.answer().await.map_err(|why| self.unanswered(why))
    }

    fn unanswered(&self, why: Unanswered) -> Failure {
        match why {
            Unanswered::Denied(what) => BackboneError::Forbidden(what).into(),
            Unanswered::Closed => self.unavailable("the connection was closed").into(),
            Unanswered::Full => Failure::new(Code::Busy, "too many calls wait; try again shortly"),
        }
    }
}

fn envelope<R: Request>(body: R, patience: Duration) -> Result<Bytes, Failure> {
    let patience_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
    let head = Head {
        request_id: Some(RequestId::new()),
        deadline_ms: Some(unix_ms().saturating_add(patience_ms)),
    };
    envelope::write(body, head).map_err(|error| {
        Failure::new(Code::Internal, format!("a request cannot be written: {error}"))
    })
}

fn read_answer<T: serde::de::DeserializeOwned>(
    subject: &str,
    message: &Message,
) -> Result<T, Failure> {
    let error =
        message.headers.as_ref().and_then(|headers| headers.get(service::NATS_SERVICE_ERROR));
    if let Some(text) = error {
        let text = text.as_str();
        return Err(Failure::parse(text).unwrap_or_else(|| Failure::new(Code::Internal, text)));
    }
    serde_json::from_slice(&message.payload).map_err(|error| {
        Failure::new(Code::Malformed, format!("the answer on {subject} cannot be read: {error}"))
    })
}
