//! Address ranges as OpenSSH's `source-address` writes them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::certificate::CertificateError;
use crate::text::{serde_as_text, shown};

/// A range of IP addresses in canonical CIDR form. The host bits are zero: OpenSSH refuses a certificate with others.
/// IPv4 addresses wrapped in IPv6 are refused, because sshd unwraps the peer's address and would never match one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

serde_as_text!(Cidr);

impl Cidr {
    /// A range; `prefix` counts the leading bits that matter.
    ///
    /// # Errors
    /// `BadSourceAddress` if the prefix is too long, a host bit is set, or the address is IPv4 wrapped in IPv6.
    pub fn new(address: IpAddr, prefix: u8) -> Result<Self, CertificateError> {
        let cidr = Self { address, prefix };
        let wrapped = address.to_canonical() != address;
        if wrapped || !cidr.host_bits_are_zero() {
            return Err(CertificateError::BadSourceAddress(cidr.to_string()));
        }
        Ok(cidr)
    }

    /// The range of one address. IPv4 wrapped in IPv6 is unwrapped.
    #[must_use]
    pub fn single(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self { address, prefix: width(address) }
    }

    /// Whether the address lies in the range. IPv4 wrapped in IPv6 is unwrapped.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let outside = width(self.address) - self.prefix;
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(u32::from(outside)).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(u32::from(outside)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }

    fn host_bits_are_zero(self) -> bool {
        let bits = match self.address {
            IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
            IpAddr::V6(v6) => v6.to_bits(),
        };
        self.prefix <= width(self.address) && bits.checked_shl(u32::from(self.prefix)).unwrap_or(0) == 0
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Cidr {
    type Err = CertificateError;

    fn from_str(text: &str) -> Result<Self, CertificateError> {
        let refused = || CertificateError::BadSourceAddress(shown(text.as_bytes()));
        let (address, prefix) = text.split_once('/').ok_or_else(refused)?;
        let cidr = Self::new(address.parse().map_err(|_| refused())?, prefix.parse().map_err(|_| refused())?)?;
        if cidr.to_string() == text { Ok(cidr) } else { Err(refused()) }
    }
}

fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_read_back() {
        for text in ["0.0.0.0/0", "10.0.0.0/8", "192.0.2.7/32", "::/0", "2001:db8::/32", "2001:db8::1/128"] {
            assert_eq!(text.parse::<Cidr>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_sshd_refuses_or_never_matches_is_refused() {
        for text in [
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0.0",
            "10.0.0.0/",
            "10.0.0.0/08",
            "010.0.0.0/8",
            "2001:db8::1/64",
            "2001:DB8::/32",
            "2001:db8:0::/32",
            "::ffff:192.0.2.1/128",
            "::/129",
            "*",
            "!10.0.0.0/8",
            "10.0.0.0/8,",
            "",
        ] {
            assert!(matches!(text.parse::<Cidr>(), Err(CertificateError::BadSourceAddress(_))), "{text}");
        }
    }

    #[test]
    fn a_range_holds_what_begins_like_it() {
        let holds = |range: &str, address: &str| range.parse::<Cidr>().unwrap().contains(address.parse().unwrap());
        assert!(holds("192.0.2.7/32", "192.0.2.7") && holds("192.0.2.7/32", "::ffff:192.0.2.7"));
        assert!(!holds("192.0.2.7/32", "192.0.2.6"));
        assert!(holds("10.0.0.0/8", "10.255.0.1") && !holds("10.0.0.0/8", "11.0.0.0"));
        assert!(holds("0.0.0.0/0", "203.0.113.9") && !holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("::/0", "2001:db8::1") && !holds("::/0", "192.0.2.1"));
        assert!(holds("2001:db8::/32", "2001:db8:ffff::1") && !holds("2001:db8::/32", "2001:db9::1"));
    }

    #[test]
    fn one_address_is_unwrapped() {
        assert_eq!(Cidr::single("::ffff:192.0.2.1".parse().unwrap()).to_string(), "192.0.2.1/32");
        assert_eq!(Cidr::single("2001:db8::1".parse().unwrap()).to_string(), "2001:db8::1/128");
    }
}
