//! What holds for all bytes: how they are cut does not matter, and none of them is too much.

use crate::client::*;
use proptest::prelude::*;

/// Some frame, often a sound one.
fn some_frame() -> impl Strategy<Value = Vec<u8>> {
    let stream = || prop_oneof![Just(0u32), (0u32..8).prop_map(|n| 2 * n + 1), 0u32..20];
    let payload = || prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        3 => (0u32..8).prop_map(|n| asks(2 * n + 1, "/b")),
        2 => (0u32..8).prop_map(|n| posts(2 * n + 1, &[("content-length", "20")])),
        2 => (stream(), any::<bool>())
            .prop_map(|(stream, ends)| frame(DATA, u8::from(ends), stream, &[0; 20])),
        1 => (stream(), 0u32..70_000)
            .prop_map(|(stream, n)| frame(WINDOW_UPDATE, 0, stream, &n.to_be_bytes())),
        1 => (0u16..10, 0u32..70_000)
            .prop_map(|(name, value)| frame(SETTINGS, 0, 0, &setting(name, value))),
        1 => stream().prop_map(|stream| frame(RST_STREAM, 0, stream, &[0; 4])),
        1 => (0u8..18, any::<u8>(), stream(), payload())
            .prop_map(|(kind, flags, stream, payload)| frame(kind, flags, stream, &payload)),
    ]
}

proptest! {
    #[test]
    fn how_bytes_are_cut_does_not_matter(
        frames in prop::collection::vec(some_frame(), 0..12),
        content in prop_oneof![Just(None), (0usize..30_000).prop_map(Some)],
        step in 1usize..60,
    ) {
        let bytes = [http2::PREFACE, &frame(SETTINGS, 0, 0, &[]), &frames.concat()].concat();
        let (mut whole, mut cut) = (Client::silent(), Client::silent());
        (whole.content, cut.content) = (content, content);
        whole.send(&bytes);
        for piece in bytes.chunks(step) {
            cut.send(piece);
        }
        // Whose turn it is depends on what is there, so content is looked at when all of it is.
        prop_assert_eq!(whole.told(), cut.told());
        prop_assert_eq!(whole.http.is_closing(), cut.http.is_closing());
        prop_assert_eq!(whole.http.deadline(whole.now), cut.http.deadline(cut.now));
    }
}
