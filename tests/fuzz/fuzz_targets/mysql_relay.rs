//! What reaches mysql_async of what a server sends: whole packets as they came, and none that announces
//! more than it holds.

#![no_main]

use pipeprobe::connection::mysql_fuzzing::relayed;
use pipeprobe_fuzz::{Says, runtime};
use tokio::{io::AsyncReadExt, net::UnixStream, runtime::Runtime};

thread_local!(static RUNTIME: Runtime = runtime());

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let dumping = first & 1 == 1;
    let mut heard = Vec::new();
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let (near, mut far) = UnixStream::pair().unwrap();
            let hearing = async {
                far.read_to_end(&mut heard).await.unwrap();
                drop(far);
            };
            tokio::join!(relayed(near, Says::new(bytes), dumping), hearing);
        });
    });
    let mut rest = &heard[..];
    while let [a, b, c, _, more @ ..] = rest {
        let length = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
        let complete = more.len() >= length;
        let packet = &more[..length.min(more.len())];
        rest = &more[packet.len()..];
        let is_end = packet == [0xfe, 0, 0, 2, 0] && rest.is_empty();
        let so_far = heard.len() - rest.len();
        assert!(is_end || bytes.starts_with(&heard[..so_far]));
        assert!(!matches!(packet, [0xfd, ..]) && (packet.first() != Some(&0xfe) || length < 8));
        if dumping && complete && length >= 20 && packet[0] == 0 {
            let size = u32::from_le_bytes(packet[10..14].try_into().unwrap());
            assert!(size as usize == length - 1 && packet[5] != 40);
        }
        if !complete {
            break;
        }
    }
});
