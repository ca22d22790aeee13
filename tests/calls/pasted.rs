//! The macro's expansion, pasted in place of the macro, works the same. A user could have typed it.

#![deny(missing_docs, clippy::pedantic)]
#![allow(unnameable_types, unreachable_pub, reason = "the sample is public, this module is not")]

use rpc_runtime::{CallError, Context, RemoteError};
use tests::on_every_transport;

/// The result of a charge.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Receipt {
    /// The remaining money.
    left: u64,
}

/// Why an account cannot be charged.
#[derive(Debug, thiserror::Error, RemoteError)]
#[remote(module = "billing.exception")]
pub enum Declined {
    /// Too little money.
    #[error("{account} has too little")]
    TooLittle {
        /// The account.
        account: String,
    },
}

include!("../../rpc-macros/golden/two_methods.expanded.rs");

struct Bank;

impl Billing for Bank {
    async fn charge(&self, _: Context, account: String, cents: u64) -> Result<Receipt, Declined> {
        match 100_u64.checked_sub(cents) {
            Some(left) => Ok(Receipt { left }),
            None => Err(Declined::TooLittle { account }),
        }
    }

    async fn visit(&self, _: Context, _: String) {}
}

on_every_transport! {
    async fn the_pasted_expansion_calls_and_serves(world: World) {
        let transport = world.transport().await;
        let _server = world.serve(&transport, "h", BillingServer::new(Bank)).await;
        let (client, ctx) = (world.client::<billing::Api>(&transport), Context::new());
        assert_eq!(client.charge(&ctx, "a", 40).await.expect("a receipt").left, 60);
        let declined = client.charge(&ctx, "a", 400).await.expect_err("too much");
        assert!(matches!(declined, CallError::Method(Declined::TooLittle { account }) if account == "a"));
        client.visit(&ctx, String::from("a")).await.expect("confirmed");
    }
}
