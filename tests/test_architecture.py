"""The shape of the code: who may import whom, how long a file may be, what every file says of itself.

Read from the source with `ast`, so that a forbidden import inside a function is found too.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("generation", "catalog", "flows")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

# The only modules of generation that know sound and words but no network; catalog stands on these.
SHARED = (
    "generation.audio", "generation.descriptors", "generation.prompts.vocabulary",
)  # fmt: skip
# Library -> the only places that may import it.
AT_HOME = {
    "prefect": ("flows",),
    "typer": ("flows",),
    "sqlalchemy": ("catalog",),
    "alembic": ("catalog",),
    "faiss": ("catalog",),
}
# Runs on a bare GPU machine: training and embedding without the parts that keep, schedule and ask.
BARE = ("generation", "catalog/embedders", "flows/train.py", "flows/parents.py", "flows/recipes")
BARE_WITHOUT = ("prefect", "sqlalchemy", "alembic", "faiss", "typer")
HEAVY = (
    "torch", "torchvision", "transformers", "diffusers", "accelerate", "open_clip", "librosa", "scipy",
    "faiss", "sqlalchemy", "alembic", "prefect",
)  # fmt: skip
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}
LONGEST = 400


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Yield each module that a file imports anywhere, with its line; names from a package as package.name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno}: write imports in full, not relative"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def within(module: str, allowed: tuple[str, ...]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in allowed)


def offences(allowed: dict[str, tuple[str, ...]]) -> list[str]:
    found = []
    for path in SOURCES:
        package = path.relative_to(ROOT).parts[0]
        for module, line in imports(path):
            if module.split(".")[0] in PACKAGES and not within(module, (package, *allowed[package])):
                found.append(f"{name_of(path)}:{line} imports {module}")
    return found


def test_there_is_something_to_look_at() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in SOURCES} == set(PACKAGES)
    assert len(SOURCES) > 30


def test_imports_go_one_way() -> None:
    allowed = {"generation": (), "catalog": SHARED, "flows": ("generation", "catalog")}
    assert offences(allowed) == []


def test_the_guard_sees_an_import_that_is_not_allowed() -> None:
    assert offences({"generation": (), "catalog": (), "flows": ()}) != []


@pytest.mark.parametrize("library", AT_HOME)
def test_a_library_stays_where_it_belongs(library: str) -> None:
    strangers = [
        f"{name_of(path)}:{line}"
        for path in SOURCES
        for module, line in imports(path)
        if module.split(".")[0] == library and path.relative_to(ROOT).parts[0] not in AT_HOME[library]
    ]
    assert strangers == []


def test_what_runs_on_a_bare_gpu_machine_names_no_store_and_no_flow() -> None:
    found = []
    for path in SOURCES:
        if not name_of(path).startswith(BARE):
            continue
        for module, line in imports(path):
            if module.split(".")[0] in BARE_WITHOUT:
                found.append(f"{name_of(path)}:{line} imports {module}")
    assert found == []


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_file_says_what_it_is_for_and_stays_short(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), "no module docstring"
    assert len(text.splitlines()) <= LONGEST, f"more than {LONGEST} lines"
    assert path.stem not in VAGUE_NAMES, "a name that says nothing"
    assert path.parent.name not in VAGUE_NAMES, "a folder name that says nothing"


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_a_test_file_says_what_it_tests_and_stays_short(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), "no module docstring"
    assert len(text.splitlines()) <= LONGEST, f"more than {LONGEST} lines"


def test_no_folder_bears_the_name_of_a_diffusers_pipeline() -> None:
    # diffusers would look a component up in its own pipeline of that name instead of in our module.
    import diffusers.pipelines

    theirs = {path.name for path in Path(diffusers.pipelines.__path__[0]).iterdir() if path.is_dir()}
    ours = {path.parent.name for path in SOURCES}
    assert len(theirs) > 20
    assert ours & theirs - {"__pycache__"} == set()


def test_every_library_that_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {Requirement(text).name.lower() for text in project["dependencies"]}
    # Import name -> distribution, where they differ.
    named = {
        "PIL": "pillow", "faiss": "faiss-cpu", "fluidsynth": "pyfluidsynth", "open_clip": "open_clip_torch",
        "yaml": "pyyaml",
    }  # fmt: skip
    # Comes with torch, transformers or a declared library that cannot be had without it.
    carried = {"huggingface_hub"}
    undeclared = {
        module.split(".")[0]
        for path in SOURCES
        for module, _ in imports(path)
        if (top := module.split(".")[0]) not in sys.stdlib_module_names
        and top not in PACKAGES
        and named.get(top, top).lower() not in declared | carried
    }
    assert undeclared == set()


def loaded_after(statement: str) -> set[str]:
    program = f"{statement}\nimport sys; print(' '.join(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {module.split(".")[0] for module in done.stdout.splitlines()[-1].split()}


def test_the_packages_and_the_command_line_import_nothing_heavy() -> None:
    loaded = loaded_after("import generation, catalog, flows, flows.cli")
    assert sorted(loaded & set(HEAVY)) == []


def test_training_and_embedding_import_on_a_bare_gpu_machine() -> None:
    modules = sorted(
        name_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for path in SOURCES
        if name_of(path).startswith(BARE) and path.name != "__main__.py"
    )
    blocked = f"import sys; sys.modules.update(dict.fromkeys({BARE_WITHOUT!r}))"
    loaded = loaded_after(f"{blocked}\nimport {', '.join(modules)}")
    assert "torch" in loaded
