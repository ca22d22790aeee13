impl ::rpc_runtime::RemoteError for SchedulerError {
    fn to_failure(&self) -> ::rpc_runtime::Failure {
        match self {
            Self::NoValidBackend { reason: field0, kind: field1 } => {
                ::rpc_runtime::Failure::of(self, "cinder.exception", "NoValidBackend")
                    .kwarg("reason", field0)
                    .kwarg("type", field1)
            }
            Self::NotReady => {
                ::rpc_runtime::Failure::of(self, "cinder.exception", "NotReady")
            }
            Self::BadValue(field0, field1) => {
                ::rpc_runtime::Failure::of(self, "builtins", "ValueError")
                    .args(
                        &[
                            ::rpc_runtime::Failure::value(field0),
                            ::rpc_runtime::Failure::value(field1),
                        ],
                    )
            }
            Self::Other(failure) => ::core::clone::Clone::clone(failure),
        }
    }
    fn from_failure(
        failure: ::rpc_runtime::Failure,
    ) -> ::core::result::Result<Self, ::rpc_runtime::Failure> {
        match (failure.module(), failure.class()) {
            ("cinder.exception", "NoValidBackend") => {
                if let (
                    ::core::option::Option::Some(field0),
                    ::core::option::Option::Some(field1),
                ) = (
                    failure.kwarg_value::<String>("reason"),
                    failure
                        .kwarg_value::<Option<String>>("type")
                        .or_else(|| ::core::option::Option::Some(
                            ::core::default::Default::default(),
                        )),
                ) {
                    return ::core::result::Result::Ok(Self::NoValidBackend {
                        reason: field0,
                        kind: field1,
                    });
                }
            }
            ("cinder.exception", "NotReady") => {
                return ::core::result::Result::Ok(Self::NotReady);
            }
            ("builtins", "ValueError") => {
                if let (
                    ::core::option::Option::Some(field0),
                    ::core::option::Option::Some(field1),
                ) = (
                    failure.arg_value::<String>(0usize),
                    failure.arg_value::<u32>(1usize),
                ) {
                    return ::core::result::Result::Ok(Self::BadValue(field0, field1));
                }
            }
            _ => {}
        }
        ::core::result::Result::Ok(Self::Other(failure))
    }
}
