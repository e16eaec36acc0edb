#pragma once

#include "base/bytes.h"

namespace adyton::compute {

// Whether an address belongs to the public internet: 4 bytes of IPv4 or 16 of IPv6, network order.
// Not public, after the IANA special-purpose registries (RFC 6890 and later): this host, private,
// shared, loopback, link-local (cloud metadata among them), documentation, benchmarking, multicast,
// reserved, unique local; and every IPv6 form that carries an IPv4 address which is not public.
// Other sizes are not public.
bool is_public_address(base::ByteView address);

}  // namespace adyton::compute
