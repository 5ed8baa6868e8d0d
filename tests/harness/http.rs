//! Requests to a server's REST interface.

use serde_json::Value;

use super::{PATIENCE, Server};

impl Server {
    /// Puts bytes there.
    pub(crate) async fn put(&self, path: &str, token: Option<&str>, bytes: Vec<u8>) -> (u16, Value) {
        self.request(reqwest::Client::new().put(self.url(path)).body(bytes), token).await
    }

    pub(crate) async fn delete(&self, path: &str, token: Option<&str>) -> (u16, Value) {
        self.request(reqwest::Client::new().delete(self.url(path)), token).await
    }

    pub(crate) async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
        self.request(reqwest::Client::new().post(self.url(path)).json(body), token).await
    }

    pub(crate) async fn get(&self, path: &str, token: Option<&str>) -> (u16, Value) {
        self.request(reqwest::Client::new().get(self.url(path)), token).await
    }

    /// Sends a file up.
    pub(crate) async fn upload(&self, path: &str, token: Option<&str>, bytes: Vec<u8>) -> (u16, Value) {
        self.request(reqwest::Client::new().post(self.url(path)).body(bytes), token).await
    }

    /// What is answered, as it comes.
    pub(crate) async fn fetch(&self, path: &str) -> reqwest::Response {
        reqwest::Client::new().get(self.url(path)).timeout(PATIENCE).send().await.expect("the server answers")
    }

    /// Any other method.
    pub(crate) async fn send(&self, method: &str, path: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
        let method = method.parse().expect("a method");
        self.request(reqwest::Client::new().request(method, self.url(path)).json(body), token).await
    }

    async fn request(&self, request: reqwest::RequestBuilder, token: Option<&str>) -> (u16, Value) {
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let response = request.timeout(PATIENCE).send().await.expect("the server answers");
        let status = response.status().as_u16();
        let text = response.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }
}
