#[leave_out_unset]
#[derive(Serialize, Deserialize, VersionedObject)]
#[object(namespace = "nova", version = "2.7", prefix = "nova_object")]
struct Instance {
    uuid: String,
    locked_by: Field<Option<String>>,
    #[serde(rename = "vcpus")]
    cpus: Field<u32>,
}
