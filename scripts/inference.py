"""ONNX Runtime for scripts and tests: the one place that imports it.

Since 1.32 it reports to its maker, unless this variable says otherwise before it is loaded.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

__all__ = ["onnxruntime"]
