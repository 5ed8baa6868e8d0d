//! Headers of answers: the same for HEAD as for GET, the same for 304 as for 200, and what `Accept-Encoding` decides.

use std::collections::BTreeMap;

use reqwest::{Method, RequestBuilder, Response, header};

use crate::harness::{Server, Setup};

/// The headers with all their values, in the order of their names. `Date` and the request's id differ for each answer.
fn headers(answer: &Response) -> BTreeMap<String, Vec<String>> {
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in answer.headers() {
        headers.entry(name.to_string()).or_default().push(value.to_str().unwrap().to_owned());
    }
    headers.retain(|name, _| name != "date" && name != "x-request-id");
    headers
}

fn accepting(request: RequestBuilder, codings: &[&str]) -> RequestBuilder {
    codings.iter().fold(request, |request, codings| request.header(header::ACCEPT_ENCODING, *codings))
}

/// Paths of answers long enough to be compressed.
const LARGE_PATHS: [&str; 5] = ["/", "/web/chat/room.js", "/api/docs.js", "/api/openapi.json", "/metrics"];

#[tokio::test]
async fn answer_is_sent_as_it_is_to_a_client_that_excludes_every_coding() {
    let server = Setup::bare().start().await;
    let http = reqwest::Client::new();
    for path in LARGE_PATHS.into_iter().chain(["/healthz", "/api/server", "/admin", "/web/chat/address.js"]) {
        let plain = http.get(server.url(path)).send().await.unwrap().bytes().await.unwrap();
        for codings in [
            &["identity;q=0"] as &[&str],
            &["*;q=0"],
            &["identity;q=0, *;q=0"],
            &["identity;q=0", "gzip;q=0"],
            &["br, identity;q=0.000"],
            &["gzip;q=0, *"],
            &[""],
        ] {
            for method in [Method::GET, Method::HEAD] {
                let request = http.request(method.clone(), server.url(path));
                let answer = accepting(request, codings).send().await.unwrap();
                assert_eq!(answer.status(), 200, "{method} {path} {codings:?}");
                assert!(!answer.headers().contains_key(header::CONTENT_ENCODING), "{method} {path} {codings:?}");
                let varies = answer.headers().get_all(header::VARY).iter().any(|vary| vary == "accept-encoding");
                assert!(varies || !LARGE_PATHS.contains(&path), "{method} {path} {codings:?}");
                if method == Method::GET && path != "/metrics" {
                    assert_eq!(answer.bytes().await.unwrap(), plain, "{path} {codings:?}");
                }
            }
        }
        for codings in [&["identity;q=0, gzip"] as &[&str], &["*;q=0", "x-gzip;q=0.1"]] {
            let answer = accepting(http.get(server.url(path)), codings).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{path} {codings:?}");
            let packed = answer.headers().get(header::CONTENT_ENCODING).is_some_and(|coding| coding == "gzip");
            assert_eq!(packed, LARGE_PATHS.contains(&path), "{path} {codings:?}");
        }
    }
}

#[tokio::test]
async fn not_modified_answer_has_the_validators_and_caching_headers_of_the_full_one() {
    let server = Setup::bare().start().await;
    let ann = server.sign_up("ann").await;
    let (status, file) = server.upload("/api/media?name=a.txt", Some(&ann.token), b"some text".to_vec()).await;
    assert_eq!(status, 201, "{file}");
    let http = reqwest::Client::new();
    let paths = ["/", "/admin", "/web/chat/room.js", "/web/chat/address.js", file["url"].as_str().unwrap()];
    for path in paths {
        for codings in [&[] as &[&str], &["gzip"], &["identity;q=0"]] {
            for method in [Method::GET, Method::HEAD] {
                let ask = || accepting(http.request(method.clone(), server.url(path)), codings);
                let full = ask().send().await.unwrap();
                let tag = full.headers()[header::ETAG].clone();
                let known = ask().header(header::IF_NONE_MATCH, tag).send().await.unwrap();
                assert_eq!((full.status().as_u16(), known.status().as_u16()), (200, 304), "{method} {path}");
                let (full, known) = (headers(&full), headers(&known));
                for name in ["etag", "cache-control", "vary", "content-location", "expires"] {
                    assert_eq!(known.get(name), full.get(name), "{name} of {method} {path} {codings:?}");
                }
                assert!(!known.contains_key("content-encoding"), "{method} {path}: {known:?}");
            }
        }
    }
}

/// The paths of all GET routes, with existing values for the variable parts.
async fn paths(server: &Server, token: &str) -> Vec<String> {
    let (_, document) = server.get("/api/openapi.json", None).await;
    let (_, file) = server.upload("/api/media?name=a.txt", Some(token), b"some text".to_vec()).await;
    let session = "0f8fad5b-d9cb-469f-a165-70867728950e";
    server.post("/api/sessions", Some(token), &serde_json::json!({"id": session, "name": "mine"})).await;
    let mut paths = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        if item.get("get").is_none() {
            continue;
        }
        let path = match path.as_str() {
            "/media/{id}" => file["url"].as_str().unwrap().to_owned(),
            "/api/rooms/{room}/messages" => "/api/rooms/lobby/messages".to_owned(),
            "/api/users" => "/api/users?name=root".to_owned(),
            path => path.replace("{id}", if path.contains("plugins") { "echo" } else { session }),
        };
        paths.extend([format!("{path}{}x=y", if path.contains('?') { '&' } else { '?' }), path]);
    }
    let others = [
        "/",
        "/admin",
        "/web/chat/room.js",
        "/web/chat/address.js",
        "/web/nothing",
        "/api/docs",
        "/api/docs.js",
        "/api/docs.css",
        "/api/openapi.json",
        "/ws",
        "/ws/",
        "/ws/native",
        "/ws/go",
        "/ws/rooms",
        "/ws/direct",
        "/ws/groups",
        "/ws/nothing",
        "/api/auth/login",
        "/register",
        "/nothing",
        "/media/nothing",
        "/socket.io/?EIO=4&transport=websocket",
        "/socket.io",
        "/socket.io/?EIO=3&transport=polling",
    ];
    paths.extend(others.map(str::to_owned));
    paths
}

#[tokio::test]
async fn head_of_every_route_has_the_status_and_headers_of_get() {
    let server = Setup::new().replace("command_burst = 200", "command_burst = 100000").start().await;
    let root = server.administrator("root").await;
    let http = reqwest::Client::new();
    for path in paths(&server, &root.token).await {
        for token in [Some(&root.token), None] {
            for codings in [&[] as &[&str], &["gzip"], &["identity;q=0"]] {
                let ask = async |method: Method| {
                    let request = accepting(http.request(method, server.url(&path)), codings);
                    let request = token.iter().fold(request, |request, token| request.bearer_auth(token));
                    let answer = request.send().await.unwrap();
                    (answer.status().as_u16(), headers(&answer), answer.bytes().await.unwrap())
                };
                let (status, mut get, _) = ask(Method::GET).await;
                let (head_status, mut head, body) = ask(Method::HEAD).await;
                assert_eq!(head_status, status, "{path} {codings:?}");
                assert!(body.is_empty(), "{path}");
                // Answers with current measurements vary in length.
                if path.starts_with("/metrics") || path.starts_with("/api/admin/") || path.starts_with("/api/server") {
                    for headers in [&mut get, &mut head] {
                        headers.get_mut("content-length").into_iter().flatten().for_each(String::clear);
                    }
                }
                // The body itself is sent in chunks where its length is not known before.
                get.remove("transfer-encoding");
                head.remove("transfer-encoding");
                assert_eq!(head, get, "{path} {codings:?}");
            }
        }
    }
}
