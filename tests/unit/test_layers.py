"""A module imports its own level or lower ones only: data flows one way."""

import ast
from pathlib import Path

import pytest

import symsim

LEVELS = [
    {"errors", "paths"},
    {"units", "symbols", "tree"},
    {"syntax", "tables", "hardware", "conventions", "deployment", "formats", "module_names", "json_keys", "nearest"},
    {"config", "lookup", "algebra", "query", "arithmetic", "quantization"},
    {"graph", "kinds", "quantization_schemes", "gemm_rate", "modules"},
    {"sizes", "library", "quantization_methods"},
    {"quantization_config"},
    {"family"},
    {"lower", "checkpoint"},
    {"cost", "binding"},
    {"roofline", "memory"},
    {"schedule"},
    {"metrics"},
    {"printers", "monotone"},
    {"evaluate"},
    {"closed_form"},
    {"explain", "sheet", "bound_tables", "answer", "flat", "scan"},
    {"compiled", "regime", "render.text", "render.latex", "render.python", "render.targets"},
    {"render.html", "render.typst", "render.terms", "latex_syntax"},
    {"names", "normal_form"},
    {"differences", "agreement"},
    {"inverse", "grid", "local_form", "judgement"},
    {"solve"},
    {"render.markdown", "render.document"},
    {"formula"},
    {"api", "kernel_costs", "draft", "transformers_counts"},
    {"report", "comparison", "sensitivity", "pieces", "references", "worked", "verification", "counts"},
    {"published", "show", "render.cases", "render.worked", "section", "sweep_blocks", "regime_map"},
    {"sweep_plan", "front", "render.plane", "render.tables"},
    {"sweep_files", "render.runs"},
    {"sweeping", "render.paper"},
    {"plot", "command.axes"},
    {"publication"},
    {"command.point", "command.subject"},
    {
        f"command.{name}"
        for name in (
            "simulate",
            "formula",
            "solve",
            "compare",
            "kernel",
            "graph",
            "listing",
            "validate",
            "sensitivity",
            "regimes",
            "sweep",
            "paper",
            "verify",
            "params",
            "flops",
            "cache",
            "new_model",
            "check_model",
        )
    },
    {"cli"},
]
LEVEL = {module: level for level, modules in enumerate(LEVELS) for module in modules}
PACKAGE = Path(symsim.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if path.name != "__init__.py"
)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module: str) -> None:
    tree = ast.parse((PACKAGE / f"{module.replace('.', '/')}.py").read_text())
    modules = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    named = [
        f"{node.module}.{alias.name}" for node in modules if node.module == "symsim.command" for alias in node.names
    ]
    whole = [node.module for node in modules if (node.module or "").startswith("symsim.")]
    imported = {str(name).removeprefix("symsim.") for name in (*named, *whole)} - {"command"}
    upward = {name for name in imported if LEVEL[name] >= LEVEL[module]}
    assert not upward


def test_no_model_or_device_is_named_in_code() -> None:
    names = ("deepseek", "qwen", "llama", "h800", "h200", "gb200", "ascend", "instinct", "geforce")
    for path in PACKAGE.rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        prose = {node.value for node in nodes if isinstance(node, ast.Expr)}  # docstrings may cite
        texts = [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str) and n not in prose]
        assert not [text for text in texts if any(name in text.lower() for name in names)], path
