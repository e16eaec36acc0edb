#include "service/internal/toml.h"

#include <toml++/toml.h>

#include <cmath>

namespace adyton::service::internal {
namespace {

std::string place(std::string_view name, std::uint32_t line) {
    return std::string(name) + ":" + std::to_string(line) + ": ";
}

TomlNode convert(const toml::node& node) {
    TomlNode out;
    out.line = node.source().begin.line;
    out.column = node.source().begin.column;
    if (const auto* table = node.as_table()) {
        out.type = TomlNode::Type::Table;
        for (const auto& [key, value] : *table) {
            TomlNode member = convert(value);
            // the place of the key, which tables written as [a.b] have and their values do not
            member.line = key.source().begin.line;
            member.column = key.source().begin.column;
            out.members.emplace_back(std::string(key.str()), std::move(member));
        }
    } else if (const auto* array = node.as_array()) {
        out.type = TomlNode::Type::Array;
        for (const auto& item : *array) out.items.push_back(convert(item));
    } else if (const auto* text = node.as_string()) {
        out.type = TomlNode::Type::Text;
        out.text = text->get();
    } else if (const auto* integer = node.as_integer()) {
        out.type = TomlNode::Type::Integer;
        out.integer = integer->get();
    } else if (const auto* real = node.as_floating_point()) {
        out.type = TomlNode::Type::Real;
        out.real = real->get();
    } else if (const auto* boolean = node.as_boolean()) {
        out.type = TomlNode::Type::Boolean;
        out.boolean = boolean->get();
    } else {
        out.type = TomlNode::Type::Other;
    }
    return out;
}

}  // namespace

const TomlNode* TomlNode::find(std::string_view name) const {
    for (const auto& [key, value] : members) {
        if (key == name) return &value;
    }
    return nullptr;
}

std::string_view to_string(TomlNode::Type type) {
    switch (type) {
        case TomlNode::Type::Text:
            return "text";
        case TomlNode::Type::Integer:
            return "an integer";
        case TomlNode::Type::Real:
            return "a number with a point";
        case TomlNode::Type::Boolean:
            return "true or false";
        case TomlNode::Type::Array:
            return "an array";
        case TomlNode::Type::Table:
            return "a table";
        case TomlNode::Type::Other:
            break;
    }
    return "a date or time";
}

Result<TomlNode> read_toml(std::string_view text, std::string_view name) {
    if (text.size() > kTomlBytesMax) {
        return Error::too_large(std::string(name) + ": is larger than 1 MiB");
    }
    try {
        return convert(toml::parse(text));
    } catch (const toml::parse_error& error) {
        // The library's description may quote the document; the place is enough to find it.
        return Error::invalid_argument(
            place(name, error.source().begin.line) + "not valid TOML at column " +
            std::to_string(error.source().begin.column));
    } catch (const std::exception&) {
        return Error::invalid_argument(std::string(name) + ": not valid TOML");
    }
}

Result<base::Json> to_json(const TomlNode& node, std::string_view name) {
    switch (node.type) {
        case TomlNode::Type::Text:
            return base::Json::string(node.text);
        case TomlNode::Type::Integer:
            return base::Json::integer(node.integer);
        case TomlNode::Type::Boolean:
            return base::Json::boolean(node.boolean);
        case TomlNode::Type::Real:
            if (!std::isfinite(node.real)) break;
            return base::Json::real(node.real);
        case TomlNode::Type::Array: {
            base::Json out = base::Json::array();
            for (const TomlNode& item : node.items) {
                TRY(auto value, to_json(item, name));
                out.push_back(std::move(value));
            }
            return out;
        }
        case TomlNode::Type::Table: {
            base::Json out = base::Json::object();
            for (const auto& [key, member] : node.members) {
                TRY(auto value, to_json(member, name));
                out.set(key, std::move(value));
            }
            return out;
        }
        case TomlNode::Type::Other:
            break;
    }
    return Error::invalid_argument(
        place(name, node.line) + "dates, times and infinite numbers have no use here");
}

}  // namespace adyton::service::internal
