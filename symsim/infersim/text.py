"""The report as the reference prints it."""

from __future__ import annotations

from symsim.infersim.report import Report

LABEL_WIDTH = 40
RULE_WIDTH = 50

_WHOLE = (
    "Input seq len",
    "Output seq len",
    "Target decode batchsize",
    "Num hidden layers",
    "Max prefill tokens",
)
_FLAGS = {
    "kv_cache_too_large": "!Error: need smaller kvcache",
    "tpot_over_target": "!Error: TPOT > SLO, need smaller GFLOPs to speedup",
}


def report_text(report: Report) -> str:
    """The report as the reference prints it: headings, labels, order and rounding."""
    lines = ["", " Simulator Result ".center(RULE_WIDTH, "=")]
    lines += [_line(label, value) for label, value in report.header.items()]
    sections = [
        ("Model Weights", report.model_weights, None),
        ("KV Cache", report.kv_cache, "kv_cache_too_large"),
        ("FLOPs", report.flops, None),
        ("Prefilling", report.prefilling, None),
        ("Decoding", report.decoding, "tpot_over_target"),
    ]
    for title, figures, flag in sections:
        if figures:
            lines.append(title.center(RULE_WIDTH, "-"))
            lines += [_line(_printed(label, title), _rounded(label, value)) for label, value in figures.items()]
        if flag in report.flags:
            lines.append(_FLAGS[flag])
    return "\n".join(lines)


def _line(label: str, value: object) -> str:
    return f"{label + ':':<{LABEL_WIDTH}} {value!s:<10}"


def _printed(label: str, section: str) -> str:
    """Labels that the reference prints otherwise than it names them in data."""
    if label == "Throughput (TGS)" and section == "Prefilling":
        return "Throughput (TGS:tok/GPU/s)"
    return label.removesuffix(" [linear attn]")


def _rounded(label: str, value: float) -> str:
    if label in _WHOLE:
        return str(value)
    return f"{value:.0f}" if label == "Throughput (TGS)" else f"{value:.2f}"
