#include "script/host_functions.h"

#include "script/internal/utf8.h"

namespace adyton::script {

HostValue HostValue::from(bool value) {
    HostValue out;
    out.kind = Kind::Boolean;
    out.boolean = value;
    return out;
}
HostValue HostValue::from(double value) {
    HostValue out;
    out.kind = Kind::Number;
    out.number = value;
    return out;
}
HostValue HostValue::text(std::string value) {
    HostValue out;
    out.kind = Kind::Text;
    out.bytes = std::move(value);
    return out;
}
HostValue HostValue::raw(base::ByteView value) {
    HostValue out;
    out.kind = Kind::Bytes;
    out.bytes.assign(base::as_text(value));
    return out;
}
HostValue HostValue::json(std::string value) {
    HostValue out;
    out.kind = Kind::Json;
    out.bytes = std::move(value);
    return out;
}

std::string well_formed(base::ByteView bytes) {
    std::string out;
    internal::append_utf8(out, bytes, false);
    return out;
}

}  // namespace adyton::script
