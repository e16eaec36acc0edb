#include "script/internal/machine.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/check.h"
#include "script/internal/guest_call.h"
#include "script/internal/prelude.h"
#include "script/internal/utf8.h"

namespace adyton::script::internal {
namespace {

// JSValue of a 32-bit build: tag << 32 | payload (quickjs.h, JS_NAN_BOXING). Checked at boot.
constexpr std::uint64_t kNull = std::uint64_t{2} << 32U;
constexpr std::uint64_t kUndefined = std::uint64_t{3} << 32U;
constexpr std::uint64_t kException = std::uint64_t{6} << 32U;
constexpr std::uint64_t boolean_value(bool value) {
    return std::uint64_t{1} << 32U | (value ? 1U : 0U);
}

constexpr std::uint32_t kScratchBytes = 64;
constexpr std::uint32_t kPropertyWritable = 1U << 1U;
constexpr std::uint32_t kPropertyConfigurable = 1U << 0U;
constexpr std::uint32_t kPropertyEnumerable = 1U << 2U;
constexpr std::uint32_t kPropertyAll =
    kPropertyWritable | kPropertyConfigurable | kPropertyEnumerable;

// The engine's own (shadow) stack: at its end a RangeError.
constexpr std::uint32_t kEngineStackBytes = 256U << 10U;

// Gas (docs/script-api.md). The engine polls every 10,000 steps of its interpreter.
constexpr std::uint64_t kGasPerPoll = 10'000;
constexpr std::uint64_t kGasPerSourceByte = 10;
constexpr std::uint64_t kGasPerDataByte = 1;  // of input, secrets, output and logs
constexpr std::uint64_t kGasPerPage = 5'000;  // of 64 KiB that the job grew
constexpr std::uint64_t kGasPerPromiseJob = 100;
// The JavaScript, and where it drifted.
constexpr std::size_t kStrippedBytesMax = 2 * Stripped::kBytesMax;
constexpr std::string_view kFileName = "script.js";
// Code of ours has the script's file name, because another one would be one more text in the memory
// that every job starts with, and lines that no script has.
constexpr std::uint32_t kOwnLine = 2'000'001;
static_assert(kOwnLine > kSourceBytesMax + 1 && kOwnLine > Stripped::kBytesMax + 1);

constexpr std::array<std::string_view, 3> kViewGetters = {
    "Object.getOwnPropertyDescriptor(DataView.prototype, 'buffer').get",
    "Object.getOwnPropertyDescriptor(DataView.prototype, 'byteOffset').get",
    "Object.getOwnPropertyDescriptor(DataView.prototype, 'byteLength').get"};

bool is_identifier(std::string_view name) {
    if (name.empty() || name.size() > kEntryPointBytesMax) return false;
    const auto letter = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$';
    };
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    return letter(name[0]) &&
           std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || digit(c); });
}

bool starts_an_object(std::string_view json) {
    const std::size_t at = json.find_first_not_of(" \t\r\n");
    return at != std::string_view::npos && json[at] == '{';
}

Result<void> check_work(const Work& work) {
    if (work.source.size() > kSourceBytesMax) return Error::invalid_argument("script too large");
    if (work.input_json.size() > kInputBytesMax) return Error::invalid_argument("input too large");
    if (!starts_an_object(work.input_json)) {
        return Error::invalid_argument("the input is not a JSON object");
    }
    if (work.secrets.size() > kSecretsMax) return Error::invalid_argument("too many secrets");
    if (work.limits.memory_bytes < kMemoryBytesMin || work.limits.memory_bytes > kMemoryBytesMax) {
        return Error::invalid_argument("memory limit out of bounds");
    }
    if (work.limits.time < std::chrono::milliseconds(1) || work.limits.time > kTimeMax) {
        return Error::invalid_argument("time limit out of bounds");
    }
    return {};
}

}  // namespace

Machine::Machine(MemorySlot& slot, const base::Clock& clock)
    : slot_(slot), clock_(clock), random_(JobRandom::Seed{}) {}

// --- Boot ---------------------------------------------------------------------------------------

Result<std::shared_ptr<const BootImage>> Machine::boot(const HostLibrary& library) {
    auto image = std::make_shared<BootImage>();
    image->library = library;
    library_ = library;
    booting_ = image.get();
    slot_.set_machine(this);
    result_ = RunResult{};
    gas_max_ = UINT64_MAX;
    deadline_ = base::SteadyTime::max();
    Stop stop = slot_.instantiate();
    const base::ByteView memory = slot_.memory();
    const std::vector<std::uint8_t> started(memory.begin(), memory.end());
    if (stop == Stop::None) {
        stop = Activation::enter(
            slot_.region(), [](void* self) { static_cast<Machine*>(self)->guest_boot(); }, this);
    }
    booting_ = nullptr;
    if (stop != Stop::None) {
        return Error{
            ErrorCode::Internal, std::string("the engine did not start: ") + to_string(stop)};
    }
    if (result_.error) {
        return Error{
            ErrorCode::Internal,
            "the engine's prelude failed: " + result_.error->name + " " + result_.error->message};
    }
    image->snapshot = Snapshot(slot_.memory(), slot_.instance()->w2c___stack_pointer, started);
    // What is there now is what a reset would write: the first job needs none, which matters to a
    // process that runs one job only.
    image_ = image;
    dirty_ = false;
    return std::shared_ptr<const BootImage>(std::move(image));
}

void Machine::guest_boot() {
    BootImage& boot = *booting_;
    stage_ = Stage::Script;
    QJS(_initialize);
    if (QJS(qjs_init) != 0) return fail(Stage::Script, "", "no runtime");
    QJS(qjs_set_max_stack_size, kEngineStackBytes);
    QJS(qjs_set_interrupt_handler, 1);
    boot.runtime = QJS(qjs_get_runtime_ptr);
    boot.context = QJS(qjs_get_context_ptr);
    boot.scratch = QJS(wasm_malloc, kScratchBytes);
    boot.file_name = guest_copy(kFileName);
    std::uint64_t undefined = 0;
    std::uint64_t null = 0;
    if (!slot_.read_u64(QJS(qjs_get_undefined), undefined) || undefined != kUndefined ||
        !slot_.read_u64(QJS(qjs_get_null), null) || null != kNull || boot.scratch == 0 ||
        boot.file_name == 0) {
        return fail(Stage::Script, "", "values of another layout");
    }
    boot.global = QJS(JS_GetGlobalObject, boot.context);

    const std::uint64_t host = QJS(JS_NewObject, boot.context);
    const std::size_t builtins = static_cast<std::size_t>(Builtin::kCount);
    const std::array<std::string_view, 3> names = {"_log", "_random", "_request"};
    for (std::size_t i = 0; i < builtins + library_.functions.size(); ++i) {
        const std::string_view name =
            i < builtins ? names[i] : library_.functions[i - builtins].name;
        std::array<char, 12> number{};
        char* const end = std::to_chars(number.data(), number.data() + number.size(), i).ptr;
        const auto length = static_cast<std::uint32_t>(end - number.data());
        const std::uint32_t at = guest_copy({number.data(), length});
        std::uint64_t function = 0;
        if (!slot_.read_u64(QJS(qjs_new_host_function, at, length, 0), function) ||
            !guest_define(host, name, function)) {
            return fail(Stage::Script, "", "host functions");
        }
        QJS(wasm_free, at);
    }
    for (const std::string_view source : {kPrelude, library_.prelude}) {
        if (source.empty()) continue;
        const std::uint64_t function = guest_eval_own(source, boot.file_name);
        if (function == kException) return guest_take_exception(Stage::Script);
        slot_.write_u64(boot.scratch, host);
        const std::uint64_t parts =
            QJS(JS_Call, boot.context, function, kUndefined, 1, boot.scratch);
        if (parts == kException) return guest_take_exception(Stage::Script);
        if (source.data() != kPrelude.data()) continue;
        const std::uint32_t settle = guest_copy("settle");
        const std::uint32_t fetch = guest_copy("enableFetch");
        boot.settle = QJS(JS_GetPropertyStr, boot.context, parts, settle);
        boot.enable_fetch = QJS(JS_GetPropertyStr, boot.context, parts, fetch);
    }
    for (std::size_t i = 0; i < boot.view_getters.size(); ++i) {
        boot.view_getters[i] = guest_eval_own(kViewGetters[i], boot.file_name);
        if (boot.view_getters[i] == kException) return guest_take_exception(Stage::Script);
    }
    QJS(JS_RunGC, boot.runtime);
}

// --- Run ----------------------------------------------------------------------------------------

Result<RunResult> Machine::run(
    const std::shared_ptr<const BootImage>& image, const Work& work, RunHooks& hooks) {
    TRY_VOID(check_work(work));
    image_ = image;
    library_ = image->library;
    start_run(work, hooks);
    Stop stop = work.language == Language::TypeScript ? strip_types() : Stop::None;
    if (stop == Stop::None && !result_.error) {
        stop = Activation::enter(
            slot_.region(), [](void* self) { static_cast<Machine*>(self)->guest_run(); }, this,
            &request_);
    }
    finish(stop);
    source_ = {};
    stripped_.reset();
    work_ = nullptr;
    hooks_ = nullptr;
    if (result_.error && result_.error->stage == Stage::Input && result_.status == Status::Failed) {
        return Error::invalid_argument("the input is not a JSON object");
    }
    return std::move(result_);
}

void Machine::start_run(const Work& work, RunHooks& hooks) {
    work_ = &work;
    source_ = work.source;
    stripped_.reset();
    start_bytes_ = image_->snapshot.bytes();
    hooks_ = &hooks;
    slot_.set_machine(this);
    slot_.set_memory_max(work.limits.memory_bytes);
    if (dirty_) slot_.reset(image_->snapshot);
    dirty_ = true;
    request_.store(Stop::None, std::memory_order_relaxed);
    result_ = RunResult{};
    stage_ = Stage::Input;
    requests_sent_ = 0;
    replies_taken_ = 0;
    random_.restart(work.random_seed);
    gas_max_ = work.limits.gas == 0 ? UINT64_MAX : work.limits.gas;
    gas_ = work.source.size() * kGasPerSourceByte + work.input_json.size() * kGasPerDataByte;
    for (const auto& [name, value] : work.secrets) gas_ += value.size() * kGasPerDataByte;
    started_ = clock_.steady_now();
    deadline_ = started_ + work.limits.time;
}

// What a stop or an ending means.
void Machine::finish(Stop stop) {
    result_.wall_time = clock_.steady_now() - started_;
    result_.metered_gas = gas_used();
    result_.memory_bytes_peak = slot_.memory_bytes();
    const auto end_with = [&](Status status, std::string_view message) {
        result_.status = status;
        if (!result_.error) result_.error = ScriptError{stage_, "", std::string(message), 0, 0};
    };
    switch (stop) {
        case Stop::None:
            break;
        case Stop::Deadline:
            end_with(Status::TimedOut, "time limit");
            break;
        case Stop::Gas:
            end_with(Status::GasExhausted, "gas limit");
            break;
        case Stop::Cancelled:
            end_with(Status::Cancelled, "cancelled");
            break;
        case Stop::Output:
            end_with(Status::ExecutorLost, "the broker is gone");
            break;
        default:
            end_with(Status::Trapped, to_string(stop));
            break;
    }
    if (stop == Stop::None && result_.error) {
        const bool no_memory = slot_.memory_refused() && result_.error->message == "out of memory";
        result_.status = no_memory ? Status::OutOfMemory : Status::Failed;
    } else if (stop == Stop::None) {
        result_.status = Status::Completed;
    }
    if (result_.status != Status::Completed) result_.output_json.clear();
    if (result_.error && (stripped_ || work_->language == Language::JavaScript)) {
        const Place bytes{result_.error->line, result_.error->column};
        const Place place = stripped_ ? stripped_->source_place(work_->source, bytes)
                                      : place_in_characters(work_->source, bytes);
        result_.error->line = place.line;
        result_.error->column = place.column;
    }
    // Secrets may have been arguments.
    if (!argument_bytes_.empty()) ::explicit_bzero(argument_bytes_.data(), argument_bytes_.size());
    argument_bytes_.clear();
    value_ = HostValue{};
    random_.restart(JobRandom::Seed{});
}

// --- TypeScript ---------------------------------------------------------------------------------

Stop Machine::boot_stripper() {
    const std::uint64_t gas = gas_;
    const std::uint64_t gas_max = gas_max_;
    gas_max_ = UINT64_MAX;
    slot_.set_memory_max(kMemoryBytesMax);
    const Stop stop = Activation::enter(
        slot_.region(), [](void* self) { static_cast<Machine*>(self)->guest_boot_stripper(); },
        this, &request_);
    gas_ = gas;
    gas_max_ = gas_max;
    if (stop != Stop::None || result_.error) return stop;
    stripper_ = StripperImage{
        Snapshot(slot_.memory(), slot_.instance()->w2c___stack_pointer, image_->snapshot.image()),
        stripper_function_};
    return Stop::None;
}

void Machine::guest_boot_stripper() {
    stripper_function_ = guest_eval_own(type_stripper_source(), image_->file_name);
    if (stripper_function_ == kException) return guest_take_exception(Stage::Script);
    QJS(JS_RunGC, image_->runtime);
}

// In the same sandbox, with the job's time and gas, but with memory of its own: types may be most
// of a source. The job then starts in a fresh state.
Stop Machine::strip_types() {
    stage_ = Stage::Script;
    if (!stripper_) {
        const Stop stop = boot_stripper();
        if (!stripper_) return stop;
    }
    slot_.set_memory_max(kMemoryBytesMax);
    slot_.reset(stripper_->snapshot);
    start_bytes_ = stripper_->snapshot.bytes();
    const Stop stop = Activation::enter(
        slot_.region(), [](void* self) { static_cast<Machine*>(self)->guest_strip(); }, this,
        &request_);
    gas_ = gas_used();
    start_bytes_ = slot_.memory_bytes();
    if (stop != Stop::None || result_.error) return stop;
    auto stripped = Stripped::parse(std::move(text_));
    text_.clear();
    if (!stripped) {
        fail(Stage::Script, "", stripped.error().message());
    } else if (stripped->refused()) {
        fail(Stage::Script, "SyntaxError", stripped->message());
        result_.error->line = stripped->place().line;
        result_.error->column = stripped->place().column;
    }
    if (result_.error) return Stop::None;
    stripped_ = std::move(*stripped);
    source_ = stripped_->javascript();
    slot_.set_memory_max(work_->limits.memory_bytes);
    slot_.reset(image_->snapshot);
    start_bytes_ = image_->snapshot.bytes();
    stage_ = Stage::Input;
    return Stop::None;
}

void Machine::guest_strip() {
    const std::uint64_t source = guest_string(work_->source);
    if (source == kException) return guest_take_exception(Stage::Script);
    slot_.write_u64(image_->scratch, source);
    const std::uint64_t text =
        QJS(JS_Call, image_->context, stripper_->function, kUndefined, 1, image_->scratch);
    text_.clear();
    if (text == kException || !guest_text(text, kStrippedBytesMax, text_, nullptr)) {
        guest_take_exception(Stage::Script);
    }
}

void Machine::clean() {
    if (meter_ != nullptr) meter_->store(0, std::memory_order_relaxed);
    if (!image_) return;
    slot_.reset(image_->snapshot);
    dirty_ = false;
}

void Machine::guest_run() {
    charge(0);
    std::uint64_t function = 0;
    std::uint64_t value = 0;
    if (guest_set_input() && guest_set_secrets() && guest_evaluate() &&
        guest_find_entry(function) && guest_call_entry(function, value) &&
        guest_settle_promise(value)) {
        guest_write_output(value);
    }
}

bool Machine::guest_set_input() {
    const std::string_view json = work_->input_json;
    const std::uint32_t at = guest_copy(json);
    const std::uint64_t value =
        at == 0 ? kException
                : QJS(JS_ParseJSON, image_->context, at, static_cast<std::uint32_t>(json.size()),
                      image_->file_name);
    if (value == kException) {
        guest_take_exception(Stage::Input);
        return false;
    }
    QJS(wasm_free, at);
    return guest_define(image_->global, "input", value);
}

bool Machine::guest_set_secrets() {
    const std::uint64_t object = QJS(JS_NewObject, image_->context);
    bool good = object != kException;
    for (std::size_t i = 0; good && i < work_->secrets.size(); ++i) {
        const std::uint64_t value = guest_string(work_->secrets[i].second);
        good = value != kException && guest_define(object, work_->secrets[i].first, value);
    }
    good = good && guest_define(image_->global, "secrets", object);
    if (good && work_->has_host) {
        good = QJS(JS_Call, image_->context, image_->enable_fetch, kUndefined, 0, 0) != kException;
    }
    if (!good) guest_take_exception(Stage::Script);
    return good;
}

bool Machine::guest_evaluate() {
    stage_ = Stage::Script;
    if (guest_eval(source_, image_->file_name) != kException) return true;
    guest_take_exception(Stage::Script);
    return false;
}

// Top-level let and const are no properties of the global object, so the name is evaluated; it is
// checked to be one plain name first.
bool Machine::guest_find_entry(std::uint64_t& function) {
    stage_ = Stage::EntryPoint;
    std::uint64_t found = kUndefined;
    if (is_identifier(work_->entry_point)) {
        const std::uint32_t name = guest_copy("entry");
        found = name == 0 ? kException : guest_eval(work_->entry_point, name);
        if (found == kException) guest_clear_exception();
    }
    if (found == kException || QJS(JS_IsFunction, image_->context, found) == 0) {
        fail(Stage::EntryPoint, "", "not a function");
        return false;
    }
    function = found;
    return true;
}

bool Machine::guest_call_entry(std::uint64_t function, std::uint64_t& value) {
    stage_ = Stage::Execution;
    const std::uint32_t input = guest_copy("input");
    const std::uint32_t secrets = guest_copy("secrets");
    if (input == 0 || secrets == 0) {
        fail(Stage::Execution, "InternalError", "out of memory");
        return false;
    }
    const std::uint64_t first = QJS(JS_GetPropertyStr, image_->context, image_->global, input);
    if (first != kException) {
        const std::uint64_t second =
            QJS(JS_GetPropertyStr, image_->context, image_->global, secrets);
        if (second != kException) {
            slot_.write_u64(image_->scratch, first);
            slot_.write_u64(image_->scratch + 8, second);
            value = QJS(JS_Call, image_->context, function, kUndefined, 2, image_->scratch);
            if (value != kException) return true;
        }
    }
    guest_take_exception(Stage::Execution);
    return false;
}

// Runs what the script left to run; a promise becomes its value.
bool Machine::guest_settle_promise(std::uint64_t& value) {
    guest_drain();
    if (QJS(JS_IsPromise, value) == 0) return true;
    const std::uint32_t state = QJS(JS_PromiseState, image_->context, value);
    if (state == 0) {
        fail(Stage::Execution, "Error", "the promise of the entry point is never settled");
        return false;
    }
    const std::uint64_t settled = QJS(JS_PromiseResult, image_->context, value);
    if (state == 1) {
        value = settled;
        return true;
    }
    QJS(JS_Throw, image_->context, settled);
    guest_take_exception(Stage::Execution);
    return false;
}

void Machine::guest_drain() {
    for (;;) {
        while (QJS(JS_IsJobPending, image_->runtime) != 0) {
            charge(kGasPerPromiseJob);
            check_time();
            // The status is signed.
            if (QJS(JS_ExecutePendingJob, image_->runtime, image_->scratch) > INT32_MAX) {
                guest_clear_exception();
            }
        }
        if (replies_taken_ == requests_sent_) return;
        guest_deliver();
    }
}

// Waits for the oldest reply and hands it to the promise that stands for it.
void Machine::guest_deliver() {
    const bool received = hooks_->receive(reply_);
    if (!received) {
        check_time();
        stop_now(hooks_->cancelled() ? Stop::Cancelled : Stop::Output);
    }
    charge(reply_.json.size() * kGasPerDataByte);
    const std::uint64_t text = guest_string(reply_.json);
    if (text == kException) return guest_clear_exception();
    slot_.write_u64(image_->scratch, replies_taken_++);  // an integer: tag 0
    slot_.write_u64(image_->scratch + 8, boolean_value(reply_.ok));
    slot_.write_u64(image_->scratch + 16, text);
    const std::uint64_t done =
        QJS(JS_Call, image_->context, image_->settle, kUndefined, 3, image_->scratch);
    if (done == kException) guest_clear_exception();
}

void Machine::guest_write_output(std::uint64_t value) {
    stage_ = Stage::Output;
    if (value == kUndefined || value == kNull) return;
    const std::uint64_t json =
        QJS(JS_JSONStringify, image_->context, value, kUndefined, kUndefined);
    if (json == kException) return guest_take_exception(Stage::Output);
    if (json == kUndefined) {  // a function or a symbol
        return fail(Stage::Output, "TypeError", "the value has no JSON form");
    }
    bool cut = false;
    text_.clear();
    if (!guest_text(json, kOutputBytesMax, text_, &cut)) return guest_take_exception(Stage::Output);
    const bool wrap = text_.empty() || text_[0] != '{';
    constexpr std::string_view kOpen = "{\"result\":";
    if (cut || text_.size() + (wrap ? kOpen.size() + 1 : 0) > kOutputBytesMax) {
        return fail(Stage::Output, "", "output exceeds maximum size of 1048576 bytes");
    }
    if (wrap) {
        result_.output_json.append(kOpen).append(text_).push_back('}');
    } else {
        result_.output_json.swap(text_);
    }
}

// --- Values -------------------------------------------------------------------------------------

std::uint32_t Machine::guest_copy(std::string_view text) {
    if (text.size() > kMemoryBytesMax) return 0;
    const auto size = static_cast<std::uint32_t>(text.size());
    const std::uint32_t at = QJS(wasm_malloc, size + 1);
    std::uint8_t* const to = at == 0 ? nullptr : slot_.view_mutable(at, size + 1);
    if (to == nullptr) return 0;
    if (size > 0) std::memcpy(to, text.data(), size);
    to[size] = 0;
    return at;
}

std::uint64_t Machine::guest_eval(std::string_view source, std::uint32_t file_name) {
    const std::uint32_t context = booting_ != nullptr ? booting_->context : image_->context;
    const std::uint32_t at = guest_copy(source);
    if (at == 0) {
        QJS(JS_ThrowOutOfMemory, context);
        return kException;
    }
    const std::uint64_t value =
        QJS(JS_Eval, context, at, static_cast<std::uint32_t>(source.size()), file_name, 0);
    QJS(wasm_free, at);
    return value;
}

std::uint64_t Machine::guest_eval_own(std::string_view source, std::uint32_t file_name) {
    const std::uint32_t context = booting_ != nullptr ? booting_->context : image_->context;
    const std::uint32_t options = booting_ != nullptr ? booting_->scratch : image_->scratch;
    const std::uint32_t at = guest_copy(source);
    // JSEvalOptions (quickjs.h): version, flags, file name, first line.
    constexpr std::uint32_t kVersion = 1;
    if (at == 0 || !slot_.write_u64(options, kVersion) ||
        !slot_.write_u64(options + 8, std::uint64_t{kOwnLine} << 32U | file_name)) {
        QJS(JS_ThrowOutOfMemory, context);
        return kException;
    }
    const std::uint64_t value =
        QJS(JS_Eval2, context, at, static_cast<std::uint32_t>(source.size()), options);
    QJS(wasm_free, at);
    return value;
}

std::uint64_t Machine::guest_string(std::string_view text) {
    const std::uint32_t at = guest_copy(text);
    if (at == 0) return QJS(JS_ThrowOutOfMemory, image_->context);
    const std::uint64_t value =
        QJS(JS_NewStringLen, image_->context, at, static_cast<std::uint32_t>(text.size()));
    QJS(wasm_free, at);
    return value;
}

bool Machine::guest_define(std::uint64_t object, std::string_view name, std::uint64_t value) {
    const std::uint32_t context = booting_ != nullptr ? booting_->context : image_->context;
    const std::uint32_t at = guest_copy(name);
    if (at == 0) {
        QJS(JS_ThrowOutOfMemory, context);
        return false;
    }
    const std::uint32_t status =
        QJS(JS_DefinePropertyValueStr, context, object, at, value, kPropertyAll);
    QJS(wasm_free, at);
    return status == 1;
}

bool Machine::guest_text(std::uint64_t value, std::size_t max, std::string& out, bool* cut) {
    const std::uint32_t context = booting_ != nullptr ? booting_->context : image_->context;
    const std::uint32_t scratch = booting_ != nullptr ? booting_->scratch : image_->scratch;
    const std::uint32_t at = QJS(JS_ToCStringLen2, context, scratch, value, 0);
    std::uint32_t length = 0;
    if (at == 0 || !slot_.read_u32(scratch, length)) return false;
    const auto taken = static_cast<std::uint32_t>(std::min<std::size_t>(length, max));
    const std::uint8_t* const from = slot_.view(at, taken);
    if (from == nullptr) return false;
    charge(length * kGasPerDataByte);
    if (cut != nullptr) *cut = taken < length;
    append_utf8(out, {from, taken}, taken < length);
    QJS(JS_FreeCString, context, at);
    return true;
}

bool Machine::guest_property(
    std::uint64_t object, std::string_view name, std::size_t max, std::string& out) {
    const std::uint32_t context = booting_ != nullptr ? booting_->context : image_->context;
    const std::uint32_t at = guest_copy(name);
    if (at == 0) return false;
    const std::uint64_t value = QJS(JS_GetPropertyStr, context, object, at);
    QJS(wasm_free, at);
    if (value != kException && value != kUndefined && guest_text(value, max, out, nullptr)) {
        return true;
    }
    guest_clear_exception();
    return false;
}

void Machine::guest_clear_exception() {
    const std::uint32_t context = booting_ != nullptr ? booting_->context : image_->context;
    QJS(JS_FreeValue, context, QJS(JS_GetException, context));
}

// What atob and btoa throw; the engine does not count it among its errors.
bool Machine::guest_is_dom_exception(std::uint64_t value) {
    const std::uint32_t context = booting_ != nullptr ? booting_->context : image_->context;
    const std::uint32_t runtime = booting_ != nullptr ? booting_->runtime : image_->runtime;
    const std::uint32_t atom = QJS(JS_GetClassName, runtime, QJS(JS_GetClassID, value));
    const std::uint32_t at = QJS(JS_AtomToCStringLen, context, 0, atom);
    QJS(JS_FreeAtom, context, atom);
    constexpr std::string_view kName("DOMException\0", 13);
    const std::uint8_t* const name = at == 0 ? nullptr : slot_.view(at, kName.size());
    const bool is = name != nullptr && std::memcmp(name, kName.data(), kName.size()) == 0;
    if (at == 0) {
        guest_clear_exception();
    } else {
        QJS(JS_FreeCString, context, at);
    }
    return is;
}

// The thrown value is the script's: its properties may be getters that throw or never end.
void Machine::guest_take_exception(Stage stage) {
    const std::uint32_t context = booting_ != nullptr ? booting_->context : image_->context;
    const std::uint64_t thrown = QJS(JS_GetException, context);
    result_.error.emplace();
    result_.error->stage = stage;
    if (QJS(JS_IsError, thrown) == 0 && !guest_is_dom_exception(thrown)) {
        if (!guest_text(thrown, kErrorMessageBytesMax, result_.error->message, nullptr)) {
            guest_clear_exception();
            result_.error->message = "uncaught exception";
        }
        return;
    }
    // The stack first: it is written when the error is made, the rest may change it.
    text_.clear();
    guest_property(thrown, "stack", kErrorMessageBytesMax, text_);
    locate(text_);
    guest_property(thrown, "name", kErrorNameTextBytesMax, result_.error->name);
    guest_property(thrown, "message", kErrorMessageBytesMax, result_.error->message);
}

// The first place of the script in a stack of lines "    at name (script.js:3:11)".
void Machine::locate(std::string_view stack) {
    const char* const end = stack.data() + stack.size();
    for (std::size_t found = 0;; found += kFileName.size()) {
        found = stack.find(kFileName, found);
        if (found == std::string_view::npos) return;
        const char* const at = stack.data() + found + kFileName.size();
        std::uint32_t line = 0;
        std::uint32_t column = 0;
        if (at == end || *at != ':') return;
        const auto first = std::from_chars(at + 1, end, line);
        if (first.ec != std::errc{}) return;
        if (line >= kOwnLine) continue;
        if (first.ptr != end && *first.ptr == ':') std::from_chars(first.ptr + 1, end, column);
        result_.error->line = line;
        result_.error->column = column;
        return;
    }
}

void Machine::fail(Stage stage, std::string_view name, std::string_view message) {
    result_.error = ScriptError{stage, std::string(name), std::string(message), 0, 0};
}

// --- Limits -------------------------------------------------------------------------------------

std::uint64_t Machine::gas_used() const {
    const std::size_t base = image_ ? start_bytes_ : slot_.memory_bytes();
    const std::size_t grown = slot_.memory_bytes() - std::min(base, slot_.memory_bytes());
    return gas_ + grown / kPageBytes * kGasPerPage;
}

// Cheap enough for each host call; the clock is read at polls.
void Machine::charge(std::uint64_t gas) {
    gas_ += gas;
    if (hooks_ == nullptr) return;  // booting
    const std::uint64_t used = gas_used();
    if (meter_ != nullptr) meter_->store(used, std::memory_order_relaxed);
    if (used > gas_max_) stop_now(Stop::Gas);
    const Stop request = request_.load(std::memory_order_relaxed);
    if (request != Stop::None) stop_now(request);
}

void Machine::check_time() {
    if (hooks_ == nullptr) return;
    if (hooks_->cancelled()) stop_now(Stop::Cancelled);
    if (clock_.steady_now() >= deadline_) stop_now(Stop::Deadline);
}

std::uint32_t Machine::on_interrupt() {
    charge(kGasPerPoll);
    check_time();
    return 0;
}

// The script's clock: the job's start, and time that passes with its work (job.h). Nobody can
// measure anything with it, and a replay sees the same.
std::uint64_t Machine::clock_ns() {
    if (work_ == nullptr) return 0;
    const auto start =
        std::chrono::duration_cast<std::chrono::milliseconds>(work_->start_time.time_since_epoch());
    const std::uint64_t ms = static_cast<std::uint64_t>(std::max<std::int64_t>(start.count(), 0)) +
                             gas_used() / kGasPerMs;
    return ms * 1'000'000;
}

void Machine::fill_random(std::uint32_t at, std::uint32_t length) {
    std::uint8_t* const to = slot_.view_mutable(at, length);
    if (to != nullptr) random_.fill({to, length});
}

}  // namespace adyton::script::internal
