//! The mock `http` import.

use super::granted;
use crate::Result;
use crate::http::{Request, Response};

pub(crate) fn fetch(request: Request) -> Result<Response> {
    let answer = granted("http", |state| {
        let answer = state.answers.get(&request.url).cloned();
        state.requests.push(request.clone());
        answer
    });
    match answer {
        Some(answer) => answer,
        None => panic!(
            "the plugin asked {:?} for {}, and the test has no answer: say `chat.answer(\"{}\", …)`",
            request.method, request.url, request.url
        ),
    }
}
