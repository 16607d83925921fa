//! From a picture to a file.

use crate::*;

#[test]
fn what_is_saved_without_loss_comes_back_the_same() {
    for (width, height) in [(31, 17), (1, 1), (7, 1), (1, 7)] {
        let rgb = speckle((3 * width * height) as usize);
        let picture = Picture::from_rgb(width, height, rgb.iter().map(|&v| f32::from(v)).collect());
        for extension in ["png", "webp", "tif"] {
            assert_eq!(
                saved_and_loaded(&picture, extension, Bits::Eight),
                picture,
                "{extension}"
            );
        }
    }
}

/// What comes back from a file of this extension; no warning, and the profile in it says sRGB.
fn saved_and_loaded(picture: &Picture, extension: &str, bits: Bits) -> Picture {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("out.{extension}"));
    picture
        .save_as(
            &path,
            false,
            &Encoding {
                bits,
                ..Encoding::default()
            },
        )
        .unwrap();
    let mut content = fs::read(&path).unwrap();
    if extension == "png" {
        // The profile is compressed there.
        let decoder = png::Decoder::new(Cursor::new(content)).read_info().unwrap();
        content = decoder.info().icc_profile.clone().unwrap().into_owned();
    }
    assert!(
        content.windows(8).any(|bytes| bytes == b"\0s\0R\0G\0B"),
        "{extension}"
    );
    let loaded = picture::load(path).unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    loaded.picture
}

#[test]
fn transparency_is_saved_by_every_format_that_can_hold_it() {
    let alpha: Vec<f32> = (0..15).map(|i| (255 - i * 17) as f32).collect();
    let rgb = speckle(45).into_iter().map(f32::from).collect();
    let picture = Picture::from_rgb(5, 3, rgb).with_alpha(alpha);
    for (extension, bits) in [
        ("png", Bits::Eight),
        ("webp", Bits::Eight),
        ("tif", Bits::Eight),
        ("png", Bits::Sixteen),
        ("tif", Bits::Sixteen),
    ] {
        let back = saved_and_loaded(&picture, extension, bits);
        assert_eq!(back.alpha(), picture.alpha(), "{extension}");
        // The last pixel cannot be seen; its colour is filled in.
        assert_eq!(back.rgb()[..42], picture.rgb()[..42], "{extension}");
    }
}

#[test]
fn a_jpeg_shows_what_is_transparent_on_white() {
    let picture = Picture::filled(16, 16, [255.0, 0.0, 0.0]).with_alpha(vec![51.0; 256]);
    let back = saved_and_loaded(&picture, "jpg", Bits::Eight);
    assert_eq!(back.alpha(), None);
    for (value, wanted) in back.pixel(8, 8).into_iter().zip([255.0, 204.0, 204.0]) {
        assert!((value - wanted).abs() <= 2.0, "{:?}", back.pixel(8, 8));
    }
}

#[test]
fn sixteen_bits_come_back_to_the_last_one() {
    let values: Vec<f32> = speckle(2 * 45)
        .chunks(2)
        .map(|v| f32::from(u16::from_be_bytes([v[0], v[1]])) / 257.0)
        .collect();
    let picture = Picture::from_rgb(5, 3, values);
    for extension in ["png", "tiff"] {
        assert_eq!(
            saved_and_loaded(&picture, extension, Bits::Sixteen),
            picture,
            "{extension}"
        );
        assert_ne!(
            saved_and_loaded(&picture, extension, Bits::Eight),
            picture,
            "{extension}"
        );
    }
}

#[test]
fn a_lower_jpeg_quality_makes_a_smaller_file() {
    let folder = tempfile::tempdir().unwrap();
    let picture = Picture::from_rgb(64, 64, speckle(3 * 64 * 64).into_iter().map(f32::from).collect());
    let size = |jpeg_quality| {
        let path = folder.path().join(format!("{jpeg_quality}.jpg"));
        picture
            .save_as(
                &path,
                false,
                &Encoding {
                    jpeg_quality,
                    ..Encoding::default()
                },
            )
            .unwrap();
        fs::metadata(path).unwrap().len()
    };
    assert!(size(30) * 2 < size(95), "{} {}", size(31), size(94));
}

#[test]
fn the_same_picture_is_saved_as_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for extension in ["png", "jpg", "webp", "tif"] {
        let save = |name: &str| {
            let path = folder.path().join(name).with_extension(extension);
            Picture::filled(9, 9, [1.0, 2.0, 3.0]).save(&path, false).unwrap();
            fs::read(path).unwrap()
        };
        assert_eq!(save("one"), save("two"));
    }
}

#[test]
fn a_jpeg_is_saved_at_a_quality_that_keeps_colours() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.jpeg");
    Picture::filled(16, 16, [200.0, 30.0, 90.0])
        .save(&path, false)
        .unwrap();
    for (value, wanted) in Picture::load(&path)
        .unwrap()
        .pixel(8, 8)
        .into_iter()
        .zip([200.0, 30.0, 90.0])
    {
        assert!((value - wanted).abs() <= 2.0, "{value} instead of {wanted}");
    }
}

#[test]
fn values_are_rounded_to_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.png");
    Picture::from_rgb(1, 1, vec![99.49, 99.51, 254.7])
        .save(&path, false)
        .unwrap();
    assert_eq!(Picture::load(&path).unwrap().rgb(), [99.0, 100.0, 255.0]);
}

#[test]
fn an_8_bit_picture_through_the_network_s_convention_is_saved_with_the_same_pixels() {
    let rgb = speckle(31 * 17 * 3);
    let picture = Picture::from_rgb(31, 17, rgb.iter().map(|&v| f32::from(v)).collect());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.png");
    from_tensor(to_tensor(&picture).view())
        .save(&path, false)
        .unwrap();
    assert_eq!(Picture::load(&path).unwrap(), picture);
}

#[test]
fn an_existing_file_is_kept_unless_overwriting_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.png");
    fs::write(&path, b"precious").unwrap();
    let picture = Picture::filled(2, 2, [1.0, 2.0, 3.0]);
    for error in [
        check_output(&path, false).unwrap_err(),
        picture.save(&path, false).unwrap_err(),
    ] {
        assert!(
            matches!(error, PictureError::Output(OutputError::Exists { .. })),
            "{error}"
        );
        assert!(error.to_string().ends_with("the file exists"), "{error}");
    }
    assert_eq!(fs::read(&path).unwrap(), b"precious");

    check_output(&path, true).unwrap();
    picture.save(&path, true).unwrap();
    assert_eq!(Picture::load(&path).unwrap(), picture);
}

#[test]
fn checking_an_output_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    check_output(folder.path().join("out.png"), false).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn saving_leaves_one_file_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    Picture::filled(2, 2, [0.0; 3])
        .save(folder.path().join("out.png"), false)
        .unwrap();
    let names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["out.png"]);
}

#[test]
fn a_missing_folder_is_named_with_the_way_to_make_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("not/there/out.png");
    for error in [
        check_output(&path, false).unwrap_err(),
        Picture::filled(1, 1, [0.0; 3]).save(&path, false).unwrap_err(),
    ] {
        let message = error.to_string();
        assert!(
            message.contains(&path.parent().unwrap().display().to_string()),
            "{message}"
        );
        assert!(message.contains("create it"), "{message}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_as_output_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.png");
    fs::create_dir(&path).unwrap();
    let error = check_output(&path, true).unwrap_err();
    assert!(
        matches!(error, PictureError::Output(OutputError::Folder { .. })),
        "{error}"
    );
}

#[test]
fn a_bare_file_name_is_written_into_the_current_folder() {
    // The check writes nothing.
    check_output(Path::new("surely-not-there.png"), false).unwrap();
}

#[cfg(unix)]
#[test]
fn the_output_has_the_permissions_of_any_new_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let ordinary = folder.path().join("ordinary");
    fs::write(&ordinary, b"").unwrap();
    let path = folder.path().join("out.png");
    Picture::filled(1, 1, [0.0; 3]).save(&path, false).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&path), mode(&ordinary));
}

#[cfg(unix)]
#[test]
fn a_link_to_a_file_stays_a_link_and_the_file_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (target, link) = (folder.path().join("target.png"), folder.path().join("link.png"));
    fs::write(&target, b"old").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let picture = Picture::filled(2, 1, [9.0, 8.0, 7.0]);
    picture.save(&link, true).unwrap();
    assert!(link.is_symlink());
    assert_eq!(Picture::load(&target).unwrap(), picture);
}
