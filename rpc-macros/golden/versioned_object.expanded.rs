#[derive(Serialize, Deserialize, VersionedObject)]
#[object(namespace = "nova", version = "2.7", prefix = "nova_object")]
struct Instance {
    uuid: String,
    #[serde(default, skip_serializing_if = "::rpc_runtime::objects::Field::is_unset")]
    locked_by: Field<Option<String>>,
    #[serde(rename = "vcpus")]
    #[serde(default, skip_serializing_if = "::rpc_runtime::objects::Field::is_unset")]
    cpus: Field<u32>,
}
impl ::rpc_runtime::VersionedObject for Instance {
    const NAME: &'static str = "Instance";
    const NAMESPACE: &'static str = "nova";
    const VERSION: ::rpc_runtime::Version = ::rpc_runtime::Version::new(2, 7);
    const PREFIX: &'static str = "nova_object";
}
