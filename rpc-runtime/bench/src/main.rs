//! The two ends of a measurement: a server that counts, and a client that keeps so many operations going.
//!
//! `cargo xtask bench` starts both, and talks to them in lines. A server says `ready`, and answers `await N` with `count N` once it
//! has handled as many. A client says `ready`, and answers `call 64 4096 2` (what, how many at once, the bytes of a body,
//! seconds) with what it has found. Both end with their input. What `grow` takes is in `growth`.

mod bare;
mod drive;
mod growth;
mod item;
mod ours;
#[cfg(feature = "peers")]
mod peers;

use std::{error::Error, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines, Stdin},
    time::{sleep, timeout},
};

use crate::{
    drive::{Clients, Counter, Load},
    item::Kind,
};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// How long a server waits for what it is to have handled.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let lines = BufReader::new(tokio::io::stdin()).lines();
    match words[..] {
        ["serve", subject, url, kind] => {
            let counter = Counter::default();
            let _server = serve(subject, url, kind.parse()?, &counter).await?;
            println!("ready");
            count(lines, &counter).await
        }
        ["load", subject, url] => {
            let clients = clients(subject, url).await?;
            println!("ready");
            load(lines, clients).await
        }
        ["grow", "serve", url, name] => growth::serve(url, name, lines).await,
        ["grow", "load", url, name] => growth::load(url, name, lines).await,
        _ => Err("usage: serve SUBJECT URL KIND | load SUBJECT URL | grow (serve | load) URL NAME"
            .into()),
    }
}

/// Starts what is measured. What is returned keeps it going.
async fn serve(subject: &str, url: &str, kind: Kind, counter: &Counter) -> Result<Box<dyn Send>> {
    match subject {
        "ours" => ours::serve(url, kind, counter).await,
        #[cfg(feature = "peers")]
        "kanin" => peers::kanin::serve(url).await,
        #[cfg(feature = "peers")]
        "tarpc-tcp" => peers::tarpc::serve(url).await,
        _ => bare::serve(bare::Variant::of(subject)?, url, kind, counter).await,
    }
}

async fn clients(subject: &str, url: &str) -> Result<Box<dyn Clients>> {
    match subject {
        "ours" => ours::clients(url).await,
        "ours-memory" => ours::in_memory().await,
        #[cfg(feature = "peers")]
        "tarpc-tcp" => peers::tarpc::clients(url).await,
        #[cfg(feature = "peers")]
        "tarpc-memory" => Ok(peers::tarpc::in_memory()),
        _ => bare::clients(bare::Variant::of(subject)?, url).await,
    }
}

async fn count(mut lines: Lines<BufReader<Stdin>>, counter: &Counter) -> Result<()> {
    while let Some(line) = lines.next_line().await? {
        let wanted: u64 = line.strip_prefix("await ").unwrap_or(&line).parse()?;
        println!("count {}", await_count(counter, wanted).await);
    }
    Ok(())
}

/// Waits until as many are handled, but not for ever. Returns how many are.
async fn await_count(counter: &Counter, wanted: u64) -> u64 {
    let reached = async {
        while counter.get() < wanted {
            sleep(Duration::from_millis(1)).await;
        }
    };
    let _ = timeout(PATIENCE, reached).await;
    counter.get()
}

async fn load(mut lines: Lines<BufReader<Stdin>>, clients: Box<dyn Clients>) -> Result<()> {
    while let Some(line) = lines.next_line().await? {
        let words: Vec<_> = line.split(' ').collect();
        let [kind, in_flight, body, seconds] = words[..] else {
            return Err(format!("not an order: {line}").into());
        };
        let load = Load {
            kind: kind.parse()?,
            in_flight: in_flight.parse()?,
            body: body.parse()?,
            time: Duration::from_secs_f64(seconds.parse()?),
        };
        println!("{}", clients.drive(load).await?);
    }
    Ok(())
}
