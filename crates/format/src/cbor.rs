//! Strict canonical CBOR (RFC 8949 §4.2): one encoding per value, nothing else is read.

use crate::FormatError;

/// A value with exactly one encoding.
pub trait Cbor: Sized {
    /// Appends the value's canonical encoding.
    fn encode(&self, out: &mut Encoder);

    /// Reads one value; refuses every non-canonical form.
    fn decode(input: &mut Decoder<'_>) -> Result<Self, FormatError>;

    /// True for values that are left out of a record (`None`).
    fn is_absent(&self) -> bool {
        false
    }

    /// The value of a field that is left out, where that is allowed.
    fn absent() -> Option<Self> {
        None
    }

    /// The type's name in CDDL (RFC 8610); see [`crate::cddl`].
    fn cddl() -> String;

    /// The canonical bytes.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        self.encode(&mut out);
        out.0
    }

    /// Parses exactly one value; trailing bytes and any non-canonical form are errors.
    fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut input = Decoder::new(bytes);
        let value = Self::decode(&mut input)?;
        input.finish()?;
        if value.to_bytes() != bytes {
            return Err(FormatError::NotCanonical);
        }
        Ok(value)
    }
}

/// Builds canonical bytes.
#[derive(Default)]
pub struct Encoder(Vec<u8>);

impl Encoder {
    fn head(&mut self, major: u8, value: u64) {
        let major = major << 5;
        let bytes = value.to_be_bytes();
        match value {
            0..24 => self.0.push(major | bytes[7]),
            24..0x100 => self.0.extend([major | 0x18, bytes[7]]),
            0x100..0x1_0000 => self.0.extend([major | 0x19, bytes[6], bytes[7]]),
            0x1_0000..0x1_0000_0000 => {
                self.0.push(major | 0x1a);
                self.0.extend(&bytes[4..]);
            }
            _ => {
                self.0.push(major | 0x1b);
                self.0.extend(bytes);
            }
        }
    }

    /// An unsigned integer.
    pub fn uint(&mut self, value: u64) {
        self.head(0, value);
    }

    /// A byte string.
    pub fn bytes(&mut self, value: &[u8]) {
        self.head(2, value.len() as u64);
        self.0.extend(value);
    }

    /// A UTF-8 string.
    pub fn text(&mut self, value: &str) {
        self.head(3, value.len() as u64);
        self.0.extend(value.as_bytes());
    }

    /// The head of an array of `len` values.
    pub fn array(&mut self, len: usize) {
        self.head(4, len as u64);
    }

    /// The head of a map of `len` pairs; keys must follow in ascending order.
    pub fn map(&mut self, len: usize) {
        self.head(5, len as u64);
    }

    /// `true` or `false`.
    pub fn bool(&mut self, value: bool) {
        self.0.push(if value { 0xf5 } else { 0xf4 });
    }
}

/// Reads canonical bytes; lengths are checked against what is there before anything is allocated.
pub struct Decoder<'a> {
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    /// A decoder over `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Succeeds only when every byte was read.
    pub fn finish(&self) -> Result<(), FormatError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(FormatError::TrailingBytes)
        }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], FormatError> {
        let (head, tail) = self
            .rest
            .split_at_checked(len)
            .ok_or(FormatError::Truncated)?;
        self.rest = tail;
        Ok(head)
    }

    fn byte(&mut self) -> Result<u8, FormatError> {
        self.take(1)?.first().copied().ok_or(FormatError::Truncated)
    }

    fn head(&mut self, major: u8) -> Result<u64, FormatError> {
        let first = self.byte()?;
        if first >> 5 != major {
            return Err(FormatError::WrongType);
        }
        let (len, floor) = match first & 0x1f {
            small @ 0..24 => return Ok(u64::from(small)),
            24 => (1, 24),
            25 => (2, 0x100),
            26 => (4, 0x1_0000),
            27 => (8, 0x1_0000_0000),
            _ => return Err(FormatError::NotCanonical),
        };
        let value = self
            .take(len)?
            .iter()
            .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        if value < floor {
            Err(FormatError::NotCanonical)
        } else {
            Ok(value)
        }
    }

    fn length(&mut self, major: u8) -> Result<usize, FormatError> {
        let len = usize::try_from(self.head(major)?).map_err(|_| FormatError::Truncated)?;
        // Every element needs at least one byte: no allocation from an untrusted length.
        if len > self.rest.len() {
            Err(FormatError::Truncated)
        } else {
            Ok(len)
        }
    }

    /// An unsigned integer.
    pub fn uint(&mut self) -> Result<u64, FormatError> {
        self.head(0)
    }

    /// A byte string.
    pub fn bytes(&mut self) -> Result<&'a [u8], FormatError> {
        let len = self.length(2)?;
        self.take(len)
    }

    /// A UTF-8 string.
    pub fn text(&mut self) -> Result<&'a str, FormatError> {
        let len = self.length(3)?;
        str::from_utf8(self.take(len)?).map_err(|_| FormatError::NotUtf8)
    }

    /// The length of an array.
    pub fn array(&mut self) -> Result<usize, FormatError> {
        self.length(4)
    }

    /// The number of pairs of a map.
    pub fn map(&mut self) -> Result<usize, FormatError> {
        self.length(5)
    }

    /// `true` or `false`.
    pub fn bool(&mut self) -> Result<bool, FormatError> {
        match self.byte()? {
            0xf4 => Ok(false),
            0xf5 => Ok(true),
            _ => Err(FormatError::WrongType),
        }
    }
}

/// Reads the fields of a record in ascending key order.
pub struct Fields<'d, 'a> {
    input: &'d mut Decoder<'a>,
    left: usize,
    next: Option<u64>,
}

impl<'d, 'a> Fields<'d, 'a> {
    /// Starts a record.
    pub fn new(input: &'d mut Decoder<'a>) -> Result<Self, FormatError> {
        let left = input.map()?;
        Ok(Self {
            input,
            left,
            next: None,
        })
    }

    /// The field under `key`, or its absent value.
    pub fn field<T: Cbor>(&mut self, key: u64) -> Result<T, FormatError> {
        if self.next.is_none() && self.left > 0 {
            self.next = Some(self.input.uint()?);
            self.left -= 1;
        }
        if self.next == Some(key) {
            self.next = None;
            T::decode(self.input)
        } else {
            T::absent().ok_or(FormatError::MissingField(key))
        }
    }

    /// Refuses fields nobody asked for.
    pub fn finish(self) -> Result<(), FormatError> {
        if self.next.is_none() && self.left == 0 {
            Ok(())
        } else {
            Err(FormatError::UnknownField)
        }
    }
}

impl Cbor for u64 {
    fn cddl() -> String {
        "uint".into()
    }
    fn encode(&self, out: &mut Encoder) {
        out.uint(*self);
    }
    fn decode(input: &mut Decoder<'_>) -> Result<Self, FormatError> {
        input.uint()
    }
}

impl Cbor for u32 {
    fn cddl() -> String {
        "uint .size 4".into()
    }
    fn encode(&self, out: &mut Encoder) {
        out.uint(u64::from(*self));
    }
    fn decode(input: &mut Decoder<'_>) -> Result<Self, FormatError> {
        Self::try_from(input.uint()?).map_err(|_| FormatError::OutOfRange)
    }
}

impl Cbor for bool {
    fn cddl() -> String {
        "bool".into()
    }
    fn encode(&self, out: &mut Encoder) {
        out.bool(*self);
    }
    fn decode(input: &mut Decoder<'_>) -> Result<Self, FormatError> {
        input.bool()
    }
}

impl Cbor for String {
    fn cddl() -> String {
        "tstr".into()
    }
    fn encode(&self, out: &mut Encoder) {
        out.text(self);
    }
    fn decode(input: &mut Decoder<'_>) -> Result<Self, FormatError> {
        input.text().map(Self::from)
    }
}

impl<const N: usize> Cbor for [u8; N] {
    fn cddl() -> String {
        format!("bstr .size {N}")
    }
    fn encode(&self, out: &mut Encoder) {
        out.bytes(self);
    }
    fn decode(input: &mut Decoder<'_>) -> Result<Self, FormatError> {
        input
            .bytes()?
            .try_into()
            .map_err(|_| FormatError::WrongLength)
    }
}

impl<T: Cbor> Cbor for Option<T> {
    fn cddl() -> String {
        T::cddl()
    }
    fn encode(&self, out: &mut Encoder) {
        if let Some(value) = self {
            value.encode(out);
        }
    }
    fn decode(input: &mut Decoder<'_>) -> Result<Self, FormatError> {
        T::decode(input).map(Some)
    }
    fn is_absent(&self) -> bool {
        self.is_none()
    }
    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Cbor> Cbor for Vec<T> {
    fn cddl() -> String {
        format!("[* {}]", T::cddl())
    }
    fn encode(&self, out: &mut Encoder) {
        out.array(self.len());
        for value in self {
            value.encode(out);
        }
    }
    fn decode(input: &mut Decoder<'_>) -> Result<Self, FormatError> {
        let len = input.array()?;
        (0..len).map(|_| T::decode(input)).collect()
    }
}

impl<T: Cbor> Cbor for Box<T> {
    fn cddl() -> String {
        T::cddl()
    }
    fn encode(&self, out: &mut Encoder) {
        (**self).encode(out);
    }
    fn decode(input: &mut Decoder<'_>) -> Result<Self, FormatError> {
        T::decode(input).map(Self::new)
    }
}

/// A byte string of any length (ciphertext, nested canonical bytes, a public key).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Blob(pub Vec<u8>);

impl core::fmt::Debug for Blob {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Blob({} bytes)", self.0.len())
    }
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for Blob {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Cbor for Blob {
    fn cddl() -> String {
        "bstr".into()
    }
    fn encode(&self, out: &mut Encoder) {
        out.bytes(&self.0);
    }
    fn decode(input: &mut Decoder<'_>) -> Result<Self, FormatError> {
        input.bytes().map(|bytes| Self(bytes.to_vec()))
    }
}

/// Declares a record: a map with small ascending integer keys; unknown keys are refused.
#[macro_export]
macro_rules! record {
    ($(#[$meta:meta])* $name:ident { $($(#[$fmeta:meta])* $key:literal => $field:ident: $ty:ty),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name { $($(#[$fmeta])* pub $field: $ty),* }

        impl $crate::cddl::Rule for $name {
            fn rule() -> String {
                let fields: &[(u64, &str, String, bool)] = &[$((
                    $key,
                    stringify!($field),
                    <$ty as $crate::cbor::Cbor>::cddl(),
                    <$ty as $crate::cbor::Cbor>::absent().is_some(),
                )),*];
                $crate::cddl::record(stringify!($name), fields)
            }
        }

        impl $crate::cbor::Cbor for $name {
            fn cddl() -> String {
                $crate::cddl::kebab(stringify!($name))
            }
            fn encode(&self, out: &mut $crate::cbor::Encoder) {
                let present = 0 $(+ usize::from(!$crate::cbor::Cbor::is_absent(&self.$field)))*;
                out.map(present);
                $(if !$crate::cbor::Cbor::is_absent(&self.$field) {
                    out.uint($key);
                    $crate::cbor::Cbor::encode(&self.$field, out);
                })*
            }
            fn decode(input: &mut $crate::cbor::Decoder<'_>) -> Result<Self, $crate::FormatError> {
                let mut fields = $crate::cbor::Fields::new(input)?;
                let value = Self { $($field: fields.field($key)?),* };
                fields.finish()?;
                Ok(value)
            }
        }
    };
}

/// Declares an enum with data: encoded as the array `[code, body]`.
#[macro_export]
macro_rules! tagged {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $code:literal => $variant:ident($ty:ty)),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$vmeta])* $variant($ty)),* }

        impl $crate::cddl::Rule for $name {
            fn rule() -> String {
                $crate::cddl::tagged(stringify!($name), &[$(($code, <$ty as $crate::cbor::Cbor>::cddl())),*])
            }
        }

        impl $crate::cbor::Cbor for $name {
            fn cddl() -> String {
                $crate::cddl::kebab(stringify!($name))
            }
            fn encode(&self, out: &mut $crate::cbor::Encoder) {
                out.array(2);
                match self {
                    $(Self::$variant(body) => { out.uint($code); $crate::cbor::Cbor::encode(body, out); })*
                }
            }
            fn decode(input: &mut $crate::cbor::Decoder<'_>) -> Result<Self, $crate::FormatError> {
                if input.array()? != 2 {
                    return Err($crate::FormatError::WrongLength);
                }
                match input.uint()? {
                    $($code => Ok(Self::$variant($crate::cbor::Cbor::decode(input)?)),)*
                    other => Err($crate::FormatError::UnknownCode(other)),
                }
            }
        }
    };
}

/// Declares a closed set of names, encoded as its code; `as_str` gives the stable name.
#[macro_export]
macro_rules! codes {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $code:literal => $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vmeta])* $variant),* }

        impl $name {
            /// Every member, in the order of its code.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The code in canonical bytes.
            pub fn code(self) -> u64 {
                match self { $(Self::$variant => $code),* }
            }

            /// The stable name in JSON, SQL and on the command line.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }
        }

        impl core::str::FromStr for $name {
            type Err = $crate::FormatError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text { $($text => Ok(Self::$variant),)* _ => Err($crate::FormatError::UnknownName) }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::cddl::Rule for $name {
            fn rule() -> String {
                $crate::cddl::codes(stringify!($name), &[$(($code, $text)),*])
            }
        }

        impl $crate::cbor::Cbor for $name {
            fn cddl() -> String {
                $crate::cddl::kebab(stringify!($name))
            }
            fn encode(&self, out: &mut $crate::cbor::Encoder) {
                out.uint(self.code());
            }
            fn decode(input: &mut $crate::cbor::Decoder<'_>) -> Result<Self, $crate::FormatError> {
                match input.uint()? {
                    $($code => Ok(Self::$variant),)*
                    other => Err($crate::FormatError::UnknownCode(other)),
                }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, unreachable_pub, reason = "tests")]
    use super::*;

    record! {
        /// A record for the tests.
        Sample { 1 => number: u64, 3 => name: Option<String>, 4 => parts: Vec<Blob> }
    }

    fn sample() -> Sample {
        Sample {
            number: 500,
            name: None,
            parts: vec![Blob(vec![1, 2]), Blob(vec![])],
        }
    }

    #[test]
    fn reads_back_what_it_wrote() {
        for name in [None, Some("Akte Ä".to_owned())] {
            let value = Sample { name, ..sample() };
            assert_eq!(Sample::from_bytes(&value.to_bytes()).unwrap(), value);
        }
    }

    #[test]
    fn e13_refuses_what_is_not_canonical() {
        // number 500 in four bytes instead of two
        let long = [0xa2, 0x01, 0x1a, 0, 0, 1, 0xf4, 0x04, 0x80];
        assert_eq!(Sample::from_bytes(&long), Err(FormatError::NotCanonical));
        // keys out of order, doubled, unknown, missing
        for (bytes, why) in [
            (
                &[0xa2, 0x04, 0x80, 0x01, 0x05][..],
                FormatError::MissingField(1),
            ),
            (
                &[0xa3, 0x01, 0x05, 0x01, 0x05, 0x04, 0x80][..],
                FormatError::MissingField(4),
            ),
            (
                &[0xa3, 0x01, 0x05, 0x04, 0x80, 0x07, 0x00][..],
                FormatError::UnknownField,
            ),
            (&[0xa1, 0x04, 0x80][..], FormatError::MissingField(1)),
            (&[0xbf, 0x01, 0x05, 0xff][..], FormatError::NotCanonical),
            (
                &[0xa2, 0x01, 0x05, 0x04, 0x80, 0x00][..],
                FormatError::TrailingBytes,
            ),
        ] {
            assert_eq!(Sample::from_bytes(bytes), Err(why), "{bytes:?}");
        }
    }

    #[test]
    fn e13_allocates_nothing_from_an_untrusted_length() {
        let bytes = [0xa2, 0x01, 0x05, 0x04, 0x9b, 0, 0, 1, 0, 0, 0, 0, 0];
        assert_eq!(Sample::from_bytes(&bytes), Err(FormatError::Truncated));
    }
}
