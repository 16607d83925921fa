//! What goes wrong in the daily use is told with the way out.
#![cfg(unix)]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::support::{
    Workshop, fail, graph_files, impasto, onnxruntime, stderr, succeed, tiny_graphs, waves,
};

#[test]
fn shares_may_have_spaces_and_a_negative_one_is_told_its_range() {
    let workshop = Workshop::new();
    fs::copy(workshop.path("style.png"), workshop.path("other.png")).unwrap();
    let blend = |output: &str, parts: &[&str]| {
        let mut command = workshop.stylize(output);
        command
            .args(["other.png", "--iterations", "1", "--force"])
            .args(parts);
        command
    };
    let bytes = |name: &str| fs::read(workshop.path(name)).unwrap();
    succeed(&mut blend("tight.png", &["--style-blend", "3,7"]));
    for parts in ["3, 7", " 3 ,7 "] {
        succeed(&mut blend("loose.png", &["--style-blend", parts]));
        assert_eq!(bytes("loose.png"), bytes("tight.png"));
    }
    for parts in ["-1,2", "1,-2", "-1", "-0.5,-2"] {
        fail(
            &mut blend("refused.png", &["--style-blend", parts]),
            &["style-blend", "from 0 to 1e9"],
        );
    }
    for parts in ["-inf,1", "nan,1", "1,,2", "1;2"] {
        fail(
            &mut blend("refused.png", &["--style-blend", parts]),
            &["style-blend", "number"],
        );
    }
}

#[test]
fn pictures_that_are_listed_with_commas_are_told_how_to_be() {
    let workshop = Workshop::new();
    let mut stylize = impasto();
    stylize.args(["stylize", "content.png", "style.png,other.png", "-o", "out.png"]);
    let mut evaluate = workshop.evaluate("content.png");
    evaluate.args(["--style", "style.png, other.png"]);
    let mut compare = impasto();
    compare.args([
        "compare",
        "style.png,other.png",
        "--content",
        "content.png",
        "--style",
        "style.png",
    ]);
    for command in [&mut stylize, &mut evaluate, &mut compare] {
        let command = command.current_dir(workshop.folder.path());
        fail(
            command,
            &["style.png,", "no such file", "one by one: style.png other.png"],
        );
    }
    // A comma in a name is a comma in a name.
    fs::rename(workshop.path("style.png"), workshop.path("a,b.png")).unwrap();
    let mut command = impasto();
    command
        .current_dir(workshop.folder.path())
        .args(["stylize", "content.png", "a,b.png", "-o", "out.png"]);
    command
        .args(["--size", "40", "--iterations", "1", "--graphs"])
        .arg(tiny_graphs());
    succeed(command.arg("--onnxruntime").arg(onnxruntime()));
}

#[test]
fn a_file_whose_name_begins_with_a_dash_is_told_how_to_be_written() {
    let workshop = Workshop::new();
    fs::rename(workshop.path("content.png"), workshop.path("-dash.png")).unwrap();
    let paint = |content: &str, output: &str| {
        let mut command = impasto();
        command.current_dir(workshop.folder.path());
        command.args([
            "stylize",
            content,
            "style.png",
            "--size",
            "40",
            "--iterations",
            "1",
            "-o",
            output,
        ]);
        command.arg("--graphs").arg(tiny_graphs());
        command.arg("--onnxruntime").arg(onnxruntime());
        command
    };
    fail(&mut paint("-dash.png", "out.png"), &["./-dash.png"]);
    fail(&mut paint("./-dash.png", "-out.png"), &["./-out.png"]);
    succeed(&mut paint("./-dash.png", "./-out.png"));
    fail(&mut paint("style.png", "--bogus"), &["see --help"]);
}

#[test]
fn weights_and_graphs_may_be_links_to_where_they_are() {
    let workshop = Workshop::new();
    for folder in ["graphs", "store"] {
        fs::create_dir(workshop.path(folder)).unwrap();
    }
    let lay = |linked: &dyn Fn(&str) -> bool| {
        for path in graph_files() {
            let name = path.file_name().unwrap().to_str().unwrap();
            let (place, store) = (
                workshop.path("graphs").join(name),
                workshop.path("store").join(name),
            );
            let _ = fs::remove_file(&place);
            fs::copy(&path, &store).unwrap();
            match linked(name) {
                true => symlink(store, place).unwrap(),
                false => drop(fs::copy(store, place).unwrap()),
            }
        }
    };
    let paint = |output: &str, more: &[&str]| {
        succeed(
            workshop
                .stylize(output)
                .args(["--iterations", "2", "--force"])
                .args(more),
        );
        fs::read(workshop.path(output)).unwrap()
    };
    let expected = paint("expected.png", &[]);
    let cases: [&dyn Fn(&str) -> bool; 3] = [
        &|name| name.ends_with(".weights"),
        &|name| name.ends_with(".onnx"),
        &|_| true,
    ];
    for linked in cases {
        lay(linked);
        assert_eq!(paint("linked.png", &["--graphs", "graphs"]), expected);
        paint("plain.png", &["--graphs", "graphs", "--kernels", "onnxruntime"]);
        let mut judge = workshop.evaluate("content.png");
        succeed(judge.args(["--graphs", "graphs"]));
    }
}

#[test]
fn a_graph_may_name_only_a_file_beside_it_as_its_weights() {
    let workshop = Workshop::new();
    let folder = workshop.path("graphs");
    fs::create_dir(&folder).unwrap();
    for name in crate::support::PRESET_FILES {
        fs::copy(tiny_graphs().join(name), folder.join(name)).unwrap();
    }
    let graph = folder.join("gatys.forward.onnx");
    let whole = fs::read(&graph).unwrap();
    let (key, name) = (b"impasto.external_data\x12\x0dvgg19.weights", b"/dev/zero/../");
    let at = whole.windows(key.len()).position(|window| window == key).unwrap();
    let mut changed = whole.clone();
    changed[at + key.len() - name.len()..at + key.len()].copy_from_slice(name);
    fs::write(&graph, changed).unwrap();
    fail(
        workshop.stylize("out.png").args(["--graphs", "graphs"]),
        &["gatys.forward.onnx", "external_data", "beside the graph"],
    );
}

/// The command with no more than so many megabytes of address space.
fn with_memory(command: &mut Command, megabytes: u64) -> &mut Command {
    let limit = move || {
        let bytes = megabytes << 20;
        let limit = libc::rlimit {
            rlim_cur: bytes,
            rlim_max: bytes,
        };
        // SAFETY: the limit is read before the call returns.
        match unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: between fork and exec the function makes one system call, of data that is its own.
    unsafe { command.pre_exec(limit) }
}

#[test]
fn memory_that_does_not_suffice_is_told_with_what_takes_less() {
    let workshop = Workshop::new();
    waves(1600, 1200, 5).save(workshop.path("content.png")).unwrap();
    // Beyond the budget, the first two are refused to the program, the third to ONNX Runtime, the last to either.
    for (size, kernels, megabytes) in [
        ("9000", "auto", 1000),
        ("1600", "auto", 250),
        ("1600", "onnxruntime", 300),
        ("1600", "onnxruntime", 400),
    ] {
        let mut command = workshop.stylize("out.png");
        command.args([
            "--size",
            size,
            "--scales",
            "1",
            "--iterations",
            "1",
            "--kernels",
            kernels,
        ]);
        fail(with_memory(&mut command, megabytes), &["may take", "--memory"]);
        // As if there were plenty.
        command.args(["--memory", "64G"]);
        fail(
            with_memory(&mut command, megabytes),
            &["memory", "--size", "--memory"],
        );
        assert!(!workshop.path("out.png").exists());
    }
    let mut compare = impasto();
    compare.current_dir(workshop.folder.path());
    compare.args([
        "compare",
        "content.png",
        "content.png",
        "--content",
        "content.png",
        "--style",
        "content.png",
    ]);
    compare.arg("--graphs").arg(tiny_graphs());
    compare.arg("--onnxruntime").arg(onnxruntime());
    fail(with_memory(&mut compare, 400), &["may take", "--memory"]);
    compare.args(["--memory", "64G"]);
    fail(with_memory(&mut compare, 400), &["memory", "--size"]);
}

/// Where next to nothing is left, what asks for little and cannot be refused (exceptions, the data of threads, the stack)
/// ended the program without a line at 5 limits of 1,143.
#[cfg(target_os = "linux")]
#[test]
fn memory_that_ends_anywhere_ends_with_a_line() {
    let workshop = Workshop::new();
    waves(1600, 1200, 5).save(workshop.path("content.png")).unwrap();
    for megabytes in (240..480).step_by(8) {
        let mut command = workshop.stylize("out.png");
        command.args(["--size", "1600", "--scales", "1", "--iterations", "1"]);
        command.args(["--kernels", "onnxruntime", "--memory", "64G"]);
        fail(with_memory(&mut command, megabytes), &["memory", "--size"]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn where_there_is_no_proc_it_paints_all_the_same() {
    // In a name space of its own, which takes rights that not everyone has.
    let without_proc = |program: &str, arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "sh",
            "-c",
            "umount -l /proc && exec \"$@\"",
            "sh",
            program,
        ]);
        command.args(arguments);
        command
    };
    if !without_proc("true", &[])
        .status()
        .is_ok_and(|status| status.success())
    {
        eprintln!("skipped: needs the right to unmount /proc in a name space of its own");
        return;
    }
    let workshop = Workshop::new();
    let program = env!("CARGO_BIN_EXE_impasto");
    let graphs = tiny_graphs();
    let arguments = [
        "stylize",
        "content.png",
        "style.png",
        "-o",
        "out.png",
        "--size",
        "40",
        "--iterations",
        "1",
    ];
    let mut command = without_proc(
        program,
        &[&arguments[..], &["--graphs", graphs.to_str().unwrap()]].concat(),
    );
    // The library is found in the repository that the program lies in.
    let output = succeed(
        command
            .current_dir(workshop.folder.path())
            .env_remove("ORT_DYLIB_PATH"),
    );
    let said = stderr(&output);
    assert!(
        said.contains("painted out.png") && !said.contains("cpuinfo"),
        "{said}"
    );
    // Neither beside the program nor in the system there is one.
    let lost = workshop.path("lost");
    fs::copy(program, &lost).unwrap();
    let mut command = without_proc(
        "./lost",
        &[&arguments[..], &["--graphs", graphs.to_str().unwrap()]].concat(),
    );
    command
        .current_dir(workshop.folder.path())
        .env_remove("ORT_DYLIB_PATH");
    fail(
        command.arg("--force"),
        &["ONNX Runtime was not found", "--onnxruntime"],
    );
}
