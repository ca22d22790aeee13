//! What somebody listens to: which queues, how they are declared, and which of them is this process's own.

use std::sync::Arc;

use super::{
    names::OwnQueue,
    stream::Reading,
    topology::{self, Layout, Step},
};
use crate::{RabbitOptions, TransportError, transport::Subscription};

/// See the module.
pub(super) struct Place {
    subscription: Subscription,
    /// Servers have one.
    fanout: Option<FanoutQueue>,
}

impl Place {
    pub(super) fn new(
        subscription: Subscription,
        options: &RabbitOptions,
    ) -> Result<Self, TransportError> {
        let fanout = match &subscription {
            Subscription::Server(address) => {
                Some(FanoutQueue::new(format!("{}_fanout", address.topic), options)?)
            }
            Subscription::Notifications(_) => None,
        };
        Ok(Self { subscription, fanout })
    }

    /// What events and log lines call it.
    pub(super) fn name(&self) -> &str {
        match &self.subscription {
            Subscription::Server(address) => &address.topic,
            Subscription::Notifications(sources) => &sources.name,
        }
    }

    pub(super) fn prefetch(&self) -> u16 {
        match &self.subscription {
            Subscription::Server(address) => address.prefetch,
            Subscription::Notifications(sources) => sources.prefetch,
        }
    }

    /// The queues that are consumed. The one for fanout casts is the last.
    pub(super) fn queues(&self) -> Vec<Arc<str>> {
        match (&self.subscription, &self.fanout) {
            (Subscription::Server(address), Some(fanout)) => {
                topology::queues(address, fanout.name()).map(Arc::from).into()
            }
            (Subscription::Server(_), None) => Vec::new(),
            (Subscription::Notifications(sources), _) => sources.queues(),
        }
    }

    pub(super) fn steps(&self, layout: &Layout) -> Vec<Step> {
        match (&self.subscription, &self.fanout) {
            (Subscription::Server(address), Some(fanout)) => {
                topology::server(address, fanout.name(), layout)
            }
            (Subscription::Server(_), None) => Vec::new(),
            (Subscription::Notifications(sources), _) => topology::listener(sources, layout),
        }
    }

    pub(super) fn fanout(&self) -> Option<&FanoutQueue> {
        self.fanout.as_ref()
    }

    pub(super) fn fanout_mut(&mut self) -> Option<&mut FanoutQueue> {
        self.fanout.as_mut()
    }

    /// What has been read of the stream, if fanout casts come by one.
    pub(super) fn reading(&self) -> Option<&Arc<Reading>> {
        match &self.fanout {
            Some(FanoutQueue::Stream { reading, .. }) => Some(reading),
            _ => None,
        }
    }
}

/// Where fanout casts come by.
pub(super) enum FanoutQueue {
    /// A queue of this server's own.
    Own(OwnQueue),
    /// One stream for all servers of the topic.
    Stream { name: String, reading: Arc<Reading> },
}

impl FanoutQueue {
    fn new(kind: String, options: &RabbitOptions) -> Result<Self, TransportError> {
        Ok(match options.stream_fanout {
            true => Self::Stream { name: kind, reading: Arc::default() },
            false => Self::Own(OwnQueue::new(kind, &options.names)?),
        })
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Own(queue) => queue.name(),
            Self::Stream { name, .. } => name,
        }
    }

    /// The queue that is this server's own.
    pub(super) fn own(&self) -> Option<&OwnQueue> {
        match self {
            Self::Own(queue) => Some(queue),
            Self::Stream { .. } => None,
        }
    }

    /// Whether it has to be claimed.
    pub(super) fn is_stable(&self) -> bool {
        matches!(self, Self::Own(queue) if queue.is_stable())
    }

    /// Whether it goes with the server.
    pub(super) fn is_temporary(&self) -> bool {
        matches!(self, Self::Own(queue) if !queue.is_stable())
    }
}
