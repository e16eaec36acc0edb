#include <algorithm>
#include <array>
#include <charconv>

#include "script/internal/guest_call.h"
#include "script/internal/machine.h"
#include "script/internal/utf8.h"

// Calls from the script to the host. The order of a call is fixed, because guest code may run
// inside it: conversions of arguments run the script's own toString and valueOf, which may call the
// host again. So (1) every argument becomes a primitive or stays a buffer, held by value on this
// stack; (2) with no more guest code to run, they are copied out and checked; (3) the host
// computes; (4) the value goes back in. Members are used in 2 to 4 only.

namespace adyton::script::internal {
namespace {

constexpr std::uint64_t kUndefined = std::uint64_t{3} << 32U;
constexpr std::uint64_t kException = std::uint64_t{6} << 32U;
constexpr std::uint64_t kGasPerHostCall = 100;
constexpr std::uint64_t kGasPerRequest = 100'000;
constexpr std::size_t kArgumentBytesMax = std::size_t{8} << 20U;
constexpr std::size_t kResultBytesMax = std::size_t{8} << 20U;
constexpr std::uint32_t kNoTypedArray = UINT32_MAX;
constexpr std::uint32_t kUint8Array = 2;  // JSTypedArrayEnum (quickjs.h)

// Where in the scratch memory of the guest out-parameters go.
constexpr std::uint32_t kOffsetAt = 0;
constexpr std::uint32_t kLengthAt = 4;
constexpr std::uint32_t kElementAt = 8;
constexpr std::uint32_t kSizeAt = 12;
constexpr std::uint32_t kNumberAt = 16;
constexpr std::uint32_t kVariadicAt = 24;

bool is_optional(Parameter parameter) {
    return parameter == Parameter::OptionalText || parameter == Parameter::OptionalBytes ||
           parameter == Parameter::OptionalNumber;
}
bool is_number(Parameter parameter) {
    return parameter == Parameter::Number || parameter == Parameter::OptionalNumber;
}
bool is_bytes(Parameter parameter) {
    return parameter == Parameter::Bytes || parameter == Parameter::OptionalBytes;
}

}  // namespace

std::uint32_t Machine::on_host_call(
    std::uint32_t name, std::uint32_t name_length, std::uint32_t argument_count,
    std::uint32_t arguments) {
    charge(kGasPerHostCall);
    std::uint32_t index = 0;
    const std::uint8_t* const digits = name_length > 9 ? nullptr : slot_.view(name, name_length);
    if (digits == nullptr) return guest_throw(ErrorCode::Internal, "no such function");
    const char* const begin = reinterpret_cast<const char*>(digits);
    const auto parsed = std::from_chars(begin, begin + name_length, index);
    if (parsed.ec != std::errc{} || parsed.ptr != begin + name_length) {
        return guest_throw(ErrorCode::Internal, "no such function");
    }
    constexpr auto kBuiltins = static_cast<std::uint32_t>(Builtin::kCount);
    if (index < kBuiltins) {
        return guest_builtin(static_cast<Builtin>(index), argument_count, arguments);
    }
    if (index - kBuiltins >= library_.functions.size()) {
        return guest_throw(ErrorCode::Internal, "no such function");
    }
    return guest_library_call(index - kBuiltins, argument_count, arguments);
}

std::uint64_t Machine::guest_argument_at(
    std::uint32_t arguments, std::uint32_t argument_count, std::uint32_t index) const {
    if (index >= argument_count || argument_count > INT32_MAX) return kUndefined;
    const std::uint64_t at = std::uint64_t{arguments} + std::uint64_t{index} * 4;
    std::uint32_t box = 0;
    std::uint64_t value = 0;
    if (at > UINT32_MAX || !slot_.read_u32(static_cast<std::uint32_t>(at), box) ||
        !slot_.read_u64(box, value)) {
        return kUndefined;
    }
    return value;
}

std::uint32_t Machine::guest_library_call(
    std::uint32_t index, std::uint32_t argument_count, std::uint32_t arguments) {
    const HostFunction& function = library_.functions[index];
    const std::size_t count = std::min(function.parameters.size(), kHostArgumentsMax);
    const std::uint32_t context = booting_ != nullptr ? booting_->context : image_->context;

    // 1: primitives. A value made here is ours to free.
    std::array<std::uint64_t, kHostArgumentsMax> values;
    std::array<bool, kHostArgumentsMax> made;
    for (std::size_t i = 0; i < count; ++i) {
        const Parameter parameter = function.parameters[i];
        values[i] = guest_argument_at(arguments, argument_count, static_cast<std::uint32_t>(i));
        made[i] = false;
        if (values[i] == kUndefined && is_optional(parameter)) continue;
        if (is_bytes(parameter) && (QJS(JS_GetTypedArrayType, values[i]) != kNoTypedArray ||
                                    QJS(JS_IsArrayBuffer, values[i]) != 0)) {
            continue;
        }
        if (is_bytes(parameter) && QJS(JS_IsDataView, values[i]) != 0) {
            values[i] = guest_array_of_view(values[i]);
        } else {
            values[i] = is_number(parameter) ? QJS(JS_ToNumber, context, values[i])
                                             : QJS(JS_ToString, context, values[i]);
        }
        if (values[i] == kException) return 0;
        made[i] = true;
    }

    // 2: out of the guest.
    argument_bytes_.clear();
    bool fits = true;
    for (std::size_t i = 0; i < count && fits; ++i) {
        fits = guest_argument(values[i], function.parameters[i], arguments_[i]);
    }
    for (std::size_t i = 0; i < count; ++i) {
        if (made[i]) QJS(JS_FreeValue, context, values[i]);
    }
    if (!fits) return guest_throw(ErrorCode::TooLarge, "an argument is too large");
    charge(function.gas_base + std::uint64_t{function.gas_per_byte} * argument_bytes_.size());

    // 3 and 4.
    compute_library_call(index, count);
    if (!value_) return guest_throw(value_.error());
    if (value_->bytes.size() > kResultBytesMax) {
        return guest_throw(ErrorCode::TooLarge, "the value is too large");
    }
    charge(std::uint64_t{function.gas_per_byte} * value_->bytes.size());
    std::uint64_t value = kUndefined;
    if (!guest_return_value(value)) return 0;
    return guest_box(value);
}

bool Machine::guest_argument(std::uint64_t value, Parameter parameter, Argument& out) {
    const std::uint32_t context = booting_ != nullptr ? booting_->context : image_->context;
    const std::uint32_t scratch = booting_ != nullptr ? booting_->scratch : image_->scratch;
    out = Argument{};
    out.from = out.to = argument_bytes_.size();
    if (value == kUndefined && is_optional(parameter)) return true;
    out.defined = true;
    if (is_number(parameter)) {
        std::uint64_t bits = 0;
        QJS(JS_ToFloat64, context, scratch + kNumberAt, value);
        if (slot_.read_u64(scratch + kNumberAt, bits)) out.number = std::bit_cast<double>(bits);
        return true;
    }
    if (is_bytes(parameter) &&
        (QJS(JS_GetTypedArrayType, value) != kNoTypedArray || QJS(JS_IsArrayBuffer, value) != 0)) {
        return guest_bytes(value, out);
    }
    bool cut = false;
    const std::size_t left = kArgumentBytesMax - argument_bytes_.size();
    if (!guest_text(value, left, argument_bytes_, &cut)) {
        guest_clear_exception();
        return false;
    }
    out.to = argument_bytes_.size();
    return !cut && out.to <= kArgumentBytesMax;
}

// The bytes of a view or buffer, as they are now. Offsets and lengths are the guest's word: what
// does not lie inside its memory is no bytes at all.
bool Machine::guest_bytes(std::uint64_t value, Argument& out) {
    const std::uint32_t context = booting_ != nullptr ? booting_->context : image_->context;
    const std::uint32_t scratch = booting_ != nullptr ? booting_->scratch : image_->scratch;
    std::uint32_t offset = 0;
    std::uint32_t length = UINT32_MAX;
    std::uint64_t buffer = value;
    const bool view = QJS(JS_IsArrayBuffer, value) == 0;
    if (view) {
        buffer =
            QJS(JS_GetTypedArrayBuffer, context, value, scratch + kOffsetAt, scratch + kLengthAt,
                scratch + kElementAt);
        if (buffer == kException) {
            guest_clear_exception();
            return true;
        }
        slot_.read_u32(scratch + kOffsetAt, offset);
        slot_.read_u32(scratch + kLengthAt, length);
    }
    std::uint32_t size = 0;
    const std::uint32_t data = QJS(JS_GetArrayBuffer, context, scratch + kSizeAt, buffer);
    if (data == 0) {
        guest_clear_exception();  // detached
    } else {
        slot_.read_u32(scratch + kSizeAt, size);
    }
    if (view) QJS(JS_FreeValue, context, buffer);
    if (data == 0) return true;
    if (!view) length = size;
    if (std::uint64_t{offset} + length > size || std::uint64_t{data} + offset > UINT32_MAX) {
        return true;
    }
    const std::uint8_t* const from = slot_.view(data + offset, length);
    if (from == nullptr) return true;
    if (length > kArgumentBytesMax - argument_bytes_.size()) return false;
    charge(length);
    argument_bytes_.append(reinterpret_cast<const char*>(from), length);
    out.to = argument_bytes_.size();
    return true;
}

// A Uint8Array of the bytes of a DataView; an exception when it is out of its buffer's bounds. No
// code of the script runs.
std::uint64_t Machine::guest_array_of_view(std::uint64_t view) {
    const BootImage& image = booting_ != nullptr ? *booting_ : *image_;
    std::array<std::uint64_t, 3> parts;  // buffer, offset and length, as the constructor takes them
    for (std::size_t i = 0; i < parts.size(); ++i) {
        parts[i] = QJS(JS_Call, image.context, image.view_getters[i], view, 0, 0);
        if (parts[i] == kException) return kException;
    }
    for (std::size_t i = 0; i < parts.size(); ++i) {
        slot_.write_u64(image.scratch + static_cast<std::uint32_t>(i * 8), parts[i]);
    }
    const std::uint64_t array =
        QJS(JS_NewTypedArray, image.context, parts.size(), image.scratch, kUint8Array);
    QJS(JS_FreeValue, image.context, parts[0]);
    return array;
}

void Machine::compute_library_call(std::uint32_t index, std::size_t count) {
    std::array<HostArgument, kHostArgumentsMax> arguments;
    const base::ByteView bytes = base::as_bytes(argument_bytes_);
    for (std::size_t i = 0; i < count; ++i) {
        const Argument& from = arguments_[i];
        arguments[i].defined = from.defined;
        arguments[i].number = from.number;
        arguments[i].bytes = bytes.subspan(from.from, from.to - from.from);
    }
    HostContext context{random_};
    value_ = library_.functions[index].call(std::span(arguments.data(), count), context);
}

// value_ as a value of the script; false: it threw.
bool Machine::guest_return_value(std::uint64_t& value) {
    const std::uint32_t context = booting_ != nullptr ? booting_->context : image_->context;
    const HostValue& from = *value_;
    if (from.kind == HostValue::Kind::Undefined) return true;
    if (from.kind == HostValue::Kind::Boolean) {
        value = std::uint64_t{1} << 32U | (from.boolean ? 1U : 0U);
        return true;
    }
    if (from.kind == HostValue::Kind::Number) {
        value = QJS(JS_NewNumber, context, from.number);
        return true;
    }
    const std::uint32_t at = guest_copy(from.bytes);
    if (at == 0) {
        QJS(JS_ThrowOutOfMemory, context);
        return false;
    }
    const auto length = static_cast<std::uint32_t>(from.bytes.size());
    if (from.kind == HostValue::Kind::Text) {
        value = QJS(JS_NewStringLen, context, at, length);
    } else if (from.kind == HostValue::Kind::Bytes) {
        value = QJS(JS_NewUint8ArrayCopy, context, at, length);
    } else {
        const std::uint32_t file = booting_ != nullptr ? booting_->file_name : image_->file_name;
        value = QJS(JS_ParseJSON, context, at, length, file);
    }
    QJS(wasm_free, at);
    return value != kException;
}

// The engine takes values of host functions in a cell of its heap, which it frees.
std::uint32_t Machine::guest_box(std::uint64_t value) {
    const std::uint32_t box = QJS(wasm_malloc, 8);
    if (box == 0 || !slot_.write_u64(box, value)) {
        const std::uint32_t context = booting_ != nullptr ? booting_->context : image_->context;
        QJS(JS_ThrowOutOfMemory, context);
        return 0;
    }
    return box;
}

std::uint32_t Machine::guest_throw(const Error& error) {
    return guest_throw(error.code(), error.message());
}

std::uint32_t Machine::guest_throw(ErrorCode code, std::string_view message) {
    const std::uint32_t context = booting_ != nullptr ? booting_->context : image_->context;
    const std::uint32_t scratch = booting_ != nullptr ? booting_->scratch : image_->scratch;
    const std::uint32_t format = guest_copy("%s");
    const std::uint32_t text = guest_copy(message.substr(0, 200));
    if (format == 0 || text == 0) {
        QJS(JS_ThrowOutOfMemory, context);
        return 0;
    }
    slot_.write_u32(scratch + kVariadicAt, text);
    if (code == ErrorCode::TooLarge) {
        QJS(JS_ThrowRangeError, context, format, scratch + kVariadicAt);
    } else if (code == ErrorCode::InvalidArgument) {
        QJS(JS_ThrowTypeError, context, format, scratch + kVariadicAt);
    } else {
        QJS(JS_ThrowPlainError, context, format, scratch + kVariadicAt);
    }
    QJS(wasm_free, text);
    QJS(wasm_free, format);
    return 0;
}

std::uint32_t Machine::guest_builtin(
    Builtin builtin, std::uint32_t argument_count, std::uint32_t arguments) {
    const std::uint32_t context = booting_ != nullptr ? booting_->context : image_->context;
    if (builtin == Builtin::Random) return guest_box(QJS(JS_NewNumber, context, random_.number()));
    const std::uint64_t first = guest_argument_at(arguments, argument_count, 0);
    // The prelude passes strings; whatever else comes is converted, before members are used.
    const std::uint64_t second =
        QJS(JS_ToString, context, guest_argument_at(arguments, argument_count, 1));
    if (second == kException) return 0;
    argument_bytes_.clear();
    bool cut = false;
    const std::size_t max = builtin == Builtin::Log ? kLogEntryBytesMax : kHostBytesMax;
    const bool good = guest_text(second, max, argument_bytes_, &cut);
    QJS(JS_FreeValue, context, second);
    if (!good) return 0;
    if (hooks_ == nullptr) return guest_box(kUndefined);
    if (builtin == Builtin::Log) {
        const auto level = static_cast<std::uint32_t>(first) & 3U;
        add_log(static_cast<LogLevel>(level), cut);
        return guest_box(kUndefined);
    }
    if (cut) return guest_throw(ErrorCode::TooLarge, "the request is too large");
    if (!work_->has_host || requests_sent_ >= work_->limits.host_requests) {
        return guest_throw(ErrorCode::ResourceExhausted, "no more requests are allowed");
    }
    charge(kGasPerRequest);
    const std::uint32_t sequence = requests_sent_++;
    const bool sent = hooks_->send(HostRequest{sequence, "fetch", argument_bytes_});
    if (!sent) stop_now(hooks_->cancelled() ? Stop::Cancelled : Stop::Output);
    return guest_box(sequence);  // an integer: tag 0
}

void Machine::add_log(LogLevel level, bool cut) {
    if (result_.logs.size() >= kLogEntriesMax) {
        ++result_.logs_dropped;
        return;
    }
    LogEntry entry{level, argument_bytes_};
    if (cut) entry.text.append(kLogCutMark);
    hooks_->log(entry);
    result_.logs.push_back(std::move(entry));
}

}  // namespace adyton::script::internal

using adyton::script::internal::set_in_guest;

// What the engine imports. Without a machine (a slot at rest) there is nothing to answer.
extern "C" {

struct Z_wasi_snapshot_preview1_instance_t : Z_env_instance_t {};

u32 Z_envZ_host_call(
    Z_env_instance_t* env, u32 name, u32 name_length, u32 /*self*/, u32 argument_count,
    u32 arguments) {
    set_in_guest(false);
    const u32 box =
        env->slot->machine()->on_host_call(name, name_length, argument_count, arguments);
    set_in_guest(true);
    return box;
}
u32 Z_envZ_host_interrupt(Z_env_instance_t* env) {
    set_in_guest(false);
    const u32 stop = env->slot->machine()->on_interrupt();
    set_in_guest(true);
    return stop;
}
u32 Z_envZ_host_get_timezone_offset(Z_env_instance_t*, u32, u32) {
    return 0;
}  // UTC
void Z_envZ_host_promise_rejection(Z_env_instance_t*, u32, u32, u32) {}
u32 Z_envZ_host_module_load(Z_env_instance_t*, u32, u32) {
    return 0;
}  // there are no modules
u32 Z_envZ_host_module_normalize(Z_env_instance_t*, u32, u32) {
    return 0;
}

namespace {
constexpr u32 kSuccess = 0;
constexpr u32 kBadDescriptor = 8;
constexpr u32 kFault = 21;
}  // namespace

u32 Z_wasi_snapshot_preview1Z_clock_time_get(
    Z_wasi_snapshot_preview1_instance_t* wasi, u32, u64, u32 at) {
    set_in_guest(false);
    const bool written = wasi->slot->write_u64(at, wasi->slot->machine()->clock_ns());
    set_in_guest(true);
    return written ? kSuccess : kFault;
}
u32 Z_wasi_snapshot_preview1Z_random_get(
    Z_wasi_snapshot_preview1_instance_t* wasi, u32 at, u32 length) {
    set_in_guest(false);
    wasi->slot->machine()->fill_random(at, length);
    set_in_guest(true);
    return kSuccess;
}
// There are no files and no standard output.
u32 Z_wasi_snapshot_preview1Z_fd_close(Z_wasi_snapshot_preview1_instance_t*, u32) {
    return kBadDescriptor;
}
u32 Z_wasi_snapshot_preview1Z_fd_fdstat_get(Z_wasi_snapshot_preview1_instance_t*, u32, u32) {
    return kBadDescriptor;
}
u32 Z_wasi_snapshot_preview1Z_fd_seek(Z_wasi_snapshot_preview1_instance_t*, u32, u64, u32, u32) {
    return kBadDescriptor;
}
u32 Z_wasi_snapshot_preview1Z_fd_write(Z_wasi_snapshot_preview1_instance_t*, u32, u32, u32, u32) {
    return kBadDescriptor;
}

}  // extern "C"
