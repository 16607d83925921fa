//! The animation, decoded by `image`.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::time::Duration;

use image::codecs::{gif::GifDecoder, png::PngDecoder, webp::WebPDecoder};
use image::{AnimationDecoder, Frame};
use impasto::observe::{Animation, MAX_FRAMES};
use impasto::picture::Picture;
use impasto::tensor::to_tensor;
use tempfile::tempdir;

use super::{iterate, start};

/// A picture whose colour tells the iteration.
fn picture(iteration: u64, (width, height): (u32, u32)) -> Picture {
    Picture::filled(
        width,
        height,
        [(iteration / 256) as f32, (iteration % 256) as f32, 90.0],
    )
}

fn iteration_of(frame: &Frame) -> u64 {
    let [high, low, ..] = frame.buffer().get_pixel(0, 0).0;
    u64::from(high) * 256 + u64::from(low)
}

/// The animation of a run of so many iterations at these sizes, one after the other.
fn run(max_side: u32, scales: &[(u64, (u32, u32))]) -> Animation {
    let mut animation = Animation::new(max_side);
    let mut iteration = 0;
    for (scale, (iterations, size)) in scales.iter().enumerate() {
        start(&mut animation, scale, *size, &[]);
        for _ in 0..*iterations {
            iteration += 1;
            let image = to_tensor(&picture(iteration, *size));
            iterate(&mut animation, iteration, image.as_slice().unwrap());
        }
    }
    animation
}

/// Writes the animation with `result` at its end and decodes it.
fn frames(animation: &Animation, name: &str, result: &Picture) -> Vec<Frame> {
    let folder = tempdir().unwrap();
    let path = folder.path().join(name);
    animation.write(&path, false, result).unwrap();
    let file = BufReader::new(File::open(&path).unwrap());
    let frames = match name.rsplit('.').next().unwrap() {
        "gif" => GifDecoder::new(file).unwrap().into_frames(),
        "webp" => WebPDecoder::new(file).unwrap().into_frames(),
        _ => PngDecoder::new(file).unwrap().apng().unwrap().into_frames(),
    };
    frames.collect_frames().unwrap()
}

#[test]
fn every_format_has_all_frames_in_their_size_and_holds_the_last() {
    let animation = run(480, &[(7, (20, 12))]);
    for name in ["a.gif", "a.webp", "a.apng", "a.png"] {
        let frames = frames(&animation, name, &picture(1000, (20, 12)));
        assert_eq!(frames.len(), 8, "{name}");
        let (last, others) = frames.split_last().unwrap();
        for frame in others {
            assert_eq!(frame.buffer().dimensions(), (20, 12), "{name}");
            assert_eq!(Duration::from(frame.delay()), Duration::from_millis(80), "{name}");
        }
        assert_eq!(Duration::from(last.delay()), Duration::from_secs(2), "{name}");
        let iterations: Vec<u64> = frames.iter().map(iteration_of).collect();
        assert_eq!(iterations, [1, 2, 3, 4, 5, 6, 7, 1000], "{name}");
    }
}

#[test]
fn the_files_say_that_they_repeat_for_ever() {
    let folder = tempdir().unwrap();
    let bytes = |name: &str| {
        let path = folder.path().join(name);
        run(480, &[(2, (20, 12))])
            .write(&path, false, &picture(9, (20, 12)))
            .unwrap();
        fs::read(path).unwrap()
    };
    let after = |bytes: &[u8], mark: &[u8], length: usize| {
        let at = bytes
            .windows(mark.len())
            .position(|window| window == mark)
            .unwrap()
            + mark.len();
        bytes[at..at + length].to_vec()
    };
    // The Netscape extension: three bytes of block, loop count 0.
    assert_eq!(after(&bytes("a.gif"), b"NETSCAPE2.0", 4), [3, 1, 0, 0]);
    // acTL: the number of frames, the number of plays.
    assert_eq!(after(&bytes("a.apng"), b"acTL", 8), [0, 0, 0, 3, 0, 0, 0, 0]);
    // ANIM: six bytes, background, loop count.
    assert_eq!(
        after(&bytes("a.webp"), b"ANIM", 10),
        [6, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    );
}

#[test]
fn the_chunks_of_a_webp_file_add_up_to_its_length() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.webp");
    run(480, &[(3, (21, 13))])
        .write(&path, false, &picture(9, (21, 13)))
        .unwrap();
    let bytes = fs::read(path).unwrap();
    let length = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    assert_eq!(
        (&bytes[..4], &bytes[8..12], length(4)),
        (&b"RIFF"[..], &b"WEBP"[..], bytes.len() - 8)
    );
    let (mut at, mut names) = (12, Vec::new());
    while at < bytes.len() {
        names.push(String::from_utf8(bytes[at..at + 4].to_vec()).unwrap());
        at += 8 + length(at + 4).next_multiple_of(2);
    }
    assert_eq!(at, bytes.len());
    assert_eq!(names, ["VP8X", "ANIM", "ANMF", "ANMF", "ANMF", "ANMF"]);
}

#[test]
fn a_long_run_keeps_its_beginning_and_then_ever_fewer_iterations() {
    for length in [100, 500, 3000] {
        let animation = run(480, &[(length, (3, 2))]);
        let frames = frames(&animation, "a.webp", &picture(length, (3, 2)));
        assert!(
            frames.len() <= MAX_FRAMES + 1 && frames.len() > MAX_FRAMES / 2,
            "{length}: {} frames",
            frames.len()
        );
        let kept: Vec<u64> = frames[..frames.len() - 1].iter().map(iteration_of).collect();
        assert!(kept.starts_with(&[1, 2, 3, 4]), "{length}: {kept:?}");
        let largest = kept
            .windows(2)
            .skip(8)
            .map(|pair| pair[1] as f64 / pair[0] as f64)
            .fold(0.0, f64::max);
        assert!(
            largest < 1.5,
            "{length}: a gap by a factor of {largest}: {kept:?}"
        );
        assert!(
            *kept.last().unwrap() as f64 > length as f64 / 1.5,
            "{length}: {kept:?}"
        );
    }
}

#[test]
fn every_scale_has_frames_from_its_first_iteration_on() {
    let animation = run(480, &[(200, (3, 2)), (200, (6, 4)), (200, (12, 8))]);
    let frames = frames(&animation, "a.webp", &picture(600, (12, 8)));
    assert!(frames.len() <= MAX_FRAMES + 1);
    let kept: Vec<u64> = frames[..frames.len() - 1].iter().map(iteration_of).collect();
    for scale in [0, 200, 400] {
        assert!(
            kept.contains(&(scale + 1)) && kept.contains(&(scale + 2)),
            "{kept:?}"
        );
        let count = kept
            .iter()
            .filter(|iteration| (scale + 1..=scale + 200).contains(iteration))
            .count();
        assert!(count >= 9, "{count} frames of a scale: {kept:?}");
    }
}

#[test]
fn more_scales_than_frames_leave_no_more_frames() {
    let scales: Vec<_> = (0..60).map(|_| (3, (3, 2))).collect();
    let frames = frames(&run(480, &scales), "a.webp", &picture(180, (3, 2)));
    assert_eq!(frames.len(), MAX_FRAMES + 1);
    assert_eq!(iteration_of(&frames[0]), 1);
}

#[test]
fn frames_of_smaller_scales_are_enlarged_to_the_result() {
    let animation = run(480, &[(3, (10, 6)), (2, (20, 12))]);
    for name in ["a.gif", "a.webp", "a.apng"] {
        let frames = frames(&animation, name, &picture(9, (20, 12)));
        let iterations: Vec<u64> = frames.iter().map(iteration_of).collect();
        assert_eq!(iterations, [1, 2, 3, 4, 5, 9], "{name}");
        assert!(
            frames.iter().all(|frame| frame.buffer().dimensions() == (20, 12)),
            "{name}"
        );
    }
}

#[test]
fn the_longer_side_is_no_longer_than_asked_for() {
    let animation = run(16, &[(2, (40, 20))]);
    let frames = frames(&animation, "a.gif", &picture(3, (40, 20)));
    assert!(frames.iter().all(|frame| frame.buffer().dimensions() == (16, 8)));
}

#[test]
fn an_animation_replaces_a_file_only_when_asked_to_and_knows_its_formats() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.gif");
    fs::write(&path, "kept").unwrap();
    let (animation, result) = (run(16, &[(2, (4, 2))]), picture(3, (4, 2)));
    animation.write(&path, false, &result).unwrap_err();
    assert_eq!(fs::read(&path).unwrap(), b"kept");
    animation.write(&path, true, &result).unwrap();
    assert!(fs::read(&path).unwrap().starts_with(b"GIF89a"));
    let message = Animation::check(Path::new("a.mp4")).unwrap_err().to_string();
    assert!(
        message.contains("a.mp4") && message.contains("gif, webp, apng"),
        "{message}"
    );
}
