#pragma once

#include <memory>
#include <string>

#include "http/tls.h"

struct ssl_ctx_st;

namespace adyton::http {

struct TlsContext::Handle {
    struct Deleter {
        void operator()(ssl_ctx_st* doomed) const;
    };
    std::unique_ptr<ssl_ctx_st, Deleter> context;
    std::string server_name;  // clients: checked in place of the URL's host when not empty
};

}  // namespace adyton::http
