#pragma once

#include <string>
#include <string_view>

namespace adyton::service {

// What the host of a product adds to the product's own routes.
enum class HostedRoutes {
    Attestation,  // GET /attestation
    Witness,      // GET and POST /witness
    Release,      // GET /release/challenge, POST /release
};

// A product's OpenAPI document with these routes in it too; paths that it has are left alone.
// CHECKs that it is a document: paths, the operation of GET /info, components with schemas Error
// and responses. Whatever can happen to GET /info can happen to them.
std::string document_hosted_routes(std::string_view openapi, HostedRoutes routes);

}  // namespace adyton::service
