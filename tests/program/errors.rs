//! Whatever is wrong gets one line that names the thing and the remedy, an exit code, and no output file.

use std::fs;

use crate::support::{Workshop, fail, graph_files, impasto, onnxruntime, succeed, tiny_graphs, waves};

/// `stylize` with `arguments` appended must fail, name all `parts`, and leave no output behind.
fn refuse(workshop: &Workshop, arguments: &[&str], parts: &[&str]) {
    let mut command = workshop.stylize("refused.png");
    fail(command.args(["--iterations", "1"]).args(arguments), parts);
    assert!(
        !workshop.path("refused.png").exists(),
        "{arguments:?} left an output"
    );
}

/// `stylize` with other content must fail.
fn refuse_content(workshop: &Workshop, content: &str, parts: &[&str]) {
    let mut command = impasto();
    command
        .current_dir(workshop.folder.path())
        .args(["stylize", content, "style.png", "-o", "refused.png"]);
    command
        .arg("--graphs")
        .arg(tiny_graphs())
        .arg("--onnxruntime")
        .arg(onnxruntime());
    fail(&mut command, parts);
    assert!(!workshop.path("refused.png").exists(), "{content} left an output");
}

#[test]
fn pictures_that_cannot_be_read() {
    let workshop = Workshop::new();
    let whole = fs::read(workshop.path("content.png")).unwrap();
    fs::write(workshop.path("empty.png"), []).unwrap();
    fs::write(workshop.path("cut.png"), &whole[..whole.len() / 2]).unwrap();
    let mut corrupted = whole.clone();
    for byte in &mut corrupted[60..90] {
        *byte ^= 0x5a;
    }
    fs::write(workshop.path("corrupted.png"), corrupted).unwrap();
    fs::write(workshop.path("text.png"), "no picture at all, but a line of text").unwrap();
    fs::create_dir(workshop.path("folder.png")).unwrap();
    fs::write(workshop.path("bomb.png"), png_header(60_000, 60_000)).unwrap();
    for name in [
        "missing.png",
        "empty.png",
        "cut.png",
        "corrupted.png",
        "text.png",
        "folder.png",
        "bomb.png",
    ] {
        refuse_content(&workshop, name, &[name]);
    }
    refuse_content(&workshop, "bomb.png", &["60000x60000"]);
    refuse_content(&workshop, "folder.png", &["folder"]);
}

/// The beginning of a PNG that says it is so large.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = b"IHDR".to_vec();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    bytes.extend(13_u32.to_be_bytes());
    bytes.extend(&header);
    bytes.extend(crc32(&header).to_be_bytes());
    bytes.extend([0, 0, 0, 0]);
    bytes.extend(b"IDAT");
    bytes.extend(crc32(b"IDAT").to_be_bytes());
    bytes
}

/// CRC-32 as PNG has it (polynomial 0xedb88320, ISO 3309).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc: u32, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[test]
fn outputs_that_cannot_be_written() {
    let workshop = Workshop::new();
    fs::write(workshop.path("there.png"), "kept").unwrap();
    for (output, parts) in [
        ("missing/out.png", ["missing/out.png", "create it first"]),
        ("out.xyz", ["out.xyz", "png"]),
        ("out", ["out", "png"]),
        ("there.png", ["there.png", "--force"]),
    ] {
        fail(&mut workshop.stylize(output), &parts);
    }
    assert_eq!(fs::read(workshop.path("there.png")).unwrap(), b"kept");
    refuse(
        &workshop,
        &["--trace", "missing/trace.json"],
        &["missing", "does not exist"],
    );
    fs::write(workshop.path("trace.json"), "kept").unwrap();
    refuse(&workshop, &["--trace", "trace.json"], &["trace.json", "--force"]);
    assert_eq!(fs::read(workshop.path("trace.json")).unwrap(), b"kept");
}

#[cfg(target_os = "linux")]
#[test]
fn outputs_in_a_folder_that_takes_no_files_are_refused_at_once() {
    let workshop = Workshop::new();
    for (flag, name) in [
        ("--trace", "run.json"),
        ("--plot", "loss.svg"),
        ("--animation", "run.gif"),
    ] {
        let path = format!("/proc/{name}");
        refuse(&workshop, &[flag, &path], &[flag, &path, "cannot be written"]);
    }
    let mut command = workshop.evaluate("content.png");
    fail(
        command.args(["--gradient", "/proc/gradient.npy"]),
        &["--gradient", "cannot be written"],
    );
}

#[cfg(unix)]
#[test]
fn a_link_to_nothing_is_no_free_place() {
    let workshop = Workshop::new();
    for name in ["refused.png", "run.json"] {
        std::os::unix::fs::symlink("nowhere", workshop.path(name)).unwrap();
    }
    fail(&mut workshop.stylize("refused.png"), &["refused.png", "--force"]);
    fail(
        workshop.stylize("out.png").args(["--trace", "run.json"]),
        &["run.json", "--force"],
    );
    succeed(
        workshop
            .stylize("refused.png")
            .args(["--iterations", "1", "--force"]),
    );
    image::open(workshop.path("refused.png")).unwrap();
}

#[test]
fn outputs_that_would_be_one_file_are_refused() {
    let workshop = Workshop::new();
    refuse(
        &workshop,
        &["--plot", "refused.png"],
        &["refused.png", "two outputs"],
    );
    refuse(
        &workshop,
        &["--plot", "refused-00001.png", "--save-every", "1"],
        &["refused-00001.png", "preview"],
    );
}

#[test]
fn pictures_that_would_be_too_large_are_refused_before_any_work() {
    let workshop = Workshop::new();
    refuse(
        &workshop,
        &["--size", "65536", "--memory", "4G"],
        &[
            "a picture of 65536x45875 pixels takes",
            "4.00G",
            "--size",
            "--memory",
        ],
    );
    refuse(
        &workshop,
        &["--style-size", "65536", "--memory", "4G"],
        &["the style images", "40x28", "--style-size", "--memory"],
    );
    waves(1032, 1, 3).save(workshop.path("content.png")).unwrap();
    let mut command = workshop.stylize("wide.webp");
    fail(
        command.args(["--size", "16512", "--iterations", "1"]),
        &["wide.webp", "16384 pixels a side", "16512x16"],
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_json_cannot_hold_is_refused_with_a_trace_only() {
    use std::os::unix::ffi::OsStrExt as _;

    let workshop = Workshop::new();
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.png");
    let paint = |output: &str| {
        let mut command = impasto();
        command.current_dir(workshop.folder.path()).arg("stylize");
        command.arg(name).args(["style.png", "-o", output]);
        command.args(["--size", "40", "--iterations", "1"]);
        command.arg("--graphs").arg(tiny_graphs());
        command.arg("--onnxruntime").arg(onnxruntime());
        command
    };
    fs::rename(workshop.path("content.png"), workshop.folder.path().join(name)).unwrap();
    fail(
        paint("out.png").args(["--trace", "run.json"]),
        &["--trace", "rename the file", "UTF-8"],
    );
    succeed(&mut paint("out.png"));
}

#[test]
fn numbers_out_of_range() {
    let workshop = Workshop::new();
    for (arguments, parts) in [
        (["--size", "0"], ["--size", "1 to 65536"]),
        (["--size", "-3"], ["--size", "1 to 65536"]),
        (["--size", "70000"], ["--size", "1 to 65536"]),
        (["--size", "many"], ["--size", "1 to 65536"]),
        (["--size", "10"], ["10x7", "16"]),
        (["--style-size", "10"], ["style image", "--style-size"]),
        (["--iterations", "-1"], ["--iterations", "whole number"]),
        (["--iterations", "1.5"], ["--iterations", "whole number"]),
        (["--style-weight", "nan"], ["--style-weight", "must be a number"]),
        (["--style-weight", "-1"], ["style-weight is -1", "from 0"]),
        (
            ["--content-weight", "inf"],
            ["--content-weight", "must be a number"],
        ),
        (["--tv-weight", "-1"], ["tv-weight is -1", "from 0"]),
        (
            ["--style-layer-weights", "relu1_1=-1"],
            ["style-layer-weights", "from 0"],
        ),
        (
            ["--style-layer-weights", "relu1_1"],
            ["--style-layer-weights", "LAYER=FACTOR"],
        ),
        (
            ["--style-layer-weights", "relu9_1=2"],
            ["style layer relu9_1", "relu5_1"],
        ),
        (
            ["--content-layer-weights", "relu1_1=2"],
            ["content layer relu1_1", "relu4_2"],
        ),
        (["--padding", "mirror"], ["--padding", "replicate"]),
        (["--history", "0"], ["--history", "1 to 1000"]),
        (["--threads", "0"], ["--threads", "1 to 1024"]),
        (["--seed", "-1"], ["--seed", "whole number"]),
        (["--save-every", "0"], ["--save-every", "1..=1000000"]),
    ] {
        fail(workshop.stylize("refused.png").args(arguments), &parts);
        assert!(
            !workshop.path("refused.png").exists(),
            "{arguments:?} left an output"
        );
    }
    refuse(
        &workshop,
        &["--style-weight", "0", "--content-weight", "0"],
        &["style-weight", "content-weight"],
    );
    refuse(
        &workshop,
        &["--style-weight", "0", "--content-layer-weights", "relu4_2=0"],
        &["nothing to paint"],
    );
}

#[test]
fn a_style_loss_without_graphs_is_refused_with_those_there_are() {
    let workshop = Workshop::new();
    let gatys = ["--preset", "gatys", "--style-loss"];
    // `avg` is what the graphs with average pooling are called.
    for loss in ["sinkhorn", "avg"] {
        refuse(
            &workshop,
            &[&gatys[..], &[loss]].concat(),
            &[loss, "there are: gram, moments;"],
        );
    }
    refuse(
        &workshop,
        &["--style-loss", "../gram"],
        &["style-loss", "moments"],
    );
}

#[test]
fn names_that_are_not_known() {
    let workshop = Workshop::new();
    refuse(
        &workshop,
        &["--provider", "quantum"],
        &["quantum", "usable are", "cpu"],
    );
    refuse(&workshop, &["--preset", "monet"], &["monet", "gatys", "book"]);
    refuse(&workshop, &["--pooling", "median"], &["median", "max", "avg"]);
    refuse(
        &workshop,
        &["--init", "nowhere.png"],
        &["nowhere.png", "no such file"],
    );
    refuse(&workshop, &["--init", "chaos"], &["chaos", "content", "random"]);
    refuse(&workshop, &["--no-such-flag"], &["--no-such-flag"]);
}

#[test]
fn a_command_line_that_cannot_be_understood_has_exit_code_2() {
    assert_eq!(
        fail(impasto().args(["stylize", "only.png"]), &["<STYLE>", "--output"]),
        2
    );
    assert_eq!(fail(impasto().args(["paint"]), &["paint"]), 2);
}

#[test]
fn onnx_runtime_that_cannot_be_used() {
    let workshop = Workshop::new();
    fs::write(workshop.path("text.so"), "no library").unwrap();
    refuse(
        &workshop,
        &["--onnxruntime", "missing.so"],
        &["missing.so", "does not exist", "make setup"],
    );
    // The last --onnxruntime wins over the workshop's.
    refuse(
        &workshop,
        &["--onnxruntime", "text.so"],
        &["text.so", "make setup"],
    );
    if let Some(library) = another_library() {
        refuse(
            &workshop,
            &["--onnxruntime", &library],
            &["not ONNX Runtime", "make setup"],
        );
    }
    fail(
        workshop
            .stylize_without_library("refused.png")
            .env("ORT_DYLIB_PATH", "gone.so"),
        &["gone.so", "ORT_DYLIB_PATH"],
    );
}

/// Some library of the system that is not ONNX Runtime.
fn another_library() -> Option<String> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let path = maps
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5))
        .find(|path| path.contains("libc.so"))?;
    Some(path.to_owned())
}

/// A copy of the tiny graphs that a test may spoil.
fn graphs_copy(workshop: &Workshop) -> std::path::PathBuf {
    let folder = workshop.path("graphs");
    fs::create_dir_all(&folder).unwrap();
    for path in graph_files() {
        fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
    }
    folder
}

#[test]
fn graphs_that_cannot_be_used() {
    let workshop = Workshop::new();
    let refuse_graphs = |parts: &[&str]| refuse(&workshop, &["--graphs", "graphs"], parts);

    fs::create_dir(workshop.path("graphs")).unwrap();
    refuse_graphs(&["gatys", "graphs", "make setup"]);

    let graph = graphs_copy(&workshop).join("gatys.loss_grad.onnx");
    let whole = fs::read(&graph).unwrap();
    fs::remove_file(&graph).unwrap();
    refuse_graphs(&["gatys.loss_grad.onnx", "missing", "make setup"]);
    fs::write(&graph, &whole[..whole.len() / 3]).unwrap();
    refuse_graphs(&["gatys.loss_grad.onnx", "make setup"]);
    fs::write(&graph, "text").unwrap();
    refuse_graphs(&["gatys.loss_grad.onnx", "make setup"]);

    for version in ["3", "9"] {
        fs::write(&graph, with_contract(&whole, version.as_bytes()[0])).unwrap();
        refuse_graphs(&[
            "gatys.loss_grad.onnx",
            "impasto.contract",
            version,
            "make setup",
            "make graphs",
        ]);
    }
    fs::copy(tiny_graphs().join("gatys.forward.onnx"), &graph).unwrap();
    refuse_graphs(&["gatys.loss_grad.onnx", "impasto.graph"]);
}

/// The graph with another contract version in its metadata.
fn with_contract(graph: &[u8], version: u8) -> Vec<u8> {
    let key = b"impasto.contract";
    let at = graph.windows(key.len()).position(|window| window == key).unwrap() + key.len();
    let mut graph = graph.to_vec();
    // After the key come the value's tag, its length 1, and the value.
    assert_eq!(&graph[at..at + 2], b"\x12\x01");
    graph[at + 2] = version;
    graph
}

#[test]
fn weights_that_cannot_be_used() {
    let workshop = Workshop::new();
    let weights = graphs_copy(&workshop).join("vgg19.weights");
    let mut bytes = fs::read(&weights).unwrap();
    bytes[100] ^= 1;
    fs::write(&weights, &bytes).unwrap();
    refuse(
        &workshop,
        &["--graphs", "graphs"],
        &["vgg19.weights", "sha256", "make setup"],
    );
    fs::write(&weights, &bytes[..500]).unwrap();
    refuse(
        &workshop,
        &["--graphs", "graphs"],
        &["vgg19.weights", "sha256", "make setup"],
    );
    fs::remove_file(&weights).unwrap();
    refuse(
        &workshop,
        &["--graphs", "graphs"],
        &["vgg19.weights", "missing", "make setup"],
    );
}

#[test]
fn evaluate_refuses_what_it_cannot_use() {
    let workshop = Workshop::new();
    fail(
        &mut workshop.evaluate("missing.png"),
        &["missing.png", "no such file"],
    );
    fs::write(workshop.path("gradient.npy"), "kept").unwrap();
    fail(
        workshop
            .evaluate("content.png")
            .args(["--gradient", "gradient.npy"]),
        &["gradient.npy", "--force"],
    );
    assert_eq!(fs::read(workshop.path("gradient.npy")).unwrap(), b"kept");
    fail(
        workshop.evaluate("content.png").args(["--style-size", "8"]),
        &["style image", "16"],
    );
}
