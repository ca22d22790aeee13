/// Places volumes on back ends.
pub(crate) trait Scheduler: ::core::marker::Send + ::core::marker::Sync + 'static + Clone {
    /// Creates a volume.
    fn create_volume(
        &self,
        ctx: Context,
        volume: Volume,
        backup_id: Option<Uuid>,
    ) -> impl ::core::future::Future<Output = ()> + ::core::marker::Send;
    /// Lists the pools.
    fn get_pools(
        &self,
        context: Context,
        filter: Filters,
        limit: u32,
    ) -> impl ::core::future::Future<
        Output = Result<Vec<Pool>, SchedulerError>,
    > + ::core::marker::Send;
    /// Tells every scheduler.
    fn update_capabilities(
        &self,
        ctx: Context,
        r#type: String,
    ) -> impl ::core::future::Future<Output = ()> + ::core::marker::Send;
    /// One host only.
    #[cfg(feature = "forgetful")]
    #[deprecated]
    fn forget(
        &self,
        ctx: Context,
    ) -> impl ::core::future::Future<
        Output = Result<(), SchedulerError>,
    > + ::core::marker::Send;
}
#[allow(unused_imports)]
use ::rpc_runtime::NotAResult as _;
/// Calls a remote [`Scheduler`].
#[derive(::core::clone::Clone, ::core::fmt::Debug)]
pub(crate) struct SchedulerClient<C = scheduler::V3_2, T = ::rpc_runtime::AnyHost>(
    ::rpc_runtime::Client<scheduler::Api, C, T>,
);
impl SchedulerClient {
    /// Creates a client over `transport` that may use all of version 3.2.
    #[must_use]
    pub(crate) fn new(transport: &::rpc_runtime::Transport) -> Self {
        Self(::rpc_runtime::Client::new(transport))
    }
}
impl<C: ::rpc_runtime::Cap, T: ::rpc_runtime::Target> SchedulerClient<C, T> {
    /// Creates a volume.
    pub(crate) fn create_volume(
        &self,
        ctx: &Context,
        volume: impl ::rpc_runtime::Arg<Volume>,
    ) -> SchedulerCreateVolume<C> {
        SchedulerCreateVolume(
            self.0.request("create_volume").arg("volume", volume).later(ctx),
            ::core::marker::PhantomData,
        )
    }
    /// Lists the pools.
    ///
    /// Since 3.1.
    pub(crate) fn get_pools(
        &self,
        ctx: &Context,
        filter: impl ::rpc_runtime::Arg<Filters>,
    ) -> SchedulerGetPools<C>
    where
        C: scheduler::AtLeastV3_1,
        T: ::rpc_runtime::Answers,
    {
        SchedulerGetPools(
            self
                .0
                .request("get_pools")
                .since((3, 1))
                .timeout(::core::time::Duration::from_nanos(5000000000u64))
                .idempotent()
                .arg("filters", filter)
                .later(ctx),
            ::core::marker::PhantomData,
        )
    }
    /// Tells every scheduler.
    pub(crate) fn update_capabilities(
        &self,
        ctx: &Context,
        r#type: impl ::rpc_runtime::Arg<String>,
    ) -> ::rpc_runtime::Cast
    where
        T: ::rpc_runtime::NotOneHost,
    {
        self.0
            .request("update_service_capabilities")
            .fanout()
            .arg("type", r#type)
            .cast(ctx)
    }
    /// One host only.
    #[cfg(feature = "forgetful")]
    #[deprecated]
    pub(crate) fn forget(&self, ctx: &Context) -> ::rpc_runtime::Cast
    where
        T: ::rpc_runtime::NamesHost,
    {
        self.0.request("forget").cast(ctx)
    }
}
impl<C, T> ::core::ops::Deref for SchedulerClient<C, T> {
    type Target = ::rpc_runtime::Client<scheduler::Api, C, T>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
impl ::rpc_runtime::Api for scheduler::Api {
    type Client<C: ::rpc_runtime::Cap, T: ::rpc_runtime::Target> = SchedulerClient<C, T>;
    type Latest = scheduler::V3_2;
    const INTERFACE: &'static ::rpc_runtime::Interface<'static> = &scheduler::INTERFACE;
    fn client<C: ::rpc_runtime::Cap, T: ::rpc_runtime::Target>(
        client: ::rpc_runtime::Client<Self, C, T>,
    ) -> SchedulerClient<C, T> {
        SchedulerClient(client)
    }
}
/// The request that [`SchedulerClient::create_volume`] returns: set arguments of later versions, then await it.
#[must_use = "a request does nothing until it is awaited"]
#[derive(::core::fmt::Debug)]
pub(crate) struct SchedulerCreateVolume<C>(
    ::rpc_runtime::LaterRequest,
    ::core::marker::PhantomData<fn() -> C>,
);
impl<C: ::rpc_runtime::Cap> SchedulerCreateVolume<C> {
    /// Sets `backup_id`, which servers know since 3.2.
    pub(crate) fn backup_id(
        self,
        backup_id: impl ::rpc_runtime::Arg<Option<Uuid>>,
    ) -> Self
    where
        C: scheduler::AtLeastV3_2,
    {
        Self(self.0.arg("backup_id", (3, 2), backup_id), self.1)
    }
    /// Sets `backup_id` if the version cap allows 3.2, and leaves it out otherwise.
    pub(crate) fn backup_id_or_drop(
        self,
        backup_id: impl ::rpc_runtime::Arg<Option<Uuid>>,
    ) -> Self {
        Self(self.0.arg_or_drop("backup_id", (3, 2), backup_id), self.1)
    }
}
impl<C: ::rpc_runtime::Cap> ::core::future::IntoFuture for SchedulerCreateVolume<C> {
    type Output = <Self::IntoFuture as ::core::future::Future>::Output;
    type IntoFuture = ::rpc_runtime::Cast;
    fn into_future(self) -> Self::IntoFuture {
        self.0.cast()
    }
}
/// The request that [`SchedulerClient::get_pools`] returns: set arguments of later versions, then await it.
#[must_use = "a request does nothing until it is awaited"]
#[derive(::core::fmt::Debug)]
pub(crate) struct SchedulerGetPools<C>(
    ::rpc_runtime::LaterRequest,
    ::core::marker::PhantomData<fn() -> C>,
);
impl<C: ::rpc_runtime::Cap> SchedulerGetPools<C> {
    /// Sets `limit`, which servers know since 3.2.
    pub(crate) fn limit(self, limit: impl ::rpc_runtime::Arg<u32>) -> Self
    where
        C: scheduler::AtLeastV3_2,
    {
        Self(
            self
                .0
                .arg_or_default(
                    "limit",
                    (3, 2),
                    limit,
                    scheduler::Api::limit_of_get_pools,
                ),
            self.1,
        )
    }
    /// Sets `limit` if the version cap allows 3.2, and leaves it out otherwise.
    pub(crate) fn limit_or_drop(self, limit: impl ::rpc_runtime::Arg<u32>) -> Self {
        Self(self.0.arg_or_drop("limit", (3, 2), limit), self.1)
    }
}
impl<C: ::rpc_runtime::Cap> ::core::future::IntoFuture for SchedulerGetPools<C> {
    type Output = <Self::IntoFuture as ::core::future::Future>::Output;
    type IntoFuture = ::rpc_runtime::Call<
        Result<Vec<Pool>, SchedulerError>,
        { ::rpc_runtime::Returned::<Result<Vec<Pool>, SchedulerError>>::IS_RESULT },
    >;
    fn into_future(self) -> Self::IntoFuture {
        self.0.call()
    }
}
impl scheduler::Api {
    fn limit_of_get_pools() -> u32 {
        10
    }
}
/// Serves a [`Scheduler`]: `SchedulerServer::new(service)`.
pub(crate) type SchedulerServer<S> = ::rpc_runtime::Service<scheduler::Api, S>;
impl<S: Scheduler> ::rpc_runtime::Dispatch<scheduler::Api> for SchedulerServer<S> {
    async fn dispatch(
        &self,
        mut args: ::rpc_runtime::Args<'_>,
    ) -> ::rpc_runtime::Answer {
        match args.method() {
            "create_volume" => {
                let ctx = args.context::<Context>()?;
                let volume = ::rpc_runtime::Args::take::<Volume>(&mut args, "volume")?;
                let backup_id = ::rpc_runtime::Args::take_or_default::<
                    Option<Uuid>,
                >(&mut args, "backup_id")?;
                args.finish()?;
                ::rpc_runtime::Reply::after(
                        Scheduler::create_volume(&self.0, ctx, volume, backup_id),
                    )
                    .await
            }
            "get_pools" => {
                let ctx = args.context::<Context>()?;
                let filter = ::rpc_runtime::Args::take_or_default::<
                    Filters,
                >(&mut args, "filters")?;
                let limit = ::rpc_runtime::Args::take_or::<
                    u32,
                >(&mut args, "limit", scheduler::Api::limit_of_get_pools)?;
                args.finish()?;
                ::rpc_runtime::Reply::of::<
                    Result<Vec<Pool>, SchedulerError>,
                    {
                        ::rpc_runtime::Returned::<
                            Result<Vec<Pool>, SchedulerError>,
                        >::IS_RESULT
                    },
                >(Scheduler::get_pools(&self.0, ctx, filter, limit).await)
            }
            "update_service_capabilities" => {
                let ctx = args.context::<Context>()?;
                let r#type = ::rpc_runtime::Args::take::<String>(&mut args, "type")?;
                args.finish()?;
                ::rpc_runtime::Reply::after(
                        Scheduler::update_capabilities(&self.0, ctx, r#type),
                    )
                    .await
            }
            #[cfg(feature = "forgetful")]
            "forget" => {
                let ctx = args.context::<Context>()?;
                args.finish()?;
                #[allow(deprecated)]
                ::rpc_runtime::Reply::of::<
                    Result<(), SchedulerError>,
                    { ::rpc_runtime::Returned::<Result<(), SchedulerError>>::IS_RESULT },
                >(Scheduler::forget(&self.0, ctx).await)
            }
            _ => args.no_such_method(),
        }
    }
}
/// Versions of [`Scheduler`], and the interface as data.
#[allow(dead_code)]
pub(crate) mod scheduler {
    use ::rpc_runtime::{Interface, Kind, Method, Parameter as Arg, Pinned, Version};
    /// The interface as data.
    pub(crate) const INTERFACE: Interface<'static> = Interface::new("Scheduler", (3, 2))
        .topic("cinder-scheduler")
        .docs("Places volumes on back ends.")
        .exchange("cinder")
        .namespace("scheduling")
        .methods(METHODS);
    const METHODS: &[Method<'static>] = &[
        Method::new("create_volume", (3, 0), Kind::Cast)
            .docs("Creates a volume.")
            .args(
                &[
                    Arg::new("volume", "Volume"),
                    Arg::new("backup_id", "Option<Uuid>").since((3, 2)).optional(),
                ],
            ),
        Method::new("get_pools", (3, 1), Kind::Call)
            .docs("Lists the pools.")
            .timeout("5s")
            .acknowledged_late()
            .idempotent()
            .args(
                &[
                    Arg::new("filters", "Filters").optional(),
                    Arg::new("limit", "u32").since((3, 2)).optional(),
                ],
            )
            .reply("Result<Vec<Pool>, SchedulerError>"),
        Method::new("update_service_capabilities", (3, 0), Kind::Fanout)
            .docs("Tells every scheduler.")
            .args(&[Arg::new("type", "String")]),
        #[cfg(feature = "forgetful")]
        Method::new("forget", (3, 0), Kind::Cast)
            .docs("One host only.")
            .for_one_host()
            .deprecated()
            .reply("Result<(), SchedulerError>"),
    ];
    /// The interface as a type.
    #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
    pub(crate) enum Api {}
    /// Caps a client at version 3.0.
    #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
    pub(crate) struct V3_0;
    impl Pinned for V3_0 {
        type Api = Api;
        const VERSION: Version = Version::new(3, 0);
    }
    /// Caps a client at version 3.1.
    #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
    pub(crate) struct V3_1;
    impl Pinned for V3_1 {
        type Api = Api;
        const VERSION: Version = Version::new(3, 1);
    }
    /// Caps a client at version 3.2.
    #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
    pub(crate) struct V3_2;
    impl Pinned for V3_2 {
        type Api = Api;
        const VERSION: Version = Version::new(3, 2);
    }
    /// Caps that allow version 3.1.
    #[diagnostic::on_unimplemented(
        message = "needs version 3.1 of the RPC API \"cinder-scheduler\", but this client is capped at `{Self}`",
        label = "not in `{Self}`: added in 3.1",
        note = "pin a newer cap: `SchedulerClient<scheduler::V3_1>`, or ask at run time: `if let Some(client) = client.narrow::<scheduler::V3_1>() {{ … }}`"
    )]
    pub(crate) trait AtLeastV3_1: ::rpc_runtime::Cap {}
    #[diagnostic::do_not_recommend]
    impl AtLeastV3_1 for V3_1 {}
    #[diagnostic::do_not_recommend]
    impl AtLeastV3_1 for V3_2 {}
    #[diagnostic::do_not_recommend]
    impl AtLeastV3_1 for ::rpc_runtime::Unchecked {}
    /// Caps that allow version 3.2.
    #[diagnostic::on_unimplemented(
        message = "needs version 3.2 of the RPC API \"cinder-scheduler\", but this client is capped at `{Self}`",
        label = "not in `{Self}`: added in 3.2",
        note = "pin a newer cap: `SchedulerClient<scheduler::V3_2>`, or ask at run time: `if let Some(client) = client.narrow::<scheduler::V3_2>() {{ … }}`"
    )]
    pub(crate) trait AtLeastV3_2: AtLeastV3_1 {}
    #[diagnostic::do_not_recommend]
    impl AtLeastV3_2 for V3_2 {}
    #[diagnostic::do_not_recommend]
    impl AtLeastV3_2 for ::rpc_runtime::Unchecked {}
}
