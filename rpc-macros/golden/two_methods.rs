/// Keeps accounts.
#[rpc_api(topic = "billing", version = "1.0")]
pub trait Billing {
    /// Charges an account.
    async fn charge(&self, ctx: Context, account: String, cents: u64) -> Result<Receipt, Declined>;
    /// Notes a visit.
    async fn visit(&self, ctx: Context, account: String);
}
