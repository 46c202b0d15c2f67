"""Build every .pyx of src/l2o/_kernels; the ones marked so once per instruction set.

A marked module is cythonized under its true name and compiled once a level from a copy of its C file
(own object file), with PyInit renamed. l2o._kernels chooses among the copies at import.
"""

import os
import platform
import shutil
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

KERNELS = Path("src/l2o/_kernels")
MARK = "# l2o: built per instruction set"

if sys.platform == "win32":
    FLAGS, LIBRARIES = ["/O2", "/fp:precise"], []
    LEVELS = {"baseline": [], "avx2": ["/arch:AVX2"], "avx512": ["/arch:AVX512"]}
else:
    # -O3 follows Python's own CFLAGS: at -O2 gcc 12 leaves most kernel loops scalar (2.6 times slower)
    FLAGS, LIBRARIES = ["-O3", "-g0", "-fvisibility=hidden", "-fno-math-errno"], ["m"]
    LEVELS = {"baseline": [], "avx2": ["-march=x86-64-v3"], "avx512": ["-march=x86-64-v4"]}
if platform.machine().lower() not in ("x86_64", "amd64") or "arm64" in os.environ.get("ARCHFLAGS", ""):
    LEVELS = {"baseline": []}


def per_level(extension):
    """One extension a level from the C file of `extension`."""
    module = extension.name.rpartition(".")[2]
    for level, flags in LEVELS.items():
        source = Path("build", "levels", level, Path(extension.sources[0]).name)
        source.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(extension.sources[0], source)
        yield Extension(
            f"{extension.name}_{level}",
            [str(source)],
            include_dirs=[str(KERNELS)],
            libraries=LIBRARIES,
            extra_compile_args=FLAGS + flags,
            define_macros=[(f"PyInit_{module}", f"PyInit_{module}_{level}")],
        )


sources = [
    Extension(f"l2o._kernels.{pyx.stem}", [str(pyx)], include_dirs=[str(KERNELS)], libraries=LIBRARIES,
              extra_compile_args=FLAGS)
    for pyx in sorted(KERNELS.glob("*.pyx"))
]
marked = {extension.name for extension in sources if MARK in Path(extension.sources[0]).read_text(encoding="utf-8")}
directives = {"language_level": 3, "boundscheck": False, "wraparound": False, "cdivision": True,
              "initializedcheck": False, "embedsignature": True}
extensions = []
for extension in cythonize(sources, build_dir="build/c", include_path=["src"], compiler_directives=directives):
    extensions += per_level(extension) if extension.name in marked else [extension]

setup(ext_modules=extensions)
