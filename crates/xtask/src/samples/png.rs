//! The smallest PNG with a picture: true colour, one stored block (W3C PNG, RFC 1950, RFC 1951).

/// A square colour gradient of `side` pixels (at most 140), with a comment.
pub(super) fn gradient(side: u8, tint: [u8; 3], comment: &str) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let size = u32::from(side).to_be_bytes();
    let mut header = [size, size].concat();
    // 8 bits a channel, true colour, deflate, adaptive filters, not interlaced.
    header.extend_from_slice(&[8, 2, 0, 0, 0]);
    chunk(&mut file, *b"IHDR", &header);
    let text = [b"Comment\0", comment.as_bytes()].concat();
    chunk(&mut file, *b"tEXt", &text);
    chunk(&mut file, *b"IDAT", &stored(&pixels(side, tint)));
    chunk(&mut file, *b"IEND", &[]);
    file
}

fn pixels(side: u8, [red, green, blue]: [u8; 3]) -> Vec<u8> {
    let mut rows = Vec::new();
    for y in 0..side {
        rows.push(0); // no filter
        for x in 0..side {
            rows.extend_from_slice(&[
                red.wrapping_add(x.wrapping_mul(3)),
                green.wrapping_add(y.wrapping_mul(3)),
                blue,
            ]);
        }
    }
    rows
}

fn chunk(file: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let body = [&kind, data].concat();
    file.extend_from_slice(&length.to_be_bytes());
    file.extend_from_slice(&body);
    file.extend_from_slice(&crc32(&body).to_be_bytes());
}

/// A zlib stream of one block that is not compressed; at most 65,535 bytes.
fn stored(data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
    let mut stream = vec![0x78, 0x01, 1];
    stream.extend_from_slice(&length.to_le_bytes());
    stream.extend_from_slice(&(!length).to_le_bytes());
    stream.extend_from_slice(data);
    stream.extend_from_slice(&adler32(data).to_be_bytes());
    stream
}

fn adler32(data: &[u8]) -> u32 {
    let (a, b) = data.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    b << 16 | a
}

fn crc32(data: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let carry = crc & 1;
            crc = (crc >> 1) ^ (carry * 0xedb8_8320);
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Check values of both algorithms.
    #[test]
    fn checksums_match_published_values() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
    }

    #[test]
    fn every_chunk_is_closed_by_its_checksum() {
        let file = gradient(24, [1, 2, 3], "text");
        let mut rest = &file[8..];
        let mut kinds = Vec::new();
        while !rest.is_empty() {
            let length = u32::from_be_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
            let crc = &rest[8 + length..12 + length];
            assert_eq!(crc, crc32(&rest[4..8 + length]).to_be_bytes());
            kinds.push(rest[4..8].to_vec());
            rest = &rest[12 + length..];
        }
        assert_eq!(kinds, [b"IHDR", b"tEXt", b"IDAT", b"IEND"]);
    }
}
