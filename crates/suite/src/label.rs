/// The name of what is signed or derived, such as `obhut/manifest/v1`: 1 to 255 printable ASCII bytes.
///
/// Binds a signature to one purpose: the ML-DSA context, and the prefix (with a zero byte) of what
/// Ed25519 signs. Being free of zero bytes, no label is the start of another message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Label(&'static str);

impl Label {
    /// A label, checked at compile time when used in a `const`.
    ///
    /// # Panics
    /// On an empty or overlong label or one with other than printable ASCII.
    pub const fn new(name: &'static str) -> Self {
        let bytes = name.as_bytes();
        assert!(!bytes.is_empty() && bytes.len() <= 255, "label length");
        let mut rest = bytes;
        while let [first, tail @ ..] = rest {
            assert!(first.is_ascii_graphic(), "label character");
            rest = tail;
        }
        Self(name)
    }

    /// The bytes of the name.
    pub const fn as_bytes(self) -> &'static [u8] {
        self.0.as_bytes()
    }

    /// `label || 0 || message`, what Ed25519 signs.
    pub(crate) fn frame(self, message: &[u8]) -> Vec<u8> {
        let mut framed = Vec::with_capacity(self.0.len() + 1 + message.len());
        framed.extend_from_slice(self.as_bytes());
        framed.push(0);
        framed.extend_from_slice(message);
        framed
    }
}
