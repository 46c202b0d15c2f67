"""Sphinx: Markdown by MyST, docstrings by numpydoc."""

import sys
from pathlib import Path

import l2o

sys.path.insert(0, str(Path(__file__).parent))
from play_numbers import script

project = "l2o"
author = "the l2o developers"
copyright = author
version = release = l2o.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.mathjax", "numpydoc",
              "sphinx_design", "sphinx_gallery.gen_gallery"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "results"]  # results are included in pages
templates_path = ["_templates"]

autosummary_generate = True
autodoc_typehints = "none"  # the docstrings say it
autodoc_member_order = "bysource"
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/(?!many_fits|tensor_maps)\w+\.py$",  # one measures times, one needs dipy; pictures are there
    "ignore_pattern": r"^(decay_numba|large_image)\.py",  # they draw nothing
    "thumbnail_size": (560, 300),
    "show_signature": False,
    "write_computation_times": False,
    "min_reported_time": 3600,
    "remove_config_comments": True,
    "reset_modules": (),
    "backreferences_dir": None,
}

html_theme = "furo"
html_title = f"l2o {version}"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]


def setup(app):
    """Write the numbers of the page to play with."""
    (Path(__file__).parent / "_static" / "universal.js").write_text(script(), encoding="utf-8")
