//! Normalised gradients.

use crate::reference::{error, noise, wide};
use crate::with;
use impasto::kernels::{Isa, normalize};

#[test]
fn a_normalised_gradient_has_the_l1_norm_of_its_strength_before_the_relu_closes_its_gates() {
    for isa in Isa::available() {
        for len in [1, 63, 5000, 100_001] {
            let (df, add, f) = (noise(len, 1), noise(len, 2), noise(len, 3));
            let norm: f64 = df.iter().map(|&value| f64::from(value).abs()).sum();
            for add in [None, Some(&add[..])] {
                let want: Vec<f64> = wide(&df)
                    .iter()
                    .enumerate()
                    .map(|(i, value)| 50.0 * value / (norm + 1e-8) + add.map_or(0.0, |add| f64::from(add[i])))
                    .zip(&f)
                    .map(|(value, &f)| if f > 0.0 { value } else { 0.0 })
                    .collect();
                let mut got = df.clone();
                with(2, |exec| normalize(&mut got, 50.0, add, &f, isa, exec));
                assert!(error(&got, &want) < 1e-6, "{isa:?} {len}");
            }
        }
    }
}

#[test]
fn a_gradient_of_zeros_stays_zero() {
    let (mut df, f) = (vec![0.0; 1000], vec![1.0; 1000]);
    with(1, |exec| normalize(&mut df, 1e6, None, &f, Isa::detect(), exec));
    assert!(df.iter().all(|&value| value == 0.0));
}

#[test]
fn bytes_do_not_depend_on_threads() {
    for isa in Isa::available() {
        let all = |threads: usize| {
            let (mut df, f) = (noise(50_001, 3), noise(50_001, 4));
            with(threads, |exec| normalize(&mut df, 7.0, None, &f, isa, exec));
            df.iter().map(|value| value.to_bits()).collect::<Vec<_>>()
        };
        let one = all(1);
        for threads in [2, 3, 16] {
            assert!(all(threads) == one, "{threads} threads, {isa:?}");
        }
    }
}
