//! Base32 text (RFC 4648) in lower case, without padding.

/// Encodes bytes. The text needs no escaping in URLs, headers and cookies.
pub(super) fn base32(bytes: &[u8]) -> String {
    const ALPHABET: [char; 32] = [
        'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't',
        'u', 'v', 'w', 'x', 'y', 'z', '2', '3', '4', '5', '6', '7',
    ];
    let mut text = String::with_capacity(bytes.len().saturating_mul(8).div_ceil(5));
    let (mut pending, mut n_bits) = (0_u32, 0_u32);
    let mut push = |index: u32| {
        text.extend(usize::try_from(index & 31).ok().and_then(|index| ALPHABET.get(index)));
    };
    for byte in bytes {
        pending = (pending << 8) | u32::from(*byte);
        n_bits += 8;
        while n_bits >= 5 {
            n_bits -= 5;
            push(pending >> n_bits);
        }
        pending &= (1 << n_bits) - 1;
    }
    if n_bits > 0 {
        push(pending << (5 - n_bits));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_two_bytes_become_fifty_two_characters() {
        assert_eq!(base32(&[0; 32]).len(), 52);
        assert_eq!(base32(&[0xff; 5]), "77777777");
        assert_eq!(base32(b"fooba"), "mzxw6ytb");
        assert_ne!(base32(&[1; 32]), base32(&[2; 32]));
    }
}
