#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace adyton::apps {

// What a command ends with; the process's exit code.
enum class Exit : int {
    Ok = 0,
    Failed = 1,  // it was understood and did not succeed: refused, unreachable, not valid
    Usage = 2,   // it was not understood; nothing was tried
};

// Rows of text in columns, for eyes. Column widths count code points, not bytes.
class Table {
public:
    enum class Align { Left, Right };
    struct Column {
        std::string heading;
        Align align = Align::Left;
    };

    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

    // CHECK: one cell a column.
    void add(std::vector<std::string> cells);
    bool empty() const { return rows_.empty(); }
    // Headings and rows, two blanks between columns, no blanks at line ends, a newline after each.
    std::string to_string() const;

private:
    std::vector<Column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

// Where a command's words go: answers on `out`, everything else on `err`. Text that came from a
// server is cleaned of control characters, so that it cannot drive a terminal. Not thread safe.
class Console {
public:
    enum class Kind { Terminal, Plain };

    // The streams must outlive it. Plain: no line is ever overwritten.
    Console(std::ostream& out, std::ostream& err, Kind err_kind)
        : out_(out), err_(err), err_kind_(err_kind) {}

    void print(std::string_view line);
    void print_json(const base::Json& json);  // indented, a newline after it
    void print_table(const Table& table);
    void note(std::string_view line);     // on err
    void warning(std::string_view line);  // on err, with "warning: "
    void error(std::string_view line);    // on err, with "error: "

    // "error: MESSAGE (REASON)". With `as_json` one object on err instead:
    // {"error":{"code":...,"message":...,"reason":...}}.
    void fail(const Error& error, bool as_json);

    // How far long work is: a line that overwrites itself on a terminal, else one a tenth.
    void progress(std::string_view what, std::uint64_t done, std::uint64_t total);
    void end_progress();

    void flush();

private:
    std::ostream& out_;
    std::ostream& err_;
    Kind err_kind_;
    std::string progress_shown_;
    std::uint64_t tenth_shown_ = 0;
};

// The text with control characters (C0, DEL, C1) replaced by '?'; tab and newline too.
std::string printable(std::string_view text);

// "1 account", "2 accounts".
std::string counted(std::uint64_t count, std::string_view singular);

// A number with thousands separated: "1,234,567".
std::string grouped(std::uint64_t number);

}  // namespace adyton::apps
