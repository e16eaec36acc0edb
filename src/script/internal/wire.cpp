#include "script/internal/wire.h"

#include <cstring>

namespace adyton::script::internal {
namespace {

// Appends to a std::string or to SensitiveBytes.
template <typename Out>
class Writer {
public:
    explicit Writer(FrameType type) {
        number<std::uint32_t>(0);
        number(static_cast<std::uint8_t>(type));
    }
    template <typename T>
    Writer& number(T value) {
        static_assert(std::is_unsigned_v<T>);
        std::array<char, sizeof(T)> bytes{};
        for (std::size_t i = 0; i < sizeof(T); ++i) {
            bytes[i] = static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xFFU);
        }
        out_.append(std::string_view(bytes.data(), bytes.size()));
        return *this;
    }
    Writer& text(std::string_view value) {
        number(static_cast<std::uint32_t>(value.size()));
        out_.append(value);
        return *this;
    }
    Writer& raw(base::ByteView value) {
        out_.append(base::as_text(value));
        return *this;
    }
    Out& out() { return out_; }

private:
    Out out_;
};

class Reader {
public:
    explicit Reader(base::ByteView bytes) : rest_(bytes) {}

    template <typename T>
    T number() {
        T value = 0;
        if (!good_ || rest_.size() < sizeof(T)) {
            good_ = false;
            return value;
        }
        for (std::size_t i = 0; i < sizeof(T); ++i) {
            value = static_cast<T>(value | static_cast<T>(T{rest_[i]} << (8 * i)));
        }
        rest_ = rest_.subspan(sizeof(T));
        return value;
    }
    base::ByteView raw(std::size_t size) {
        if (!good_ || rest_.size() < size) {
            good_ = false;
            return {};
        }
        const base::ByteView out = rest_.first(size);
        rest_ = rest_.subspan(size);
        return out;
    }
    std::string_view text(std::size_t max) {
        const auto size = number<std::uint32_t>();
        if (size > max) good_ = false;
        return base::as_text(raw(size));
    }
    // Text that goes on to people and JSON.
    std::string utf8(std::size_t max) {
        const std::string_view value = text(max);
        if (!base::is_valid_utf8(value)) good_ = false;
        return good_ ? std::string(value) : std::string();
    }
    bool flag() { return number<std::uint8_t>() != 0; }
    void require(bool condition) { good_ = good_ && condition; }
    Result<void> finish() const {
        if (good_ && rest_.empty()) return {};
        return Error{ErrorCode::CorruptData, "malformed executor frame"};
    }
    bool good() const { return good_; }

private:
    base::ByteView rest_;
    bool good_ = true;
};

constexpr std::size_t kErrorNameBytesMax = 512;
constexpr std::size_t kLogTextBytesMax = kLogEntryBytesMax + 64;
// Conversion may replace bytes by three, and a JSON text has braces around it.
constexpr std::size_t kMessageBytesMax = 3 * kErrorMessageBytesMax;

std::string framed(Writer<std::string>& writer) {
    std::string& out = writer.out();
    const auto size = static_cast<std::uint32_t>(out.size() - 4);
    for (std::size_t i = 0; i < 4; ++i) out[i] = static_cast<char>(size >> (8 * i) & 0xFFU);
    return std::move(out);
}

SensitiveBytes framed(Writer<SensitiveBytes>& writer) {
    const std::size_t size = writer.out().size() - 4;
    std::array<std::uint8_t, 4> length{};
    for (std::size_t i = 0; i < 4; ++i)
        length[i] = static_cast<std::uint8_t>(size >> (8 * i) & 0xFFU);
    writer.out().overwrite(0, length);
    return std::move(writer.out());
}

}  // namespace

Result<std::optional<Frame>> read_frame(base::ByteView bytes, std::size_t& size) {
    if (bytes.size() < kFrameHeaderBytes) return std::optional<Frame>();
    Reader reader(bytes);
    const auto length = reader.number<std::uint32_t>();
    if (length == 0 || length > kFrameBytesMax) {
        return Error{ErrorCode::CorruptData, "executor frame of an impossible size"};
    }
    if (bytes.size() - 4 < length) return std::optional<Frame>();
    size = std::size_t{length} + 4;
    const auto type = static_cast<FrameType>(bytes[4]);
    return std::optional<Frame>(Frame{type, bytes.subspan(kFrameHeaderBytes, length - 1)});
}

SensitiveBytes encode_job(const Job& job, std::span<const Secret> secrets) {
    Writer<SensitiveBytes> writer(FrameType::Job);
    writer.out().reserve(job.source.size() + job.input_json.size() + 1024);
    writer.number(static_cast<std::uint8_t>(job.on_log ? 1 : 0))
        .number(static_cast<std::uint8_t>(job.host ? 1 : 0))
        .number(static_cast<std::uint8_t>(job.language))
        .number(static_cast<std::uint8_t>(job.strict ? 1 : 0))
        .number(static_cast<std::uint64_t>(job.limits.time.count()))
        .number(static_cast<std::uint64_t>(job.limits.memory_bytes))
        .number(job.limits.gas)
        .number(job.limits.host_requests)
        .number(static_cast<std::uint64_t>(job.start_time.time_since_epoch().count()))
        .raw(job.random_seed)
        .text(job.source)
        .text(job.entry_point)
        .text(job.input_json)
        .number(static_cast<std::uint32_t>(secrets.size()));
    for (const Secret& secret : secrets) {
        writer.text(secret.name).text(secret.value.expose_text());
    }
    return framed(writer);
}

Result<Work> decode_job(base::ByteView payload, JobFlags& flags) {
    Reader reader(payload);
    Work work;
    flags.live_logs = reader.flag();
    flags.has_host = reader.flag();
    work.has_host = flags.has_host;
    const auto language = reader.number<std::uint8_t>();
    reader.require(language <= static_cast<std::uint8_t>(Language::TypeScript));
    work.language = static_cast<Language>(language);
    flags.last = reader.flag();
    work.limits.time = base::Duration(static_cast<std::int64_t>(reader.number<std::uint64_t>()));
    work.limits.memory_bytes = static_cast<std::size_t>(reader.number<std::uint64_t>());
    work.limits.gas = reader.number<std::uint64_t>();
    work.limits.host_requests = reader.number<std::uint32_t>();
    work.start_time = base::Timestamp(
        std::chrono::microseconds(static_cast<std::int64_t>(reader.number<std::uint64_t>())));
    const base::ByteView seed = reader.raw(work.random_seed.size());
    if (reader.good()) std::memcpy(work.random_seed.data(), seed.data(), seed.size());
    work.source = reader.text(kSourceBytesMax);
    work.entry_point = reader.text(kEntryPointBytesMax);
    work.input_json = reader.text(kInputBytesMax);
    const auto secrets = reader.number<std::uint32_t>();
    reader.require(secrets <= kSecretsMax);
    for (std::uint32_t i = 0; reader.good() && i < secrets; ++i) {
        const std::string_view name = reader.text(kSecretNameBytesMax);
        const std::string_view value = reader.text(kSecretBytesMax);
        work.secrets.emplace_back(name, value);
    }
    TRY_VOID(reader.finish());
    return work;
}

SensitiveBytes encode_reply(const HostReply& reply) {
    Writer<SensitiveBytes> writer(FrameType::HostReply);
    writer.number(static_cast<std::uint8_t>(reply.ok ? 1 : 0)).text(reply.json);
    return framed(writer);
}

Result<HostReply> decode_reply(base::ByteView payload) {
    Reader reader(payload);
    HostReply reply;
    reply.ok = reader.flag();
    reply.json = std::string(reader.text(kHostBytesMax));
    TRY_VOID(reader.finish());
    return reply;
}

std::string encode_hello(Layers layers) {
    Writer<std::string> writer(FrameType::Hello);
    writer.number(layers.bits());
    return framed(writer);
}

Result<Layers> decode_hello(base::ByteView payload) {
    Reader reader(payload);
    const Layers layers(reader.number<std::uint32_t>());
    TRY_VOID(reader.finish());
    return layers;
}

std::string encode_log(const LogEntry& entry) {
    Writer<std::string> writer(FrameType::Log);
    writer.number(static_cast<std::uint8_t>(entry.level)).text(entry.text);
    return framed(writer);
}

namespace {
LogEntry read_log(Reader& reader) {
    LogEntry entry;
    const auto level = reader.number<std::uint8_t>();
    reader.require(level <= static_cast<std::uint8_t>(LogLevel::Error));
    entry.level = static_cast<LogLevel>(level);
    entry.text = reader.utf8(3 * kLogTextBytesMax);
    return entry;
}
}  // namespace

Result<LogEntry> decode_log(base::ByteView payload) {
    Reader reader(payload);
    LogEntry entry = read_log(reader);
    TRY_VOID(reader.finish());
    return entry;
}

std::string encode_request(const HostRequest& request) {
    Writer<std::string> writer(FrameType::HostRequest);
    writer.number(request.sequence).text(request.kind).text(request.json);
    return framed(writer);
}

Result<HostRequest> decode_request(base::ByteView payload) {
    Reader reader(payload);
    HostRequest request;
    request.sequence = reader.number<std::uint32_t>();
    request.kind = reader.utf8(16);
    request.json = reader.utf8(kHostBytesMax);
    TRY_VOID(reader.finish());
    return request;
}

std::string encode_result(const RunResult& result) {
    Writer<std::string> writer(FrameType::Result);
    writer.number(static_cast<std::uint8_t>(result.status))
        .number(result.metered_gas)
        .number(static_cast<std::uint64_t>(result.memory_bytes_peak))
        .number(static_cast<std::uint64_t>(result.wall_time.count()))
        .text(result.output_json)
        .number(static_cast<std::uint8_t>(result.error ? 1 : 0));
    if (result.error) {
        writer.number(static_cast<std::uint8_t>(result.error->stage))
            .text(result.error->name)
            .text(result.error->message)
            .number(result.error->line)
            .number(result.error->column);
    }
    writer.number(result.logs_dropped).number(static_cast<std::uint32_t>(result.logs.size()));
    for (const LogEntry& entry : result.logs) {
        writer.number(static_cast<std::uint8_t>(entry.level)).text(entry.text);
    }
    return framed(writer);
}

Result<RunResult> decode_result(base::ByteView payload) {
    Reader reader(payload);
    RunResult result;
    const auto status = reader.number<std::uint8_t>();
    // An executor that is lost cannot say so.
    reader.require(status < static_cast<std::uint8_t>(Status::ExecutorLost));
    result.status = static_cast<Status>(status);
    result.metered_gas = reader.number<std::uint64_t>();
    result.memory_bytes_peak = static_cast<std::size_t>(reader.number<std::uint64_t>());
    reader.require(result.memory_bytes_peak <= kMemoryBytesMax);
    const auto wall = reader.number<std::uint64_t>();
    reader.require(wall <= static_cast<std::uint64_t>(base::Duration(2 * kTimeMax).count()));
    result.wall_time = base::Duration(static_cast<std::int64_t>(wall));
    result.output_json = reader.utf8(kOutputBytesMax);
    if (reader.flag()) {
        ScriptError error;
        const auto stage = reader.number<std::uint8_t>();
        reader.require(stage <= static_cast<std::uint8_t>(Stage::Output));
        error.stage = static_cast<Stage>(stage);
        error.name = reader.utf8(kErrorNameBytesMax);
        error.message = reader.utf8(kMessageBytesMax);
        error.line = reader.number<std::uint32_t>();
        error.column = reader.number<std::uint32_t>();
        result.error = std::move(error);
    }
    reader.require(result.error.has_value() == (result.status != Status::Completed));
    reader.require(result.status == Status::Completed || result.output_json.empty());
    result.logs_dropped = reader.number<std::uint32_t>();
    const auto logs = reader.number<std::uint32_t>();
    reader.require(logs <= kLogEntriesMax);
    for (std::uint32_t i = 0; reader.good() && i < logs; ++i)
        result.logs.push_back(read_log(reader));
    TRY_VOID(reader.finish());
    return result;
}

std::string encode_refused(std::string_view message) {
    Writer<std::string> writer(FrameType::Refused);
    writer.text(message.substr(0, kErrorNameBytesMax));
    return framed(writer);
}

Result<std::string> decode_refused(base::ByteView payload) {
    Reader reader(payload);
    std::string message = reader.utf8(kErrorNameBytesMax);
    TRY_VOID(reader.finish());
    return message;
}

}  // namespace adyton::script::internal
