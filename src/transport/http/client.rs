//! The HTTP client: rustls with the system's certificates; no redirects, no proxy, no cookies.

use crate::error::{Error, ErrorKind, Result};
use reqwest::Client;
use reqwest::redirect::Policy;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use std::time::Duration;

/// A connection that is not used for so long is closed, before the other end is likely to.
const IDLE: Duration = Duration::from_secs(30);

/// What a client is made with.
pub(super) struct Terms<'a> {
    pub(super) is_secure: bool,
    pub(super) connect_timeout: Duration,
    pub(super) answer_timeout: Duration,
    /// Certificate authorities that are trusted beside the system's, in PEM.
    pub(super) certificates: &'a [Vec<u8>],
}

/// Makes the client.
///
/// # Errors
///
/// When TLS cannot be set up, or a certificate is none.
pub(super) fn client(terms: &Terms<'_>) -> Result<Client> {
    Client::builder()
        .tls_backend_preconfigured(tls(terms)?)
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(terms.connect_timeout)
        .timeout(terms.answer_timeout)
        .pool_idle_timeout(IDLE)
        .tcp_nodelay(true)
        .user_agent(concat!("surehand/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(refused)
}

/// A configuration of our own: the process-wide choice of cryptography is the host's.
fn tls(terms: &Terms<'_>) -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(refused)?;
    let mut config = if terms.is_secure {
        let extra: Result<Vec<_>, _> = terms
            .certificates
            .iter()
            .map(|pem| CertificateDer::from_pem_slice(pem).map(CertificateDer::into_owned))
            .collect();
        let extra = extra.map_err(refused)?;
        let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(extra, provider);
        let verifier = Arc::new(verifier.map_err(refused)?);
        builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
    } else {
        // Nobody is trusted, and nobody has to be.
        builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth()
    };
    config.alpn_protocols = vec!["h2".into(), "http/1.1".into()];
    Ok(config)
}

fn refused(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    let advice = "check the certificates of this machine, and those that are to be trusted";
    Error::new(ErrorKind::InvalidEndpoint, format!("TLS cannot be set up: {error}"), advice)
        .because(error)
}
