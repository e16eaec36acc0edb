#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "script/internal/type_stripper.h"

// What a hostile source may make of the type stripper: an answer of any form, and places in it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using adyton::script::internal::Place;
    using adyton::script::internal::Stripped;
    if (size < 2) return 0;
    const Place place{data[0], data[1]};
    const std::string text(reinterpret_cast<const char*>(data + 2), size - 2);
    const auto stripped = Stripped::parse(text);
    adyton::script::internal::place_in_characters(text, place);
    if (!stripped || stripped->refused()) return 0;
    CHECK(stripped->javascript().size() < text.size());
    stripped->source_place(text, place);
    return 0;
}
