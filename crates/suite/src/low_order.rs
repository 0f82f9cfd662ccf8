/// The u-coordinates of order 1, 2, 4 and 8 on Curve25519 and its twist, and their second forms p
/// and p + 1, little-endian: with any of them an X25519 exchange gives zeros (RFC 7748 §6.1).
const LOW_ORDER: [[u8; 32]; 7] = [
    small(0),
    small(1),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
        0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f,
        0x11, 0x57,
    ],
    near_p(0xec),
    near_p(0xed),
    near_p(0xee),
];

/// Whether 32 bytes may be the X25519 part of a public key or ciphertext: canonical (below p, so
/// bit 255 is clear) and not of low order.
///
/// The `hpke` crate does not check this; JavaScript implementations refuse low order. Without the
/// check two clients would disagree about the same grant. Honest keys always pass.
pub fn is_acceptable_x25519(u: &[u8; 32]) -> bool {
    is_below_p(u) && !LOW_ORDER.contains(u)
}

fn is_below_p(u: &[u8; 32]) -> bool {
    u.iter().rev().lt(near_p(0xed).iter().rev())
}

const fn small(value: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    let [first, ..] = &mut bytes;
    *first = value;
    bytes
}

/// p = 2^255 - 19 ends in 0xed.
const fn near_p(first_byte: u8) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    let [first, .., last] = &mut bytes;
    *first = first_byte;
    *last = 0x7f;
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_encoding_gives_a_zero_exchange_with_and_without_bit_255() {
        for listed in LOW_ORDER {
            for top in [0, 0x80] {
                let mut u = listed;
                u[31] |= top;
                assert_eq!(x25519_dalek::x25519([9; 32], u), [0; 32]);
                assert!(!is_acceptable_x25519(&u));
            }
        }
    }

    #[test]
    fn accepts_the_base_point_and_refuses_what_is_not_canonical() {
        assert!(is_acceptable_x25519(&small(9)));
        assert!(is_acceptable_x25519(&near_p(0xeb)));
        assert!(
            !is_acceptable_x25519(&near_p(0xef)),
            "p + 2 is a second form of 2"
        );
        let mut bit_255 = small(9);
        bit_255[31] = 0x80;
        assert!(!is_acceptable_x25519(&bit_255));
    }
}
