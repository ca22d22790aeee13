//! Certificates for a node that listens with TLS, and for a client that logs in by certificate.

use std::{fs, path::Path};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::Error;

/// The user that logs in by certificate.
const CLIENT: &str = "service";

/// Writes an authority's certificate, and two that it signs: for a broker on this machine, and for
/// a client. They are PEM files: `ca.pem`, `server.pem` and `server.key`, `service.pem` and
/// `service.key`.
pub(super) fn write(folder: &Path) -> Result<(), Error> {
    let cannot = |error: rcgen::Error| format!("cannot make a certificate: {error}");
    let write = |name: &str, text: String| {
        fs::write(folder.join(name), text)
            .map_err(|error| format!("cannot write below {}: {error}", folder.display()))
    };
    let mut authority = CertificateParams::new(Vec::new()).map_err(cannot)?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().map_err(cannot)?;
    let authority = CertifiedIssuer::self_signed(authority, key).map_err(cannot)?;
    let certify = |name: &str, names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut params = CertificateParams::new(names).map_err(cannot)?;
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().map_err(cannot)?;
        let certificate = params.signed_by(&key, &authority).map_err(cannot)?;
        write(&format!("{name}.pem"), certificate.pem())?;
        write(&format!("{name}.key"), key.serialize_pem())
    };
    write("ca.pem", authority.pem())?;
    certify("server", &["localhost", "127.0.0.1"])?;
    certify(CLIENT, &[CLIENT])
}

/// Returns the lines of a node's configuration that use the certificates.
pub(super) fn settings(folder: &Path, port: u16) -> String {
    let file = |name: &str| folder.join(name).display().to_string();
    format!(
        "listeners.ssl.1 = 127.0.0.1:{port}\n\
         ssl_options.cacertfile = {}\n\
         ssl_options.certfile = {}\n\
         ssl_options.keyfile = {}\n\
         ssl_options.verify = verify_peer\n\
         ssl_options.fail_if_no_peer_cert = false\n\
         ssl_cert_login_from = common_name\n\
         auth_mechanisms.1 = PLAIN\n\
         auth_mechanisms.2 = AMQPLAIN\n\
         auth_mechanisms.3 = EXTERNAL\n",
        file("ca.pem"),
        file("server.pem"),
        file("server.key"),
    )
}
