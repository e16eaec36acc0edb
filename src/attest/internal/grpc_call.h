#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "attest/internal/marble_tls.h"
#include "attest/internal/wiping.h"
#include "base/bytes.h"
#include "base/result.h"

namespace adyton::attest::internal {

// One unary gRPC call over TLS. The protocol is HTTP/2 by libnghttp2, whose memory is wiped when
// it is given back: gRPC's own library keeps messages, and with them secrets, in buffers that
// nobody can wipe.
struct GrpcCall {
    std::string address;  // "HOST:PORT", "[V6]:PORT"
    std::string path;     // "/rpc.Marble/Activate"
    base::ByteView request;
    const MarbleRequestKey* identity = nullptr;  // the client certificate
    std::chrono::milliseconds timeout{10'000};   // for all of it, from connecting
    std::size_t response_bytes_max = 0;
};

struct GrpcAnswer {
    int status = 2;           // grpc-status; 0 is OK
    std::string message;      // grpc-message, printable, at most 256 bytes; untrusted
    WipingBytes body;         // the message, without its frame; empty unless status is 0
    base::Bytes certificate;  // DER: the server's, NOT verified
};

// Blocks. InvalidArgument: the address. Unavailable: nobody there, TLS or HTTP/2 failed, another
// HTTP status than 200. DeadlineExceeded. TooLarge: the answer. CorruptData: it is no gRPC.
Result<GrpcAnswer> call_grpc(const GrpcCall& call);

}  // namespace adyton::attest::internal
