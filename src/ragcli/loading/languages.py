"""Languages of source code, by suffix and by the names of files that have none."""

from __future__ import annotations

_SUFFIXES = {
    "ada": ".adb .ads", "assembly": ".asm .s", "awk": ".awk", "batch": ".bat .cmd", "bibtex": ".bib", "c": ".c .h",
    "clojure": ".clj .cljs .edn", "cmake": ".cmake", "cobol": ".cob .cbl", "coffeescript": ".coffee",
    "cpp": ".cc .cpp .cxx .hh .hpp .hxx .ino", "csharp": ".cs", "css": ".css", "cuda": ".cu .cuh",
    "cython": ".pyx .pxd",
    "d": ".d", "dart": ".dart", "diff": ".diff .patch", "elixir": ".ex .exs", "elm": ".elm", "erlang": ".erl .hrl",
    "fish": ".fish", "fortran": ".f .f90 .f95 .f03 .for", "fsharp": ".fs .fsx", "glsl": ".glsl .vert .frag",
    "go": ".go", "graphql": ".graphql .gql", "groovy": ".groovy .gradle", "haskell": ".hs", "hcl": ".tf .hcl",
    "ini": ".ini .cfg .conf .properties .desktop .env", "java": ".java", "javascript": ".js .mjs .cjs .jsx",
    "json5": ".json5 .jsonc", "julia": ".jl", "kotlin": ".kt .kts", "less": ".less", "lisp": ".lisp .el .scm .rkt",
    "lua": ".lua", "makefile": ".mk .mak", "matlab": ".m", "nim": ".nim", "nix": ".nix", "objective-c": ".mm",
    "ocaml": ".ml .mli", "pascal": ".pas .pp .dpr", "perl": ".pl .pm", "php": ".php .phtml", "powershell": ".ps1 .psm1",
    "prolog": ".pro", "protobuf": ".proto", "puppet": ".pp", "python": ".py .pyi .pyw", "r": ".r",
    "ruby": ".rb .rake .gemspec", "rust": ".rs", "sass": ".sass .scss", "scala": ".scala .sbt",
    "shell": ".sh .bash .zsh .ksh", "solidity": ".sol", "sql": ".sql .ddl", "svelte": ".svelte", "swift": ".swift",
    "tcl": ".tcl", "thrift": ".thrift", "toml": ".toml", "typescript": ".ts .tsx .mts .cts", "vala": ".vala",
    "verilog": ".v .sv .svh", "vhdl": ".vhd .vhdl", "vim": ".vim", "visual basic": ".vb .vbs .bas .cls .frm",
    "vue": ".vue", "yaml": ".yaml .yml", "zig": ".zig",
}  # fmt: skip

BY_SUFFIX = {suffix: language for language, suffixes in _SUFFIXES.items() for suffix in suffixes.split()}
BY_NAME = {
    "makefile": "makefile", "gnumakefile": "makefile", "dockerfile": "dockerfile", "containerfile": "dockerfile",
    "cmakelists.txt": "cmake", "rakefile": "ruby", "gemfile": "ruby", "vagrantfile": "ruby", "jenkinsfile": "groovy",
    "build": "starlark", "workspace": "starlark", "sconstruct": "python", "snakefile": "python",
}  # fmt: skip
