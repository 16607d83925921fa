//! The layers of VGG19 by their names, `relu1_1` to `relu5_4`: their sizes and receptive fields.

/// A place of the deepest layer in pixels.
const STRIDE: u32 = 16;

/// Convolutions of each block between two pools.
const CONVOLUTIONS: [u32; 5] = [2, 2, 4, 4, 4];

/// The size (width, height) of a layer in a picture of `size`: every pool halves it and rounds down.
pub(crate) fn layer_size(layer: &str, (width, height): (u32, u32)) -> (u32, u32) {
    let block = layer.strip_prefix("relu").and_then(|name| name.chars().next());
    let pools = block.and_then(|block| block.to_digit(10)).unwrap_or(1) - 1;
    (width >> pools, height >> pools)
}

/// How far beyond its own pixels a place of any of these layers sees, in pixels, rounded up to places of the deepest one.
pub(super) fn halo<'a>(layers: impl IntoIterator<Item = &'a String>) -> u32 {
    let reaches = layers.into_iter().map(|layer| reach(layer));
    reaches.max().unwrap_or(0).next_multiple_of(STRIDE)
}

/// How far the receptive field of a place of a layer reaches beyond its own pixels, in pixels: each convolution adds a place.
pub(crate) fn reach(layer: &str) -> u32 {
    let numbers = layer.strip_prefix("relu").and_then(|name| name.split_once('_'));
    let number = |text: &str| text.parse::<u32>().ok();
    let place = numbers.and_then(|(block, index)| Some((number(block)?, number(index)?)));
    let (block, index) = place.unwrap_or((5, 4));
    let before = (1..block)
        .zip(CONVOLUTIONS)
        .map(|(block, count)| count << (block - 1));
    before.sum::<u32>() + (index << (block - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reach_of_a_layer_is_that_of_its_receptive_field() {
        let reaches = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1", "relu5_4"].map(reach);
        assert_eq!(reaches, [1, 4, 10, 30, 70, 118]);
    }
}
