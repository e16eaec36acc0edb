#!/usr/bin/env python3
"""The check of the generated engine finds what it is there for. Run by ctest (EngineSourceSelfTest).

    engine_source_test.py ENGINE.c    ENGINE.c: what the build made
"""
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import engine_source  # noqa: E402

# Each is a way around the guards that a changed translator, or a changed file, could bring.
AROUND = [
    "w2c_i0 = *(u32*)(instance->w2c_memory.data + w2c_i1);",
    "w2c_i0 = instance->w2c_memory.data[w2c_i1];",
    "memcpy(&w2c_i0, instance->w2c_memory.data + w2c_i1, 4);",
    "instance->w2c_memory.size = w2c_i0;",
    "instance->w2c_memory.data = (u8*)w2c_j0;",
    "w2c_i0 = i32_load(&instance->w2c_memory, (u64)(w2c_i0) + 8589934592u);",
    "w2c_i0 = i32_load(&instance->w2c_memory, (u64)(w2c_i0) * 65536u);",
    "w2c_i0 = i32_load(&instance->w2c_memory, w2c_j0);",
    "i32_store(&instance->w2c_memory, (u64)(w2c_i0) + 4u, *w2c_p0);",
    "((void (*)(void))w2c_j0)();",
    "w2c_i0 = CALL_INDIRECT(instance->w2c___indirect_function_table, u32 (*)(void*), 3, w2c_i2, "
    "w2c_j0, w2c_i0);",
    "instance->w2c___indirect_function_table.data[w2c_i0].func = 0;",
    "{3, (wasm_rt_function_ptr_t)&w2c_f10, 8},",
    "{3, (wasm_rt_function_ptr_t)&system, 0},",
    'system("x");', 'asm("syscall");', "goto *w2c_j0;", "#include <stdlib.h>", "#define i32_load x",
    "w2c_i0 = adyton_script_stack_limit;", "adyton_script_stack_limit = 0;",
    "wasm_rt_grow_memory(&instance->w2c_memory, 4096);",
    "static u32 w2c_f1(Z_quickjs_instance_t* instance) { return 1; }",
    "adyton_memory = (u8*)w2c_j0;", "ENTER(u32, w2c_i0);",
    "GOTO_TARGET(targets_1, w2c_i0 + 256);", "goto *targets_1[w2c_i0];", "&&w2c_B1, &&w2c_f1,",
]
# What wasm2c makes of a dispatch by a table of labels.
DISPATCH = """  LOAD_DATA(instance->w2c_memory, 1000u, data_segment_data_w2c_d0, 1028);
static const u8 data_segment_data_w2c_d0[] = {
  %s
};
  w2c_i1 = i32_load8_u(&instance->w2c_memory, (u64)(w2c_i1));
  w2c_l12 = w2c_i1;
  w2c_i2 = 2u;
  w2c_i1 <<= (w2c_i2 & 31);
  w2c_i1 = i32_load(&instance->w2c_memory, (u64)(w2c_i1) + 1004u);
  w2c_i2 = 2u;
  w2c_i1 -= w2c_i2;
  switch (w2c_i1) {
    case 0: goto w2c_B5;
    case 1: goto w2c_B6;
    default: goto w2c_B7;
  }
"""


class EngineSource(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(ENGINE, encoding="utf-8") as file:
            cls.text = file.read()
        cls.body = cls.text[len(engine_source.HEADER):]

    def test_what_the_build_made_passes(self):
        self.assertTrue(self.text.startswith(engine_source.HEADER))
        self.assertEqual(engine_source.violations(self.body), [])

    def test_the_interpreter_jumps_by_one_table(self):
        self.assertEqual(self.body.count("GOTO_TARGET("), 1)
        numbers = [0, 2, 3, 4] + [1] * 252
        words = [0] + numbers  # the table begins at the second
        data = ", ".join("0x%02x" % byte for word in words for byte in word.to_bytes(4, "little"))
        joined = engine_source.join_tables(DISPATCH % data)
        self.assertIn("GOTO_TARGET(targets_1004, w2c_l12);", joined)
        self.assertNotIn("switch", joined)
        labels = re.findall(r"&&w2c_B(\d+)", joined)
        self.assertEqual(labels, ["7", "5", "6"] + ["7"] * 253)

    def test_a_table_that_is_short_is_found(self):
        short = self.body.replace("&&w2c_B278, ", "", 1)
        self.assertEqual([line for _, line in engine_source.violations(short)][:1],
                         ["TARGETS(targets_1090640) = {"])

    def test_no_instruction_asks_whether_it_is_to_be_printed(self):
        self.assertIsNone(engine_source.TRACE.search(self.body))
        with self.assertRaises(ValueError):
            engine_source.without_traces(self.body)

    def test_every_function_checks_its_stack(self):
        definitions = self.body.count("FUNC_PROLOGUE;")
        self.assertGreater(definitions, 1500)
        self.assertEqual(definitions, self.body.count("FUNC_EPILOGUE;"))

    def test_each_way_around_is_found(self):
        lines = self.body.split("\n")
        middle = next(i for i in range(len(lines) // 2, len(lines)) if lines[i].startswith("  w2c_"))
        for line in AROUND:
            with self.subTest(line=line):
                seeded = "\n".join(lines[middle - 50:middle] + ["  " + line] + lines[middle:middle + 50])
                self.assertEqual([text for _, text in engine_source.violations(seeded)], [line])

    def test_an_export_that_does_not_enter_is_found(self):
        export = "u32 Z_quickjsZ_f(Z_quickjs_instance_t* instance, u32 w2c_p0) {\n  %s\n}\n"
        entered = engine_source.EXPORT.sub(
            engine_source.enter, export % "return w2c_f(instance, w2c_p0);")
        self.assertEqual(entered, export % "ENTER(u32, w2c_f(instance, w2c_p0));")
        self.assertEqual(engine_source.violations(entered), [])
        self.assertEqual(
            engine_source.violations(export % "return w2c_f(instance, w2c_p0);"),
            [(2, "return w2c_f(instance, w2c_p0);")])
        self.assertGreater(self.body.count("  ENTER(") + self.body.count("  ENTER_VOID("), 400)

    def test_another_translator_is_refused(self):
        with self.assertRaises(ValueError):
            engine_source.body_of("int main(void) { return 0; }")


if __name__ == "__main__":
    ENGINE = sys.argv.pop(1)
    unittest.main()
