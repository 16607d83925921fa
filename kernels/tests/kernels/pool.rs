//! Pooling by itself.

use crate::reference::{first_largest, noise, windows};
use crate::with;
use impasto_kernels::{Isa, Pool, Size, pool, pool_gradient};

/// Channels, height, width.
const SHAPES: [(usize, usize, usize); 6] = [
    (1, 2, 2),
    (3, 1, 5),
    (2, 7, 9),
    (5, 16, 64),
    (4, 33, 1),
    (3, 10, 131),
];

/// Few different values, so that there are many ties.
fn values(len: usize) -> Vec<f32> {
    noise(len, 1)
        .into_iter()
        .map(|x| (3.0 * x).round().max(0.0))
        .collect()
}

fn pooling_and_its_gradient_are_exact_and_ties_go_to_the_first(isa: Isa) {
    for (channels, height, width) in SHAPES {
        let size = Size { height, width };
        let x = values(channels * size.area());
        let len = channels * size.pooled().area();
        let dy = noise(len, 2);
        for kind in [Pool::Max, Pool::Average] {
            let (mut y, mut dx) = (vec![f32::NAN; len], vec![f32::NAN; x.len()]);
            with(2, |exec| {
                pool(&x, size, kind, &mut y, isa, exec);
                pool_gradient(&dy, &x, size, kind, &mut dx, isa, exec);
            });
            let mut want = vec![0.0; x.len()];
            for (i, window) in windows(channels, size).into_iter().enumerate() {
                let values = window.map(|place| f64::from(x[place]));
                let first = first_largest(values);
                match kind {
                    Pool::Max => {
                        assert_eq!(f64::from(y[i]), values[first]);
                        want[window[first]] = dy[i];
                    }
                    Pool::Average => {
                        assert_eq!(f64::from(y[i]), values.iter().sum::<f64>() / 4.0);
                        window.iter().for_each(|&place| want[place] = dy[i] / 4.0);
                    }
                }
            }
            assert_eq!(dx, want, "{isa:?} {kind:?} {size:?}");
        }
    }
}

crate::on_every_instruction_set! {
    pooling_and_its_gradient_are_exact_and_ties_go_to_the_first
}
