"""Build every .pyx in the rooms of src/l2o/_kernels; the ones marked so once per instruction set.

A marked module is cythonized under its true name and compiled once a level from a copy of its C file
(own object file), with PyInit renamed. l2o._kernels chooses among the copies at import.

With L2O_DEBUG=1 in the environment (make debug) the kernels check their indices and run under AddressSanitizer and
UndefinedBehaviorSanitizer, with L2O_DEBUG=thread (make threads) under ThreadSanitizer, in a build folder of their own.
"""

import os
import re
import shutil
import sys
import sysconfig
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup

KERNELS = Path("src/l2o/_kernels")
MARK = "# l2o: built per instruction set"

DEBUG = os.environ.get("L2O_DEBUG", "0").replace("0", "")
BUILD = Path("build", "threads" if DEBUG == "thread" else "debug") if DEBUG else Path("build")

if sys.platform == "win32":
    FLAGS, LIBRARIES = ["/O2", "/fp:precise"], []
    LEVELS = {"baseline": [], "avx2": ["/arch:AVX2"], "avx512": ["/arch:AVX512"]}
else:
    # -O3 follows Python's own CFLAGS: at -O2 gcc 12 leaves most kernel loops scalar (2.6 times slower)
    FLAGS, LIBRARIES = ["-O3", "-g0", "-fvisibility=hidden", "-fno-math-errno"], ["m"]
    LEVELS = {"baseline": [], "avx2": ["-march=x86-64-v3"], "avx512": ["-march=x86-64-v4"]}
SANITIZE = ["-fsanitize=thread"] if DEBUG == "thread" else [
    "-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all"] if DEBUG else []
if DEBUG:
    FLAGS = ["-O1", "-g", "-fno-omit-frame-pointer", "-fvisibility=hidden", *SANITIZE]


def is_x86_64():
    """Whether kernels are built for x86-64 alone; macOS wheels are cross-built, or hold two architectures."""
    targets = re.findall(r"-arch\s+(\S+)", os.environ.get("ARCHFLAGS", "")) or [sysconfig.get_platform()]
    return all(target.endswith(("x86_64", "amd64")) for target in targets)


if not is_x86_64():
    LEVELS = {"baseline": []}


def per_level(extension):
    """One extension a level from the C file of `extension`."""
    module = extension.name.rpartition(".")[2]
    for level, flags in LEVELS.items():
        source = BUILD / "levels" / level / Path(extension.sources[0]).name
        source.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(extension.sources[0], source)
        yield Extension(
            f"{extension.name}_{level}",
            [str(source)],
            include_dirs=extension.include_dirs,
            libraries=LIBRARIES,
            extra_compile_args=FLAGS + flags,
            extra_link_args=SANITIZE,
            define_macros=[*extension.define_macros, (f"PyInit_{module}", f"PyInit_{module}_{level}")],
        )


sources = [
    Extension(f"l2o._kernels.{pyx.parent.name}.{pyx.stem}", [str(pyx)],
              include_dirs=[str(KERNELS / "base"), numpy.get_include()],
              libraries=LIBRARIES, extra_compile_args=FLAGS, extra_link_args=SANITIZE,
              define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION"), ("L2O_BUILT", str(len(LEVELS)))])
    for pyx in sorted(KERNELS.glob("*/*.pyx"))
]
marked = {extension.name for extension in sources if MARK in Path(extension.sources[0]).read_text(encoding="utf-8")}
# wraparound stays off where bounds are checked: a negative index is then an error, too
directives = {"language_level": 3, "boundscheck": DEBUG, "wraparound": False, "cdivision": True,
              "initializedcheck": DEBUG, "embedsignature": True}
extensions = []
for extension in cythonize(sources, build_dir=str(BUILD / "c"), include_path=["src"], compiler_directives=directives,
                           emit_linenums=DEBUG):
    extensions += per_level(extension) if extension.name in marked else [extension]

setup(ext_modules=extensions, options={"build": {"build_base": str(BUILD)}})
