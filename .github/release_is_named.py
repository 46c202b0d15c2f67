"""Exit with an error unless a tag, v1.2.3, is the version of the package and a released section of the changelog.

    python .github/release_is_named.py TAG
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def faults(tag: str) -> list[str]:
    """Return what is wrong with a tag."""
    version = re.search(r'__version__ = "(.+)"', (ROOT / "src/l2o/version.py").read_text(encoding="utf-8"))[1]
    heading = f"## [{version}] - "
    released = [line for line in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
                if line.startswith(heading) and re.fullmatch(r"\d{4}-\d\d-\d\d", line.removeprefix(heading))]
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.M)[1]
    return [*([f"the tag is {tag}; expected v{version}, the version of the package"] if tag != f"v{version}" else []),
            *([] if released else [f"CHANGELOG.md has no line '{heading}' with a date"]),
            *([f"CITATION.cff has version {cited}; expected {version}"] if cited != version else [])]


if __name__ == "__main__":
    found = faults(sys.argv[1])
    print("\n".join(found) or "the tag, the package, the changelog and the citation agree")
    sys.exit(bool(found))
