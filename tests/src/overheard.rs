//! Published requests, recorded for a test.

use rpc_runtime::{Transport, memory::Published};
use serde_json::{Map, Value};
use tokio::sync::mpsc::UnboundedReceiver;

/// Records every request that is published on the embedded broker, even an unroutable one.
#[derive(Debug)]
pub struct Overheard(UnboundedReceiver<Published>);

/// A request as it was published.
#[derive(Clone, Debug)]
pub struct Request {
    /// The exchange.
    pub exchange: String,
    /// The routing key; empty for a fanout cast.
    pub routing_key: String,
    /// The time to live in milliseconds, if it has one.
    pub expiration: Option<String>,
    /// The message inside the envelope.
    pub message: Map<String, Value>,
}

impl Overheard {
    /// Records from now on.
    ///
    /// # Panics
    /// If the transport is not the embedded broker's.
    #[must_use]
    pub fn on(transport: &Transport) -> Self {
        Self(transport.memory().expect("the embedded broker").observe())
    }

    /// Returns the requests that were published since the last call.
    ///
    /// # Panics
    /// If a message is not valid JSON in an envelope.
    pub fn requests(&mut self) -> Vec<Request> {
        let mut requests = Vec::new();
        while let Ok(published) = self.0.try_recv() {
            let envelope: Value = serde_json::from_slice(&published.body).expect("an envelope");
            let message = envelope["oslo.message"].as_str().expect("a message");
            let message: Map<_, _> = serde_json::from_str(message).expect("an object");
            // Replies have no method.
            if message.contains_key("method") {
                let Published { exchange, routing_key, expiration, .. } = published;
                requests.push(Request { exchange, routing_key, expiration, message });
            }
        }
        requests
    }

    /// Returns the one request that was published since the last call.
    ///
    /// # Panics
    /// If the number of requests is not one.
    pub fn request(&mut self) -> Request {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.remove(0)
    }
}

impl Request {
    /// Returns the method.
    #[must_use]
    pub fn method(&self) -> &str {
        self.text("method").unwrap_or_default()
    }

    /// Returns the version, if the request has one.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.text("version")
    }

    /// Returns the namespace, if the request has one.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.text("namespace")
    }

    /// Returns the arguments.
    #[must_use]
    pub fn args(&self) -> &Value {
        self.message.get("args").unwrap_or(&Value::Null)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.message.get(name).and_then(Value::as_str)
    }
}
