/// Keeps accounts.
pub trait Billing: ::core::marker::Send + ::core::marker::Sync + 'static {
    /// Charges an account.
    fn charge(
        &self,
        ctx: Context,
        account: String,
        cents: u64,
    ) -> impl ::core::future::Future<
        Output = Result<Receipt, Declined>,
    > + ::core::marker::Send;
    /// Notes a visit.
    fn visit(
        &self,
        ctx: Context,
        account: String,
    ) -> impl ::core::future::Future<Output = ()> + ::core::marker::Send;
}
#[allow(unused_imports)]
use ::rpc_runtime::NotAResult as _;
/// Calls a remote [`Billing`].
#[derive(::core::clone::Clone, ::core::fmt::Debug)]
pub struct BillingClient<C = billing::V1_0, T = ::rpc_runtime::AnyHost>(
    ::rpc_runtime::Client<billing::Api, C, T>,
);
impl BillingClient {
    /// Creates a client over `transport` that may use all of version 1.0.
    #[must_use]
    pub fn new(transport: &::rpc_runtime::Transport) -> Self {
        Self(::rpc_runtime::Client::new(transport))
    }
}
impl<C: ::rpc_runtime::Cap, T: ::rpc_runtime::Target> BillingClient<C, T> {
    /// Charges an account.
    pub fn charge(
        &self,
        ctx: &Context,
        account: impl ::rpc_runtime::Arg<String>,
        cents: impl ::rpc_runtime::Arg<u64>,
    ) -> ::rpc_runtime::Call<
        Result<Receipt, Declined>,
        { ::rpc_runtime::Returned::<Result<Receipt, Declined>>::IS_RESULT },
    >
    where
        T: ::rpc_runtime::Answers,
    {
        self.0.request("charge").arg("account", account).arg("cents", cents).call(ctx)
    }
    /// Notes a visit.
    pub fn visit(
        &self,
        ctx: &Context,
        account: impl ::rpc_runtime::Arg<String>,
    ) -> ::rpc_runtime::Cast {
        self.0.request("visit").arg("account", account).cast(ctx)
    }
}
impl<C, T> ::core::ops::Deref for BillingClient<C, T> {
    type Target = ::rpc_runtime::Client<billing::Api, C, T>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
impl ::rpc_runtime::Api for billing::Api {
    type Client<C: ::rpc_runtime::Cap, T: ::rpc_runtime::Target> = BillingClient<C, T>;
    type Latest = billing::V1_0;
    const INTERFACE: &'static ::rpc_runtime::Interface<'static> = &billing::INTERFACE;
    fn client<C: ::rpc_runtime::Cap, T: ::rpc_runtime::Target>(
        client: ::rpc_runtime::Client<Self, C, T>,
    ) -> BillingClient<C, T> {
        BillingClient(client)
    }
}
/// Serves a [`Billing`]: `BillingServer::new(service)`.
pub type BillingServer<S> = ::rpc_runtime::Service<billing::Api, S>;
impl<S: Billing> ::rpc_runtime::Dispatch<billing::Api> for BillingServer<S> {
    async fn dispatch(
        &self,
        mut args: ::rpc_runtime::Args<'_>,
    ) -> ::rpc_runtime::Answer {
        match args.method() {
            "charge" => {
                let ctx = args.context::<Context>()?;
                let account = ::rpc_runtime::Args::take::<String>(&mut args, "account")?;
                let cents = ::rpc_runtime::Args::take::<u64>(&mut args, "cents")?;
                args.finish()?;
                ::rpc_runtime::Reply::of::<
                    Result<Receipt, Declined>,
                    { ::rpc_runtime::Returned::<Result<Receipt, Declined>>::IS_RESULT },
                >(Billing::charge(&self.0, ctx, account, cents).await)
            }
            "visit" => {
                let ctx = args.context::<Context>()?;
                let account = ::rpc_runtime::Args::take::<String>(&mut args, "account")?;
                args.finish()?;
                ::rpc_runtime::Reply::after(Billing::visit(&self.0, ctx, account)).await
            }
            _ => args.no_such_method(),
        }
    }
}
/// Versions of [`Billing`], and the interface as data.
pub mod billing {
    use ::rpc_runtime::{Interface, Kind, Method, Parameter as Arg, Pinned, Version};
    /// The interface as data.
    pub const INTERFACE: Interface<'static> = Interface::new("Billing", (1, 0))
        .topic("billing")
        .docs("Keeps accounts.")
        .methods(METHODS);
    const METHODS: &[Method<'static>] = &[
        Method::new("charge", (1, 0), Kind::Call)
            .docs("Charges an account.")
            .args(&[Arg::new("account", "String"), Arg::new("cents", "u64")])
            .reply("Result<Receipt, Declined>"),
        Method::new("visit", (1, 0), Kind::Cast)
            .docs("Notes a visit.")
            .args(&[Arg::new("account", "String")]),
    ];
    /// The interface as a type.
    #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
    pub enum Api {}
    /// Caps a client at version 1.0.
    #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
    pub struct V1_0;
    impl Pinned for V1_0 {
        type Api = Api;
        const VERSION: Version = Version::new(1, 0);
    }
}
