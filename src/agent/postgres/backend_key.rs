//! Finds BackendKeyData between AuthenticationOk and the first ReadyForQuery.

/// The longest message that is kept: BackendKeyData with a key of 256 bytes.
const LONGEST: usize = 4 + 256;

/// A scanner of the server's messages. After the first ReadyForQuery it does nothing.
#[derive(Debug, Default)]
pub(super) struct BackendKey {
    head: Vec<u8>,
    body: Vec<u8>,
    /// The kind of the current message, and how many bytes it still has.
    current: Option<(u8, usize)>,
    is_done: bool,
}

impl BackendKey {
    /// The key, if the message that contains it ends in these bytes: process ID and secret key.
    pub(super) fn find(&mut self, mut bytes: &[u8]) -> Option<Vec<u8>> {
        let mut key = None;
        while !self.is_done && !bytes.is_empty() {
            let (kind, rest) = match &mut self.current {
                Some((kind, rest)) => {
                    let (part, more) = bytes.split_at(bytes.len().min(*rest));
                    if *kind == b'K' && self.body.len() + part.len() <= LONGEST {
                        self.body.extend_from_slice(part);
                    }
                    (*rest, bytes) = (*rest - part.len(), more);
                    (*kind, *rest)
                }
                None => {
                    let (part, more) = bytes.split_at(bytes.len().min(5 - self.head.len()));
                    self.head.extend_from_slice(part);
                    bytes = more;
                    let [kind, a, b, c, d] = self.head[..] else { return key };
                    self.head.clear();
                    let length = u32::from_be_bytes([a, b, c, d]) as usize;
                    // Not PostgreSQL's protocol: the client will say so.
                    self.is_done = length < 4 || kind == b'Z';
                    let rest = length.saturating_sub(4);
                    self.current = Some((kind, rest));
                    (kind, rest)
                }
            };
            if rest == 0 {
                self.current = None;
                let body = std::mem::take(&mut self.body);
                if kind == b'K' && body.len() >= 8 {
                    key = Some(body);
                }
            }
        }
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat()
    }

    #[test]
    fn the_key_is_found_however_the_messages_are_cut() {
        for length in [8, 36, 260] {
            let expected: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let said = [
                message(b'R', &[0; 4]),
                message(b'S', b"server_version\x0017.5\0"),
                message(b'N', &[]),
                message(b'K', &expected),
                message(b'Z', b"I"),
                message(b'K', &[9; 8]), // a row of data may look like a key
            ]
            .concat();
            for cut in 1..said.len() {
                let mut scanner = BackendKey::default();
                let found: Vec<_> = said.chunks(cut).filter_map(|bytes| scanner.find(bytes)).collect();
                assert_eq!(found, std::slice::from_ref(&expected), "{length} bytes, cut every {cut}");
            }
        }
    }

    #[test]
    fn what_is_no_key_is_not_kept() {
        let mut scanner = BackendKey::default();
        assert_eq!(scanner.find(&message(b'K', &[1; 4])), None);
        assert_eq!(scanner.find(&message(b'K', &[1; 2000])), None);
        assert!(scanner.body.len() <= LONGEST);
        assert_eq!(scanner.find(&[b'S', 0, 0, 0, 3]), None);
        assert!(scanner.is_done);
    }
}
