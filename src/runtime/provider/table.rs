//! The table of execution providers, an entry each: a provider is added here and nowhere else.

use std::str::FromStr;

use ort::ep::{self, ExecutionProviderDispatch};

use super::{OptionPairs, Precision, Provider};

/// Every provider that ONNX Runtime 1.24 or later may hold on a machine with an operating system, as `ort` knows
/// them; `auto` tries in this order. Left out: TVM, ROCm, Arm NN and VSINPU, which ONNX Runtime has removed; Azure,
/// which sends the work elsewhere; WebNN and WASM, which live in browsers.
pub static PROVIDERS: &[Provider] = &[
    Provider {
        name: "cuda",
        runs_on: "NVIDIA GPUs",
        needs: "an NVIDIA GPU with a driver for CUDA 13",
        remedy: "`make setup RUNTIME=cuda`",
        automatic: true,
        library: Some("onnxruntime_providers_cuda"),
        driver: NVIDIA_DRIVER,
        preload: CUDA_LIBRARIES,
        device: Some(device_id),
        options: &[
            "device_id",
            "gpu_mem_limit",
            "arena_extend_strategy",
            "cudnn_conv_algo_search",
            "cudnn_conv_use_max_workspace",
            "cudnn_conv1d_pad_to_nc1d",
            "do_copy_in_default_stream",
            "enable_cuda_graph",
            "enable_cudnn",
            "enable_skip_layer_norm_strict_mode",
            "prefer_nhwc",
            "sdpa_kernel",
            "tunable_op_enable",
            "tunable_op_tuning_enable",
            "tunable_op_max_tuning_duration_ms",
            "use_ep_level_unified_stream",
            "use_tf32",
        ],
        // EXHAUSTIVE has had cuDNN 9 choose by the better of its heuristics since ONNX Runtime 1.20; it measures nothing.
        defaults: &[
            ("cudnn_conv_algo_search", "EXHAUSTIVE"),
            ("cudnn_conv_use_max_workspace", "1"),
            ("arena_extend_strategy", "kSameAsRequested"),
        ],
        few_runs: &[("cudnn_conv_algo_search", "HEURISTIC")],
        // While launches are recorded no memory can be taken.
        when_replayed: &[("arena_extend_strategy", "kNextPowerOfTwo")],
        trial: &[
            ("cudnn_conv_algo_search", "HEURISTIC"),
            ("enable_cuda_graph", "0"),
        ],
        precisions: &[
            (Precision::F32, &[("use_tf32", "0")]),
            (Precision::Tf32, &[("use_tf32", "1")]),
        ],
        memory: CUDA_MEMORY,
        memory_limit: Some("gpu_mem_limit"),
        replay: Some("enable_cuda_graph"),
        ..Provider::of::<ep::CUDA>()
    },
    Provider {
        name: "tensorrt",
        runs_on: "NVIDIA GPUs, compiled by TensorRT",
        needs: "an NVIDIA GPU with a driver for CUDA 13, and TensorRT 10 in the loader's path",
        remedy: "`make setup RUNTIME=cuda` and NVIDIA's TensorRT 10 (libnvinfer.so.10)",
        library: Some("onnxruntime_providers_tensorrt"),
        driver: NVIDIA_DRIVER,
        preload: CUDA_LIBRARIES,
        companion: Some("cuda"),
        device: Some(device_id),
        options: &[
            "device_id",
            "trt_auxiliary_streams",
            "trt_bf16_enable",
            "trt_build_heuristics_enable",
            "trt_builder_optimization_level",
            "trt_context_memory_sharing_enable",
            "trt_cuda_graph_enable",
            "trt_detailed_build_log",
            "trt_dla_core",
            "trt_dla_enable",
            "trt_dump_ep_context_model",
            "trt_dump_subgraphs",
            "trt_engine_cache_enable",
            "trt_engine_cache_path",
            "trt_engine_cache_prefix",
            "trt_engine_hw_compatible",
            "trt_ep_context_embed_mode",
            "trt_ep_context_file_path",
            "trt_extra_plugin_lib_paths",
            "trt_force_sequential_engine_build",
            "trt_force_timing_cache",
            "trt_fp16_enable",
            "trt_layer_norm_fp32_fallback",
            "trt_max_partition_iterations",
            "trt_max_workspace_size",
            "trt_min_subgraph_size",
            "trt_op_types_to_exclude",
            "trt_sparsity_enable",
            "trt_tactic_sources",
            "trt_timing_cache_enable",
            "trt_timing_cache_path",
        ],
        trial: &[
            ("trt_min_subgraph_size", "1000"),
            ("trt_engine_cache_enable", "0"),
            ("trt_timing_cache_enable", "0"),
        ],
        // TensorRT takes TF32 by itself where the card has it; NVIDIA_TF32_OVERRIDE=0 in the environment forbids it.
        precisions: &[(Precision::Tf32, &[("trt_fp16_enable", "0")])],
        cache: &[
            ("trt_engine_cache_enable", "1"),
            ("trt_engine_cache_path", OWN_FOLDER),
            ("trt_timing_cache_enable", "1"),
            ("trt_timing_cache_path", SHARED_FOLDER),
        ],
        first_run_notice: Some(
            "TensorRT builds an engine for each new size, which takes minutes; then it is read from",
        ),
        memory: CUDA_MEMORY,
        replay: Some("trt_cuda_graph_enable"),
        ..Provider::of::<ep::TensorRT>()
    },
    Provider {
        name: "tensorrt-rtx",
        runs_on: "NVIDIA RTX GPUs, compiled by TensorRT for RTX",
        needs: "an NVIDIA RTX GPU with its driver, and TensorRT for RTX",
        remedy: OWN_BUILD,
        library: Some("onnxruntime_providers_nv_tensorrt_rtx"),
        driver: NVIDIA_DRIVER,
        device: Some(device_id),
        options: &[
            "device_id",
            "enable_cuda_graph",
            "nv_max_shared_mem_size",
            "nv_max_workspace_size",
            "nv_multi_profile_enable",
            "nv_profile_max_shapes",
            "nv_profile_min_shapes",
            "nv_profile_opt_shapes",
            "nv_runtime_cache_path",
        ],
        cache: &[("nv_runtime_cache_path", OWN_FOLDER)],
        first_run_notice: Some("TensorRT for RTX compiles the graph for each new size; then it is read from"),
        ..Provider::of::<ep::NVRTX>()
    },
    Provider {
        name: "migraphx",
        runs_on: "AMD GPUs",
        needs: "an AMD GPU with ROCm and MIGraphX",
        remedy: OWN_BUILD,
        automatic: true,
        library: Some("onnxruntime_providers_migraphx"),
        device: Some(device_id),
        options: &["device_id", "exhaustive_tune", "fp16_enable", "mem_limit"],
        memory_limit: Some("mem_limit"),
        ..Provider::new::<ep::MIGraphX>(migraphx)
    },
    Provider {
        name: "directml",
        runs_on: "GPUs under Windows",
        needs: "Windows 10 or later with a DirectX 12 GPU",
        remedy: "the DirectML build of ONNX Runtime (onnxruntime-directml)",
        automatic: true,
        device: Some(device_id),
        options: &["device_id", "device_filter", "performance_preference"],
        ..Provider::new::<ep::DirectML>(directml)
    },
    Provider {
        name: "openvino",
        runs_on: "Intel CPUs, GPUs and NPUs, and other x86-64 CPUs",
        needs: "an x86-64 CPU, or an Intel GPU or NPU with its driver",
        remedy: "`make setup RUNTIME=openvino`",
        automatic: true,
        library: Some("onnxruntime_providers_openvino"),
        // The plain number is a GPU: there is one CPU and it needs none.
        device: Some(|id| ("device_type", format!("GPU.{id}"))),
        options: &[
            "cache_dir",
            "device_type",
            "disable_dynamic_shapes",
            "enable_opencl_throttling",
            "enable_qdq_optimizer",
            "layout",
            "load_config",
            "model_priority",
            "num_of_threads",
            "num_streams",
            "precision",
            "reshape_input",
        ],
        threads: Some("num_of_threads"),
        defaults: &[("device_type", "CPU")],
        precisions: &[(Precision::F32, &[("precision", "FP32")])],
        ..Provider::of::<ep::OpenVINO>()
    },
    Provider {
        name: "coreml",
        runs_on: "Apple CPUs, GPUs and Neural Engines",
        needs: "macOS 12 or later",
        remedy: "`make setup` on a Mac",
        options: &[
            "AllowLowPrecisionAccumulationOnGPU",
            "EnableOnSubgraphs",
            "MLComputeUnits",
            "ModelCacheDirectory",
            "ModelFormat",
            "ProfileComputePlan",
            "RequireStaticInputShapes",
            "SpecializationStrategy",
        ],
        // The Neural Engine computes in 16 bits only; an ML program on the GPU keeps 32.
        defaults: &[("ModelFormat", "MLProgram"), ("RequireStaticInputShapes", "1")],
        precisions: &[(Precision::F32, &[("MLComputeUnits", "CPUAndGPU")])],
        ..Provider::of::<ep::CoreML>()
    },
    Provider {
        name: "webgpu",
        runs_on: "GPUs through Vulkan, Metal or Direct3D 12",
        needs: "a GPU with a Vulkan, Metal or Direct3D 12 driver",
        remedy: OWN_BUILD,
        device: Some(|id| ("deviceId", id.to_string())),
        options: &[
            "dawnBackendType",
            "defaultBufferCacheMode",
            "deviceId",
            "enableGraphCapture",
            "enablePIXCapture",
            "forceCpuNodeNames",
            "preferredLayout",
            "queryResolveBufferCacheMode",
            "storageBufferCacheMode",
            "uniformBufferCacheMode",
            "validationMode",
        ],
        ..Provider::of::<ep::WebGPU>()
    },
    Provider {
        name: "qnn",
        runs_on: "Qualcomm NPUs and GPUs",
        needs: "a Qualcomm SoC with the QNN libraries",
        remedy: "the QNN build of ONNX Runtime (onnxruntime-qnn)",
        library: Some("onnxruntime_providers_qnn"),
        device: Some(device_id),
        options: &[
            "backend_path",
            "backend_type",
            "device_id",
            "enable_htp_fp16_precision",
            "enable_htp_weight_sharing",
            "htp_arch",
            "htp_graph_finalization_optimization_mode",
            "htp_performance_mode",
            "offload_graph_io_quantization",
            "profiling_file_path",
            "profiling_level",
            "qnn_context_priority",
            "qnn_saver_path",
            "rpc_control_latency",
            "soc_model",
            "vtcm_mb",
        ],
        precisions: &[(Precision::F32, &[("enable_htp_fp16_precision", "0")])],
        ..Provider::of::<ep::QNN>()
    },
    Provider {
        name: "cann",
        runs_on: "Huawei Ascend NPUs",
        needs: "an Ascend NPU with CANN",
        remedy: OWN_BUILD,
        library: Some("onnxruntime_providers_cann"),
        device: Some(device_id),
        options: &[
            "arena_extend_strategy",
            "device_id",
            "dump_graphs",
            "dump_om_model",
            "enable_cann_graph",
            "npu_mem_limit",
            "op_select_impl_mode",
            "optypelist_for_implmode",
            "precision_mode",
        ],
        memory_limit: Some("npu_mem_limit"),
        precisions: &[(Precision::F32, &[("precision_mode", "force_fp32")])],
        ..Provider::of::<ep::CANN>()
    },
    Provider {
        name: "vitis",
        runs_on: "AMD NPUs",
        needs: "an AMD NPU with Vitis AI",
        remedy: OWN_BUILD,
        library: Some("onnxruntime_providers_vitisai"),
        options: &[
            "cache_dir",
            "cache_key",
            "config_file",
            "enable_cache_file_io_in_mem",
            "opt_level",
            "target",
            "xclbin",
        ],
        ..Provider::of::<ep::Vitis>()
    },
    Provider {
        name: "nnapi",
        runs_on: "Android accelerators",
        needs: "Android 8.1 or later",
        remedy: OWN_BUILD,
        ..Provider::new::<ep::NNAPI>(|_| Ok(ep::NNAPI::default().build()))
    },
    Provider {
        name: "rknpu",
        runs_on: "Rockchip NPUs",
        needs: "a Rockchip NPU",
        remedy: OWN_BUILD,
        ..Provider::new::<ep::RKNPU>(|_| Ok(ep::RKNPU::default().build()))
    },
    Provider {
        name: "onednn",
        runs_on: "x86-64 CPUs, through oneDNN",
        needs: "an x86-64 CPU",
        remedy: OWN_BUILD,
        library: Some("onnxruntime_providers_dnnl"),
        options: &["use_arena"],
        ..Provider::of::<ep::OneDNN>()
    },
    Provider {
        name: "acl",
        runs_on: "Arm CPUs, through the Arm Compute Library",
        needs: "a 64-bit Arm CPU",
        remedy: OWN_BUILD,
        ..Provider::new::<ep::ACL>(|_| Ok(ep::ACL::default().build()))
    },
    Provider {
        name: "xnnpack",
        runs_on: "Arm and x86-64 CPUs, through XNNPACK",
        needs: "an Arm or x86-64 CPU",
        remedy: OWN_BUILD,
        options: &["intra_op_num_threads"],
        threads: Some("intra_op_num_threads"),
        ..Provider::of::<ep::XNNPACK>()
    },
    Provider {
        name: CPU,
        runs_on: "every CPU",
        needs: "nothing",
        remedy: "`make setup`",
        automatic: true,
        ..Provider::new::<ep::CPU>(|_| Ok(ep::CPU::default().build()))
    },
];

/// In [`Provider::cache`]: the folder of this graph, size, precision and version.
pub(in crate::runtime) const OWN_FOLDER: &str = "{own}";
/// In [`Provider::cache`]: the folder of the provider.
pub(in crate::runtime) const SHARED_FOLDER: &str = "{shared}";

/// The provider that is always there.
pub const CPU: &str = "cpu";

const OWN_BUILD: &str = "an ONNX Runtime that was built with it";

const NVIDIA_DRIVER: Option<(&str, &str)> = if cfg!(windows) {
    Some(("nvcuda.dll", "the NVIDIA driver"))
} else if cfg!(target_os = "linux") {
    Some(("libcuda.so.1", "the NVIDIA driver"))
} else {
    None
};

/// Each before those that need it.
const CUDA_LIBRARIES: &[&str] = &[
    "cudart",
    "cublasLt",
    "cublas",
    "curand",
    "nvrtc-builtins",
    "nvrtc",
    "nvJitLink",
    "cudnn",
];

const CUDA_MEMORY: Option<(&str, &str)> = Some(("Cuda", "CudaPinned"));

fn device_id(id: u32) -> (&'static str, String) {
    ("device_id", id.to_string())
}

/// `ort`'s MIGraphX takes methods in place of keys.
fn migraphx(values: &OptionPairs) -> ort::Result<ExecutionProviderDispatch> {
    values
        .iter()
        .try_fold(ep::MIGraphX::default(), |provider, (key, value)| {
            Ok(match key.as_str() {
                "device_id" => provider.with_device_id(parse(key, value)?),
                "fp16_enable" => provider.with_fp16(parse::<u8>(key, value)? != 0),
                "exhaustive_tune" => provider.with_exhaustive_tune(parse::<u8>(key, value)? != 0),
                _ => provider.with_mem_limit(parse(key, value)?),
            })
        })
        .map(ep::MIGraphX::build)
}

/// `ort`'s DirectML takes methods in place of keys.
fn directml(values: &OptionPairs) -> ort::Result<ExecutionProviderDispatch> {
    use ep::directml::{DeviceFilter, PerformancePreference};
    values
        .iter()
        .try_fold(ep::DirectML::default(), |provider, (key, value)| {
            Ok(match (key.as_str(), value.as_str()) {
                ("device_id", id) => provider.with_device_id(parse(key, id)?),
                ("device_filter", "gpu") => provider.with_device_filter(DeviceFilter::Gpu),
                ("device_filter", "npu") => provider.with_device_filter(DeviceFilter::Npu),
                ("device_filter", "any") => provider.with_device_filter(DeviceFilter::Any),
                ("performance_preference", "default") => {
                    provider.with_performance_preference(PerformancePreference::Default)
                }
                ("performance_preference", "high_performance") => {
                    provider.with_performance_preference(PerformancePreference::HighPerformance)
                }
                ("performance_preference", "minimum_power") => {
                    provider.with_performance_preference(PerformancePreference::MinimumPower)
                }
                _ => return Err(bad_value(key, value)),
            })
        })
        .map(ep::DirectML::build)
}

fn parse<T: FromStr>(key: &str, value: &str) -> ort::Result<T> {
    value.parse().map_err(|_| bad_value(key, value))
}

fn bad_value(key: &str, value: &str) -> ort::Error {
    ort::Error::new(format!("{value:?} is no value of its option {key}"))
}
