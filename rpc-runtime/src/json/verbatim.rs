//! JSON text that is written as it is.

use serde::{Serialize, Serializer, ser::SerializeStruct as _};

use super::write::RAW_VALUE;

/// One value, as text. It is handed over as serde_json's raw values are, of which this is one that owns nothing.
pub(crate) struct Verbatim<'a>(pub(crate) &'a str);

impl Serialize for Verbatim<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut raw = serializer.serialize_struct(RAW_VALUE, 1)?;
        raw.serialize_field(RAW_VALUE, self.0)?;
        raw.end()
    }
}
