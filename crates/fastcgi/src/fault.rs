//! What an application can do wrong: every fault with the status of the answer and its words.

message::reasons! {
    /// A reason not to believe what an application sends. Its words go into the error log.
    pub enum Fault;

    Version = BAD_GATEWAY "the application does not speak FastCGI, version 1";
    RequestId = BAD_GATEWAY "the application answers another request than the one it was sent";
    Kind = BAD_GATEWAY "the application sends a record that is none of an answer";
    EndLength = BAD_GATEWAY "the application ends its answer by a record that is malformed";
    Overloaded = SERVICE_UNAVAILABLE "the application is overloaded, it says";
    Refused = BAD_GATEWAY "the application refuses the request, as no FastCGI responder does";
    CutOff = BAD_GATEWAY "the application hung up before the end of its answer";
    NoHead = BAD_GATEWAY "the application ended its answer before the empty line behind its head";
    HeadTooLong = BAD_GATEWAY "the head of the application's answer is too long";
    TooManyFields = BAD_GATEWAY "the head of the application's answer has too many fields";
    FieldLine = BAD_GATEWAY "a line in the head of the application's answer is no field";
    FieldValue = BAD_GATEWAY "a field of the application's answer holds a control character";
    TooManyHeads = BAD_GATEWAY "the application sends too many heads before its answer";
    BadStatus = BAD_GATEWAY "the application's status is neither 103 nor from 200 to 999";
    Length = BAD_GATEWAY "the application's content-length is not one number";
}
