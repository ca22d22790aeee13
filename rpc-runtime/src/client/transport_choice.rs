//! What chooses a request's transport by its context.

use std::{
    any::{Any, type_name},
    fmt,
    sync::Arc,
};

use crate::{Transport, TransportError, TransportErrorKind};

type Choose = dyn Fn(&dyn Any) -> Result<Option<Transport>, TransportError> + Send + Sync;

/// A function of the user's, whatever the type of its context.
#[derive(Clone)]
pub(super) struct TransportChoice {
    choose: Arc<Choose>,
}

impl TransportChoice {
    pub(super) fn new<X: Any>(
        choose: impl Fn(&X) -> Option<Transport> + Send + Sync + 'static,
    ) -> Self {
        let choose = move |ctx: &dyn Any| match ctx.downcast_ref::<X>() {
            Some(ctx) => Ok(choose(ctx)),
            None => {
                let wanted = type_name::<X>();
                let what = format!(
                    "the client's transport is chosen by a context of type `{wanted}`, and this is another"
                );
                Err(TransportError::new(TransportErrorKind::Configuration, what))
            }
        };
        Self { choose: Arc::new(choose) }
    }

    /// Returns the transport for a request with this context. `None` is the client's own.
    pub(super) fn choose(&self, ctx: &dyn Any) -> Result<Option<Transport>, TransportError> {
        (self.choose)(ctx)
    }
}

impl fmt::Debug for TransportChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportChoice").finish_non_exhaustive()
    }
}
