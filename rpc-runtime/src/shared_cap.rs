//! Caps that change while clients use them: as services are upgraded, or as an operator says.

use std::{
    error::Error,
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    sync::{Arc, PoisonError, RwLock},
};

use rpc_idl::{UnknownPin, Version};

use crate::{Api, excerpt::Causes, logging::guarded};

/// A version cap that several clients share, and that can change while they are used.
///
/// It comes from whoever knows the running services, from an operator's pin, or from the latter with the former as its
/// `auto`. [`reload`](Self::reload) asks again, on SIGHUP say; requests that are made from then on follow.
///
/// ```
/// use rpc_runtime::{Context, SharedCap, Transport, Version, rpc_api};
///
/// #[rpc_api(topic = "desk", version = "2.3", aliases(autumn = "2.1"))]
/// trait Desk {
///     async fn ring(&self, ctx: Context, #[arg(since = "2.2")] loud: Option<bool>);
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let transport = Transport::connect("memory://cap-doc").await?;
/// // A service for each version here; the oldest counts.
/// let services = || async { Ok::<_, std::io::Error>([Version::new(2, 3), Version::new(2, 2)]) };
/// let cap = SharedCap::<desk::Api>::configured(Some("auto"), services).await?;
/// let client = DeskClient::new(&transport).capped_by(&cap);
/// assert_eq!(client.cap(), Version::new(2, 2));
///
/// cap.pin("autumn")?; // the operator's word counts from now on
/// assert_eq!(client.cap(), Version::new(2, 1));
/// # Ok(()) }
/// ```
pub struct SharedCap<A> {
    inner: Arc<Inner>,
    api: PhantomData<fn() -> A>,
}

struct Inner {
    cap: Arc<RwLock<Version>>,
    /// What an operator has pinned. `None`: the services are asked.
    pin: RwLock<Option<Version>>,
    ask: Box<dyn Fn() -> Asked + Send + Sync>,
}

/// The versions of the services that run.
type Asked =
    Pin<Box<dyn Future<Output = Result<Vec<Version>, Box<dyn Error + Send + Sync>>> + Send>>;

/// Why there is no cap.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CapError {
    /// What is pinned is neither a version nor an alias of the interface.
    #[error("the pinned version cannot be used: {0}")]
    Pin(UnknownPin),
    /// A service is too old for this client, or of a major version that it does not speak.
    #[error(
        "version {found} of {interface} is not supported: this client speaks {oldest} to {newest}"
    )]
    Unsupported {
        /// The interface.
        interface: &'static str,
        /// The oldest version among the services, or the pinned one.
        found: Version,
        /// The oldest that a client can be capped at.
        oldest: Version,
        /// The interface's own.
        newest: Version,
    },
    /// Whoever knows the services failed to say.
    #[error("the versions of the running services are not known: {}", Causes(&**.0))]
    Source(Box<dyn Error + Send + Sync>),
}

impl<A: Api> SharedCap<A> {
    /// Takes the oldest of the versions that `services` finds. Where it finds none, nobody is too old: the cap is the
    /// interface's own version until the next [`reload`](Self::reload).
    ///
    /// # Errors
    /// If `services` fails, or finds a version that this client does not speak.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping the future.
    pub async fn ask<F, R, V, E>(services: F) -> Result<Self, CapError>
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<V, E>> + Send + 'static,
        V: IntoIterator<Item = Version>,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Self::configured(Some("auto"), services).await
    }

    /// Reads what an operator has configured: a version, an alias of the interface, `auto` for what `services` finds, or
    /// nothing, which is no cap but the interface's own version.
    ///
    /// # Errors
    /// As [`pin`](Self::pin) and [`reload`](Self::reload).
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping the future.
    pub async fn configured<F, R, V, E>(pin: Option<&str>, services: F) -> Result<Self, CapError>
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<V, E>> + Send + 'static,
        V: IntoIterator<Item = Version>,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let ask = move || -> Asked {
            let services = services();
            Box::pin(async move {
                services.await.map(|found| found.into_iter().collect()).map_err(Into::into)
            })
        };
        let own = A::INTERFACE.version;
        let inner = Inner {
            cap: Arc::new(RwLock::new(own)),
            pin: RwLock::new(Some(own)),
            ask: Box::new(ask),
        };
        let shared = Self { inner: Arc::new(inner), api: PhantomData };
        if let Some(pin) = pin {
            shared.pin(pin)?;
        }
        shared.reload().await?;
        Ok(shared)
    }

    /// Pins a version or an alias of the interface, from the next request on. With `auto` the services count again, once
    /// they are asked: see [`reload`](Self::reload). An empty text is no pin: the interface's own version.
    ///
    /// # Errors
    /// If it is none of these, or a version that this client does not speak. The cap then stays as it was.
    pub fn pin(&self, pin: &str) -> Result<(), CapError> {
        let version = match pin.trim() {
            "auto" => None,
            "" => Some(A::INTERFACE.version),
            pin => Some(supported::<A>(A::INTERFACE.pin(pin).map_err(CapError::Pin)?)?),
        };
        *self.inner.pin.write().unwrap_or_else(PoisonError::into_inner) = version;
        if let Some(version) = version {
            self.set(version);
        }
        Ok(())
    }

    /// Asks the services again, unless a version is pinned. Returns the cap that holds from the next request on.
    ///
    /// # Errors
    /// If whoever knows the services fails, or finds a version that this client does not speak. The cap then stays as it
    /// was.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the cap as it was.
    pub async fn reload(&self) -> Result<Version, CapError> {
        let pinned = *self.inner.pin.read().unwrap_or_else(PoisonError::into_inner);
        let cap = match pinned {
            Some(pinned) => pinned,
            None => {
                let found = (self.inner.ask)().await.map_err(CapError::Source)?;
                // With more than one major at work, the oldest is the one to fit.
                supported::<A>(found.into_iter().min().unwrap_or(A::INTERFACE.version))?
            }
        };
        self.set(cap);
        Ok(cap)
    }

    /// Returns the cap as it is now.
    #[must_use]
    pub fn get(&self) -> Version {
        *self.inner.cap.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, cap: Version) {
        let mut current = self.inner.cap.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *current, cap);
        drop(current);
        if before != cap {
            let interface = A::INTERFACE.name;
            guarded(|| {
                tracing::info!(interface, from = %before, to = %cap, "the version cap changed");
            });
        }
    }

    pub(crate) fn current(&self) -> CurrentCap {
        CurrentCap::Shared(Arc::clone(&self.inner.cap))
    }
}

fn supported<A: Api>(found: Version) -> Result<Version, CapError> {
    let interface = A::INTERFACE;
    if interface.has(found, interface.oldest) {
        return Ok(found);
    }
    let (name, oldest, newest) = (interface.name, interface.oldest, interface.version);
    Err(CapError::Unsupported { interface: name, found, oldest, newest })
}

impl<A> Clone for SharedCap<A> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), api: PhantomData }
    }
}

impl<A> fmt::Debug for SharedCap<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedCap").field("cap", &self.inner.cap).finish_non_exhaustive()
    }
}

/// The cap of a client's options.
#[derive(Clone, Debug)]
pub(crate) enum CurrentCap {
    Fixed(Version),
    Shared(Arc<RwLock<Version>>),
}

impl CurrentCap {
    pub(crate) fn get(&self) -> Version {
        match self {
            Self::Fixed(cap) => *cap,
            Self::Shared(cap) => *cap.read().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

impl From<Version> for CurrentCap {
    fn from(cap: Version) -> Self {
        Self::Fixed(cap)
    }
}
