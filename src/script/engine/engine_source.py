#!/usr/bin/env python3
"""Turns wasm2c's C of the engine into the C that we compile, and proves its shape.

    engine_source.py GENERATED.c OUTPUT.c     write OUTPUT.c, or name the lines that break a rule
    engine_source.py --check FILE.c           only check a file that was written before

wasm2c writes its own rules (loads, stores, traps) above its output. They are replaced by rules.h,
which is ours. What is left has a small and regular grammar, one statement a line; every line must
match one of the forms below, so nothing can reach memory but through the functions of rules.h: no
`*pointer`, no `->` but on `instance`, no subscript, no address taken but of the memory that is
handed to those functions. A jump by an opcode goes through GOTO_TARGET of rules.h and a table of 256
labels. Every export goes in through ENTER or ENTER_VOID of rules.h, which say where the memory is.
A change of wasm2c or of the engine that brings a new form stops the build.

Python 3.9, standard library only.
"""
import re
import sys

HEADER = '/* Made by engine_source.py from the output of wasm2c. */\n#include "rules.h"\n\n'
START = "static bool s_module_initialized = false;"

REGISTER = r"w2c_[iljpdf]\d+(?:_0)?"  # stack slots, locals and parameters
FUNCTION = r"w2c_[A-Za-z_]\w*"
TYPE = r"(?:u32|u64|f32|f64)"
LABEL = r"w2c_(?:[BLI]\d+|Bfunc)"
NUMBER = r"(?:0x[0-9a-f]+|\d+)(?:u|ull)?"
FLOAT = r"-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?f?|INFINITY|NAN)"
MEMORY = r"&instance->w2c_memory"
TABLE = r"instance->w2c___indirect_function_table"
ADDRESS = r"\(u64\)\(%s\)(?: \+ \d{1,9}u?)?" % REGISTER
LOAD = r"(?:i32|i64)_load(?:8_s|8_u|16_s|16_u|32_s|32_u)?|f32_load|f64_load"
STORE = r"(?:i32|i64)_store(?:8|16|32)?|f32_store|f64_store"
PURE = (r"[IF]\d\d_\w+|DIV_U|REM_U|FMIN|FMAX|wasm_\w+|copysign|[if]\d\d_reinterpret_[if]\d\d"
        r"|I32_\w+|I64_\w+")
REGISTERS = r"%s(?:, %s)*" % (REGISTER, REGISTER)
ARGUMENTS = r"(?:, %s)*" % REGISTER
IMPORT = r"\(\*Z_(?:env|wasi_snapshot_preview1)Z_\w+\)\(instance->Z_(?:env|wasi_snapshot_preview1)_instance"
CALL = r"(?:%s\(instance|%s)%s\)" % (FUNCTION, IMPORT, ARGUMENTS)
INDIRECT = (r"CALL_INDIRECT\(%s, (?:void|%s) \(\*\)\(void\*(?:, %s)*\), \d+, %s, instance%s\)"
            % (TABLE, TYPE, TYPE, REGISTER, ARGUMENTS))
CASTS = r"(?:\((?:u|s)(?:8|16|32|64)\)|\(f(?:32|64)\))+"
OPERATOR = r"(?:[-+*/&|^]|<<|>>|==|!=|<=|>=|<|>)"
VALUE = r"|".join([
    REGISTER, NUMBER, FLOAT, r"instance->w2c___stack_pointer", r"instance->w2c_memory\.pages",
    r"(?:%s)\(%s, %s\)" % (LOAD, MEMORY, ADDRESS),
    CALL, INDIRECT,
    r"(?:%s)\(%s\)" % (PURE, REGISTERS),
    r"(?:%s)?(?:wasm_quietf?)\(%s\)" % (CASTS, REGISTER),
    r"wasm_rt_grow_memory\(%s, %s\)" % (MEMORY, REGISTER),
    r"f(?:32|64)_reinterpret_i(?:32|64)\(0x[0-9a-f]+\) /\* -?nan:0x[0-9a-f]+ \*/",
    r"%s|-\(%s\)" % (REGISTER, REGISTER), r"!\(%s\)" % REGISTER, r"%s\(%s\)" % (CASTS, REGISTER),
    r"%s %s %s" % (REGISTER, OPERATOR, REGISTER),
    r"%s\(%s%s %s %s%s\)" % (CASTS, CASTS, REGISTER, OPERATOR, CASTS, REGISTER),
    r"%s\(%s%s >> \(%s & \d+\)\)" % (CASTS, CASTS, REGISTER, REGISTER),
    r"%s \? %s : %s" % (REGISTER, REGISTER, REGISTER),
])
STATEMENT = r"|".join([
    r"%s = (?:%s);" % (REGISTER, VALUE),
    r"%s (?:\+|-|\*|/|&|\||\^)= %s;" % (REGISTER, REGISTER),
    r"%s (?:<<|>>)= \(%s & \d+\);" % (REGISTER, REGISTER),
    r"instance->w2c___stack_pointer = (?:%s|\d+u);" % REGISTER,
    r"(?:%s)\(%s, %s, %s\);" % (STORE, MEMORY, ADDRESS, REGISTER),
    r"memory_fill\(%s, %s\);" % (MEMORY, REGISTERS),
    r"memory_copy\(%s, %s, %s\);" % (MEMORY, MEMORY, REGISTERS),
    r"%s;" % CALL, r"%s;" % INDIRECT,
    r"if \(%s\) \{(?:(?:%s = %s; )?goto %s;\})?" % (REGISTER, REGISTER, REGISTER, LABEL),
    r"\} else \{", r"\}", r"(?:%s = %s; )?goto %s;" % (REGISTER, REGISTER, LABEL), r"%s:;?" % LABEL, r"switch \(%s\) \{" % REGISTER,
    r"TARGETS\(targets_\d+\) = \{", r"(?:&&%s, ?)+" % LABEL, r"\};", r"GOTO_TARGET\(targets_\d+, %s\);" % REGISTER,
    r"case \d+: goto %s;" % LABEL, r"default: goto %s;" % LABEL,
    r"return(?: (?:%s|%s))?;" % (REGISTER, CALL), r"UNREACHABLE;", r"FUNC_PROLOGUE;",
    r"FUNC_EPILOGUE;", r"ENTER\(%s, %s\);" % (TYPE, CALL), r"ENTER_VOID\(%s\);" % CALL,
    # Declarations, also when they go over several lines.
    r"(?:%s )?(?:%s(?: = 0)?(?:, ?|;| = 0,? ?;?))+" % (TYPE, REGISTER),
])
PARAMETERS = r"(?:, %s %s)*" % (TYPE, REGISTER)
PROTOTYPE = r"static (?:void|%s) %s\(Z_quickjs_instance_t\*(?:, %s)*\);" % (TYPE, FUNCTION, TYPE)
DEFINITION = (r"(?:static )?(?:void|%s) (?:%s|Z_quickjsZ_\w+)\(Z_quickjs_instance_t\* instance%s\) \{"
              % (TYPE, FUNCTION, PARAMETERS))
TOP = r"|".join([
    PROTOTYPE, DEFINITION, r"/\* export: '\w+' \*/",
    r"static bool s_module_initialized = false;", r"static u32 func_types\[\d+\];",
    r"static void init_func_types\(void\) \{",
    r"func_types\[\d+\] = wasm_rt_register_func_type\(\d+, [01](?:, WASM_RT_[IF]\d\d)*\);",
    r"static void init_(?:globals|memories|tables|data_instances|elem_instances)"
    r"\(Z_quickjs_instance_t ?\* ?instance\) \{",
    r"static const u8 data_segment_data_w2c_d\d+\[\] = \{", r"(?:0x[0-9a-f]{2},? ?)+", r"\};",
    r"wasm_rt_allocate_memory\(%s, \d+, \d+\);" % MEMORY,
    r"LOAD_DATA\(instance->w2c_memory, \d+u, data_segment_data_w2c_d\d+, \d+\);",
    r"static const wasm_elem_segment_expr_t elem_segment_exprs_w2c_e\d+\[\] = \{",
    # The last number is where the callee's instance is found: 0 is this very one.
    r"\{\d+, \(wasm_rt_function_ptr_t\)&%s, 0\}," % FUNCTION,
    r"wasm_rt_allocate_funcref_table\(&%s, \d+, \d+\);" % TABLE,
    r"funcref_table_init\(&%s, elem_segment_exprs_w2c_e0, \d+, 1u, 0, \d+, instance, func_types\);"
    % TABLE,
    # The accessors that wasm2c adds for the embedder.
    r"return &instance->w2c_\w+;",
    r"(?:wasm_rt_memory_t|u32|wasm_rt_funcref_table_t)\* Z_quickjsZ_\w+\(Z_quickjs_instance_t\* instance\) \{",
    r"static void init_instance_import\(Z_quickjs_instance_t\* instance, struct Z_env_instance_t\* "
    r"Z_env_instance, struct Z_wasi_snapshot_preview1_instance_t\* Z_wasi_snapshot_preview1_instance\)\{",
    r"instance->Z_(env|wasi_snapshot_preview1)_instance = Z_\1_instance;",
    r"void Z_quickjs_(?:init_module\(void|free\(Z_quickjs_instance_t\* instance)\) \{",
    r"void Z_quickjs_instantiate\(Z_quickjs_instance_t\* instance, struct Z_env_instance_t\* "
    r"Z_env_instance, struct Z_wasi_snapshot_preview1_instance_t\* Z_wasi_snapshot_preview1_instance\) \{",
    r"assert\((?:wasm_rt_is_initialized\(\)|s_module_initialized)\);", r"s_module_initialized = true;",
    r"init_func_types\(\);", r"init_(?:globals|memories|tables|data_instances|elem_instances)\(instance\);",
    r"init_instance_import\(instance, Z_env_instance, Z_wasi_snapshot_preview1_instance\);",
    r"wasm_rt_free_(?:funcref_table\(&%s|memory\(%s)\);" % (TABLE, MEMORY),
    # Parameter lists that go over several lines.
    r"(?:%s %s(?:, ?|\) \{))+" % (TYPE, REGISTER),
    r"(?:static )?(?:void|%s) (?:%s|Z_quickjsZ_\w+)\(Z_quickjs_instance_t\* instance(?:, %s %s)*,"
    % (TYPE, FUNCTION, TYPE, REGISTER),
])
LINE = re.compile(r"(?:%s|%s)?" % (STATEMENT, TOP))
# What wasm2c makes of an export that is a function, and what an export looks like here.
EXPORT = re.compile(
    r"^((void|%s) Z_quickjsZ_\w+\(Z_quickjs_instance_t\* instance(?:,[^{]*)?\) \{\n)"
    r"  (?:return )?(w2c_\w+\(instance[^;]*\));\n\}$" % TYPE, re.M)
ENTRY = re.compile(r"^(?:void|%s) Z_quickjsZ_[^{]*\{\n(.*)$" % TYPE, re.M)
TARGETS_BLOCK = re.compile(r"^ *TARGETS\([^{]*\{([^}]*)\};", re.M)
CALLEE_INSTANCE = re.compile(r"%s\.data\[%s\]\.module_instance" % (TABLE, REGISTER))


def violations(text):
    """(line number, line) of each line that is of no known form, the first 20."""
    known, found = set(), []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if line in known:
            continue
        if LINE.fullmatch(line):
            known.add(line)
            continue
        # `w2c_B3:; statement`, `w2c_L1: ` and the like: a label in front of another form.
        label = re.match(r"%s:;? ?" % LABEL, line)
        if label and LINE.fullmatch(line[label.end():]):
            continue
        found.append((number, line))
        if len(found) == 20:
            break
    for table in TARGETS_BLOCK.finditer(text):
        if table.group(1).count("&&") != 256:
            found.append((text.count("\n", 0, table.start()) + 1, table.group(0).split("\n")[0].strip()))
    for entry in ENTRY.finditer(text):
        if not re.match(r"  ENTER(?:_VOID)?\(", entry.group(1)):
            found.append((text.count("\n", 0, entry.start()) + 2, entry.group(1).strip()))
    return found


def enter(export):
    """An export that calls its function through ENTER."""
    head, result, call = export.groups()
    how = "ENTER_VOID(" if result == "void" else "ENTER(%s, " % result
    return "%s  %s%s);\n}" % (head, how, call)


# How clang brought a table of labels, indexed by an opcode, into WebAssembly: the opcode finds the
# label's number in a constant table of the engine, and a switch over the number finds the label.
OPCODE_SWITCH = re.compile(
    r"(?P<head>(?P<i>w2c_i\d+) = i32_load8_u\(%(memory)s, \(u64\)\((?P=i)\)\);\n"
    r"\s*(?P<opcode>w2c_l\d+) = (?P=i);\n)"
    r"\s*(?P<k>w2c_i\d+) = 2u;\n\s*(?P=i) <<= \((?P=k) & 31\);\n"
    r"\s*(?P=i) = i32_load\(%(memory)s, \(u64\)\((?P=i)\) \+ (?P<table>\d+)u\);\n"
    r"(?:\s*(?P=k) = (?P<first>\d+)u;\n\s*(?P=i) -= (?P=k);\n)?"
    r"\s*switch \((?P=i)\) \{\n(?P<cases>(?:\s*case \d+: goto %(label)s;\n)+)"
    r"\s*default: goto (?P<default>%(label)s);\n\s*\}\n" % {"memory": MEMORY, "label": LABEL})


# The engine is built with its debugging aids: in front of each instruction it asks bit 15 of the
# runtime's dump_flags, at 752, whether to print it, and does so by one of two functions.
TRACE = re.compile(
    r"(?P<i>w2c_i\d+) = i32_load8_u\(%s, \(u64\)\((?P=i)\) \+ 753u\);\n"
    r"(?P<rest>\s*(?P<k>w2c_i\d+) = 128u;\n\s*(?P=i) &= (?P=k);\n\s*if \((?P=i)\) \{\n"
    r"(?:\s*w2c_i\d+ = (?:w2c_[lp]\d+|\d+u|i32_load\(%s, %s\));\n)+"
    r"\s*(?P<print>w2c_f\d+)\(instance%s\);\n\s*\}\n)" % (MEMORY, MEMORY, ADDRESS, ARGUMENTS))
TRACES = 223


def constants(generated, at, count):
    """`count` bytes that the engine's memory has at `at` before anything ran."""
    for load in re.finditer(
            r"LOAD_DATA\(instance->w2c_memory, (\d+)u, (\w+), (\d+)\);", generated):
        start, size = int(load.group(1)), int(load.group(3))
        if start <= at and at + count <= start + size:
            text = re.search(r"%s\[\] = \{([^}]*)\};" % load.group(2), generated).group(1)
            data = bytes(int(byte, 16) for byte in re.findall(r"0x[0-9a-f]{2}", text))
            return data[at - start:at - start + count]
    raise ValueError("no constants at %d" % at)


def join_tables(generated):
    """Such a dispatch with one table of labels instead of two, so that gcc can put a jump of its own
    behind each instruction. The engine never writes to its table; a script that made it do so would
    change nothing."""
    def joined(found):
        table = constants(generated, int(found.group("table")), 4 * 256)
        first = int(found.group("first") or 0)
        cases = {int(number): label for number, label in re.findall(
            r"case (\d+): goto (%s);" % LABEL, found.group("cases"))}
        labels = []
        for opcode in range(256):
            number = int.from_bytes(table[4 * opcode:4 * opcode + 4], "little") - first
            labels.append(cases.get(number, found.group("default")))
        name = "targets_%s" % found.group("table")
        rows = ["&&" + ", &&".join(labels[i:i + 8]) + "," for i in range(0, 256, 8)]
        return "%sTARGETS(%s) = {\n%s\n};\nGOTO_TARGET(%s, %s);\n" % (
            found.group("head"), name, "\n".join(rows), name, found.group("opcode"))
    return OPCODE_SWITCH.sub(joined, generated)


def without_traces(generated):
    """Nothing is ever printed: nobody sets that flag, and a script that made the engine set it would
    only not see its instructions."""
    printers = set(found.group("print") for found in TRACE.finditer(generated))
    out, count = TRACE.subn(r"\g<i> = 0u;\n\g<rest>", generated)
    if count != TRACES or len(printers) > 2:
        raise ValueError("%d traces by %d functions, not %d by two" % (count, len(printers), TRACES))
    return out


def body_of(generated):
    """What follows wasm2c's own rules, with the callee's instance made the constant that it is and
    exports that enter."""
    start = generated.find(START)
    if start < 0:
        raise ValueError("no line '%s': not the wasm2c this was written for" % START)
    body = without_traces(join_tables(generated[start:]))
    return EXPORT.sub(enter, CALLEE_INSTANCE.sub("instance", body))


def main(arguments):
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    if arguments[0] == "--check":
        with open(arguments[1], encoding="utf-8") as file:
            text = file.read()
        if not text.startswith(HEADER):
            print("%s: not made by this script" % arguments[1], file=sys.stderr)
            return 1
        body = text[len(HEADER):]
    else:
        with open(arguments[0], encoding="utf-8") as file:
            body = body_of(file.read())
    found = violations(body)
    for number, line in found:
        print("line %d: not an allowed form: %s" % (number, line[:200]), file=sys.stderr)
    if found:
        return 1
    if arguments[0] != "--check":
        with open(arguments[1], "w", encoding="utf-8") as file:
            file.write(HEADER + body)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
