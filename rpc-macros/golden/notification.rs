/// A volume is there.
#[notification(event_type = "volume.create.end", priority = "error")]
#[derive(Deserialize, Serialize)]
struct VolumeCreated<T: Clone> {
    volume: T,
}
