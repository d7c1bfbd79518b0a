//! What a client's first bytes say, its identification and its KEXINIT. Pure: the fuzzers take this file as it is.

/// Longest identification line, its end included.
const MAX_LINE: usize = 255;
/// Longest packet that each side must take (RFC 4253, section 6.1).
const MAX_PACKET: usize = 35_000;
const SSH_MSG_KEXINIT: u8 = 20;
const COOKIE: usize = 16;
const AES_GCM: [&[u8]; 2] = [b"aes256-gcm@openssh.com", b"aes128-gcm@openssh.com"];

/// What a client can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    KnowsAesGcm,
    /// It does not, or has not said so.
    Other,
}

/// Reads a client's first bytes, its identification and its KEXINIT. `None`: not enough has come yet. What is not SSH is `Other`.
pub(crate) fn understand(heard: &[u8]) -> Option<Client> {
    let Some(line) = heard.iter().take(MAX_LINE).position(|byte| *byte == b'\n') else {
        return (heard.len() >= MAX_LINE).then_some(Client::Other);
    };
    let packet = heard.get(line + 1..)?;
    let length = usize::try_from(u32::from_be_bytes(*packet.first_chunk()?)).ok()?;
    if length > MAX_PACKET {
        return Some(Client::Other);
    }
    let packet = packet.get(4..4 + length)?;
    let knows = lists(packet).is_some_and(|(to_us, to_it)| has_aes_gcm(to_us) && has_aes_gcm(to_it));
    Some(if knows { Client::KnowsAesGcm } else { Client::Other })
}

/// The ciphers of both directions in a KEXINIT, which begins with the length of its padding (RFC 4253, sections 6 and 7.1).
fn lists(packet: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_padding, payload) = packet.split_first()?;
    let (SSH_MSG_KEXINIT, after) = payload.split_first().map(|(kind, rest)| (*kind, rest))? else { return None };
    let mut rest = after.get(COOKIE..)?;
    let (_kex, _host_keys) = (name_list(&mut rest)?, name_list(&mut rest)?);
    Some((name_list(&mut rest)?, name_list(&mut rest)?))
}

fn name_list<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk()?;
    let (list, after) = after.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    *rest = after;
    Some(list)
}

fn has_aes_gcm(list: &[u8]) -> bool {
    list.split(|byte| *byte == b',').any(|name| AES_GCM.contains(&name))
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kexinit(ciphers: [&str; 2]) -> Vec<u8> {
        let mut payload = vec![SSH_MSG_KEXINIT];
        payload.extend([7; COOKIE]);
        for list in ["curve25519-sha256", "ssh-ed25519"].into_iter().chain(ciphers) {
            payload.extend(u32::try_from(list.len()).unwrap().to_be_bytes());
            payload.extend(list.as_bytes());
        }
        let mut packet = u32::try_from(payload.len() + 5).unwrap().to_be_bytes().to_vec();
        packet.push(4);
        packet.extend(payload);
        packet.extend([0; 4]);
        packet
    }

    pub(crate) fn opening(ciphers: [&str; 2]) -> Vec<u8> {
        [b"SSH-2.0-OpenSSH_9.2p1\r\n".to_vec(), kexinit(ciphers)].concat()
    }

    pub(crate) const CHACHA_FIRST: &str = "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com";

    #[test]
    fn aes_gcm_counts_where_both_directions_know_it() {
        assert_eq!(understand(&opening([CHACHA_FIRST; 2])), Some(Client::KnowsAesGcm));
        assert_eq!(understand(&opening([CHACHA_FIRST, "aes256-ctr"])), Some(Client::Other));
        assert_eq!(understand(&opening(["xaes256-gcm@openssh.com"; 2])), Some(Client::Other));
    }

    #[test]
    fn nothing_is_concluded_from_half_a_greeting() {
        let whole = opening([CHACHA_FIRST; 2]);
        for cut in 0..whole.len() {
            assert_eq!(understand(&whole[..cut]), None, "after {cut} bytes");
        }
    }

    #[test]
    fn what_is_too_long_is_not_waited_for() {
        assert_eq!(understand(&[b'x'; MAX_LINE]), Some(Client::Other));
        assert_eq!(understand(b"SSH-2.0-x\n\xff\xff\xff\xff"), Some(Client::Other));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600), at in 0..200_usize) {
            let mut greeting = opening([CHACHA_FIRST; 2]);
            let at = at.min(greeting.len());
            greeting.splice(at.., bytes);
            let _whatever = understand(&greeting);
        }
    }
}
