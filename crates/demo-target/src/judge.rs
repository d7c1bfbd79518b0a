//! Whether a certificate opens an account here: authority, kind, time, principal and source address, as sshd asks. Pure.

use std::net::IpAddr;

use sshwire::{CertificateKind, CertificateSpec, CertificateView, PublicKey};

/// Whom this target lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) authorities: Vec<PublicKey>,
    pub(crate) principals: Vec<String>,
}

/// In sshd's own words, so that a log reads alike.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("Certificate invalid: signed by an authority that is not trusted here")]
    AuthorityUnknown,
    #[error("Certificate invalid: the authority's signature does not match")]
    NotSigned,
    #[error("Certificate invalid: not a user certificate")]
    NotForUsers,
    #[error("Certificate invalid: not yet valid")]
    TooEarly,
    #[error("Certificate invalid: expired")]
    Expired,
    #[error("Certificate invalid: name is not a listed principal")]
    PrincipalNotListed,
    #[error("cert: authentication tried with valid certificate but not from a permitted source address ({0})")]
    ElsewhereThanAllowed(IpAddr),
}

impl Rules {
    /// From the files' texts; a line that is no key, or begins with `#`, says nothing.
    pub(crate) fn read(authorities: &str, principals: &str) -> Self {
        Self {
            authorities: lines(authorities).filter_map(|line| PublicKey::from_openssh(line).ok()).collect(),
            principals: lines(principals).map(str::to_owned).collect(),
        }
    }

    /// `now` counts seconds since 1970.
    pub(crate) fn judge<'a>(
        &self,
        certificate: &'a CertificateView,
        now: u64,
        from: IpAddr,
    ) -> Result<&'a CertificateSpec, Refused> {
        let authority = self.authorities.iter().find(|ca| *ca == certificate.claimed_ca());
        let authority = authority.ok_or(Refused::AuthorityUnknown)?;
        let spec = certificate.verify(authority).map_err(|_| Refused::NotSigned)?;
        if spec.kind != CertificateKind::User {
            return Err(Refused::NotForUsers);
        }
        if now < spec.valid_after {
            return Err(Refused::TooEarly);
        }
        if now >= spec.valid_before {
            return Err(Refused::Expired);
        }
        if !spec.principals.iter().any(|own| self.principals.iter().any(|listed| listed == own.as_str())) {
            return Err(Refused::PrincipalNotListed);
        }
        match &spec.source_address {
            Some(sources) if !sources.iter().any(|range| range.contains(from)) => {
                Err(Refused::ElsewhereThanAllowed(from))
            }
            _ => Ok(spec),
        }
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::net::Ipv4Addr;

    use sshwire::SoftSigner;

    use super::*;

    const NOW: u64 = 1_000;
    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn ca() -> SoftSigner {
        SoftSigner::from_seed(&[1; 32])
    }

    fn spec() -> CertificateSpec {
        CertificateSpec {
            kind: CertificateKind::User,
            key: SoftSigner::from_seed(&[2; 32]).public_key().clone(),
            serial: 7,
            key_id: "session".into(),
            principals: vec!["p-1".parse().unwrap()],
            valid_after: NOW - 10,
            valid_before: NOW + 50,
            source_address: Some(vec!["127.0.0.1/32".parse().unwrap()]),
            force_command: None,
            permits: BTreeSet::new(),
            private_extensions: BTreeMap::new(),
        }
    }

    fn signed(spec: &CertificateSpec, ca: &SoftSigner) -> CertificateView {
        spec.to_be_signed([0; 32], ca.public_key()).unwrap().sign_with(|bytes| ca.sign_raw(bytes)).view()
    }

    fn judged(spec: &CertificateSpec) -> Result<(), Refused> {
        rules().judge(&signed(spec, &ca()), NOW, HERE).map(drop)
    }

    fn rules() -> Rules {
        Rules::read(&format!("# the gate\n\n{}\n", ca().public_key().to_openssh()), "# accounts\np-1\np-2\n")
    }

    #[test]
    fn a_certificate_that_names_a_listed_principal_opens() {
        assert_eq!(judged(&spec()), Ok(()));
        assert_eq!(judged(&CertificateSpec { source_address: None, ..spec() }), Ok(()));
    }

    #[test]
    fn another_authority_opens_nothing() {
        let other = SoftSigner::from_seed(&[3; 32]);
        assert_eq!(rules().judge(&signed(&spec(), &other), NOW, HERE), Err(Refused::AuthorityUnknown));
        let nobody = Rules::read("", "p-1\n");
        assert_eq!(nobody.judge(&signed(&spec(), &ca()), NOW, HERE), Err(Refused::AuthorityUnknown));
    }

    #[test]
    fn a_changed_certificate_opens_nothing() {
        let whole = spec().to_be_signed([0; 32], ca().public_key()).unwrap().sign_with(|_| [9; 64]);
        assert_eq!(rules().judge(&whole.view(), NOW, HERE), Err(Refused::NotSigned));
    }

    #[test]
    fn a_host_certificate_opens_nothing() {
        let host = CertificateSpec { kind: CertificateKind::Host, source_address: None, ..spec() };
        assert_eq!(judged(&host), Err(Refused::NotForUsers));
    }

    #[test]
    fn the_window_is_from_its_first_second_until_before_its_last() {
        assert_eq!(judged(&CertificateSpec { valid_after: NOW + 1, ..spec() }), Err(Refused::TooEarly));
        assert_eq!(judged(&CertificateSpec { valid_after: NOW, ..spec() }), Ok(()));
        assert_eq!(judged(&CertificateSpec { valid_before: NOW, ..spec() }), Err(Refused::Expired));
    }

    #[test]
    fn another_accounts_principal_opens_nothing() {
        let other = CertificateSpec { principals: vec!["p-3".parse().unwrap()], ..spec() };
        assert_eq!(judged(&other), Err(Refused::PrincipalNotListed));
        let empty = Rules::read(&ca().public_key().to_openssh(), "");
        assert_eq!(empty.judge(&signed(&spec(), &ca()), NOW, HERE), Err(Refused::PrincipalNotListed));
    }

    #[test]
    fn another_address_opens_nothing() {
        let from: IpAddr = Ipv4Addr::new(127, 0, 0, 2).into();
        assert_eq!(rules().judge(&signed(&spec(), &ca()), NOW, from), Err(Refused::ElsewhereThanAllowed(from)));
    }
}
