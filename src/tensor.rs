//! Between a [`Picture`] and the network's input, both directions.
//!
//! The network sees what the original VGG saw: `[1, 3, height, width]`, blue before green before red, 0 to 255, the
//! mean colour of its training pictures subtracted.

use ndarray::{Array4, ArrayView4};

use crate::picture::Picture;

/// The mean blue, green and red of ImageNet's training pictures, on the scale of 0 to 255.
///
/// From the VGG networks as their authors published them for Caffe (Simonyan and Zisserman, Very Deep Convolutional
/// Networks for Large-Scale Image Recognition, 2015; the models' description gives the three numbers).
pub const MEAN_BGR: [f32; 3] = [103.939, 116.779, 123.68];

/// What can be displayed of each channel of the network's input, least and greatest value: 0 to 255 minus [`MEAN_BGR`].
pub const DISPLAYABLE: [(f32, f32); 3] = [
    (-MEAN_BGR[0], 255.0 - MEAN_BGR[0]),
    (-MEAN_BGR[1], 255.0 - MEAN_BGR[1]),
    (-MEAN_BGR[2], 255.0 - MEAN_BGR[2]),
];

/// The picture as the network's input: f32 `[1, 3, height, width]`, BGR, 0 to 255 minus [`MEAN_BGR`].
pub fn to_tensor(picture: &Picture) -> Array4<f32> {
    let (width, height) = picture.size();
    let rgb = picture.rgb();
    let planes = (0..3).flat_map(|channel| {
        rgb.iter()
            .skip(2 - channel)
            .step_by(3)
            .map(move |v| v - MEAN_BGR[channel])
    });
    Array4::from_shape_vec((1, 3, height as usize, width as usize), planes.collect())
        .expect("a picture has three values a pixel")
}

/// The picture that a network's input shows: mean added, RGB, clamped to 0 to 255.
///
/// `image` is f32 `[1, 3, height, width]` in the convention of [`to_tensor`]. An 8-bit picture that went through
/// [`to_tensor`] comes back within 2e-5 of each value, so saving it gives the same bytes.
///
/// # Panics
/// When `image` has another shape or no pixels.
pub fn from_tensor(image: ArrayView4<'_, f32>) -> Picture {
    let (batch, channels, height, width) = image.dim();
    assert_eq!((batch, channels), (1, 3), "one image of three channels");
    let side = |length: usize| u32::try_from(length).expect("a side fits into 32 bits");
    let values = image.as_standard_layout();
    from_values(
        values.as_slice().expect("in standard layout"),
        side(width),
        side(height),
    )
}

/// As [`from_tensor`], from a tensor's values in their order: the blue plane, the green, the red, each row by row.
///
/// # Panics
/// When a side is 0 or `image` does not hold `3 * width * height` values.
pub fn from_values(image: &[f32], width: u32, height: u32) -> Picture {
    let pixels = width as usize * height as usize;
    assert_eq!(image.len(), 3 * pixels, "three values a pixel");
    let rgb =
        (0..pixels).flat_map(|i| [2, 1, 0].map(|channel| image[channel * pixels + i] + MEAN_BGR[channel]));
    Picture::from_rgb(width, height, rgb.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every 8-bit value in every channel, at an odd size.
    fn all_values() -> Picture {
        let rgb = (0..257 * 3 * 3).map(|i| ((i * 7 + i / 3) % 256) as f32).collect();
        Picture::from_rgb(257, 3, rgb)
    }

    #[test]
    fn the_planes_are_blue_green_red_with_the_mean_taken_away() {
        let picture = Picture::from_rgb(2, 1, vec![10.0, 20.0, 30.0, 40.0, 50.0, 60.0]);
        let tensor = to_tensor(&picture);
        assert_eq!(tensor.dim(), (1, 3, 1, 2));
        let wanted = [
            30.0 - 103.939,
            60.0 - 103.939,
            20.0 - 116.779,
            50.0 - 116.779,
            10.0 - 123.68,
            40.0 - 123.68,
        ];
        assert_eq!(tensor.as_slice().unwrap(), wanted);
    }

    #[test]
    fn rows_stay_rows() {
        let picture = Picture::from_rgb(1, 2, vec![0.0, 0.0, 1.0, 0.0, 0.0, 2.0]);
        let tensor = to_tensor(&picture);
        assert_eq!(tensor[[0, 0, 1, 0]], 2.0 - 103.939);
    }

    #[test]
    fn an_8_bit_picture_comes_back_the_same() {
        let picture = all_values();
        let back = from_tensor(to_tensor(&picture).view());
        assert_eq!(back.size(), picture.size());
        for (value, wanted) in back.rgb().iter().zip(picture.rgb()) {
            assert!((value - wanted).abs() <= 2e-5, "{value} instead of {wanted}");
            assert_eq!(value.round(), *wanted);
        }
    }

    #[test]
    fn a_tensor_in_another_memory_layout_shows_the_same_picture() {
        let tensor = to_tensor(&all_values());
        let mut wide = Array4::zeros((1, 3, 257, 3));
        wide.assign(&tensor.view().permuted_axes([0, 1, 3, 2]));
        assert_eq!(
            from_tensor(wide.view().permuted_axes([0, 1, 3, 2])),
            from_tensor(tensor.view())
        );
    }

    #[test]
    fn values_beyond_the_displayable_are_clamped() {
        let picture = from_values(&[1000.0, -1000.0, f32::NAN], 1, 1);
        assert_eq!(picture.rgb(), [0.0, 0.0, 255.0]);
    }

    #[test]
    #[should_panic(expected = "one image of three channels")]
    fn another_number_of_channels_is_refused() {
        from_tensor(Array4::zeros((1, 4, 2, 2)).view());
    }
}
