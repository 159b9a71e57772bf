//! A proxy that does harm: between a caller and the engine it answers errors, hangs, resets connections, loses
//! answers after the request went through, and crashes the caller; by service, operation and rate, from a seed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The service answers with this status; the code is the usual one of that status.
    Error(u16),
    /// No answer for longer than any caller waits.
    Hang,
    /// The connection is reset before the request goes through.
    Reset,
    /// The request goes through, and the answer never arrives.
    LoseAnswer,
    /// The caller crashes before the request goes through: see [`Proxy::on_crash`].
    Crash,
}

/// How many of the requests that a rule speaks of it harms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Share {
    /// At random, in 0..=1.
    Rate(f64),
    /// Each of this number.
    Every(u64),
}

/// Which requests to harm, and how.
#[derive(Clone, Debug)]
pub struct Rule {
    /// As in the credential scope: `dynamodb`, `sns`, `states`, `monitoring`.
    pub service: &'static str,
    /// `PublishBatch`, of S3 the method; empty for all.
    pub operation: &'static str,
    pub share: Share,
    pub fault: Fault,
}

#[derive(Clone)]
pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    engine: String,
    rules: Mutex<Vec<Rule>>,
    random: Mutex<StdRng>,
    harmed: Mutex<u64>,
    /// Requests by service and operation.
    seen: Mutex<HashMap<(String, String), u64>>,
    crash: Mutex<Box<dyn Fn() + Send>>,
}

impl Proxy {
    /// Starts a proxy in front of `engine`, an endpoint on loopback. It ends with the runtime.
    pub fn start(runtime: &tokio::runtime::Runtime, engine: &str, seed: u64) -> Proxy {
        let shared = Arc::new(Shared {
            engine: engine.trim_start_matches("http://").to_owned(),
            rules: Mutex::default(),
            random: Mutex::new(StdRng::seed_from_u64(seed)),
            harmed: Mutex::default(),
            seen: Mutex::default(),
            crash: Mutex::new(Box::new(|| {})),
        });
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let serving = shared.clone();
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let shared = serving.clone();
                tokio::spawn(async move {
                    let _ = serve(client, &shared).await;
                });
            }
        });
        Proxy { port, shared }
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn set(&self, rules: Vec<Rule>) {
        *self.shared.rules.lock().expect("no panic") = rules;
    }

    /// How many requests were harmed so far: a scenario that harmed none has shown nothing.
    pub fn harmed(&self) -> u64 {
        *self.shared.harmed.lock().expect("no panic")
    }

    /// What [`Fault::Crash`] does to the caller.
    #[allow(dead_code)]
    pub fn on_crash(&self, crash: impl Fn() + Send + 'static) {
        *self.shared.crash.lock().expect("no panic") = Box::new(crash);
    }

    /// How many requests of an operation came so far, harmed or not.
    #[allow(dead_code)]
    pub fn seen(&self, service: &str, operation: &str) -> u64 {
        let key = (service.to_owned(), operation.to_owned());
        self.shared.seen.lock().expect("no panic").get(&key).copied().unwrap_or(0)
    }
}

struct Request {
    bytes: Vec<u8>,
    service: String,
    operation: String,
}

/// Serves one connection: one request after the other, each over a connection of its own to the engine.
async fn serve(mut client: TcpStream, shared: &Shared) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let mut buffer = vec![];
    while let Some(request) = read(&mut client, &mut buffer).await? {
        match shared.fault(&request) {
            None => {
                let answer = forward(shared, &request).await?;
                client.write_all(&answer).await?;
            }
            Some(Fault::Error(status)) => client.write_all(error(&request, status).as_bytes()).await?,
            Some(Fault::Hang) => {
                tokio::time::sleep(Duration::from_secs(120)).await;
                return Ok(());
            }
            Some(Fault::Crash) => {
                (shared.crash.lock().expect("no panic"))();
                return reset(client);
            }
            Some(Fault::Reset) => return reset(client),
            Some(Fault::LoseAnswer) => {
                forward(shared, &request).await?;
                return reset(client);
            }
        }
    }
    Ok(())
}

/// Closes with RST instead of FIN: what was sent and not read is lost.
fn reset(client: TcpStream) -> std::io::Result<()> {
    #[allow(deprecated)]
    client.set_linger(Some(Duration::ZERO))
}

impl Shared {
    fn fault(&self, request: &Request) -> Option<Fault> {
        let rules = self.rules.lock().expect("no panic");
        let fits = |rule: &&Rule| {
            rule.service == request.service && (rule.operation.is_empty() || rule.operation == request.operation)
        };
        let mut seen = self.seen.lock().expect("no panic");
        let seen = seen.entry((request.service.clone(), request.operation.clone())).or_default();
        *seen += 1;
        let mut random = self.random.lock().expect("no panic");
        let mut falls_on = |rule: &&Rule| match rule.share {
            Share::Rate(rate) => random.random_bool(rate),
            Share::Every(nth) => seen.is_multiple_of(nth),
        };
        let rule = rules.iter().filter(fits).find(|rule| falls_on(rule))?;
        *self.harmed.lock().expect("no panic") += 1;
        Some(rule.fault)
    }
}

/// Reads a request with a body of known length, as the SDK sends them; `None` at the end of the connection.
async fn read(client: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<Option<Request>> {
    loop {
        if let Some(head_end) = buffer.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4) {
            let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
            let length = header(&head, "content-length").and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
            if buffer.len() >= head_end + length {
                let bytes: Vec<u8> = buffer.drain(..head_end + length).collect();
                let body = String::from_utf8_lossy(&bytes[head_end..]).into_owned();
                let service = service(&head);
                let operation = match service.as_str() {
                    "s3" => head.split(' ').next().unwrap_or_default().to_owned(),
                    _ => operation(&head, &body),
                };
                return Ok(Some(Request { service, operation, bytes }));
            }
        }
        let mut chunk = [0; 16 * 1024];
        match client.read(&mut chunk).await? {
            0 => return Ok(None),
            n => buffer.extend_from_slice(&chunk[..n]),
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, v)| v.trim())
}

/// From the scope of the signature: `Credential=KEY/DATE/REGION/SERVICE/aws4_request`.
fn service(head: &str) -> String {
    let scope = header(head, "authorization").and_then(|text| text.split("Credential=").nth(1)).unwrap_or_default();
    scope.split('/').nth(3).unwrap_or_default().to_owned()
}

/// From the target header, the path of an RPC call, or the form.
fn operation(head: &str, body: &str) -> String {
    let target = header(head, "x-amz-target").and_then(|text| text.rsplit('.').next());
    let path = head.split_whitespace().nth(1).and_then(|path| path.split("/operation/").nth(1));
    let action = body.split('&').find_map(|pair| pair.strip_prefix("Action="));
    target.or(path).or(action).unwrap_or_default().to_owned()
}

async fn forward(shared: &Shared, request: &Request) -> std::io::Result<Vec<u8>> {
    let mut engine = TcpStream::connect(&shared.engine).await?;
    engine.set_nodelay(true)?;
    // One answer, and the end of the connection marks its end.
    let head_end = request.bytes.windows(2).position(|w| w == b"\r\n").map_or(0, |at| at + 2);
    engine.write_all(&request.bytes[..head_end]).await?;
    // To the engine the caller came by TLS, as on AWS: the topic's policy refuses anything else.
    engine.write_all(b"Connection: close\r\nX-Forwarded-Proto: https\r\n").await?;
    engine.write_all(&request.bytes[head_end..]).await?;
    let mut answer = vec![];
    engine.read_to_end(&mut answer).await?;
    Ok(answer)
}

fn error(request: &Request, status: u16) -> String {
    let code = match (status, request.service.as_str()) {
        (400, "dynamodb") => "ProvisionedThroughputExceededException",
        (400 | 429, "sns") => "Throttled",
        (400 | 429, _) => "ThrottlingException",
        (403, _) => "AccessDeniedException",
        _ => "InternalError",
    };
    let (kind, body) = match request.service.as_str() {
        // The query protocol.
        "sns" | "sts" | "cloudformation" => {
            let xml =
                format!("<ErrorResponse><Error><Code>{code}</Code><Message>injected</Message></Error></ErrorResponse>");
            ("text/xml", xml)
        }
        "s3" => ("application/xml", format!("<Error><Code>{code}</Code><Message>injected</Message></Error>")),
        _ => ("application/x-amz-json-1.0", format!(r#"{{"__type":"{code}","message":"injected"}}"#)),
    };
    format!("HTTP/1.1 {status} Injected\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}
