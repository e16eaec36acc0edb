#!/usr/bin/env python3
"""What takes types out of TypeScript, from the npm package sucrase to C++.

    bundle.py modules SUCRASE_DIST OUT.js    the package's modules as members of one object
    bundle.py embed MODULES.js ENTRY.js OUT.cpp  these and entry.js as text inside the program

Modules that only serve JSX, Flow, CommonJS and React are left out: what requires them meets an
empty object, and a call of theirs would be an error of the script. The same package gives the same
bytes, so the outcome of the first step is pinned by its hash.
"""

import pathlib
import re
import sys

LEFT_OUT = {
    "transformers/CJSImportTransformer",
    "transformers/FlowTransformer",
    "transformers/JSXTransformer",
    "transformers/JestHoistTransformer",
    "transformers/ReactDisplayNameTransformer",
    "transformers/ReactHotLoaderTransformer",
    "parser/plugins/flow",
    "parser/plugins/jsx/index",
    "parser/plugins/jsx/xhtml",
    "CJSImportProcessor",
}
ROOTS = [
    "parser/index",
    "TokenProcessor",
    "NameManager",
    "HelperManager",
    "identifyShadowedGlobals",
    "util/getTSImportedNames",
    "transformers/RootTransformer",
]
REQUIRE = re.compile(r"require\('(\.{1,2}/[^']+)'\)")


class Bundle:
    def __init__(self, root):
        self.root = root
        self.sources = {}

    def resolve(self, importer, name):
        base = (self.root / importer).parent / name
        for candidate in (base.with_name(base.name + ".js"), base / "index.js"):
            if candidate.is_file():
                path = candidate.resolve().relative_to(self.root.resolve())
                return path.with_suffix("").as_posix()
        sys.exit(f"bundle.py: {importer} requires {name}, which is not there")

    def visit(self, name):
        if name in self.sources:
            return
        if name in LEFT_OUT:
            self.sources[name] = ""
            return
        text = (self.root / (name + ".js")).read_text(encoding="utf-8")
        self.sources[name] = ""  # cycles end here

        def rename(match):
            found = self.resolve(name, match.group(1))
            self.visit(found)
            return f"require('{found}')"

        self.sources[name] = squeeze(REQUIRE.sub(rename, text))

    def text(self):
        return "".join(
            f"'{name}': function (exports, require) {{\n{source}}},\n"
            for name, source in sorted(self.sources.items())
        )


def squeeze(text):
    """Takes out blank lines and lines that are nothing but a comment: half of the bytes."""
    out = []
    in_comment = False
    in_template = False
    for line in text.split("\n"):
        bare = line.strip()
        if not in_template and (in_comment or bare.startswith("/*")):
            in_comment = "*/" not in bare
            if in_comment or bare.endswith("*/"):
                continue
            bare = line = line.split("*/", 1)[1]
        if not in_template and (not bare or bare.startswith("//")):
            continue
        if line.count("`") % 2 == 1:
            in_template = not in_template
        out.append(line if in_template else line.rstrip())
    return "\n".join(out) + "\n"


def modules(dist, out):
    bundle = Bundle(pathlib.Path(dist))
    for name in ROOTS:
        bundle.visit(name)
    pathlib.Path(out).write_text(bundle.text(), encoding="utf-8")


def embed(modules_file, entry_file, out):
    entry = pathlib.Path(entry_file).read_text(encoding="utf-8")
    text = entry.replace("/* MODULES */", pathlib.Path(modules_file).read_text(encoding="utf-8"))
    data = text.encode("utf-8")
    lines = [
        ",".join(str(byte) for byte in data[at : at + 32]) for at in range(0, len(data), 32)
    ]
    pathlib.Path(out).write_text(
        '#include "script/internal/type_stripper.h"\n\n'
        "namespace adyton::script::internal {\n"
        f"static const unsigned char kTypeStripper[{len(data)}] = {{\n"
        + ",\n".join(lines)
        + "};\nstd::string_view type_stripper_source() {\n"
        "    return {reinterpret_cast<const char*>(kTypeStripper), sizeof(kTypeStripper)};\n}\n"
        "}  // namespace adyton::script::internal\n",
        encoding="ascii",
    )


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "modules":
        modules(*sys.argv[2:])
    elif len(sys.argv) == 5 and sys.argv[1] == "embed":
        embed(*sys.argv[2:])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
