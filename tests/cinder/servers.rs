//! The servers, and the Python program that calls them.

use std::{ops::RangeInclusive, time::Duration};

use rpc_runtime::{Api, Dispatch, Interface, Running, Server, Service, Transport, Version};
use tests::{Log, SOON, World};

use crate::{
    drive::drive,
    received::{Place, Received, Recorder},
    run::Run,
};

/// Servers on a virtual host of their own.
pub(crate) struct Servers {
    world: World,
    transport: Transport,
    log: Log<Received>,
    places: Vec<Place>,
    running: Vec<Running>,
}

impl Servers {
    /// Returns `None` without a broker.
    pub(crate) async fn new() -> Option<Self> {
        let world = World::rabbit()?.with_permitted_layout().alone().await?;
        let transport = world.connect(|builder| builder.control_exchange("cinder")).await;
        let (log, places, running) = (Log::default(), Vec::new(), Vec::new());
        Some(Self { world, transport, log, places, running })
    }

    /// Starts another server.
    pub(crate) async fn add<A: Api>(&mut self, topic: &str, host: &str)
    where
        Service<A, Recorder>: Dispatch<A>,
    {
        let (topic, host) = (topic.to_owned(), host.to_owned());
        let at = Place { topic, host, number: self.places.len() };
        let server = Server::builder(&self.transport).topic(&*at.topic).host(&*at.host);
        let recorder = Recorder { at: at.clone(), log: self.log.clone() };
        let bound = server.serve(Service::<A, _>::new(recorder)).bind().await;
        self.running.push(bound.expect("bound").run());
        self.places.push(at);
    }

    /// Calls every method of `api` with clients capped at `minors` of the interface's major.
    /// Returns a run for each cap, once all requests have arrived and the servers have stopped.
    pub(crate) async fn drive(
        self,
        api: &str,
        interface: &'static Interface<'static>,
        minors: RangeInclusive<u64>,
    ) -> Option<Vec<Run>> {
        let caps = minors.map(|minor| Version::new(interface.version.major(), minor));
        let caps: Vec<_> = caps.collect();
        let names: Vec<_> = caps.iter().map(Version::to_string).collect();
        let (steps, end) = drive(&self.world, api, &names).await?;
        let runs = caps.into_iter().map(|cap| Run::new(interface, cap, &steps, &end, &self.places));
        let runs: Vec<_> = runs.collect();
        let sent: usize = runs.iter().map(Run::expected).sum();
        let all = async {
            while self.log.len() < sent {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        // On a timeout, the checks of the runs name the missing request.
        let _ = tokio::time::timeout(SOON, all).await;
        for server in self.running {
            server.shutdown(SOON).await.expect("stopped");
        }
        let received = self.log.events();
        let runs: Vec<_> = runs.into_iter().map(|run| run.with(&received)).collect();
        let known: usize = runs.iter().map(|run| run.received.len()).sum();
        assert_eq!(known, received.len(), "a request arrived that was not sent");
        Some(runs)
    }
}
