#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "script/host_functions.h"
#include "script/internal/job_random.h"
#include "script/internal/memory_slot.h"
#include "script/internal/runtime.h"
#include "script/internal/type_stripper.h"
#include "script/job.h"

namespace adyton::script::internal {

// A job as it reaches the engine: views of memory that outlives the run.
struct Work {
    std::string_view source;
    Language language = Language::JavaScript;
    std::string_view entry_point;
    std::string_view input_json;
    std::vector<std::pair<std::string_view, std::string_view>> secrets;
    Limits limits;
    base::Timestamp start_time{};
    JobRandom::Seed random_seed{};
    bool has_host = false;  // the script has fetch
};

// What a run tells the world while it runs. Called by host code inside an activation: no destructor
// of the machine is in the way, implementations may do what they like and return.
class RunHooks {
public:
    virtual ~RunHooks() = default;
    virtual void log(const LogEntry& entry) = 0;
    // False ends the run: the other side is gone.
    virtual bool send(HostRequest request) = 0;
    // The reply to the oldest request without one; may block.
    virtual bool receive(HostReply& reply) = 0;
    virtual bool cancelled() = 0;
};

// A run that tells nobody and asks for nothing.
class NoHooks : public RunHooks {
public:
    void log(const LogEntry& /*entry*/) override {}
    bool send(HostRequest /*request*/) override { return false; }
    bool receive(HostReply& /*reply*/) override { return false; }
    bool cancelled() override { return false; }
};

// A booted engine that every run starts from. Immutable; shared by the slots of a process.
struct BootImage {
    Snapshot snapshot;
    std::uint32_t context = 0;
    std::uint32_t runtime = 0;
    std::uint32_t scratch = 0;    // kScratchBytes of guest memory for out-parameters
    std::uint32_t file_name = 0;  // "script.js" and a zero
    std::uint64_t global = 0;
    std::uint64_t settle = 0;        // function(sequence, ok, text)
    std::uint64_t enable_fetch = 0;  // function()
    // The engine's own getters of a DataView's buffer, byteOffset and byteLength, whatever scripts
    // do to theirs.
    std::array<std::uint64_t, 3> view_getters{};
    HostLibrary library;
};

// Where a request from the script to the host ends.
inline constexpr std::size_t kHostArgumentsMax = 8;

// Runs jobs in one slot. Guest code is hostile: it may hold any value in any of its memory, call
// any import with any arguments, and never come back by itself.
//
// Functions named guest_* run inside an activation, where a stop jumps over their frames: they and
// what they call while guest code runs keep only trivial objects on the stack. Strings that a run
// fills are members. Not thread safe; one machine a slot.
class Machine {
public:
    // `slot` and `clock` must outlive the machine.
    Machine(MemorySlot& slot, const base::Clock& clock);
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    // Starts the engine in this slot, with the library's functions, and takes the image.
    // Unavailable or Internal: it does not start.
    Result<std::shared_ptr<const BootImage>> boot(const HostLibrary& library);

    // Runs one job. InvalidArgument: the input is not a JSON object, or a limit is out of bounds.
    Result<RunResult> run(
        const std::shared_ptr<const BootImage>& image, const Work& work, RunHooks& hooks);
    // Ends the run at hand at the engine's next poll, or where interrupt_thread() meets it. Thread
    // safe; forgotten when the next run begins.
    void request_stop(Stop stop) { request_.store(stop, std::memory_order_relaxed); }
    // Wipes what the last job left, at once rather than when the next one begins.
    void clean();

    // Where the gas of the job at hand is written at each poll and host call, for who may kill this
    // process; outlives the machine. Null: nowhere.
    void set_meter(std::atomic<std::uint64_t>* meter) { meter_ = meter; }

    // The imports of the engine.
    std::uint32_t on_host_call(
        std::uint32_t name, std::uint32_t name_length, std::uint32_t argument_count,
        std::uint32_t arguments);
    std::uint32_t on_interrupt();
    std::uint64_t clock_ns();
    void fill_random(std::uint32_t at, std::uint32_t length);

private:
    enum class Builtin : std::uint32_t { Log, Random, Request, kCount };
    struct Argument {
        bool defined = false;
        double number = 0;
        std::size_t from = 0;  // in argument_bytes_
        std::size_t to = 0;
    };

    // The engine with the type stripper in it: made when a machine first needs it, which costs some
    // 50 ms, and before the job's source is anywhere near it.
    struct StripperImage {
        Snapshot snapshot;
        std::uint64_t function = 0;
    };

    void guest_boot();
    void guest_run();
    Stop boot_stripper();
    Stop strip_types();
    void guest_boot_stripper();
    void guest_strip();
    bool guest_set_input();
    bool guest_set_secrets();
    bool guest_evaluate();
    bool guest_find_entry(std::uint64_t& function);
    bool guest_call_entry(std::uint64_t function, std::uint64_t& value);
    bool guest_settle_promise(std::uint64_t& value);
    void guest_write_output(std::uint64_t value);
    void guest_drain();
    void guest_deliver();
    std::uint64_t guest_eval(std::string_view source, std::uint32_t file_name);
    // Code of ours: its lines begin at kOwnLine.
    std::uint64_t guest_eval_own(std::string_view source, std::uint32_t file_name);
    // Copies text into new guest memory with a zero behind it; 0 when there is none left.
    std::uint32_t guest_copy(std::string_view text);
    std::uint64_t guest_string(std::string_view text);
    bool guest_define(std::uint64_t object, std::string_view name, std::uint64_t value);
    // String(value), at most `max` bytes of it, appended as well-formed UTF-8. False: it threw.
    bool guest_text(std::uint64_t value, std::size_t max, std::string& out, bool* cut);
    bool guest_property(
        std::uint64_t object, std::string_view name, std::size_t max, std::string& out);
    bool guest_is_dom_exception(std::uint64_t value);
    void guest_take_exception(Stage stage);
    void guest_clear_exception();
    std::uint32_t guest_throw(const Error& error);
    std::uint32_t guest_throw(ErrorCode code, std::string_view message);

    bool guest_argument(std::uint64_t value, Parameter parameter, Argument& out);
    bool guest_bytes(std::uint64_t value, Argument& out);
    std::uint64_t guest_array_of_view(std::uint64_t view);
    std::uint32_t guest_library_call(
        std::uint32_t index, std::uint32_t argument_count, std::uint32_t arguments);
    std::uint32_t guest_builtin(
        Builtin builtin, std::uint32_t argument_count, std::uint32_t arguments);
    std::uint32_t guest_box(std::uint64_t value);
    bool guest_return_value(std::uint64_t& value);
    std::uint64_t guest_argument_at(
        std::uint32_t arguments, std::uint32_t argument_count, std::uint32_t index) const;

    void compute_library_call(std::uint32_t index, std::size_t count);
    void add_log(LogLevel level, bool cut);
    void fail(Stage stage, std::string_view name, std::string_view message);
    void locate(std::string_view stack);
    void charge(std::uint64_t gas);
    void check_time();
    std::uint64_t gas_used() const;
    void start_run(const Work& work, RunHooks& hooks);
    void finish(Stop stop);

    MemorySlot& slot_;
    const base::Clock& clock_;
    std::atomic<std::uint64_t>* meter_ = nullptr;
    std::shared_ptr<const BootImage> image_;
    std::optional<StripperImage> stripper_;
    std::uint64_t stripper_function_ = 0;  // while it boots
    BootImage* booting_ = nullptr;
    HostLibrary library_;

    // Of the run at hand.
    const Work* work_ = nullptr;
    RunHooks* hooks_ = nullptr;
    std::string_view source_;           // JavaScript
    std::optional<Stripped> stripped_;  // TypeScript without its types
    std::size_t start_bytes_ = 0;       // of memory, before the job grew any
    RunResult result_;
    bool dirty_ = true;
    std::atomic<Stop> request_{Stop::None};
    Stage stage_ = Stage::Input;
    base::SteadyTime started_{};
    base::SteadyTime deadline_{};
    std::uint64_t gas_ = 0;
    std::uint64_t gas_max_ = 0;
    std::uint32_t requests_sent_ = 0;
    std::uint32_t replies_taken_ = 0;
    JobRandom random_;
    // Of the host call at hand.
    std::string argument_bytes_;
    std::array<Argument, kHostArgumentsMax> arguments_;
    Result<HostValue> value_{HostValue{}};
    HostReply reply_;
    std::string text_;
};

}  // namespace adyton::script::internal
