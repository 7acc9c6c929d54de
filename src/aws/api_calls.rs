//! Records every call with its result, and stops waiting at the deadline.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{ApiCall, CREDENTIALS};
use crate::{diagnostic::printable, identity::ApiError};

#[derive(Debug)]
pub(super) struct ApiCalls {
    deadline: Instant,
    asked: Mutex<Vec<ApiCall>>,
}

impl ApiCalls {
    pub(super) fn until(deadline: Instant) -> Self {
        Self { deadline, asked: Mutex::default() }
    }

    pub(super) fn into_calls(self) -> Vec<ApiCall> {
        self.asked.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gets the credentials. Only a failure is recorded.
    pub(super) async fn credentials<T>(
        &self,
        about: &str,
        becoming: impl Future<Output = Result<T, String>>,
    ) -> Option<T> {
        let words = match self.within(becoming).await {
            Some(Ok(identity)) => return Some(identity),
            Some(Err(words)) => words,
            None => TOO_LATE.to_owned(),
        };
        self.refused(CREDENTIALS, about, words);
        None
    }

    /// Makes a call. Further pages belong to the same entry.
    ///
    /// # Errors
    /// AWS refused the call or did not respond; the message is recorded.
    pub(super) async fn record<T>(
        &self,
        call: &str,
        about: &str,
        answer: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        self.place(call, about);
        let start = Instant::now();
        let answer = self.within(answer).await;
        // Without the words of AWS.
        tracing::debug!(call, took = ?start.elapsed(), passed = matches!(answer, Some(Ok(_))), "API call finished");
        let error = match answer {
            Some(Ok(answer)) => return Ok(answer),
            Some(Err(error)) => error,
            None => ApiError::new(TOO_LATE),
        };
        self.refused(call, about, error.message.clone());
        Err(error)
    }

    pub(super) fn refused(&self, call: &str, about: &str, words: String) {
        let place = self.place(call, about);
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(asked) = asked.get_mut(place) {
            asked.refused = Some(words);
        }
    }

    /// The index of the entry, which is added if it does not exist.
    fn place(&self, call: &str, about: &str) -> usize {
        let about = printable(about);
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let there = asked.iter().position(|asked| asked.call == call && asked.about == about);
        there.unwrap_or_else(|| {
            asked.push(ApiCall { call: call.to_owned(), about, refused: None });
            asked.len() - 1
        })
    }

    async fn within<T>(&self, answer: impl Future<Output = T>) -> Option<T> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match left {
            Duration::ZERO => None,
            left => tokio::time::timeout(left, answer).await.ok(),
        }
    }
}

const TOO_LATE: &str = "no answer before the end of the run (--timeout)";
