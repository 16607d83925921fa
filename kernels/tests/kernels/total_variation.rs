//! Total variation and its gradient.

use crate::reference::{error, noise, wide};
use crate::with;
use impasto_kernels::{Isa, Size, total_variation, total_variation_gradient};

/// Channels, height, width.
const SHAPES: [(usize, usize, usize); 7] = [
    (1, 1, 1),
    (3, 1, 5),
    (2, 6, 1),
    (3, 2, 2),
    (3, 7, 9),
    (1, 33, 64),
    (3, 10, 131),
];

/// The weights of the pixels.
fn guide(size: Size) -> Vec<f32> {
    noise(size.area(), 9).iter().map(|w| w.max(0.0)).collect()
}

/// The value, and the slope of it, pixel by pixel.
fn expected(x: &[f64], guide: &[f32], size: Size) -> (f64, Vec<f64>) {
    let (mut value, mut slope) = (0.0, vec![0.0; x.len()]);
    for place in 0..x.len() {
        let (row, col) = (place % size.area() / size.width, place % size.width);
        if row + 1 < size.height && col + 1 < size.width {
            for other in [place + 1, place + size.width] {
                let (step, weight) = (x[place] - x[other], f64::from(guide[place % size.area()]));
                value += weight * step * step / 2.0;
                slope[place] += weight * step;
                slope[other] -= weight * step;
            }
        }
    }
    (value, slope)
}

fn total_variation_and_its_gradient_agree_with_f64(isa: Isa) {
    for (channels, height, width) in SHAPES {
        let size = Size { height, width };
        let (x, add) = (noise(channels * size.area(), 1), noise(channels * size.area(), 2));
        let guide = guide(size);
        let (value, slope) = expected(&wide(&x), &guide, size);
        let got = with(2, |exec| total_variation(&x, &guide, size, isa, exec));
        assert!(
            (got - value).abs() <= 3e-7 * value,
            "{got} {value} {isa:?} {size:?}"
        );

        for add in [None, Some(&add[..])] {
            let with_add = |place: usize| 0.7 * slope[place] + add.map_or(0.0, |add| f64::from(add[place]));
            let want: Vec<f64> = (0..x.len()).map(with_add).collect();
            let mut dx = vec![f32::NAN; x.len()];
            with(2, |exec| {
                total_variation_gradient(&x, &guide, size, 0.7, add, &mut dx, isa, exec)
            });
            assert!(error(&dx, &want) < 1e-6, "{isa:?} {size:?}");
        }
    }
}

#[test]
fn the_gradient_of_total_variation_matches_differences_of_its_value() {
    let size = Size { height: 5, width: 4 };
    let x = wide(&noise(3 * size.area(), 3));
    let guide = guide(size);
    let slope = expected(&x, &guide, size).1;
    for place in 0..x.len() {
        let moved = |step: f64| {
            let mut x = x.clone();
            x[place] += step;
            expected(&x, &guide, size).0
        };
        let difference = (moved(1e-4) - moved(-1e-4)) / 2e-4;
        assert!((slope[place] - difference).abs() < 1e-8, "{place}");
    }
}

fn without_a_weight_the_gradient_is_what_it_is_added_to_to_the_bit(isa: Isa) {
    let size = Size { height: 7, width: 20 };
    let x = noise(3 * size.area(), 1);
    let mut add = noise(x.len(), 2);
    add[5] = -0.0;
    let mut dx = vec![f32::NAN; x.len()];
    with(2, |exec| {
        total_variation_gradient(&x, &guide(size), size, 0.0, Some(&add), &mut dx, isa, exec)
    });
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&dx), bits(&add));
}

fn bytes_do_not_depend_on_threads(isa: Isa) {
    let size = Size {
        height: 41,
        width: 131,
    };
    let (x, guide) = (noise(3 * size.area(), 1), guide(size));
    let all = |threads: usize| {
        let mut dx = vec![f32::NAN; x.len()];
        let value = with(threads, |exec| {
            total_variation_gradient(&x, &guide, size, 0.3, None, &mut dx, isa, exec);
            total_variation(&x, &guide, size, isa, exec)
        });
        (
            value.to_bits(),
            dx.iter().map(|dx| dx.to_bits()).collect::<Vec<_>>(),
        )
    };
    let one = all(1);
    for threads in [2, 3, 16] {
        assert!(all(threads) == one, "{threads} threads, {isa:?}");
    }
}

crate::on_every_instruction_set! {
    total_variation_and_its_gradient_agree_with_f64
    without_a_weight_the_gradient_is_what_it_is_added_to_to_the_bit
    bytes_do_not_depend_on_threads
}
