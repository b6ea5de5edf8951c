//! The HTTP server of `/metrics`, `/healthz` and `/readyz`: one thread, with bounds on whatever a client may do.
//!
//! It runs at the lowest priority and has nothing that the packet path waits for, so that asking much makes answers slow and
//! nothing else.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::AbortHandle;

use super::Board;
use crate::message;

/// Connections at once; for a further one the oldest of which no whole request has come yet is closed.
const CONNECTIONS: usize = 32;
/// Connections taken between two looks at those that are there.
const AT_ONCE: usize = 16;
/// How long the head of a request may take to come, and a connection as a whole.
const HEAD: Duration = Duration::from_secs(3);
const WHOLE: Duration = Duration::from_secs(10);
/// Bytes and fields of a head. hyper takes no smaller buffer than this one.
const HEAD_BYTES: usize = 8192;
const HEAD_FIELDS: usize = 64;
/// The form of Prometheus text that is written here.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Takes the address. Done before rights are given away, since ports below 1024 take some.
///
/// # Errors
///
/// When the address is taken or is not of this machine.
pub(crate) fn listen(address: &str) -> anyhow::Result<TcpListener> {
    use anyhow::Context as _;
    let address: SocketAddr = address
        .parse()
        .with_context(|| format!("`{address}` is no address with a port, such as 127.0.0.1:9464"))?;
    let listener = TcpListener::bind(address)
        .with_context(|| format!("cannot listen on {address} (http.listen, --listen)"))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Answers on `listener` from now on, in a thread that ends with the process.
///
/// # Errors
///
/// When the thread cannot be started.
pub(crate) fn serve(listener: TcpListener, board: Arc<Board>) -> anyhow::Result<()> {
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new()
        .name("http".to_owned())
        .spawn(move || {
            // On Linux this is about the calling thread alone. Without it the server works as well.
            let _ = rustix::process::setpriority_process(None, 19);
            if let Err(error) = runtime.block_on(accept(listener, board)) {
                message::error(&format!("nobody answers on {address} any more: {error}"));
            }
        })?;
    message::event(
        message::Level::Info,
        &format!("metrics and health are at http://{address}/"),
        &[("listen", address.to_string().into())],
    );
    Ok(())
}

/// A connection that is being served.
struct Served {
    task: AbortHandle,
    /// Its request has come, and is being answered.
    asked: Arc<AtomicBool>,
}

/// Makes room for one more: of those who have asked nothing yet the oldest goes, and the oldest of all where everybody has asked, so that
/// nobody who is silent, and nobody who is slow to read, keeps others waiting.
fn make_room(served: &mut VecDeque<Served>) {
    served.retain(|one| !one.task.is_finished());
    while served.len() >= CONNECTIONS {
        let silent = served.iter().position(|one| !one.asked.load(Ordering::Relaxed));
        if let Some(one) = served.remove(silent.unwrap_or(0)) {
            one.task.abort();
        }
    }
}

async fn accept(listener: TcpListener, board: Arc<Board>) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut served: VecDeque<Served> = VecDeque::with_capacity(CONNECTIONS);
    for taken in 1_usize.. {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // A client that is gone already, or no more descriptors: neither lasts.
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        make_room(&mut served);
        let asked = Arc::new(AtomicBool::new(false));
        let (board, has_asked) = (Arc::clone(&board), Arc::clone(&asked));
        let task = tokio::spawn(async move {
            let answer = service_fn(move |request| {
                has_asked.store(true, Ordering::Relaxed);
                let answer = answer(&request, &board);
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .max_buf_size(HEAD_BYTES)
                .max_headers(HEAD_FIELDS)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), answer);
            let _ = tokio::time::timeout(WHOLE, connection).await;
        });
        served.push_back(Served {
            task: task.abort_handle(),
            asked,
        });
        // Those who sent their request with the connection are answered before many others push them out.
        if taken.is_multiple_of(AT_ONCE) {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

fn answer<B>(request: &Request<B>, board: &Board) -> Response<Full<Bytes>> {
    let said = |status, text: String| response(status, "text/plain; charset=utf-8", text);
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = said(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
        refused
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    let verdict = |good: &str, bad: &str, why: Vec<String>| {
        if why.is_empty() {
            said(StatusCode::OK, format!("{good}\n"))
        } else {
            said(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("{bad}\n{}\n", why.join("\n")),
            )
        }
    };
    match request.uri().path() {
        "/metrics" => response(StatusCode::OK, TEXT, board.metrics()),
        "/healthz" => verdict("healthy", "not healthy", board.wrong()),
        "/readyz" => verdict("ready", "not ready", board.not_ready()),
        "/" => said(StatusCode::OK, "tapline: /metrics /healthz /readyz\n".to_owned()),
        _ => said(
            StatusCode::NOT_FOUND,
            "there is /metrics, /healthz and /readyz\n".to_owned(),
        ),
    }
}

fn response(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;
    use std::time::Instant;

    use super::super::Stage;
    use super::*;

    fn running() -> (SocketAddr, Arc<Board>) {
        let listener = listen("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let board = Arc::new(Board::new(1));
        serve(listener, Arc::clone(&board)).unwrap();
        (address, board)
    }

    fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut all = Vec::new();
        // A refusal may come as a reset, after its text or without.
        let _ = stream.read_to_end(&mut all);
        String::from_utf8(all).unwrap()
    }

    fn get(address: SocketAddr, path: &str) -> String {
        ask(address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
    }

    #[test]
    fn each_path_has_its_answer() {
        let (address, board) = running();
        assert!(get(address, "/readyz").starts_with("HTTP/1.1 503 "));
        board.reach(Stage::Capturing);
        assert!(get(address, "/readyz").starts_with("HTTP/1.1 200 OK"));
        assert!(get(address, "/readyz").ends_with("\r\n\r\nready\n"));
        assert!(get(address, "/healthz").ends_with("\r\n\r\nhealthy\n"));
        assert!(get(address, "/metrics?x=1").contains("\ncontent-type: text/plain; version=0.0.4"));
        assert!(get(address, "/none").starts_with("HTTP/1.1 404 "));
        let posted = ask(
            address,
            "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
        );
        assert!(posted.starts_with("HTTP/1.1 405 "), "{posted}");
        let head = ask(address, "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"));
    }

    #[test]
    fn a_head_that_is_too_large_is_refused() {
        let (address, _board) = running();
        let large = format!(
            "GET /metrics HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
            "a".repeat(2 * HEAD_BYTES)
        );
        let said = ask(address, &large);
        assert!(!said.contains(" 200 "), "{said}");
        let many = format!(
            "GET /metrics HTTP/1.1\r\n{}\r\n",
            "X: a\r\n".repeat(HEAD_FIELDS + 1)
        );
        let said = ask(address, &many);
        assert!(!said.contains(" 200 "), "{said}");
    }

    #[test]
    fn those_who_say_nothing_do_not_keep_others_waiting() {
        let (address, board) = running();
        board.reach(Stage::Capturing);
        // Some of them say a little, and one asks for much and reads nothing.
        let silent: Vec<TcpStream> = (0..200)
            .map(|n| {
                let mut stream = TcpStream::connect(address).unwrap();
                let part = ["", "G", "GET /healthz HTTP/1.1\r\nHost"][n % 3];
                let _ = stream.write_all(part.as_bytes());
                stream
            })
            .collect();
        for _ in 0..20 {
            let start = Instant::now();
            assert!(get(address, "/readyz").starts_with("HTTP/1.1 200 "));
            assert!(
                start.elapsed() < Duration::from_millis(500),
                "{:?}",
                start.elapsed()
            );
        }
        // No more are held than there may be.
        let mut byte = [0];
        let mut is_open = |stream: &TcpStream| {
            let _ = stream.set_nonblocking(true);
            let mut stream = stream;
            matches!(stream.read(&mut byte), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
        };
        let open = silent.iter().filter(|stream| is_open(stream)).count();
        assert!(open <= CONNECTIONS, "{open} are open");
        // Whoever goes on connecting does not keep others out either.
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut held = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    held.extend(TcpStream::connect(address).ok());
                    held.drain(..held.len().saturating_sub(300));
                }
            });
            let mut slowest = Duration::ZERO;
            let answered = (0..50)
                .filter(|_| {
                    let start = Instant::now();
                    let good = get(address, "/readyz").starts_with("HTTP/1.1 200 ");
                    slowest = slowest.max(start.elapsed());
                    good
                })
                .count();
            stop.store(true, Ordering::Relaxed);
            // Thousands a second push some out before they have said what they want; nobody waits.
            assert!(answered >= 10, "{answered} of 50 were answered");
            assert!(slowest < HEAD, "{slowest:?}");
        });
        drop(silent);
    }
}
