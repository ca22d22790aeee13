//! A tool over an interface as data. Without naming any method of the trait, it lists the methods,
//! prints their history, and makes calls from JSON that a user typed.
//!
//! `cargo run -p examples --bin interface_tool` does so with the examples' notebook, whose server
//! runs in the same process.

use examples::{
    Report,
    notebook::{NotebookClient, NotebookServer, Paper, notebook},
};
use rpc_runtime::{AnyHost, Api, Client, Context, Kind, Method, Transport, Unchecked};
use serde_json::{Map, Value};

/// Lists the methods with their arguments, and the changes of each version.
fn describe<A: Api>() {
    let interface = A::INTERFACE;
    println!("{} {}: {}", interface.name, interface.version, interface.docs);
    for method in interface.methods {
        let arguments = method.parameters.iter().filter(|argument| argument.constant.is_empty());
        let arguments = arguments.map(|argument| {
            let mark = if argument.required { "" } else { "?" };
            format!("{}{mark}: {}", argument.name, argument.type_name)
        });
        let arguments = arguments.collect::<Vec<_>>().join(", ");
        let docs = method.docs.lines().next().unwrap_or_default();
        println!("  {}({arguments}) -> {}\n      {docs}", method.name, method.reply);
    }
    for event in interface.history() {
        println!("  {event}");
    }
}

/// Calls a method with JSON arguments, after checking them against the interface.
async fn call<A: Api>(
    client: &Client<A, Unchecked, AnyHost>,
    method: &'static Method<'static>,
    args: &Map<String, Value>,
) -> Result<Value, String> {
    if let Some(unknown) = args.keys().find(|name| method.parameter(name).is_none()) {
        return Err(format!("`{}` has no argument `{unknown}`", method.name));
    }
    let given = |name: &str| args.contains_key(name);
    let mut required = method.parameters.iter().filter(|argument| argument.required);
    if let Some(missing) = required.find(|argument| !given(argument.name)) {
        return Err(format!("`{}` needs `{}`", method.name, missing.name));
    }
    if method.kind != Kind::Call {
        return Err(format!("`{}` is a cast, which has no answer", method.name));
    }
    let since = method.since;
    let request = client.request(method.name).since((since.major(), since.minor()));
    let request = args.iter().fold(request, |request, (name, value)| {
        let since = method.parameter(name).and_then(|argument| argument.since).unwrap_or(since);
        request.arg_since(name, (since.major(), since.minor()), value)
    });
    let answer = request.call::<Value, false>(&Context::new()).await;
    answer.map_err(|error| error.to_string())
}

#[tokio::main]
async fn main() -> Result<(), Report> {
    describe::<notebook::Api>();
    let transport = Transport::in_process(NotebookServer::new(Paper::default()));
    let client = NotebookClient::new(&transport).unchecked(notebook::INTERFACE.version);
    for (name, args) in [
        ("add", r#"{"text": "milk", "colour": "red"}"#),
        ("add", r#"{"text": "eggs"}"#),
        ("add", r#"{"words": "eggs"}"#),
        ("search", "{}"),
        ("list", r#"{"page": {"first": 1, "count": 5}}"#),
        ("count", "{}"),
    ] {
        let method = notebook::INTERFACE.method(name).ok_or("no such method")?;
        match call(&client, method, &serde_json::from_str(args)?).await {
            Ok(answer) => println!("{name} {args}: {answer}"),
            Err(error) => println!("{name} {args}: {error}"),
        }
    }
    Ok(())
}
