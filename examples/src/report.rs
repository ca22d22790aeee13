//! An error that `main` returns.

use std::{error::Error, fmt};

/// The error of a program. `main` prints an error by its `Debug`, so this one is written for
/// people: the error, then each of its causes.
///
/// ```
/// # use examples::Report;
/// let report = Report::from("the disk is full");
/// assert_eq!(format!("{report:?}"), "the disk is full");
/// ```
pub struct Report(Box<dyn Error + Send + Sync>);

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for Report {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut below = self.0.source();
        while let Some(cause) = below {
            write!(f, ": {cause}")?;
            below = cause.source();
        }
        Ok(())
    }
}
