//! `impasto batch --frames`: a film holds still where its scene does, and comes to the same whatever stops it. On tiny graphs.

use std::fs;
use std::path::Path;
use std::process::Command;

use image::{Rgb, RgbImage};
use impasto::record::Record;
use serde_json::Value;

use crate::support::{Workshop, fail, impasto, onnxruntime, stderr, succeed, tiny_graphs, waves};

const SIZE: (u32, u32) = (72, 54);
const FRAMES: u32 = 4;

/// A pan over waves, before which a square with a pattern of its own moves the other way.
struct Scene {
    background: RgbImage,
    thing: RgbImage,
}

/// From one frame to the next, in pixels to the right and down.
const PAN: (i32, i32) = (-2, -1);
const STEP: (i32, i32) = (3, 1);
const THING: u32 = 18;

impl Scene {
    fn new() -> Scene {
        Scene {
            background: waves(SIZE.0 + 20, SIZE.1 + 20, 5),
            thing: waves(THING, THING, 12),
        }
    }

    /// Where a pixel of the thing is in itself, if it is one.
    fn place(frame: u32, x: i32, y: i32) -> Option<(u32, u32)> {
        let left = 12 + STEP.0 * frame as i32;
        let top = 14 + STEP.1 * frame as i32;
        let inside = |value: i32| u32::try_from(value).ok().filter(|value| *value < THING);
        inside(x - left).zip(inside(y - top))
    }

    fn is_thing(frame: u32, (x, y): (i32, i32)) -> bool {
        Scene::place(frame, x, y).is_some()
    }

    fn frame(&self, frame: u32) -> RgbImage {
        RgbImage::from_fn(SIZE.0, SIZE.1, |x, y| {
            match Scene::place(frame, x as i32, y as i32) {
                Some((x, y)) => *self.thing.get_pixel(x, y),
                None => {
                    let at = |place: u32, step: i32| place + step.unsigned_abs() * frame;
                    *self.background.get_pixel(at(x, PAN.0), at(y, PAN.1))
                }
            }
        })
    }

    /// How a pixel of a frame moves to the next one, and with `back` where it comes from.
    fn vector(frame: u32, place: (i32, i32), back: bool) -> (i32, i32) {
        let (x, y) = if Scene::is_thing(frame, place) { STEP } else { PAN };
        if back { (-x, -y) } else { (x, y) }
    }

    fn flow(frame: u32, back: bool) -> Vec<u8> {
        let mut bytes = b"PIEH".to_vec();
        bytes.extend([SIZE.0, SIZE.1].iter().flat_map(|side| side.to_le_bytes()));
        for y in 0..SIZE.1 as i32 {
            for x in 0..SIZE.0 as i32 {
                let (right, down) = Scene::vector(frame, (x, y), back);
                bytes.extend([right as f32, down as f32].iter().flat_map(|v| v.to_le_bytes()));
            }
        }
        bytes
    }
}

/// A workshop with the frames of the scene from 00001 on, and their flows.
fn film() -> Workshop {
    let workshop = Workshop::new();
    for folder in ["in", "flow", "forward"] {
        fs::create_dir(workshop.path(folder)).unwrap();
    }
    let scene = Scene::new();
    for frame in 0..FRAMES {
        let number = format!("{:05}", frame + 1);
        scene
            .frame(frame)
            .save(workshop.path(&format!("in/{number}.png")))
            .unwrap();
        if frame > 0 {
            let write = |folder: &str, flow| {
                fs::write(workshop.path(&format!("{folder}/{number}.flo")), flow).unwrap();
            };
            write("flow", Scene::flow(frame, true));
            write("forward", Scene::flow(frame - 1, false));
        }
    }
    workshop
}

/// The mean square difference of each painted frame from the one before it, where the scene says that both show the same.
fn warping_error(workshop: &Workshop, folder: &str) -> f64 {
    let open = |frame: u32| {
        let name = format!("{folder}/{:05}.png", frame + 1);
        image::open(workshop.path(&name)).unwrap().to_rgb8()
    };
    let (mut sum, mut count) = (0.0, 0.0);
    for frame in 1..FRAMES {
        let (last, now) = (open(frame - 1), open(frame));
        for (x, y, pixel) in now.enumerate_pixels() {
            let place = (x as i32, y as i32);
            let (right, down) = Scene::vector(frame, place, true);
            let from = (place.0 + right, place.1 + down);
            let inside = (0..SIZE.0 as i32).contains(&from.0) && (0..SIZE.1 as i32).contains(&from.1);
            if inside && Scene::is_thing(frame - 1, from) == Scene::is_thing(frame, place) {
                let Rgb(before) = last.get_pixel(from.0 as u32, from.1 as u32);
                let off = pixel
                    .0
                    .iter()
                    .zip(before)
                    .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
                sum += off.sum::<f64>();
                count += 3.0;
            }
        }
    }
    sum / count
}

fn command(workshop: &Workshop, arguments: &[&str]) -> Command {
    let mut command = command_of_any_size(workshop, arguments);
    command.args(["--size", "72"]);
    command
}

fn command_of_any_size(workshop: &Workshop, arguments: &[&str]) -> Command {
    let mut command = impasto();
    command
        .current_dir(workshop.folder.path())
        .args(arguments)
        .arg("--graphs")
        .arg(tiny_graphs())
        .arg("--onnxruntime")
        .arg(onnxruntime());
    command
}

/// What paints the film to the names of an `output`.
fn frames_to(output: &str) -> [&str; 7] {
    [
        "batch",
        "--frames",
        "in/%05d.png",
        "--styles",
        "style.png",
        "-o",
        output,
    ]
}

const FLOWS: [&str; 4] = ["--flow", "flow/%05d.flo", "--forward-flow", "forward/%05d.flo"];

/// The film, painted into a folder.
fn batch(workshop: &Workshop, folder: &str, arguments: &[&str]) -> Command {
    let output = format!("{folder}/%05d.png");
    let mut command = command(workshop, &frames_to(&output));
    command.args(FLOWS).args(["--iterations", "12"]).args(arguments);
    command
}

fn frame(workshop: &Workshop, folder: &str, number: u32) -> Vec<u8> {
    fs::read(workshop.path(&format!("{folder}/{number:05}.png"))).unwrap()
}

fn film_of(workshop: &Workshop, folder: &str) -> Vec<Vec<u8>> {
    (1..=FRAMES)
        .map(|number| frame(workshop, folder, number))
        .collect()
}

fn evaluations(log: &Path) -> u64 {
    let text = fs::read_to_string(log).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| line["evaluations"].as_u64().unwrap()).sum()
}

#[test]
fn a_film_differs_from_its_moved_frames_by_half_of_what_single_pictures_do_or_less() {
    let workshop = film();
    // The loss of the tiny graphs is far larger than that of real ones.
    let firmly = ["--iterations", "6", "--temporal-weight", "1e6"];
    succeed(batch(&workshop, "film", &firmly).args(["--log", "film.jsonl"]));
    let single = [
        "batch",
        "in",
        "--styles",
        "style.png",
        "-o",
        "single/{content}.png",
    ];
    succeed(command(&workshop, &single).args(["--iterations", "12", "--log", "single.jsonl"]));
    let (film, single) = (
        warping_error(&workshop, "film"),
        warping_error(&workshop, "single"),
    );
    println!("warping error {film} of the film, {single} of single pictures");
    assert!(film <= 0.5 * single, "{film} of {single}");
    let log = |name: &str| evaluations(&workshop.path(name));
    assert!(log("film.jsonl") <= log("single.jsonl"));
    assert!(
        warping_error(&workshop, "in") < 1e-9,
        "the scene is not what its flows say"
    );
}

#[test]
fn a_frame_is_what_stylize_makes_of_it_and_of_the_one_before() {
    let workshop = film();
    succeed(&mut batch(&workshop, "film", &["--threads", "1"]));
    let mut alone = command(
        &workshop,
        &["stylize", "in/00003.png", "style.png", "-o", "alone.png"],
    );
    alone.args(["--previous", "film/00002.png", "--flow", "flow/00003.flo"]);
    alone.args(["--forward-flow", "forward/00003.flo", "--iterations", "12"]);
    succeed(&mut alone);
    assert!(fs::read(workshop.path("alone.png")).unwrap() == frame(&workshop, "film", 3));
    let record = Record::read(&workshop.path("alone.png")).unwrap().unwrap();
    let roles: Vec<&str> = record.inputs.iter().map(|file| &*file.role).collect();
    assert_eq!(roles, ["content", "style", "previous", "flow", "forward-flow"]);
    assert_eq!(record.settings["previous"], "00002.png");
    assert_eq!(record.settings["init"], "previous");
    assert!(record.graphs.iter().any(|graph| graph.name == "temporal.onnx"));

    let first = Record::read(&workshop.path("film/00001.png")).unwrap().unwrap();
    assert!(!first.settings.contains_key("previous") && !first.settings.contains_key("temporal-weight"));
    assert!(first.graphs.iter().all(|graph| graph.role != "temporal"));

    // All that it was made of is known by name and hash.
    let rooms = [("flow", "again"), ("film", "again")];
    fs::create_dir(workshop.path("again")).unwrap();
    for ((from, to), name) in rooms.into_iter().zip(["00003.flo", "00002.png"]) {
        let to = workshop.path(&format!("{to}/{name}"));
        fs::copy(workshop.path(&format!("{from}/{name}")), to).unwrap();
    }
    fs::copy(workshop.path("forward/00003.flo"), workshop.path("00003.flo")).unwrap();
    fs::copy(workshop.path("film/00003.png"), workshop.path("again/made.png")).unwrap();
    let repeat = [
        "stylize",
        "--repeat",
        "again/made.png",
        "in/00003.png",
        "style.png",
        "-o",
        "repeated.png",
    ];
    let mut repeated = impasto();
    repeated
        .current_dir(workshop.folder.path())
        .args(repeat)
        .arg("--graphs")
        .arg(tiny_graphs());
    let told = stderr(&succeed(repeated.arg("--onnxruntime").arg(onnxruntime())));
    assert!(told.contains("the same bytes as recorded"), "{told}");
}

#[test]
fn a_film_that_was_stopped_goes_on_to_the_same_bytes_with_any_number_of_threads() {
    let workshop = film();
    let run = |folder: &str, threads: &str| {
        let output = format!("{folder}/%05d.png");
        let mut command = command_of_any_size(&workshop, &frames_to(&output));
        let told = command
            .args(FLOWS)
            .args(["--scales=40:4,72:8", "--threads", threads]);
        stderr(&succeed(told))
    };
    run("one", "1");
    run("two", "2");
    let whole = film_of(&workshop, "one");
    assert!(whole == film_of(&workshop, "two"));
    for number in [3, 4] {
        fs::remove_file(workshop.path(&format!("two/{number:05}.png"))).unwrap();
    }
    let told = run("two", "2");
    assert!(told.contains("2 painted, 2 there before, 0 failed"), "{told}");
    assert!(film_of(&workshop, "two") == whole);
    assert!(run("two", "1").contains("0 painted, 4 there before"));
}

#[test]
fn a_frame_after_another_is_reckoned_and_counted_at_the_finest_scale_alone() {
    let workshop = film();
    let frame = ["stylize", "in/00002.png", "style.png", "-o", "out.png"];
    let scales = ["--previous", "in/00001.png", "--scales", "40:4,72:8"];
    let run = |more: &[&str]| {
        let mut command = command_of_any_size(&workshop, &frame);
        succeed(command.args(scales).args(more))
    };
    let forecast: Value = serde_json::from_slice(&run(&["--dry-run", "--json"]).stdout).unwrap();
    let iterations = |scale: usize| forecast["scales"][scale]["iterations"].as_u64();
    assert_eq!((iterations(0), iterations(1)), (Some(0), Some(8)));
    let told = stderr(&run(&[]));
    assert!(told.contains("/8, at 72x54"), "{told}");
}

#[test]
fn a_frame_that_is_not_what_it_was_makes_those_after_it_others() {
    let workshop = film();
    succeed(&mut batch(&workshop, "film", &[]));
    waves(SIZE.0, SIZE.1, 9)
        .save(workshop.path("in/00002.png"))
        .unwrap();
    let again = batch(&workshop, "film", &[]).output().unwrap();
    let told = stderr(&again);
    assert_eq!(again.status.code(), Some(3), "{told}");
    for part in [
        "error: film/00002.png: made otherwise (file 1 (content)",
        "error: film/00003.png: the frame before it, film/00002.png, has failed",
        "0 painted, 1 there before, 3 failed",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let told = stderr(&succeed(&mut batch(&workshop, "film", &["--force"])));
    assert!(told.contains("3 painted, 1 there before, 0 failed"), "{told}");

    fs::write(workshop.path("flow/00004.flo"), Scene::flow(1, true)).unwrap();
    let told = stderr(&batch(&workshop, "film", &[]).output().unwrap());
    assert!(
        told.contains("film/00004.png: made otherwise (file 4 (flow)"),
        "{told}"
    );
}

#[test]
fn a_shard_has_whole_chains_and_a_frame_that_fails_ends_its_own() {
    let workshop = film();
    let cuts = ["--cuts", "3"];
    succeed(&mut batch(&workshop, "film", &cuts));
    for shard in ["1/2", "2/2"] {
        let mut part = batch(&workshop, "shards", &cuts);
        let told = stderr(&succeed(part.args(["--shard", shard])));
        assert!(told.contains("2 of 4 pictures"), "{told}");
        let is_there = |number: u32| workshop.path(&format!("shards/{number:05}.png")).exists();
        assert!(is_there(1) == is_there(2) && is_there(3) == is_there(4));
    }
    assert!(film_of(&workshop, "shards") == film_of(&workshop, "film"));

    fs::write(workshop.path("in/00001.png"), b"no picture").unwrap();
    let done = batch(&workshop, "broken", &cuts).output().unwrap();
    let told = stderr(&done);
    assert_eq!(done.status.code(), Some(3), "{told}");
    assert!(told.contains("2 painted, 0 there before, 2 failed"), "{told}");
    assert!(frame(&workshop, "broken", 4) == frame(&workshop, "film", 4));
}

/// The terms of the first evaluation of a frame that starts from its photo.
fn first_terms(workshop: &Workshop, arguments: &[&str]) -> Value {
    let mut run = impasto();
    run.current_dir(workshop.folder.path())
        .args([
            "stylize",
            "in/00002.png",
            "style.png",
            "-o",
            "tiled.png",
            "--force",
        ])
        .args([
            "--previous",
            "in/00001.png",
            "--flow",
            "flow/00002.flo",
            "--init",
            "content",
        ])
        .args([
            "--size",
            "150",
            "--scales",
            "1",
            "--iterations",
            "2",
            "--trace",
            "trace.json",
            "--graphs",
        ])
        .arg(tiny_graphs())
        .arg("--onnxruntime")
        .arg(onnxruntime());
    succeed(run.args(arguments));
    let trace: Value = serde_json::from_slice(&fs::read(workshop.path("trace.json")).unwrap()).unwrap();
    trace["evaluations"][0]["terms"].clone()
}

#[test]
fn the_temporal_term_is_one_of_the_trace_and_the_same_in_tiles() {
    let workshop = film();
    let pixels = || {
        image::open(workshop.path("tiled.png"))
            .unwrap()
            .to_rgb8()
            .into_raw()
    };
    let whole = first_terms(&workshop, &["--tile=0"]);
    let painted = pixels();
    let tiled = first_terms(&workshop, &["--tile=64"]);
    let terms = whole.as_object().unwrap();
    assert!(terms["temporal"].as_f64().unwrap() > 0.0, "{whole}");
    for (name, term) in terms {
        let (term, in_tiles) = (term.as_f64().unwrap(), tiled[name].as_f64().unwrap());
        assert!(
            (term - in_tiles).abs() <= 1e-5 * term,
            "{name}: {term}, in tiles {in_tiles}"
        );
    }
    let off = pixels()
        .into_iter()
        .zip(painted)
        .map(|(a, b)| a.abs_diff(b))
        .max();
    assert!(off <= Some(2), "{off:?}");
    let heavier = first_terms(&workshop, &["--temporal-weight=20000"]);
    let ratio = heavier["temporal"].as_f64().unwrap() / terms["temporal"].as_f64().unwrap();
    assert!((ratio - 2.0).abs() < 1e-4, "{ratio}");
    assert!(first_terms(&workshop, &["--temporal-weight=0"])["temporal"].is_null());
}

#[test]
fn a_frame_is_resumed_to_the_bytes_that_it_would_have_had() {
    let workshop = film();
    let frame = |output: &str, arguments: &[&str]| {
        let mut run = command(&workshop, &["stylize", "in/00002.png", "style.png", "-o", output]);
        run.args([
            "--previous",
            "in/00001.png",
            "--flow",
            "flow/00002.flo",
            "--scales",
            "2",
        ]);
        succeed(run.args(["--iterations", "20"]).args(arguments));
    };
    frame("whole.png", &[]);
    frame("part.png", &["--checkpoint", "c", "--max-seconds", "0"]);
    let mut resumed = impasto();
    resumed.current_dir(workshop.folder.path());
    succeed(resumed.args(["resume", "c", "--max-seconds", "1000"]));
    let picture = |name: &str| image::open(workshop.path(name)).unwrap();
    assert!(picture("part.png") == picture("whole.png"));
}

#[test]
fn what_cannot_be_a_film_is_refused_before_the_start() {
    let workshop = film();
    let one = |arguments: &[&str]| {
        let mut run = command(
            &workshop,
            &["stylize", "in/00002.png", "style.png", "-o", "out.png"],
        );
        run.args(arguments);
        run
    };
    let previous = ["--previous", "in/00001.png"];
    fs::write(workshop.path("cut.flo"), &Scene::flow(1, true)[..99]).unwrap();
    fs::write(
        workshop.path("other.flo"),
        b"PIEH\x02\0\0\0\x01\0\0\0................",
    )
    .unwrap();
    for (arguments, parts) in [
        (&["--flow", "cut.flo"][..], &["flow", "previous"][..]),
        (&["--init", "previous"], &["init", "previous"]),
        (
            &[previous[0], previous[1], "--forward-flow", "cut.flo"],
            &["forward-flow"],
        ),
        (
            &[previous[0], previous[1], "--flow", "cut.flo"],
            &["cut.flo", "72x54", "has 99"],
        ),
        (
            &[previous[0], previous[1], "--flow", "other.flo"],
            &["other.flo", "2x1", "72x54"],
        ),
        (
            &[previous[0], previous[1], "--flow", "style.png"],
            &["style.png", "PIEH"],
        ),
        (
            &[previous[0], previous[1], "--flow-mask", "style.png"],
            &["style.png", "36x44"],
        ),
        (
            &[previous[0], previous[1], "--temporal-weight", "-1"],
            &["temporal-weight"],
        ),
        (&["--previous", "out.png"], &["out.png"]),
    ] {
        fail(&mut one(arguments), parts);
    }
    fail(
        batch(&workshop, "film", &[]).arg("--previous=style.png"),
        &["previous", "frames"],
    );
    fail(
        batch(&workshop, "film", &[]).arg("--cuts=9"),
        &["no frame 9", "1 to 4"],
    );
    fail(
        batch(&workshop, "film", &[]).arg("-o=film/all.png"),
        &["film/all.png", "two jobs"],
    );
    fs::remove_file(workshop.path("forward/00003.flo")).unwrap();
    fail(
        &mut batch(&workshop, "film", &[]),
        &["forward/00003.flo for frame 3"],
    );
    fs::remove_file(workshop.path("in/00003.png")).unwrap();
    fail(
        &mut batch(&workshop, "film", &[]),
        &["frame 3 is missing", "in/00003.png"],
    );
    assert!(!workshop.path("film").exists());
}
