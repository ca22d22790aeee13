//! Versioned objects between programs that know different versions of a class.

use rpc_runtime::{
    CallError, Context, Object, Version, VersionedObject,
    objects::{Field, Incompatible, Received, leave_out_unset},
    rpc_api,
};
use serde::{Deserialize, Serialize};
use tests::on_every_transport;

/// A volume of the server's version.
#[leave_out_unset]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.9")]
struct Volume {
    id: String,
    size: Field<u64>,
    source: Field<Option<Box<Object<Self>>>>,
}

/// A volume of a newer client's version.
#[leave_out_unset]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.10", name = "Volume")]
struct NewerVolume {
    id: String,
    colour: Field<String>,
    size: Field<u64>,
    source: Field<Option<Box<Object<Self>>>>,
}

/// A volume of another major version, which the server cannot read.
#[derive(Clone, Debug, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "2.0", name = "Volume")]
struct OtherVolume {}

/// The server's interface.
#[rpc_api(topic = "volumes", version = "1.0")]
trait Volumes {
    /// Extends a volume by 1.
    async fn extend(&self, ctx: Context, volume: Object<Volume>) -> Object<Volume>;
    /// Returns the ids of volumes of any version.
    async fn ids(
        &self,
        ctx: Context,
        volumes: Vec<Received<Volume>>,
    ) -> Result<Vec<String>, Incompatible>;
}

/// The same interface in a newer client.
#[rpc_api(topic = "volumes", version = "1.0")]
trait NewerVolumes {
    /// See [`Volumes::extend`].
    async fn extend(&self, ctx: Context, volume: Object<NewerVolume>) -> Object<NewerVolume>;
}

/// The same interface in a client of another major version.
#[rpc_api(topic = "volumes", version = "1.0")]
trait OtherVolumes {
    /// See [`Volumes::extend`].
    async fn extend(&self, ctx: Context, volume: Object<OtherVolume>) -> Object<OtherVolume>;
    /// See [`Volumes::ids`].
    async fn ids(
        &self,
        ctx: Context,
        volumes: Vec<Object<OtherVolume>>,
    ) -> Result<Vec<String>, Incompatible>;
}

/// A server of volumes.
struct Disks;

impl Volumes for Disks {
    async fn extend(&self, _: Context, mut volume: Object<Volume>) -> Object<Volume> {
        if let Some(size) = volume.size.get_mut() {
            *size += 1;
        }
        volume.with_changes(["size"])
    }

    async fn ids(
        &self,
        _: Context,
        volumes: Vec<Received<Volume>>,
    ) -> Result<Vec<String>, Incompatible> {
        volumes.into_iter().map(|volume| Ok(volume.into_result()?.into_fields().id)).collect()
    }
}

on_every_transport! {
    async fn what_a_server_does_not_know_of_an_object_comes_back_with_it(world: World) {
        let transport = world.transport().await;
        let _server = world.serve(&transport, "h", VolumesServer::new(Disks)).await;
        let client = world.client::<newer_volumes::Api>(&transport);
        let source = NewerVolume { id: "v0".into(), colour: "blue".to_owned().into(), ..NewerVolume::default() };
        let volume = Object::new(NewerVolume {
            id: "v1".into(),
            colour: "red".to_owned().into(),
            size: 4.into(),
            source: Some(Box::new(source.into())).into(),
        });
        let extended = client.extend(&Context::new(), &volume).await.expect("an answer");
        assert_eq!(*extended.version(), Version::new(1, 10));
        assert_eq!(extended.changes(), ["size"]);
        assert_eq!((&extended.colour, &extended.source), (&volume.colour, &volume.source));
        assert_eq!(extended.size, Field::Set(5));
    }

    async fn another_major_version_is_a_failure_that_names_both(world: World) {
        let transport = world.transport().await;
        let _server = world.serve(&transport, "h", VolumesServer::new(Disks)).await;
        let client = world.client::<other_volumes::Api>(&transport);
        let (ctx, volume) = (Context::new(), Object::new(OtherVolume {}));
        let message = "`Volume` of version 2.0 cannot be read where 1.9 is known";
        match client.extend(&ctx, &volume).await {
            Err(CallError::BadArgument { failure, .. }) => {
                assert_eq!(failure.class(), "IncompatibleObjectVersion");
                assert_eq!(failure.message(), message);
                assert_eq!(failure.kwarg_value::<String>("supported").as_deref(), Some("1.9"));
            }
            other => panic!("expected a failure, not {other:?}"),
        }
        match client.ids(&ctx, vec![volume]).await {
            Err(CallError::Method(incompatible)) => assert_eq!(incompatible.to_string(), message),
            other => panic!("expected what the method declares, not {other:?}"),
        }
    }

    async fn objects_in_objects_without_end_are_refused(world: World) {
        let transport = world.transport().await;
        let _server = world.serve(&transport, "h", VolumesServer::new(Disks)).await;
        let client = world.client::<volumes::Api>(&transport);
        let nested = |levels| {
            (0..levels).fold(Object::new(Volume::default()), |source, _| {
                Object::new(Volume { source: Some(Box::new(source)).into(), ..Volume::default() })
            })
        };
        let extended = client.extend(&Context::new(), nested(31)).await.expect("an answer");
        assert_eq!(extended, nested(31).with_changes(["size"]));
        match client.extend(&Context::new(), nested(32)).await {
            Err(CallError::BadArgument { failure, .. }) => assert!(failure.message().contains("too deeply"), "{failure}"),
            other => panic!("expected a failure, not {other:?}"),
        }
    }
}
