//! TLS 1.3 with raw public keys: whoever is at the other end is named by an Ed25519 key and nothing else.

use std::sync::Arc;

use obhut_format::gate_link::PartyKey;
use obhut_suite::{NoteKey, Secret};
use rustls::client::AlwaysResolvesClientRawPublicKeys;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{
    CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme,
};
use zeroize::Zeroizing;

/// DER of an Ed25519 private key before its seed (RFC 8410 §7).
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
/// DER of an Ed25519 public key before its bytes (RFC 8410 §4).
const SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// The key one side of a connection proves to hold.
#[derive(Clone)]
pub struct LinkKey {
    certified: Arc<CertifiedKey>,
    public: PartyKey,
}

impl LinkKey {
    /// The key of this seed.
    pub fn from_seed(seed: &Secret<32>) -> Result<Self, Error> {
        let public = PartyKey(*NoteKey::from_seed(seed).public().as_bytes());
        // EXPOSE: into the signing key of the TLS library.
        let der = Zeroizing::new([PKCS8_PREFIX.as_slice(), seed.expose()].concat());
        let der = PrivatePkcs8KeyDer::from(der.as_slice());
        let key = rustls::crypto::ring::sign::any_eddsa_type(&der)?;
        let raw = CertificateDer::from(spki(public));
        Ok(Self {
            certified: Arc::new(CertifiedKey::new(vec![raw], key)),
            public,
        })
    }

    /// The public key, for the other side's operator.
    pub fn public(&self) -> PartyKey {
        self.public
    }

    /// For the side that is called: every caller must prove some key; whose it is says [`peer_key`].
    pub(super) fn server_config(&self) -> Result<ServerConfig, Error> {
        let verifier = Arc::new(RawKeys::new(None));
        Ok(ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(
                Arc::clone(&self.certified),
            ))))
    }

    /// For the side that calls: the other end must hold exactly this key.
    pub(super) fn client_config(&self, other: PartyKey) -> Result<ClientConfig, Error> {
        let verifier = Arc::new(RawKeys::new(Some(other)));
        Ok(ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(
                Arc::clone(&self.certified),
            ))))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn spki(key: PartyKey) -> Vec<u8> {
    [SPKI_PREFIX.as_slice(), &key.0].concat()
}

/// The Ed25519 key that the other end proved.
pub(super) fn peer_key(proved: &[CertificateDer<'_>]) -> Option<PartyKey> {
    let [raw] = proved else { return None };
    let key = raw.strip_prefix(SPKI_PREFIX.as_slice())?;
    Some(PartyKey(key.try_into().ok()?))
}

/// Takes raw Ed25519 keys: one only, or any.
#[derive(Debug)]
struct RawKeys {
    only: Option<PartyKey>,
    provider: Arc<CryptoProvider>,
}

impl RawKeys {
    fn new(only: Option<PartyKey>) -> Self {
        Self {
            only,
            provider: provider(),
        }
    }

    fn check(&self, raw: &CertificateDer<'_>, more: &[CertificateDer<'_>]) -> Result<(), Error> {
        let key = peer_key(std::slice::from_ref(raw));
        let fits = match (key, self.only) {
            (Some(key), Some(only)) => key == only,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if fits && more.is_empty() {
            Ok(())
        } else {
            Err(Error::InvalidCertificate(
                CertificateError::ApplicationVerificationFailure,
            ))
        }
    }

    fn check_signature(
        &self,
        message: &[u8],
        raw: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = SubjectPublicKeyInfoDer::from(raw.as_ref());
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &key, signed, algorithms)
    }
}

fn refuse_tls12() -> Result<HandshakeSignatureValid, Error> {
    Err(Error::General("only TLS 1.3 is spoken here".to_owned()))
}

impl ServerCertVerifier for RawKeys {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity, intermediates)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        refuse_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for RawKeys {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity, intermediates)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        refuse_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
