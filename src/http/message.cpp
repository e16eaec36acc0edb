#include "http/message.h"

#include <algorithm>

namespace adyton::http {
namespace {
constexpr std::size_t kKeptBytes = 64 * 1024;

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

void clear_keeping(std::string& text) {
    if (text.capacity() > kKeptBytes) {
        text = std::string();
    } else {
        text.clear();
    }
}
}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (a[i] != b[i] && lower(a[i]) != lower(b[i])) return false;
    }
    return true;
}

void Headers::add(std::string_view name, std::string_view value) {
    entries_.push_back(
        {static_cast<std::uint32_t>(text_.size()), static_cast<std::uint32_t>(name.size()),
         static_cast<std::uint32_t>(value.size())});
    text_.append(name).append(value);
}

void Headers::remove(std::string_view name) {
    const auto gone = [&](const Entry& entry) {
        return equal_ignoring_case({text_.data() + entry.offset, entry.name_size}, name);
    };
    entries_.erase(std::remove_if(entries_.begin(), entries_.end(), gone), entries_.end());
}

void Headers::set(std::string_view name, std::string_view value) {
    remove(name);
    add(name, value);
}

void Headers::clear() {
    clear_keeping(text_);
    entries_.clear();
}

Headers::Field Headers::at(std::size_t index) const {
    CHECK(index < entries_.size());
    const Entry& entry = entries_[index];
    const std::string_view text(text_);
    return {
        text.substr(entry.offset, entry.name_size),
        text.substr(entry.offset + entry.name_size, entry.value_size)};
}

std::optional<std::string_view> Headers::find(std::string_view name) const {
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        if (entries_[i].name_size != name.size()) continue;
        const Field field = at(i);
        if (equal_ignoring_case(field.name, name)) return field.value;
    }
    return std::nullopt;
}

std::vector<std::string_view> Headers::find_all(std::string_view name) const {
    std::vector<std::string_view> values;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        const Field field = at(i);
        if (equal_ignoring_case(field.name, name)) values.push_back(field.value);
    }
    return values;
}

std::size_t Headers::count(std::string_view name) const {
    std::size_t count = 0;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        if (equal_ignoring_case(at(i).name, name)) ++count;
    }
    return count;
}

void Parameters::add(std::string name, std::string value) {
    items_.emplace_back(std::move(name), std::move(value));
}

std::optional<std::string_view> Parameters::find(std::string_view name) const {
    for (const Item& item : items_) {
        if (item.first == name) return item.second;
    }
    return std::nullopt;
}

std::vector<std::string_view> Parameters::find_all(std::string_view name) const {
    std::vector<std::string_view> values;
    for (const Item& item : items_) {
        if (item.first == name) values.emplace_back(item.second);
    }
    return values;
}

Result<std::optional<std::string_view>> Parameters::find_single(std::string_view name) const {
    std::optional<std::string_view> value;
    for (const Item& item : items_) {
        if (item.first != name) continue;
        if (value) return Error::invalid_argument("a query parameter stands twice");
        value = item.second;
    }
    return value;
}

void Request::clear() {
    method.clear();
    clear_keeping(target);
    clear_keeping(path);
    query.clear();
    headers.clear();
    clear_keeping(body);
    trace_id.clear();
    path_params.clear();
    route = {};
    received_at = {};
    received_steady = {};
}

Response Response::with_type(Status status, std::string_view content_type, std::string body) {
    Response response;
    response.status = status;
    response.headers.add("Content-Type", content_type);
    response.body = std::move(body);
    return response;
}

Response Response::json(Status status, std::string body) {
    return with_type(status, "application/json", std::move(body));
}

Response Response::text(Status status, std::string body) {
    return with_type(status, "text/plain; charset=utf-8", std::move(body));
}

Response Response::empty(Status status) {
    Response response;
    response.status = status;
    return response;
}

}  // namespace adyton::http
