//! JPEG files of every make, whole and damaged.

use std::time::{Duration, Instant};

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

use crate::*;

const SIZE: (u16, u16) = (150, 130);

/// Colours that change slowly, with a little grain, none of them the grey of what is missing.
fn scene() -> Vec<u8> {
    let (width, height) = (usize::from(SIZE.0), usize::from(SIZE.1));
    let grain = speckle(width * height);
    (0..width * height)
        .flat_map(|i| {
            let (x, y, grain) = (i % width, i / width, usize::from(grain[i] % 16));
            [60 + x + grain, 200 - y + grain, 10 + x / 4 + y / 4 + grain].map(|value| value as u8)
        })
        .collect()
}

/// The scene as a JPEG file, as `adjust` wants it.
fn scene_as(adjust: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    encoded(&scene(), ColorType::Rgb, adjust)
}

fn encoded(samples: &[u8], color: ColorType, adjust: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, 90);
    adjust(&mut encoder);
    encoder.encode(samples, SIZE.0, SIZE.1, color).unwrap();
    file
}

/// The kinds of scans: one for all, one a channel, progressive, and with restart markers.
fn in_every_kind(sampling: SamplingFactor) -> [(&'static str, Vec<u8>); 4] {
    let of = |adjust: &dyn Fn(&mut Encoder<&mut Vec<u8>>)| {
        scene_as(|encoder| {
            encoder.set_sampling_factor(sampling);
            adjust(encoder);
        })
    };
    [
        ("one scan", of(&|_| {})),
        (
            "a scan a channel",
            of(&|encoder| encoder.set_optimized_huffman_tables(true)),
        ),
        ("progressive", of(&|encoder| encoder.set_progressive(true))),
        ("restarts", of(&|encoder| encoder.set_restart_interval(4))),
    ]
}

fn loaded(content: &[u8]) -> Result<picture::Loaded, PictureError> {
    let (_folder, path) = file(content);
    picture::load(path)
}

/// The picture and the one line that it is read with.
fn with_warning(content: &[u8]) -> (Picture, String) {
    let mut loaded = loaded(content).unwrap();
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
    (loaded.picture, loaded.warnings.remove(0))
}

/// The share of pixels, from 0 to 1, that are the grey of what is missing.
fn missing(picture: &Picture) -> f64 {
    let is_grey = |rgb: &[f32]| rgb.iter().all(|value| (126.0..=130.0).contains(value));
    let grey = picture.rgb().chunks_exact(3).filter(|rgb| is_grey(rgb)).count();
    grey as f64 / (picture.rgb().len() / 3) as f64
}

/// The first number before a per cent sign.
fn percent(warning: &str) -> f64 {
    let before = warning.split(" %").next().unwrap();
    before.rsplit(' ').next().unwrap().parse().unwrap()
}

/// Where the data of the first scan begins.
fn first_scan(content: &[u8]) -> usize {
    content.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap() + 14
}

#[test]
fn every_subsampling_in_every_kind_of_scan_comes_close_to_the_scene() {
    use SamplingFactor::*;
    let scene = scene();
    for sampling in [F_1_1, F_2_1, F_1_2, F_2_2, F_4_1, F_4_2, F_1_4, F_2_4] {
        for (kind, content) in in_every_kind(sampling) {
            let loaded = loaded(&content).unwrap();
            assert_eq!(loaded.warnings, [""; 0], "{sampling:?}, {kind}");
            let off: f64 = loaded
                .picture
                .rgb()
                .iter()
                .zip(&scene)
                .map(|(value, &wanted)| f64::from((value - f32::from(wanted)).abs()))
                .sum();
            let off = off / scene.len() as f64;
            assert!(off < 4.0, "{sampling:?}, {kind}: {off} levels off");
        }
    }
}

#[test]
fn one_scan_a_channel_is_the_same_picture_as_one_scan_for_all() {
    use SamplingFactor::*;
    for sampling in [F_1_1, F_2_1, F_1_2, F_2_2] {
        let [one, apart, progressive, restarts] =
            in_every_kind(sampling).map(|(_, content)| load(&content).unwrap());
        assert_eq!(one, apart, "{sampling:?}");
        assert_eq!(one, progressive, "{sampling:?}");
        assert_eq!(one, restarts, "{sampling:?}");
    }
}

#[test]
fn red_green_and_blue_may_be_stored_as_they_are() {
    let scene = scene();
    // The encoder takes its input for luma and differences, so stores it unchanged; its JFIF segment says so.
    let stored = encoded(&scene, ColorType::Ycbcr, |encoder| {
        encoder.set_sampling_factor(SamplingFactor::F_1_1);
    });
    let jfif = 4 + 14;
    let without = |mark: &[u8]| [&stored[..2], mark, &stored[2 + jfif..]].concat();
    let adobe = without(b"\xFF\xEE\0\x0EAdobe\0\x64\0\0\0\0\0");
    let mut named = without(b"");
    let frame = named.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    let scan = first_scan(&named) - 14;
    for (index, name) in b"RGB".iter().enumerate() {
        named[frame + 10 + 3 * index] = *name;
        named[scan + 5 + 2 * index] = *name;
    }
    for content in [adobe, named] {
        let picture = load(&content).unwrap();
        for (value, &wanted) in picture.rgb().iter().zip(&scene) {
            assert!((value - f32::from(wanted)).abs() < 25.0, "{value} for {wanted}");
        }
    }
}

#[test]
fn a_missing_end_marker_is_told_and_the_picture_is_whole() {
    for (kind, content) in in_every_kind(SamplingFactor::F_2_2) {
        let (picture, warning) = with_warning(&content[..content.len() - 2]);
        assert!(warning.contains("end marker is missing"), "{kind}: {warning}");
        assert_eq!(picture, load(&content).unwrap(), "{kind}");
    }
}

#[test]
fn what_is_missing_of_a_damaged_or_cut_scan_is_told_in_per_cent() {
    let content = scene_as(|_| {});
    let scan = first_scan(&content);
    for share in [0.55, 0.7, 0.85, 0.97] {
        let at = scan + ((content.len() - scan) as f64 * share) as usize;
        let mut damaged = content.clone();
        damaged[at..at + 16].fill(0xFF);
        for content in [damaged.as_slice(), &content[..at]] {
            let (picture, warning) = with_warning(content);
            assert!(warning.contains("% of it is missing"), "{warning}");
            let off = percent(&warning) - 100.0 * missing(&picture);
            // Rows of blocks are counted: the one with the damage is missing in part.
            assert!(
                (-1.0..=13.0).contains(&off),
                "{warning}, not {}",
                missing(&picture)
            );
        }
    }
}

#[test]
fn a_picture_of_which_more_than_half_is_missing_is_refused() {
    for (kind, content) in in_every_kind(SamplingFactor::F_2_2) {
        let at = first_scan(&content) + 40;
        let mut damaged = content.clone();
        damaged.truncate(at);
        assert!(refusal(&damaged).contains("more than half"), "{kind}");
    }
}

#[test]
fn a_progressive_file_that_is_cut_says_that_detail_is_missing() {
    let content = scene_as(|encoder| encoder.set_progressive(true));
    for share in [50, 70, 90] {
        let (_, warning) = with_warning(&content[..content.len() * share / 100]);
        assert!(warning.contains("% of it lacks detail"), "{warning}");
    }
    // Between two scans nothing is damaged, and an end marker makes the file look whole.
    let last = content.windows(2).rposition(|pair| pair == [0xFF, 0xDA]).unwrap();
    let shortened = [&content[..last], &[0xFF, 0xD9]].concat();
    let (_, warning) = with_warning(&shortened);
    assert!(warning.contains("100 % of it lacks detail"), "{warning}");
}

#[test]
fn a_file_without_the_scans_of_its_colours_is_refused() {
    let content = scene_as(|encoder| encoder.set_optimized_huffman_tables(true));
    let second = first_scan(&content) + 2;
    let colours = second
        + content[second..]
            .windows(2)
            .position(|pair| pair == [0xFF, 0xDA])
            .unwrap();
    let grey = [&content[..colours], &[0xFF, 0xD9]].concat();
    assert!(refusal(&grey).contains("whole channels of it are missing"));
}

#[test]
fn data_that_is_left_over_is_told() {
    let content = scene_as(|_| {});
    let at = content.len() - 200;
    let doubled = [&content[..at], &content[at - 100..]].concat();
    let (_, warning) = with_warning(&doubled);
    assert!(warning.contains("parts of it may look wrong"), "{warning}");
}

#[test]
fn kinds_of_jpeg_that_are_not_read_are_named() {
    let content = scene_as(|_| {});
    let frame = content.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    let changed = |at: usize, byte| {
        let mut content = content.clone();
        content[frame + at] = byte;
        refusal(&content)
    };
    for (message, name) in [
        (changed(4, 12), "12 bits a channel"),
        (changed(1, 0xC3), "lossless JPEG"),
        (changed(1, 0xC9), "arithmetic coding"),
        (changed(1, 0xF7), "JPEG-LS"),
    ] {
        assert!(
            message.contains(name) && message.contains("not supported"),
            "{message}"
        );
    }
}

#[test]
fn thousands_of_scans_are_refused_before_they_take_long() {
    let content = scene_as(|encoder| encoder.set_progressive(true));
    let last = content.windows(2).rposition(|pair| pair == [0xFF, 0xDA]).unwrap();
    let (scans, end) = content.split_at(content.len() - 2);
    let bomb = [scans, &scans[last..].repeat(5000), end].concat();
    let start = Instant::now();
    assert!(refusal(&bomb).contains("more scans than a picture needs"));
    assert!(start.elapsed() < Duration::from_secs(10));
}

/// Changes the file as storage and networks do: bytes flipped, blocks of one value, bytes lost, doubled or cut off.
fn mutate(content: &mut Vec<u8>, random: &mut ChaCha8Rng) {
    let mut below = |limit: usize| random.next_u32() as usize % limit.max(1);
    let at = below(content.len());
    let length = (1 + below(64)).min(content.len() - at);
    match below(6) {
        0 => content[at] ^= 1 << below(8),
        1 => content[at..at + length].fill(0xFF),
        2 => content[at..at + length].fill(0),
        3 => content.truncate(at),
        4 => drop(content.drain(at..at + length)),
        _ => {
            let doubled = content[at..at + length].to_vec();
            drop(content.splice(at..at, doubled));
        }
    }
}

#[test]
fn no_damaged_file_is_read_in_silence_with_more_than_a_twentieth_missing() {
    let mut random = ChaCha8Rng::seed_from_u64(19);
    let (mut silent, mut told, mut refused) = (0, 0, 0);
    for (kind, content) in in_every_kind(SamplingFactor::F_2_2) {
        assert!(missing(&load(&content).unwrap()) < 0.01);
        for number in 0..250 {
            let mut mutated = content.clone();
            mutate(&mut mutated, &mut random);
            match loaded(&mutated) {
                Err(_) => refused += 1,
                Ok(loaded) if !loaded.warnings.is_empty() => told += 1,
                Ok(loaded) => {
                    silent += 1;
                    let missing = missing(&loaded.picture);
                    assert!(
                        missing < 0.05,
                        "{kind}, mutation {number}: {missing} missing in silence"
                    );
                }
            }
        }
    }
    assert!(
        silent > 50 && told > 200 && refused > 100,
        "{silent}, {told}, {refused}"
    );
}

#[test]
fn a_quantisation_table_with_zeros_is_told() {
    let mut content = scene_as(|_| {});
    let table = content.windows(2).position(|pair| pair == [0xFF, 0xDB]).unwrap();
    content[table + 5..table + 5 + 64].fill(0);
    let (_, warning) = with_warning(&content);
    assert!(warning.contains("quantisation table has zeros"), "{warning}");
}

#[test]
fn a_small_file_that_says_to_be_large_is_refused_at_once() {
    for (kind, mut content) in in_every_kind(SamplingFactor::F_2_2) {
        let frame = content
            .windows(2)
            .position(|pair| pair == [0xFF, 0xC0] || pair == [0xFF, 0xC2])
            .unwrap();
        content[frame + 5..frame + 9].copy_from_slice(&[0x7D, 0x00, 0x0F, 0xA0]);
        assert!(refusal(&content).contains("more than half"), "{kind}");
    }
}
