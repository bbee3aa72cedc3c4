//! Why a message was refused: every reason with its status and its words.

use message::{Limits, limits::Exceeded};

message::reasons! {
    /// A reason to refuse a message and to close the connection. Its words go into the log and into
    /// the answer, so that whoever wrote the client can see what is wrong with it.
    pub enum Refusal;

    EmptyLine = BAD_REQUEST "a request begins with an empty line or a bare line end";
    Method = BAD_REQUEST "the method is not a token of at most 32 bytes, followed by one space";
    Target = BAD_REQUEST "the request target is malformed";
    TargetTooLong = URI_TOO_LONG "the request target is longer than `target-bytes-max` allows";
    Version = BAD_REQUEST "the request line does not end with HTTP/1.1 or HTTP/1.0";
    VersionMajor = VERSION_NOT_SUPPORTED "only HTTP/1.1 and HTTP/1.0 are spoken here";
    LineEnd = BAD_REQUEST "a line does not end with CR LF";
    FieldName = BAD_REQUEST "a field line does not begin with a token and a colon";
    FieldValue = BAD_REQUEST "a field value holds a control character";
    HeadTooLong = FIELDS_TOO_LARGE "the head is longer than `head-bytes-max` allows";
    TooManyFields = FIELDS_TOO_LARGE "the head has more fields than `fields-max` allows";
    HostMissing = BAD_REQUEST "there is no host field";
    HostRepeated = BAD_REQUEST "there is more than one host field";
    Host = BAD_REQUEST "the host is malformed";
    Connect = METHOD_NOT_ALLOWED "this server opens no tunnels";
    LengthAndCoding = BAD_REQUEST "content-length and transfer-encoding contradict each other";
    Length = BAD_REQUEST "content-length is not one number";
    CodingIn10 = BAD_REQUEST "HTTP/1.0 has no transfer-encoding";
    Coding = BAD_REQUEST "transfer-encoding is not exactly one chunked";
    CodingUnknown = NOT_IMPLEMENTED "the transfer coding is unknown";
    Expectation = EXPECTATION_FAILED "only 100-continue can be expected";
    ChunkSize = BAD_REQUEST "a chunk size is not a hexadecimal number of at most 16 digits";
    ChunkExtension = BAD_REQUEST "a chunk extension is malformed";
    ChunkExtensionsTooLong = BAD_REQUEST "the chunk extensions go beyond `chunk-extension-bytes-max`";
    ChunkEnd = BAD_REQUEST "a chunk does not end with CR LF";
    Trailer = BAD_REQUEST "a trailer field is malformed";
    TrailersTooLong = FIELDS_TOO_LARGE "the trailer section is longer than `trailer-bytes-max` allows";
    HeadTimeout = REQUEST_TIMEOUT "the head took longer than `head-time` allows";
    HeadGaveWay = REQUEST_TIMEOUT "the head was still to come when another connection needed room";
    ContentTimeout = REQUEST_TIMEOUT "the content came more slowly than `body-idle-time` or `body-rate-min` allows";
}

impl Refusal {
    /// Which of `limits` the message went over, if that is why it is refused.
    #[must_use]
    pub const fn exceeded(self, limits: &Limits) -> Option<Exceeded> {
        Some(match self {
            Self::TargetTooLong => limits.target(),
            Self::HeadTooLong => limits.head(),
            Self::TooManyFields => limits.fields(),
            Self::ChunkExtensionsTooLong => limits.chunk_extensions(),
            Self::TrailersTooLong => limits.trailers(),
            Self::HeadTimeout => limits.head_wait(),
            _ => return None,
        })
    }
}
