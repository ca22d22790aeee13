//! Quotes words for shell scripts, and writes executable scripts.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use crate::Error;

/// Returns a word in quotes, which the shell reads back unchanged.
pub(super) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Writes an executable shell script.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Error> {
    let written = fs::write(path, format!("#!/bin/sh\n{text}\n"))
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o755)));
    written.map_err(|error| format!("cannot write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_shell_takes_a_quoted_word_as_it_is() {
        for word in ["", "a b", "it's", "''", "$HOME `id` \\ \" * \n~"] {
            let script = format!("printf %s {}", quoted(word));
            let said = Command::new("sh").args(["-c", &script]).output().expect("`sh`").stdout;
            assert_eq!(String::from_utf8_lossy(&said), word);
        }
    }
}
