#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "service/settings.h"

// A configuration file that loads prints, and its text parses as JSON; any other is a refusal.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    service::ConfigInputs inputs;
    inputs.file_name = "fuzz.toml";
    inputs.file_text = std::string(text);
    const auto config = service::Config::load(service::serve_schema(), inputs);
    if (config) {
        CHECK(!config->to_text().empty());
        CHECK(base::Json::parse(config->to_json().dump()));
    }
    const auto json = service::parse_toml(text, "fuzz.toml");
    if (json) (void)json->dump();
    return 0;
}
